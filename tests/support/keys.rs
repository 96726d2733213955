//! Key files, and the signatures of bundles.

use camino::Utf8Path;
use relay_bundle::bundle::layout::ATTESTATION;
use relay_bundle::fsio::{Durability, MODE_PRIVATE, MODE_PUBLIC, create_new};
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::{KeyId, PrivateKey};
use relay_bundle::trust::statement::Statement;
use std::collections::BTreeSet;

/// Writes `<name>.pem` and `<name>.pub.pem` into a folder: the key pair of `seed`.
pub(crate) fn write_pair(folder: &Utf8Path, name: &str, seed: u8) -> PrivateKey {
    let key = PrivateKey::from_seed(&[seed; 32]);
    let private = folder.join(format!("{name}.pem"));
    create_new(&private, key.to_pem().as_bytes(), MODE_PRIVATE, Durability::Cached).unwrap();
    let (public, pem) = (folder.join(format!("{name}.pub.pem")), key.public().to_pem());
    // Sets these modes independent of the umask.
    create_new(&public, pem.as_bytes(), MODE_PUBLIC, Durability::Cached).unwrap();
    key
}

/// Returns the bytes of the attestation of a bundle: a folder, or an archive that begins with it.
pub(crate) fn attestation_of(bundle: &Utf8Path) -> Vec<u8> {
    if bundle.is_dir() {
        return fs_err::read(bundle.join(ATTESTATION)).unwrap();
    }
    let file = fs_err::File::open(bundle).unwrap();
    relay_bundle::media::archive::open(file).unwrap().attestation().unwrap().to_vec()
}

/// Returns the statement of a bundle and its signers; every signature must be good.
#[track_caller]
pub(crate) fn signed(bundle: &Utf8Path, keys: &[&PrivateKey]) -> (Statement, BTreeSet<KeyId>) {
    let envelope = Envelope::parse(&attestation_of(bundle)).unwrap();
    for (id, signature) in envelope.signatures() {
        let public = keys.iter().map(|key| key.public()).find(|key| key.id() == *id).unwrap();
        assert!(public.verifies(&envelope.signed_bytes(), signature), "{id}");
    }
    (Statement::parse(envelope.payload()).unwrap(), envelope.signatures().keys().copied().collect())
}
