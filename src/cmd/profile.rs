//! Reads profiles, and prints their diagnostics.

use serde_json::Value;

use super::ctx::{Ctx, ProfileArgs};
use crate::failure::Failure;
use crate::model::words::count;
use crate::profile::overlay::ProfileFiles;
use crate::profile::resolve::Profile;
use crate::profile::{self, Loaded};
use crate::profile_folder::ProfileFolder;
use crate::ui::diagnostic;

impl Ctx {
    /// Reads a profile and prints its diagnostics.
    ///
    /// # Errors
    ///
    /// When the profile has errors, or has warnings with `--deny-warnings`.
    pub fn load(&self, name: &str, args: &ProfileArgs) -> Result<Profile, Failure> {
        self.load_from(name, args, &ProfileFolder::new(&args.profiles))
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
        self.accept(name, args, loaded)
    }

    /// Prints the diagnostics of a profile that was read. Fails as [`Ctx::load`] does.
    pub(super) fn accept(
        &self,
        name: &str,
        args: &ProfileArgs,
        loaded: Loaded,
    ) -> Result<Profile, Failure> {
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
