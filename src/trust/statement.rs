//! The signed statement about a bundle: an in-toto statement in its canonical encoding.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bundle::layout::SUMS;
use crate::canonical::Canonical;
use crate::model::digest::Digest;
use crate::model::text::{Label, ReleaseName};
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The predicate type: version 1 of the claims about a bundle.
pub const PREDICATE_TYPE: &str = "urn:relay-bundle:bundle:v1";

/// The largest serial: the largest integer in canonical JSON.
pub const SERIAL_MAX: u64 = (1 << 53) - 1;

/// The maximum number of sites in a statement. With the longest names and 16 signatures, the
/// attestation stays within its limit.
pub const SITES_MAX: usize = 500;

/// The signed claims: which content is which release, when it was issued, and where it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The digest of `SHA256SUMS`.
    pub content_id: Digest,
    pub predicate: Predicate,
}

/// The claims of a statement about the content.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The release's name.
    pub bundle: ReleaseName,
    /// The total size of the files that `SHA256SUMS` lists.
    pub bytes: u64,
    pub environment: Label,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The number of files that `SHA256SUMS` lists.
    pub files: u64,
    pub issued: Timestamp,
    pub namespace: Label,
    pub profile: Label,
    /// Increases with every release; a verifier rejects a serial below the last accepted one.
    pub serial: u64,
    /// The sites where the bundle may be applied; empty allows any.
    pub sites: BTreeSet<Label>,
}

impl Predicate {
    /// Returns whether the serial is more than a day ahead of the time of issue, in seconds: a
    /// typo, or a wrong clock on the build machine.
    pub fn is_serial_ahead(&self) -> bool {
        self.serial.saturating_sub(self.issued.seconds()) > DAY_SECONDS
    }

    /// Returns the sites in words.
    pub fn sites_text(&self) -> String {
        let sites: Vec<&str> = self.sites.iter().map(Label::as_str).collect();
        match sites[..] {
            [] => "any site".to_owned(),
            [site] => format!("site {site}"),
            _ => format!("sites {}", sites.join(", ")),
        }
    }
}

/// The statement as serialised.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatementText {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Predicate,
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    digest: SubjectDigest,
    name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SubjectDigest {
    sha256: Digest,
}

/// Why signed bytes are not a statement about a bundle.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStatement {
    #[error("unsupported signed statement: {0}")]
    Json(#[from] serde_json::Error),
    #[error("unsupported type `{found}` of the signed statement: expected `{wanted}`")]
    Type { found: String, wanted: &'static str },
    #[error("the signed statement is not about `{SUMS}`")]
    Subject,
    #[error(
        "the signed statement was issued at {issued}, but expires at {expires}, which is not later"
    )]
    Expiry { issued: Timestamp, expires: Timestamp },
    #[error("the signed statement has {0} sites; the limit is {SITES_MAX}")]
    Sites(usize),
    #[error("the signed statement is not canonical JSON")]
    NotCanonical,
}

impl Statement {
    /// Returns the payload for an envelope.
    ///
    /// # Panics
    ///
    /// Panics if a number of the predicate exceeds [`SERIAL_MAX`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.canonical().expect("the numbers of a statement are below 2^53")
    }

    fn canonical(&self) -> Option<Vec<u8>> {
        let subject =
            Subject { digest: SubjectDigest { sha256: self.content_id }, name: SUMS.to_owned() };
        let written = StatementText {
            kind: STATEMENT_TYPE.to_owned(),
            predicate: self.predicate.clone(),
            predicate_type: PREDICATE_TYPE.to_owned(),
            subject: vec![subject],
        };
        Canonical::of(&written).ok().map(Canonical::into_bytes)
    }

    /// Parses the payload of an envelope. Verifiers must check the signatures first.
    ///
    /// # Errors
    ///
    /// Returns an error if the payload is not a statement about a bundle, or not exactly what
    /// [`Statement::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidStatement> {
        // Other types have other fields: report the type rather than an unknown field.
        let kinds: Kinds = serde_json::from_slice(bytes)?;
        for (found, wanted) in
            [(kinds.kind, STATEMENT_TYPE), (kinds.predicate_type, PREDICATE_TYPE)]
        {
            if found != wanted {
                return Err(InvalidStatement::Type { found, wanted });
            }
        }

        let written: StatementText = serde_json::from_slice(bytes)?;
        let [Subject { digest, name }] = &written.subject[..] else {
            return Err(InvalidStatement::Subject);
        };
        if name != SUMS {
            return Err(InvalidStatement::Subject);
        }

        let statement = Self { content_id: digest.sha256, predicate: written.predicate };
        let Predicate { issued, expires, ref sites, .. } = statement.predicate;
        if let Some(expires) = expires.filter(|expires| *expires <= issued) {
            return Err(InvalidStatement::Expiry { issued, expires });
        }
        if sites.len() > SITES_MAX {
            return Err(InvalidStatement::Sites(sites.len()));
        }

        if statement.canonical().as_deref() == Some(bytes) {
            Ok(statement)
        } else {
            Err(InvalidStatement::NotCanonical)
        }
    }
}

