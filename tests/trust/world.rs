//! Signed bundles in memory, made of the shipped profiles, and a medium that records which parts of
//! them are read, and when.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use camino::Utf8Path;
use relay_bundle::bundle::assemble::assemble;
use relay_bundle::bundle::content::Content as FileContent;
use relay_bundle::bundle::fault::{Fault, ReadError};
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::medium::{Medium, SealedMedium, Unlisted};
use relay_bundle::bundle::open::Bundle;
use relay_bundle::bundle::read::Opening;
use relay_bundle::bundle::sums::Sums;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::profile;
use relay_bundle::profile_folder::ProfileFolder;
use relay_bundle::render::render;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PrivateKey;
use relay_bundle::trust::policy::Policy;
use relay_bundle::trust::refusal::Refusal;
use relay_bundle::trust::state::State;
use relay_bundle::trust::statement::{Predicate, Statement};
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};
use relay_bundle::trust::verify::{Verified, VerifyError, verify};
use serde_json::Value;

/// The outcome of a successful verification, among the codes of refusals.
pub(crate) const ACCEPTED: &str = "ACCEPTED";

/// The time of issue of these tests' bundles.
pub(crate) const ISSUED: &str = "2026-11-22T10:00:00Z";

pub(crate) static DEV: LazyLock<Content> = LazyLock::new(|| Content::of_profile("profiles", "dev"));
pub(crate) static PRODUCTION: LazyLock<Content> =
    LazyLock::new(|| Content::of_profile("profiles", "production"));

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

/// The files of a bundle, valid or not, as they may lie on a medium.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub attestation: Option<Vec<u8>>,
    pub sums: Vec<u8>,
    pub files: BTreeMap<String, Vec<u8>>,
    /// The image layout behind the files.
    pub layout: Vec<(String, Vec<u8>)>,
}

impl Content {
    /// Builds a profile of a folder.
    pub(crate) fn of_profile(folder: &str, name: &str) -> Self {
        let loaded = profile::load(name, &[], &ProfileFolder::new(Utf8Path::new(folder)));
        let profile = loaded.profile.expect("the profiles of the repository are right");
        let bundle =
            assemble(&profile, &render(&profile)).expect("what is rendered makes a bundle");
        Self::of_files(&bundle.files, Vec::new())
    }

    /// Takes the files of a bundle, and an image layout.
    pub(crate) fn of_files(files: &BundleFiles, layout: Vec<(String, Vec<u8>)>) -> Self {
        let files = files.iter().map(|(path, file)| (path.to_string(), file.bytes().to_vec()));
        let mut content =
            Self { attestation: None, sums: Vec::new(), files: files.collect(), layout };
        content.list();
        content
    }

    /// Writes `SHA256SUMS` for the current files.
    pub(crate) fn list(&mut self) {
        let digests =
            self.files.iter().map(|(path, bytes)| format!("{}  {path}\n", Digest::of(bytes)));
        self.sums = digests.collect::<String>().into_bytes();
    }

    pub(crate) fn document(&self, path: &str) -> Value {
        serde_json::from_slice(&self.files[path]).expect("documents are JSON")
    }

    /// Returns an honest signer's statement about these files.
    pub(crate) fn statement(&self) -> Statement {
        let index = self.document("bundle.json");
        let text = |key: &str| index[key].as_str().expect("the index has strings").to_owned();
        Statement {
            content_id: Digest::of(&self.sums),
            predicate: Predicate {
                bundle: text("name").try_into().unwrap(),
                bytes: self.files.values().map(|bytes| bytes.len() as u64).sum(),
                environment: text("environment").try_into().unwrap(),
                expires: None,
                files: self.files.len() as u64,
                issued: time(ISSUED),
                namespace: text("namespace").try_into().unwrap(),
                profile: text("profile").try_into().unwrap(),
                serial: 100,
                sites: [].into(),
            },
        }
    }

    /// Returns another bundle's honest statement with the number, bytes and digest of these files.
    pub(crate) fn statement_like(&self, honest: &Statement) -> Statement {
        let bytes = self.files.values().map(|bytes| bytes.len() as u64).sum();
        let predicate =
            Predicate { bytes, files: self.files.len() as u64, ..honest.predicate.clone() };
        Statement { content_id: Digest::of(&self.sums), predicate }
    }

