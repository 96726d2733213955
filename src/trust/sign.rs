//! Makes the statement to sign from a bundle and the signer's terms.
//!
//! Pure: the caller passes the time, and this module never sees a key. Before adding a signature to
//! an attestation, callers use [`existing`] to check that its statement describes this very bundle.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::envelope::{Envelope, PAYLOAD_TYPE};
use super::key::SignatureBytes;
use super::statement::{InvalidStatement, Predicate, SERIAL_MAX, SITES_MAX, Statement};
use crate::bundle::layout::ATTESTATION;
use crate::bundle::open::Bundle;
use crate::model::printable::shortened;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// How far ahead of the clock a release may be issued. A clock that is further off would raise the
/// minimum serial and block later releases.
pub const AHEAD_SECONDS_MAX: u64 = DAY_SECONDS;

/// Label of the difference between a statement and a bundle with other content.
const CONTENT_ID: &str = "content id";

/// Label of the difference in the number of files; a verifier detects it before reading them.
pub(super) const FILES: &str = "number of files";

/// The signer's decisions about a release; the rest of the statement follows from the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignTerms {
    pub issued: Timestamp,
    /// Defaults to the Unix time of `issued`, like the serials of DNS zones.
    pub serial: Option<u64>,
    pub expires: Option<Timestamp>,
    /// Empty allows any site.
    pub sites: BTreeSet<Label>,
}

/// Why terms cannot be signed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTerms {
    #[error("the issue time {issued} is more than a day ahead of the clock, {now}")]
    Future { issued: Timestamp, now: Timestamp },
    #[error("serial {0} is above {SERIAL_MAX}, the limit of exact integers in JSON")]
    Serial(u64),
    #[error("a release issued at {issued} cannot expire at {expires}")]
    Expiry { issued: Timestamp, expires: Timestamp },
    #[error("{0} sites are given; the limit is {SITES_MAX}: omit them to allow any site")]
    Sites(usize),
}

/// Why a signature cannot be added to an existing attestation.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("`{ATTESTATION}` has a payload of type `{0}`, which is not that of a bundle")]
    PayloadType(String),
    #[error(transparent)]
    Statement(#[from] InvalidStatement),
    #[error(
        "`{ATTESTATION}` is for another bundle: its {} is {}, but that of this bundle is {}", .0.what, .0.stated, .0.found
    )]
    OtherBundle(Difference),
}

impl Unfit {
    /// Returns the code with which a verifier would reject the attestation.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PayloadType(_) => "WRONG_PAYLOAD_TYPE",
            Self::Statement(_) => "BAD_STATEMENT",
            Self::OtherBundle(Difference { what: CONTENT_ID, .. }) => "TAMPERED",
            Self::OtherBundle(_) => "CONTENT_MISMATCH",
        }
    }
}

impl SignTerms {
    /// Rejects terms that no verifier should ever see.
    ///
    /// # Errors
    ///
    /// Returns an error if the release is issued in the future, expires before it is issued, or has
    /// too large a serial or too many sites.
    pub fn check(&self, now: Timestamp) -> Result<(), InvalidTerms> {
        let issued = self.issued;
        if issued.seconds_since(now) > AHEAD_SECONDS_MAX {
            return Err(InvalidTerms::Future { issued, now });
        }
        if let Some(serial) = self.serial.filter(|serial| *serial > SERIAL_MAX) {
            return Err(InvalidTerms::Serial(serial));
        }
        if let Some(expires) = self.expires.filter(|expires| *expires <= issued) {
            return Err(InvalidTerms::Expiry { issued, expires });
        }
        if self.sites.len() > SITES_MAX {
            Err(InvalidTerms::Sites(self.sites.len()))
        } else {
            Ok(())
        }
    }

    /// Returns the terms of a statement.
    pub fn of(predicate: &Predicate) -> Self {
        Self {
            issued: predicate.issued,
            serial: Some(predicate.serial),
            expires: predicate.expires,
            sites: predicate.sites.clone(),
        }
    }
}

