//! `trust init`: writes an initial policy.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PUBLIC, create_new};
use crate::model::text::Label;
use crate::trust::policy::{Policy, SCHEMA};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The policy trusts nobody until a key and a grant are added. It belongs to the operator's side, and
comes there by another way than the bundles.

Examples:
  relay-bundle trust init --site plant-7 --max-age-days 180
  relay-bundle trust init --out /etc/relay-bundle/trust.toml \\
      --cluster-uid \"$(kubectl get namespace kube-system -o jsonpath='{.metadata.uid}')\""
)]
pub(super) struct Args {
    /// Where to write it; nothing is replaced
    #[arg(long, value_name = "TOML", default_value = "trust.toml")]
    out: Utf8PathBuf,
    /// The name of this place: bundles that are signed for other sites are refused
    #[arg(long, value_name = "NAME")]
    site: Option<Label>,
    /// The uid of the cluster's namespace kube-system
    #[arg(long, value_name = "UID")]
    cluster_uid: Option<String>,
    /// How many days a bundle may be on its way
    #[arg(long, value_name = "DAYS", value_parser = super::count)]
    max_age_days: Option<NonZeroU32>,
}

#[derive(Serialize)]
struct InitReport {
    path: Utf8PathBuf,
}

impl Report for InitReport {
    const SCHEMA: &'static str = "trust-init/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let text = self.text();
        Policy::parse(&text).map_err(|error| Failure::input(error.message))?;
        create_new(&self.out, text.as_bytes(), MODE_PUBLIC, Durability::Synced).map_err(
            |error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Failure::input(format!("`{}` is there already, and is not replaced", self.out))
                        .hint("`relay-bundle trust add` adds to it")
                }
                _ => error.into(),
            },
        )?;
        let path = &self.out;
        ctx.printer.say_lines(&format!(
            "{path} trusts nobody yet. Add keys, say what they may sign, and look at the result:\n  \
             relay-bundle trust add key {path} --key signing.pub.pem --holder build-desk\n  \
             relay-bundle trust add grant {path} --bundle claude-relay --profile production \
             --environment production --namespace claude-relay --key build-desk\n  \
             relay-bundle trust check {path}"
        ));
        ctx.printer.report(&InitReport { path: self.out })?;
        Ok(ExitCode::SUCCESS)
    }

    fn text(&self) -> String {
        let line = |name: &str, value: Option<String>, example: &str| match value {
            Some(value) => format!("{name} = {value}\n"),
            None => format!("# {name} = {example}\n"),
        };
        // Quotes any text for TOML. Parsing the policy then validates it.
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        let site =
            line("site", self.site.as_ref().map(|site| quoted(site.as_str())), "\"plant-7\"");
        let uid = line("clusterUid", self.cluster_uid.as_deref().map(quoted), "\"…\"");
        let age = line("maxAgeDays", self.max_age_days.map(|days| days.to_string()), "180");
        format!(
            "# Who may sign what for this place. `relay-bundle trust check` finds what is odd about it.\n\
             # Nobody but its owner may be able to write this file.\n\
             schema = \"{SCHEMA}\"\n\
             \n\
             # Which place this is. What is left out is not checked.\n\
             [target]\n\
             # A bundle that was signed for other sites is refused.\n\
             {site}\
             # kubectl get namespace kube-system -o jsonpath='{{.metadata.uid}}'\n\
             {uid}\
             \n\
             [policy]\n\
             # How many days a bundle may be on its way.\n\
             {age}"
        )
    }
}
