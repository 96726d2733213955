//! Shows the changed fields of one object in a plan, cut to what fits on a screen.

use std::io::{self, Write};

use super::changes_view::{Detail, write_fields};
use super::style::{CHANGED, paint};
use crate::diff::changes::ObjectChange;
use crate::diff::fields::FieldChange;
use crate::diff::restart::is_vital;
use crate::model::label::MANAGED_BY_LABEL;
use crate::model::words::count;

/// The number of lines that a plan shows of the changes of one object.
const LINES_MAX: usize = 16;

/// The starts of the annotations and labels that charts and the bundle put on each object.
const MARKS: [&str; 3] = ["app.kubernetes.io/", "helm.sh/", "meta.helm.sh/"];
/// The annotation that keeps an object when its release goes.
const KEEP: &str = "helm.sh/resource-policy";
/// The annotation that each object of a release has.
const RELEASE: &str = "meta.helm.sh/release-name";

/// Writes the changed fields of an object. The marks of Helm are one line, and the rest is cut short.
pub(super) fn write_change(change: &ObjectChange, out: &mut dyn Write) -> io::Result<()> {
    let (marks, fields) = split_marks(&change.fields);
    // An object with a new name is created, and has no labels of Helm.
    if !marks.is_empty() && change.old_name.is_none() {
        let text = format!(
            "~ metadata: {} labels and annotations of Helm give way to those of the bundle",
            marks.len()
        );
        writeln!(out, "      {}", paint(CHANGED, text))?;
    }
    // Any number of other changes hides no image and no privilege.
    let (vital, others): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|field| is_vital(&field.path));
    write_fields(change, vital, Detail::Folded, out)?;
    let mut text = Vec::new();
    write_fields(change, others, Detail::Folded, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().take(LINES_MAX).try_for_each(|line| writeln!(out, "{line}"))?;
    match lines.len().saturating_sub(LINES_MAX) {
        0 => Ok(()),
        more => {
            writeln!(out, "      … {}: `--json` has all of them", count(more, "more line"))
        }
    }
}

/// Splits off the labels and annotations that change because the object leaves a Helm release.
fn split_marks(fields: &[FieldChange]) -> (Vec<&FieldChange>, Vec<&FieldChange>) {
    let key = |field: &FieldChange| field.path.last_key().unwrap_or_default().to_owned();
    let leaves = |field: &FieldChange| key(field) == RELEASE && field.new.is_none();
    if !fields.iter().any(leaves) {
        return (Vec::new(), fields.iter().collect());
    }
    // New labels and annotations are always shown.
    let is_mark = |field: &&FieldChange| {
        let is_left = field.new.is_none() || key(field) == MANAGED_BY_LABEL;
        is_left
            && field.path.starts_with(&["metadata"])
            && key(field) != KEEP
            && MARKS.iter().any(|start| key(field).starts_with(start))
    };
    fields.iter().partition(is_mark)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diff::changes::changes;
    use crate::render::manifest_set::ManifestSet;

    fn shown(old: &Value, new: &Value) -> String {
        let [old, new] = [old, new].map(|object| {
            let mut set = ManifestSet::default();
            set.add(object);
            set
        });
        let mut text = Vec::new();
        write_change(&changes(&old, &new).objects[0], &mut text).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(text).unwrap()).to_string()
    }

    fn service(metadata: &Value, spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    }

    #[test]
    fn marks_of_helm_are_one_line() {
        let old = service(
            &json!({"name": "a", "namespace": "n",
                "labels": {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "x-1", "team": "a"},
                "annotations": {"meta.helm.sh/release-name": "x"}}),
            &json!({"type": "ClusterIP"}),
        );
        let new = service(
            &json!({"name": "a", "namespace": "n",
                "labels": {"app.kubernetes.io/managed-by": "relay-bundle", "team": "b"}}),
            &json!({"type": "ClusterIP"}),
        );

        let text = shown(&old, &new);

        let wanted = "      ~ metadata: 3 labels and annotations of Helm give way to those of the \
                      bundle\n      ~ metadata.labels.team: a -> b\n";
        assert_eq!(text, wanted);
        let back = shown(&new, &old);
        assert!(
            back.contains("+ metadata.annotations[\"meta.helm.sh/release-name\"]: x"),
            "{back}"
        );
    }

    #[test]
    fn change_far_inside_long_value_is_shown() {
        let metadata = json!({"name": "a", "namespace": "n"});
        let [old, new] = ["evil", "good"].map(|word| {
            let script = format!("{}{word}{}", "x".repeat(300), "y".repeat(100));
            service(&metadata, &json!({"type": "ClusterIP", "script": script}))
        });

        let text = shown(&old, &new);

        assert!(text.contains("xxxevilyyy") && text.contains("xxxgoodyyy"), "{text}");
        assert!(text.contains("… (404 characters) -> …"), "{text}");
    }

    #[test]
    fn image_and_privileges_are_shown_before_any_number_of_labels() {
        let labels: serde_json::Map<String, Value> =
            (0..40).map(|at| (format!("l{at:02}"), json!("x"))).collect();
        let deployment = |labels: Value, image: &str, privileged: bool| {
            let container = json!({"name": "web", "image": image,
                "securityContext": {"privileged": privileged}});
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "a", "namespace": "n", "labels": labels},
                "spec": {"template": {"spec": {"containers": [container]}}}})
        };

        let text = shown(
            &deployment(json!({}), "r.example/a:1", false),
            &deployment(labels.into(), "r.example/evil:1", true),
        );

        let wanted = [
            "      ~ spec.template.spec.containers[web].image: r.example/a:1 -> r.example/evil:1",
            "      ~ spec.template.spec.containers[web].securityContext.privileged: false -> true",
        ];
        assert_eq!(text.lines().take(2).collect::<Vec<_>>(), wanted);
        assert!(text.ends_with("more lines: `--json` has all of them\n"), "{text}");
    }

    #[test]
    fn long_value_is_folded() {
        let metadata = json!({"name": "a", "namespace": "n"});
        let old = service(&metadata, &json!({"type": "ClusterIP"}));
        let new = service(&metadata, &json!({"type": "ClusterIP", "script": "x".repeat(4213)}));

        let wanted = format!("      + spec.script: {}… (4213 characters)\n", "x".repeat(60));
        assert_eq!(shown(&old, &new), wanted);
    }
}
