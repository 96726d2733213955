//! The terms of a release, as a signer passes them in arguments.

use crate::model::text::Label;
use crate::model::timestamp::Timestamp;
use crate::signing::terms::{ChosenTerms, Expiry, InvalidBuildTime};

/// The terms of a release.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Terms of a new statement")]
pub struct TermsArgs {
    /// The serial, which increases with every release [default: the seconds of --issued, or one
    /// more than the newest release of the profile in the store]
    #[arg(long, value_name = "N")]
    serial: Option<u64>,
    /// When the release was issued, such as 2026-11-22T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    issued: Option<Timestamp>,
    /// When it expires: a time, or 12h, 30d, 8w after the issue time [default: as the trust policy
    /// says]
    #[arg(long, value_name = "TIME|30d")]
    expires: Option<Expiry>,
    /// A site for which it is valid; repeatable [default: any]
    #[arg(long = "site", value_name = "NAME")]
    sites: Vec<Label>,
}

impl TermsArgs {
    /// Returns the chosen terms.
    pub(in crate::cmd) fn chosen(&self) -> ChosenTerms {
        ChosenTerms {
            serial: self.serial,
            issued: self.issued,
            build_time: source_date_epoch(),
            expires: self.expires,
            sites: self.sites.clone(),
        }
    }
}

/// Returns the build time that the environment sets. Development shells set it to 1980, so it
/// counts only with a serial.
#[expect(clippy::disallowed_methods, reason = "commands are where the environment is read")]
fn source_date_epoch() -> Result<Option<Timestamp>, InvalidBuildTime> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let text = value.to_string_lossy();
    let time = text.parse().ok().and_then(|seconds| Timestamp::from_seconds(seconds).ok());
    time.ok_or_else(|| InvalidBuildTime(text.into_owned())).map(Some)
}
