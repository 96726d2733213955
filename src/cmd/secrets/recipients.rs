//! For whom something is encrypted.

use crate::cmd::failure::Failure;
use crate::model::text::AgeRecipient;
use crate::sealed::{InvalidRecipient, Recipients};

/// Returns the named recipients, or, if none is named, those of the release.
pub(super) fn recipients(
    named: &[String],
    of_release: Result<Vec<AgeRecipient>, InvalidRecipient>,
) -> Result<Recipients, Failure> {
    let parsed = named.iter().map(|text| Recipients::parse_one(text)).collect::<Result<Vec<_>, _>>();
    let mut all = parsed.map_err(|error| Failure::input(format!("--recipient: {error}")))?;
    if all.is_empty() {
        all = of_release.map_err(Failure::input)?;
    }
    Recipients::new(all).map_err(|error| {
        Failure::input(error)
            .hint("name a public key: --recipient age1…, or release.recoveryRecipients in the profile")
            .hint("age-keygen -o key.txt makes a key and prints its public half")
    })
}
