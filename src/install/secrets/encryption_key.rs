//! Protects the encryption key. It salts every API key and encrypts every account, so that another
//! key silently invalidates the whole installation.

use std::collections::BTreeSet;

use serde_json::Value;

use super::encryption_key_error::{EncryptionKeyError, KeyNeed, NewKey};
use super::opening::Opened;
use super::planned_secret::PlannedSecret;
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::helm::encryption_key::{KeyReference, reference};
use crate::model::kind::Kind;
use crate::model::label::{INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
use crate::model::object_key::ObjectKey;
use crate::render::references::references;
use crate::rollout::live_object;
use crate::rollout::permissions::ENCRYPTION_KEY_SECRETS;
use crate::rollout::record::Item;

/// The key of this value in the Secrets that apply creates.
const KEY: &str = "encryption-key";

/// Returns the Secret, and the key in it, from which the bundle's relay reads the encryption key.
fn place(bundle: &Bundle) -> Option<KeyReference> {
    let mut all = bundle.manifests.iter().filter(|manifest| manifest.key.is(Kind::Deployment));
    all.find_map(|manifest| reference(&manifest.object))
}

/// Returns whether this Secret of the bundle holds the encryption key.
pub(super) fn is_of(secret: &str, bundle: &Bundle) -> bool {
    place(bundle).is_some_and(|place| place.secret == secret)
}

/// Refuses a bundle that gives the relay another key than the one that runs, or ran last.
pub(super) fn check_change(
    cluster: &Cluster,
    bundle: &Bundle,
    opened: Option<&Opened>,
    earlier: &[Item],
) -> Result<(), Failure> {
    let Some(wanted) = place(bundle) else { return Ok(()) };
    let namespace = bundle.index.namespace.as_str();
    let source = source(bundle, &wanted);
    let stays = |place: &KeyReference| {
        *place == wanted && matches!(source, KeySource::Cluster | KeySource::Generated)
    };

    let (live, runs) = live_places(cluster, bundle, earlier)?;
    if live.iter().all(stays) {
        return Ok(());
    }

    let secret = |name: &str| cluster.find_secret(&secret_key(namespace, name));
    let there = secret(&wanted.secret)?;
    let new = match &source {
        KeySource::Literal(secret) => secret.data.get(&wanted.key),
        KeySource::Sealed => {
            opened.and_then(|opened| opened.value(&wanted.secret, &wanted.key)).or_else(|| {
                // An unchanged value was not opened.
                there.as_ref()?.data.get(&wanted.key)
            })
        }
        KeySource::Cluster | KeySource::Generated => {
            there.as_ref().and_then(|secret| secret.data.get(&wanted.key))
        }
    };

    for place in live.iter().filter(|place| !stays(place)) {
        let secret = match secret(&place.secret) {
            // The Secret may not exist, and a minimal Role does not permit the read.
            Err(error) if error.code() == 403 && !runs => continue,
            secret => secret?,
        };
        let Some(secret) = secret else { continue };
        let Some(value) = secret.data.get(&place.key).filter(|value| !value.expose().is_empty())
        else {
            continue;
        };
        if !runs && !may_be_ours(&secret, bundle) {
            continue;
        }
        if new.is_none_or(|new| new != value) {
            let is_made_here = is_made_here(place, &secret, bundle);
            let new = if new.is_none() { NewKey::Generated } else { NewKey::OfBundle };
            let live = place.clone();
            return Err(EncryptionKeyError::WouldChange { live, wanted, new, is_made_here }.into());
        }
    }
    Ok(())
}

/// The source of the key, according to the bundle.
enum KeySource {
    Cluster,
    Generated,
    Sealed,
    Literal(Box<Secret>),
}

fn source(bundle: &Bundle, place: &KeyReference) -> KeySource {
    let literal = bundle
        .manifests
        .iter()
        .find(|manifest| manifest.key.is(Kind::Secret) && manifest.key.name == place.secret)
        .and_then(|manifest| serde_json::from_value(manifest.object.clone()).ok());
    if let Some(secret) = literal {
        return KeySource::Literal(secret);
    }
    let wanted = bundle.index.contract.iter().find(|wanted| {
        wanted.is(Kind::Secret) && wanted.name == place.secret && wanted.source != Source::Cluster
    });
    match wanted.map(|wanted| wanted.source) {
        Some(Source::Generated) => KeySource::Generated,
        Some(Source::Sealed) => KeySource::Sealed,
        _ => KeySource::Cluster,
    }
}

/// Returns the places from which the live relay reads the key, and true. If no relay runs, returns
/// the places of a key that apply may have created, and false.
///
/// A Deployment that only the record assigns to this installation must carry our labels, too.
fn live_places(
    cluster: &Cluster,
    bundle: &Bundle,
    earlier: &[Item],
) -> Result<(Vec<KeyReference>, bool), Failure> {
    let own: BTreeSet<&ObjectKey> = deployments(bundle).collect();
    let recorded = earlier.iter().map(|item| &item.key).filter(|key| key.is(Kind::Deployment));
    let all: BTreeSet<&ObjectKey> = own.iter().copied().chain(recorded).collect();
    let (mut live, mut ours) = (BTreeSet::new(), Vec::new());
    for deployment in all {
        let there = cluster.find(deployment)?;
        let is_ours = |object: &Value| {
            live_object::is_managed_by(object, FIELD_MANAGER, bundle.index.name.as_str())
        };
        if own.contains(deployment) || there.as_ref().is_none_or(is_ours) {
            live.extend(there.as_ref().and_then(reference));
            ours.push(deployment);
        }
    }
    let runs = !live.is_empty();
    if !runs {
        live.extend(ours.into_iter().flat_map(|deployment| made_for(&deployment.name)));
    }
    Ok((live.into_iter().collect(), runs))
}

fn deployments(bundle: &Bundle) -> impl Iterator<Item = &ObjectKey> {
    bundle.manifests.iter().map(|manifest| &manifest.key).filter(|key| key.is(Kind::Deployment))
}

/// Returns the places of a key that apply created for the Deployment `name`.
fn made_for(name: &str) -> [KeyReference; 3] {
    ENCRYPTION_KEY_SECRETS
        .map(|end| KeyReference { secret: format!("{name}{end}"), key: KEY.to_owned() })
}

/// Returns whether a Secret has no label of another installation.
fn may_be_ours(secret: &Secret, bundle: &Bundle) -> bool {
    let instance = live_object::label(secret.metadata(), INSTANCE_LABEL);
    instance.is_none_or(|instance| instance == bundle.index.name.as_str())
}

/// Returns whether this program created a Secret for the bundle's own relay.
fn is_made_here(place: &KeyReference, secret: &Secret, bundle: &Bundle) -> bool {
    live_object::label(secret.metadata(), MANAGED_BY_LABEL) == Some(MANAGED_BY)
        && may_be_ours(secret, bundle)
        && deployments(bundle).any(|deployment| made_for(&deployment.name).contains(place))
}

/// Refuses to generate the key if data may exist that another key encrypted. Returns a warning if
/// we may not list volumes.
pub(super) fn check_creation(
    cluster: &Cluster,
    bundle: &Bundle,
    planned: &PlannedSecret,
    was_deployed: bool,
) -> Result<Option<String>, Failure> {
    let lost = |why| Err(EncryptionKeyError::Lost { secret: planned.key.name.clone(), why }.into());
    if was_deployed {
        return lost(KeyNeed::HasRun);
    }
    if planned.is_there {
        return lost(KeyNeed::SecretExists);
    }

    let claims = redis_claims(bundle);
    for claim in &claims {
        if cluster.find(claim)?.is_some() {
            return lost(KeyNeed::Claim(claim.clone()));
        }
    }
    if claims.is_empty() {
        return Ok(None);
    }

    // PersistentVolumes are cluster-scoped, and few users may list them.
    let folder = ObjectKey::of(Kind::PersistentVolume, "", "");
    let volumes = match cluster.list(&Request::get(&folder)) {
        Err(error) if error.code() == 403 => return Ok(Some(unseen(&claims))),
        volumes => volumes?,
    };
    let had = |claim| kept_volume(&volumes, claim).map(|volume| (volume, claim));
    match claims.iter().find_map(had) {
        Some((volume, claim)) => {
            lost(KeyNeed::Volume { volume: volume.to_owned(), claim: claim.clone() })
        }
        None => Ok(None),
    }
}

fn unseen(claims: &BTreeSet<ObjectKey>) -> String {
    let names: Vec<&str> = claims.iter().map(|claim| claim.name.as_str()).collect();
    format!(
        "volumes were not checked: missing permission to list PersistentVolumes. An earlier \
         installation may have left one whose data a new encryption key makes unreadable: have an \
         administrator look for the PVC {} with `kubectl get pv`",
        names.join(" or ")
    )
}

/// Returns every PVC that may hold data of Redis: those of its pods, and the one that the
/// StatefulSet of the chart created.
fn redis_claims(bundle: &Bundle) -> BTreeSet<ObjectKey> {
    let stateful_sets =
        bundle.manifests.iter().filter(|manifest| manifest.key.is(Kind::StatefulSet));
    let names = stateful_sets.flat_map(|manifest| {
        let named = references(&manifest.object).into_keys();
        let named =
            named.filter(|target| target.is(Kind::PersistentVolumeClaim)).map(|target| target.name);
        named.chain([format!("data-{}-0", manifest.key.name)])
    });
    names
        .map(|name| {
            ObjectKey::of(Kind::PersistentVolumeClaim, bundle.index.namespace.as_str(), &name)
        })
        .collect()
}

/// Returns the name of the volume that belonged to a deleted PVC.
fn kept_volume<'a>(volumes: &'a [Value], claim: &ObjectKey) -> Option<&'a str> {
    let text = |volume: &'a Value, pointer: &str| {
        volume.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    };
    let had = |volume: &&'a Value| {
        text(volume, "/spec/claimRef/namespace") == claim.namespace
            && text(volume, "/spec/claimRef/name") == claim.name
            && !live_object::is_ending(volume)
    };
    volumes.iter().find(had).map(|volume| text(volume, "/metadata/name"))
}

fn secret_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::of(Kind::Secret, namespace, name)
}
