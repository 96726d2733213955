//! `build`: profiles to bundles in the store.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::archive_file::Target;
use super::ctx::{Ctx, Folder, ProfileArgs, StoreArgs, count};
use super::failure::{Failure, FailureKind, Outcome};
use crate::bundle::assemble::{Assembled, assemble};
use crate::model::digest::Digest;
use crate::profile::overlay::ProfileFiles;
use crate::render;
use crate::store::{Outcome as Stored, Store};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  relay-bundle build production                      into bundles/, and print the path
  relay-bundle build production --check              prove that it can be repeated
  relay-bundle build production --archive prod.tar   also one file to carry
  relay-bundle build --all --store /var/lib/bundles")]
pub struct Args {
    /// The profiles
    #[arg(required_unless_present = "all", value_name = "PROFILE")]
    names: Vec<String>,
    /// Build every profile of the folder; `base` only serves others and is left out
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Build again in other processes, time zones, locales and folders, and compare every byte
    #[arg(long)]
    check: bool,
    /// Also write the bundle into one file
    #[arg(long, value_name = "FILE")]
    archive: Option<Utf8PathBuf>,
    #[command(flatten)]
    profiles: ProfileArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// What was built.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildReport {
    bundles: Vec<Built>,
    /// Profiles that could not be built beside those that could.
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
            return Err(Failure::input("--archive writes one bundle, and several are built")
                .hint("build them one by one"));
        }
        if let (Some(archive), Some(name)) = (&self.archive, names.first()) {
            target(archive, &format!("{name}.tar")).check(&self.store.store)?;
        }
        let store = Store::at(&self.store.store);
        let mut bundles = Vec::with_capacity(names.len());
        let mut failed = Vec::new();
        for name in &names {
            match self.build(ctx, &store, name) {
                Ok(built) => bundles.push(built),
                // The others are still of use, and their mistakes too.
                Err(failure) if names.len() > 1 && failure.kind == FailureKind::Input => {
                    let error = failure.message();
                    ctx.printer.tell(&format!("error: {error}"));
                    failed.push(Failed { profile: name.clone(), error, diagnostics: failure.diagnostics });
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
        // The report has said so already: it is the only document on stdout.
        ctx.printer.tell(&format!("error: {of_all} could not be built"));
        Ok(FailureKind::Input.into())
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        if !self.all {
            return Ok(self.names.clone());
        }
        let mut names = Folder::new(&self.profiles.profiles).names();
        names.retain(|name| name != "base");
        if names.is_empty() {
            return Err(Failure::input(format!("there are no profiles in `{}`", self.profiles.profiles))
                .hint("`--profiles DIR` names their folder"));
        }
        Ok(names)
    }

    fn build(&self, ctx: &Ctx, store: &Store, name: &str) -> Result<Built, Failure> {
        let profile = ctx.load(name, &self.profiles)?;
        let Assembled { index, files } =
            assemble(&profile, &render::render(&profile)).map_err(Failure::input)?;
        if self.check {
            super::check::check(ctx, name, &self.profiles, &files)?;
        }
        let registered = store.register(&files, index.name.as_str(), name)?;
        let signed = files_signed(&registered.path);
        let entry = match &registered.outcome {
            Stored::New => "new",
            Stored::Existed => "existed",
            Stored::Replaced { reason } => {
                ctx.printer.tell(&format!(
                    "warning: the store's entry was not as it was built and has been made again: {reason}"
                ));
                "replaced"
            }
        };
        if let Some(archive) = &self.archive {
            let (_, sums) = store.open(registered.entry.as_str())?;
            let attestation = sums.attestation().map(<[u8]>::to_vec);
            let files = sums.into_files().map_err(Failure::untrusted)?;
            target(archive, "").write(attestation.as_deref(), files, &mut |_| {})?;
        }
        let id = registered.content_id;
        ctx.printer.say(&summary(name, index.name.as_str(), &id, index.objects.len(), signed));
        Ok(Built {
            profile: name.to_owned(),
            path: registered.path,
            content_id: format!("sha256:{id}"),
            objects: index.objects.len(),
            entry,
            signed,
            archive: self.archive.clone(),
        })
    }
}

fn target<'a>(path: &'a Utf8Path, example: &'a str) -> Target<'a> {
    Target { path, option: "--archive ", example }
}

fn files_signed(entry: &Utf8Path) -> bool {
    entry.join(crate::bundle::layout::ATTESTATION).is_file()
}

fn summary(profile: &str, name: &str, id: &Digest, objects: usize, signed: bool) -> String {
    let signature = if signed { "signed" } else { "unsigned" };
    format!("built {name} for {profile}: {}, {signature}, sha256:{id}", count(objects, "object"))
}
