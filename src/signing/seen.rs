//! The attestation that a bundle had when it was read, parsed once.

use crate::trust::envelope::{Envelope, InvalidEnvelope};
use crate::trust::statement::Statement;

/// An existing attestation. Its signatures are not verified.
pub struct SeenAttestation {
    pub(super) bytes: Vec<u8>,
    pub(super) envelope: Result<Envelope, InvalidEnvelope>,
    /// The statement; `None` if it is unreadable.
    pub(super) statement: Option<Statement>,
}

impl SeenAttestation {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let envelope = Envelope::parse(bytes);
        let payload = envelope.as_ref().ok().map(Envelope::payload);
        let statement = payload.and_then(|payload| Statement::parse(payload).ok());
        Self { bytes: bytes.to_vec(), envelope, statement }
    }
}
