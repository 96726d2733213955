//! A run that creates Secrets, and nothing else.

use camino::Utf8PathBuf;

use super::Run;
use super::error::RunError;
use crate::failure::Failure;
use crate::install::execution::Uids;
use crate::install::generations::{inventory, known_secrets};
use crate::install::preflight;
use crate::install::secrets::{self, Consent, SecretPlan};
use crate::model::kind::Kind;
use crate::rollout::permissions::Permission;

impl Run<'_> {
    /// Reads the state that the secrets depend on, and nothing else.
    pub fn survey_secrets(&self, consent: &Consent) -> Result<SecretPlan, Failure> {
        if let Some(lock) = &self.journal.head.lock {
            return Err(RunError::Unfinished(lock.clone()).into());
        }
        let bundle = &self.checked.bundle;
        if !self.is_namespace_there
            && !bundle.index.objects.iter().any(|object| object.is(Kind::Namespace))
        {
            return Err(RunError::NoNamespace(bundle.index.namespace.to_string()).into());
        }
        let recorded = self.journal.recorded(|_| true)?;
        let known = known_secrets(&self.journal.head, &recorded);
        secrets::survey(self.secrets(), &known, &inventory(&recorded), consent)
    }

    /// Checks the permissions to create Secrets, and nothing else.
    pub(in crate::install) fn check_secret_permissions(
        &self,
        secret_plan: &SecretPlan,
    ) -> Result<(), Failure> {
        let namespace = self.checked.bundle.index.namespace.as_str();
        let record = ["get", "create", "update"]
            .map(|verb| Permission::to_all(verb, "ConfigMap", namespace));
        let permissions = record.into_iter().chain(secret_plan.permissions(namespace)).collect();
        preflight::check_permissions(self.journal.session(), &permissions)
    }

    /// Creates Secrets, and nothing else. Returns the paths of the recovery files.
    pub(in crate::install) fn make_secrets(
        &mut self,
        secret_plan: &SecretPlan,
    ) -> Result<Vec<Utf8PathBuf>, Failure> {
        self.make_namespace(&mut Uids::new())?;
        secret_plan.make(self.sources(), &mut self.journal)
    }
}
