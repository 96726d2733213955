//! Images: something that decides what runs, best a digest.

use crate::profile::resolve::names_registry;
use crate::profile::settings::{Image, Settings};

use super::Report;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let mut movable = Vec::new();
    for (path, image) in settings.images_used() {
        if !names_registry(&image.reference) {
            let message = format!("`{}` names no registry: nodes with CRI-O refuse it", image.reference);
            let help = format!("write `docker.io/{}`, or set `{path}.registry`", image.reference);
            report.warning("RB0423", format!("{path}.repository"), message, help);
        }
        let (image, version) = match path {
            "image" => (&settings.image, settings.release.app_version.as_str()),
            "redis.image" => (&settings.redis.image, ""),
            "storage.logs.fluentbit.image" => (&settings.storage.logs.fluentbit.image, ""),
            _ => (&settings.service_monitor.exporter.image, ""),
        };
        check_image(path, image, version, report);
        movable.extend(only_tag(image, version).map(|tag| (path, tag)));
    }
    if !settings.is_dev() {
        tags(&movable, report);
    }
}

/// Returns the tag of an image that has nothing else to say what runs.
fn only_tag<'a>(image: &'a Image, version: &'a str) -> Option<&'a str> {
    let tag = if image.tag.as_str().is_empty() { version } else { image.tag.as_str() };
    (image.digest.as_str().is_empty() && !tag.is_empty() && tag != "latest").then_some(tag)
}

/// Warns once of all images that are named by a tag: a warning for each would hide the others.
fn tags(movable: &[(&str, &str)], report: &mut Report<'_>) {
    let Some(((first, tag), others)) = movable.split_first() else { return };
    let mut message = format!("only the tag `{tag}` says what runs, and a registry may move it");
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|(path, tag)| format!("`{path}` (`{tag}`)")).collect();
        message = format!("{message}; the same is true of {}", others.join(", "));
    }
    let keys: Vec<String> = movable.iter().map(|(path, _)| format!("`{path}.digest`")).collect();
    report.warning("RB0402", format!("{first}.digest"), message, format!("set {}", keys.join(", ")));
}

fn check_image(path: &str, image: &Image, version: &str, report: &mut Report<'_>) {
    let tag = match image.tag.as_str() {
        "" => version,
        tag => tag,
    };
    if !image.digest.as_str().is_empty() {
        return;
    }
    if tag.is_empty() {
        let message =
            "the image has neither tag nor digest: it would be `latest`, whatever that is on the day";
        report.error(
            "RB0350",
            format!("{path}.tag"),
            message,
            format!("set `{path}.digest`, or at least `{path}.tag`"),
        );
    } else if tag == "latest" {
        let message = "`latest` is another image tomorrow";
        report.warning(
            "RB0403",
            format!("{path}.tag"),
            message,
            format!("name a version, better `{path}.digest`"),
        );
    }
}
