//! Signed bundles of the shipped profiles, made in memory and kept for all tests.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use camino::Utf8Path;
use relay_bundle::bundle::assemble::assemble;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::media::archive;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::profile;
use relay_bundle::profile_folder::ProfileFolder;
use relay_bundle::render::render;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PrivateKey;
use relay_bundle::trust::policy::Policy;
use relay_bundle::trust::state::State;
use relay_bundle::trust::statement::{Predicate, Statement};
use relay_bundle::trust::verify::{Verified, verify};
use serde_json::Value;

use crate::fake::CLUSTER_UID;
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};

/// The public key of a recovery recipient.
pub(crate) const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

type Key = (String, Vec<String>, u64);

/// Returns the archive of a profile with these settings, signed with a serial.
#[track_caller]
pub(crate) fn archive_of(profile: &str, settings: &[&str], serial: u64) -> Arc<Vec<u8>> {
    static KNOWN: LazyLock<Mutex<BTreeMap<Key, Arc<Vec<u8>>>>> = LazyLock::new(Mutex::default);
    let settings: Vec<String> = settings.iter().map(|set| (*set).to_owned()).collect();
    let key = (profile.to_owned(), settings.clone(), serial);
    if let Some(known) = KNOWN.lock().unwrap().get(&key) {
        return Arc::clone(known);
    }
    let loaded = profile::load(profile, &settings, &ProfileFolder::new(Utf8Path::new("profiles")));
    let profile = loaded.profile.expect("the settings of a test are right");
    let assembled = assemble(&profile, &render(&profile)).unwrap();
    let statement = statement(&assembled.files, serial);
    let mut envelope = Envelope::unsigned(statement.to_bytes());
    envelope.sign(&PrivateKey::from_seed(&[7; 32])).unwrap();
    let mut bytes = Vec::new();
    archive::write(&mut bytes, Some(&envelope.to_bytes()), &assembled.files).unwrap();
    let bytes = Arc::new(bytes);
    KNOWN.lock().unwrap().insert(key, Arc::clone(&bytes));
    bytes
}

fn statement(files: &BundleFiles, serial: u64) -> Statement {
    let index: Value = serde_json::from_slice(files.get("bundle.json").unwrap().bytes()).unwrap();
    let text = |key: &str| index[key].as_str().unwrap().to_owned();
    let predicate = Predicate {
        bundle: text("name").try_into().unwrap(),
        bytes: files.iter().map(|(_, file)| file.bytes().len() as u64).sum(),
        environment: text("environment").try_into().unwrap(),
        expires: None,
        files: files.iter().len() as u64,
        issued: "2024-01-01T00:00:00Z".parse().unwrap(),
        namespace: text("namespace").try_into().unwrap(),
        profile: text("profile").try_into().unwrap(),
        serial,
        sites: [].into(),
    };
    Statement { content_id: Digest::of(files.sums().encode().as_bytes()), predicate }
}

/// Returns the verified bundle of an archive.
pub(crate) fn verified(archive: &[u8]) -> Verified<relay_bundle::bundle::open::Bundle> {
    let policy = Policy::parse(&policy()).unwrap();
    let authority = Authority::Policy(&policy, &State::default());
    let terms = VerifyTerms { authority, purpose: Purpose::Install, now: now() };
    verify(archive::open(archive).unwrap(), &terms).unwrap()
}

pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

/// Returns a policy that trusts the key of these tests for all bundles on the fake server.
pub(crate) fn policy() -> String {
    let public = PrivateKey::from_seed(&[7; 32]).public();
    let (id, base64) = (public.id(), public.to_base64());
    format!(
        "schema = \"relay-bundle/trust/v1\"\n[target]\nclusterUid = \"{CLUSTER_UID}\"\n[[key]]\nid = \"{id}\"\n\
         public = \"{base64}\"\nholder = \"builder\"\n[[grant]]\n\
         bundles = [\"relay\", \"relay-*\", \"claude-relay\", \"other\"]\n\
         profiles = [\"dev\", \"loki-logging\", \"production\", \"pvc-logs\"]\n\
         environments = [\"dev\", \"production\", \"staging\"]\nkeys = [\"{id}\"]\nthreshold = 1\n"
    )
}
