//! The inputs of the decisions about secrets.

use std::collections::{BTreeMap, BTreeSet};

use super::opening::Opened;
use super::recovery_file::RecoveryPlace;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::failure::Failure;

/// Keys of Secrets whose values come from elsewhere.
pub type Coming = BTreeMap<String, BTreeSet<String>>;

/// The context of a run that writes no such values.
pub static NONE_COMING: Coming = Coming::new();

/// The operator's decisions about secrets.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Consent {
    pub first_install: bool,
    pub no_recovery: bool,
    pub allow_regenerate: bool,
    pub recovery: RecoveryPlace,
    /// Whether we can ask the operator.
    pub can_ask: bool,
}

/// The inputs of the plan of the Secrets, besides the record.
#[derive(Clone, Copy)]
pub struct SecretContext<'a> {
    pub cluster: &'a Cluster,
    pub sources: SecretSources<'a>,
    /// Whether the bundle takes over a Helm release, whose encryption key was determined already.
    pub adopts: bool,
    /// The values that are written before the Secrets are created.
    pub coming: &'a Coming,
}

/// The sources of the values in Secrets.
#[derive(Clone, Copy)]
pub struct SecretSources<'a> {
    pub bundle: &'a Bundle,
    pub opened: Option<&'a Opened>,
    /// Whether the bundle has run here before.
    pub goes_back: bool,
    pub random: Random,
}

/// Fills a slice with cryptographically secure random bytes.
pub type Random = fn(&mut [u8]) -> Result<(), Failure>;