/// Returns the statement about `bundle` on these terms.
pub fn statement(bundle: &Bundle, terms: &SignTerms) -> Statement {
    let index = &bundle.index;
    let predicate = Predicate {
        bundle: index.name.clone(),
        bytes: bundle.bytes,
        environment: index.environment.clone(),
        expires: terms.expires,
        files: bundle.sums.len() as u64,
        issued: terms.issued,
        namespace: index.namespace.clone(),
        profile: index.profile.clone(),
        serial: terms.serial.unwrap_or(terms.issued.seconds()),
        sites: terms.sites.clone(),
    };
    Statement { content_id: bundle.content_id, predicate }
}

/// Returns the statement in `envelope` if it is true of `bundle`, so that another signature may be
/// added.
///
/// # Errors
///
/// Returns an error if the payload is not a statement about a bundle, or describes another bundle.
pub fn existing(envelope: &Envelope, bundle: &Bundle) -> Result<Statement, Unfit> {
    if envelope.payload_type() != PAYLOAD_TYPE {
        return Err(Unfit::PayloadType(shortened(envelope.payload_type())));
    }
    let stated = Statement::parse(envelope.payload())?;
    match difference(&stated, bundle) {
        Some(difference) => Err(Unfit::OtherBundle(difference)),
        None => Ok(stated),
    }
}

/// A field in which a statement and a bundle differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: &'static str,
    pub stated: String,
    pub found: String,
}

/// Returns the first field in which a statement and `bundle` differ. Signers and verifiers use the
/// same comparison.
pub fn difference(stated: &Statement, bundle: &Bundle) -> Option<Difference> {
    let found = statement(bundle, &SignTerms::of(&stated.predicate));
    let (a, b) = (&stated.predicate, &found.predicate);
    let pairs = [
        (CONTENT_ID, stated.content_id.prefixed(), found.content_id.prefixed()),
        ("name", a.bundle.to_string(), b.bundle.to_string()),
        ("profile", a.profile.to_string(), b.profile.to_string()),
        ("namespace", a.namespace.to_string(), b.namespace.to_string()),
        ("environment", a.environment.to_string(), b.environment.to_string()),
        (FILES, a.files.to_string(), b.files.to_string()),
        ("number of bytes", a.bytes.to_string(), b.bytes.to_string()),
    ];
    let first = pairs.into_iter().find(|(_, stated, found)| stated != found);
    let first = first.map(|(what, stated, found)| Difference { what, stated, found });
    debug_assert_eq!(first.is_some(), *stated != found, "every field is compared");
    first
}

/// Returns the envelope with these signed bytes, which were exported for signing elsewhere.
///
/// Returns `None` if they are not the pre-authentication encoding of an attestation.
pub fn envelope_of_signed_bytes(bytes: &[u8]) -> Option<Envelope> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} ", PAYLOAD_TYPE.len());
    let rest = bytes.strip_prefix(head.as_bytes())?;
    let digits = rest.iter().position(|byte| *byte == b' ')?;
    let envelope = Envelope::unsigned(rest[digits + 1..].to_vec());
    (envelope.signed_bytes() == bytes).then_some(envelope)
}

