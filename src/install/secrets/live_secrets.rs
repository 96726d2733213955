//! Reads the Secrets of the contract that apply creates.

use super::error::{DeletedSecret, SecretsError};
use crate::bundle::index::{Source, Wanted, WantedKey};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::rollout::known_secrets::{KnownSecrets, Seen, Whose, uid};
use crate::rollout::permissions::ENCRYPTION_KEY_SECRETS;
use crate::rollout::record::Item;

/// A Secret that the bundle wants apply to create, and its live state.
pub(super) struct LiveSecret<'a> {
    pub wanted: &'a Wanted,
    pub key: ObjectKey,
    pub secret: Option<Secret>,
}

/// Reads every Secret whose values come from `source`.
pub(super) fn read<'a>(
    cluster: &Cluster,
    bundle: &'a Bundle,
    source: Source,
) -> Result<Vec<LiveSecret<'a>>, Failure> {
    let wanted = bundle.index.contract.iter().filter(|wanted| wanted.source == source);
    let found = |wanted: &'a Wanted| {
        let key = ObjectKey::of_named(&wanted.kind, &wanted.namespace, &wanted.name)
            .expect("a Secret, as the gate checked");
        let secret = cluster.find_secret(&key)?;
        Ok(LiveSecret { wanted, key, secret })
    };
    wanted.map(found).collect()
}

impl LiveSecret<'_> {
    /// Returns whether the Secret exists and has a value for this key that is not empty.
    pub(super) fn has(&self, key: &str) -> bool {
        self.secret.as_ref().is_some_and(|secret| has_value(secret, key))
    }

    /// Fails if a key is missing that we cannot create. A container that the profile adds may refer
    /// to such a key.
    pub(super) fn check_plain(&self, wanted: &WantedKey) -> Result<(), SecretsError> {
        if self.has(&wanted.key) {
            return Ok(());
        }
        Err(SecretsError::MissingKey {
            secret: self.key.name.clone(),
            key: wanted.key.clone(),
            users: self.wanted.used_by.clone(),
            origin: self.wanted.source,
        })
    }

    /// Fails if the Secret exists and is immutable.
    pub(super) fn ensure_mutable(&self) -> Result<(), SecretsError> {
        if !self.secret.as_ref().is_some_and(|secret| secret.immutable) {
            return Ok(());
        }
        Err(SecretsError::Immutable { secret: self.key.name.clone() })
    }

    /// Returns the origin of the Secret, if it exists.
    pub(super) fn whose(&self, known: &KnownSecrets) -> Option<Whose> {
        let secret = self.secret.as_ref()?;
        Some(known.whose(seen(&self.key, secret)))
    }

    /// Returns the key and the uid for the record, or `None` if the Secret does not exist.
    pub(super) fn item(&self) -> Option<Item> {
        let uid = uid(self.secret.as_ref()?.metadata()).to_owned();
        Some(Item { key: self.key.clone(), uid: Some(uid) })
    }
}

/// Returns whether a Secret has a value for this key that is not empty.
pub(super) fn has_value(secret: &Secret, key: &str) -> bool {
    secret.data.get(key).is_some_and(|value| !value.expose().is_empty())
}

/// Returns the properties of a Secret that determine its origin. They include no value.
pub fn seen<'a>(key: &'a ObjectKey, secret: &'a Secret) -> Seen<'a> {
    let [generated_key, ..] = ENCRYPTION_KEY_SECRETS;
    let is_key = key.name.ends_with(generated_key);
    Seen { key, metadata: secret.metadata(), is_immutable: secret.immutable, is_key }
}

/// Returns the live Secrets that apply creates, for the record.
pub(super) fn noted(cluster: &Cluster, bundle: &Bundle) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for source in [Source::Generated, Source::Sealed] {
        items.extend(read(cluster, bundle, source)?.iter().filter_map(LiveSecret::item));
    }
    Ok(items)
}

/// Fails if a Secret that apply creates is missing, or is not the one that the pods got: such a
/// rollout is not complete.
pub fn check_noted(cluster: &Cluster, bundle: &Bundle, then: &[Item]) -> Result<(), Failure> {
    let now = noted(cluster, bundle)?;
    let of = |items: &[Item], name: &str| items.iter().find(|item| item.key.name == name).cloned();
    let made = bundle.index.contract.iter().filter(|wanted| wanted.source != Source::Cluster);
    for name in made.map(|wanted| wanted.name.as_str()) {
        let now = match of(&now, name) {
            None => DeletedSecret::Missing,
            Some(now) if of(then, name).as_ref() != Some(&now) => DeletedSecret::Replaced,
            Some(_) => continue,
        };
        return Err(SecretsError::Deleted { secret: name.to_owned(), now }.into());
    }
    Ok(())
}
