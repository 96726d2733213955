//! `explain`: the meaning of a key or a code, and the origin of a profile's value.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::{Ctx, Folder, ProfileArgs};
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::profile::codes::{self, Code};
use crate::profile::explain::{self, KeyDoc, Setting};
use crate::profile::load;
use crate::profile::node::Path;
use crate::profile::secrets::shown_path;
use crate::trust::refusal_codes::{self, RefusalCode};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  relay-bundle explain storage.logs.mode            the meaning, values and effect of a key
  relay-bundle explain production config.logLevel   the value in a profile, and its origin
  relay-bundle explain RB0002                       the meaning of a diagnostic code
  relay-bundle explain TAMPERED                     why a bundle is not trusted, and what to do
  relay-bundle explain reaches                      the meaning of a `reaches` line in a report")]
pub struct Args {
    /// A key or a code; or a profile and a key, to explain its value
    #[arg(required = true, num_args = 1..=2, value_names = ["PROFILE", "KEY|CODE"])]
    subject: Vec<String>,
    #[command(flatten)]
    profiles: ProfileArgs,
}

#[derive(Serialize)]
struct KeyReport {
    #[serde(flatten)]
    key: KeyDoc,
}

#[derive(Serialize)]
struct OriginReport {
    profile: String,
    settings: Vec<Setting>,
}

#[derive(Serialize)]
struct CodeReport {
    code: &'static str,
    title: &'static str,
    text: &'static str,
}

/// The words that introduce a reach beyond the namespace, in text and in JSON.
const REACHES: [&str; 2] = ["reaches", "reach"];

const REACH_TITLE: &str = "the ways in which a bundle reaches beyond its namespace";

const REACH: &str =
    "`verify`, `inspect` and the plan of `apply` list them, one line per object and way: \
hosts of an Ingress or HTTPRoute, annotations and labels that controllers of the cluster act on, \
ports of nodes, tolerations, devices, priorities of the system, budgets that block drains, \
other namespaces. A bundle may use all of them: compare each line with your expectations of the \
release, and ask the builder about any other. Anything that would give control of a node is refused \
(FORBIDDEN_CONTENT).

A profile sets it: `relay-bundle explain ingress.hosts`, `ingress.annotations`, `podLabels`, \
`tolerations`. The annotations of an nginx in front of the ingress controller come from \
`ingress.presets`. docs/format/report-json.md lists every way; `--json` has values of any length. \
`<redacted>` stands for a part that may be a credential: read it in the manifest of the object.";

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.subject.as_slice() {
            [profile, key] => self.origin(ctx, profile, key)?,
            [code] if code.to_ascii_uppercase().starts_with("RB") => {
                let found = codes::find(code)
                    .ok_or_else(|| Failure::input(format!("unknown code `{code}`")))?;
                let Code { code, title, explanation: text } = *found;
                ctx.printer.report(&CodeReport { code, title, text })?;
            }
            [subject] if REACHES.contains(&subject.as_str()) => {
                let [code, _] = REACHES;
                ctx.printer.report(&CodeReport { code, title: REACH_TITLE, text: REACH })?;
            }
            [subject] if let Some(known) = refusal_codes::find(subject) => {
                let RefusalCode { code, meaning: title, remedy: text } = *known;
                ctx.printer.report(&CodeReport { code, title, text })?;
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
        let loaded = load(profile, &self.profiles.set, &Folder::new(&self.profiles.profiles));
        if loaded.profile.is_none() {
            // Prints the diagnostics, and fails.
            ctx.load(profile, &self.profiles)?;
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

impl Report for KeyReport {
    const SCHEMA: &'static str = "key/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let key = &self.key;
        writeln!(out, "{}: {}", key.path, key.kind)?;
        writeln!(out, "\n  {}\n", key.description)?;
        writeln!(out, "  default    {}", key.default.as_deref().unwrap_or("none"))?;
        let lists = [("takes", &key.constraints), ("drives", &key.drives), ("keys", &key.children)];
        for (title, lines) in lists {
            for (index, line) in lines.iter().enumerate() {
                writeln!(out, "  {:<10} {line}", if index == 0 { title } else { "" })?;
            }
        }
        key.variable.iter().try_for_each(|variable| writeln!(out, "  variable   {variable}"))
    }
}

impl Report for OriginReport {
    const SCHEMA: &'static str = "origin/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for setting in &self.settings {
            let value = setting.value.as_deref().unwrap_or("unset");
            writeln!(out, "{} = {value}    # {}", setting.path, setting.place)?;
        }
        Ok(())
    }
}

impl Report for CodeReport {
    const SCHEMA: &'static str = "code/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}\n\n{}", self.code, self.title, self.text.trim_end())
    }
}
