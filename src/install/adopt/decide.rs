//! Decides an adoption: what becomes of each object of the release, and the plan of the rollout.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::helm_records::Found;
use super::values::{self, Carried};
use super::{forecast, prepare};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::helm::disposition::{Fate, Handed, Scope, find};
use crate::helm::redis_volume::claims;
use crate::helm::release::Release;
use crate::install::checked::Checked;
use crate::install::generations::{inventory, known_secrets};
use crate::install::observe::{find_all, is_wanted, split_used};
use crate::install::options::Options;
use crate::install::ownership::{Leave, judge};
use crate::install::pod_dry_run::try_pods;
use crate::install::preflight;
use crate::install::run::Run;
use crate::install::secrets::{self, Makings};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::live;
use crate::rollout::plan::{Before, Plan, plan};
use crate::rollout::prune::{Candidate, candidates};
use crate::rollout::record::Item;
use crate::rollout::rights::Right;
use crate::rollout::trial::trials;

/// The remedy for a foreign object if Helm has no record of the release.
const NO_RECORD: &str = "Helm has no record of the release, so objects of other owners are not \
                         taken over: inspect it, and move it away";

/// The decisions of an adoption.
pub struct Decided {
    pub helm: HelmPart,
    pub carried: Vec<Carried>,
    pub before: Before,
    pub makings: Makings,
    /// Whether only Helm's records are left to take over, because an earlier run did the rest.
    pub is_over: bool,
}

/// The release.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmPart {
    pub release: String,
    #[serde(skip)]
    pub namespace: String,
    /// Absent if Helm has no record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Whether the archived records show that it was adopted before.
    #[serde(skip)]
    pub is_archived: bool,
    pub objects: Vec<Handed>,
    /// The revision whose keys the relay runs with, according to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_from_revision: Option<u64>,
    /// Keys that the bundle expects in other Secrets than the chart did.
    pub carried: Vec<String>,
    /// The version of the Secret that the values come from; none if nothing is carried.
    #[serde(skip)]
    pub source: Option<String>,
    /// Secrets that now hold Helm's records; empty in a plan.
    pub archived: Vec<String>,
}

impl HelmPart {
    /// Returns the objects with data that are deleted and recreated.
    pub fn cleared(&self) -> impl Iterator<Item = &Handed> {
        self.objects.iter().filter(|handed| matches!(handed.fate, Fate::Recreate | Fate::Replace))
    }

    /// Returns the part of the plan hash that covers the release. It has no secret values, but the
    /// version of the Secret that holds them.
    pub fn approved(&self) -> Value {
        json!({
            "release": self.release,
            "revision": self.revision,
            "objects": self.objects,
            "keyFromRevision": self.key_from_revision,
            "carried": self.carried,
            "source": self.source,
        })
    }
}

/// Reads the whole state, and refuses an adoption that would lose data or could not succeed. `helm`
/// is the name of the release and the revision whose keys the relay runs with.
///
/// # Errors
///
/// When the adoption is refused, or the cluster cannot be asked.
pub fn decide(
    checked: &Checked,
    cluster: &Cluster,
    run: &Run<'_>,
    found: &Found,
    (release_name, key_from_revision): (&ReleaseName, Option<u64>),
    options: &Options,
) -> Result<Decided, Failure> {
    let release = found.release.as_ref();
    let bundle = &checked.bundle;
    let namespace = bundle.index.namespace.as_str();
    let mut missing = preflight::check_contract(cluster, bundle)?;
    missing.wanted.extend(missing.groups.iter().map(ToString::to_string));
    if !missing.wanted.is_empty() {
        let failure =
            Failure::world("the cluster lacks what the bundle needs; nothing was changed");
        return Err(missing.wanted.into_iter().fold(failure, Failure::reason));
    }
    let recorded = run.journal.recorded(|_| true)?;
    let (earlier, known) = (inventory(&recorded), known_secrets(&run.journal.head, &recorded));
    let live = look(cluster, checked, release, &earlier)?;
    let taken =
        candidates(&earlier, &bundle.manifests, &live, (FIELD_MANAGER, bundle.index.name.as_str()));
    let taken = taken.into_iter().map(|taken| taken.uid).collect();
    let scope = release.map(|release| Scope {
        name: release_name.as_str(),
        namespace,
        release,
        bundle: &bundle.manifests,
        live: &live,
        taken: &taken,
    });
    let objects = scope.as_ref().map_or_else(Vec::new, Scope::fates);
    let obstacles = scope.as_ref().map_or_else(Vec::new, Scope::obstacles);
    if !obstacles.is_empty() {
        let failure = Failure::world(format!(
            "the Helm release `{release_name}` cannot be adopted; nothing was changed"
        ));
        return Err(obstacles.into_iter().fold(failure, Failure::reason));
    }
    let (carried, source) = match release {
        Some(release) => {
            values::decide(cluster, bundle, release, key_from_revision, checked.opened.as_ref())?
        }
        None => (Vec::new(), None),
    };
    let coming = values::coming(&carried);
    let makings =
        secrets::survey_beside(run.secrets(), &known, &earlier, &options.consent, &coming)?;
    let is_taken = |handed: &Handed| {
        find(&live, &handed.key).is_none_or(|object| prepare::is_over(bundle, handed, object))
    };
    let is_over = carried.is_empty() && objects.iter().all(is_taken);
    let mut before = before(checked, cluster, run, (live, &objects), &earlier, options)?;
    before.warnings.extend(makings.warnings().iter().cloned().map(Warning::from));
    let helm = HelmPart {
        release: release_name.to_string(),
        namespace: namespace.to_owned(),
        revision: release.map(|release| release.newest().number),
        is_archived: found.is_archived,
        objects,
        key_from_revision,
        carried: values::describe(&carried),
        source,
        archived: Vec::new(),
    };
    Ok(Decided { helm, carried, before, makings, is_over })
}

