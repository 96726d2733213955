//! Arguments that name a bundle: a file, a folder, an entry of the store, or a profile.

use std::io;

use crate::build;
use crate::cmd::ctx::{Ctx, ProfileArgs, StoreArgs};
use crate::failure::Failure;
use crate::media::argument::{BundleArgument, check_not_stdin, located, other_meanings};
use crate::media::unverified_bundle::UnverifiedBundle;
use crate::profile::overlay::ProfileFiles;
use crate::profile_folder::ProfileFolder;

/// How bundle arguments are interpreted, for the help of commands.
pub(in crate::cmd) const HELP: &str = "A bundle is one of:
  production            the current profile, rendered in memory
  @production           the newest build of the profile in the store
  @1f0c9a2b             an entry of the store, by the start of its id, or name
  sha256:1f0c9a2b…      the same
  prod.tar, ./FILE      an archive; names with `/` or with `.tar` are paths
  prod.tar.parts        an archive in parts, by their index
  bundles/production/   a folder";

/// Where profiles and the store are.
#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct SourceArgs {
    #[command(flatten)]
    pub(in crate::cmd) profiles: ProfileArgs,
    #[command(flatten)]
    pub(in crate::cmd) store: StoreArgs,
}

impl SourceArgs {
    /// Returns the bundle that `argument` names. Its signatures are not verified.
    pub(in crate::cmd) fn open(
        &self,
        ctx: &Ctx,
        argument: &str,
    ) -> Result<UnverifiedBundle, Failure> {
        self.open_from(ctx, argument, &ProfileFolder::new(&self.profiles.profiles))
    }

    /// Like [`SourceArgs::open`], but reads a profile from `files`.
    pub(in crate::cmd) fn open_from(
        &self,
        ctx: &Ctx,
        argument: &str,
        files: &dyn ProfileFiles,
    ) -> Result<UnverifiedBundle, Failure> {
        check_not_stdin(argument, "is not read")?;
        let store = &self.store.store;
        match BundleArgument::of(&located(argument, Some(&self.profiles.profiles))) {
            BundleArgument::Profile(name) => {
                let profile = ctx
                    .load_from(name, &self.profiles, files)
                    .map_err(|failure| other_meanings(name, store, failure))?;
                let path = self.profiles.profiles.join(format!("{name}.toml"));
                Ok(UnverifiedBundle::of_profile(build::in_memory(&profile)?, &path, store))
            }
            built => UnverifiedBundle::read(built.open(store, "read")?),
        }
    }
}

/// Tells the operator that the images in an archive were not hashed.
pub(in crate::cmd) fn tell_carried(ctx: &Ctx, bundle: &UnverifiedBundle) -> io::Result<()> {
    if let Some(images) = bundle.carried_images()? {
        ctx.printer.say(&format!("{}: {images}", bundle.origin));
    }
    Ok(())
}
