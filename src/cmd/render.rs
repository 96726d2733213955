//! `render`: prints the manifests of a profile, without building a bundle.

use std::process::ExitCode;

use camino::Utf8PathBuf;

use super::ctx::{Ctx, ProfileArgs};
use super::exit_code::Outcome;
use crate::build::git_folder;
use crate::bundle::assemble;
use crate::failure::Failure;
use crate::model::words::count;
use crate::render;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle render production | kubectl apply --server-side -f -
  relay-bundle render dev --set replicaCount=2 --out manifests/")]
pub struct Args {
    /// The profile
    profile: String,
    /// Write one file per object into this folder instead; files of an earlier run that are no
    /// longer rendered are removed
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    #[command(flatten)]
    profiles: ProfileArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let profile = ctx.load(&self.profile, &self.profiles)?;
        let set = render::render(&profile);
        if let Some(folder) = &self.out {
            // The limits of a bundle apply to manifests for git, too.
            assemble::assemble(&profile, &set).map_err(Failure::input)?;
            git_folder::write(folder, &set, &ctx.waits(), &|event| ctx.observe_build(event))?;
            let manifests = count(set.len(), "manifest");
            ctx.printer.say(&format!("wrote {manifests} into {folder}"));
        } else if ctx.printer.json {
            let objects: Vec<&serde_json::Value> =
                set.iter().map(|manifest| &manifest.object).collect();
            let report =
                serde_json::json!({"schema": "relay-bundle/render/v1", "objects": objects});
            ctx.printer.data_json(&report)?;
        } else {
            let files = assemble::manifests(&set).map_err(Failure::input)?;
            ctx.printer.data(&assemble::documents(&set, &files))?;
        }
        // The process ends here, so freeing the memory piece by piece would only cost time.
        std::mem::forget((profile, set));
        Ok(ExitCode::SUCCESS)
    }
}
