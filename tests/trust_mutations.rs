//! Random damage to a verifier's input: an attestation, a statement, a policy, a state. No parser
//! panics, and none accepts bytes that it would write differently.
//!
//! `PROPTEST_CASES=1000000 cargo test --profile profiling --test trust_mutations` runs the long
//! form.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use relay_bundle::model::digest::Digest;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PrivateKey;
use relay_bundle::trust::policy::{Policy, PolicyTarget};
use relay_bundle::trust::state::{Place, State};
use relay_bundle::trust::statement::{Predicate, Statement};

const CASES_DEFAULT: u32 = 4096;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn statement(serial: u64) -> Statement {
    let name = |text: &str| text.parse().unwrap();
    Statement {
        content_id: Digest::of(b"content"),
        predicate: Predicate {
            bundle: "claude-relay".parse().unwrap(),
            bytes: 48_211,
            environment: name("production"),
            expires: serial.is_multiple_of(2).then(|| at(serial + 9)),
            files: 19,
            issued: at(serial),
            namespace: name("claude-relay"),
            profile: name("production"),
            serial,
            sites: (0..serial % 3).map(|site| name(&format!("plant-{site}"))).collect(),
        },
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_795_341_600 + seconds).unwrap()
}

static STATEMENTS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| (1..7).map(|serial| statement(serial).to_bytes()).collect());

static ENVELOPES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let signed = |signatures: u8| {
        let mut envelope = Envelope::unsigned(statement(signatures.into()).to_bytes());
        (1..=signatures).for_each(|seed| envelope.sign(&key(seed)).unwrap());
        envelope.to_bytes()
    };
    [1, 2, 3, 16].map(signed).to_vec()
});

static STATES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let anywhere = PolicyTarget::default();
    let site = PolicyTarget {
        site: Some("plant-7".parse().unwrap()),
        cluster_uid: Some("0f8fad5b-d9cb-469f-a165-70867728950e".to_owned()),
    };
    let mut state = State::default();
    let mut states = vec![state.to_bytes().unwrap()];
    for serial in 1..4 {
        state.accept(&statement(serial), &anywhere, at(serial));
        state.accept(&statement(serial + 1), &site, at(serial));
        states.push(state.to_bytes().unwrap());
        state.reset(&Place::of(&statement(serial), &anywhere), at(serial), "a reason");
        states.push(state.to_bytes().unwrap());
    }
    states
});

static POLICIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let head = "schema = \"relay-bundle/trust/v1\"\n";
    let target = "[target]\nsite = \"plant-7\"\nclusterUid = \"0f8fad5b-d9cb-469f-a165-70867728950e\"\n[policy]\nmaxAgeDays = 180\n";
    let entry = |seed: u8| {
        let public = key(seed).public();
        let validity = "notBefore = \"2026-01-01T00:00:00Z\"\nnotAfter = \"2027-12-31T00:00:00Z\"\nstatus = \"retired\"\n";
        format!(
            "[[key]]\nid = \"{}\"\npublic = \"{}\"\nholder = \"desk-{seed}\"\n{}",
            public.id(),
            public.to_base64(),
            if seed == 1 { validity } else { "" }
        )
    };
    let grant = |seed: u8| {
        format!(
            "[[grant]]\nbundles = [\"claude-relay\", \"claude-*\"]\nprofiles = [\"production\"]\nenvironments = [\"production\"]\n\
             keys = [\"{}\"]\nthreshold = 1\nminSerial = 7\n",
            key(seed).public().id()
        )
    };
    let revoked = format!("[[revokedContent]]\nsha256 = \"{}\"\n", Digest::of(b"content"));
    [
        format!("{head}{target}{revoked}"),
        format!("{head}{}{}", entry(1), grant(1)),
        format!("{head}{target}{}{}{}{}{revoked}", entry(1), entry(2), grant(1), grant(2)),
    ]
    .map(String::into_bytes)
    .to_vec()
});

/// Pieces of JSON and TOML, and values at the limits.
const WORDS: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    "[[key]]\n",
    "[target]\n",
    ",",
    ":",
    " = ",
    "\"",
    "'",
    "\\u0000",
    "\n",
    "\r\n",
    " ",
    "\t",
    "#",
    "null",
    "true",
    "0",
    "-1",
    "1.0",
    "1e3",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551616",
    "\"\"",
    "\"a\"",
    "\"Z\"",
    "\"==\"",
    "\"active\"",
    "\"expires\":\"9998-12-31T23:59:59Z\",",
    "\"sites\":[\"a\",\"b\"]",
    "\"1969-12-31T23:59:59Z\"",
    "é",
    "\u{202e}",
    "\u{feff}",
    "[[[[[[[[",
    "{\"a\":{\"a\":",
    "a.a.a.a.a.a.a",
    "\"\"\"",
    "site",
    "threshold = 0\n",
    "=",
];