/// The types that a statement declares.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinds {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the format specification.
    const EXAMPLE: &str = concat!(
        r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"bundle":"claude-relay","bytes":48211,"#,
        r#""environment":"production","files":19,"issued":"2026-11-22T10:00:00Z","namespace":"claude-relay","#,
        r#""profile":"production","serial":1795341600,"sites":[]},"predicateType":"urn:relay-bundle:bundle:v1","#,
        r#""subject":[{"digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"#,
        r#""name":"SHA256SUMS"}]}"#
    );

    /// Returns a list of `number` sites, sorted.
    fn sites(number: usize) -> String {
        let names: Vec<String> = (0..number).map(|number| format!("\"s{number:04}\"")).collect();
        format!("[{}]", names.join(","))
    }

    #[test]
    fn statement_at_its_limits_is_read() {
        let text = EXAMPLE.replacen("[]", &sites(SITES_MAX), 1);
        let text = text.replacen("\"files\"", "\"expires\":\"2026-11-22T10:00:01Z\",\"files\"", 1);

        assert_eq!(Statement::parse(text.as_bytes()).unwrap().predicate.sites.len(), SITES_MAX);
    }

    fn example() -> Statement {
        Statement::parse(EXAMPLE.as_bytes()).unwrap()
    }

    #[test]
    fn specification_example_is_read_and_written() {
        let statement = example();

        assert_eq!(statement.content_id, Digest::of(b""));
        assert_eq!(statement.predicate.serial, statement.predicate.issued.seconds());
        assert_eq!(String::from_utf8(statement.to_bytes()).unwrap(), EXAMPLE);
    }

    #[test]
    fn expiry_and_sites_are_written_sorted() {
        let mut statement = example();
        statement.predicate.expires = Some("2027-01-01T00:00:00Z".parse().unwrap());
        statement.predicate.sites =
            ["plant-7", "lab"].into_iter().map(|site| site.parse().unwrap()).collect();

        let bytes = String::from_utf8(statement.to_bytes()).unwrap();

        assert!(bytes.contains(r#","expires":"2027-01-01T00:00:00Z","files":19,"#), "{bytes}");
        assert!(bytes.contains(r#","sites":["lab","plant-7"]"#), "{bytes}");
        assert_eq!(Statement::parse(bytes.as_bytes()).unwrap(), statement);
    }

    #[test]
    fn non_canonical_or_other_statement_is_refused() {
        let replace = |from: &str, to: &str| {
            assert!(EXAMPLE.contains(from), "{from}");
            EXAMPLE.replacen(from, to, 1)
        };

        let table = [
            ("a newline", format!("{EXAMPLE}\n")),
            ("white space", replace(",", ", ")),
            ("an unknown field", replace("\"files\"", "\"extra\":1,\"files\"")),
            ("a duplicate field", replace("\"files\":19", "\"files\":19,\"files\":19")),
            ("a missing field", replace("\"files\":19,", "")),
            (
                "another order",
                replace(
                    "\"bytes\":48211,\"environment\":\"production\"",
                    "\"environment\":\"production\",\"bytes\":48211",
                ),
            ),
            ("a null", replace("\"files\":19", "\"expires\":null,\"files\":19")),
            ("a float", replace("48211", "48211.0")),
            ("an exponent", replace("19", "1e1")),
            ("a negative number", replace("19", "-19")),
            ("a large serial", replace("1795341600", "9007199254740992")),
            ("an offset", replace("10:00:00Z", "10:00:00+00:00")),
            ("an escape", replace("claude-relay", "claude\\u002drelay")),
            ("another type", replace("Statement/v1", "Statement/v0.1")),
            ("another predicate", replace("bundle:v1", "bundle:v2")),
            (
                "no subject",
                replace(
                    r#"[{"digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"name":"SHA256SUMS"}]"#,
                    "[]",
                ),
            ),
            ("another subject", replace("SHA256SUMS", "bundle.json")),
            ("another digest", replace("sha256", "sha512")),
            ("unsorted sites", replace("[]", r#"["b","a"]"#)),
            ("duplicate sites", replace("[]", r#"["a","a"]"#)),
            ("a site that is none", replace("[]", r#"["A b"]"#)),
            (
                "an early end",
                replace("\"files\"", "\"expires\":\"2026-11-22T09:59:59Z\",\"files\""),
            ),
            (
                "an end at once",
                replace("\"files\"", "\"expires\":\"2026-11-22T10:00:00Z\",\"files\""),
            ),
            ("too many sites", replace("[]", &sites(SITES_MAX + 1))),
        ];

        for (what, text) in table {
            assert!(Statement::parse(text.as_bytes()).is_err(), "{what}: {text}");
        }
    }
}
