//! The recipients of an encrypted file.

use crate::failure::Failure;
use crate::model::text::AgeRecipient;
use crate::sealed::{EXAMPLE_RECIPIENT, InvalidRecipient, Recipients};

/// Returns the named recipients, or those of the release if none are named. `key` is the profile
/// key of the latter.
///
/// # Errors
///
/// When a recipient is not a public key or is the example key, or none is named.
pub fn recipients(
    named: &[String],
    of_release: Result<Vec<AgeRecipient>, InvalidRecipient>,
    key: &str,
) -> Result<Recipients, Failure> {
    let parsed =
        named.iter().map(|text| Recipients::parse_one(text)).collect::<Result<Vec<_>, _>>();
    let mut all = parsed.map_err(|error| Failure::input(format!("--recipient: {error}")))?;
    if all.is_empty() {
        all = of_release.map_err(Failure::input)?;
    }
    let hints = |failure: Failure| {
        failure
            .hint(format!("pass a public key: --recipient age1…, or set {key} in the profile"))
            .hint("create a key and print its public half: relay-bundle keygen --age")
    };
    let recipients = Recipients::new(all).map_err(|error| hints(Failure::input(error)))?;
    if recipients.has_example() {
        let why = format!("nothing was encrypted: {EXAMPLE_RECIPIENT}");
        return Err(hints(Failure::input(why)));
    }
    Ok(recipients)
}
