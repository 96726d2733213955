//! `build`: renders profiles to bundles in the store.

mod bundle;
mod report;
mod signer;

use std::process::ExitCode;

use camino::Utf8PathBuf;

use self::report::{BuildReport, Failed};
use super::args::key::KeyArgs;
use super::args::terms::TermsArgs;
use super::ctx::{Ctx, ProfileArgs, StoreArgs};
use super::error_report;
use super::exit_code::Outcome;
use crate::build::archive_files::ArchiveFiles;
use crate::build::event::BuildEvent;
use crate::build::reproduce::ProfileSource;
use crate::build::{Archives, Builder};
use crate::failure::{Failure, FailureKind};
use crate::model::words::count;
use crate::profile_folder::ProfileFolder;
use crate::transfer::cargo::ImageSelection;

#[derive(Debug, clap::Args)]
#[command(
    mut_args(|argument| match argument.get_id().as_str() {
        "keygen" | "serial" | "issued" | "expires" | "sites" => argument.requires("key"),
        _ => argument,
    }),
    after_long_help = "Examples:
  relay-bundle build production            into bundles/, and print the path
  relay-bundle build production --check    prove that it is reproducible
  relay-bundle build --all --archives out  one file per profile

Also as one file, as one with the images, and as one with the new layers:
  relay-bundle build production --archive prod.tar
  relay-bundle build production --archive prod.tar --images all
  relay-bundle build production --archive new.tar --images since:prod.tar

Signed, with a new key if it is missing:
  relay-bundle build production --key signing.pem --keygen"
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

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let names = self.names()?;
        let archives = self.images()?;
        self.files().check(&names, &self.store.store)?;

        let store = ctx.store(&self.store);
        let signer = self.signer(ctx)?;
        let observe = |event: &BuildEvent<'_>| ctx.observe_build(event);
        let builder = Builder {
            store: &store,
            signer: signer.as_ref(),
            reproduce: self.reproduce(),
            archives,
            waits: ctx.waits(),
            observe: &observe,
        };
        let mut report =
            BuildReport { bundles: Vec::with_capacity(names.len()), failed: Vec::new() };
        for name in &names {
            match self.build(ctx, &builder, name) {
                Ok(built) => report.bundles.push(built),
                // The remaining profiles are built all the same, and their mistakes reported too.
                Err(failure) if names.len() > 1 && failure.kind == FailureKind::Input => {
                    error_report::tell(&failure, &ctx.printer);
                    report.failed.push(Failed::of(name, &failure));
                }
                Err(failure) => return Err(failure),
            }
        }

        ctx.printer.report(&report)?;
        if report.failed.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        // No second document may go to stdout, where the report has the failures already.
        let failed = count(report.failed.len(), "profile");
        ctx.printer.error(&format!("{failed} of {} could not be built", names.len()));
        Ok(FailureKind::Input.into())
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        if self.all {
            return ProfileFolder::new(&self.profiles.profiles).buildable();
        }
        Ok(self.names.clone())
    }

    fn files(&self) -> ArchiveFiles<'_> {
        match (&self.archive, &self.archives) {
            (Some(file), _) => ArchiveFiles::One(file),
            (None, Some(folder)) => ArchiveFiles::Folder(folder),
            (None, None) => ArchiveFiles::None,
        }
    }

    fn images(&self) -> Result<Archives<'_>, Failure> {
        match (&self.images, self.files()) {
            (Some(_), ArchiveFiles::None) => {
                Err(Failure::input("--images requires --archive or --archives")
                    .hint("pass one: --archive FILE"))
            }
            (Some(images), _) => Ok(Archives::With(images)),
            (None, ArchiveFiles::None) => Ok(Archives::None),
            (None, _) => Ok(Archives::WithoutImages),
        }
    }

    fn reproduce(&self) -> Option<ProfileSource<'_>> {
        let ProfileArgs { profiles, set, .. } = &self.profiles;
        self.check.then_some(ProfileSource { profiles, set })
    }
}
