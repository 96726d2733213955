//! The error of a plan that cannot be carried out, with every reason.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use serde_json::Value;

use crate::failure::Failure;
use crate::model::command_line::options;
use crate::model::object_key::ObjectKey;
use crate::model::printable::{common_start, part};
use crate::rollout::conflict::{Conflict, Permit};
use crate::rollout::obstacle::Obstacle;
use crate::rollout::plan::{ObjectRefusal, Plan};

/// The number of characters that a table shows of a value.
const VALUE_CHARS_MAX: usize = 60;

/// The number of fields up to which the hint has the ready options.
const FORCED_FIELDS_MAX: usize = 10;

/// A plan that cannot be carried out, with everything that blocks it.
#[derive(Debug, thiserror::Error)]
#[error("the plan cannot be carried out; {so_far}")]
pub struct BlockedPlan {
    so_far: String,
    refusals: Vec<(ObjectKey, ObjectRefusal)>,
    obstacles: Vec<Obstacle>,
    conflicts: Vec<(ObjectKey, Conflict)>,
}

/// Returns everything that blocks a plan, before anything is changed.
pub fn blocked(plan: &Plan) -> Option<BlockedPlan> {
    blocked_after(plan, "nothing was changed")
}

/// Like [`blocked`], for a run that has already done `so_far`.
pub(super) fn blocked_after(plan: &Plan, so_far: &str) -> Option<BlockedPlan> {
    let refusals =
        plan.blocked().filter_map(|step| Some((step.key.clone(), step.refusal.clone()?)));
    let conflicts = plan
        .steps
        .iter()
        .flat_map(|step| step.conflicts.iter().map(|one| (step.key.clone(), one.clone())));
    let blocked = BlockedPlan {
        so_far: so_far.to_owned(),
        refusals: refusals.collect(),
        obstacles: plan.obstacles.clone(),
        conflicts: conflicts.collect(),
    };
    let BlockedPlan { refusals, obstacles, conflicts, .. } = &blocked;
    let is_free = refusals.is_empty() && obstacles.is_empty() && conflicts.is_empty();
    (!is_free).then_some(blocked)
}

impl From<BlockedPlan> for Failure {
    fn from(error: BlockedPlan) -> Self {
        let BlockedPlan { refusals, obstacles, conflicts, .. } = &error;
        let remedies: Vec<&String> =
            refusals.iter().filter_map(|(_, refusal)| refusal.remedy.as_ref()).collect();
        // A remedy for several objects is said once, after all of them.
        let is_shared =
            |remedy: &&String| remedies.iter().filter(|other| *other == remedy).count() > 1;
        let shared: BTreeSet<&String> = remedies.iter().copied().filter(is_shared).collect();
        let line = |(key, refusal): &(ObjectKey, ObjectRefusal)| match &refusal.remedy {
            Some(remedy) if shared.contains(remedy) => format!("{key}: {}", refusal.why),
            _ => format!("{key}: {refusal}"),
        };
        let reasons = refusals
            .iter()
            .map(line)
            .chain(obstacles.iter().map(ToString::to_string))
            .chain(conflict_lines(conflicts))
            .collect();
        let hints = shared.into_iter().cloned().chain(conflict_hint(conflicts)).collect();
        Self { reasons, hints, ..Self::world(error) }
    }
}

/// Returns the options that take all these fields, unless there are too many to read.
fn conflict_hint(conflicts: &[(ObjectKey, Conflict)]) -> Option<String> {
    // Several managers may own the same field.
    let fields: BTreeSet<_> =
        conflicts.iter().map(|(key, one)| format!("{key}:{}", one.field)).collect();
    if fields.is_empty() {
        return None;
    }
    if fields.len() > FORCED_FIELDS_MAX
        || fields.iter().any(|field| Permit::from_str(field).is_err())
    {
        return Some("to take a field from its manager: --force-conflicts OBJECT:FIELD".to_owned());
    }
    let fields_of_managers = if fields.len() == 1 {
        "this field from its manager"
    } else {
        "all these fields from their managers"
    };
    let options =
        options(fields.into_iter().flat_map(|field| ["--force-conflicts".to_owned(), field]));
    Some(format!("to take {fields_of_managers}: {options}"))
}

