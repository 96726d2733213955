//! `trust check`: finds mistakes and risks in a policy.

use std::process::ExitCode;

use camino::Utf8PathBuf;

use crate::cmd::clock;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::{DIFFERS, Outcome};
use crate::keyring::policy_file::load_policy;
use crate::model::words::count;
use crate::trust::findings::{FindingSeverity, findings};
use crate::ui::policy_view::PolicyCheckReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Exit code 1 if there are errors, 0 if there are only warnings or no findings, 2 if the file is not a \
policy or other users can change it.

Examples:
  relay-bundle trust check trust.toml
  relay-bundle trust check trust.toml --warn-days 90 --json"
)]
pub(super) struct Args {
    /// The policy
    file: Utf8PathBuf,
    /// Warn of keys that expire within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    warn_days: u32,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let policy = load_policy(&self.file)?;
        let report = PolicyCheckReport {
            findings: findings(&policy, clock::now()?, self.warn_days),
            path: self.file,
        };
        let errors = report
            .findings
            .iter()
            .filter(|finding| finding.severity == FindingSeverity::Error)
            .count();
        let warnings = report.findings.len() - errors;
        ctx.printer.report(&report)?;
        let (errors_in_words, warnings) = (count(errors, "error"), count(warnings, "warning"));
        ctx.printer.say(&format!("{}: {errors_in_words}, {warnings}", report.path));
        Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}
