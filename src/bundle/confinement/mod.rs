//! Restricts the objects of a bundle to allowlists, regardless of the signer.
//!
//! A grant permits bundles of certain signers in a namespace; it gives no access to the nodes. So
//! pods must meet the Pod Security Standard *restricted*, a Namespace must enforce it, and a
//! Service must not take over the traffic of other namespaces. The lists are in
//! `model::restricted`; `docs/format/bundle.md` specifies them.

mod object;
mod pod;

use std::fmt;

use serde_json::Value;

use super::derive::containers;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::pod_template;

pub use pod::{container_violations, pod_violations};

/// A field that is not allowed, or not with this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as a path from its object, pod template or container.
    pub field: String,
    pub rule: Rule,
}

/// The rule that a field breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("is a field that no bundle may have")]
    Unknown,
    #[error("has a different type in Kubernetes")]
    Type,
    #[error("must be `true`")]
    True,
    #[error("must be `false`")]
    False,
    #[error("must not be 0")]
    Root,
    #[error("must contain `ALL`")]
    DropAll,
    #[error("must not be a node port")]
    HostPort,
    #[error("must not name a host")]
    Host,
    #[error("is outside Pod Security *restricted*")]
    Restricted,
    #[error("is not what this program renders here")]
    Value,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.rule)
    }
}

/// An object that is not allowed in a bundle.
#[derive(Debug, thiserror::Error)]
#[error("{object}, {part}: {violation}")]
pub struct Forbidden {
    /// The object, as `Kind/name`.
    pub object: String,
    pub part: Part,
    pub violation: Violation,
}

/// The part of an object to which the path of a violation is relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Object,
    PodTemplate,
    Container(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => f.write_str("object"),
            Self::PodTemplate => f.write_str("pod template"),
            Self::Container(name) => write!(f, "container {name}"),
        }
    }
}

/// Checks all objects of the release `release`.
///
/// # Errors
///
/// Returns an error if an object has a field or value that is not allowed.
pub fn check(manifests: &ManifestSet, release: &str) -> Result<(), Forbidden> {
    manifests.iter().try_for_each(|manifest| check_object(manifest, release))
}

fn check_object(manifest: &Manifest, release: &str) -> Result<(), Forbidden> {
    let forbid = |part: Part, violations: Vec<Violation>| match violations.into_iter().next() {
        Some(violation) => Err(Forbidden { object: manifest.key.to_string(), part, violation }),
        None => Ok(()),
    };
    forbid(Part::Object, object::violations(manifest, release))?;
    let Some(template) = pod_template(&manifest.object) else { return Ok(()) };
    forbid(Part::PodTemplate, pod_violations(template))?;
    containers(template).try_for_each(|container| {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        forbid(Part::Container(name), container_violations(template, container))
    })
}

/// The violations of one object, pod template or container, in the order found.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn require(&mut self, holds: bool, field: &str, rule: Rule) {
        if !holds {
            self.0.push(Violation { field: field.to_owned(), rule });
        }
    }

    /// Reports every field of a map that is not in `allowed`. An absent map has no fields.
    fn fields(&mut self, map: Option<&Value>, path: &str, allowed: &[&str]) {
        let Some(map) = map else { return };
        let Some(map) = map.as_object() else { return self.require(false, path, Rule::Type) };
        for field in map.keys().filter(|field| !allowed.contains(&field.as_str())) {
            self.require(false, &join(path, field), Rule::Unknown);
        }
    }

    /// Returns the items of a list, which is empty if absent.
    fn items<'a>(&mut self, list: Option<&'a Value>, path: &str) -> &'a [Value] {
        match list {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.require(false, path, Rule::Type);
                &[]
            }
        }
    }

    /// Returns a string, which is empty if absent.
    fn text<'a>(&mut self, map: &'a Value, key: &str, path: &str) -> &'a str {
        match map.get(key) {
            None => "",
            Some(Value::String(text)) => text,
            Some(_) => {
                self.require(false, &join(path, key), Rule::Type);
                ""
            }
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
