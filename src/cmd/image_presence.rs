//! The options for looking for images in registries.

use super::args::registry::RegistryArgs;
use super::ctx::Ctx;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::registry::RegistryPrefix;
use crate::rollout::image_state::ImageState;
use crate::transfer::presence::{PullSecret, WantedImages};

/// Where images are looked for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images")]
pub(super) struct PresenceArgs {
    /// Look in this registry instead of the one in each reference; the path stays, below PREFIX
    #[arg(long, value_name = "HOST[/PREFIX]")]
    pub(super) registry: Option<RegistryPrefix>,
    #[command(flatten)]
    reach: RegistryArgs,
}

impl PresenceArgs {
    /// Asks the registries for each distinct image of a bundle.
    ///
    /// # Errors
    ///
    /// When a reference cannot be mapped to the registry of `--registry`, or a file named by an
    /// option cannot be used.
    pub(super) fn look(
        &self,
        ctx: &Ctx,
        bundle: &Bundle,
        cluster: &Cluster,
    ) -> Result<Vec<ImageState>, Failure> {
        let wanted = WantedImages::of(bundle, self.registry.as_ref())?;
        let namespace = bundle.index.namespace.as_str();
        let read = |name: &str| {
            let found = cluster.find_secret(&ObjectKey::of(Kind::Secret, namespace, name));
            let found = found.map_err(|error| error.to_string())?;
            Ok(found.map(|secret| PullSecret { type_: secret.type_, data: secret.data }))
        };
        wanted.look(self.reach.reach(ctx), &read)
    }

    /// Returns each distinct image of a bundle as skipped.
    ///
    /// # Errors
    ///
    /// When a reference cannot be mapped to the registry of `--registry`.
    pub(super) fn skip(&self, bundle: &Bundle) -> Result<Vec<ImageState>, Failure> {
        Ok(WantedImages::of(bundle, self.registry.as_ref())?.skip())
    }
}
