//! The manifests of a verified bundle, for kubectl.

use crate::bundle::assemble::documents;
use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::trust::verify::Verified;

/// Refuses manifests whose pods would wait for Secrets that only `apply` creates.
///
/// # Errors
///
/// When the bundle needs such Secrets.
pub fn check_secrets(bundle: &Bundle) -> Result<(), Failure> {
    let is_made = |wanted: &&Wanted| wanted.source != Source::Cluster;
    let made = bundle.index.contract.iter().filter(is_made);
    let names: Vec<&str> = made.map(|wanted| wanted.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::input(format!(
        "the bundle is valid, but needs Secrets that kubectl does not create: {}",
        names.join(", ")
    ))
    .hint(format!(
        "if they already exist in namespace {}, pass --secrets-exist",
        bundle.index.namespace
    ))
    .hint("list their keys with `relay-bundle inspect`"))
}

/// Returns the verified bytes as YAML documents, in apply order.
pub fn manifests(bundle: &Verified<Bundle>) -> Vec<u8> {
    documents(&bundle.manifests, &bundle.files)
}
