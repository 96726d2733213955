//! `lock`: resolves the tag of each image to a digest, and keeps the digests in `images.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::args::registry::PullArgs;
use super::ctx::{Ctx, Folder, ProfileArgs, Unprepared, count};
use super::exit_code::{DIFFERS, Outcome};
use crate::failure::Failure;
use crate::fsio::{Durability, Locked, MODE_PUBLIC, lock_named, write_atomic};
use crate::images::lock::{LOCK_FILE, Lock, LockedImage, RESTORE_LOCK};
use crate::images::platform::Platform;
use crate::images::reference::Reference;
use crate::model::text::Label;
use crate::profile::overlay::ProfileFiles;
use crate::profile::resolve::Profile;
use crate::registry::Registry;
use crate::registry::error::{RegistryError, RegistryFault};
use crate::ui::escape::safe;
use crate::ui::printer::Report;
use crate::ui::progress::size;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Pins the images of the given profiles, and of those already listed in the lock (images.lock in the
folder of the profiles). A pinned digest changes only with --update, even if the tag has moved.
Arguments after --update are images: pass profiles before it. To unlock a profile, delete its name
from `profiles` in the lock and run `lock` again; to unlock the last one, delete the file.

Examples:
  relay-bundle lock production                        pin the images that are not pinned yet
  relay-bundle lock --update                          look up every image again
  relay-bundle lock --update docker.io/redis          look up this image again
  relay-bundle lock --platform linux/arm64 --update   change the platform
  relay-bundle lock production --from ghcr.io=mirror.example.internal:5000/ghcr
  relay-bundle lock --check                           in CI: is every image pinned?"
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

/// The content of the lock after a run.
#[derive(Serialize)]
struct LockReport {
    path: Utf8PathBuf,
    platform: String,
    profiles: BTreeSet<Label>,
    images: Vec<ImageLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageLine {
    change: LockChange,
    name: String,
    /// Absent for a removed image.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The previously locked digest, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_digest: Option<String>,
    blobs: usize,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum LockChange {
    Added,
    Kept,
    Moved,
    Removed,
}

impl Report for LockReport {
    const SCHEMA: &'static str = "lock/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for line in &self.images {
            let name = safe(&line.name);
            let digest = line.digest.as_deref().unwrap_or_default();
            match line.change {
                LockChange::Added => {
                    writeln!(out, "added    {name} {digest} ({})", size(line.bytes))?;
                }
                LockChange::Kept => writeln!(out, "kept     {name} {digest}")?,
                LockChange::Moved => {
                    let old = line.old_digest.as_deref().unwrap_or_default();
                    writeln!(out, "moved    {name} {old} -> {digest} ({})", size(line.bytes))?;
                }
                LockChange::Removed => writeln!(out, "removed  {name}")?,
            }
        }
        Ok(())
    }
}

/// The differences between a lock and the profiles that it lists.
#[derive(Serialize)]
struct LockCheckReport {
    complete: bool,
    missing: Vec<UnlockedImage>,
    superfluous: Vec<String>,
    /// Versions and digests that disagree.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct UnlockedImage {
    name: String,
    profiles: BTreeSet<Label>,
}

impl Report for LockCheckReport {
    const SCHEMA: &'static str = "lock-check/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for UnlockedImage { name, profiles } in &self.missing {
            let profiles: Vec<&str> = profiles.iter().map(Label::as_str).collect();
            writeln!(out, "missing      {} ({})", safe(name), profiles.join(", "))?;
        }
        self.superfluous
            .iter()
            .try_for_each(|name| writeln!(out, "superfluous  {}", safe(name)))?;
        self.notes.iter().try_for_each(|note| writeln!(out, "note         {}", safe(note)))
    }
}

