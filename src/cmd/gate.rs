//! The way of every command that trusts a bundle: find it, and verify it before anything of it is used.

use std::io::{self, BufReader};

use camino::Utf8Path;

use super::ctx::StoreArgs;
use super::failure::Failure;
use super::medium;
use super::source::Reference;
use crate::archive;
use crate::bundle::open::Bundle;
use crate::bundle::read::{Fault, Opening, ReadError, SealedMedium, hash_only};
use crate::store::{Store, folder};
use crate::trust::refusal::Reason;
use crate::trust::verify::{Terms, Verified, VerifyError, verify};

/// Verifies the bundle, wherever it is.
pub(super) fn verify_named(
    bundle: &str,
    store: &StoreArgs,
    terms: &Terms<'_>,
) -> Result<(String, Verified<Bundle>), Failure> {
    if bundle == "-" {
        let opened = archive::open(BufReader::new(io::stdin().lock()));
        return Ok(("stdin".to_owned(), gate(opened, terms)?));
    }
    match Reference::of(bundle) {
        Reference::Path(path) => Ok((path.to_string(), verify_path(path, terms)?)),
        Reference::Entry(reference) => verify_entry(reference, store, terms),
        Reference::Profile(name) => Err(Failure::input(format!(
            "`{name}` means a profile, and only a bundle that was built can be verified"
        ))
        .hint(format!("`@{name}` is the newest build of the profile in the store"))
        .hint(format!("`./{name}` is the file or folder of that name"))),
    }
}

fn verify_entry(
    reference: &str,
    store: &StoreArgs,
    terms: &Terms<'_>,
) -> Result<(String, Verified<Bundle>), Failure> {
    let store = Store::at(&store.store);
    let entry = store.find(reference)?;
    let path = store.path_of(&entry);
    let bundle = gate(folder::open(&path), terms)?;
    // The entry's name says the beginning of the content id; a reference may say more of it.
    let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
    let asked = if digits.starts_with(entry.id()) && !digits.contains('-') { digits } else { entry.id() };
    let found = bundle.content_id;
    if !found.to_string().starts_with(asked) {
        let fault = Fault::OtherContent { wanted: asked.to_owned(), found };
        return Err(VerifyError::from(Reason::Unreadable(fault.into())).into());
    }
    Ok((path.into_string(), bundle))
}

/// Verifies what is at a path; if it is in parts, a bad one is named.
fn verify_path(path: &Utf8Path, terms: &Terms<'_>) -> Result<Verified<Bundle>, Failure> {
    let (place, opened) = medium::open(path)?;
    gate(opened, terms).map_err(|error| match (place.bad_parts(), error) {
        (None, error) => error.into(),
        (Some(bad), VerifyError::Refused(refusal)) => Failure::from(refusal).hint(bad.to_string()),
        (Some(bad), VerifyError::Unread(_)) => bad.into(),
    })
}

fn gate<M: SealedMedium>(
    opened: Result<Opening<M>, ReadError>,
    terms: &Terms<'_>,
) -> Result<Verified<Bundle>, VerifyError> {
    verify(opened?, terms, &mut hash_only)
}
