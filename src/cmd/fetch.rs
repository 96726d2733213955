//! `fetch`: downloads the images of locked profiles from registries into the store.

use std::process::ExitCode;

use super::args::registry::PullArgs;
use super::args::source::SourceArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::model::size::size;
use crate::model::words::count;
use crate::transfer::fetch::{Fetch, FetchList};
use crate::ui::media_view::FetchReport;
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Hashes the images already in the store, downloads altered ones again, and resumes interrupted \
downloads.

Examples:
  relay-bundle fetch production
  relay-bundle fetch @production @dev       the images of bundles in the store
  relay-bundle fetch prod.tar               the images that an archive lists
  relay-bundle fetch production --from ghcr.io=mirror.internal:5000/ghcr"
)]
pub struct Args {
    /// Locked profiles, or bundles: @ENTRY, FILE.tar or DIR/
    #[arg(required = true, value_name = "PROFILE|BUNDLE")]
    bundles: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    registry: PullArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let mut list = FetchList::default();
        for name in &self.bundles {
            list.add(&self.source.open(ctx, name)?, name)?;
        }
        let images = list.images.iter().cloned().collect();
        let store = ctx.store(&self.source.store);
        let fetch = Fetch::begin(&store, list, &|event| ctx.observe_transfer(event))?;
        let (fetched, bytes, there) = (fetch.missing(), fetch.missing_bytes(), fetch.there);
        if fetched > 0 {
            let registry = self.registry.client(ctx)?;
            fetch.run(&registry, &mut Progress::new(&ctx.printer, "fetched", Some(bytes)))?;
        }
        ctx.printer.report(&FetchReport { images, fetched, bytes, there })?;
        ctx.printer.say(&format!(
            "fetched {} ({}); {there} were already in the store",
            count(fetched, "blob"),
            size(bytes)
        ));
        Ok(ExitCode::SUCCESS)
    }
}
