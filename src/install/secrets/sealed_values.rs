//! Plans the writes of the bundle's sealed values. They were opened in memory before any request to
//! the cluster, and are written only if they differ.

use std::collections::BTreeMap;

use super::annotations::SEALED;
use super::error::SecretsError;
use super::live_secrets::{LiveSecret, has_value};
use super::opening::Opened;
use crate::bundle::index::{Wanted, WantedKey};
use crate::bundle::open::Bundle;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;

/// A Secret of sealed values that differs from the bundle.
pub(super) struct Sealing {
    pub key: ObjectKey,
    /// The Secret to write.
    pub secret: Secret,
    /// The keys that differ.
    keys: Vec<String>,
}

impl Sealing {
    /// Returns the name of the Secret and the keys to write.
    pub(super) fn describe(&self) -> (String, Vec<String>) {
        (self.key.name.clone(), self.keys.clone())
    }
}

/// Returns the Secrets to write.
pub(super) fn survey(
    all: Vec<LiveSecret<'_>>,
    bundle: &Bundle,
    opened: Option<&Opened>,
) -> Result<Vec<Sealing>, Failure> {
    let mut sealings = Vec::new();
    for found in all {
        found
            .wanted
            .keys
            .iter()
            .filter(|key| key.file.is_none())
            .try_for_each(|key| found.check_plain(key))?;
        let differing = differing(bundle, found.wanted, found.secret.as_ref(), opened);
        if differing.is_empty() {
            continue;
        }
        let Some(opened) = opened else {
            let files = differing.iter().filter_map(|key| key.file.clone()).collect();
            return Err(SecretsError::NoIdentity { files }.into());
        };
        found.ensure_mutable()?;
        let keys = differing.iter().map(|key| key.key.clone()).collect();
        let LiveSecret { wanted, key, secret: there } = found;
        let secret = there.unwrap_or_else(|| Secret::new(&key, bundle.index.name.as_str()));
        let secret = filled(bundle, wanted, secret, opened)?;
        sealings.push(Sealing { key, secret, keys });
    }
    Ok(sealings)
}

/// Returns the keys to write: those with another ciphertext, and those with another value. Without
/// `opened`, values cannot be compared, and only missing or empty ones count.
fn differing<'a>(
    bundle: &Bundle,
    wanted: &'a Wanted,
    there: Option<&Secret>,
    opened: Option<&Opened>,
) -> Vec<&'a WantedKey> {
    let Some(there) = there else { return sealed_keys(wanted).collect() };
    let noted = noted(there);
    let differs = |key: &&WantedKey| {
        let live = there.data.get(&key.key);
        let other = match opened {
            Some(opened) => live != opened.value(&wanted.name, &key.key),
            None => !has_value(there, &key.key),
        };
        other || noted.get(&key.key) != digest(bundle, key).as_ref()
    };
    sealed_keys(wanted).filter(differs).collect()
}

fn sealed_keys(wanted: &Wanted) -> impl Iterator<Item = &WantedKey> {
    wanted.keys.iter().filter(|key| key.file.is_some())
}

/// Returns the digest of a key's ciphertext.
fn digest(bundle: &Bundle, key: &WantedKey) -> Option<String> {
    Some(bundle.files.get(key.file.as_deref()?)?.digest().to_string())
}

/// Returns the digests in the annotation. One that does not parse was written by another program,
/// and counts as absent.
fn noted(secret: &Secret) -> BTreeMap<String, String> {
    serde_json::from_str(secret.annotation(SEALED).unwrap_or("{}")).unwrap_or_default()
}

/// Sets the sealed values in a Secret. Keeps all other keys: pods of an earlier generation may
/// restart.
fn filled(
    bundle: &Bundle,
    wanted: &Wanted,
    mut secret: Secret,
    opened: &Opened,
) -> Result<Secret, Failure> {
    let mut noted = noted(&secret);
    for key in sealed_keys(wanted) {
        let value = opened.value(&wanted.name, &key.key).expect("all sealed values were opened");
        secret.data.insert(key.key.clone(), value.copied());
        noted.extend(digest(bundle, key).map(|digest| (key.key.clone(), digest)));
    }
    secret.annotate(SEALED, &serde_json::to_string(&noted).map_err(Failure::bug)?);
    Ok(secret)
}
