//! The images of a bundle, looked for before anything is changed: pods that wait for an image replace pods that ran.
//!
//! | the registry says | the plan |
//! |---|---|
//! | the manifest is there | goes on |
//! | it is not there | is blocked, with the command that pushes it |
//! | nothing, or no permission | goes on; with `--images check` it is blocked |
//!
//! Not part of the plan's hash: an image that has come since then is no other plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Checked;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::resource::key;
use crate::cmd::command_line::command_line;
use crate::cmd::ctx::Ctx;
use crate::cmd::failure::Failure;
use crate::cmd::registry_args::RegistryArgs;
use crate::images::list::ImageList;
use crate::images::reference::Reference;
use crate::registry::error::RegistryFault;
use crate::registry::{Availability, Persistence, Registry, RegistryPrefix, RegistrySettings, Timeouts};
use crate::render::references::pod_template;

/// How long a registry may be silent: a person waits for the plan.
const SILENCE: Duration = Duration::from_secs(10);
/// The key of a pull secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// How images are looked for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images")]
pub(super) struct ImageArgs {
    /// Require an answer of the registry for each image (check), or do not ask (skip) [default: ask, and go on
    /// without an answer]
    #[arg(long, value_name = "WHAT")]
    images: Option<ImageOrder>,
    /// Look at this registry in place of the one in each reference; paths stay
    #[arg(long, value_name = "HOST[/PREFIX]")]
    registry: Option<RegistryPrefix>,
    #[command(flatten)]
    reach: RegistryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ImageOrder {
    Check,
    Skip,
}

/// An image of the bundle, and whether its registry has it.
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

impl ImageArgs {
    /// Looks for the images of a bundle that pins them.
    pub(super) fn look(
        &self,
        ctx: &Ctx,
        checked: &Checked,
        cluster: &Cluster,
    ) -> Result<Vec<ImageState>, Failure> {
        let wanted = self.wanted(checked.bundle())?;
        if self.images == Some(ImageOrder::Skip) {
            return Ok(wanted
                .iter()
                .map(|image| ImageState::new(image, ImageFinding::Skipped, None))
                .collect());
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        match self.client(ctx, checked.bundle(), cluster) {
            Ok(registry) => Ok(ask(&registry, &wanted)),
            Err(failure) => {
                let unknown =
                    |image| ImageState::new(image, ImageFinding::NotChecked, Some(failure.message()));
                Ok(wanted.iter().map(unknown).collect())
            }
        }
    }

    /// Returns what keeps the plan from being carried out.
    pub(super) fn obstacles(&self, checked: &Checked, images: &[ImageState]) -> Vec<String> {
        if images.is_empty() && self.images == Some(ImageOrder::Check) {
            return vec!["the images of the bundle are not pinned, so they cannot be looked for".to_owned()];
        }
        let obstacle = |image: &ImageState| match (image.state, self.images) {
            (ImageFinding::Absent, _) => {
                let push = self.push_line(checked);
                Some(format!("image {image}: {push}"))
            }
            (ImageFinding::NotChecked, Some(ImageOrder::Check)) => Some(format!("image {image}")),
            _ => None,
        };
        images.iter().filter_map(obstacle).collect()
    }

    fn push_line(&self, checked: &Checked) -> String {
        let own = ["push", "FILE", "--trust", checked.trust.as_str()].into_iter().map(str::to_owned);
        let registry =
            self.registry.iter().flat_map(|registry| ["--registry".to_owned(), registry.to_string()]);
        let words: Vec<String> = own.chain(registry).collect();
        command_line(words.iter().map(String::as_str))
    }

    /// Returns each distinct image, at the registry that is asked.
    fn wanted(&self, bundle: &Bundle) -> Result<Vec<Reference>, Failure> {
        let mut wanted = BTreeMap::new();
        for image in bundle.images.iter().flat_map(ImageList::images) {
            let reference = match &self.registry {
                Some(registry) => registry.place(&image.reference).map_err(Failure::input)?,
                None => image.reference.clone(),
            };
            wanted.entry((reference.full().name(), image.digest)).or_insert(reference);
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

/// Returns the names of the Secrets with which nodes pull the images.
fn pull_secrets(bundle: &Bundle) -> BTreeSet<String> {
    let specs = bundle.manifests.iter().filter_map(|manifest| pod_template(&manifest.object)?.get("spec"));
    let secrets = specs.filter_map(|spec| spec.get("imagePullSecrets")?.as_array()).flatten();
    let names = secrets.filter_map(|secret| Some(secret.get("name")?.as_str()?.to_owned()));
    names.collect::<BTreeSet<_>>()
}

/// Asks for each image; of a registry that does not answer, only for the first one.
fn ask(registry: &Registry, wanted: &[Reference]) -> Vec<ImageState> {
    let mut silent: BTreeMap<&str, String> = BTreeMap::new();
    let mut states = Vec::new();
    for image in wanted {
        if let Some(why) = silent.get(image.registry()) {
            states.push(ImageState::new(image, ImageFinding::NotChecked, Some(why.clone())));
            continue;
        }
        states.push(match registry.has_manifest(image) {
            Availability::There => ImageState::new(image, ImageFinding::There, None),
            Availability::Absent => ImageState::new(image, ImageFinding::Absent, None),
            Availability::Unknown(error) => {
                let why = error.why.to_string();
                if !matches!(error.why, RegistryFault::Denied { .. }) {
                    silent.insert(image.registry(), why.clone());
                }
                ImageState::new(image, ImageFinding::NotChecked, Some(why))
            }
        });
    }
    states
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
