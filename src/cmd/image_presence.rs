//! Checks whether registries have the images of a bundle.
//!
//! A pinned image is looked up by digest, any other by tag.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::args::registry::RegistryArgs;
use super::ctx::Ctx;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::images::reference::Reference;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::registry::{
    Availability, Persistence, PullSecretFormat, Registry, RegistryCredentials, RegistryPrefix,
    RegistrySettings, Timeouts,
};
use crate::render::references::{pod_template, pull_secrets};

/// How long a registry may stay silent: the operator is waiting for the answer.
const SILENCE: Duration = Duration::from_secs(10);
/// The limit for a whole request, however slowly the answer arrives.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// An image of a bundle, and whether its registry has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageState {
    /// The reference that was looked up.
    pub(super) reference: String,
    pub(super) state: ImageFinding,
    /// Why the image was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// The remedy for that.
    #[serde(skip)]
    pub(super) remedy: Option<String>,
}

/// The answer of a registry about an image.
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
    /// When a reference cannot be mapped to the registry of `--registry`, or a file named by an
    /// option cannot be used.
    pub(super) fn look(
        &self,
        ctx: &Ctx,
        bundle: &Bundle,
        cluster: &Cluster,
    ) -> Result<Vec<ImageState>, Failure> {
        let wanted = self.wanted(bundle)?;
        let mut settings = match self.settings(ctx) {
            Err(failure) if !self.reach.names_file() => return Ok(unknown(&wanted, &failure)),
            settings => settings?,
        };
        let notes = if self.reach.names_credentials() {
            Vec::new()
        } else {
            prefer_pull_secrets(&mut settings, bundle, cluster)
        };
        let mut states = match Registry::new(settings).map_err(Failure::from) {
            Err(failure) if !self.reach.names_file() => return Ok(unknown(&wanted, &failure)),
            registry => ask(&registry?, &wanted),
        };
        for state in states.iter_mut().filter(|state| state.state == ImageFinding::NotChecked) {
            state.why = state.why.take().map(|why| [&[why], notes.as_slice()].concat().join("; "));
        }
        Ok(states)
    }

    /// Returns each distinct image of a bundle as skipped.
    ///
    /// # Errors
    ///
    /// As [`PresenceArgs::look`].
    pub(super) fn skip(&self, bundle: &Bundle) -> Result<Vec<ImageState>, Failure> {
        let wanted = self.wanted(bundle)?;
        Ok(wanted.iter().map(|image| ImageState::new(image, ImageFinding::Skipped)).collect())
    }

    /// Returns each distinct image, with the registry to ask.
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

    fn settings(&self, ctx: &Ctx) -> Result<RegistrySettings, Failure> {
        let timeouts = Timeouts { silence: SILENCE, total: Some(PATIENCE), ..Timeouts::default() };
        Ok(RegistrySettings {
            timeouts,
            persistence: Persistence::Once,
            ..self.reach.settings(ctx)?
        })
    }
}

/// Prefers the pods' pull secrets to the operator's credentials. Returns why some are unusable.
fn prefer_pull_secrets(
    settings: &mut RegistrySettings,
    bundle: &Bundle,
    cluster: &Cluster,
) -> Vec<String> {
    let pods =
        bundle.manifests.iter().filter_map(|manifest| pod_template(&manifest.object)?.get("spec"));
    let names: BTreeSet<&str> = pods.flat_map(pull_secrets).collect();
    let mut notes = Vec::new();
    for name in names {
        let key = ObjectKey::of(Kind::Secret, bundle.index.namespace.as_str(), name);
        match cluster.find_secret(&key) {
            Ok(None) => {}
            Ok(Some(secret)) => {
                let preferred = prefer_pull_secret(&mut settings.credentials, name, &secret);
                notes.extend(preferred.err());
            }
            Err(error) => notes.push(format!("the pull secret `{name}` was not read: {error}")),
        }
    }
    notes
}

/// Prefers the credentials in a pull secret. Returns why it is unusable.
fn prefer_pull_secret(
    credentials: &mut RegistryCredentials,
    name: &str,
    secret: &Secret,
) -> Result<(), String> {
    let format = PullSecretFormat::of_type(&secret.type_).ok_or_else(|| {
        format!("the pull secret `{name}` is ignored: its type is `{}`", secret.type_)
    })?;
    let Some(config) = secret.data.get(format.key()) else { return Ok(()) };
    credentials
        .prefer_pull_secret(&format!("Secret/{name}"), format, config.expose())
        .map_err(|error| format!("the pull secret `{name}` cannot be used: {error}"))
}

/// Returns all images as not checked, for one reason.
fn unknown(images: &[Reference], why: &Failure) -> Vec<ImageState> {
    let remedy = why.hints.first().cloned();
    let unknown = |image| ImageState::not_checked(image, why.message(), remedy.clone());
    images.iter().map(unknown).collect()
}

/// Returns the pinned images of a bundle, or else those that its manifests name.
fn references(bundle: &Bundle) -> Vec<Reference> {
    match &bundle.images {
        Some(images) => images.images().map(|image| image.reference.clone()).collect(),
        // Nodes cannot pull an invalid reference, so it is left out.
        None => {
            bundle.index.images.iter().filter_map(|image| image.reference.parse().ok()).collect()
        }
    }
}

/// Asks all registries concurrently.
fn ask(registry: &Registry, wanted: &[Reference]) -> Vec<ImageState> {
    let mut hosts: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    for image in wanted {
        hosts.entry(image.registry()).or_default().push(image);
    }
    thread::scope(|scope| {
        let asked: Vec<_> = hosts
            .into_values()
            .map(|images| scope.spawn(move || ask_host(registry, &images)))
            .collect();
        asked.into_iter().flat_map(|asked| asked.join().expect("asking does not panic")).collect()
    })
}

/// Asks one registry for each image, until it turns out to be unreachable.
fn ask_host(registry: &Registry, images: &[&Reference]) -> Vec<ImageState> {
    let mut unreachable: Option<(String, Option<String>)> = None;
    let ask = |image: &&Reference| {
        if let Some((why, remedy)) = unreachable.clone() {
            return ImageState::not_checked(image, why, remedy);
        }
        match registry.has_manifest(image) {
            Availability::There => ImageState::new(image, ImageFinding::There),
            Availability::Absent => ImageState::new(image, ImageFinding::Absent),
            Availability::Unknown(error) => {
                let (why, remedy) = (format!("{}: {}", error.place, error.why), error.remedy());
                if error.why.is_of_host() {
                    unreachable = Some((why.clone(), remedy.clone()));
                }
                ImageState::not_checked(image, why, remedy)
            }
        }
    };
    images.iter().map(ask).collect()
}

impl ImageState {
    fn new(image: &Reference, state: ImageFinding) -> Self {
        Self { reference: image.to_string(), state, why: None, remedy: None }
    }

    fn not_checked(image: &Reference, why: String, remedy: Option<String>) -> Self {
        Self { why: Some(why), remedy, ..Self::new(image, ImageFinding::NotChecked) }
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
            ImageFinding::Skipped => write!(f, "not checked (--images skip)"),
        }
    }
}
