//! Recreates the Secrets of a recovery file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::recovery_file::{described, restored};
use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::secret::Secret;
use crate::cluster::{Cluster, Session};
use crate::failure::Failure;
use crate::install::change::Change;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::sealed::{Recovery, Saved};

/// Secrets that cannot be restored.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error("namespace {0} does not exist")]
    NoNamespace(String),
    #[error("the cluster has Secrets whose values differ from the file; nothing was written")]
    Different(Vec<DifferentSecret>),
    #[error("{0} was created by another client during this run, with different values")]
    Created(ObjectKey),
}

/// A Secret in the cluster whose values differ from the file.
#[derive(Debug)]
struct DifferentSecret {
    name: String,
    /// The keys that differ.
    keys: Vec<String>,
}

impl fmt::Display for DifferentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret/{}: {}", self.name, self.keys.join(", "))
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        match &error {
            RestoreError::NoNamespace(namespace) => {
                let hint = format!("create it: kubectl create namespace {namespace}");
                Self::world(error).hint(hint)
            }
            RestoreError::Different(secrets) => {
                let secrets: Vec<String> = secrets.iter().map(ToString::to_string).collect();
                secrets
                    .into_iter()
                    .fold(Self::world(error), Self::reason)
                    .hint("if the file is right, delete these Secrets and run the command again")
            }
            RestoreError::Created(_) => Self::world(error)
                .hint("run the command again: it will compare the values with the cluster"),
        }
    }
}

/// The Secrets to restore.
pub struct Restoration {
    session: Session,
    writes: Vec<(ObjectKey, Secret)>,
    /// The Secrets to create, with their keys.
    pub restored: Vec<String>,
    /// Existing Secrets with the same values.
    pub unchanged: Vec<String>,
    /// Secrets in the file to which the bundle does not refer.
    pub left_out: Vec<String>,
    /// Secrets to which the bundle refers and which the file lacks.
    pub lacking: Vec<String>,
}

impl Restoration {
    /// Compares the file with the cluster, and with the references of the bundle.
    ///
    /// # Errors
    ///
    /// When the namespace is absent, a Secret has other values than the file, or the cluster cannot
    /// be asked.
    pub fn plan(cluster: &Cluster, bundle: &Bundle, recovery: &Recovery) -> Result<Self, Failure> {
        check_namespace(cluster, bundle.index.namespace.as_str())?;
        let wanted = wanted_secrets(bundle);
        let has = |name: &str| recovery.secrets.iter().any(|saved| saved.name == name);
        let lacking =
            wanted.keys().filter(|name| !has(name)).map(|name| format!("Secret/{name}")).collect();

        let mut plan = Self {
            session: Session::begin(cluster),
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
        Err(RestoreError::Different(different).into())
    }
}

impl Change for Restoration {
    type Done = ();

    fn is_noop(&self) -> bool {
        self.writes.is_empty()
    }

    fn carry_out(&mut self) -> Result<(), Failure> {
        self.writes.iter().try_for_each(|(key, secret)| put(&self.session, key, secret))
    }
}

/// Refuses an absent namespace.
fn check_namespace(cluster: &Cluster, namespace: &str) -> Result<(), Failure> {
    let there = cluster.find(&ObjectKey::of(Kind::Namespace, "", namespace))?;
    if there.is_some() {
        return Ok(());
    }
    Err(RestoreError::NoNamespace(namespace.to_owned()).into())
}

/// Returns the Secrets in the namespace to which the bundle refers.
fn wanted_secrets(bundle: &Bundle) -> BTreeMap<&str, &Wanted> {
    let namespace = bundle.index.namespace.as_str();
    let is_here = |wanted: &&Wanted| wanted.is(Kind::Secret) && wanted.namespace == namespace;
    let here = bundle.index.contract.iter().filter(is_here);
    here.map(|wanted| (wanted.name.as_str(), wanted)).collect()
}

/// Returns the keys that differ.
fn difference(saved: &Saved, live: &Secret) -> DifferentSecret {
    let all: BTreeSet<&String> = saved.data.keys().chain(live.data.keys()).collect();
    let differing = all.into_iter().filter(|key| saved.data.get(*key) != live.data.get(*key));
    DifferentSecret { name: saved.name.clone(), keys: differing.cloned().collect() }
}

/// Creates a Secret. Accepts an existing one with the same values: the answer to an earlier request
/// may have been lost, or another run created it.
fn put(session: &Session, key: &ObjectKey, secret: &Secret) -> Result<(), Failure> {
    match session.put_secret(key, secret) {
        Ok(_) => Ok(()),
        Err(error) if error.code() == 409 => match session.find_secret(key)? {
            Some(live) if live.data == secret.data => Ok(()),
            _ => Err(RestoreError::Created(key.clone()).into()),
        },
        Err(error) => Err(Failure::from(error)
            .hint(format!("{key} was not restored; the preceding Secrets were"))),
    }
}