/// Reads a signature made by another program: raw, or base64 with white space anywhere.
pub fn parse_signature(bytes: &[u8]) -> Option<SignatureBytes> {
    // Base64 of a signature is always longer than the raw signature, so the length decides.
    if let Ok(raw) = bytes.try_into() {
        return Some(raw);
    }
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::limits::ATTESTATION_BYTES_MAX;
    use crate::model::digest::Digest;
    use crate::trust::envelope::SIGNATURES_MAX;
    use crate::trust::key::PrivateKey;

    const NOW: u64 = 1_795_341_600;

    fn time(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    fn terms() -> SignTerms {
        SignTerms { issued: time(NOW), serial: None, expires: None, sites: BTreeSet::new() }
    }

    #[test]
    fn release_is_issued_at_most_one_day_ahead_of_clock() {
        let now = time(NOW);
        let at = |issued| SignTerms { issued, ..terms() }.check(now);

        assert_eq!(at(now.plus_seconds(DAY_SECONDS)), Ok(()));
        let issued = now.plus_seconds(DAY_SECONDS + 1);
        assert_eq!(at(issued), Err(InvalidTerms::Future { issued, now }));
        assert_eq!(at(time(0)), Ok(()));
    }

    #[test]
    fn terms_that_no_verifier_could_meet_are_refused() {
        let now = time(NOW);
        let sites = |number| (0..number).map(|n| format!("site-{n}").parse().unwrap()).collect();
        let table = [
            (SignTerms { serial: Some(SERIAL_MAX), ..terms() }, Ok(())),
            (
                SignTerms { serial: Some(SERIAL_MAX + 1), ..terms() },
                Err(InvalidTerms::Serial(SERIAL_MAX + 1)),
            ),
            (SignTerms { expires: Some(time(NOW + 1)), ..terms() }, Ok(())),
            (
                SignTerms { expires: Some(now), ..terms() },
                Err(InvalidTerms::Expiry { issued: now, expires: now }),
            ),
            (SignTerms { sites: sites(SITES_MAX), ..terms() }, Ok(())),
            (
                SignTerms { sites: sites(SITES_MAX + 1), ..terms() },
                Err(InvalidTerms::Sites(SITES_MAX + 1)),
            ),
        ];
        for (terms, wanted) in table {
            assert_eq!(terms.check(now), wanted, "{terms:?}");
        }
    }

    #[test]
    fn largest_statement_with_all_signatures_fits_attestation() {
        let site = |n: usize| format!("{}{n:03}", "a".repeat(60)).parse().unwrap();
        let name = "a".repeat(63);
        let statement = Statement {
            content_id: Digest::of(b""),
            predicate: Predicate {
                bundle: "a".repeat(45).parse().unwrap(),
                bytes: SERIAL_MAX,
                environment: name.parse().unwrap(),
                expires: Some(time(NOW)),
                files: SERIAL_MAX,
                issued: time(NOW),
                namespace: name.parse().unwrap(),
                profile: name.parse().unwrap(),
                serial: SERIAL_MAX,
                sites: (0..SITES_MAX).map(site).collect(),
            },
        };
        let mut envelope = Envelope::unsigned(statement.to_bytes());
        for seed in 0..u8::try_from(SIGNATURES_MAX).unwrap() {
            envelope.sign(&PrivateKey::from_seed(&[seed; 32])).unwrap();
        }

        let bytes = envelope.to_bytes();

        assert!(bytes.len() as u64 <= ATTESTATION_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Envelope::parse(&bytes).unwrap(), envelope);
    }

    #[test]
    fn external_signing_payload_is_read_only_in_canonical_form() {
        let envelope = Envelope::unsigned(b"{\"a\":\"b c\"}".to_vec());
        let bytes = envelope.signed_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();

        assert_eq!(envelope_of_signed_bytes(&bytes), Some(envelope));
        for bad in [
            String::new(),
            format!("{text}\n"),
            text.replace("DSSEv1", "DSSEv2"),
            text.replace(" 28 ", " 028 "),
            text.replace(" 11 ", " 12 "),
            text.replace(" 11 ", "  11 "),
            text.replace("in-toto", "in_toto"),
            text[..text.len() - 1].to_owned(),
            text[..text.len() - 12].to_owned(),
        ] {
            assert_ne!(bad, text);
            assert_eq!(envelope_of_signed_bytes(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn signature_is_64_raw_bytes_or_their_base64() {
        let raw: SignatureBytes = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let text = STANDARD.encode(raw);

        assert_eq!(parse_signature(&raw), Some(raw));
        assert_eq!(
            parse_signature(format!("{}\n{}\r\n", &text[..76], &text[76..]).as_bytes()),
            Some(raw)
        );
        for bad in [
            &raw[..63],
            b"",
            text.trim_end_matches('=').as_bytes(),
            text.replace('A', "-").as_bytes(),
        ] {
            assert_eq!(parse_signature(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
