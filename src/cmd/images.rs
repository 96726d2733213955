//! `images`: what must be in the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::Ctx;
use super::failure::Outcome;
use super::source::{self, SourceArgs};
use crate::bundle::index::Image;
use crate::profile::resolve::image_sources;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  relay-bundle images production
  relay-bundle images prod.tar --json
  relay-bundle images prod.tar --mirror | while read from to; do
    skopeo copy --all --preserve-digests docker://$from docker://$to; done

{}", source::HELP))]
pub struct Args {
    /// The profile or the bundle
    bundle: String,
    /// Print what each image is copied from, before the rewrite of `images.registry`, and what it is called in the cluster
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Copies to make, for a registry inside the gap.
#[derive(Serialize)]
struct MirrorReport {
    copies: BTreeSet<Copy>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Copy {
    from: String,
    to: String,
}

impl Report for MirrorReport {
    const SCHEMA: &'static str = "mirror/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.copies.iter().try_for_each(|copy| writeln!(out, "{} {}", copy.from, copy.to))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImagesReport {
    /// Sorted by reference, each once.
    images: Vec<Image>,
}

impl Report for ImagesReport {
    const SCHEMA: &'static str = "images/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(out, "{}", safe(&image.reference)))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let source = self.source.open(ctx, &self.bundle)?;
        if let Some(images) = source.images(&self.source.store)? {
            ctx.printer.say(&images.to_string());
        }
        if self.mirror {
            let sources = image_sources(&source.bundle.recipe.settings);
            let copies = source.bundle.index.images.iter().map(|image| Copy::of(&image.reference, &sources));
            ctx.printer.report(&MirrorReport { copies: copies.collect() })?;
        } else {
            ctx.printer.report(&ImagesReport { images: source.bundle.index.images })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Copy {
    /// Returns the copy that brings `reference` to its place. Registries and tools take a tag or a digest, not both: what has a
    /// digest is copied by it, and gets its tag.
    fn of(reference: &str, sources: &BTreeMap<String, String>) -> Self {
        let (name, digest) = split_digest(reference);
        let (source, _) = split_digest(sources.get(name).map_or(name, String::as_str));
        let from = match digest {
            Some(digest) => format!("{}@{digest}", without_tag(source)),
            None => source.to_owned(),
        };
        let has_tag = without_tag(name) != name;
        Self { from, to: if has_tag { name.to_owned() } else { reference.to_owned() } }
    }
}

fn split_digest(reference: &str) -> (&str, Option<&str>) {
    reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)))
}

fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        // Behind a port comes a path.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}