/// Returns the conflicts as a table.
fn conflict_lines(conflicts: &[(ObjectKey, Conflict)]) -> Vec<String> {
    let row = |(key, conflict): &(ObjectKey, Conflict)| {
        let object_and_field = format!("{key}:{}", conflict.field);
        let through =
            conflict.subresource.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let [theirs, ours] = shown([conflict.theirs.as_ref(), conflict.ours.as_ref()]);
        [object_and_field, format!("{}{through}", conflict.manager), theirs, ours]
    };
    if conflicts.is_empty() {
        return Vec::new();
    }
    let head = ["OBJECT:FIELD", "MANAGER", "THEIRS", "OURS"].map(str::to_owned);
    let table: Vec<[String; 4]> = [head].into_iter().chain(conflicts.iter().map(row)).collect();
    let width = |column: usize| {
        table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let line = |[field, manager, theirs, ours]: &[String; 4]| {
        format!("{field:0$}  {manager:1$}  {theirs:2$}  {ours}", widths[0], widths[1], widths[2])
    };
    table.iter().map(line).collect()
}

/// Returns both values of a conflict; long ones are cut to the part where they begin to differ.
fn shown(values: [Option<&Value>; 2]) -> [String; 2] {
    let texts = values.map(|value| value.map_or_else(|| "-".to_owned(), Value::to_string));
    let [theirs, ours] = &texts;
    let equal = common_start([theirs, ours]);
    let start = if equal < VALUE_CHARS_MAX / 2 { 0 } else { equal - VALUE_CHARS_MAX / 4 };
    texts.map(|text| match text.chars().count() {
        0..=VALUE_CHARS_MAX => text,
        _ => part(&text, start, VALUE_CHARS_MAX - 1),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::changes::Changes;
    use crate::rollout::plan::{Action, Step};

    fn step(kind: &str, name: &str) -> Step {
        let key = ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: name.into(),
        };
        Step {
            key,
            action: Action::Refused,
            conflicts: Vec::new(),
            refusal: None,
            forced: Vec::new(),
            held_replicas: None,
            tried: true,
        }
    }

    fn refused(name: &str, why: &str, remedy: &str) -> Step {
        let refusal = ObjectRefusal { why: why.into(), remedy: Some(remedy.into()) };
        Step { refusal: Some(refusal), ..step("Service", name) }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan {
            steps,
            obstacles: Vec::new(),
            prune_first: Vec::new(),
            prune: Vec::new(),
            prune_later: Vec::new(),
            changes: Changes::default(),
        }
    }

    #[test]
    fn remedy_for_several_objects_is_said_once() {
        let steps = [("a", "take it over"), ("b", "take it over"), ("c", "delete it")];
        let steps = steps.map(|(name, remedy)| refused(name, "it exists", remedy));

        let failure = Failure::from(blocked(&plan(steps.into())).unwrap());

        let reasons =
            ["Service/a: it exists", "Service/b: it exists", "Service/c: it exists: delete it"];
        assert_eq!(failure.reasons, reasons);
        assert_eq!(failure.hints, ["take it over"]);
    }

    fn hints_of(conflicts: Vec<Conflict>) -> Vec<String> {
        let step = Step { action: Action::Conflict, conflicts, ..step("Deployment", "relay") };
        Failure::from(blocked(&plan(vec![step])).unwrap()).hints
    }

    fn conflict(field: &str) -> Conflict {
        Conflict::of(field, "conflict with \"kubectl\"")
    }

    #[test]
    fn conflict_hint_is_quoted_for_shell() {
        let hints = hints_of(vec![conflict(".spec.replicas"), conflict(".data['a b']")]);

        let wanted = r"to take all these fields from their managers: --force-conflicts 'Deployment/relay:.data['\''a b'\'']' --force-conflicts Deployment/relay:.spec.replicas";
        assert_eq!(hints, [wanted]);
    }

    #[test]
    fn conflict_hint_names_field_of_several_managers_once() {
        let hints = hints_of(vec![conflict(".spec.replicas"), conflict(".spec.replicas")]);

        let wanted = "to take this field from its manager: --force-conflicts Deployment/relay:.spec.replicas";
        assert_eq!(hints, [wanted]);
    }

    #[test]
    fn conflict_hint_is_general_for_many_or_unlisted_fields() {
        let many = (0..=FORCED_FIELDS_MAX).map(|at| conflict(&format!(".data.k{at}"))).collect();
        let unlisted = vec![conflict(".data.a"), Conflict::more(59_900)];

        let wanted = ["to take a field from its manager: --force-conflicts OBJECT:FIELD"];
        assert_eq!(hints_of(many), wanted);
        assert_eq!(hints_of(unlisted), wanted);
    }

    #[test]
    fn table_shows_where_long_values_differ() {
        let image = |tag: &str| {
            json!(format!("registry.example.internal:5000/wei-shaw/claude-relay-service:{tag}"))
        };
        let conflict = Conflict {
            theirs: Some(image("v1")),
            ours: Some(image("v2")),
            ..conflict(".spec.template.spec.containers[name=\"web\"].image")
        };

        let lines = conflict_lines(&[(step("Deployment", "relay").key, conflict)]);

        assert!(
            lines[1].contains("-service:v1\"") && lines[1].ends_with("-service:v2\""),
            "{lines:?}"
        );
    }

    #[test]
    fn plan_without_obstacles_is_not_blocked() {
        assert!(
            blocked(&plan(vec![Step { action: Action::Keep, ..step("Secret", "a") }])).is_none()
        );
    }
}
