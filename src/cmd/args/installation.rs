//! `--namespace` and `--name` select an installation. Shared by every command that works from the
//! record in the cluster.

use super::cluster::ClusterArgs;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::install::installations::InstallationName;
use crate::install::record::Journal;
use crate::model::text::{Label, ReleaseName};
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
    pub(in crate::cmd) fn open(&self, cluster: &Cluster) -> Result<Journal, Failure> {
        let Self { namespace, name, .. } = self;
        InstallationName { namespace: namespace.as_ref(), name: name.as_ref() }.open(cluster)
    }
}