/// One act of damage. Positions are taken modulo the number of candidates.
#[derive(Clone, Debug)]
enum Damage {
    SetByte {
        at: Index,
        to: u8,
    },
    FlipBit {
        at: Index,
        bit: u8,
    },
    Insert {
        at: Index,
        word: &'static str,
    },
    Truncate {
        at: Index,
    },
    /// Removes a part between quotes, commas, brackets and lines.
    RemovePart {
        part: Index,
    },
    RepeatPart {
        part: Index,
        to: Index,
    },
    SwapParts {
        left: Index,
        right: Index,
    },
    ReplacePart {
        part: Index,
        word: &'static str,
    },
    /// Replaces a digit by another one, or a letter by another one.
    NextLetter {
        at: Index,
    },
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    let word = || select(WORDS.to_vec());
    prop_oneof![
        2 => (index(), any::<u8>()).prop_map(|(at, to)| Damage::SetByte { at, to }),
        2 => (index(), 0..8_u8).prop_map(|(at, bit)| Damage::FlipBit { at, bit }),
        2 => (index(), word()).prop_map(|(at, word)| Damage::Insert { at, word }),
        1 => index().prop_map(|at| Damage::Truncate { at }),
        3 => index().prop_map(|part| Damage::RemovePart { part }),
        3 => (index(), index()).prop_map(|(part, to)| Damage::RepeatPart { part, to }),
        3 => (index(), index()).prop_map(|(left, right)| Damage::SwapParts { left, right }),
        3 => (index(), word()).prop_map(|(part, word)| Damage::ReplacePart { part, word }),
        4 => index().prop_map(|at| Damage::NextLetter { at }),
    ]
}

/// Splits a text at its structure; the joined parts are the text again.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| b"\",:[]{}\n".contains(byte)).collect()
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::SetByte { at, to } => *at.get_mut(bytes) = *to,
            Self::FlipBit { at, bit } => *at.get_mut(bytes) ^= 1 << bit,
            Self::NextLetter { at } => {
                let byte = at.get_mut(bytes);
                *byte = match *byte {
                    b'9' => b'0',
                    b'z' => b'a',
                    byte if byte.is_ascii_alphanumeric() => byte + 1,
                    byte => byte,
                };
            }
            Self::Insert { at, word } => {
                let at = at.index(bytes.len());
                drop(bytes.splice(at..at, word.bytes()));
            }
            Self::Truncate { at } => bytes.truncate(at.index(bytes.len())),
            _ => {
                let mut parts = parts(bytes);
                self.apply_to(&mut parts);
                *bytes = parts.concat();
            }
        }
    }

    fn apply_to<'a>(&'a self, parts: &mut Vec<&'a [u8]>) {
        let count = parts.len();
        match self {
            Self::RemovePart { part } => drop(parts.remove(part.index(count))),
            Self::RepeatPart { part, to } => {
                parts.insert(to.index(count), parts[part.index(count)]);
            }
            Self::SwapParts { left, right } => parts.swap(left.index(count), right.index(count)),
            Self::ReplacePart { part, word } => parts[part.index(count)] = word.as_bytes(),
            _ => {}
        }
    }
}

/// Runs `check` on `PROPTEST_CASES` damaged texts.
fn for_damaged(originals: &'static [Vec<u8>], check: impl Fn(&[u8]) -> TestCaseResult) {
    for original in originals {
        check(original).unwrap();
    }
    let plain = Config::default();
    // Proptest has already read the variable into its configuration; its own default is too small
    // here.
    let cases = if plain.cases == 256 { CASES_DEFAULT } else { plain.cases };
    let config = Config { cases, failure_persistence: None, ..plain };
    TestRunner::new(config)
        .run(&(select(originals), prop::collection::vec(damage(), 1..4)), |(mut bytes, acts)| {
            for act in &acts {
                act.apply(&mut bytes);
            }
            check(&bytes)
        })
        .unwrap();
}

#[test]
fn damaged_attestation_is_refused_or_canonical() {
    let messages: Vec<Vec<u8>> =
        ENVELOPES.iter().map(|bytes| Envelope::parse(bytes).unwrap().signed_bytes()).collect();
    for_damaged(&ENVELOPES, |bytes| {
        if let Ok(envelope) = Envelope::parse(bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
            // Envelopes with different content do not sign the same bytes.
            let same = messages
                .iter()
                .zip(ENVELOPES.iter())
                .find(|(message, _)| **message == envelope.signed_bytes());
            if let Some((_, original)) = same {
                let original = Envelope::parse(original).unwrap();
                prop_assert_eq!(original.payload(), envelope.payload());
                prop_assert_eq!(original.payload_type(), envelope.payload_type());
            }
        }
        Ok(())
    });
}

#[test]
fn damaged_statement_is_refused_or_canonical() {
    for_damaged(&STATEMENTS, |bytes| {
        if let Ok(statement) = Statement::parse(bytes) {
            prop_assert_eq!(statement.to_bytes(), bytes);
        }
        Ok(())
    });
}

#[test]
fn damaged_state_is_refused_or_canonical() {
    for_damaged(&STATES, |bytes| {
        if let Ok(state) = State::parse(bytes) {
            prop_assert_eq!(state.to_bytes().unwrap(), bytes);
        }
        Ok(())
    });
}

#[test]
fn damaged_policy_is_refused_or_same_in_any_layout() {
    for_damaged(&POLICIES, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
        let Ok(policy) = Policy::parse(text) else { return Ok(()) };
        // A byte order mark is valid at the beginning only.
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        let again = Policy::parse(&format!("# Reviewed.\n\n{body}\n# The end.")).unwrap();
        prop_assert_eq!(format!("{policy:?}"), format!("{again:?}"));
        for (id, key) in policy.keys() {
            prop_assert_eq!(key.public.id(), *id);
        }
        for grant in policy.grants() {
            prop_assert!(
                !grant.keys.is_empty()
                    && grant.keys.iter().all(|id| policy.keys().contains_key(id))
            );
        }
        Ok(())
    });
}
