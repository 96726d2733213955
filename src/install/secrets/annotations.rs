//! The annotations on the Secrets that apply creates.

use std::collections::BTreeMap;

use crate::cluster::secret::Secret;
use crate::failure::Failure;

/// The annotation with the generation of each key's value. A key that it lacks has generation 1.
pub const GENERATIONS: &str = "relay-bundle/generations";

/// The annotation with the digest of the ciphertext of each key's value. It is also the token that
/// restarts pods.
pub const SEALED: &str = "relay-bundle/sealed";

/// Returns the generations in the annotation. One that does not parse was written by another
/// program, and counts as absent.
pub(super) fn generations(secret: &Secret) -> BTreeMap<String, i64> {
    let text = secret.annotation(GENERATIONS).unwrap_or("{}");
    serde_json::from_str(text).unwrap_or_default()
}

/// Sets the generations of values in the annotation.
pub fn note_generations(
    secret: &mut Secret,
    values: impl Iterator<Item = (String, i64)>,
) -> Result<(), Failure> {
    let mut generations = generations(secret);
    generations.extend(values);
    secret.annotate(GENERATIONS, &serde_json::to_string(&generations).map_err(Failure::bug)?);
    Ok(())
}
