//! Builds one bundle, and writes its archive.

use camino::Utf8Path;

use super::Args;
use super::report::Built;
use crate::build::{Builder, BuiltEntry};
use crate::cmd::ctx::Ctx;
use crate::failure::Failure;
use crate::model::size::size;
use crate::model::words::count;
use crate::ui::progress::Progress;

impl Args {
    pub(super) fn build(
        &self,
        ctx: &Ctx,
        builder: &Builder<'_>,
        name: &str,
    ) -> Result<Built, Failure> {
        let profile = ctx.load(name, &self.profiles)?;
        let built = builder.build(&profile)?;
        let archive = self.files().path_of(name);
        if let Some(path) = &archive {
            self.write_archive(ctx, builder, &built, path)?;
        }
        let objects = count(built.index.objects.len(), "object");
        let state = if built.signatures.signers.is_empty() { "unsigned" } else { "signed" };
        let (bundle, id) = (&built.index.name, built.content_id);
        ctx.printer.say(&format!("built {bundle} for {name}: {objects}, {state}, sha256:{id}"));
        ctx.printer.say(&built.signatures.outcome.to_string());
        Ok(Built::of(name, built, archive))
    }

    fn write_archive(
        &self,
        ctx: &Ctx,
        builder: &Builder<'_>,
        built: &BuiltEntry,
        path: &Utf8Path,
    ) -> Result<(), Failure> {
        let archive = builder.archive(built)?;
        let total = archive.size();
        if archive.has_images() {
            ctx.printer.say(&format!("writing {} with images to `{path}`", size(total)));
        }
        let mut progress = Progress::new(&ctx.printer, "written", Some(total));
        archive.write(&self.files().target(path, ""), &ctx.waits(), &mut |bytes| {
            progress.advance(bytes);
        })
    }
}
