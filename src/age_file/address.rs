//! The address of a sealed file: its place and its recipients, in a header stanza that is readable
//! without a key.
//!
//! age computes a MAC over the whole header, so changing or removing the address makes the file
//! unopenable. Stock age, and earlier versions of this program, skip stanzas whose type ends in
//! `-grease`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::place::SealedPlace;
use crate::model::text::AgeRecipient;

/// The stanza type. Its argument is the place; its body has one line per recipient.
pub const ADDRESS_STANZA: &str = "relay-bundle-address-grease";

/// The place and the recipients of a sealed value, as written by the program that sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub place: SealedPlace,
    pub recipients: BTreeSet<AgeRecipient>,
}

impl Address {
    /// Returns the body of the stanza.
    pub fn body(&self) -> Vec<u8> {
        let lines = self.recipients.iter().map(|recipient| format!("{recipient}\n"));
        lines.collect::<String>().into_bytes()
    }

    /// Parses a stanza; returns `None` if it is not spelled as [`Address::body`] writes it.
    pub(super) fn parse(arguments: &[&[u8]], body: &[u8]) -> Option<Self> {
        let [place] = arguments else { return None };
        let place = str::from_utf8(place).ok()?.parse().ok()?;
        let body = STANDARD_NO_PAD.decode(body).ok()?;
        let lines = str::from_utf8(&body).ok()?.lines();
        let recipients = lines.map(|line| line.parse().ok()).collect::<Option<_>>()?;
        let address = Self { place, recipients };
        (address.body() == body).then_some(address)
    }

    /// Returns the recipients among `wanted` that the file is not sealed for.
    pub fn lacking<'a>(&self, wanted: &'a [AgeRecipient]) -> Vec<&'a AgeRecipient> {
        wanted.iter().filter(|recipient| !self.recipients.contains(recipient)).collect()
    }
}
