//! A verified bundle on its way into a cluster.

use camino::{Utf8Path, Utf8PathBuf};

use super::secrets::{self, Opened};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::media::archive;
use crate::model::command_line::command_line;
use crate::model::timestamp::Timestamp;
use crate::rollout::packed_bundle::pack;
use crate::sealed::Identities;
use crate::state_file::StateFile;
use crate::trust::policy::Policy;
use crate::trust::refusal::Refusal;
use crate::trust::verify::Verified;

/// Where a bundle came from.
pub enum BundleOrigin {
    /// The operator provided it.
    Brought(Accepted),
    /// The record of this installation held it as the content of this generation. Minimum serials
    /// neither apply nor change.
    Recorded(u64),
}

/// The state with accepted releases. A release that is accepted now is noted there.
pub struct Accepted {
    pub file: StateFile,
    /// The arguments of a command line that selects the same state.
    pub words: Vec<String>,
}

impl BundleOrigin {
    /// Returns the generation whose content the bundle is, if it came from the record.
    pub fn generation(&self) -> Option<u64> {
        match self {
            Self::Brought(_) => None,
            Self::Recorded(generation) => Some(*generation),
        }
    }
}

/// A verified bundle, and the terms of its verification.
pub struct CheckedBundle {
    pub policy: Policy,
    pub origin: BundleOrigin,
    pub(super) bundle: Verified<Bundle>,
    /// The bundle, packed for the record.
    pub(super) packed: String,
    /// The opened sealed secrets, if a key was given.
    pub(super) opened: Option<Opened>,
    pub(super) now: Timestamp,
    /// The path of the policy and the arguments that select the cluster, for the `rollback` and
    /// `remove` lines in messages.
    pub trust: Utf8PathBuf,
    cluster_words: Vec<String>,
}

impl CheckedBundle {
    /// Wraps a bundle that the policy at `trust` accepted.
    ///
    /// # Errors
    ///
    /// When the record cannot hold the bundle.
    pub fn new(
        (policy, trust): (Policy, &Utf8Path),
        origin: BundleOrigin,
        bundle: Verified<Bundle>,
        now: Timestamp,
        cluster_words: Vec<String>,
    ) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        let attestation = Some(bundle.voucher().attestation.as_slice());
        archive::write(&mut bytes, attestation, &bundle.files).map_err(Failure::bug)?;
        let packed = pack(&bytes).map_err(Failure::input)?;
        let trust = trust.to_owned();
        Ok(Self { policy, origin, bundle, packed, opened: None, now, trust, cluster_words })
    }

    /// Opens the sealed secrets: in memory, and before anything is written.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened.
    pub fn unsealed(self, identities: &Identities) -> Result<Self, Failure> {
        let opened = Some(secrets::open(&self.bundle, identities)?);
        Ok(Self { opened, ..self })
    }

    /// Returns the bundle.
    pub fn bundle(&self) -> &Verified<Bundle> {
        &self.bundle
    }

    /// Returns why the bundle is refused unless its content is deployed already.
    pub fn only_if_deployed(&self) -> Option<&Refusal> {
        self.bundle.voucher().only_if_deployed.as_deref()
    }

    /// Returns the command line that rolls back to a generation.
    pub(super) fn rollback_line(&self, generation: u64) -> String {
        let generation = generation.to_string();
        let own = ["--to", generation.as_str(), "--trust", self.trust.as_str()];
        self.line("rollback", &own)
    }

    /// Returns the command line that removes the installation.
    pub(super) fn remove_line(&self) -> String {
        self.line("remove", &[])
    }

    fn line(&self, command: &str, own: &[&str]) -> String {
        let index = &self.bundle.index;
        let place = [command, "-n", index.namespace.as_str(), "--name", index.name.as_str()];
        let cluster = self.cluster_words.iter().map(String::as_str);
        command_line(place.into_iter().chain(own.iter().copied()).chain(cluster))
    }
}