    /// Signs a statement, true or not.
    #[must_use]
    pub(crate) fn signed(mut self, statement: &Statement, keys: &[&PrivateKey]) -> Self {
        let mut envelope = Envelope::unsigned(statement.to_bytes());
        for key in keys {
            envelope.sign(key).unwrap();
        }
        self.attestation = Some(envelope.to_bytes());
        self
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// How far a bundle is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Attestation,
    Sums,
    Files,
    Images,
}

/// A bundle in memory. Reading beyond `until` fails the test.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    content: &'a Content,
    rest: &'a [u8],
    /// The number of opened files of the layout.
    opened: usize,
    until: Step,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(content: &'a Content, until: Step) -> Self {
        Self { content, rest: &[], opened: 0, until }
    }

    fn enter(&self, step: Step) {
        assert!(step <= self.until, "{step:?} was read before the bundle was trusted that far");
    }
}

impl Medium for Memory<'_> {
    fn begin(&mut self, sums: &Sums) -> Result<(), ReadError> {
        self.enter(Step::Files);
        match self.content.files.keys().find(|path| sums.get(path).is_none()) {
            Some(name) => Err(Fault::Extra { name: name.clone() }.into()),
            None => Ok(()),
        }
    }

    fn open_file(
        &mut self,
        path: &SafePath,
        _: &Sums,
    ) -> Result<(u64, &mut dyn FileContent), ReadError> {
        self.enter(Step::Files);
        let bytes = self.content.files.get(path.as_str());
        self.rest = bytes.ok_or_else(|| Fault::Missing { path: path.to_string() })?;
        Ok((self.rest.len() as u64, &mut self.rest))
    }

    fn next_file(&mut self) -> Result<Option<Unlisted<'_>>, ReadError> {
        if self.content.layout.is_empty() {
            return Ok(None);
        }
        self.enter(Step::Images);
        let Some((name, bytes)) = self.content.layout.get(self.opened) else { return Ok(None) };
        self.opened += 1;
        self.rest = bytes;
        Ok(Some(Unlisted {
            name: name.clone(),
            bytes: bytes.len() as u64,
            content: &mut self.rest,
        }))
    }
}

impl SealedMedium for Memory<'_> {
    fn read_attestation(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.content.attestation.clone())
    }

    fn read_sums(&mut self) -> Result<Vec<u8>, ReadError> {
        self.enter(Step::Sums);
        Ok(self.content.sums.clone())
    }
}

/// Verifies a bundle that must not be read beyond `until`.
pub(crate) fn verify_until(
    content: &Content,
    terms: &VerifyTerms<'_>,
    until: Step,
) -> Result<Verified<Bundle>, Refusal> {
    let opening = Opening::new(Memory::new(content, until)).unwrap();
    verify(opening, terms).map_err(|error| match error {
        VerifyError::Refused(refusal) => refusal,
        VerifyError::Unread(error) => panic!("memory can always be read: {error}"),
    })
}

/// Returns the code of an outcome.
pub(crate) fn code_of<T>(outcome: &Result<T, Refusal>) -> &'static str {
    outcome.as_ref().map_or_else(|refusal| refusal.reason.code(), |_| ACCEPTED)
}

/// Verifies with one key that is trusted for everything, an hour after the bundle was issued.
pub(crate) fn verify_by_key(
    content: &Content,
    trusted: &PrivateKey,
) -> Result<Verified<Bundle>, Refusal> {
    let public = trusted.public();
    let now = time(ISSUED).plus_seconds(3600);
    let terms = VerifyTerms { authority: Authority::Key(&public), purpose: Purpose::Install, now };
    verify_until(content, &terms, Step::Images)
}

/// Returns a policy under which one key may sign anything.
pub(crate) fn policy_of(key: &PrivateKey) -> Policy {
    let (id, public) = (key.public().id(), key.public().to_base64());
    let [bundle, profile] = [&*DEV, &*PRODUCTION]
        .map(|content| content.statement().predicate.bundle)
        .map(|name| name.to_string());
    let text = format!(
        "schema = \"relay-bundle/trust/v1\"\n[[key]]\nid = \"{id}\"\npublic = \"{public}\"\nholder = \"builder\"\n\
         [[grant]]\nbundles = [\"{bundle}\", \"{profile}\"]\nprofiles = [\"dev\", \"production\"]\n\
         environments = [\"dev\", \"production\"]\nkeys = [\"{id}\"]\nthreshold = 1\n"
    );
    Policy::parse(&text).unwrap()
}

/// Verifies under such a policy, with an empty state.
pub(crate) fn verify_by_policy(
    content: &Content,
    trusted: &PrivateKey,
) -> Result<Verified<Bundle>, Refusal> {
    let (policy, state) = (policy_of(trusted), State::default());
    let now = time(ISSUED).plus_seconds(3600);
    let terms = VerifyTerms {
        authority: Authority::Policy(&policy, &state),
        purpose: Purpose::Install,
        now,
    };
    verify_until(content, &terms, Step::Images)
}
