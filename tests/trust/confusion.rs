//! Type confusion: signatures of other bytes, other kinds of signatures, and other kinds of files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use relay_bundle::canonical::Canonical;
use relay_bundle::media::archive;
use relay_bundle::model::digest::Digest;
use relay_bundle::trust::envelope::{Envelope, PAYLOAD_TYPE};
use relay_bundle::trust::key::{KeyId, PublicKey, SignatureBytes};
use relay_bundle::trust::policy::Policy;
use relay_bundle::trust::refusal::Reason;
use relay_bundle::trust::state::State;
use relay_bundle::trust::statement::Statement;
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};
use relay_bundle::trust::verify::{VerifyError, verify};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha512};

use super::situation::{Situation, Who, grant};
use super::tar;
use super::world::{
    ACCEPTED, Content, DEV, ISSUED, PRODUCTION, Step, code_of, key, time, verify_by_key,
    verify_by_policy, verify_until,
};

const SEED: [u8; 32] = [1; 32];

/// Signs as in RFC 8032, section 5.1.6; `dom` selects Ed25519 (empty), Ed25519ctx or Ed25519ph.
fn rfc8032(seed: &[u8; 32], dom: &[u8], message: &[u8]) -> SignatureBytes {
    let hash = |parts: &[&[u8]]| -> [u8; 64] { Sha512::digest(parts.concat()).into() };
    let secret = hash(&[seed]);
    let (scalar, prefix) = secret.split_at(32);
    let scalar = Scalar::from_bytes_mod_order(clamp_integer(scalar.try_into().unwrap()));
    let public = EdwardsPoint::mul_base(&scalar).compress().to_bytes();
    let nonce = Scalar::from_bytes_mod_order_wide(&hash(&[dom, prefix, message]));
    let point = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let challenge = Scalar::from_bytes_mod_order_wide(&hash(&[dom, &point, &public, message]));
    let proof = nonce + challenge * scalar;
    [point, proof.to_bytes()].concat().try_into().unwrap()
}

fn dom2(is_prehashed: bool, context: &[u8]) -> Vec<u8> {
    let lengths = [u8::from(is_prehashed), u8::try_from(context.len()).unwrap()];
    [&b"SigEd25519 no Ed25519 collisions"[..], &lengths, context].concat()
}

/// Writes an envelope in canonical form, with any signatures.
fn envelope(kind: &str, payload: &[u8], signatures: &[(KeyId, SignatureBytes)]) -> Vec<u8> {
    let mut signatures = signatures.to_vec();
    signatures.sort_unstable();
    let signatures: Vec<_> = signatures
        .iter()
        .map(|(id, sig)| json!({"keyid": id.to_string(), "sig": STANDARD.encode(sig)}))
        .collect();
    let whole =
        json!({"payload": STANDARD.encode(payload), "payloadType": kind, "signatures": signatures});
    Canonical::of(&whole).unwrap().into_bytes()
}

fn pae(kind: &str, payload: &[u8]) -> Vec<u8> {
    [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), payload].concat()
}

/// Returns the development bundle with this attestation.
fn with(attestation: Vec<u8>) -> Content {
    Content { attestation: Some(attestation), ..DEV.clone() }
}

/// Returns the outcome, which must be the same for a trusted key and for a policy with that key.
fn outcome(content: &Content) -> &'static str {
    let by_key = code_of(&verify_by_key(content, &key(1)));
    assert_eq!(code_of(&verify_by_policy(content, &key(1))), by_key);
    by_key
}

fn with_signature(signature: SignatureBytes) -> Content {
    let payload = DEV.statement().to_bytes();
    with(envelope(PAYLOAD_TYPE, &payload, &[(key(1).public().id(), signature)]))
}

/// Returns the development bundle with any payload, correctly signed by the trusted key.
fn with_payload(kind: &str, payload: &[u8]) -> Content {
    with(envelope(kind, payload, &[(key(1).public().id(), key(1).sign(&pae(kind, payload)))]))
}

