//! `explain`: the meaning of a key or a code, and the origin of a profile's value.

use std::process::ExitCode;

use super::ctx::{Ctx, ProfileArgs};
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::profile::node::Path;
use crate::profile::secrets::shown_path;
use crate::profile::{codes, explain, load};
use crate::profile_folder::ProfileFolder;
use crate::trust::refusal_codes;
use crate::ui::explain_view::{CodeReport, KeyReport, OriginReport};

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle explain storage.logs.mode           a key
  relay-bundle explain production config.logLevel  the value in a profile
  relay-bundle explain RB0002                      a diagnostic code
  relay-bundle explain TAMPERED                    a reason for distrust
  relay-bundle explain reaches                     a line of reports")]
pub struct Args {
    /// A key or a code; or a profile and a key, to explain its value
    #[arg(required = true, num_args = 1..=2, value_names = ["PROFILE", "KEY|CODE"])]
    subject: Vec<String>,
    #[command(flatten)]
    profiles: ProfileArgs,
}

/// The words that introduce a reach beyond the namespace, in text and in JSON.
const REACHES: [&str; 2] = ["reaches", "reach"];

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.subject.as_slice() {
            [profile, key] => self.origin(ctx, profile, key)?,
            [code] if code.to_ascii_uppercase().starts_with("RB") => {
                let found = codes::find(code)
                    .ok_or_else(|| Failure::input(format!("unknown code `{code}`")))?;
                ctx.printer.report(&CodeReport::of_diagnostic(found))?;
            }
            [subject] if REACHES.contains(&subject.as_str()) => {
                ctx.printer.report(&CodeReport::of_reach())?;
            }
            [subject] if let Some(known) = refusal_codes::find(subject) => {
                ctx.printer.report(&CodeReport::of_refusal(known))?;
            }
            [key] => {
                let found = explain::explain_key(key);
                let key = found.ok_or_else(|| no_key(key))?;
                ctx.printer.report(&KeyReport { key })?;
            }
            _ => unreachable!("clap takes one or two"),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn origin(&self, ctx: &Ctx, profile: &str, key: &str) -> Result<(), Failure> {
        let loaded =
            load(profile, &self.profiles.set, &ProfileFolder::new(&self.profiles.profiles));
        if loaded.profile.is_none() {
            // Prints the diagnostics, and fails.
            return ctx.accept(profile, &self.profiles, loaded).map(drop);
        }
        let settings = explain::origin(&loaded, key);
        if settings.is_empty() {
            return Err(no_key(key));
        }
        Ok(ctx.printer.report(&OriginReport { profile: profile.to_owned(), settings })?)
    }
}

/// Returns the failure that no key has this path. Inside a secret, the message repeats only key
/// names that we know.
fn no_key(path: &str) -> Failure {
    let asked = Path::of(path);
    let shown = shown_path(&asked);
    let message = if shown == asked {
        format!("unknown key `{path}`")
    } else {
        format!("`{shown}` has no such key")
    };
    Failure::input(message).hint(explain::unknown_key(path))
}