/// The images, and the profiles that use each.
type ImageUsers = BTreeMap<Reference, BTreeSet<Label>>;

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let folder = Folder::new(&self.profiles);
        let path = self.profiles.join(LOCK_FILE);
        // Serializes concurrent runs: the second one extends the lock that the first has written.
        let _waited = if self.check { None } else { Some(self.hold(ctx)?) };
        let lock = read(&folder, &path)?;
        let listed = self.listed(&folder, lock.as_ref())?;
        let profiles: Vec<Profile> =
            listed.iter().map(|name| self.load(ctx, name)).collect::<Result<_, _>>()?;
        let wanted = wanted(&profiles)?;
        if self.check {
            let lock = lock.ok_or_else(|| {
                Failure::input(format!("`{path}` does not exist"))
                    .hint("create it: relay-bundle lock")
            })?;
            return self.compare(ctx, &lock, &wanted, &profiles);
        }
        let old = lock.unwrap_or_default();
        let platform = self.platform(&old)?;
        let images = self.look_up(ctx, &old, &wanted, &platform)?;
        let lock = Lock { platform, profiles: listed, images };
        let text = lock.to_text();
        check_text(&text)?;
        write_atomic(&path, text.as_bytes(), MODE_PUBLIC, Durability::Synced)?;
        ctx.printer.report(&report(path, &old, &lock))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Keeps other processes from locking the profiles of this folder until the value is dropped.
    fn hold(&self, ctx: &Ctx) -> Result<Locked, Failure> {
        if !self.profiles.is_dir() {
            return Err(Failure::input(format!("folder `{}` does not exist", self.profiles))
                .hint("pass the folder of the profiles: --profiles DIR"));
        }
        let held = lock_named(&self.profiles, &ctx.waits())?;
        if let Locked::Unsupported(why) = &held {
            let folder = &self.profiles;
            ctx.printer.warn(&format!(
                "cannot lock `{folder}` ({why}): do not run another `lock` there at the same time"
            ));
        }
        Ok(held)
    }

    /// Returns the profiles that the new lock lists.
    fn listed(&self, folder: &Folder<'_>, lock: Option<&Lock>) -> Result<BTreeSet<Label>, Failure> {
        let mut listed: BTreeSet<Label> =
            lock.map(|lock| lock.profiles.clone()).unwrap_or_default();
        listed.extend(self.names.iter().cloned());
        if listed.is_empty() && lock.is_some() {
            let path = self.profiles.join(LOCK_FILE);
            return Err(Failure::input(format!("`{path}` lists no profile"))
                .hint("pass the profiles to lock, or remove the file"));
        }
        if listed.is_empty() {
            let names = folder.names().into_iter().filter(|name| name != "base");
            listed.extend(names.filter_map(|name| name.parse().ok()));
        }
        if listed.is_empty() {
            return Err(Failure::input(format!("folder `{}` has no profiles", self.profiles))
                .hint("pass the folder of the profiles: --profiles DIR"));
        }
        Ok(listed)
    }

    /// Reads a profile without its lock and its sealed files.
    fn load(&self, ctx: &Ctx, name: &Label) -> Result<Profile, Failure> {
        let files = Unprepared(Folder::new(&self.profiles));
        ctx.load_about(name.as_str(), &self.profile_args(), &files, &|_| false)
    }

    fn platform(&self, old: &Lock) -> Result<Platform, Failure> {
        let wanted = self.platform.clone().unwrap_or_else(|| old.platform.clone());
        if wanted != old.platform && !old.images.is_empty() && self.update.as_deref() != Some(&[]) {
            return Err(Failure::input(format!(
                "the lock is for {}, not for {wanted}",
                old.platform
            ))
            .hint(format!("update every image: relay-bundle lock --platform {wanted} --update")));
        }
        Ok(wanted)
    }

    /// Compares the lock with the profiles. Other inconsistencies between the lock and a profile
    /// are reported as errors of the profile.
    fn compare(
        &self,
        ctx: &Ctx,
        lock: &Lock,
        wanted: &ImageUsers,
        profiles: &[Profile],
    ) -> Outcome {
        let missing: Vec<UnlockedImage> = wanted
            .iter()
            .filter(|(name, _)| !lock.images.contains_key(*name))
            .map(|(name, profiles)| UnlockedImage {
                name: name.to_string(),
                profiles: profiles.clone(),
            })
            .collect();
        let superfluous = lock.images.keys().filter(|name| !wanted.contains_key(*name));
        let superfluous: Vec<String> = superfluous.map(ToString::to_string).collect();
        let complete = missing.is_empty() && superfluous.is_empty();
        if complete {
            let folder = Folder::new(&self.profiles);
            for profile in profiles {
                ctx.load_about(profile.name.as_str(), &self.profile_args(), &folder, &|_| false)?;
            }
        }

        let notes = profiles.iter().filter_map(other_version).chain(other_digests(lock)).collect();
        ctx.printer.report(&LockCheckReport { complete, missing, superfluous, notes })?;
        if complete {
            ctx.printer.say(&format!(
                "{} locked for {}",
                count(lock.images.len(), "image"),
                lock.platform
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        ctx.printer.say(&format!(
            "update the lock, with network access: relay-bundle lock {}",
            names.join(" ")
        ));
        Ok(DIFFERS.into())
    }

    fn profile_args(&self) -> ProfileArgs {
        ProfileArgs { profiles: self.profiles.clone(), set: Vec::new(), deny_warnings: false }
    }

    /// Returns the images for the lock: locked ones are kept, unless `--update` selects them.
    fn look_up(
        &self,
        ctx: &Ctx,
        old: &Lock,
        wanted: &ImageUsers,
        platform: &Platform,
    ) -> Result<BTreeMap<Reference, LockedImage>, Failure> {
        self.check_names(wanted)?;
        let kept = |name: &&Reference| old.images.contains_key(*name) && !self.updates(name);
        let (kept, sought): (Vec<&Reference>, Vec<&Reference>) = wanted.keys().partition(kept);
        let mut images: BTreeMap<Reference, LockedImage> =
            kept.into_iter().map(|name| (name.clone(), old.images[name].clone())).collect();
        if sought.is_empty() {
            return Ok(images);
        }
        let registry = self.registry.client(ctx)?;
        for name in sought {
            ctx.printer.say(&format!("looking up {name}"));
            warn_of_moved_tag(ctx, &registry, name);
            let found =
                registry.resolve(name, platform).map_err(|error| explain_pin(name, error))?;
            images.insert(name.clone(), found);
        }
        Ok(images)
    }

    /// Rejects names in `--update` that match no image.
    fn check_names(&self, wanted: &ImageUsers) -> Result<(), Failure> {
        let names = self.update.iter().flatten();
        match names.into_iter().find(|name| !wanted.keys().any(|image| is_named(image, name))) {
            None => Ok(()),
            Some(name) => {
                let failure = Failure::input(format!("no listed profile has the image `{name}`"));
                if Folder::new(&self.profiles).names().contains(name) {
                    return Err(failure.hint(format!(
                        "to update every image of the listed profiles: relay-bundle lock {name} --update"
                    )));
                }
                let images: Vec<String> = wanted.keys().map(ToString::to_string).collect();
                Err(failure.hint(format!("the images are {}", images.join(", "))))
            }
        }
    }

    fn updates(&self, image: &Reference) -> bool {
        match self.update.as_deref() {
            None => false,
            Some([]) => true,
            Some(names) => names.iter().any(|name| is_named(image, name)),
        }
    }
}

/// Returns whether a name in `--update` is the image's reference or its repository.
fn is_named(image: &Reference, name: &str) -> bool {
    image.to_string() == name || image.name() == name || image.full().name() == name
}

/// Adds a hint about the origin of a pinned digest that the registry lacks.
fn explain_pin(name: &Reference, error: RegistryError) -> Failure {
    let is_gone = matches!(error.why, RegistryFault::Gone(digest) if name.digest() == Some(digest));
    let failure = Failure::from(error);
    if !is_gone {
        return failure;
    }
    let hint = "the profile, or a default, pins this digest: change it to the registry's digest, \
                or to \"\" for that of the tag";
    Failure { hints: vec![hint.to_owned()], ..failure }
}

/// Warns if the tag beside a pinned digest leads to another digest: then the pods do not run the
/// image that the tag names.
fn warn_of_moved_tag(ctx: &Ctx, registry: &Registry, name: &Reference) {
    let (Some(pinned), Some(_)) = (name.digest(), name.tag()) else { return };
    let tagged = name.without_digest();
    match registry.pull_manifest(&tagged) {
        Ok(found) if found.digest != pinned => ctx.printer.warn(&format!(
            "`{tagged}` is now sha256:{}, but the profile pins sha256:{pinned}",
            found.digest
        )),
        Ok(_) => {}
        Err(error) => ctx.printer.warn(&format!("cannot check whether `{tagged}` moved: {error}")),
    }
}

fn read(folder: &Folder<'_>, path: &Utf8Path) -> Result<Option<Lock>, Failure> {
    let Some(text) = folder.images_lock().map_err(Failure::input)? else { return Ok(None) };
    Lock::parse(&text)
        .map(Some)
        .map_err(|error| Failure::input(error.at(path.as_str())).hint(RESTORE_LOCK))
}

/// Checks the limits of a lock before its file is replaced.
fn check_text(text: &str) -> Result<(), Failure> {
    Lock::parse(text).map(drop).map_err(|error| {
        Failure::input(format!("cannot lock these profiles in one file: {error}"))
            .hint("keep some profiles in another folder (--profiles DIR)")
    })
}

fn wanted(profiles: &[Profile]) -> Result<ImageUsers, Failure> {
    let mut wanted = ImageUsers::new();
    for profile in profiles {
        // Keyed by source. Two sources may map to one name in the cluster: a build reports this,
        // but only once both are locked.
        for (_, image) in profile.settings.all_images() {
            let name: Reference = image
                .source
                .parse()
                .map_err(|error| Failure::input(format!("profile `{}`: {error}", profile.name)))?;
            wanted.entry(name).or_default().insert(profile.name.clone());
        }
    }
    Ok(wanted)
}

/// Returns a note if the tag of the relay's image differs from the release's version.
fn other_version(profile: &Profile) -> Option<String> {
    let settings = &profile.settings;
    let (version, tag) = (settings.release.app_version.as_str(), settings.image.tag.as_str());
    let is_other = !tag.is_empty() && tag != version;
    is_other.then(|| {
        format!("{}: release.appVersion is {version}, but image.tag is {tag}", profile.name)
    })
}

/// Returns a note for each pinned digest that differs from the digest of the same tag in the lock.
fn other_digests(lock: &Lock) -> impl Iterator<Item = String> + '_ {
    lock.images.keys().filter_map(|name| {
        let (pinned, tagged) = (name.digest()?, name.without_digest());
        let found = lock.images.get(&tagged)?.tagged;
        (found != pinned)
            .then(|| format!("`{tagged}` was sha256:{found}, but a profile pins sha256:{pinned}"))
    })
}

fn report(path: Utf8PathBuf, old: &Lock, lock: &Lock) -> LockReport {
    let line = |(name, image): (&Reference, &LockedImage)| {
        let before = old.images.get(name).map(|before| before.digest);
        let change = match before {
            None => LockChange::Added,
            Some(before) if before == image.digest => LockChange::Kept,
            Some(_) => LockChange::Moved,
        };
        ImageLine {
            change,
            name: name.to_string(),
            digest: Some(image.digest.prefixed()),
            old_digest: before
                .filter(|_| change == LockChange::Moved)
                .map(|digest| digest.prefixed()),
            blobs: image.blobs.len(),
            bytes: image.blobs.values().sum(),
        }
    };
    let removed =
        old.images.keys().filter(|name| !lock.images.contains_key(*name)).map(|name| ImageLine {
            change: LockChange::Removed,
            name: name.to_string(),
            digest: None,
            old_digest: None,
            blobs: 0,
            bytes: 0,
        });
    LockReport {
        path,
        platform: lock.platform.to_string(),
        profiles: lock.profiles.clone(),
        images: lock.images.iter().map(line).chain(removed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::lock::IMAGES_MAX;
    use crate::images::manifest::MediaType;
    use crate::model::digest::Digest;

    #[test]
    fn lock_over_limit_is_not_written() {
        let digest = Digest::of(b"manifest");
        let image = LockedImage {
            tagged: digest,
            digest,
            media_type: MediaType::OciManifest,
            size: 1,
            blobs: BTreeMap::from([(Digest::of(b"config"), 1)]),
        };
        let images = (0..=IMAGES_MAX)
            .map(|number| (format!("x/y:{number}").parse().unwrap(), image.clone()));
        let lock = Lock { images: images.collect(), ..Lock::default() };

        let failure = check_text(&lock.to_text()).unwrap_err();

        assert_eq!(
            failure.source.to_string(),
            "cannot lock these profiles in one file: 65 images, at most 64"
        );
        assert_eq!(failure.hints, ["keep some profiles in another folder (--profiles DIR)"]);
    }
}
