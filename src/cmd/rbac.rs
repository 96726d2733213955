//! `rbac`: the smallest Roles for planning, applying, rolling back, restarting and removing.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::args::source::{self, SourceArgs, tell_carried};
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::bundle::index::Index;
use crate::failure::Failure;
use crate::render::yaml::to_yaml;
use crate::rollout::permissions::{of_adoption, permissions};
use crate::rollout::roles::{Grantee, roles};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("Prints a Role per namespace, including that of a monitor in another namespace, and a ClusterRole for \
cluster-scoped objects: the identity of the cluster, the namespace itself, and classes. Secrets are \
listed by name. For an upgrade or a rollback, pass both bundles: it needs the permissions of both. \
The namespace is printed first.

Examples:
  relay-bundle rbac production --service-account ci:deployer |
      kubectl apply -f -
  relay-bundle rbac production loki-logging
  relay-bundle rbac production --from-helm --service-account ci:deployer |
      kubectl apply -f -

{}", source::HELP))]
pub struct Args {
    /// The profiles or bundles, all of one installation
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<String>,
    /// Also grant what `adopt --from-helm` needs, which includes reading every Secret of the
    /// namespace; remove it afterwards
    #[arg(long)]
    from_helm: bool,
    /// Bind the Roles to this ServiceAccount
    #[arg(long, value_name = "NAMESPACE:NAME")]
    service_account: Option<Grantee>,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Serialize)]
struct RbacReport {
    /// Roles and bindings, in an order in which they can be applied.
    objects: Vec<Value>,
}

impl Report for RbacReport {
    const SCHEMA: &'static str = "rbac/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.objects.iter().try_for_each(|object| write!(out, "---\n{}", to_yaml(object)))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let mut all = BTreeSet::new();
        let mut installation: Option<Index> = None;
        for argument in &self.bundles {
            let source = self.source.open(ctx, argument)?;
            tell_carried(ctx, &source)?;
            let bundle = source.bundle;
            all.extend(permissions(&bundle));
            if self.from_helm {
                all.extend(of_adoption(&bundle));
            }
            let first = installation.get_or_insert_with(|| bundle.index.clone());
            if (&first.name, &first.namespace) != (&bundle.index.name, &bundle.index.namespace) {
                return Err(Failure::input(format!(
                    "the bundles belong to two installations: {} in {}, and {} in {}",
                    first.name, first.namespace, bundle.index.name, bundle.index.namespace
                ))
                .hint("print the Roles of each installation separately"));
            }
        }
        let installation = installation.expect("clap asks for one at least");
        let objects = roles(&installation, &all, self.service_account.as_ref());
        ctx.printer.report(&RbacReport { objects })?;
        Ok(ExitCode::SUCCESS)
    }
}
