//! `sign`: signs a bundle, here or with a key on another machine.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::ArgGroup;
use serde::Serialize;

use super::args::key::KeyArgs;
use super::args::terms::TermsArgs;
use super::args::trust::{PUBLIC_KEY_BYTES_MAX, parse_key};
use super::ctx::{Ctx, StoreArgs, count};
use super::exit_code::Outcome;
use super::source::{Reference, STDIN, no_stdin, not_built};
use super::{attest, clock};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::fsio::{self, Durability, MODE_PUBLIC};
use crate::signing::draft::{Discarded, Draft, Signed};
use crate::signing::releases::NewTerms;
use crate::signing::target::SigningTarget;
use crate::signing::terms::sites_in_words;
use crate::trust::key::{KeyId, PublicKey, SIGNATURE_BYTES, SignatureBytes};
use crate::trust::sign::parse_signature;
use crate::trust::statement::{Predicate, Statement};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The size limits of a signature file and a payload file, both far above real sizes.
const SIGNATURE_FILE_BYTES_MAX: u64 = 1 << 10;
const PAYLOAD_BYTES_MAX: u64 = 64 << 10;

/// The first bytes of every payload.
const PAYLOAD_HEAD: &[u8] = b"DSSEv1 ";

#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("how").args(["key", "payload", "attach"]).required(true).multiple(true)),
    mut_arg("key", |argument| argument.conflicts_with_all(["payload", "attach"])),
    after_help = "Adds a new statement to an unsigned bundle, or a further signature to the statement of a signed one.

Examples:
  relay-bundle sign @production --key signing.pem              the newest build in the store
  relay-bundle sign prod.tar --key approver.pem                one more signer
  relay-bundle sign prod.tar --key signing.pem --reseal --site plant-7 --expires 30d

With a key on another machine:
  relay-bundle sign prod.tar --payload payload.bin
  openssl pkeyutl -sign -rawin -inkey key.pem -in payload.bin -out payload.sig
  relay-bundle sign prod.tar --attach payload.sig --public-key key.pub.pem --payload payload.bin"
)]
pub struct Args {
    /// The bundle: a folder, an archive, or @NAME in the store
    bundle: String,
    #[command(flatten)]
    key: KeyArgs,
    /// Write the bytes to sign, without changing the bundle; with --attach: the signed bytes
    #[arg(long, value_name = "FILE")]
    payload: Option<Utf8PathBuf>,
    /// Add a signature made on another machine: 64 bytes, or base64
    #[arg(long, value_name = "SIG", requires = "public_key")]
    attach: Option<Utf8PathBuf>,
    /// The public half of the signing key
    #[arg(long, value_name = "PEM", requires = "attach")]
    public_key: Option<Utf8PathBuf>,
    /// Make a new statement, and discard the signatures of the old one
    #[arg(long)]
    reseal: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    terms: TermsArgs,
}

/// The signed statement and its signers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignReport {
    path: Utf8PathBuf,
    content_id: String,
    #[serde(flatten)]
    predicate: Predicate,
    /// All key ids in the attestation. Only the added signature has been verified.
    signers: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<KeyId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discarded: Vec<KeyId>,
    /// The file with the bytes to sign elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Utf8PathBuf>,
}

impl SignReport {
    fn of(place: &SigningTarget, statement: Statement, signers: Vec<KeyId>) -> Self {
        let Statement { content_id, predicate } = statement;
        Self {
            path: place.path().to_owned(),
            content_id: content_id.prefixed(),
            predicate,
            signers,
            signer: None,
            discarded: Vec::new(),
            payload: None,
        }
    }
}

