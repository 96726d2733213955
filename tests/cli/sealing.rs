//! Signed bundles, trust policies and states for tests, for a builder and an operator.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::bundle::open::Bundle;
use relay_bundle::media::archive;
use relay_bundle::model::timestamp::{DAY_SECONDS, Timestamp};
use relay_bundle::store::folder;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PrivateKey;
use relay_bundle::trust::statement::{Predicate, Statement};

use crate::env::TestEnv;

/// The site of the policies.
pub(crate) const SITE: &str = "plant-7";

/// Returns the key of a holder.
pub(crate) fn key(name: &str) -> PrivateKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    PrivateKey::from_seed(&seed)
}

/// Returns a `[[key]]` of a policy; `more` is appended.
pub(crate) fn policy_key(name: &str, more: &str) -> String {
    let public = key(name).public();
    let (id, base64) = (public.id(), public.to_base64());
    format!("[[key]]\nid = \"{id}\"\npublic = \"{base64}\"\nholder = \"{name}\"\n{more}\n")
}

/// Returns a `[[grant]]` for any bundle; `more` is appended.
pub(crate) fn policy_grant(names: &[&str], threshold: usize, more: &str) -> String {
    let ids: Vec<String> =
        names.iter().map(|name| format!("\"{}\"", key(name).public().id())).collect();
    format!(
        "[[grant]]\nbundles = [\"relay\"]\nprofiles = [\"web\", \"dev\"]\nenvironments = [\"production\", \"dev\"]\n\
         keys = [{}]\nthreshold = {threshold}\n{more}\n",
        ids.join(", ")
    )
}

/// Returns a policy: `head`, then keys and grants.
pub(crate) fn policy(head: &str, parts: &[String]) -> String {
    format!("schema = \"relay-bundle/trust/v1\"\n{head}\n{}", parts.concat())
}

/// Returns the time in this many days.
pub(crate) fn days_from_now(days: i64) -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the program under test asks the same clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seconds = now.checked_add_signed(days * i64::try_from(DAY_SECONDS).unwrap()).unwrap();
    Timestamp::from_seconds(seconds).unwrap()
}

impl TestEnv {
    /// Writes a file that no other user can change, independent of the umask.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.path().join(name);
        fs_err::write(&path, content).unwrap();
        set_mode(&path, 0o644);
        path
    }

    /// Writes `trust.toml`: for the site, one signature by the builder is enough.
    pub(crate) fn trust_builder(&self) {
        let target = format!("[target]\nsite = \"{SITE}\"\n[policy]\nmaxAgeDays = 180\n");
        let parts = [policy_key("builder", ""), policy_grant(&["builder"], 1, "")];
        self.write("trust.toml", policy(&target, &parts));
    }

    /// Builds profile `web` and writes it, signed by `names`, to the archive `name`; `edit` changes
    /// the predicate before it is signed.
    pub(crate) fn seal(
        &self,
        name: &str,
        names: &[&str],
        edit: impl FnOnce(&mut Predicate),
    ) -> Utf8PathBuf {
        self.seal_entry(&self.build(&["web"]), name, names, edit)
    }

    /// Like [`TestEnv::seal`], for an entry of the store, which keeps the attestation.
    pub(crate) fn seal_entry(
        &self,
        entry: &Utf8Path,
        name: &str,
        names: &[&str],
        edit: impl FnOnce(&mut Predicate),
    ) -> Utf8PathBuf {
        let mut statement = statement(&read(entry));
        edit(&mut statement.predicate);
        let attestation = envelope(&statement, names).to_bytes();
        let file = entry.join("attestation.dsse.json");
        fs_err::write(&file, &attestation).unwrap();
        set_mode(&file, 0o644);
        self.pack(entry, name, Some(&attestation))
    }

    /// Writes the archive `name` of a folder.
    pub(crate) fn pack(
        &self,
        entry: &Utf8Path,
        name: &str,
        attestation: Option<&[u8]>,
    ) -> Utf8PathBuf {
        let files = folder::open(entry).unwrap().read_sums().unwrap().into_files().unwrap();
        let mut bytes = Vec::new();
        archive::write(&mut bytes, attestation, &files.read_to_end().unwrap().files).unwrap();
        self.write(name, bytes)
    }
}

/// Returns the statement about a bundle, issued now.
pub(crate) fn statement(bundle: &Bundle) -> Statement {
    let issued = days_from_now(0);
    let index = &bundle.index;
    let predicate = Predicate {
        bundle: index.name.clone(),
        bytes: bundle.bytes,
        environment: index.environment.clone(),
        expires: None,
        files: bundle.sums.len() as u64,
        issued,
        namespace: index.namespace.clone(),
        profile: index.profile.clone(),
        serial: issued.seconds(),
        sites: BTreeSet::new(),
    };
    Statement { content_id: bundle.content_id, predicate }
}

pub(crate) fn envelope(statement: &Statement, names: &[&str]) -> Envelope {
    let mut envelope = Envelope::unsigned(statement.to_bytes());
    for name in names {
        envelope.sign(&key(name)).unwrap();
    }
    envelope
}

/// Reads the bundle in a folder.
pub(crate) fn read(entry: &Utf8Path) -> Bundle {
    let files = folder::open(entry).unwrap().read_sums().unwrap().into_files().unwrap();
    Bundle::open(files.read_to_end().unwrap()).unwrap()
}

pub(crate) fn set_mode(path: &Utf8Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
