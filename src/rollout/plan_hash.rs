//! The hash of a plan: the run carries out exactly the plan that a person approved, or nothing.
//!
//! It covers each object of the plan, field by field, the target, and the content. It never covers
//! values of Secrets, only the resource versions of the Secrets that would be written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::live_object;
use super::plan::{Action, Observed, Plan};
use super::prune::Candidate;
use super::record::Item;
use crate::canonical::Canonical;
use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// The format of the hashed tree.
const SCHEMA: &str = "relay-bundle/plan/v1";

/// The format of the hashed tree when the run does more than the plan states.
const BOUND_SCHEMA: &str = "relay-bundle/bound-plan/v1";

/// The target and the content of a plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanSubject<'a> {
    pub cluster_uid: &'a str,
    pub namespace: &'a str,
    pub content_id: Digest,
    pub serial: u64,
    /// For a rollback, the generation whose content it restores.
    pub content_of: Option<u64>,
    /// The Secrets whose values are generated, in words.
    pub generated: &'a [String],
    /// The public keys that can decrypt the recovery copy of the generated values; empty if no copy
    /// is written.
    pub recipients: &'a [String],
    /// The existing Secrets that the installation does not know.
    pub foreign: &'a [Item],
}

/// The uids and resource versions of the existing Secrets.
pub type SecretVersions = BTreeMap<ObjectKey, String>;

/// Returns the uids and resource versions of the existing Secrets.
pub fn secret_versions(observed: &Observed) -> SecretVersions {
    let secrets = observed.live.iter().filter(|(key, _)| key.is(Kind::Secret));
    secrets
        .map(|(key, object)| {
            (
                key.clone(),
                format!("{}/{}", live_object::uid(object), live_object::resource_version(object)),
            )
        })
        .collect()
}

/// Returns the hash of a plan.
pub fn plan_hash(subject: PlanSubject<'_>, plan: &Plan, secrets: &SecretVersions) -> Digest {
    let written = plan.steps.iter().filter(|step| step.action != Action::Keep);
    let versions: Vec<&String> = written.filter_map(|step| secrets.get(&step.key)).collect();

    // Objects to delete now and later are hashed together: the run decides the time again after the
    // rollout.
    let mut gone: Vec<&Candidate> = plan.going().collect();
    gone.sort_by(|one, other| (&one.key, &one.uid).cmp(&(&other.key, &other.uid)));

    let workloads = plan.changes.workloads.iter();
    let restarts: Vec<Value> =
        workloads.map(|of| json!([of.kind, of.namespace, of.name, of.restart])).collect();

    let tree = json!({
        "schema": SCHEMA,
        "clusterUid": subject.cluster_uid,
        "namespace": subject.namespace,
        "contentId": subject.content_id.to_string(),
        "serial": subject.serial,
        "contentOf": subject.content_of,
        "generated": subject.generated,
        "recipients": subject.recipients,
        "strange": subject.foreign,
        "steps": plan.steps,
        "gone": gone,
        "objects": plan.changes.objects,
        "restarts": restarts,
        "secrets": versions,
    });
    let bytes =
        Canonical::of_tree(spelled(tree)).expect("no number is left that has no canonical form");
    bytes.digest()
}

/// Returns the hash of a plan and the actions that are bound to it.
pub fn bound(plan: Digest, more: &Value) -> Digest {
    let tree = json!({"schema": BOUND_SCHEMA, "plan": plan.to_string(), "more": more});
    Canonical::of_tree(spelled(tree))
        .expect("no number is left that has no canonical form")
        .digest()
}

