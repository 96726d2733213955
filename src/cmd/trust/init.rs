//! `trust init`: writes an initial policy.

use std::io;
use std::num::NonZeroU32;
use std::process::ExitCode;

use camino::Utf8PathBuf;

use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PUBLIC, create_new};
use crate::model::text::Label;
use crate::trust::policy::{Policy, PolicyTarget};
use crate::trust::template::new_policy;
use crate::ui::policy_view::InitReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "The policy does not trust any key until you add a key and a grant. It belongs to the operator:
transfer it separately from the bundles.

Examples:
  relay-bundle trust init --site plant-7 --max-age-days 180
  relay-bundle trust init --out /etc/relay-bundle/trust.toml \\
      --cluster-uid \"$(kubectl get namespace kube-system \\
      -o jsonpath='{.metadata.uid}')\""
)]
pub(super) struct Args {
    /// The file to write; it must not exist
    #[arg(long, value_name = "TOML", default_value = "trust.toml")]
    out: Utf8PathBuf,
    /// The name of this site: bundles signed for other sites are refused
    #[arg(long, value_name = "NAME")]
    site: Option<Label>,
    /// The uid of the cluster's namespace kube-system
    #[arg(long, value_name = "UID")]
    cluster_uid: Option<String>,
    /// The maximum age of a bundle in days
    #[arg(long, value_name = "DAYS", value_parser = super::count)]
    max_age_days: Option<NonZeroU32>,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let target = PolicyTarget { site: self.site, cluster_uid: self.cluster_uid };
        let text = new_policy(&target, self.max_age_days);
        Policy::parse(&text).map_err(|error| Failure::input(error.message))?;
        create_new(&self.out, text.as_bytes(), MODE_PUBLIC, Durability::Synced).map_err(
            |error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Failure::input(format!("`{}` already exists, and is not overwritten", self.out))
                        .hint("to add to it, use `relay-bundle trust add`")
                }
                _ => error.into(),
            },
        )?;
        let path = &self.out;
        ctx.printer.say_lines(&format!(
            "{path} does not trust any key yet. Add keys, grant what they may sign, and check the result:\n  \
             relay-bundle trust add key {path} --key signing.pub.pem --holder build-desk\n  \
             relay-bundle trust add grant {path} --bundle claude-relay --profile production \
             --environment production --namespace claude-relay --key build-desk\n  \
             relay-bundle trust check {path}"
        ));
        ctx.printer.report(&InitReport { path: self.out })?;
        Ok(ExitCode::SUCCESS)
    }
}
