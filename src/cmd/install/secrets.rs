//! Secrets that are made here: once, where none are, and never again.

use serde_json::{Map, Value, json};

use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{Request, Run};
use crate::cluster::resource::key;
use crate::cmd::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::render::references::references;
use crate::rollout::live;

/// What the Secret of the encryption key ends in: that key is the installation.
const ENCRYPTION_KEY: &str = "-encryption-key";

/// 64 characters, so that a byte's lower six bits choose one without a bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A Secret of which keys are missing.
pub(super) struct Making {
    key: ObjectKey,
    /// The Secret, if it is there with other keys.
    there: Option<Value>,
    /// The missing keys, and how long their values are.
    missing: Vec<(String, usize)>,
    is_encryption_key: bool,
}

impl Making {
    /// Returns which Secret it is.
    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }
}

/// What a person said about secrets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    pub(super) first_install: bool,
    pub(super) no_recovery: bool,
}

/// Returns what must be made; values are made later.
pub(super) fn missing(cluster: &Cluster, bundle: &Bundle) -> Result<Vec<Making>, Failure> {
    let generated = bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Generated);
    let mut makings = Vec::new();
    for wanted in generated {
        let key = key(&wanted.kind, &wanted.namespace, &wanted.name).expect("a Secret, as the gate checked");
        let there = cluster.find(&key)?;
        let missing = missing_keys(wanted, there.as_ref())?;
        if !missing.is_empty() {
            let is_encryption_key = wanted.name.ends_with(ENCRYPTION_KEY);
            makings.push(Making { key, there, missing, is_encryption_key });
        }
    }
    Ok(makings)
}

fn missing_keys(wanted: &Wanted, there: Option<&Value>) -> Result<Vec<(String, usize)>, Failure> {
    let has = |name: &str| there.is_some_and(|object| object["data"].get(name).is_some());
    let mut missing = Vec::new();
    for key in wanted.keys.iter().filter(|key| !has(&key.key)) {
        let length = key.length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| {
            let users = wanted.used_by.join(", ");
            Failure::world(format!(
                "Secret {}: the key `{}`, for {users}, is not there, and nobody makes it",
                wanted.name, key.key
            ))
        })?;
        missing.push((key.key.clone(), length));
    }
    Ok(missing)
}

/// Refuses to make what could cost data.
pub(super) fn check(
    cluster: &Cluster,
    bundle: &Bundle,
    makings: &[Making],
    was_deployed: bool,
    consent: Consent,
) -> Result<(), Failure> {
    if makings.is_empty() {
        return Ok(());
    }
    if let Some(making) = makings.iter().find(|making| making.is_encryption_key) {
        check_encryption_key(cluster, bundle, making, was_deployed, consent)?;
    }
    if bundle.index.environment.as_str() != "dev" && !consent.no_recovery {
        let names: Vec<&str> = makings.iter().map(|making| making.key.name.as_str()).collect();
        return Err(Failure::input(format!(
            "nobody could recover what would be generated into {}: this release cannot encrypt it to the recovery \
             recipients",
            names.join(", ")
        ))
        .hint("create the Secrets beforehand; `relay-bundle inspect` lists their keys")
        .hint("or say that a lost namespace may lose them: --no-recovery"));
    }
    Ok(())
}

fn check_encryption_key(
    cluster: &Cluster,
    bundle: &Bundle,
    making: &Making,
    was_deployed: bool,
    consent: Consent,
) -> Result<(), Failure> {
    let name = &making.key.name;
    let lost = |why: String| {
        Err(Failure::world(format!("the encryption key, Secret {name}, is not there, and {why}: a new key would make every account and API key worthless"))
            .hint("restore the Secret from its backup"))
    };
    if was_deployed {
        return lost("the relay has run here".to_owned());
    }
    if making.there.is_some() {
        return lost("the Secret is there without it".to_owned());
    }
    for claim in redis_claims(bundle) {
        if cluster.find(&claim)?.is_some() {
            return lost(format!("there is a volume of Redis, {claim}"));
        }
    }
    if consent.first_install {
        return Ok(());
    }
    Err(Failure::input(format!(
        "the encryption key, Secret {name}, is not there: it is generated only at a first installation"
    ))
    .hint("if the relay has never run here, say so: --first-install")
    .hint("else restore the Secret from its backup"))
}

/// Returns every claim in which Redis may have data: those of its pods, and the one that a chart's StatefulSet made.
fn redis_claims(bundle: &Bundle) -> Vec<ObjectKey> {
    let stateful_sets = bundle.manifests.iter().filter(|manifest| manifest.key.kind == "StatefulSet");
    let names = stateful_sets.flat_map(|manifest| {
        let named = references(&manifest.object).into_keys();
        let named = named.filter(|target| target.kind == "PersistentVolumeClaim").map(|target| target.name);
        named.chain([format!("data-{}-0", manifest.key.name)])
    });
    names.filter_map(|name| key("PersistentVolumeClaim", bundle.index.namespace.as_str(), &name)).collect()
}

/// Says what is made, without values.
pub(super) fn describe(makings: &[Making]) -> Vec<String> {
    let keys =
        |making: &Making| making.missing.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
    makings.iter().map(|making| format!("Secret/{}: {}", making.key.name, keys(making))).collect()
}

/// Makes one Secret, or the missing keys of one.
pub(super) fn make(cluster: &Cluster, making: &Making) -> Result<(), Failure> {
    let mut values = Map::new();
    for (key, length) in &making.missing {
        values.insert(key.clone(), random_text(*length)?.into());
    }
    let key = &making.key;
    let request = match &making.there {
        None => Request::create(key, &secret(making, &values), Run::Real),
        Some(there) => {
            let mut object = there.clone();
            object["metadata"]["resourceVersion"] = live::resource_version(there).into();
            object["stringData"] = values.into();
            Request::replace(key, &object)
        }
    };
    match cluster.call(&request) {
        Ok(_) => Ok(()),
        // An answer was lost, or somebody else was first: what is there counts, if it is whole.
        Err(error) if error.code() == 409 => {
            let there = cluster.find(key)?;
            let is_whole =
                |object: Value| making.missing.iter().all(|(name, _)| object["data"].get(name).is_some());
            if there.is_some_and(is_whole) { Ok(()) } else { Err(error.into()) }
        }
        Err(error) => Err(error.into()),
    }
}

fn secret(making: &Making, values: &Map<String, Value>) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": making.key.name, "namespace": making.key.namespace, "labels": {
            "app.kubernetes.io/managed-by": "relay-bundle",
        }},
        "stringData": values,
    });
    if making.is_encryption_key {
        object["immutable"] = true.into();
    }
    object
}

fn random_text(length: usize) -> Result<String, Failure> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::world(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect())
}