/// Returns an archive of these files.
fn archive_of(content: &Content) -> Vec<u8> {
    let attestation = content.attestation.iter().map(|bytes| ("attestation.dsse.json", bytes));
    let listed = content.files.iter().map(|(name, bytes)| (name.as_str(), bytes));
    let all = attestation.chain([("SHA256SUMS", &content.sums)]).chain(listed);
    let files = all.flat_map(|(name, bytes)| tar::file(name, bytes));
    files.chain([0; 2 * tar::BLOCK]).collect()
}

#[test]
fn own_implementation_of_ed25519_variants_is_correct() {
    let hex = |text: &str| -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    // RFC 8032, sections 7.2 and 7.3.
    let seed =
        hex("0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6").try_into().unwrap();
    let message = hex("f726936d19c800494e3fdaff20b276a8");
    let wanted = "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d";
    assert_eq!(rfc8032(&seed, &dom2(false, b"foo"), &message).to_vec(), hex(wanted));
    let seed =
        hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42").try_into().unwrap();
    let wanted = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
    assert_eq!(rfc8032(&seed, &dom2(true, b""), &Sha512::digest(b"abc")).to_vec(), hex(wanted));
    assert_eq!(rfc8032(&SEED, b"", b"message"), key(1).sign(b"message"));
}

#[test]
fn only_pure_ed25519_signature_of_encoded_statement_counts() {
    let payload = DEV.statement().to_bytes();
    let message = pae(PAYLOAD_TYPE, &payload);
    let id = DEV.statement().content_id.to_string();
    let good = rfc8032(&SEED, b"", &message);
    assert_eq!(outcome(&with_signature(good)), ACCEPTED);

    let sign = |bytes: &[u8]| key(1).sign(bytes);
    let table = [
        ("the payload alone", sign(&payload)),
        ("the payload in base64", sign(STANDARD.encode(&payload).as_bytes())),
        ("the list of files", sign(&DEV.sums)),
        ("the content id", sign(id.as_bytes())),
        ("the content id in bytes", sign(&Sha256::digest(&DEV.sums))),
        ("the index", sign(&DEV.files["bundle.json"])),
        ("the payload under another type", sign(&pae("application/json", &payload))),
        ("the payload under another version", sign(&[b"DSSEv2", &message[6..]].concat())),
        ("the digest of the encoding", sign(&Sha512::digest(&message))),
        ("Ed25519ph", rfc8032(&SEED, &dom2(true, b""), &Sha512::digest(&message))),
        (
            "Ed25519ph with a context",
            rfc8032(&SEED, &dom2(true, b"foo"), &Sha512::digest(&message)),
        ),
        ("Ed25519ctx", rfc8032(&SEED, &dom2(false, b"foo"), &message)),
        ("Ed25519ctx without a context", rfc8032(&SEED, &dom2(false, b""), &message)),
        ("zeros", [0; 64]),
        ("the same proof plus the order of the group", plus_order(good)),
        ("another bundle's", production_signature()),
    ];
    for (what, signature) in table {
        assert_eq!(outcome(&with_signature(signature)), "BAD_SIGNATURE", "{what}");
    }
}

/// The second encoding of a signature, which lax verifiers accept as a different one.
fn plus_order(mut signature: SignatureBytes) -> SignatureBytes {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    signature
}

fn production_signature() -> SignatureBytes {
    let signed = PRODUCTION.clone().signed(&PRODUCTION.statement(), &[&key(1)]);
    let envelope = Envelope::parse(&signed.attestation.unwrap()).unwrap();
    *envelope.signatures().values().next().unwrap()
}

#[test]
fn attestation_of_other_bundle_does_not_count() {
    let other = PRODUCTION.clone().signed(&PRODUCTION.statement(), &[&key(1)]);

    assert_eq!(outcome(&with(other.attestation.unwrap())), "TAMPERED");
}

#[test]
fn validly_signed_payload_of_other_type_is_not_parsed() {
    let payload = DEV.statement().to_bytes();
    for kind in
        ["", "application/json", "application/vnd.in-toto+json ", "application/vnd.in-toto", "x"]
    {
        assert_eq!(outcome(&with_payload(kind, &payload)), "WRONG_PAYLOAD_TYPE", "{kind}");
        assert_eq!(outcome(&with_payload(kind, b"\xff no JSON")), "WRONG_PAYLOAD_TYPE", "{kind}");
    }
}