impl Report for SignReport {
    const SCHEMA: &'static str = "sign/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.payload.as_ref().unwrap_or(&self.path))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let place = self.target(ctx)?;
        let (bundle, seen) = place.read()?;
        let releases = place.releases(&bundle, seen.as_deref())?;
        let chosen = self.terms.chosen();
        let terms = NewTerms { chosen: &chosen, now: clock::now()?, releases: &releases };
        let (mut draft, discarded) = self.draft(&bundle, seen, &terms)?;
        for warning in &discarded.warnings {
            ctx.printer.warn(warning);
        }
        ctx.printer.say_lines(&describe(&draft, place.path().as_str()));
        for warning in draft.check_serial(&releases)? {
            ctx.printer.warn(&warning);
        }
        if let (Some(payload), None) = (&self.payload, &self.attach) {
            write_payload(&place, payload, &draft.signed_bytes())?;
            ctx.printer
                .say(&format!("wrote the bytes to sign to {payload}; the bundle is unchanged"));
            let report = SignReport::of(&place, draft.statement.clone(), draft.signers());
            ctx.printer.report(&SignReport { payload: Some(payload.clone()), ..report })?;
            return Ok(ExitCode::SUCCESS);
        }
        let (key, is_new) = self.add(ctx, &mut draft)?;
        // The serial is checked again under the lock, because another release may have got it while
        // the passphrase was typed.
        let _serials = place.lock_serials()?;
        draft.check_serial(&place.releases(&bundle, None)?)?;
        let signed = attest::write(ctx, draft, &place, &key)?;
        say_signed(ctx, &key, is_new, &signed);
        let report = SignReport::of(&place, signed.statement, signed.signers);
        ctx.printer.report(&SignReport {
            signer: Some(key.id()),
            discarded: discarded.signers,
            ..report
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Finds the bundle.
    fn target(&self, ctx: &Ctx) -> Result<SigningTarget, Failure> {
        if self.bundle == STDIN {
            return Err(no_stdin("is not signed"));
        }
        match Reference::of(&self.bundle) {
            Reference::Path(path) => SigningTarget::at(path, ctx.waits()),
            Reference::Entry(reference) => {
                let store = ctx.store(&self.store);
                let (entry, _) = store.open(reference)?;
                Ok(SigningTarget::entry(store, entry, ctx.waits()))
            }
            Reference::Profile(name) => Err(not_built(name, "signed")),
        }
    }

    /// Returns the statement to sign, and the signatures that it discards.
    fn draft(
        &self,
        bundle: &Bundle,
        seen: Option<Vec<u8>>,
        terms: &NewTerms<'_>,
    ) -> Result<(Draft, Discarded), Failure> {
        let is_new = self.reseal || seen.is_none();
        match (&self.attach, &self.payload) {
            (Some(_), Some(payload)) => {
                let payload = fsio::read_bounded(payload, PAYLOAD_BYTES_MAX)?;
                if is_new {
                    let draft = Draft::of_payload(bundle, seen, &payload, terms)?;
                    let discarded = draft.discards(terms.chosen)?;
                    return Ok((draft, discarded));
                }
                let draft = Draft::of(bundle, seen, terms)?;
                if draft.signed_bytes() == payload {
                    return Ok((draft, Discarded::default()));
                }
                Err(Failure::input("the payload is not the statement of the bundle")
                    .hint("write it again and sign that: relay-bundle sign BUNDLE --payload FILE")
                    .hint("or discard the statement of the bundle and its signatures: --reseal"))
            }
            (Some(_), None) if is_new => Err(Failure::input(
                "the signature is for a statement that the bundle does not have",
            )
            .hint("also pass the signed file: --payload FILE")),
            _ if self.reseal => Draft::replacing(bundle, seen, terms),
            _ => Ok((Draft::of(bundle, seen, terms)?, Discarded::default())),
        }
    }

    /// Adds the signature. Returns its key, and whether the signature is new.
    fn add(&self, ctx: &Ctx, draft: &mut Draft) -> Result<(PublicKey, bool), Failure> {
        if let (Some(signature), Some(public)) = (&self.attach, &self.public_key) {
            let public = read_public_key(public)?;
            let is_new = draft.attach(&public, read_signature(signature)?)?;
            return Ok((public, is_new));
        }
        let key = self.key.load(ctx)?;
        let is_new = draft.sign(&key)?;
        Ok((key.public(), is_new))
    }
}

/// Describes a statement before it is signed, in lines.
fn describe(draft: &Draft, bundle: &str) -> String {
    let Statement { content_id, predicate } = &draft.statement;
    let kind = match draft.signers().len() {
        0 => "a new statement".to_owned(),
        signers => format!("the statement that has {}", count(signers, "signature")),
    };
    let expires = predicate
        .expires
        .map_or_else(|| "when the trust policy says".to_owned(), |t| t.to_string());
    let Predicate { bundle: name, profile, namespace, environment, .. } = predicate;
    format!(
        "signing {}: {kind}
  content      sha256:{content_id}
  bundle       {name}, profile {profile}
  namespace    {namespace}, environment {environment}
  files        {}, {} bytes
  serial       {}
  issued       {}
  expires      {expires}
  for          {}",
        safe(bundle),
        predicate.files,
        predicate.bytes,
        predicate.serial,
        predicate.issued,
        sites_in_words(predicate),
    )
}

fn say_signed(ctx: &Ctx, key: &PublicKey, is_new: bool, signed: &Signed) {
    let signatures = count(signed.signers.len(), "signature");
    let verb = if is_new { "signed by" } else { "was already signed by" };
    ctx.printer.say(&format!("{verb} {}; the statement has {signatures}", key.id()));
}

/// Writes the bytes to sign. Replaces an existing file only if it is an earlier payload.
fn write_payload(place: &SigningTarget, path: &Utf8Path, bytes: &[u8]) -> Result<(), Failure> {
    let refuse = |why: &str| {
        Err(Failure::input(format!("`--payload {path}`: {why}")).hint("choose a new file"))
    };
    if place.holds(path) {
        return refuse("the path is inside the bundle, which may not have further files");
    }
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
        Ok(metadata) if !metadata.is_file() => {
            return refuse("it exists, and is not a regular file");
        }
        Ok(_) => {
            let old = fsio::read_bounded(path, PAYLOAD_BYTES_MAX).unwrap_or_default();
            if !old.starts_with(PAYLOAD_HEAD) {
                return refuse("it exists, and was not written by `sign --payload`");
            }
        }
    }
    Ok(fsio::write_atomic(path, bytes, MODE_PUBLIC, Durability::Synced)?)
}

fn read_public_key(path: &Utf8Path) -> Result<PublicKey, Failure> {
    let bytes = fsio::read_bounded(path, PUBLIC_KEY_BYTES_MAX)?;
    // A forged file gains an attacker nothing: the signature must be one by this key.
    parse_key(path, &String::from_utf8_lossy(&bytes))
}

/// Reads a raw signature, as OpenSSL writes it, or one in base64.
fn read_signature(path: &Utf8Path) -> Result<SignatureBytes, Failure> {
    let bytes = fsio::read_bounded(path, SIGNATURE_FILE_BYTES_MAX)?;
    parse_signature(&bytes).ok_or_else(|| {
        Failure::input(format!(
            "`{path}` is not a signature: expected {SIGNATURE_BYTES} bytes, raw or in base64"
        ))
        .hint("to create an Ed25519 signature: openssl pkeyutl -sign -rawin")
    })
}
