//! The failure of a plan that cannot be carried out, with every reason.

use serde_json::Value;

use crate::failure::Failure;
use crate::rollout::conflict::Conflict;
use crate::rollout::plan::{Plan, Step};

/// The number of characters that a table shows of a value.
const VALUE_CHARS_MAX: usize = 60;

/// Returns a failure with everything that blocks a plan, before anything is changed.
pub fn blocked(plan: &Plan) -> Option<Failure> {
    blocked_after(plan, "nothing was changed")
}

/// Like [`blocked`], for a run that has already done `so_far`.
pub(super) fn blocked_after(plan: &Plan, so_far: &str) -> Option<Failure> {
    let refusals =
        plan.blocked().filter_map(|step| Some(format!("{}: {}", step.key, step.refusal.as_ref()?)));
    let conflicts = conflict_lines(plan);
    let advice = (!conflicts.is_empty()).then_some(
        "take a field in conflict with --force-conflicts OBJECT:FIELD; all fields of an object \
         must be passed",
    );
    let lines: Vec<String> =
        refusals.chain(plan.obstacles.iter().cloned()).chain(conflicts).collect();
    if lines.is_empty() {
        return None;
    }
    let failure = Failure::world(format!("the plan cannot be carried out; {so_far}"));
    let failure = lines.into_iter().fold(failure, Failure::reason);
    Some(advice.into_iter().fold(failure, Failure::hint))
}

/// Returns the conflicts as a table.
fn conflict_lines(plan: &Plan) -> Vec<String> {
    let row = |step: &Step, conflict: &Conflict| {
        let object_and_field = format!("{}:{}", step.key, conflict.field);
        let through =
            conflict.subresource.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let (theirs, ours) = (shown(conflict.theirs.as_ref()), shown(conflict.ours.as_ref()));
        [object_and_field, format!("{}{through}", conflict.manager), theirs, ours]
    };
    let conflicts =
        plan.steps.iter().flat_map(|step| step.conflicts.iter().map(move |one| (step, one)));
    let rows: Vec<[String; 4]> = conflicts.map(|(step, one)| row(step, one)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let head = ["OBJECT:FIELD", "MANAGER", "THEIRS", "OURS"].map(str::to_owned);
    let table: Vec<[String; 4]> = [head].into_iter().chain(rows).collect();
    let width = |column: usize| {
        table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let line = |[field, manager, theirs, ours]: &[String; 4]| {
        format!("{field:0$}  {manager:1$}  {theirs:2$}  {ours}", widths[0], widths[1], widths[2])
    };
    table.iter().map(line).collect()
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "-".to_owned(), Value::to_string);
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX - 1).chain(['…']).collect()
}
