//! The creation of a bundle's Secrets and nothing else, for operators who apply with another tool.

use camino::Utf8PathBuf;

use super::change::Change;
use super::checked_bundle::CheckedBundle;
use super::host::Host;
use super::record::Turn;
use super::run::{Run, tell_recovery};
use super::secrets::{Consent, SecretPlan};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::failure::Failure;

/// The Secrets to create.
pub struct SecretsInit<'a> {
    run: Run<'a>,
    pub secret_plan: SecretPlan,
}

impl<'a> SecretsInit<'a> {
    /// Plans the Secrets.
    ///
    /// # Errors
    ///
    /// When the plan could cost data, another run is in progress, or the cluster cannot be asked.
    pub fn plan(
        host: Host<'a>,
        checked: &'a CheckedBundle,
        (cluster, identity): (&Cluster, &ClusterIdentity),
        consent: &Consent,
    ) -> Result<Self, Failure> {
        let run = Run::begin(host, checked, (cluster, identity), Turn::Reads)?;
        let secret_plan = run.survey_secrets(consent)?;
        Ok(Self { run, secret_plan })
    }

    /// Returns the reason for which the bundle would be refused if its content were not deployed.
    pub fn excused(&self) -> Option<String> {
        self.run.excused()
    }
}

impl Change for SecretsInit<'_> {
    /// The paths of the recovery files.
    type Done = Vec<Utf8PathBuf>;

    fn is_noop(&self) -> bool {
        self.secret_plan.is_empty()
    }

    fn check_permissions(&self) -> Result<(), Failure> {
        self.run.check_secret_permissions(&self.secret_plan)
    }

    fn carry_out(&mut self) -> Result<Vec<Utf8PathBuf>, Failure> {
        if self.is_noop() {
            return Ok(Vec::new());
        }
        let files = self.run.make_secrets(&self.secret_plan)?;
        tell_recovery(&files, self.run.host.observe);
        Ok(files)
    }
}
