//! Recognises objects of which only the version changes.

use serde_json::Value;

use super::changes::{ChangeKind, ObjectChange};
use super::fields::FieldChange;
use crate::images::reference::ImageReference;
use crate::model::label::VERSION_LABEL;

/// The version of an object before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionBump<'a> {
    pub old: &'a str,
    pub new: &'a str,
}

impl<'a> VersionBump<'a> {
    /// Returns the versions, if an object changes only in its version labels, and in images whose
    /// tags are these versions. Any other image, or a digest, is a change of its own.
    pub fn of(object: &'a ObjectChange) -> Option<Self> {
        let label = object.fields.iter().find(|field| is_version(field))?;
        let (old, new) = texts(label)?;
        let bump = Self { old, new };
        let is_part = |field: &FieldChange| {
            is_version(field) && texts(field) == Some((old, new)) || bump.is_of_image(field)
        };
        let is_renamed = object.old_name.is_some();
        let is_bump = object.change == ChangeKind::Changed && !is_renamed;
        (is_bump && object.fields.iter().all(is_part)).then_some(bump)
    }

    /// Returns whether a container gets the image of the new version in place of that of the old.
    fn is_of_image(self, field: &FieldChange) -> bool {
        let Some((old, new)) = texts(field) else { return false };
        let name = |image: &str, version: &str| {
            let image: ImageReference = image.parse().ok()?;
            let is_of_version = image.tag() == Some(version) && image.digest().is_none();
            is_of_version.then(|| image.full().name())
        };
        let old = name(old, self.old);
        let is_container = field.path.starts_with(&["spec", "template", "spec"]);
        is_container
            && field.path.last_key() == Some("image")
            && old.is_some()
            && old == name(new, self.new)
    }
}

/// Returns whether the field is the version label of an object or of its pods.
fn is_version(field: &FieldChange) -> bool {
    let labels: [&[&str]; 2] =
        [&["metadata", "labels"], &["spec", "template", "metadata", "labels"]];
    field.path.last_key() == Some(VERSION_LABEL)
        && labels.iter().any(|labels| field.path.starts_with(labels))
}

fn texts(field: &FieldChange) -> Option<(&str, &str)> {
    match (&field.old, &field.new) {
        (Some(Value::String(old)), Some(Value::String(new))) => Some((old, new)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::changes::changes;
    use crate::render::manifest_set::ManifestSet;

    const PINNED: &str = "r.example/web:2@sha256:\
                          4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

    /// Returns the version of a Deployment before and after, if only that changes.
    fn bump(old: [&str; 3], new: [&str; 3]) -> Option<(String, String)> {
        let [old, new] = [old, new].map(|[version, image, policy]| {
            let mut set = ManifestSet::default();
            set.add(&json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "n", "labels": {VERSION_LABEL: version}},
                "spec": {"template": {"spec": {"restartPolicy": policy, "containers": [
                    {"name": "web", "image": image},
                ]}}},
            }));
            set
        });
        let changes = changes(&old, &new);
        let bump = VersionBump::of(changes.objects.first()?)?;
        Some((bump.old.to_owned(), bump.new.to_owned()))
    }

    #[test]
    fn bump_changes_version_and_tags_only() {
        let wanted = Some(("1".to_owned(), "2".to_owned()));
        let old = ["1", "r.example/web:1", "Always"];

        assert_eq!(bump(old, ["2", "r.example/web:2", "Always"]), wanted);
        for other in [
            ["2", "r.example/web:0", "Always"],
            ["2", "r.example/web:1.1", "Always"],
            ["2", PINNED, "Always"],
            ["1", "r.example/web:2", "Always"],
            ["2", "r.example/other:2", "Always"],
            ["2", "r.example/web:2", "Never"],
        ] {
            assert_eq!(bump(old, other), None, "{other:?}");
        }
    }
}