#[test]
fn other_payload_of_trusted_key_is_not_bundle_statement() {
    let statement = String::from_utf8(DEV.statement().to_bytes()).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(statement.contains(from), "{from}");
        statement.replacen(from, to, 1).into_bytes()
    };
    let signed = DEV.clone().signed(&DEV.statement(), &[&key(1)]);
    let table = [
        ("another predicate", changed("bundle:v1", "bundle:v2")),
        ("provenance", changed("urn:relay-bundle:bundle:v1", "https://slsa.dev/provenance/v1")),
        ("another statement", changed("Statement/v1", "Statement/v0.1")),
        ("another subject", changed("SHA256SUMS", "bundle.json")),
        ("an unknown field", changed("\"files\"", "\"extra\":1,\"files\"")),
        ("another spelling", changed(",", ", ")),
        ("a trust policy", Situation::default().policy_text().into_bytes()),
        ("a state", State::default().to_bytes().unwrap()),
        ("a profile", fs_err::read("profiles/dev.toml").unwrap()),
        ("a list of files", DEV.sums.clone()),
        ("an index", DEV.files["bundle.json"].clone()),
        ("an attestation", signed.attestation.clone().unwrap()),
        ("nothing", Vec::new()),
    ];
    for (what, payload) in table {
        assert_eq!(outcome(&with_payload(PAYLOAD_TYPE, &payload)), "BAD_STATEMENT", "{what}");
    }
}

#[test]
fn file_of_other_kind_is_neither_attestation_nor_bundle() {
    let signed = DEV.clone().signed(&DEV.statement(), &[&key(1)]);
    let table = [
        ("a trust policy", Situation::default().policy_text().into_bytes()),
        ("a state", State::default().to_bytes().unwrap()),
        ("a profile", fs_err::read("profiles/dev.toml").unwrap()),
        ("a list of files", DEV.sums.clone()),
        ("an index", DEV.files["bundle.json"].clone()),
        ("a statement", DEV.statement().to_bytes()),
        ("a public key", key(1).public().to_pem().into_bytes()),
        ("nothing", Vec::new()),
    ];
    for (what, file) in &table {
        assert_eq!(outcome(&with(file.clone())), "BAD_ATTESTATION", "{what}");
        assert!(archive::open(&file[..]).is_err(), "{what}");
    }
    let attestation = signed.attestation.as_deref().unwrap();
    assert!(archive::open(attestation).is_err());
    assert_eq!(outcome(&DEV), "UNSIGNED");
}

#[test]
fn bundle_parts_are_not_policy_state_statement_or_key() {
    let signed = DEV.clone().signed(&DEV.statement(), &[&key(1)]);
    let (attestation, statement) =
        (signed.attestation.clone().unwrap(), DEV.statement().to_bytes());
    let (policy, state) =
        (Situation::default().policy_text(), State::default().to_bytes().unwrap());
    let of_the_bundle =
        [&attestation, &statement, &DEV.sums, &DEV.files["bundle.json"], &DEV.files["recipe.json"]];
    for bytes in of_the_bundle.into_iter().chain([&state]) {
        assert!(Policy::parse(std::str::from_utf8(bytes).unwrap()).is_err());
        assert!(PublicKey::from_pem(std::str::from_utf8(bytes).unwrap()).is_err());
    }
    for bytes in of_the_bundle.into_iter().chain([&policy.clone().into_bytes()]) {
        assert!(State::parse(bytes).is_err());
    }
    for bytes in [&attestation, &DEV.sums, &state, &policy.into_bytes()] {
        assert!(Statement::parse(bytes).is_err());
    }
}

