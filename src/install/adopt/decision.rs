//! Decides an adoption: what becomes of each object of the release, and the plan of the rollout.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::carried_values::{CarriedValue, coming, describe};
use super::error::AdoptionError;
use super::helm_records::HelmRecords;
use super::{forecast, preparation, values};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::helm::adoption::HelmPart;
use crate::helm::disposition::{AdoptedObject, AdoptionScope, Fate};
use crate::helm::identity::find;
use crate::helm::redis_volume::claims;
use crate::helm::release::HelmRelease;
use crate::install::generations::{inventory, known_secrets};
use crate::install::observation::{find_all, split_used};
use crate::install::options::Options;
use crate::install::ownership::{TakeoverRules, resolve_conflicts};
use crate::install::pod_dry_run::try_pods;
use crate::install::preflight;
use crate::install::run::Run;
use crate::install::secrets::{self, SecretContext, SecretPlan};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::live_object;
use crate::rollout::obstacle::{Obstacle, Roles};
use crate::rollout::permissions::Permission;
use crate::rollout::plan::Observed;
use crate::rollout::prune::{Candidate, Needed, candidates};
use crate::rollout::record::Item;

/// The remedy for a foreign object if Helm has no record of the release.
const NO_RECORD: &str = "Helm has no record of the release, so objects of other owners are not \
                         taken over: inspect it, and move it away";

/// The decisions of an adoption.
pub struct Decided {
    pub helm: HelmPart,
    pub carried: Vec<CarriedValue>,
    pub observed: Observed,
    pub secret_plan: SecretPlan,
    /// Whether only Helm's records are left to take over, because an earlier run did the rest.
    pub is_noop: bool,
}

/// Reads the whole state, and refuses an adoption that would lose data or could not succeed. `helm`
/// is the name of the release and the revision whose keys the relay runs with.
///
/// # Errors
///
/// When the adoption is refused, or the cluster cannot be asked.
pub fn decide(
    run: &Run<'_>,
    cluster: &Cluster,
    found: &HelmRecords,
    (release_name, key_from_revision): (&ReleaseName, Option<u64>),
    options: &Options,
) -> Result<Decided, Failure> {
    let (release, checked) = (found.release.as_ref(), run.checked);
    let bundle = &checked.bundle;
    let namespace = bundle.index.namespace.as_str();
    let mut missing = preflight::check_contract(cluster, bundle)?;
    missing.wanted.extend(missing.groups.iter().map(ToString::to_string));
    if !missing.wanted.is_empty() {
        return Err(AdoptionError::Missing(missing.wanted).into());
    }

    let recorded = run.journal.recorded(|_| true)?;
    let (earlier, known) = (inventory(&recorded), known_secrets(&run.journal.head, &recorded));
    let live = look(cluster, bundle, release, &earlier)?;

    // Also those that the bundle now refers to: they are ours, not the release's.
    let contained = Needed { contract: &[], ..Needed::by(bundle) };
    let owner = (FIELD_MANAGER, bundle.index.name.as_str());
    let leftovers = candidates(&earlier, &contained, &live, owner);
    let taken = leftovers.iter().map(|left| left.uid.clone()).collect();

    let scope = release.map(|release| AdoptionScope {
        name: release_name.as_str(),
        namespace,
        release,
        bundle: &bundle.manifests,
        live: &live,
        taken: &taken,
    });
    let objects = scope.as_ref().map_or_else(Vec::new, AdoptionScope::fates);
    let obstacles = scope.as_ref().map_or_else(Vec::new, AdoptionScope::obstacles);
    if !obstacles.is_empty() {
        return Err(AdoptionError::Obstructed { release: release_name.clone(), obstacles }.into());
    }

    let (carried, source) = match release {
        Some(release) => {
            values::decide(cluster, bundle, release, key_from_revision, checked.opened.as_ref())?
        }
        None => (Vec::new(), None),
    };

    let coming = coming(&carried);
    let context = SecretContext { coming: &coming, ..run.secrets() };
    let secret_plan = secrets::survey(context, &known, &earlier, &options.consent)?;

    let is_taken = |handed: &AdoptedObject| {
        find(&live, &handed.key)
            .is_none_or(|object| preparation::is_prepared(bundle, handed, object))
    };
    let is_noop = carried.is_empty() && objects.iter().all(is_taken);

    let gone = gone(&objects, leftovers, bundle, &live);
    let mut observed = before(run, cluster, (live, &objects), (&earlier, gone), options)?;
    observed.warnings.extend(secret_plan.warnings().iter().cloned().map(Warning::from));

    let helm = HelmPart {
        release: release_name.to_string(),
        namespace: namespace.to_owned(),
        revision: release.map(|release| release.newest().number),
        is_archived: found.is_archived,
        objects,
        key_from_revision,
        carried: describe(&carried),
        source,
        archived: Vec::new(),
    };
    Ok(Decided { helm, carried, observed, secret_plan, is_noop })
}

