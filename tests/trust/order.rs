//! The order of checks: no data is read or parsed before it is trusted that far.

use relay_bundle::model::digest::Digest;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::refusal::Refusal;
use relay_bundle::trust::statement::Statement;
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};

use super::carried::{Images, tiny_bundle};
use super::world::{ACCEPTED, Content, DEV, ISSUED, Step, code_of, key, time, verify_until};

fn read_until(content: &Content, until: Step) -> Result<(), Refusal> {
    let public = key(1).public();
    let now = time(ISSUED);
    let terms = VerifyTerms { authority: Authority::Key(&public), purpose: Purpose::Install, now };
    verify_until(content, &terms, until).map(|_| ())
}

fn signed(content: Content, statement: &Statement) -> Content {
    content.signed(statement, &[&key(1)])
}

/// Corrects a bundle with every possible fault step by step. Each step shows the next check, and
/// how much of the medium has been read.
#[test]
fn bundle_is_refused_for_first_fault_in_this_order() {
    let wrong_file = "manifests/00-wrong.yaml";
    let mut content = DEV.clone();
    content.files.insert(wrong_file.to_owned(), b"kind: Wrong\n".to_vec());
    content.list();
    let mut statement = content.statement_like(&DEV.statement());
    statement.predicate.files += 1;
    statement.predicate.expires = Some(time(ISSUED).plus_seconds(1));
    let late = time(ISSUED).plus_seconds(2);
    let list = content.sums.clone();
    let good = signed(content.clone(), &statement);
    let public = key(1).public();
    let terms =
        |now| VerifyTerms { authority: Authority::Key(&public), purpose: Purpose::Install, now };
    let is = |content: &Content, now, until, wanted: &str| {
        assert_eq!(code_of(&verify_until(content, &terms(now), until)), wanted);
    };

    content.sums = b"no list".to_vec();
    content.files.insert(wrong_file.to_owned(), b"altered".to_vec());
    is(&content, late, Step::Attestation, "UNSIGNED");
    content.attestation = Some(b"no envelope".to_vec());
    is(&content, late, Step::Attestation, "BAD_ATTESTATION");
    content = content.signed(&statement, &[&key(9)]);
    is(&content, late, Step::Attestation, "UNTRUSTED_KEY");
    let mut envelope = Envelope::unsigned(b"no statement".to_vec());
    envelope.sign(&key(1)).unwrap();
    content.attestation = Some(envelope.to_bytes());
    is(&content, late, Step::Attestation, "BAD_STATEMENT");
    content.attestation = good.attestation;
    is(&content, late, Step::Attestation, "EXPIRED");
    is(&content, time(ISSUED), Step::Sums, "TAMPERED");
    let mut of_no_list = statement.clone();
    of_no_list.content_id = Digest::of(&content.sums);
    is(&signed(content.clone(), &of_no_list), time(ISSUED), Step::Sums, "BAD_SUMS");
    content.sums = list;
    is(&content, time(ISSUED), Step::Sums, "CONTENT_MISMATCH");
    statement.predicate.files -= 1;
    content = signed(content, &statement);
    is(&content, time(ISSUED), Step::Files, "TAMPERED");
    content.files.insert(wrong_file.to_owned(), b"kind: Wrong\n".to_vec());
    is(&content, time(ISSUED), Step::Files, "CONTENT_MISMATCH");
    is(&signed(DEV.clone(), &DEV.statement()), time(ISSUED), Step::Files, ACCEPTED);
}

#[test]
fn payload_is_not_parsed_before_signature_is_trusted() {
    let bomb = "[".repeat(20_000).into_bytes();
    for payload in [b"\xff".to_vec(), bomb, Vec::new()] {
        let mut envelope = Envelope::unsigned(payload);
        envelope.sign(&key(9)).unwrap();
        let content = Content { attestation: Some(envelope.to_bytes()), ..DEV.clone() };

        assert_eq!(code_of(&read_until(&content, Step::Attestation)), "UNTRUSTED_KEY");

        envelope.sign(&key(1)).unwrap();
        let content = Content { attestation: Some(envelope.to_bytes()), ..DEV.clone() };
        assert_eq!(code_of(&read_until(&content, Step::Attestation)), "BAD_STATEMENT");
    }
}

#[test]
#[should_panic(expected = "was read before the bundle was trusted that far")]
fn test_medium_notices_premature_read() {
    let content = signed(DEV.clone(), &DEV.statement());

    assert!(read_until(&content, Step::Sums).is_ok(), "a good bundle has its files read");
}

#[test]
fn images_are_not_read_before_bundle_is_consistent() {
    let images = Images::tiny();
    let good = Content::of_files(&tiny_bundle(), images.layout());
    let statement = good.statement();
    let outcome = |content: &Content, until| code_of(&read_until(content, until));
    assert_eq!(outcome(&signed(good.clone(), &statement), Step::Images), ACCEPTED);

    let mut content = good.clone();
    content.layout[0].1[0] ^= 1;
    assert_eq!(outcome(&signed(content.clone(), &statement), Step::Images), "BAD_FORM");
    // Each of these is refused before the layout is reached.
    assert_eq!(
        outcome(&content.clone().signed(&statement, &[&key(2)]), Step::Attestation),
        "UNTRUSTED_KEY"
    );
    let mut altered = signed(content.clone(), &statement);
    altered.sums.push(b'\n');
    assert_eq!(outcome(&altered, Step::Sums), "TAMPERED");
    let mut altered = signed(content.clone(), &statement);
    altered.files.insert("recipe.json".to_owned(), b"{}".to_vec());
    assert_eq!(outcome(&altered, Step::Files), "TAMPERED");
    content.files.remove("images.json");
    content.list();
    let without_list = content.statement_like(&statement);
    assert_eq!(outcome(&signed(content.clone(), &without_list), Step::Images), "EXTRA_FILE");
    content.files.insert("images.json".to_owned(), b"{}".to_vec());
    content.list();
    let without_images = content.statement_like(&statement);
    assert_eq!(outcome(&signed(content, &without_images), Step::Files), "CONTENT_MISMATCH");
}
