//! `--namespace` and `--name` select an installation. Shared by every command that works from the
//! record in the cluster.

use super::cluster::ClusterArgs;
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::install::record::Journal;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::{Label, ReleaseName};
use crate::rollout::record_names::{bundle_of, head_labels};
use crate::ui::printer::Printer;

/// Which installation is meant.
#[derive(Debug, clap::Args)]
pub struct InstallationArgs {
    /// The namespace of the installation [default: that of the context]
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<Label>,
    /// The name of the installation, which is the name of its bundles [default: the only one in the
    /// namespace]
    #[arg(long, value_name = "NAME")]
    name: Option<ReleaseName>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl InstallationArgs {
    /// Creates a client. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// As [`ClusterArgs::connect`].
    pub(in crate::cmd) fn connect(&self, printer: &Printer) -> Result<Cluster, Failure> {
        self.cluster.connect(printer)
    }

    /// Returns the arguments of a command line that selects the same cluster.
    pub(in crate::cmd) fn cluster_words(&self) -> Vec<String> {
        self.cluster.words()
    }

    /// Reads the record of the selected installation.
    ///
    /// # Errors
    ///
    /// When the record is missing or damaged, or several installations match.
    pub(in crate::cmd) fn open<'a>(&self, cluster: &'a Cluster) -> Result<Journal<'a>, Failure> {
        let namespace = self.namespace.as_ref().map_or(cluster.namespace.as_str(), Label::as_str);
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.only_one(cluster, namespace)?,
        };
        let journal = Journal::open(cluster, &name, namespace)?;
        if journal.is_there() {
            return Ok(journal);
        }
        Err(self.nowhere(cluster, &format!("{name} is not installed in namespace {namespace}")))
    }

    /// Returns the only installation that is recorded in a namespace.
    fn only_one(&self, cluster: &Cluster, namespace: &str) -> Result<ReleaseName, Failure> {
        let folder = ObjectKey::of(Kind::ConfigMap, namespace, "");
        let heads = cluster.list(&Request::list(&folder, &head_labels())).map_err(|error| {
            let may_not_list = error.code() == 403;
            let failure = Failure::from(error);
            if may_not_list {
                failure.hint("or pass the installation: --name NAME")
            } else {
                failure
            }
        })?;
        let name = |head: &serde_json::Value| bundle_of(head.pointer("/metadata/name")?.as_str()?);
        let mut names: Vec<ReleaseName> = heads.iter().filter_map(name).collect();
        names.sort();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => {
                Err(self
                    .nowhere(cluster, &format!("nothing is installed in namespace {namespace}")))
            }
            several => {
                let list: Vec<&str> = several.iter().map(ReleaseName::as_str).collect();
                Err(Failure::input(format!("namespace {namespace} has several installations"))
                    .hint(format!("pass one of them: --name {}", list.join(" | "))))
            }
        }
    }

    fn nowhere(&self, cluster: &Cluster, what: &str) -> Failure {
        let failure = Failure::input(format!("{what} of context `{}`", cluster.context));
        match self.namespace {
            Some(_) => {
                failure.hint("every installation made by `apply` has a record in its namespace")
            }
            None => failure.hint("pass the namespace: -n NAMESPACE"),
        }
    }
}
