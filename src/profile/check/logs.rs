//! Fluent Bit: its image and the properties of its output.

use super::Report;
use crate::fluent_bit::{self, ProblemKind, Severity, TooOld, Version, parse_tag};
use crate::profile::logs::{make_secret, output, output_settings};
use crate::profile::settings::Settings;

const IMAGE_TAG: &str = "storage.logs.fluentbit.image.tag";
const CONFIG: &str = "storage.logs.fluentbit.output.config";

/// Checks the sidecar; makes secrets of the credentials that a profile for development writes out.
pub(super) fn check(settings: &mut Settings, report: &mut Report<'_>) {
    if !settings.has_fluent_bit() {
        return;
    }
    let version = version(settings, report);
    let is_dev = settings.release.environment.as_str() == "dev";
    for problem in fluent_bit::check(output(settings), version, &output_settings(settings)) {
        let path = format!("{CONFIG}.{}", problem.key);
        match problem.kind {
            ProblemKind::SecretLiteral if is_dev => make_secret(settings, &problem.key),
            _ if problem.severity() == Severity::Error => {
                report.error("RB0502", &path, problem.message, problem.help)
            }
            _ => report.warning("RB0503", &path, problem.message, problem.help),
        }
    }
}

fn version(settings: &Settings, report: &mut Report<'_>) -> Option<Version> {
    let image = &settings.storage.logs.fluentbit.image;
    match parse_tag(image.tag.as_str()) {
        Ok(Some(version)) => Some(version),
        Ok(None) if image.tag.as_str().is_empty() && !image.digest.as_str().is_empty() => None,
        Ok(None) => {
            let message = format!("the tag `{}` does not say which version of Fluent Bit it is", image.tag);
            report.warning("RB0501", IMAGE_TAG, message, "a tag such as `5.1.1` lets its options be checked");
            None
        }
        Err(too_old) => {
            report.error("RB0500", IMAGE_TAG, too_old.to_string(), TooOld::HELP);
            None
        }
    }
}
