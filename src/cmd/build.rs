//! `build`: renders profiles to bundles in the store.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde_json::Value;

use super::archive_file::Target;
use super::args::key::{KeyArgs, Origin, tell_of_new_pair};
use super::args::terms::TermsArgs;
use super::carry::{self, Cargo, ImageSelection};
use super::ctx::{Ctx, Folder, InvalidProfile, ProfileArgs, StoreArgs, count};
use super::exit_code::Outcome;
use super::{attest, clock, error_report};
use crate::bundle::assemble::{Assembled, assemble};
use crate::bundle::carried::{Carried, Tail};
use crate::bundle::derive::containers;
use crate::bundle::files::BundleFiles;
use crate::bundle::index::Index;
use crate::bundle::open::{Bundle, images_of};
use crate::bundle::read::AnyMedium;
use crate::failure::{Failure, FailureKind};
use crate::media::archive;
use crate::model::digest::Digest;
use crate::model::timestamp::Timestamp;
use crate::profile::overlay::ProfileFiles;
use crate::render;
use crate::render::manifest_set::ManifestSet;
use crate::render::references::pod_template;
use crate::rollout::packed::{COMPRESSED_BYTES_MAX, pack};
use crate::signing::draft::{Draft, Signed, signers, terms_in_words};
use crate::signing::releases::{NewTerms, Releases};
use crate::signing::target::SigningTarget;
use crate::signing::terms::ChosenTerms;
use crate::store::{EntryName, Lock, Outcome as Stored, Store};
use crate::trust::key::{KeyId, PrivateKey};
use crate::ui::printer::Report;
use crate::ui::progress::{Progress, size};

#[derive(Debug, clap::Args)]
#[command(
    mut_args(|argument| match argument.get_id().as_str() {
        "keygen" | "serial" | "issued" | "expires" | "sites" => argument.requires("key"),
        _ => argument,
    }),
    after_help = "Examples:
  relay-bundle build production                      into bundles/, and print the path
  relay-bundle build production --check              prove that it is reproducible
  relay-bundle build production --archive prod.tar   also as one file
  relay-bundle build production --archive prod.tar --images all              with the images
  relay-bundle build production --archive new.tar --images since:prod.tar    only the new layers
  relay-bundle build --all --archives out            one file per profile
  relay-bundle build production --key signing.pem --keygen   signed, with a new key if it is missing
  relay-bundle build --all --store /var/lib/bundles"
)]
pub struct Args {
    /// The profiles to build
    #[arg(required_unless_present = "all", value_name = "PROFILE")]
    names: Vec<String>,
    /// Build every profile of the folder except `base`, which others extend
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Build again in other processes, time zones, locales and folders, and compare every byte
    #[arg(long)]
    check: bool,
    /// Also write the bundle as one file
    #[arg(long, value_name = "FILE", conflicts_with = "archives")]
    archive: Option<Utf8PathBuf>,
    /// Also write each bundle as DIR/PROFILE.tar
    #[arg(long, value_name = "DIR")]
    archives: Option<Utf8PathBuf>,
    /// Images to carry in the archive: all, none, since:FILE or since:@ENTRY (without layers that
    /// FILE or ENTRY lists) [default: none]
    #[arg(long, value_name = "WHAT")]
    images: Option<ImageSelection>,
    #[command(flatten)]
    key: KeyArgs,
    /// Create the key pair first if it does not exist
    #[arg(long)]
    keygen: bool,
    #[command(flatten)]
    profiles: ProfileArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    terms: TermsArgs,
}

/// The signing key, and the time of issue.
struct Signer {
    key: PrivateKey,
    /// One time for all bundles of a run.
    now: Timestamp,
    terms: ChosenTerms,
}

/// The report of a build.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildReport {
    bundles: Vec<Built>,
    /// Profiles that failed to build. The others were built all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    profile: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    profile: String,
    path: Utf8PathBuf,
    content_id: String,
    objects: usize,
    /// `new`, `existed` or `replaced`.
    entry: &'static str,
    signed: bool,
    /// The key ids in the attestation. Only the signature of `--key` has been verified.
    signers: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<Utf8PathBuf>,
}

