//! Checks `storage.logs`: modes that have their effect, and a sidecar whose image and output work.

use std::collections::BTreeSet;

use crate::fluent_bit::{self, ProblemKind, ProblemSeverity, TooOld, Version, parse_tag};
use crate::profile::logs::{make_secret, output, output_settings};
use crate::profile::node::Path;
use crate::profile::resolve::SecretPurpose;
use crate::profile::settings::{LogMode, OutputKind, Settings};

use super::Report;

const IMAGE_TAG: &str = "storage.logs.fluentbit.image.tag";
const CONFIG: &str = "storage.logs.fluentbit.output.config";

/// Checks the sidecar, and turns the plain credentials of a development profile into secrets.
pub(super) fn check(settings: &mut Settings, report: &mut Report<'_>) {
    modes(settings, report);
    if !settings.has_fluent_bit() {
        return;
    }
    let version = version(settings, report);
    let is_dev = settings.is_dev();
    for problem in fluent_bit::check(output(settings), version, &output_settings(settings)) {
        let path = Path::of(CONFIG).key(&problem.key);
        match problem.kind {
            ProblemKind::SecretLiteral if is_dev => make_secret(settings, &problem.key),
            _ if problem.severity() == ProblemSeverity::Error => {
                report.error("RB0502", path, problem.message, problem.help);
            }
            _ => report.warning("RB0503", path, problem.message, problem.help),
        }
    }
    secrets(settings, report);
    extra_fields(settings, report);
    format(settings, report);
}

/// Warns about fields that the profile sends without removing credentials.
fn extra_fields(settings: &Settings, report: &mut Report<'_>) {
    let path = Path::of("storage.logs.fluentbit.extraFields");
    for (index, field) in settings.storage.logs.fluentbit.extra_fields.iter().enumerate() {
        let message = format!(
            "`{field}` leaves the pod exactly as the relay writes it: {}",
            content(field.as_str())
        );
        let help = "remove it, unless all readers of the logs may read this";
        report.warning("RB0505", path.index(index), message, help);
    }
}

/// Describes the content of a field of the relay's log.
fn content(field: &str) -> &'static str {
    match field {
        "req" | "res" | "query" | "body" => {
            "it contains bodies and queries, with passwords, sessions, API keys and prompts: all \
             readers of the logs could become administrators"
        }
        "msg" | "stack" | "url" => {
            "it may contain passwords, sessions and API keys, which are otherwise removed"
        }
        _ => {
            "nothing is removed from it, not even if a new release of the relay logs secrets there"
        }
    }
}

/// The first relay with log files in JSON.
///
/// Other lines do not leave the pod, because the sidecar cannot interpret them.
const FIRST_JSON: (u32, u32, u32) = (1, 1, 273);

fn format(settings: &Settings, report: &mut Report<'_>) {
    let (path, tag) = match settings.image.tag.as_str() {
        "" => ("release.appVersion", settings.release.app_version.as_str()),
        tag => ("image.tag", tag),
    };
    if relay_version(tag).is_some_and(|version| version < FIRST_JSON) {
        let message =
            "the log files of this version of the relay are plain text, which is not forwarded";
        let help = "use v1.1.273 or newer, or `storage.logs.mode = \"emptyDir\"` and the relay's standard output";
        report.warning("RB0506", path, message, help);
    }
}

/// Returns the version in a tag such as `v1.1.314`.
fn relay_version(tag: &str) -> Option<(u32, u32, u32)> {
    let mut parts = tag.strip_prefix('v').unwrap_or(tag).split('.').map(str::parse);
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
        (Ok(major), Ok(minor), Ok(patch), None) => Some((major, minor, patch)),
        _ => None,
    }
}

/// The name of an annotation has at most 63 characters, and that of a secret's revision starts with
/// `secret-`.
const SECRET_NAME_MAX: usize = 63 - "secret-".len();

/// Checks the properties from which the names of a secret's variable, key and annotation are
/// derived.
fn secrets(settings: &Settings, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for purpose in settings.output_secrets() {
        let SecretPurpose::Output { property, .. } = &purpose else { continue };
        let written = settings.storage.logs.fluentbit.output.config.keys();
        let written =
            written.into_iter().find(|key| key.to_lowercase() == *property).unwrap_or(property);
        let path = Path::of(CONFIG).key(written);
        let name = purpose.data_key();
        if name.len() > SECRET_NAME_MAX {
            let message = format!(
                "the name of the property is too long for a secret: `{name}` has {} characters",
                name.len()
            );
            report.error("RB0502", &path, message, "check the spelling of the property");
        }
        if !seen.insert(name) {
            let message = "another property differs from this one only in `.`, `_` and `-`, and \
                           both are secrets";
            report.error("RB0502", &path, message, "keep the correctly spelled one");
        }
    }
}

fn version(settings: &Settings, report: &mut Report<'_>) -> Option<Version> {
    let image = &settings.storage.logs.fluentbit.image;
    match parse_tag(image.tag.as_str()) {
        Ok(Some(version)) => Some(version),
        // Another check reports an image without a tag and a digest.
        Ok(None) if image.tag.as_str().is_empty() => None,
        Ok(None) => {
            let message =
                format!("the tag `{}` does not contain the version of Fluent Bit", image.tag);
            report.warning(
                "RB0501",
                IMAGE_TAG,
                message,
                "use a tag such as `5.1.1`, so that its options can be checked",
            );
            None
        }
        Err(too_old) => {
            report.error("RB0500", IMAGE_TAG, too_old.to_string(), TooOld::HELP);
            None
        }
    }
}

fn modes(settings: &Settings, report: &mut Report<'_>) {
    let logs = &settings.storage.logs;
    if logs.mode == LogMode::Forward && !logs.fluentbit.enabled {
        let message =
            "without its sidecar the mode `forward` forwards nothing: logs are lost with the pod";
        let help = "set it to true, or `storage.logs.mode = \"emptyDir\"`";
        report.warning("RB0404", "storage.logs.fluentbit.enabled", message, help);
    }
    let kind = logs.fluentbit.output.kind;
    if logs.mode == LogMode::Forward && kind.is_some_and(|kind| kind != OutputKind::Forward) {
        let message = "the mode `forward` always uses the output `forward`";
        let help = "remove it, or set `storage.logs.mode = \"fluentbit\"`";
        report.error("RB0504", "storage.logs.fluentbit.output.type", message, help);
    }
    let states_output = kind.is_some() || !logs.fluentbit.output.config.is_empty();
    if !settings.has_fluent_bit() && states_output {
        let message = "Fluent Bit does not run with these settings, so nothing is sent";
        let help = "set `storage.logs.mode = \"fluentbit\"`, or remove it";
        report.warning("RB0404", "storage.logs.fluentbit.output", message, help);
    }
}
