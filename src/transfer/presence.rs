//! Checks whether registries have the images of a bundle.
//!
//! A pinned image is looked up by digest, any other by tag.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::images::reference::ImageReference;
use crate::model::secret_value::SecretValue;
use crate::registry::{
    Availability, Persistence, PullSecretFormat, Registry, RegistryCredentials, RegistryPrefix,
    RegistrySettings, Timeouts,
};
use crate::render::references::{pod_template, pull_secrets};
use crate::rollout::image_state::{ImageFinding, ImageState};

/// How long a registry may stay silent: the operator is waiting for the answer.
const SILENCE: Duration = Duration::from_secs(10);
/// The limit for a whole request, however slowly the answer arrives.
const PATIENCE: Duration = Duration::from_secs(30);

/// The distinct images of a bundle, with the registries to ask.
pub struct WantedImages<'a> {
    bundle: &'a Bundle,
    images: Vec<ImageReference>,
}

/// How to reach registries.
pub struct RegistryReach {
    /// The settings, or why they cannot be used.
    pub settings: Result<RegistrySettings, Failure>,
    /// Whether the operator named the file with the credentials.
    pub names_credentials: bool,
    /// Whether the operator named any file. If such a file cannot be used, the command fails.
    pub names_file: bool,
}

/// A pull secret in the cluster.
pub struct PullSecret {
    pub type_: String,
    pub data: BTreeMap<String, SecretValue>,
}

/// Reads the pull secret with a name. Returns `None` if it does not exist, and why if it cannot be
/// read.
pub type PullSecretReader<'a> = dyn Fn(&str) -> Result<Option<PullSecret>, String> + 'a;

impl<'a> WantedImages<'a> {
    /// Returns the images of a bundle, to be looked up in their registries, or in `registry`.
    ///
    /// # Errors
    ///
    /// When a reference cannot be mapped to `registry`.
    pub fn of(bundle: &'a Bundle, registry: Option<&RegistryPrefix>) -> Result<Self, Failure> {
        let mut wanted = BTreeMap::new();
        for image in references(bundle) {
            let place = |registry: &RegistryPrefix| registry.place(&image).map_err(Failure::input);
            let reference = registry.map_or_else(|| Ok(image.clone()), place)?;
            let tag = reference.tag().filter(|_| reference.digest().is_none());
            let key = (reference.full().name(), tag.map(str::to_owned), reference.digest());
            wanted.entry(key).or_insert(reference);
        }
        Ok(Self { bundle, images: wanted.into_values().collect() })
    }

    /// Returns each image as skipped.
    pub fn skip(&self) -> Vec<ImageState> {
        self.images.iter().map(|image| ImageState::new(image, ImageFinding::Skipped)).collect()
    }

    /// Asks the registries for each image, with the pull secrets of the pods.
    ///
    /// # Errors
    ///
    /// When a file that the operator named cannot be used.
    pub fn look(
        &self,
        reach: RegistryReach,
        read: &PullSecretReader<'_>,
    ) -> Result<Vec<ImageState>, Failure> {
        let RegistryReach { settings, names_credentials, names_file } = reach;
        let mut settings = match settings {
            Err(failure) if !names_file => return Ok(self.unknown(&failure)),
            settings => impatient(settings?),
        };
        let notes = if names_credentials {
            Vec::new()
        } else {
            prefer_pull_secrets(&mut settings, self.bundle, read)
        };
        let mut states = match Registry::new(settings).map_err(Failure::from) {
            Err(failure) if !names_file => return Ok(self.unknown(&failure)),
            registry => ask(&registry?, &self.images),
        };
        for state in states.iter_mut().filter(|state| state.state == ImageFinding::NotChecked) {
            state.why = state.why.take().map(|why| [&[why], notes.as_slice()].concat().join("; "));
        }
        Ok(states)
    }

    /// Returns all images as not checked, for one reason.
    fn unknown(&self, why: &Failure) -> Vec<ImageState> {
        let remedy = why.hints.first().cloned();
        let unknown = |image| ImageState::not_checked(image, why.message(), remedy.clone());
        self.images.iter().map(unknown).collect()
    }
}

fn impatient(settings: RegistrySettings) -> RegistrySettings {
    let timeouts = Timeouts { silence: SILENCE, total: Some(PATIENCE), ..Timeouts::default() };
    RegistrySettings { timeouts, persistence: Persistence::Once, ..settings }
}

/// Prefers the pods' pull secrets to the operator's credentials. Returns why some are unusable.
fn prefer_pull_secrets(
    settings: &mut RegistrySettings,
    bundle: &Bundle,
    read: &PullSecretReader<'_>,
) -> Vec<String> {
    let pods =
        bundle.manifests.iter().filter_map(|manifest| pod_template(&manifest.object)?.get("spec"));
    let names: BTreeSet<&str> = pods.flat_map(pull_secrets).collect();
    let mut notes = Vec::new();
    for name in names {
        match read(name) {
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
    secret: &PullSecret,
) -> Result<(), String> {
    let format = PullSecretFormat::of_type(&secret.type_).ok_or_else(|| {
        format!("the pull secret `{name}` is ignored: its type is `{}`", secret.type_)
    })?;
    let Some(config) = secret.data.get(format.key()) else { return Ok(()) };
    credentials
        .prefer_pull_secret(&format!("Secret/{name}"), format, config.expose())
        .map_err(|error| format!("the pull secret `{name}` cannot be used: {error}"))
}

/// Returns the pinned images of a bundle, or else those that its manifests name.
fn references(bundle: &Bundle) -> Vec<ImageReference> {
    match &bundle.images {
        Some(images) => images.images().map(|image| image.reference.clone()).collect(),
        // Nodes cannot pull an invalid reference, so it is left out.
        None => {
            bundle.index.images.iter().filter_map(|image| image.reference.parse().ok()).collect()
        }
    }
}

/// Asks all registries concurrently.
fn ask(registry: &Registry, wanted: &[ImageReference]) -> Vec<ImageState> {
    let mut hosts: BTreeMap<&str, Vec<&ImageReference>> = BTreeMap::new();
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
fn ask_host(registry: &Registry, images: &[&ImageReference]) -> Vec<ImageState> {
    let mut unreachable: Option<(String, Option<String>)> = None;
    let ask = |image: &&ImageReference| {
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
