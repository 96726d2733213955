//! `import helm`: converts the values of the Helm chart to a profile.

use std::io::Read;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde_json::json;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{self, folder_of};
use crate::helm::values::{self, ImportError, ImportOptions, VALUES_BYTES_MAX};
use crate::model::kube_version::KubeVersion;
use crate::model::text::{Label, ReleaseName};
use crate::model::words::count;
use crate::profile::Loaded;
use crate::profile::masking::Visibility;
use crate::profile_folder::ProfileFolder;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  helm get values prod -n relay |
      relay-bundle import helm - --release prod --namespace relay \\
      > profiles/prod.toml")]
pub struct Args {
    #[command(subcommand)]
    from: ImportSource,
}

#[derive(Debug, clap::Subcommand)]
enum ImportSource {
    /// Write a profile from values of the chart claude-relay
    Helm(HelmArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Prints the profile on stdout, and on stderr each changed or dropped value with the reason.

Examples:
  relay-bundle import helm values.yaml > profiles/mine.toml
  helm get values prod -n relay |
      relay-bundle import helm - --release prod --namespace relay \\
      > profiles/prod.toml"
)]
struct HelmArgs {
    /// The values, as `helm get values` prints them; `-` for stdin
    values: Utf8PathBuf,
    /// The name of the Helm release, which is part of the names of objects and Secrets
    #[arg(long, value_name = "NAME")]
    release: Option<ReleaseName>,
    /// The namespace of the release
    #[arg(long, value_name = "NS")]
    namespace: Option<Label>,
    /// The oldest Kubernetes version that the bundle must support
    #[arg(long, value_name = "VERSION", value_parser = |text: &str| KubeVersion::try_from(text.to_owned()))]
    kubernetes: Option<KubeVersion>,
    /// Keep literal secrets, instead of referring to the chart's Secret
    #[arg(long)]
    keep_literals: bool,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let ImportSource::Helm(args) = self.from;
        let values = args.read()?;
        let options = ImportOptions {
            visibility: args.visibility(),
            release: args.release,
            namespace: args.namespace,
            kubernetes: args.kubernetes,
            keep_literals: args.keep_literals,
        };

        let imported = values::import(&values, &options).map_err(|error| {
            let hint = match &error {
                ImportError::Empty => {
                    "`helm get values RELEASE` prints `null` if no values are set: did it fail?"
                        .to_owned()
                }
                ImportError::Object { places, .. } if !places.is_empty() => {
                    format!("the object has no values at {}: pass them alone", places.join(" or "))
                }
                ImportError::SeveralCharts => {
                    "pass the part with the values of the relay's chart alone".to_owned()
                }
                _ => "pass the output of `helm get values RELEASE`".to_owned(),
            };
            Failure::input(error).hint(hint)
        })?;

        show_errors(ctx, &imported.check(options.visibility));
        if ctx.printer.json {
            let report = json!({"schema": "relay-bundle/import/v1", "profile": imported.toml, "notes": imported.notes});
            ctx.printer.data_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }

        for note in &imported.notes {
            ctx.printer.say(&format!("{}: {}; {}", note.key, note.what, note.why));
        }
        ctx.printer.say(&format!("imported with {}", count(imported.notes.len(), "note")));
        ctx.printer.data(imported.toml.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows the errors that keep the profile from being built. The text is useful all the same.
fn show_errors(ctx: &Ctx, loaded: &Loaded) {
    let errors = loaded.diagnostics.errors();
    if errors > 0 {
        ctx.show(loaded);
        let errors = count(errors, "error");
        ctx.printer
            .warn(&format!("the profile needs corrections before it can be built: {errors}"));
    }
}

impl HelmArgs {
    /// Returns how much messages may quote. A link out of the folder may lead to a private key.
    fn visibility(&self) -> Visibility {
        if ProfileFolder::new(folder_of(&self.values)).keeps(&self.values) {
            Visibility::Lines
        } else {
            Visibility::Places
        }
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        let limit = u64::try_from(VALUES_BYTES_MAX).map_err(Failure::input)?;
        if self.values != "-" {
            return fsio::read_bounded(&self.values, limit).map_err(|error| match error {
                fsio::ReadFileError::NotRegular { .. } => {
                    Failure::input(error).hint("pass `-` to read the values from stdin")
                }
                error => Failure::input(error),
            });
        }
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
