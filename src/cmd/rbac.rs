//! `rbac`: the smallest Roles for planning, applying, rolling back, restarting and removing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};

use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::source::{self, SourceArgs};
use crate::bundle::index::Index;
use crate::failure::Failure;
use crate::model::text::{Label, ObjectName};
use crate::render::yaml::to_yaml;
use crate::rollout::rights::{Right, of_adoption, rights, rules};
use crate::ui::printer::Report;

/// The API group of Roles and bindings.
const GROUP: &str = "rbac.authorization.k8s.io";

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Prints a Role per namespace, including that of a monitor in another namespace, and a ClusterRole for
cluster-scoped objects: the identity of the cluster, the namespace itself, and classes. Secrets are
listed by name. For an upgrade or a rollback, pass both bundles: it needs the permissions of both.
The namespace is printed first.

Examples:
  relay-bundle rbac production --service-account ci:deployer | kubectl apply -f -
  relay-bundle rbac production loki-logging
  relay-bundle rbac production --from-helm --service-account ci:deployer | kubectl apply -f -

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
    service_account: Option<ServiceAccount>,
    #[command(flatten)]
    source: SourceArgs,
}

/// The ServiceAccount that gets the permissions.
#[derive(Clone, Debug)]
struct ServiceAccount {
    namespace: Label,
    name: ObjectName,
}

impl FromStr for ServiceAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) =
            text.split_once(':').ok_or("use NAMESPACE:NAME, such as `ci:deployer`")?;
        let name: ObjectName = name.parse().map_err(|error| format!("{error}"))?;
        if name.as_str().is_empty() {
            return Err("the name is missing after the `:`".to_owned());
        }
        Ok(Self { namespace: namespace.parse().map_err(|error| format!("{error}"))?, name })
    }
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
            source.tell_carried(ctx)?;
            let bundle = source.bundle;
            all.extend(rights(&bundle));
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
        let objects = objects(&installation, &all, self.service_account.as_ref());
        ctx.printer.report(&RbacReport { objects })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a Role for each namespace, a `ClusterRole`, and their bindings.
fn objects(
    index: &Index,
    rights: &BTreeSet<Right>,
    account: Option<&ServiceAccount>,
) -> Vec<Value> {
    let mut places: BTreeMap<&str, Vec<&Right>> = BTreeMap::new();
    for right in rights {
        places.entry(&right.namespace).or_default().push(right);
    }
    let mut objects = Vec::new();
    for (namespace, rights) in places {
        let role = role(index, namespace, &rights);
        let binding = account.map(|account| binding(&role, account));
        objects.push(role);
        objects.extend(binding);
    }
    objects
}

fn role(index: &Index, namespace: &str, rights: &[&Right]) -> Value {
    // Installations share the names of ClusterRoles, and of Roles in a monitor's namespace, so
    // these names include the installation's namespace.
    let own = namespace == index.namespace.as_str();
    let (release, place) = (&index.name, &index.namespace);
    let name = if own {
        format!("relay-bundle-{release}")
    } else {
        format!("relay-bundle-{place}-{release}")
    };
    let labels = json!({
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/managed-by": "relay-bundle-rbac",
    });
    let mut metadata = json!({"name": name, "labels": labels});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": if namespace.is_empty() { "ClusterRole" } else { "Role" },
        "metadata": metadata,
        "rules": rules(rights.iter().copied()),
    })
}

fn binding(role: &Value, account: &ServiceAccount) -> Value {
    let kind = role["kind"].as_str().unwrap_or_default();
    json!({
        "apiVersion": role["apiVersion"],
        "kind": format!("{kind}Binding"),
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role["metadata"]["name"]},
        "subjects": [
            {"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name},
        ],
    })
}
