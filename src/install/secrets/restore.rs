//! Recreates the Secrets of a recovery file.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::install::recovery_file::{described, restored};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::sealed::{Recovery, Saved};

/// Refuses an absent namespace.
///
/// # Errors
///
/// When it is absent, or the cluster cannot be asked.
pub fn check_namespace(cluster: &Cluster, namespace: &str) -> Result<(), Failure> {
    let there = cluster.find(&ObjectKey::of(Kind::Namespace, "", namespace))?;
    if there.is_some() {
        return Ok(());
    }
    Err(Failure::world(format!("namespace {namespace} does not exist"))
        .hint(format!("create it: kubectl create namespace {namespace}")))
}

/// The Secrets to restore.
pub struct RestorePlan {
    pub writes: Vec<(ObjectKey, Secret)>,
    pub restored: Vec<String>,
    pub unchanged: Vec<String>,
    pub left_out: Vec<String>,
    pub lacking: Vec<String>,
}

/// Compares the file with the cluster, and with the references of the bundle.
///
/// # Errors
///
/// When a Secret has other values than the file, or the cluster cannot be asked.
pub fn plan(
    cluster: &Cluster,
    bundle: &Bundle,
    recovery: &Recovery,
) -> Result<RestorePlan, Failure> {
    let wanted: BTreeMap<&str, &Wanted> = bundle
        .index
        .contract
        .iter()
        .filter(|wanted| {
            wanted.kind == "Secret" && wanted.namespace == bundle.index.namespace.as_str()
        })
        .map(|wanted| (wanted.name.as_str(), wanted))
        .collect();
    let has = |name: &str| recovery.secrets.iter().any(|saved| saved.name == name);
    let lacking =
        wanted.keys().filter(|name| !has(name)).map(|name| format!("Secret/{name}")).collect();
    let mut plan = RestorePlan {
        writes: Vec::new(),
        restored: Vec::new(),
        unchanged: Vec::new(),
        left_out: Vec::new(),
        lacking,
    };
    let mut different = Vec::new();
    for saved in &recovery.secrets {
        let Some(wanted) = wanted.get(saved.name.as_str()) else {
            plan.left_out.push(described(saved));
            continue;
        };
        let key = ObjectKey::of(Kind::Secret, &wanted.namespace, &wanted.name);
        match cluster.find_secret(&key)? {
            None => {
                let is_made = wanted.source != Source::Cluster;
                let instance = is_made.then_some(bundle.index.name.as_str());
                plan.writes.push((key.clone(), restored(&key, saved, instance)));
                plan.restored.push(described(saved));
            }
            Some(live) if live.data == saved.data => plan.unchanged.push(described(saved)),
            Some(live) => different.push(difference(saved, &live)),
        }
    }
    if different.is_empty() {
        return Ok(plan);
    }
    let failure = Failure::world(
        "the cluster has Secrets whose values differ from the file; nothing was written",
    );
    let failure = different.into_iter().fold(failure, Failure::reason);
    Err(failure.hint("if the file is right, delete these Secrets and run the command again"))
}

/// Returns the keys that differ, in words.
fn difference(saved: &Saved, live: &Secret) -> String {
    let all: BTreeSet<&String> = saved.data.keys().chain(live.data.keys()).collect();
    let differing = all.into_iter().filter(|key| saved.data.get(*key) != live.data.get(*key));
    let keys: Vec<&str> = differing.map(String::as_str).collect();
    format!("Secret/{}: {}", saved.name, keys.join(", "))
}

/// Creates a Secret. Accepts an existing one with the same values: the answer to an earlier request
/// may have been lost, or another run created it.
///
/// # Errors
///
/// When it has other values, or the cluster refuses it.
pub fn put(cluster: &Cluster, key: &ObjectKey, secret: &Secret) -> Result<(), Failure> {
    match cluster.put_secret(key, secret) {
        Ok(_) => Ok(()),
        Err(error) if error.code() == 409 => match cluster.find_secret(key)? {
            Some(live) if live.data == secret.data => Ok(()),
            _ => Err(Failure::world(format!(
                "{key} was created by another client during this run, with different values"
            ))
            .hint("run the command again: it will compare the values with the cluster")),
        },
        Err(error) => Err(Failure::from(error)
            .hint(format!("{key} was not restored; the preceding Secrets were"))),
    }
}