/// Returns the state for the plan: the dry run of the bundle, conflicts, and the objects to prune.
fn before(
    checked: &Checked,
    cluster: &Cluster,
    run: &Run<'_>,
    (live, objects): (BTreeMap<ObjectKey, Value>, &[Handed]),
    earlier: &[Item],
    options: &Options,
) -> Result<Before, Failure> {
    let bundle = &checked.bundle;
    let tried = forecast::try_all(cluster, bundle, &live, objects)?;
    let mut gone = gone(objects, earlier, bundle, &live);
    gone.retain(|candidate| !is_wanted(bundle, &candidate.key));
    // Objects of the release count as having run before.
    let ran = gone.iter().map(|gone| Item { key: gone.key.clone(), uid: Some(gone.uid.clone()) });
    let ran: Vec<Item> = ran.chain(earlier.iter().cloned()).collect();
    let (prune, prune_later) = split_used(cluster, bundle.index.namespace.as_str(), gone)?;
    let mut before = Before { live, tried, prune, prune_later, ..Before::default() };
    let running = || run.running();
    let leave = Leave {
        is_shown: &|key| {
            objects.iter().any(|of| (&of.key.kind, &of.key.name) == (&key.kind, &key.name))
        },
        adopt: options.adopt,
        remedy: NO_RECORD,
        permits: &options.permits,
        running: &running,
    };
    judge(cluster, bundle, &mut before, &ran, &leave)?;
    Ok(before)
}

/// Returns the live objects of the bundle, the release, its PVCs, and earlier generations.
fn look(
    cluster: &Cluster,
    checked: &Checked,
    release: Option<&Release>,
    earlier: &[Item],
) -> Result<BTreeMap<ObjectKey, Value>, Failure> {
    let bundle = &checked.bundle;
    let namespace = bundle.index.namespace.as_str();
    let own = bundle.manifests.iter().map(|manifest| manifest.key.clone());
    let known = release.into_iter().flat_map(|release| {
        let claims = release.of_kind("StatefulSet").flat_map(|set| claims(set, namespace));
        release
            .keys(namespace)
            .into_iter()
            .filter(|key| Kind::phase_of(&key.kind).is_some())
            .chain(claims)
            .collect::<Vec<_>>()
    });
    let known = known
        .filter_map(|key| prepare::served(&key))
        .chain(earlier.iter().map(|item| item.key.clone()));
    let all: Vec<ObjectKey> = own.chain(known).collect();
    let mut seen = BTreeSet::new();
    let keys: Vec<ObjectKey> =
        all.iter().filter(|key| seen.insert(key.identity())).cloned().collect();
    let (live, unseen) = find_all(cluster, &keys)?;
    if unseen.is_empty() {
        return Ok(live);
    }
    let failure = Failure::world("cannot read all objects; nothing was changed");
    Err(unseen.into_iter().fold(failure, Failure::reason))
}

