//! Shows objects of which only the version changes: one line for all of them.

use std::collections::BTreeMap;

use super::escape::safe;
use crate::diff::changes::ObjectChange;
use crate::diff::version_bump::VersionBump;

/// Objects whose versions change alike, and nothing else of them; always several.
pub(super) struct Bumps<'a>(BTreeMap<VersionBump<'a>, Vec<&'a ObjectChange>>);

impl<'a> Bumps<'a> {
    pub(super) fn of(objects: impl IntoIterator<Item = &'a ObjectChange>) -> Self {
        let mut bumps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in objects {
            if let Some(bump) = VersionBump::of(object) {
                bumps.entry(bump).or_default().push(object);
            }
        }
        bumps.retain(|_, objects| objects.len() > 1);
        Self(bumps)
    }

    /// Returns whether the lines show an object.
    pub(super) fn show(&self, object: &ObjectChange) -> bool {
        self.0.values().flatten().any(|shown| *shown == object)
    }

    /// Returns a line for each change of a version.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(VersionBump { old, new }, objects)| {
            let names: Vec<String> = objects.iter().map(|object| name(object)).collect();
            let line = format!(
                "{} objects, only their version: {old} -> {new} ({})",
                objects.len(),
                names.join(", ")
            );
            safe(&line).into_owned()
        })
    }
}

fn name(object: &ObjectChange) -> String {
    format!("{}/{}", object.kind, object.new_name.as_ref().unwrap_or(&object.name))
}