impl Report for BuildReport {
    const SCHEMA: &'static str = "build/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.bundles.iter().try_for_each(|built| writeln!(out, "{}", built.path))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let names = self.names()?;
        if self.archive.is_some() && names.len() > 1 {
            return Err(Failure::input("--archive writes one bundle, but several are built")
                .hint("write them into a folder: --archives DIR"));
        }
        if self.images.is_some() && self.archive.is_none() && self.archives.is_none() {
            return Err(Failure::input("--images requires --archive or --archives")
                .hint("pass one: --archive FILE"));
        }
        if let Some(folder) = &self.archives {
            fs_err::create_dir_all(folder)?;
        }
        for name in &names {
            if let Some(archive) = self.archive_of(name) {
                self.target(&archive, &format!("{name}.tar")).check(&self.store.store)?;
            }
        }
        let store = ctx.store(&self.store);
        let signer = self.signer(ctx)?;
        let mut bundles = Vec::with_capacity(names.len());
        let mut failed = Vec::new();
        for name in &names {
            match self.build(ctx, &store, name, signer.as_ref()) {
                Ok(built) => bundles.push(built),
                // The remaining profiles are built all the same, and their mistakes reported too.
                Err(failure) if names.len() > 1 && failure.kind == FailureKind::Input => {
                    error_report::tell(&failure, &ctx.printer);
                    let diagnostics =
                        failure.source.downcast_ref().map(InvalidProfile::diagnostics);
                    let (error, diagnostics) = (failure.message(), diagnostics.cloned());
                    failed.push(Failed { profile: name.clone(), error, diagnostics });
                }
                Err(failure) => return Err(failure),
            }
        }
        let of_all = format!("{} of {}", count(failed.len(), "profile"), names.len());
        let report = BuildReport { bundles, failed };
        ctx.printer.report(&report)?;
        if report.failed.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        // No second document may go to stdout, where the report has the failures already.
        ctx.printer.tell(&format!("error: {of_all} could not be built"));
        Ok(FailureKind::Input.into())
    }

    /// Returns the path of a profile's archive, if one is written.
    fn archive_of(&self, name: &str) -> Option<Utf8PathBuf> {
        let in_folder = self.archives.as_ref().map(|folder| folder.join(format!("{name}.tar")));
        self.archive.clone().or(in_folder)
    }

    fn target<'a>(&self, path: &'a Utf8Path, example: &'a str) -> Target<'a> {
        let option = if self.archives.is_some() { "--archives: " } else { "--archive " };
        Target { path, option, example }
    }

    /// Selects the images for the archive, before anything is stored or signed.
    fn choose_images(
        &self,
        ctx: &Ctx,
        store: &Store,
        index: &Index,
        files: &BundleFiles,
    ) -> Result<(BTreeSet<Digest>, Option<Lock>), Failure> {
        let images = images_of(files).map_err(Failure::bug)?;
        if self.images.is_none() && images.is_some() {
            ctx.printer.say("the archive has no images; pass `--images all` to add them");
        }
        let wanted = self.images.as_ref().unwrap_or(&ImageSelection::None);
        let carry =
            carry::choose(ctx, &self.store, (index.name.as_str(), images.as_ref()), wanted)?;
        let Some(images) = &images else { return Ok((carry, None)) };
        let fetch = self.store.fetch_line(index.profile.as_str());
        let lock =
            carry::check_there(&store.blobs(), images, &carry, (&Carried::default(), &fetch))?;
        Ok((carry, lock))
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        if !self.all {
            return Ok(self.names.clone());
        }
        let mut names = Folder::new(&self.profiles.profiles).names();
        names.retain(|name| name != "base");
        if names.is_empty() {
            return Err(Failure::input(format!(
                "folder `{}` has no profiles",
                self.profiles.profiles
            ))
            .hint("pass the folder of the profiles: --profiles DIR"));
        }
        Ok(names)
    }

    /// Reads or generates the key, if the bundles are signed.
    fn signer(&self, ctx: &Ctx) -> Result<Option<Signer>, Failure> {
        let Some(path) = &self.key.key else { return Ok(None) };
        let now = clock::now()?;
        let terms = self.terms.chosen();
        // Wrong terms are refused before a passphrase is asked for.
        terms.terms(now)?;
        let key = if self.keygen {
            let (key, origin) = self.key.load_or_make(ctx)?;
            if origin == Origin::Made {
                let given = &self.key.passphrase;
                let is_encrypted = given.passphrase_file.is_some() || given.passphrase_fd.is_some();
                tell_of_new_pair(path, is_encrypted, &key.public(), ctx);
            }
            key
        } else {
            self.key.load(ctx)?
        };
        Ok(Some(Signer { key, now, terms }))
    }

    fn build(
        &self,
        ctx: &Ctx,
        store: &Store,
        name: &str,
        signer: Option<&Signer>,
    ) -> Result<Built, Failure> {
        let profile = ctx.load(name, &self.profiles)?;
        let set = render::render(&profile);
        let Assembled { index, files } = assemble(&profile, &set).map_err(Failure::input)?;
        if self.check {
            super::check::check(ctx, name, &self.profiles, &files)?;
        }
        check_recordable(&files)?;
        if !matches!(self.images, None | Some(ImageSelection::None)) {
            warn_of_pulls(ctx, &set);
        }
        let archive = self.archive_of(name);
        let carry =
            archive.as_ref().map(|_| self.choose_images(ctx, store, &index, &files)).transpose()?;
        // Held until the bundle is signed, so that the profile's link and the highest serial belong
        // to the same build.
        let serials = signer.map(|_| store.lock_serials()).transpose()?;
        let registered = store.register(&files, index.name.as_str(), name)?;
        let entry = match &registered.outcome {
            Stored::New => "new",
            Stored::Existed => "existed",
            Stored::Replaced { reason } => {
                ctx.printer
                    .warn(&format!("the store entry was altered and has been rebuilt: {reason}"));
                "replaced"
            }
        };
        let id = registered.content_id;
        let place = SigningTarget::entry(store.clone(), registered.entry.clone(), ctx.waits());
        let (signature, signers) = match signer {
            Some(signer) => sign_entry(ctx, (store, &place), files, signer)?,
            None => signatures(ctx, &place, id)?,
        };
        drop(serials);
        if let (Some(archive), Some((carry, _lock))) = (&archive, carry) {
            let target = self.target(archive, "");
            let fetch = self.store.fetch_line(&format!("@{}", registered.entry));
            write_archive(ctx, store, &registered.entry, (&target, carry, fetch))?;
        }
        let objects = count(index.objects.len(), "object");
        let state = if signers.is_empty() { "unsigned" } else { "signed" };
        ctx.printer
            .say(&format!("built {} for {name}: {objects}, {state}, sha256:{id}", index.name));
        ctx.printer.say(&signature);
        Ok(Built {
            profile: name.to_owned(),
            path: registered.path,
            content_id: id.prefixed(),
            objects: index.objects.len(),
            entry,
            signed: !signers.is_empty(),
            signers,
            archive,
        })
    }
}

