//! The context that commands share: printing, and reading profiles.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::failure::Failure;
use crate::fsio::{self, ReadFileError, Waits};
use crate::images::lock::{LOCK_BYTES_MAX, LOCK_FILE};
use crate::install::event::Event;
use crate::model::command_line::command_line;
use crate::model::text::Label;
use crate::profile::node::Visibility;
use crate::profile::overlay::ProfileFiles;
use crate::profile::parse::TEXT_BYTES_MAX;
use crate::profile::resolve::Profile;
use crate::profile::{self, Loaded};
use crate::store::Store;
use crate::ui::diagnostic;
use crate::ui::printer::Printer;

const DEFAULT_STORE: &str = "bundles";

/// The context of a command, created once.
pub struct Ctx {
    pub printer: Printer,
}

/// Where profiles are, and what is laid over them.
#[derive(Debug, clap::Args)]
pub struct ProfileArgs {
    /// The folder of the profiles
    #[arg(long, value_name = "DIR", default_value = "profiles")]
    pub profiles: Utf8PathBuf,
    /// Set one key on top of the profile, as TOML; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub deny_warnings: bool,
}

/// Where the store is.
#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    /// The folder of the store
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STORE)]
    pub store: Utf8PathBuf,
}

impl StoreArgs {
    /// Returns the arguments that name this store.
    pub(super) fn of(store: &Store) -> Self {
        Self { store: store.root().to_owned() }
    }

    /// Returns the command that fetches the images of a bundle or profile into this store.
    pub(super) fn fetch_line(&self, bundle: &str) -> String {
        let mut words = vec!["fetch", bundle];
        if self.store != DEFAULT_STORE {
            words.extend(["--store", self.store.as_str()]);
        }
        command_line(words)
    }
}

impl Ctx {
    /// Returns the store. The operator is told when one of its locks makes the command wait.
    pub fn store(&self, args: &StoreArgs) -> Store {
        Store::at(&args.store).telling(self.waits())
    }

    /// Prints an event of a run.
    pub fn observe(&self, event: &Event<'_>) {
        self.printer.say(&event.to_string());
    }

    /// Returns the callback that tells the operator which lock the command waits for.
    pub fn waits(&self) -> Waits {
        let printer = self.printer.clone();
        Waits::told_to(move |path| {
            printer.say(&format!("waiting for another process that holds the lock of `{path}`"));
        })
    }

    /// Reads a profile and prints its diagnostics.
    ///
    /// # Errors
    ///
    /// When the profile has errors, or has warnings with `--deny-warnings`.
    pub fn load(&self, name: &str, args: &ProfileArgs) -> Result<Profile, Failure> {
        self.load_from(name, args, &Folder::new(&args.profiles))
    }

    /// Like [`Ctx::load`], but reads from `files`.
    ///
    /// # Errors
    ///
    /// As [`Ctx::load`].
    pub fn load_from(
        &self,
        name: &str,
        args: &ProfileArgs,
        files: &dyn ProfileFiles,
    ) -> Result<Profile, Failure> {
        self.load_about(name, args, files, &|_| true)
    }

    /// Like [`Ctx::load_from`], but keeps only those warnings whose key `concerns` accepts.
    ///
    /// # Errors
    ///
    /// As [`Ctx::load`].
    pub fn load_about(
        &self,
        name: &str,
        args: &ProfileArgs,
        files: &dyn ProfileFiles,
        concerns: &dyn Fn(&str) -> bool,
    ) -> Result<Profile, Failure> {
        let mut loaded = profile::load(name, &args.set, files);
        loaded.diagnostics.only_warnings_of(concerns);
        self.show(&loaded);
        let warned = loaded.diagnostics.iter().count();
        match loaded.profile {
            Some(_) if args.deny_warnings && warned > 0 => Err(Failure::input(format!(
                "profile `{name}` has {}, which --deny-warnings does not allow",
                count(warned, "warning")
            ))),
            Some(profile) => Ok(profile),
            None => {
                let errors = loaded.diagnostics.errors();
                let error = format!("profile `{name}` has {}", count(errors, "error"));
                let diagnostics = diagnostic::to_json(&loaded.diagnostics, &loaded.sources);
                Err(Failure::input(InvalidProfile { error, diagnostics })
                    .hint("run `relay-bundle explain CODE` for details of a code such as RB0002"))
            }
        }
    }

