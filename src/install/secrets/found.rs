//! Reads the Secrets of the contract that apply creates.

use crate::bundle::index::{Source, Wanted, WantedKey};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::rollout::known::{KnownSecrets, Seen, Whose, uid};
use crate::rollout::record::Item;
use crate::rollout::rights::ENCRYPTION_KEY_SECRETS;

/// A Secret that the bundle wants apply to create, and its live state.
pub(super) struct Found<'a> {
    pub wanted: &'a Wanted,
    pub key: ObjectKey,
    pub secret: Option<Secret>,
}

/// Reads every Secret whose values come from `source`.
pub(super) fn read<'a>(
    cluster: &Cluster,
    bundle: &'a Bundle,
    source: Source,
) -> Result<Vec<Found<'a>>, Failure> {
    let wanted = bundle.index.contract.iter().filter(|wanted| wanted.source == source);
    let found = |wanted: &'a Wanted| {
        let key = ObjectKey::of_named(&wanted.kind, &wanted.namespace, &wanted.name)
            .expect("a Secret, as the gate checked");
        let secret = cluster.find_secret(&key)?;
        Ok(Found { wanted, key, secret })
    };
    wanted.map(found).collect()
}

impl Found<'_> {
    /// Returns whether the Secret exists and has a value for this key that is not empty.
    pub(super) fn has(&self, key: &str) -> bool {
        self.secret.as_ref().is_some_and(|secret| has_value(secret, key))
    }

    /// Fails if a key is missing that we cannot create. A container that the profile adds may refer
    /// to such a key.
    pub(super) fn check_plain(&self, wanted: &WantedKey) -> Result<(), Failure> {
        if self.has(&wanted.key) {
            return Ok(());
        }
        let (key, users) = (&self.key, self.wanted.used_by.join(", "));
        let makes = if self.wanted.source == Source::Sealed { "sealed" } else { "generated" };
        Err(Failure::world(format!(
            "{key}: the key `{}`, for {users}, is missing, and is not {makes} either",
            wanted.key
        ))
        .hint("add it to the Secret, or remove its references from the profile"))
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
