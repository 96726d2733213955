//! Signing with a key on another machine: the signed bytes and the signature travel as files.

use camino::{Utf8Path, Utf8PathBuf};

use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::keyring::public_key::load_any_key;
use crate::signing::draft::{Discarded, Draft};
use crate::signing::offline_files::{read_payload, read_signature};
use crate::signing::releases::NewTerms;
use crate::signing::seen::SeenAttestation;
use crate::trust::key::PublicKey;

/// The files of a key on another machine.
#[derive(Debug, clap::Args)]
pub(super) struct OfflineArgs {
    /// Write the bytes to sign, without changing the bundle; with --attach: the signed bytes
    #[arg(long, value_name = "FILE")]
    payload: Option<Utf8PathBuf>,
    /// Add a signature made on another machine: 64 bytes, or base64
    #[arg(long, value_name = "SIG", requires = "public_key")]
    attach: Option<Utf8PathBuf>,
    /// The public half of the signing key
    #[arg(long, value_name = "PEM", requires = "attach")]
    public_key: Option<Utf8PathBuf>,
}

impl OfflineArgs {
    /// Returns the file for the bytes to sign, unless they are signed already.
    pub(super) fn payload_to_write(&self) -> Option<&Utf8Path> {
        self.payload.as_deref().filter(|_| self.attach.is_none())
    }

    /// Returns the files of a signature made elsewhere, and of its public key.
    pub(super) fn attached(&self) -> Option<(&Utf8Path, &Utf8Path)> {
        self.attach.as_deref().zip(self.public_key.as_deref())
    }

    /// Returns the statement that was signed elsewhere, and the signatures that it discards. A
    /// statement that is not new must be that of the bundle.
    pub(super) fn draft(
        &self,
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        (is_new, terms): (bool, &NewTerms<'_>),
    ) -> Result<(Draft, Discarded), Failure> {
        let payload = self.payload.as_deref();
        let payload = payload.map(read_payload).transpose()?;
        match payload {
            Some(payload) if is_new => {
                let draft = Draft::of_payload(bundle, seen, &payload, terms)?;
                let discarded = draft.discards(terms.chosen)?;
                Ok((draft, discarded))
            }
            None if is_new => Err(Failure::input(
                "the signature is for a statement that the bundle does not have",
            )
            .hint("also pass the signed file: --payload FILE")),
            payload => {
                let draft = Draft::of(bundle, seen, terms)?;
                if payload.is_none_or(|payload| payload == draft.signed_bytes()) {
                    return Ok((draft, Discarded::default()));
                }
                Err(Failure::input("the payload is not the statement of the bundle")
                    .hint("write it again and sign that: relay-bundle sign BUNDLE --payload FILE")
                    .hint("or discard the statement of the bundle and its signatures: --reseal"))
            }
        }
    }
}

/// Adds the signature in a file. Returns its key, and whether the signature is new.
pub(super) fn attach(
    draft: &mut Draft,
    signature: &Utf8Path,
    public: &Utf8Path,
) -> Result<(PublicKey, bool), Failure> {
    let public = load_any_key(public)?;
    let is_new = draft.attach(&public, read_signature(signature)?)?;
    Ok((public, is_new))
}
