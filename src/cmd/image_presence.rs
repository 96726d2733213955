//! Whether registries have the images of a bundle.
//!
//! A pinned image is asked for by its digest, others by their tag.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::ctx::Ctx;
use super::failure::Failure;
use super::registry_args::RegistryArgs;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::resource::key;
use crate::images::reference::Reference;
use crate::registry::error::RegistryFault;
use crate::registry::{Availability, Persistence, Registry, RegistryPrefix, RegistrySettings, Timeouts};
use crate::render::references::pod_template;

/// How long a registry may be silent: a person waits for the answer.
const SILENCE: Duration = Duration::from_secs(10);
/// The key of a pull secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// Where images are looked for.
#[derive(Debug, clap::Args)]
pub(super) struct PresenceArgs {
    /// Look at this registry instead of the one in each reference; paths stay
    #[arg(long, value_name = "HOST[/PREFIX]")]
    pub(super) registry: Option<RegistryPrefix>,
    #[command(flatten)]
    reach: RegistryArgs,
}

/// An image of a bundle, and whether its registry has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageState {
    /// The reference that was asked for.
    pub(super) reference: String,
    pub(super) state: ImageFinding,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

/// What is known of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ImageFinding {
    There,
    Absent,
    NotChecked,
    Skipped,
}

impl PresenceArgs {
    /// Asks the registries for each distinct image of a bundle.
    ///
    /// # Errors
    ///
    /// When a reference has no place at the registry of `--registry`.
    pub(super) fn look(
        &self,
        ctx: &Ctx,
        bundle: &Bundle,
        cluster: &Cluster,
    ) -> Result<Vec<ImageState>, Failure> {
        let wanted = self.wanted(bundle)?;
        match self.client(ctx, bundle, cluster) {
            Ok(registry) => Ok(ask(&registry, &wanted)),
            Err(failure) => {
                let unknown =
                    |image| ImageState::new(image, ImageFinding::NotChecked, Some(failure.message()));
                Ok(wanted.iter().map(unknown).collect())
            }
        }
    }

    /// Returns each distinct image of a bundle as one that is not asked for.
    ///
    /// # Errors
    ///
    /// As [`PresenceArgs::look`].
    pub(super) fn skip(&self, bundle: &Bundle) -> Result<Vec<ImageState>, Failure> {
        let wanted = self.wanted(bundle)?;
        Ok(wanted.iter().map(|image| ImageState::new(image, ImageFinding::Skipped, None)).collect())
    }

    /// Returns each distinct image, at the registry that is asked.
    fn wanted(&self, bundle: &Bundle) -> Result<Vec<Reference>, Failure> {
        let mut wanted = BTreeMap::new();
        for image in references(bundle) {
            let place = |registry: &RegistryPrefix| registry.place(&image).map_err(Failure::input);
            let reference = self.registry.as_ref().map_or_else(|| Ok(image.clone()), place)?;
            let tag = reference.tag().filter(|_| reference.digest().is_none());
            let key = (reference.full().name(), tag.map(str::to_owned), reference.digest());
            wanted.entry(key).or_insert(reference);
        }
        Ok(wanted.into_values().collect())
    }

    /// Returns a client with the pull secrets of the pods, else the operator's credentials.
    fn client(&self, ctx: &Ctx, bundle: &Bundle, cluster: &Cluster) -> Result<Registry, Failure> {
        let mut settings = self.reach.settings(ctx)?;
        for name in pull_secrets(bundle) {
            let key = key("Secret", bundle.index.namespace.as_str(), &name).expect("a kind that is known");
            // Who may not read it has credentials of their own, or is told that the image was not checked.
            let Ok(Some(secret)) = cluster.find_secret(&key) else { continue };
            if let Some(config) = secret.data.get(DOCKER_CONFIG) {
                settings.credentials.prefer_pull_secret(&key.to_string(), config.expose())?;
            }
        }
        let timeouts = Timeouts { silence: SILENCE, ..Timeouts::default() };
        Ok(Registry::new(RegistrySettings { timeouts, persistence: Persistence::Once, ..settings })?)
    }
}

/// Returns the pinned images of a bundle, or else those that its manifests name.
fn references(bundle: &Bundle) -> Vec<Reference> {
    match &bundle.images {
        Some(images) => images.images().map(|image| image.reference.clone()).collect(),
        // A registry is asked for what is a reference; nothing else is pulled either.
        None => bundle.index.images.iter().filter_map(|image| image.reference.parse().ok()).collect(),
    }
}

/// Returns the names of the Secrets with which nodes pull the images.
fn pull_secrets(bundle: &Bundle) -> BTreeSet<String> {
    let specs = bundle.manifests.iter().filter_map(|manifest| pod_template(&manifest.object)?.get("spec"));
    let secrets = specs.filter_map(|spec| spec.get("imagePullSecrets")?.as_array()).flatten();
    let names = secrets.filter_map(|secret| Some(secret.get("name")?.as_str()?.to_owned()));
    names.collect::<BTreeSet<_>>()
}

/// Asks all registries at once, so that a person waits for the slowest only.
fn ask(registry: &Registry, wanted: &[Reference]) -> Vec<ImageState> {
    let mut hosts: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    for image in wanted {
        hosts.entry(image.registry()).or_default().push(image);
    }
    thread::scope(|scope| {
        let asked: Vec<_> =
            hosts.into_values().map(|images| scope.spawn(move || ask_host(registry, &images))).collect();
        asked.into_iter().flat_map(|asked| asked.join().expect("asking does not panic")).collect()
    })
}

/// Asks one registry for each image; for the first one only if it does not answer.
fn ask_host(registry: &Registry, images: &[&Reference]) -> Vec<ImageState> {
    let mut silent: Option<String> = None;
    let ask = |image: &&Reference| {
        if let Some(why) = &silent {
            return ImageState::new(image, ImageFinding::NotChecked, Some(why.clone()));
        }
        match registry.has_manifest(image) {
            Availability::There => ImageState::new(image, ImageFinding::There, None),
            Availability::Absent => ImageState::new(image, ImageFinding::Absent, None),
            Availability::Unknown(error) => {
                let why = error.why.to_string();
                if !matches!(error.why, RegistryFault::Denied { .. }) {
                    silent = Some(why.clone());
                }
                ImageState::new(image, ImageFinding::NotChecked, Some(why))
            }
        }
    };
    images.iter().map(ask).collect()
}

impl ImageState {
    fn new(image: &Reference, state: ImageFinding, why: Option<String>) -> Self {
        Self { reference: image.to_string(), state, why }
    }
}

impl fmt::Display for ImageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.as_deref().unwrap_or("no answer");
        write!(f, "`{}`: ", self.reference)?;
        match self.state {
            ImageFinding::There => write!(f, "there"),
            ImageFinding::Absent => write!(f, "not in the registry"),
            ImageFinding::NotChecked => write!(f, "not checked: {why}"),
            ImageFinding::Skipped => write!(f, "not looked for (--images skip)"),
        }
    }
}
