//! `lock`: resolves the tag of each image to a digest, and keeps the digests in `images.lock`.

mod report;

use std::process::ExitCode;

use camino::Utf8PathBuf;

use super::args::registry::PullArgs;
use super::ctx::{Ctx, ProfileArgs};
use super::exit_code::{DIFFERS, Outcome};
use crate::failure::Failure;
use crate::images::platform::Platform;
use crate::model::text::Label;
use crate::model::words::count;
use crate::profile::resolve::Profile;
use crate::profile_folder::ProfileFolder;
use crate::transfer::event::TransferEvent;
use crate::transfer::lock::{ImageUsers, LockFile, RenewalOptions, image_users};

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Pins the images of the given profiles, and of those already listed in the lock (images.lock in the \
folder of the profiles). A pinned digest changes only with --update, even if the tag has moved. \
Arguments after --update are images: pass profiles before it. To unlock a profile, delete its name \
from `profiles` in the lock and run `lock` again; to unlock the last one, delete the file.

Examples:
  relay-bundle lock production    pin images that are not pinned
  relay-bundle lock --update      look up every image again
  relay-bundle lock --update docker.io/redis
  relay-bundle lock --update --platform linux/arm64
  relay-bundle lock production --from ghcr.io=mirror.internal:5000/ghcr
  relay-bundle lock --check       in CI: is every image pinned?"
)]
pub struct Args {
    /// Profiles to add to the lock [default: those that it lists; all but `base` if there is no
    /// lock]
    #[arg(value_name = "PROFILE")]
    names: Vec<Label>,
    /// Look up images again: all, or those with this repository or reference; repeatable
    #[arg(long, value_name = "NAME", num_args = 0..)]
    update: Option<Vec<String>>,
    /// The platform to pin, such as linux/arm64 [default: that of the lock, or linux/amd64]
    #[arg(long)]
    platform: Option<Platform>,
    /// Compare the lock with the profiles, without a network; exit code 1 if an image is missing or
    /// superfluous
    #[arg(long, conflicts_with_all = ["update", "platform", "from"])]
    check: bool,
    /// The folder of the profiles
    #[arg(long, value_name = "DIR", default_value = "profiles")]
    profiles: Utf8PathBuf,
    #[command(flatten)]
    registry: PullArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let observe = |event: &TransferEvent<'_>| ctx.observe_transfer(event);
        let file = if self.check {
            LockFile::read(&self.profiles)?
        } else {
            LockFile::hold(&self.profiles, &ctx.waits(), &observe)?
        };
        let listed = file.listed(&self.names)?;
        let folder = ProfileFolder::unprepared(&self.profiles);
        let profiles = listed.iter().map(|name| self.load(ctx, name, &folder));
        let profiles: Vec<Profile> = profiles.collect::<Result<_, _>>()?;
        let users = image_users(&profiles)?;
        if self.check {
            return self.compare(ctx, &file, &users, &profiles);
        }
        let options = RenewalOptions { update: self.update, platform: self.platform };
        let mut renewal = file.renew(listed, &users, &options)?;
        if renewal.needs_registry() {
            renewal.look_up(&self.registry.client(ctx)?, &observe)?;
        }
        ctx.printer.report(&renewal.write()?)?;
        Ok(ExitCode::SUCCESS)
    }

    fn compare(
        &self,
        ctx: &Ctx,
        file: &LockFile<'_>,
        users: &ImageUsers,
        profiles: &[Profile],
    ) -> Outcome {
        let comparison = file.compare(users, profiles)?;
        if comparison.complete {
            // The lock may still disagree with a profile.
            let folder = ProfileFolder::new(&self.profiles);
            for profile in profiles {
                self.load(ctx, &profile.name, &folder)?;
            }
        }
        ctx.printer.report(&comparison)?;
        if comparison.complete {
            let images = count(comparison.locked, "image");
            ctx.printer.say(&format!("{images} locked for {}", comparison.platform));
            return Ok(ExitCode::SUCCESS);
        }
        let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        ctx.printer.say(&format!(
            "update the lock, with network access: relay-bundle lock {}",
            names.join(" ")
        ));
        Ok(DIFFERS.into())
    }

    fn load(
        &self,
        ctx: &Ctx,
        name: &Label,
        folder: &ProfileFolder<'_>,
    ) -> Result<Profile, Failure> {
        let profiles = self.profiles.clone();
        let args = ProfileArgs { profiles, set: Vec::new(), deny_warnings: false };
        ctx.load_about(name.as_str(), &args, folder, &|_| false)
    }
}
