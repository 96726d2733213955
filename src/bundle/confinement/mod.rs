//! Restricts the objects of a bundle to allowlists, regardless of the signer.
//!
//! A grant permits bundles of certain signers in a namespace; it gives no access to the nodes. So
//! pods must meet the Pod Security Standard *restricted*, a Namespace must enforce it, and a
//! Service must not take over the traffic of other namespaces. The lists are in
//! `model::restricted`; `docs/format/bundle.md` specifies them.

mod object;
mod pod;
mod violation;

use std::fmt;

use serde_json::Value;

use super::derive::containers;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::pod_template;

pub use pod::{container_violations, pod_violations};
pub use violation::{Rule, Violation};

/// An object that is not allowed in a bundle.
#[derive(Debug, thiserror::Error)]
#[error("{object}, {part}: {violation}")]
pub struct Forbidden {
    /// The object, as `Kind/name`.
    pub object: String,
    pub part: ObjectPart,
    pub violation: Violation,
}

/// The part of an object to which the path of a violation is relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectPart {
    Object,
    PodTemplate,
    Container(String),
}

impl fmt::Display for ObjectPart {
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
    let forbid = |part: ObjectPart, violations: Vec<Violation>| match violations.into_iter().next()
    {
        Some(violation) => Err(Forbidden { object: manifest.key.to_string(), part, violation }),
        None => Ok(()),
    };
    forbid(ObjectPart::Object, object::violations(manifest, release))?;
    let Some(template) = pod_template(&manifest.object) else { return Ok(()) };
    forbid(ObjectPart::PodTemplate, pod_violations(template))?;
    containers(template).try_for_each(|container| {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        forbid(ObjectPart::Container(name), container_violations(template, container))
    })
}