/// Returns the state for the plan: the dry run of the bundle, conflicts, and the objects to prune.
fn before(
    run: &Run<'_>,
    cluster: &Cluster,
    (live, objects): (BTreeMap<ObjectKey, Value>, &[AdoptedObject]),
    (earlier, gone): (&[Item], Vec<Candidate>),
    options: &Options,
) -> Result<Observed, Failure> {
    let bundle = &run.checked.bundle;
    let tried = forecast::dry_run_all(cluster, bundle, &live, objects)?;
    // Objects of the release count as having run before.
    let ran = gone.iter().map(|gone| Item { key: gone.key.clone(), uid: Some(gone.uid.clone()) });
    let ran: Vec<Item> = ran.chain(earlier.iter().cloned()).collect();
    let (prune, prune_later) = split_used(cluster, bundle.index.namespace.as_str(), gone)?;
    let mut observed = Observed { live, tried, prune, prune_later, ..Observed::default() };
    let running = || run.running();
    let rules = TakeoverRules {
        is_reported: &|key| {
            objects.iter().any(|of| (&of.key.kind, &of.key.name) == (&key.kind, &key.name))
        },
        adopt: options.adopt,
        remedy: NO_RECORD,
        permits: &options.permits,
        running: &running,
    };
    resolve_conflicts(cluster, bundle, &mut observed, &ran, &rules)?;
    Ok(observed)
}

/// Returns the live objects of the bundle, the release, its PVCs, and earlier generations.
fn look(
    cluster: &Cluster,
    bundle: &Bundle,
    release: Option<&HelmRelease>,
    earlier: &[Item],
) -> Result<BTreeMap<ObjectKey, Value>, Failure> {
    let namespace = bundle.index.namespace.as_str();
    let own = bundle.manifests.iter().map(|manifest| manifest.key.clone());
    let known = release.into_iter().flat_map(|release| {
        let claims = release.of_kind(Kind::StatefulSet).flat_map(|set| claims(set, namespace));
        release
            .keys(namespace)
            .into_iter()
            .filter(|key| Kind::phase_of(&key.kind).is_some())
            .chain(claims)
            .collect::<Vec<_>>()
    });
    let known = known
        .filter_map(|key| preparation::served(&key))
        .chain(earlier.iter().map(|item| item.key.clone()));
    let all: Vec<ObjectKey> = own.chain(known).collect();
    let mut seen = BTreeSet::new();
    let keys: Vec<ObjectKey> =
        all.iter().filter(|key| seen.insert(key.identity())).cloned().collect();
    let (live, unseen) = find_all(cluster, &keys)?;
    if unseen.is_empty() {
        return Ok(live);
    }
    Err(AdoptionError::Unreadable(unseen).into())
}

/// Returns the objects to delete after the rollout, referrers first: those of the release that the
/// bundle lacks, and `leftovers` of earlier generations.
fn gone(
    objects: &[AdoptedObject],
    leftovers: Vec<Candidate>,
    bundle: &Bundle,
    live: &BTreeMap<ObjectKey, Value>,
) -> Vec<Candidate> {
    let goes = objects.iter().filter(|handed| handed.fate == Fate::Prune);
    let candidate = |handed: &AdoptedObject| {
        let uid = live_object::uid(find(live, &handed.key)?).to_owned();
        Some(Candidate { key: preparation::served(&handed.key)?, uid })
    };
    let mut gone: Vec<Candidate> = goes.filter_map(candidate).collect();
    for left in leftovers {
        if !gone.iter().any(|known| known.uid == left.uid) {
            gone.push(left);
        }
    }
    gone.retain(|candidate| !Needed::by(bundle).refers_to(&candidate.key));
    gone.sort_by_key(|candidate| std::cmp::Reverse(Kind::phase_of(&candidate.key.kind)));
    gone
}

/// Adds the answers about pods and permissions to the observed state.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn observe_rest(
    run: &Run<'_>,
    cluster: &Cluster,
    observed: &mut Observed,
    helm: &HelmPart,
    secret_plan: &SecretPlan,
) -> Result<(), Failure> {
    let bundle = &run.checked.bundle;
    try_pods(cluster, &bundle.manifests, observed)?;
    observed.reported = helm.cleared().map(|of| of.key.clone()).collect();
    observed.obstacles.extend(run.missing_permissions(observed, secret_plan)?);
    let own = missing_permissions(cluster, bundle.index.namespace.as_str(), helm)?;
    observed.obstacles.extend(own);
    Ok(())
}

/// Returns the missing permissions that only adoption needs, if any.
fn missing_permissions(
    cluster: &Cluster,
    namespace: &str,
    helm: &HelmPart,
) -> Result<Option<Obstacle>, Failure> {
    let written =
        helm.objects.iter().filter(|of| matches!(of.fate, Fate::Adopt | Fate::Keep | Fate::Prune));
    let written = written.map(|of| Permission::on("update", &of.key));
    let cleared = helm.cleared().map(|of| Permission::on("delete", &of.key));
    let records = ["get", "list", "create", "update", "delete"]
        .map(|verb| Permission::to_all(verb, "Secret", namespace));
    let permissions = written.chain(cleared).chain(records).collect();
    preflight::missing_permissions(cluster, &permissions, Roles::Adopt)
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
            objects: vec![AdoptedObject { key, fate: Fate::Keep }],
            key_from_revision: Some(1),
            carried: vec!["Secret/y: k, from revision 1".into()],
            source: Some("uid/7".into()),
            archived: Vec::new(),
        }
    }

    #[test]
    fn any_change_to_release_outcome_changes_hash() {
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