#[test]
fn nested_archive_is_not_taken_as_bundle() {
    let signed = DEV.clone().signed(&DEV.statement(), &[&key(1)]);
    let inner = archive_of(&signed);
    let mut outer = Content {
        attestation: None,
        sums: Vec::new(),
        files: [("manifests/bundle.yaml".to_owned(), inner.clone())].into(),
        layout: Vec::new(),
    };
    outer.list();
    let public = key(1).public();
    let now = time(ISSUED);
    let terms = VerifyTerms { authority: Authority::Key(&public), purpose: Purpose::Install, now };
    let code = |bytes: &[u8]| match verify(archive::open(bytes).unwrap(), &terms) {
        Ok(_) => ACCEPTED,
        Err(VerifyError::Refused(refusal)) => refusal.reason.code(),
        Err(VerifyError::Unread(error)) => panic!("{error}"),
    };

    assert_eq!(code(&inner), ACCEPTED);
    assert_eq!(code(&archive_of(&outer)), "UNSIGNED");
    let borrowed = Content { attestation: signed.attestation, ..outer.clone() };
    assert_eq!(code(&archive_of(&borrowed)), "TAMPERED");
    let statement = outer.statement_like(&DEV.statement());
    assert_eq!(code(&archive_of(&outer.signed(&statement, &[&key(1)]))), "CONTENT_MISMATCH");
}

#[test]
fn signature_counts_only_under_id_of_its_own_key() {
    let payload = DEV.statement().to_bytes();
    let signature = key(1).sign(&pae(PAYLOAD_TYPE, &payload));
    let [own, other, unknown] = [1, 2, 77].map(|seed| key(seed).public().id());
    let situation =
        Situation { grants: vec![grant(2)], signers: vec![Who::Builder], ..Situation::default() };
    let (policy, state) = (Policy::parse(&situation.policy_text()).unwrap(), State::default());
    let reason = |signatures: &[(KeyId, SignatureBytes)]| {
        let content = with(envelope(PAYLOAD_TYPE, &payload, signatures));
        let terms = situation.terms(&policy, &state);
        *verify_until(&content, &terms, Step::Attestation).unwrap_err().reason
    };

    assert!(matches!(reason(&[(unknown, signature)]), Reason::UntrustedKey));
    assert!(matches!(reason(&[(other, signature)]), Reason::BadSignature));
    // The same signature under several key ids counts once.
    let twice = reason(&[(own, signature), (unknown, signature)]);
    assert!(matches!(twice, Reason::BelowThreshold { signed: 1, wanted: 2 }), "{twice}");
    assert!(matches!(reason(&[(own, signature), (other, signature)]), Reason::BadSignature));
}

#[test]
fn altered_signature_of_trusted_key_is_not_offset_by_others() {
    let payload = DEV.statement().to_bytes();
    let by = |seed: u8| (key(seed).public().id(), key(seed).sign(&pae(PAYLOAD_TYPE, &payload)));
    let situation = Situation::default();
    let (policy, state) = (Policy::parse(&situation.policy_text()).unwrap(), State::default());
    let code = |signatures: &[(KeyId, SignatureBytes)]| {
        let content = with(envelope(PAYLOAD_TYPE, &payload, signatures));
        code_of(&verify_until(&content, &situation.terms(&policy, &state), Step::Files))
    };
    let (approver, mut altered) = by(3);
    assert_eq!(code(&[by(1), (approver, altered)]), ACCEPTED);
    altered[40] ^= 1;

    assert_eq!(code(&[by(1), (approver, altered)]), "BAD_SIGNATURE");
    // The key of a stranger is unknown, so its signature cannot be checked.
    let (stranger, mut altered) = by(4);
    altered[40] ^= 1;
    assert_eq!(code(&[by(1), (stranger, altered)]), ACCEPTED);
}

#[test]
fn content_id_has_one_meaning() {
    // The statement is about the list; the list's digest is that of `sha256sum`.
    let id = Digest::of(&DEV.sums);
    assert_eq!(DEV.statement().content_id, id);
    let verified =
        verify_by_key(&DEV.clone().signed(&DEV.statement(), &[&key(1)]), &key(1)).unwrap();
    assert_eq!(verified.content_id, id);
    assert_eq!(verified.voucher().statement.content_id, id);
}
