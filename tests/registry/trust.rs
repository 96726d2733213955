//! `push` under a trust policy: which bundles a site accepts, and that it records nothing.
//!
//! The terms are those of `rollback`, because an old archive must be able to restore a lost image.

use relay_bundle::trust::key::PublicKey;

use crate::fake::{Fake, Flaw};
use crate::site::carried::{PROFILE, image_of, put};
use crate::site::{Ended, RELAY_REPOSITORY, Site};

/// The site of the operator.
const SITE: &str = "plant-7";
/// The serial of the release that the state records.
const RECORDED: u64 = 42;

/// The policy of an operator; each field is appended to its table.
#[derive(Clone, Copy, Default)]
struct PolicyText {
    key: &'static str,
    grant: &'static str,
    /// Whether the content of `tested.tar` is revoked.
    revokes_content: bool,
}

/// The result of a push of `tested.tar` at a site whose state records another release.
struct Pushed {
    fake: Fake,
    ended: Ended,
    /// The state before and after.
    states: [Vec<u8>; 2],
}

/// Writes `trust.toml`.
fn write_policy(site: &Site, policy: PolicyText) {
    let pem = fs_err::read_to_string(site.file("key.pub.pem")).unwrap();
    let public = PublicKey::from_pem(&pem).unwrap();
    let (id, base64, PolicyText { key, grant, .. }) = (public.id(), public.to_base64(), policy);
    let revoked = if policy.revokes_content {
        let report = site.run(&["inspect", "tested.tar", "--json"]).json();
        let id = report["contentId"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        format!("[[revokedContent]]\nsha256 = \"{id}\"\n")
    } else {
        String::new()
    };
    let text = format!(
        "schema = \"relay-bundle/trust/v1\"\n[target]\nsite = \"{SITE}\"\n[[key]]\nid = \"{id}\"\n\
         public = \"{base64}\"\nholder = \"builder\"\n{key}\n[[grant]]\nbundles = [\"relay\"]\n\
         profiles = [\"{PROFILE}\"]\nenvironments = [\"production\"]\nkeys = [\"{id}\"]\n\
         threshold = 1\n{grant}\n{revoked}"
    );
    put(&site.file("trust.toml"), text.as_bytes());
}

/// Builds `tested.tar` on these terms, and pushes it at a site that has recorded a release with the
/// serial [`RECORDED`].
fn pushed(serial: u64, terms: &[&str], policy: PolicyText) -> Pushed {
    let fake = Fake::start(Flaw::None);
    let mut site = Site::new(&fake.stub.address());
    let mut releases = [("recorded.tar", RECORDED, &[][..]), ("tested.tar", serial, terms)];
    // A store accepts rising serials only.
    releases.sort_by_key(|(_, serial, _)| *serial);
    for (file, serial, terms) in releases {
        let own = ["--serial".to_owned(), serial.to_string()];
        site.terms = own.into_iter().chain(terms.iter().map(|term| (*term).to_owned())).collect();
        site.build(&[&image_of(&[file.as_bytes()])], file, "all");
    }
    write_policy(&site, PolicyText::default());
    let trust = ["--trust", "trust.toml", "--state", "state.json"];
    let recorded = site.run(&[&["verify", "recorded.tar", "--record"][..], &trust].concat());
    assert_eq!(recorded.code, 0, "{}", recorded.stderr);
    write_policy(&site, policy);
    let before = fs_err::read(site.file("state.json")).unwrap();

    let ended = site.run(&[&["push", "tested.tar", "--json"][..], &trust].concat());

    let after = fs_err::read(site.file("state.json")).unwrap();
    Pushed { fake, ended, states: [before, after] }
}

#[test]
fn push_of_new_release_for_site_is_accepted_but_not_recorded() {
    let policy = PolicyText { grant: "minSerial = 43", ..PolicyText::default() };
    let Pushed { fake, ended, states: [before, after] } = pushed(43, &["--site", SITE], policy);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("note: "), "{}", ended.stderr);
    assert!(fake.manifest(RELAY_REPOSITORY, "v1.1.314").is_some());
    assert!(before == after, "the state was written");
}

/// Checks that the images of a bundle are pushed that `apply` would refuse with `code` as new.
#[track_caller]
fn passes_with_note(serial: u64, terms: &[&str], policy: PolicyText, code: &str) {
    let Pushed { fake, ended, states: [before, after] } = pushed(serial, terms, policy);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let note = format!("note: `apply` takes this bundle only where it runs already: {code}: ");
    assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    assert_eq!(ended.json()["sent"], 2);
    assert!(fake.manifest(RELAY_REPOSITORY, "v1.1.314").is_some());
    assert!(before == after, "the state was written");
}

#[test]
fn push_of_expired_bundle_is_noted() {
    let terms = ["--issued", "2001-01-01T00:00:00Z", "--expires", "30d"];
    passes_with_note(43, &terms, PolicyText::default(), "EXPIRED");
}

#[test]
fn push_of_bundle_below_recorded_serial_is_noted() {
    passes_with_note(41, &[], PolicyText::default(), "ROLLBACK");
}

#[test]
fn push_of_bundle_with_retired_key_is_noted() {
    let policy = PolicyText { key: "status = \"retired\"", ..PolicyText::default() };
    passes_with_note(43, &[], policy, "RETIRED_KEY");
}

/// Checks that a bundle is refused before the first request.
#[track_caller]
fn refused(terms: &[&str], policy: PolicyText, code: &str) {
    let Pushed { fake, ended, states: [before, after] } = pushed(43, terms, policy);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert_eq!(ended.json()["code"], code, "{}", ended.stderr);
    assert_eq!(fake.stub.targets(), Vec::<String>::new());
    assert!(before == after, "the state was written");
}

#[test]
fn push_with_revoked_key_sends_no_request() {
    let policy = PolicyText { key: "status = \"revoked\"", ..PolicyText::default() };
    refused(&[], policy, "REVOKED_KEY");
}

#[test]
fn push_of_revoked_content_sends_no_request() {
    let policy = PolicyText { revokes_content: true, ..PolicyText::default() };
    refused(&[], policy, "REVOKED_CONTENT");
}

#[test]
fn push_below_grant_minimum_serial_sends_no_request() {
    let policy = PolicyText { grant: "minSerial = 44", ..PolicyText::default() };
    refused(&[], policy, "BELOW_MIN_SERIAL");
}

#[test]
fn push_of_bundle_for_other_site_sends_no_request() {
    refused(&["--site", "plant-8"], PolicyText::default(), "WRONG_TARGET");
}
