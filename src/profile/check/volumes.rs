//! Checks extra volumes and mounts.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use serde_json::Value;

use crate::model::number::quantity_milli;
use crate::model::restricted::VOLUMES;
use crate::model::text::is_dns_label;
use crate::profile::node::Path;
use crate::profile::reserved;
use crate::profile::settings::Settings;
use crate::profile::suggest;

use super::Report;
use super::images::image_reference;
use super::labels::name;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let mut names = BTreeSet::new();
    for (index, volume) in settings.extra_volumes.iter().enumerate() {
        let path = Path::of("extraVolumes").index(index);
        volume_name(&path, volume, !names.insert(&volume.name), report);
        source(&path, volume, report);
    }
    let path = Path::of("extraVolumeMounts");
    mounts(&path, &settings.extra_volume_mounts, settings, report);
    for (index, mount) in settings.extra_volume_mounts.iter().enumerate() {
        if let Some(ours) =
            reserved::MOUNT_PATHS.iter().find(|ours| covers(&mount.mount_path, ours))
        {
            let message = format!("this would hide `{ours}`, which the bundle mounts");
            let help = "mount it elsewhere, such as below /app/external, and configure the relay \
                        with `extraEnv`";
            report.error("RB0144", path.index(index).key("mountPath"), message, help);
        }
    }
}

/// Returns whether a mount at `path` hides `other`.
fn covers(path: &str, other: &str) -> bool {
    let path = path.trim_end_matches('/');
    other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn volume_name(path: &Path, volume: &Volume, is_taken: bool, report: &mut Report<'_>) {
    let path = path.key("name");
    if !is_dns_label(&volume.name) {
        let help = "write at most 63 lowercase letters, digits and `-`";
        report.error("RB0140", &path, "invalid volume name", help);
    }
    if reserved::VOLUMES.contains(&volume.name.as_str()) {
        let message = format!("the bundle already has a volume `{}`", volume.name);
        report.error("RB0140", &path, message, "choose another name");
    }
    if is_taken {
        let message = format!("duplicate volume `{}`", volume.name);
        report.error("RB0140", &path, message, "choose another name");
    }
}

fn source(path: &Path, volume: &Volume, report: &mut Report<'_>) {
    let written = serde_json::to_value(volume).expect("Kubernetes' types write themselves");
    let sources: Vec<&str> = written
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .filter(|key| *key != "name")
        .collect();

    match sources[..] {
        [] => {
            let help = "add one, such as `emptyDir = {}` or `configMap = { name = \"…\" }`";
            report.error("RB0141", path, "the volume has no source", help);
        }
        [kind] if !VOLUMES.contains(&kind) => {
            let message =
                "every pod must meet Pod Security *restricted*, which does not allow this volume";
            let help =
                "use a PersistentVolumeClaim, which an administrator can bind to such storage";
            report.error("RB0160", path.key(kind), message, help);
        }
        ["image"] => image(path, volume, report),
        [kind] => referenced(&path.key(kind), &written[kind], report),
        _ => {
            let message = format!("the volume has the sources {}", suggest::list(&sources));
            report.error("RB0141", path, message, "keep one of them");
        }
    }
}

fn image(path: &Path, volume: &Volume, report: &mut Report<'_>) {
    let path = path.key("image");
    let source = volume.image.as_ref().and_then(|image| image.reference.as_deref());
    match source.unwrap_or_default() {
        "" => {
            let help = "add `reference = \"registry/repository:tag@sha256:…\"`";
            report.error("RB0141", path, "the volume names no image", help);
        }
        reference => image_reference(&path.key("reference"), reference, report),
    }
}

/// Checks the names inside an allowed source.
fn referenced(path: &Path, source: &Value, report: &mut Report<'_>) {
    let named = [("name", "a ConfigMap"), ("secretName", "a Secret"), ("claimName", "a claim")];
    for (key, what) in named {
        if let Some(text) = source.get(key).and_then(Value::as_str) {
            name(&path.key(key), text, what, report);
        }
    }
    let is_wrong = |size: &str| quantity_milli(size).is_none_or(|milli| milli < 0);
    if source.get("sizeLimit").and_then(Value::as_str).is_some_and(is_wrong) {
        let help = "write a number with a unit, such as `64Mi`";
        report.error("RB0110", path.key("sizeLimit"), "invalid quantity", help);
    }
}

/// Checks the mounts of any container.
pub(super) fn mounts(
    path: &Path,
    mounts: &[VolumeMount],
    settings: &Settings,
    report: &mut Report<'_>,
) {
    let mut known: BTreeSet<&str> =
        settings.extra_volumes.iter().map(|volume| volume.name.as_str()).collect();
    known.extend(settings.shared_volumes());
    let mut places = BTreeSet::new();

    for (index, mount) in mounts.iter().enumerate() {
        let path = path.index(index);
        if !known.contains(mount.name.as_str()) {
            let names: Vec<&str> = known.iter().copied().collect();
            let help = match suggest::among(&mount.name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add it to `extraVolumes`".to_owned(),
            };
            report.error(
                "RB0142",
                path.key("name"),
                format!("volume `{}` does not exist", mount.name),
                help,
            );
        }
        for (key, message, help) in mount_problems(mount) {
            report.error("RB0143", path.key(key), message, help);
        }
        if !places.insert(mount.mount_path.trim_end_matches('/')) {
            let message = "duplicate mount path";
            report.error("RB0143", path.key("mountPath"), message, "keep one of them");
        }
    }
}

fn mount_problems(mount: &VolumeMount) -> Vec<(&'static str, &'static str, &'static str)> {
    let place = mount.mount_path.as_str();
    let parent = |path: &str| path.split('/').any(|segment| segment == "..");
    let sub = mount.sub_path.as_deref().unwrap_or_default();
    let expression = mount.sub_path_expr.as_deref().unwrap_or_default();

    let rules = [
        (
            !place.starts_with('/')
                || place.contains(':')
                || parent(place)
                || place.trim_end_matches('/').is_empty(),
            "mountPath",
            "not an absolute path below `/`",
            "write one without `:` and `..`, such as `/etc/relay`",
        ),
        (
            [sub, expression].iter().any(|path| path.starts_with('/') || parent(path)),
            if sub.is_empty() { "subPathExpr" } else { "subPath" },
            "the path leaves the volume",
            "write a relative path without `..`",
        ),
        (
            !sub.is_empty() && !expression.is_empty(),
            "subPath",
            "`subPath` and `subPathExpr` exclude each other",
            "keep one of them",
        ),
        (
            mount
                .mount_propagation
                .as_deref()
                .is_some_and(|mode| mode != "None" && mode != "HostToContainer"),
            "mountPropagation",
            "only privileged containers may propagate mounts to the node",
            "write `None` or `HostToContainer`, or remove it",
        ),
        (
            mount
                .recursive_read_only
                .as_deref()
                .is_some_and(|mode| !["Disabled", "IfPossible", "Enabled"].contains(&mode)),
            "recursiveReadOnly",
            "unknown value",
            "use `Disabled`, `IfPossible` or `Enabled`",
        ),
    ];
    rules
        .into_iter()
        .filter(|(broken, ..)| *broken)
        .map(|(_, key, message, help)| (key, message, help))
        .collect()
}