/// Replaces numbers that have no canonical form by text; objects of other owners may contain some.
fn spelled(tree: Value) -> Value {
    match tree {
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() < 1 << 53 => integer.into(),
            _ => json!(["number", number.to_string()]),
        },
        Value::Array(items) => items.into_iter().map(spelled).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, spelled(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::changes::Changes;
    use crate::diff::restart::{Forecast, Restart};
    use crate::rollout::plan::Step;

    fn key(kind: &str) -> ObjectKey {
        ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: "x".into(),
        }
    }

    fn a_plan() -> Plan {
        let step = |kind: &str, action| Step {
            key: key(kind),
            action,
            conflicts: Vec::new(),
            refusal: None,
            forced: Vec::new(),
            held_replicas: None,
            tried: true,
        };
        let candidate = Candidate { key: key("ConfigMap"), uid: "1".into() };
        let restart = Forecast {
            kind: "Deployment".into(),
            namespace: "ns".into(),
            name: "x".into(),
            restart: Restart::No,
            reasons: Vec::new(),
            notes: Vec::new(),
        };
        Plan {
            steps: vec![step("Secret", Action::Update), step("Service", Action::Keep)],
            obstacles: Vec::new(),
            prune_first: Vec::new(),
            prune: vec![candidate],
            prune_later: Vec::new(),
            changes: Changes { workloads: vec![restart], ..Changes::default() },
        }
    }

    fn subject() -> PlanSubject<'static> {
        PlanSubject {
            cluster_uid: "u",
            namespace: "ns",
            content_id: Digest::of(b"a"),
            serial: 1,
            content_of: None,
            generated: &[],
            recipients: &[],
            foreign: &[],
        }
    }

    #[test]
    fn any_change_to_planned_actions_changes_hash() {
        let secrets = SecretVersions::from([(key("Secret"), "1/7".to_owned())]);
        let hash = |subject, plan: &Plan| plan_hash(subject, plan, &secrets);
        let same = hash(subject(), &a_plan());
        assert_eq!(hash(subject(), &a_plan()), same);

        let generated = ["Secret/y: z".to_owned()];
        let [one, other] =
            ["1", "2"].map(|uid| [Item { key: key("Secret"), uid: Some(uid.into()) }]);
        let mut others = vec![
            hash(PlanSubject { cluster_uid: "v", ..subject() }, &a_plan()),
            hash(PlanSubject { namespace: "other", ..subject() }, &a_plan()),
            hash(PlanSubject { content_id: Digest::of(b"b"), ..subject() }, &a_plan()),
            hash(PlanSubject { serial: 2, ..subject() }, &a_plan()),
            hash(PlanSubject { content_of: Some(1), ..subject() }, &a_plan()),
            hash(PlanSubject { generated: &generated, ..subject() }, &a_plan()),
            hash(PlanSubject { recipients: &generated, ..subject() }, &a_plan()),
            hash(PlanSubject { foreign: &one, ..subject() }, &a_plan()),
            hash(PlanSubject { foreign: &other, ..subject() }, &a_plan()),
            plan_hash(
                subject(),
                &a_plan(),
                &SecretVersions::from([(key("Secret"), "1/8".to_owned())]),
            ),
        ];
        let changed = |change: &dyn Fn(&mut Plan)| {
            let mut plan = a_plan();
            change(&mut plan);
            hash(subject(), &plan)
        };
        others.push(changed(&|plan| plan.steps[1].action = Action::Create));
        others.push(changed(&|plan| plan.prune[0].uid = "2".into()));
        others.push(changed(&|plan| plan.prune.clear()));
        others.push(changed(&|plan| plan.changes.workloads[0].restart = Restart::Yes));
        others.push(same);
        let number = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), number);
    }

    #[test]
    fn prune_timing_and_unwritten_objects_do_not_change_hash() {
        let secrets = SecretVersions::from([(key("Service"), "1/7".to_owned())]);
        let mut later = a_plan();
        later.prune_later = std::mem::take(&mut later.prune);

        let hash = |plan, secrets| plan_hash(subject(), plan, secrets);

        assert_eq!(hash(&later, &secrets), hash(&a_plan(), &SecretVersions::new()));
    }

    #[test]
    fn every_kind_of_number_has_canonical_form() {
        let tree = spelled(json!([1, -1, 1.5, u64::MAX, {"a": 1_u64 << 53}]));
        assert!(Canonical::of_tree(tree).is_ok());
    }
}