/// Signs an entry of the store. The caller holds the lock for serials.
///
/// Returns a sentence about the signature, and the key ids of all signers.
fn sign_entry(
    ctx: &Ctx,
    entry: (&Store, &SigningTarget),
    files: BundleFiles,
    signer: &Signer,
) -> Result<(String, Vec<KeyId>), Failure> {
    let (store, place) = entry;
    let bundle = Bundle::of_files(files).map_err(Failure::bug)?;
    let seen = place.open()?.attestation().map(<[u8]>::to_vec);
    let was_attested = seen.is_some();
    let releases = Releases::of_store(store, &bundle.index)?;
    let terms = NewTerms { chosen: &signer.terms, now: signer.now, releases: &releases };
    let mut draft = Draft::of_build(&bundle, seen, &terms)?;
    let public = signer.key.public();
    let kept = draft.keeps_statement();
    let mut warnings = draft.superseded(place, public.id());
    warnings.extend(draft.check_serial(&releases)?);
    let is_new = draft.sign(&signer.key)?;
    let Signed { statement, signers } = attest::write(ctx, draft, place, &public)?;
    let serial = statement.predicate.serial;
    if kept && let Some(newer) = releases.newest().filter(|newest| *newest > serial) {
        warnings.push(format!(
            "the existing statement has serial {serial}, but the store has a release with serial {newer}: a place that has accepted it refuses this one (ROLLBACK). To release this content again, build it without --serial"
        ));
    }
    for warning in &warnings {
        ctx.printer.warn(warning);
    }
    let verb = match (was_attested, kept, is_new) {
        (true, true, true) => "kept the existing statement; signed by",
        (true, true, false) => "kept the existing statement; already signed by",
        (true, false, _) => {
            "made a new statement, because other content was released since; signed by"
        }
        (false, ..) => "signed by",
    };
    Ok((format!("{verb} {}: {}", public.id(), terms_in_words(&statement.predicate)), signers))
}

