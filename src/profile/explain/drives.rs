//! The fields of objects that a key sets.
//!
//! The list is derived from rendering: the test of the restart matrix changes each key alone, and
//! writes every field that becomes different.

use std::collections::BTreeSet;

/// A key and a field in each line, sorted: `replicaCount Deployment <fullname>: spec.replicas`.
///
/// A line for a whole object names no field.
const FIELDS: &str = include_str!("drives.txt");

/// Returns the fields that a key sets, or the objects with the fields that the keys of a table set.
pub(super) fn fields(key: &str) -> Vec<String> {
    // The tables of an array are set with the array.
    let key = key.split_once("[]").map_or(key, |(array, _)| array);
    let lines = FIELDS.lines().filter_map(|line| line.strip_prefix(key));
    let own: Vec<&str> = lines.clone().filter_map(|rest| rest.strip_prefix(' ')).collect();
    if !own.is_empty() {
        return own.into_iter().map(str::to_owned).collect();
    }
    let inside = lines.filter_map(|rest| rest.strip_prefix('.')?.split_once(' '));
    let objects =
        inside.map(|(_, field)| field.split_once(": ").map_or(field, |(object, _)| object));
    let (groups, objects): (BTreeSet<_>, BTreeSet<_>) =
        objects.partition(|object| object.starts_with("every object of "));
    let named = if objects.is_empty() { groups } else { objects };
    named.into_iter().map(str::to_owned).collect()
}
