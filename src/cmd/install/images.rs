//! The options for looking for images before a rollout.

use crate::cmd::ctx::Ctx;
use crate::cmd::image_presence::PresenceArgs;
use crate::install::images::ImageLookup;

/// How images are looked for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images")]
pub(super) struct ImageArgs {
    /// How to look for images in their registries: `check` requires all of them, `skip` does not
    /// ask [default: ask, and go on without an answer]
    #[arg(long, value_name = "MODE")]
    images: Option<ImageOrder>,
    #[command(flatten)]
    presence: PresenceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ImageOrder {
    Check,
    Skip,
}

impl ImageArgs {
    /// Returns how images are looked for.
    pub(super) fn lookup<'a>(&'a self, ctx: &'a Ctx) -> ImageLookup<'a> {
        let Self { images, presence } = self;
        let registry = presence.registry.iter();
        ImageLookup {
            look: match images {
                Some(ImageOrder::Skip) => Box::new(|bundle, _| presence.skip(bundle)),
                Some(ImageOrder::Check) | None => {
                    Box::new(|bundle, cluster| presence.look(ctx, bundle, cluster))
                }
            },
            requires_all: *images == Some(ImageOrder::Check),
            registry_words: registry
                .flat_map(|registry| ["--registry".to_owned(), registry.to_string()])
                .collect(),
        }
    }
}
