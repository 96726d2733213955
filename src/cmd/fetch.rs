//! `fetch`: downloads the images of locked profiles from registries into the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::registry::PullArgs;
use super::ctx::{Ctx, count};
use super::exit_code::Outcome;
use super::source::{Source, SourceArgs};
use crate::failure::Failure;
use crate::images::list::{Carryable, ImageList};
use crate::images::reference::Reference;
use crate::model::digest::Digest;
use crate::profile::resolve::image_sources;
use crate::registry::{BlobRequest, BlobSink, Registry};
use crate::store::blobs::{BlobEnd, BlobStart, BlobState, Blobs, PartialBlob};
use crate::ui::escape::safe;
use crate::ui::printer::Report;
use crate::ui::progress::{Progress, size};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Hashes the images already in the store, downloads altered ones again, and resumes interrupted
downloads.

Examples:
  relay-bundle fetch production
  relay-bundle fetch @production @dev       the images of bundles in the store
  relay-bundle fetch prod.tar               the images that an archive lists
  relay-bundle fetch production --from ghcr.io=mirror.example.internal:5000/ghcr"
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

/// The report of a fetch.
#[derive(Serialize)]
struct FetchReport {
    /// The image references, without duplicates.
    images: Vec<String>,
    /// The number of fetched manifests, configs and layers.
    fetched: usize,
    /// Their total size.
    bytes: u64,
    /// The number of those that the store had already.
    there: usize,
}

impl Report for FetchReport {
    const SCHEMA: &'static str = "fetch/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(out, "{}", safe(image)))
    }
}

/// A manifest, config or layer, and an image that contains it, at its source registry.
struct FetchItem {
    image: Reference,
    digest: Digest,
    kind: Carryable,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let (mut images, mut wanted) = (BTreeSet::new(), BTreeMap::new());
        for name in &self.bundles {
            let source = self.source.open(ctx, name)?;
            let list = pinned(&source, name)?;
            images.extend(list.references().map(str::to_owned));
            add_wanted(&mut wanted, &source, list)?;
        }
        let store = ctx.store(&self.source.store);
        let blobs = store.blobs();
        let _shared = blobs.share()?;
        let all = wanted.len();
        let missing = without_stored(ctx, &blobs, wanted)?;
        let (fetched, bytes) = (missing.len(), missing.iter().map(|item| item.kind.size()).sum());
        if fetched > 0 {
            let registry = self.registry.client(ctx)?;
            let mut progress = Progress::new(&ctx.printer, "fetched", Some(bytes));
            for item in &missing {
                fetch(&registry, &blobs, item, &mut progress)?;
            }
        }

        let images = images.into_iter().collect();
        ctx.printer.report(&FetchReport { images, fetched, bytes, there: all - fetched })?;
        let there = all - fetched;
        ctx.printer.say(&format!(
            "fetched {} ({}); {there} were already in the store",
            count(fetched, "blob"),
            size(bytes)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn pinned<'a>(source: &'a Source, name: &str) -> Result<&'a ImageList, Failure> {
    source.bundle.images.as_ref().ok_or_else(|| {
        Failure::input(format!("profile `{name}` is not locked"))
            .hint(format!("lock it: relay-bundle lock {}", source.bundle.index.profile))
    })
}

/// Adds the manifests, configs and layers of a bundle's images, by digest.
fn add_wanted(
    wanted: &mut BTreeMap<Digest, FetchItem>,
    source: &Source,
    list: &ImageList,
) -> Result<(), Failure> {
    let sources = image_sources(&source.bundle.recipe.settings);
    for image in list.images() {
        let name = image.reference.without_digest().to_string();
        let origin =
            sources.get(&name).map_or(Ok(image.reference.clone()), |source| source.parse());
        let bundle = &source.bundle.index.profile;
        let invalid = |error| {
            Failure::input(format!("recipe.json of `{bundle}` has an invalid image: {error}"))
        };
        let origin = origin.map_err(invalid)?.pinned(image.digest);
        for digest in [image.digest].into_iter().chain(image.blobs.iter().copied()) {
            let kind = list.get(&digest).expect("a list has everything that its images consist of");
            wanted.entry(digest).or_insert_with(|| FetchItem {
                image: origin.clone(),
                digest,
                kind,
            });
        }
    }
    Ok(())
}

/// Returns the items that the store lacks. Altered blobs are removed, and count as lacking.
fn without_stored(
    ctx: &Ctx,
    blobs: &Blobs,
    wanted: BTreeMap<Digest, FetchItem>,
) -> Result<Vec<FetchItem>, Failure> {
    let mut missing = Vec::new();
    for item in wanted.into_values() {
        match blobs.look_at(&item.digest, item.kind.size())? {
            BlobState::Whole => continue,
            BlobState::Absent => {}
            BlobState::Altered => {
                let path = blobs.path_of(&item.digest);
                ctx.printer.warn(&format!("`{path}` was altered: fetching it again"));
                blobs.discard(&item.digest)?;
            }
        }
        missing.push(item);
    }
    Ok(missing)
}

/// Fetches one blob, unless another process has stored it.
fn fetch(
    registry: &Registry,
    blobs: &Blobs,
    item: &FetchItem,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let FetchItem { image, digest, kind } = item;
    // The partial file of a killed process may be damaged; the second attempt fetches all of it.
    for _ in 0..2 {
        let BlobStart::Partial(partial) = blobs.begin(*digest, kind.size())? else { return Ok(()) };
        match fetch_rest(registry, partial, item, progress)? {
            BlobEnd::Stored => return Ok(()),
            BlobEnd::Wrong { .. } => progress.retreat(kind.size()),
        }
    }
    Err(Failure::world(format!("wrong content for sha256:{digest} of `{image}`"))
        .hint("fetch from another registry: --from HOST=MIRROR"))
}

fn fetch_rest(
    registry: &Registry,
    mut partial: PartialBlob,
    FetchItem { image, digest, kind }: &FetchItem,
    progress: &mut Progress,
) -> Result<BlobEnd, Failure> {
    if matches!(kind, Carryable::Manifest(_)) {
        let manifest = registry.pull_manifest(image)?;
        partial.restart()?;
        partial.append(&manifest.bytes)?;
        progress.advance(manifest.bytes.len() as u64);
        return Ok(partial.finish()?);
    }
    let from = partial.bytes();
    progress.advance(from);
    let request = BlobRequest { image, digest: *digest, size: kind.size(), from };
    let mut sink = Sink { partial, progress };
    if from < request.size {
        registry.pull_blob(&request, &mut sink)?;
    }
    Ok(sink.partial.finish()?)
}

struct Sink<'a> {
    partial: PartialBlob,
    progress: &'a mut Progress,
}

impl BlobSink for Sink<'_> {
    fn begin(&mut self, offset: u64) -> io::Result<()> {
        if offset == 0 && self.partial.bytes() > 0 {
            self.progress.retreat(self.partial.bytes());
            self.partial.restart()?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.partial.append(bytes)?;
        self.progress.advance(bytes.len() as u64);
        Ok(())
    }
}
