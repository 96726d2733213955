//! Repeats a build in fresh processes whose environments differ in everything that
//! must not matter.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use crate::bundle::files::BundleFiles;
use crate::bundle::read::Files;
use crate::failure::Failure;
use crate::model::safe_path::SafePath;
use crate::store::Store;

/// The environment of one build.
struct BuildEnvironment {
    time_zone: &'static str,
    locale: &'static str,
    umask: &'static str,
    deep_folder: bool,
}

const SURROUNDINGS: [BuildEnvironment; 3] = [
    BuildEnvironment { time_zone: "UTC", locale: "C", umask: "022", deep_folder: false },
    BuildEnvironment {
        time_zone: "Pacific/Kiritimati",
        locale: "tr_TR.UTF-8",
        umask: "077",
        deep_folder: true,
    },
    BuildEnvironment {
        time_zone: "America/St_Johns",
        locale: "ar_EG.UTF-8",
        umask: "000",
        deep_folder: true,
    },
];

/// The arguments that select the profiles of a build.
#[derive(Clone, Copy)]
pub struct ProfileSource<'a> {
    /// The folder of the profiles.
    pub profiles: &'a Utf8Path,
    /// The keys that are set on top of them.
    pub set: &'a [String],
}

impl ProfileSource<'_> {
    /// Builds profile `name` again, and compares every byte with `files`. Returns the number of
    /// builds.
    ///
    /// # Errors
    ///
    /// When a build fails, or gives other bytes.
    pub(super) fn check(&self, name: &str, files: &BundleFiles) -> Result<usize, Failure> {
        for surroundings in &SURROUNDINGS {
            let place = tempfile::tempdir()?;
            let place = Utf8Path::from_path(place.path())
                .ok_or_else(|| Failure::world("the path of the temporary folder is not UTF-8"))?;
            let entry = self.build(name, surroundings, place)?;
            compare(name, files, &entry, place)?;
        }
        Ok(SURROUNDINGS.len())
    }

    /// Runs the build, and returns the name of the new entry in the store.
    fn build(
        &self,
        name: &str,
        surroundings: &BuildEnvironment,
        place: &Utf8Path,
    ) -> Result<String, Failure> {
        let output = self.command(name, surroundings, place)?.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::world(format!(
                "the second build failed with {}: {}",
                output.status,
                said.trim()
            )));
        }
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let name = Utf8PathBuf::from(path).file_name().map(str::to_owned);
        name.ok_or_else(|| Failure::world("the second build printed no path"))
    }

    /// Returns the command of the build, in its environment.
    fn command(
        &self,
        name: &str,
        surroundings: &BuildEnvironment,
        place: &Utf8Path,
    ) -> Result<Command, Failure> {
        let BuildEnvironment { time_zone, locale, umask, deep_folder } = surroundings;
        let folder = if *deep_folder { place.join("a/deep folder") } else { place.to_owned() };
        fs_err::create_dir_all(&folder)?;
        let profiles = self.profiles.canonicalize_utf8()?;
        let store = place.join("store");
        // The shell sets the umask, because Rust needs unsafe code to set it for a child.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask]);
        command.arg(std::env::current_exe()?);
        command.args(["--quiet", "build", name]);
        command.args(["--profiles", profiles.as_str(), "--store", store.as_str()]);
        command.args(self.set.iter().flat_map(|set| ["--set", set.as_str()]));
        command.current_dir(&folder).env_clear();
        command.env("TZ", time_zone).env("LC_ALL", locale).env("HOME", &folder);
        command.stdin(Stdio::null());
        Ok(command)
    }
}

fn compare(name: &str, files: &BundleFiles, entry: &str, place: &Utf8Path) -> Result<(), Failure> {
    let store = Store::at(place.join("store"));
    let (_, sums) = store.open(entry)?;
    let again = sums.into_files().and_then(Files::read_to_end).map_err(Failure::world)?.files;
    match difference(files, &again) {
        None => Ok(()),
        Some(what) => Err(Failure {
            hints: vec!["this is a bug in relay-bundle: report it with the profile".into()],
            ..Failure::world(format!("{name} is not reproducible: {what}"))
        }),
    }
}

/// Returns the first difference of the second build, if any.
///
/// Manifests are compared first: a manifest tells more than the index and the recipe, which differ
/// as well because they hold its digest.
fn difference(files: &BundleFiles, again: &BundleFiles) -> Option<String> {
    let manifest = |path: &SafePath| path.as_str().starts_with("manifests/");
    let (manifests, others): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| manifest(path));
    for (path, file) in manifests.into_iter().chain(others) {
        let Some(other) = again.get(path.as_str()) else {
            return Some(format!("`{path}` is missing in the second build"));
        };
        if file.bytes() != other.bytes() {
            let at = file.bytes().iter().zip(other.bytes()).take_while(|(a, b)| a == b).count();
            return Some(format!("`{path}` differs at byte {at}"));
        }
    }
    let new = again.iter().map(|(path, _)| path).find(|path| files.get(path.as_str()).is_none());
    new.map(|path| format!("only the second build has `{path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> BundleFiles {
        let mut files = BundleFiles::default();
        for (path, text) in entries {
            files.add(SafePath::parse(path).unwrap(), text.as_bytes().to_vec()).unwrap();
        }
        files
    }

    #[test]
    fn equal_builds_have_no_difference() {
        let build = files(&[("bundle.json", "{}"), ("manifests/a.yaml", "a: 1\n")]);
        assert_eq!(difference(&build, &build.clone()), None);
    }

    #[test]
    fn difference_names_manifest_and_byte_before_derived_index() {
        let first = files(&[("bundle.json", "{1}"), ("manifests/a.yaml", "a: 1\n")]);
        let again = files(&[("bundle.json", "{2}"), ("manifests/a.yaml", "a: 2\n")]);
        assert_eq!(difference(&first, &again).unwrap(), "`manifests/a.yaml` differs at byte 3");
    }

    #[test]
    fn file_in_only_one_build_is_difference() {
        let (one, two) = (
            files(&[("bundle.json", "{}")]),
            files(&[("bundle.json", "{}"), ("manifests/a.yaml", "")]),
        );
        assert_eq!(
            difference(&two, &one).unwrap(),
            "`manifests/a.yaml` is missing in the second build"
        );
        assert_eq!(difference(&one, &two).unwrap(), "only the second build has `manifests/a.yaml`");
    }

    #[test]
    fn shorter_file_differs_at_its_end() {
        let (long, short) = (files(&[("recipe.json", "{}")]), files(&[("recipe.json", "{")]));
        assert_eq!(difference(&long, &short).unwrap(), "`recipe.json` differs at byte 1");
    }
}