    /// Prints diagnostics on stderr. With `--json` the report of the failure has them as data.
    pub fn show(&self, loaded: &Loaded) {
        let shown = if self.printer.quiet {
            &loaded.diagnostics.only_errors()
        } else {
            &loaded.diagnostics
        };
        let text = diagnostic::to_text(shown, &loaded.sources);
        if !text.is_empty() {
            self.printer.tell_styled(text.trim_end());
        }
    }
}

/// A profile with errors.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct InvalidProfile {
    error: String,
    diagnostics: Value,
}

impl InvalidProfile {
    /// Returns the diagnostics as JSON.
    pub(super) fn diagnostics(&self) -> &Value {
        &self.diagnostics
    }
}

/// Returns "1 error", "2 errors".
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A folder of profiles.
pub struct Folder<'a> {
    path: &'a Utf8Path,
}

impl<'a> Folder<'a> {
    pub fn new(path: &'a Utf8Path) -> Self {
        Self { path }
    }
}

/// A folder of profiles whose sealed files and images may still be missing.
pub(super) struct Unprepared<'a>(pub(super) Folder<'a>);

impl ProfileFiles for Unprepared<'_> {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        self.0.profile(name)
    }

    fn visibility(&self, name: &str) -> Visibility {
        self.0.visibility(name)
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn judges_sealed(&self) -> bool {
        false
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

impl Folder<'_> {
    /// Returns whether a file is inside the folder after links are resolved, or does not exist.
    pub(super) fn keeps(&self, path: &Utf8Path) -> bool {
        let (folder, file) = (self.path.canonicalize(), path.canonicalize());
        folder.ok().zip(file.ok()).is_none_or(|(folder, file)| file.starts_with(folder))
    }

    fn toml(&self, name: &str) -> Utf8PathBuf {
        self.path.join(format!("{name}.toml"))
    }
}

impl ProfileFiles for Folder<'_> {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        let path = self.toml(name);
        let limit = u64::try_from(TEXT_BYTES_MAX).map_err(|error| error.to_string())?;
        let bytes = fsio::read_bounded(&path, limit).map_err(|error| error.to_string())?;
        Ok((path.into_string(), bytes))
    }

    fn visibility(&self, name: &str) -> Visibility {
        if self.keeps(&self.toml(name)) { Visibility::Lines } else { Visibility::Places }
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let file = self.path.join(path);
        if !self.keeps(&file) {
            return Err(format!("`{file}` is a link to outside `{}`", self.path));
        }
        fsio::read_bounded(&file, 64 << 10).map_err(|error| error.to_string())
    }

    fn images_lock(&self) -> Result<Option<String>, String> {
        let path = self.path.join(LOCK_FILE);
        if !self.keeps(&path) {
            return Err(format!("`{path}` is a link to outside `{}`", self.path));
        }
        match fsio::read_bounded(&path, LOCK_BYTES_MAX) {
            Ok(bytes) => {
                String::from_utf8(bytes).map(Some).map_err(|_| format!("`{path}` is not UTF-8"))
            }
            // A dangling link is an error, unlike a missing lock file.
            Err(ReadFileError::Io(error))
                if error.kind() == std::io::ErrorKind::NotFound && !path.is_symlink() =>
            {
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = self.path.read_dir_utf8() else { return Vec::new() };
        let name = |entry: std::io::Result<camino::Utf8DirEntry>| {
            let path = entry.ok()?.into_path();
            let name = path.file_name()?.strip_suffix(".toml")?;
            // Editors leave files such as `.#dev.toml`, which no command could name.
            name.parse::<Label>().is_ok().then(|| name.to_owned())
        };
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }
}