/// Returns the objects to delete after the rollout, referrers first: those of the release that the
/// bundle lacks, and leftovers of earlier generations.
fn gone(
    objects: &[Handed],
    earlier: &[Item],
    bundle: &Bundle,
    live: &BTreeMap<ObjectKey, Value>,
) -> Vec<Candidate> {
    let goes = objects.iter().filter(|handed| handed.fate == Fate::Prune);
    let candidate = |handed: &Handed| {
        let uid = live::uid(find(live, &handed.key)?).to_owned();
        Some(Candidate { key: prepare::served(&handed.key)?, uid })
    };
    let mut gone: Vec<Candidate> = goes.filter_map(candidate).collect();
    for left in
        candidates(earlier, &bundle.manifests, live, (FIELD_MANAGER, bundle.index.name.as_str()))
    {
        if !gone.iter().any(|known| known.uid == left.uid) {
            gone.push(left);
        }
    }
    gone.sort_by_key(|candidate| std::cmp::Reverse(Kind::phase_of(&candidate.key.kind)));
    gone
}

/// Builds the plan. Drops warnings about objects that are recreated.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub fn plan_of(
    cluster: &Cluster,
    checked: &Checked,
    run: &Run<'_>,
    before: Before,
    helm: &HelmPart,
    makings: &Makings,
) -> Result<Plan, Failure> {
    let trials = trials(&before);
    let mut plan = plan(&checked.bundle, before, FIELD_MANAGER);
    try_pods(cluster, &mut plan, &trials)?;
    let is_of_cleared = |warning: &Warning| helm.cleared().any(|of| warning.is_about(&of.key));
    plan.changes.warnings.retain(|warning| !is_of_cleared(warning));
    plan.obstacles.extend(run.lacking_rights(&plan, makings)?);
    plan.obstacles.extend(lacking_rights(cluster, checked.bundle.index.namespace.as_str(), helm)?);
    Ok(plan)
}

/// Returns a message about the missing permissions that only adoption needs, if any.
fn lacking_rights(
    cluster: &Cluster,
    namespace: &str,
    helm: &HelmPart,
) -> Result<Option<String>, Failure> {
    let written =
        helm.objects.iter().filter(|of| matches!(of.fate, Fate::Adopt | Fate::Keep | Fate::Prune));
    let written =
        written.map(|of| Right::to_one("update", &of.key.kind, &of.key.namespace, &of.key.name));
    let cleared = helm
        .cleared()
        .map(|of| Right::to_one("delete", &of.key.kind, &of.key.namespace, &of.key.name));
    let records = ["get", "list", "create", "update", "delete"]
        .map(|verb| Right::to_all(verb, "Secret", namespace));
    let lacking =
        preflight::lacking_rights(cluster, &written.chain(cleared).chain(records).collect())?;
    let told = || {
        format!(
            "missing permissions: {}; apply the Roles printed by `relay-bundle rbac --from-helm`",
            lacking.join(", ")
        )
    };
    Ok((!lacking.is_empty()).then(told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::model::object_key::ObjectKey;
    use crate::rollout::plan_hash::bound;

    fn part() -> HelmPart {
        let key = ObjectKey {
            api_version: "v1".into(),
            kind: "Secret".into(),
            namespace: "ns".into(),
            name: "x".into(),
        };
        HelmPart {
            release: "r".into(),
            namespace: "ns".into(),
            revision: Some(2),
            is_archived: false,
            objects: vec![Handed { key, fate: Fate::Keep }],
            key_from_revision: Some(1),
            carried: vec!["Secret/y: k, from revision 1".into()],
            source: Some("uid/7".into()),
            archived: Vec::new(),
        }
    }

    #[test]
    fn whatever_becomes_otherwise_of_a_release_has_another_hash() {
        let hash = |part: &HelmPart| bound(Digest::of(b"plan"), &part.approved());
        assert_eq!(hash(&part()), hash(&part()));
        let changed = |change: &dyn Fn(&mut HelmPart)| {
            let mut part = part();
            change(&mut part);
            hash(&part)
        };
        let mut all = vec![
            hash(&part()),
            bound(Digest::of(b"another plan"), &part().approved()),
            changed(&|part| part.revision = Some(3)),
            changed(&|part| part.objects[0].fate = Fate::Leave),
            changed(&|part| part.objects.clear()),
            changed(&|part| part.key_from_revision = None),
            changed(&|part| part.carried.clear()),
            changed(&|part| part.source = Some("uid/8".into())),
        ];
        let number = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), number);
    }
}
