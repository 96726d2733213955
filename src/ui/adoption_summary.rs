//! The summary of an adoption, in five lines.

use std::collections::BTreeSet;

use serde_json::Value;

use super::plan_view::ApplyReport;
use crate::diff::changes::ObjectChange;
use crate::diff::fields::FieldChange;
use crate::diff::restart::Restart;
use crate::helm::adoption::HelmPart;
use crate::helm::disposition::{AdoptedObject, named};
use crate::model::words::{count, first_of};

/// The number of items that a line names.
const ITEMS_SHOWN: usize = 5;

/// Returns a name and a text for each line.
pub(super) fn lines(helm: &HelmPart, apply: &ApplyReport<'_>) -> [(&'static str, String); 5] {
    [
        ("images", images(&apply.plan.changes.objects)),
        ("restarts", restarts(apply)),
        ("volume", volume(helm)),
        ("key", key(helm)),
        ("goes", goes(helm, apply)),
    ]
}

fn listed(items: &[String], nothing: &str) -> String {
    if items.is_empty() { nothing.to_owned() } else { first_of(ITEMS_SHOWN, items, ", ") }
}

/// Returns every image that changes, goes or comes, each once.
fn images(objects: &[ObjectChange]) -> String {
    let fields = objects.iter().flat_map(|object| &object.fields);
    let is_image = |field: &FieldChange| field.path.last_key() == Some("image");
    let (mut changed, mut gone, mut new) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for field in fields {
        let [before, after] = [&field.old, &field.new].map(|value| {
            let images = value.as_ref().map(|value| images_in(value, is_image(field)));
            images.unwrap_or_default()
        });
        match (before.first(), after.first()) {
            (Some(old), Some(new)) if is_image(field) => {
                changed.insert((old.clone(), new.clone()));
            }
            _ => {
                gone.extend(before.difference(&after).cloned());
                new.extend(after.difference(&before).cloned());
            }
        }
    }

    for (old, target) in &changed {
        gone.remove(old);
        new.remove(target);
    }

    let changed = changed.into_iter().map(|(old, new)| format!("{old} -> {new}"));
    let gone = gone.into_iter().map(|image| format!("{image} goes"));
    let new = new.into_iter().map(|image| format!("{image} is new"));
    let all: Vec<String> = changed.chain(gone).chain(new).collect();
    if all.is_empty() { "unchanged".to_owned() } else { all.join(", ") }
}

/// Returns the images of the containers in a value. `is_image` says that the value is one.
fn images_in(value: &Value, is_image: bool) -> BTreeSet<String> {
    match value {
        Value::String(text) if is_image => BTreeSet::from([text.clone()]),
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| images_in(value, key == "image")).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| images_in(item, false)).collect(),
        _ => BTreeSet::new(),
    }
}

fn restarts(apply: &ApplyReport<'_>) -> String {
    let workloads = apply.plan.changes.workloads.iter();
    let changed = workloads.filter_map(|forecast| {
        let name = format!("{}/{}", forecast.kind, forecast.name);
        match forecast.restart {
            Restart::Yes => Some(name),
            Restart::Added => Some(format!("{name} starts")),
            Restart::Removed => Some(format!("{name} ends")),
            Restart::No => None,
        }
    });
    listed(&changed.collect::<Vec<_>>(), "no pods")
}

fn volume(helm: &HelmPart) -> String {
    let name = |handed: &AdoptedObject| named(&handed.key, &helm.namespace);
    let cleared: Vec<String> = helm.cleared().map(name).collect();
    if cleared.is_empty() {
        return "unchanged".to_owned();
    }
    format!("{} starts again on the same PVC", listed(&cleared, ""))
}

fn key(helm: &HelmPart) -> String {
    let revision = helm.key_from_revision.map(|revision| format!(", that of revision {revision}"));
    let revision = revision.unwrap_or_default();
    if helm.carried.is_empty() {
        format!("the relay keeps its encryption key{revision}")
    } else {
        format!("copied: {}", first_of(ITEMS_SHOWN, &helm.carried, ", "))
    }
}

fn goes(helm: &HelmPart, apply: &ApplyReport<'_>) -> String {
    let names: Vec<String> = apply.plan.going().map(|gone| gone.key.to_string()).collect();
    if names.is_empty() {
        let is_alone = helm.cleared().next().is_none();
        return if is_alone { "nothing is deleted" } else { "no other object is deleted" }
            .to_owned();
    }
    format!("{}: {}", count(names.len(), "object"), listed(&names, ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::changes::changes;
    use crate::render::manifest_set::ManifestSet;

    fn images_of(containers: [Value; 2]) -> String {
        let [old, new] = containers.map(|containers| {
            let mut set = ManifestSet::default();
            set.add(&json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "n"},
                "spec": {"template": {"spec": {"containers": containers}}},
            }));
            set
        });

        images(&changes(&old, &new).objects)
    }

    #[test]
    fn images_include_those_of_new_containers() {
        let text = images_of([
            json!([{"name": "web", "image": "r.example/web:1"}]),
            json!([{"name": "web", "image": "r.example/web:2"}, {"name": "x", "image": "r.example/x:1"}]),
        ]);

        assert_eq!(text, "r.example/web:1 -> r.example/web:2, r.example/x:1 is new");
    }

    #[test]
    fn each_of_many_images_is_named_once() {
        let container = |at: usize, image: &str| json!({"name": format!("c{at}"), "image": image});
        let old: Vec<Value> =
            (0..7).map(|at| container(at, &format!("r.example/{at}:1"))).collect();
        let mut new: Vec<Value> =
            (0..7).map(|at| container(at, &format!("r.example/{at}:2"))).collect();
        new.push(container(7, "r.example/0:2"));

        let text = images_of([json!(old), json!(new)]);

        let wanted: Vec<String> =
            (0..7).map(|at| format!("r.example/{at}:1 -> r.example/{at}:2")).collect();
        assert_eq!(text, wanted.join(", "));
    }
}
