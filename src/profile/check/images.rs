//! Images: something that decides what runs, best a digest.

use crate::profile::resolve::names_registry;
use crate::profile::settings::{Image, Settings};

use super::Report;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
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
        check_image(path, image, version, settings.is_dev(), report);
    }
}

fn check_image(path: &str, image: &Image, version: &str, is_dev: bool, report: &mut Report<'_>) {
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
    } else if !is_dev {
        let message = format!("only the tag `{tag}` says what runs, and a registry may move it");
        report.warning("RB0402", format!("{path}.digest"), message, format!("set `{path}.digest`"));
    }
}
