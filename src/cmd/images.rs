//! `images`: lists the images that the registry must have.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::source::{self, SourceArgs};
use crate::bundle::index::Image;
use crate::failure::Failure;
use crate::images::reference::Reference;
use crate::profile::resolve::image_sources;
use crate::ui::escape::safe;
use crate::ui::images_view::ImagesSummary;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Prints references on stdout, and on stderr how many configs and layers the archive or the store has,
without hashing them.

Examples:
  relay-bundle images production
  relay-bundle images prod.tar --json
  relay-bundle images prod.tar --mirror --quiet | while read -r from to; do
    skopeo copy --all --preserve-digests \"docker://$from\" \"docker://$to\" </dev/null; done

{}", source::HELP))]
pub struct Args {
    /// The profile or bundle
    bundle: String,
    /// Print `SOURCE TARGET` for each image: its origin, and its name in the cluster
    /// (`images.registry`)
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// The copies that fill a registry inside the air gap.
#[derive(Serialize)]
struct MirrorReport {
    copies: BTreeSet<MirrorCopy>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct MirrorCopy {
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
    /// Sorted by reference, without duplicates.
    images: Vec<Image>,
    /// Absent if the images are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<ImagesSummary>,
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
        let carried = source.images()?;
        if let Some(images) = &carried {
            ctx.printer.say(&images.to_string());
        }
        if self.mirror {
            let sources = image_sources(&source.bundle.recipe.settings);
            let copies = source
                .bundle
                .index
                .images
                .iter()
                .map(|image| MirrorCopy::of(&image.reference, &sources));
            ctx.printer.report(&MirrorReport { copies: copies.collect::<Result<_, _>>()? })?;
        } else {
            ctx.printer.report(&ImagesReport { images: source.bundle.index.images, carried })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl MirrorCopy {
    /// Returns the copy that brings `reference` to its place. Registries and tools take a tag or a
    /// digest, not both: an image with a digest is copied by digest, and gets its tag at the
    /// destination.
    ///
    /// References are parsed: an unverified bundle may hold any text, and a shell reads these
    /// lines.
    fn of(reference: &str, sources: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let image = parse(reference)?;
        let name = image.without_digest();
        let source = sources
            .get(&name.to_string())
            .map_or_else(|| Ok(name.clone()), |source| parse(source))?;
        let from = match image.digest() {
            Some(digest) => source.without_tag().pinned(digest),
            None => source,
        };
        let to = if name.tag().is_some() { name } else { image };
        Ok(Self { from: from.to_string(), to: to.to_string() })
    }
}

fn parse(reference: &str) -> Result<Reference, Failure> {
    reference.parse().map_err(Failure::input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_that_a_shell_could_misread_is_refused() {
        for reference in ["a:1\nevil:1 to:1", "a:1 b:1", "a:1;reboot", "$(reboot)"] {
            assert!(MirrorCopy::of(reference, &BTreeMap::new()).is_err(), "{reference:?}");
        }
        let source = BTreeMap::from([("r.example/a:1".to_owned(), "x y".to_owned())]);
        assert!(MirrorCopy::of("r.example/a:1", &source).is_err());
    }
}