/// Warns of containers whose pull policy makes nodes ask a registry even for images that they have.
fn warn_of_pulls(ctx: &Ctx, set: &ManifestSet) {
    let templates = set.iter().filter_map(|manifest| pod_template(&manifest.object));
    let pulls = |container: &&Value| {
        container.get("imagePullPolicy").and_then(Value::as_str) == Some("Always")
    };
    let names: BTreeSet<&str> = templates
        .flat_map(containers)
        .filter(pulls)
        .filter_map(|container| container.get("name")?.as_str())
        .collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.into_iter().collect();
        ctx.printer.warn(&format!(
            "the pull policy of {} is Always: nodes pull from a registry although the archive has \
             the image",
            names.join(", ")
        ));
    }
}

/// Rejects a bundle that `apply` could not record in the cluster.
fn check_recordable(files: &BundleFiles) -> Result<(), Failure> {
    let mut archive = Vec::new();
    archive::write(&mut archive, None, files)?;
    // Compression takes time, and an archive within the limit fits even uncompressed.
    if archive.len() > COMPRESSED_BYTES_MAX {
        pack(&archive).map_err(Failure::input)?;
    }
    Ok(())
}

/// Writes an entry of the store to an archive, with the given manifests, configs and layers.
fn write_archive(
    ctx: &Ctx,
    store: &Store,
    entry: &EntryName,
    (target, carry, fetch): (&Target<'_>, BTreeSet<Digest>, String),
) -> Result<(), Failure> {
    let (_, sums) = store.open(entry.as_str())?;
    let attestation = sums.attestation().map(<[u8]>::to_vec);
    let contents = sums.into_files()?.read_to_end()?;
    let images = images_of(&contents.files).map_err(Failure::bug)?;
    let (attestation, files, images) = (attestation.as_deref(), &contents.files, images.as_ref());
    let cargo = Cargo { attestation, files, images, carry, fetch };
    let total = cargo.size();
    if !cargo.carry.is_empty() {
        ctx.printer.say(&format!("writing {} with images to `{}`", size(total), target.path));
    }
    let mut progress = Progress::new(&ctx.printer, "written", Some(total));
    target.write(ctx, &mut |bytes| progress.advance(bytes), |out| {
        cargo.write(out, None::<Tail<AnyMedium>>, &store.blobs())
    })?;
    Ok(())
}

/// Returns the existing signatures of an entry that is not signed now, in words and as key ids.
fn signatures(
    ctx: &Ctx,
    place: &SigningTarget,
    content_id: Digest,
) -> Result<(String, Vec<KeyId>), Failure> {
    let opened = place.open()?;
    let path = place.path();
    let Some(attestation) = opened.attestation() else {
        return Ok((format!("sign it: relay-bundle sign {path} --key signing.pem"), Vec::new()));
    };
    match signers(attestation, content_id) {
        Ok(signers) => {
            let signatures = count(signers.len(), "signature");
            Ok((format!("kept its {signatures} (not verified here)"), signers))
        }
        Err(why) => {
            ctx.printer.warn(&format!("the existing attestation is invalid: {why}"));
            Ok((
                format!("make a new one: relay-bundle sign {path} --reseal --key signing.pem"),
                Vec::new(),
            ))
        }
    }
}
