//! Checks the sealed files of a bundle without a key: rejects a file that could not be opened where
//! it is used, before the bundle is shipped.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::files::BundleFiles;
use super::index::{Index, Source};
use super::layout::FileKind;
use super::recipe::Recipe;
use crate::age_file::{Form, FormError, InvalidPlace, SealedPlace, Stated};

/// Why a sealed file is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedFault {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Place(#[from] InvalidPlace),
    #[error("it is sealed for {found}, but the bundle uses it for {used}")]
    Misplaced { found: Box<SealedPlace>, used: Box<SealedPlace> },
}

/// A sealed file that is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`: {fault}")]
pub struct InvalidSealed {
    pub file: String,
    pub fault: SealedFault,
}

/// Checks that every sealed file could be opened, and that none states a place other than the one
/// where the bundle uses it.
///
/// # Errors
///
/// Returns an error for the first unusable file.
pub fn check_sealed(index: &Index, files: &BundleFiles) -> Result<(), Box<InvalidSealed>> {
    let mut places = places(index);
    for (path, file) in
        files.iter().filter(|(path, _)| FileKind::of(path) == Some(FileKind::SealedSecret))
    {
        let places = places.remove(path.as_str()).unwrap_or_default();
        check_file(file.bytes(), places)
            .map_err(|fault| Box::new(InvalidSealed { file: path.to_string(), fault }))?;
    }
    Ok(())
}

/// Returns the places where a bundle uses its sealed files, by file.
fn places(index: &Index) -> BTreeMap<&str, Vec<Result<SealedPlace, InvalidPlace>>> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for wanted in index.contract.iter().filter(|wanted| wanted.source == Source::Sealed) {
        for key in &wanted.keys {
            let Some(file) = key.file.as_deref() else { continue };
            let place = SealedPlace::new(&wanted.namespace, &wanted.name, &key.key);
            places.entry(file).or_default().push(place);
        }
    }
    places
}

fn check_file(
    bytes: &[u8],
    places: Vec<Result<SealedPlace, InvalidPlace>>,
) -> Result<(), SealedFault> {
    let form = Form::of(bytes)?;
    for used in places {
        let used = used?;
        if let Stated::Other(found) = form.stated(&used) {
            return Err(SealedFault::Misplaced {
                found: Box::new(found.clone()),
                used: Box::new(used),
            });
        }
    }
    Ok(())
}

/// The age public keys that a bundle's recipe names, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgeKeys {
    /// `release.sealRecipients`: they can open sealed secrets.
    #[serde(rename = "sealRecipients")]
    pub seal: Vec<String>,
    /// `release.recoveryRecipients`: generated secrets are encrypted for them by `apply`.
    #[serde(rename = "recoveryRecipients")]
    pub recovery: Vec<String>,
}

impl AgeKeys {
    /// Reads the keys from a recipe. Recipes of earlier versions have no `sealRecipients`.
    pub fn of(recipe: &Recipe) -> Self {
        let list = |name: &str| {
            let list =
                recipe.settings.pointer(&format!("/release/{name}")).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)).collect()
        };
        Self { seal: list("sealRecipients"), recovery: list("recoveryRecipients") }
    }
}
