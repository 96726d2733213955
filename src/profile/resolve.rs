//! Decisions that several renderers share: names, images and secrets. All functions are pure.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;

use super::node::Path;
use super::settings::{Image, LogMode, OutputKind, OutputValue, PullPolicy, Settings};
use super::workload_image::WorkloadImage;
use crate::images::lock::{ImagesLock, LockedImage};
use crate::images::reference::{ImageReference, without_digest};
use crate::model::digest::Digest;
use crate::model::secret::SecretForm;
use crate::model::text::{Label, Tag, split_registry};

/// A profile without errors: the input of `render` and of every later stage.
pub struct Profile {
    /// The profile's name.
    pub name: Label,
    pub settings: Settings,
    pub names: Names,
    /// The encrypted files of the secrets, by path below the profiles' folder.
    pub sealed: BTreeMap<String, Vec<u8>>,
    /// The `--set` arguments as given.
    pub sets: Vec<String>,
    /// The image lock, if it lists this profile.
    pub lock: Option<ImagesLock>,
}

/// The chart's app name: part of object names and the value of a selector label.
pub const APP_NAME: &str = "claude-relay";

/// The names of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The value of the relay's label `app.kubernetes.io/name`.
    pub app: String,
    /// The name of the relay's objects, and the prefix of most other names.
    pub full: String,
    /// The name of Redis's objects.
    pub redis: String,
}

impl Names {
    /// Returns the names by the chart's rule: the release's name if it contains the app's name,
    /// otherwise both joined.
    pub fn of(settings: &Settings) -> Self {
        let release = settings.release.name.as_str();
        let app = match settings.name_override.as_str() {
            "" => APP_NAME,
            other => other,
        };
        let full = Self::full_of(
            release,
            settings.name_override.as_str(),
            settings.fullname_override.as_str(),
        );
        let mut redis =
            if release.contains("redis") { release.to_owned() } else { format!("{release}-redis") };
        // A release named `claude-relay-redis` would give both the same name.
        if redis == full {
            redis.push_str("-redis");
        }
        Self { app: app.to_owned(), full, redis }
    }

    /// Returns the name of the relay's objects from the release's name and the overrides, which may
    /// be empty.
    pub fn full_of(release: &str, name_override: &str, fullname_override: &str) -> String {
        let app = if name_override.is_empty() { APP_NAME } else { name_override };
        match fullname_override {
            "" if release.contains(app) => release.to_owned(),
            "" => format!("{release}-{app}"),
            other => other.to_owned(),
        }
    }

    pub fn redis_headless(&self) -> String {
        format!("{}-headless", self.redis)
    }
}

/// A use of a secret by a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPurpose {
    JwtSecret,
    EncryptionKey,
    AdminPassword,
    RedisPassword,
    /// A property of the Fluent Bit output, in lower case, and the secret's index if the value is a
    /// list.
    Output {
        property: String,
        index: Option<usize>,
    },
}

impl SecretPurpose {
    /// Returns the key in generated Secrets: the chart's key, if the chart has one.
    pub fn data_key(&self) -> String {
        match self {
            Self::JwtSecret => "jwt-secret".into(),
            Self::EncryptionKey => "encryption-key".into(),
            Self::AdminPassword => "admin-password".into(),
            Self::RedisPassword => "redis-password".into(),
            Self::Output { property, index } => {
                let place = index.map(|index| format!("-{index}")).unwrap_or_default();
                format!("fluent-bit-{}{place}", property.replace(['.', '_'], "-"))
            }
        }
    }
}

/// A secret as a pod references it.
pub struct SecretRef<'a> {
    pub purpose: SecretPurpose,
    pub form: &'a SecretForm,
    /// The name of the Secret.
    pub object: String,
    /// The key in the Secret.
    pub key: String,
    /// A token that changes when the secret's consumers must restart; never derived from the value.
    pub token: String,
}

impl Profile {
    /// Returns the secret of `purpose`, if the profile uses one.
    pub fn secret(&self, purpose: &SecretPurpose) -> Option<SecretRef<'_>> {
        let form = self.form(purpose)?;
        let full = &self.names.full;
        let (object, key) = match form {
            SecretForm::Generate { .. } if *purpose == SecretPurpose::EncryptionKey => {
                (format!("{full}-encryption-key"), purpose.data_key())
            }
            SecretForm::Generate { .. } => (format!("{full}-generated"), purpose.data_key()),
            SecretForm::Existing { name, key, .. } => (name.to_string(), key.to_string()),
            SecretForm::Age { .. } => (self.sealed_object(), purpose.data_key()),
            SecretForm::Literal { .. } => (format!("{full}-literal"), purpose.data_key()),
        };
        let token = match form {
            SecretForm::Generate { generation, .. } => format!("generated-{generation}"),
            SecretForm::Existing { revision, .. } => format!("existing-{revision}"),
            SecretForm::Age { file } => format!(
                "sealed-{}",
                self.sealed
                    .get(file.as_str())
                    .map_or_else(|| Digest::of(b""), |bytes| Digest::of(bytes))
            ),
            SecretForm::Literal { revision, .. } => format!("literal-{revision}"),
        };
        Some(SecretRef { purpose: purpose.clone(), form, object, key, token })
    }

    fn form(&self, purpose: &SecretPurpose) -> Option<&SecretForm> {
        let settings = &self.settings;
        match purpose {
            SecretPurpose::JwtSecret => Some(&settings.config.jwt_secret),
            SecretPurpose::EncryptionKey => Some(&settings.config.encryption_key),
            SecretPurpose::AdminPassword => Some(&settings.config.admin_password),
            SecretPurpose::RedisPassword if settings.redis.enabled => {
                Some(&settings.redis.auth.password).filter(|_| settings.redis.auth.enabled)
            }
            SecretPurpose::RedisPassword => settings.external_redis.password.as_ref(),
            SecretPurpose::Output { property, index } => settings.output_secret(property, *index),
        }
    }

    /// Returns the path of the profile key that configures the secret of `purpose`.
    pub fn key_of(&self, purpose: &SecretPurpose) -> Path {
        let config = &self.settings.storage.logs.fluentbit.output.config;
        let path = match purpose {
            SecretPurpose::JwtSecret => "config.jwtSecret",
            SecretPurpose::EncryptionKey => "config.encryptionKey",
            SecretPurpose::AdminPassword => "config.adminPassword",
            SecretPurpose::RedisPassword if self.settings.redis.enabled => "redis.auth.password",
            SecretPurpose::RedisPassword => "externalRedis.password",
            SecretPurpose::Output { property, index } => {
                let written =
                    config.keys().find(|key| key.to_lowercase() == *property).unwrap_or(property);
                let path = Path::of("storage.logs.fluentbit.output.config").key(written);
                return index.map_or(path.clone(), |index| path.index(index));
            }
        };
        Path::of(path)
    }

    /// Returns the name of the Secret that holds all sealed values.
    pub fn sealed_object(&self) -> String {
        format!("{}-sealed", self.names.full)
    }

    /// Returns every secret that the profile's pods consume, in a fixed order.
    pub fn secrets(&self) -> Vec<SecretRef<'_>> {
        let fixed = [
            SecretPurpose::JwtSecret,
            SecretPurpose::EncryptionKey,
            SecretPurpose::AdminPassword,
            SecretPurpose::RedisPassword,
        ];
        let outputs = self.settings.output_secrets();
        fixed.into_iter().chain(outputs).filter_map(|purpose| self.secret(&purpose)).collect()
    }
}

impl Settings {
    /// Returns whether more than one pod of the relay can run at the same time.
    pub fn can_scale(&self) -> bool {
        if self.autoscaling.enabled {
            self.autoscaling.max_replicas.get() > 1
        } else {
            self.replica_count.get() > 1
        }
    }

    /// Returns whether Fluent Bit runs as a sidecar of the relay.
    pub fn has_fluent_bit(&self) -> bool {
        let logs = &self.storage.logs;
        logs.fluentbit.enabled && matches!(logs.mode, LogMode::Fluentbit | LogMode::Forward)
    }

    /// Returns whether the metrics exporter runs as a sidecar of the relay.
    pub fn has_exporter(&self) -> bool {
        self.service_monitor.enabled && self.service_monitor.exporter.enabled
    }

    /// Returns Fluent Bit's output plugin.
    pub fn output_kind(&self) -> OutputKind {
        let forward = self.storage.logs.mode == LogMode::Forward;
        self.storage.logs.fluentbit.output.kind.unwrap_or(if forward {
            OutputKind::Forward
        } else {
            OutputKind::Stdout
        })
    }

    fn output_secret(&self, property: &str, index: Option<usize>) -> Option<&SecretForm> {
        let config = &self.storage.logs.fluentbit.output.config;
        let (_, value) = config
            .iter()
            .filter(|_| self.has_fluent_bit())
            .find(|(key, _)| key.to_lowercase() == property)?;
        match (value, index) {
            (OutputValue::List(items), Some(index)) => items.get(index)?.secret(),
            (value, None) => value.secret(),
            _ => None,
        }
    }

    /// Returns the secrets of Fluent Bit's output.
    pub fn output_secrets(&self) -> impl Iterator<Item = SecretPurpose> {
        let config = &self.storage.logs.fluentbit.output.config;
        config.iter().filter(|_| self.has_fluent_bit()).flat_map(|(key, value)| {
            let property = key.to_lowercase();
            let purpose = |index| SecretPurpose::Output { property: property.clone(), index };
            match value {
                OutputValue::Secret(_) => vec![purpose(None)],
                OutputValue::List(items) => {
                    let secrets =
                        items.iter().enumerate().filter(|(_, item)| item.secret().is_some());
                    secrets.map(|(index, _)| purpose(Some(index))).collect()
                }
                _ => Vec::new(),
            }
        })
    }

    /// Returns the host name and port at which the relay reaches Redis.
    pub fn redis_address(&self, names: &Names) -> (String, i64) {
        if self.redis.enabled {
            (names.redis.clone(), self.redis.service.port.get())
        } else {
            (self.external_redis.host.to_string(), self.external_redis.port.get())
        }
    }
}

/// An image as a container names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// `registry/repository:tag@digest`, as the cluster pulls it.
    pub reference: String,
    /// The reference before the rewrite by `images.registry`: the source of a mirror.
    pub source: String,
    pub pull_policy: PullPolicy,
}

/// Returns whether a reference names its registry; otherwise each node's configuration decides.
pub fn names_registry(reference: &str) -> bool {
    split_registry(reference).0.is_some()
}

/// Returns `reference` moved to `registry`, or unchanged if `registry` is empty.
fn in_registry(registry: &str, reference: &str) -> String {
    let (_, path) = split_registry(reference);
    if registry.is_empty() { reference.to_owned() } else { format!("{registry}/{path}") }
}

impl Profile {
    /// Returns the reference of `image` in the cluster, pinned if the profile is locked.
    pub fn image_ref(&self, image: &Image) -> ImageRef {
        self.pin(self.settings.image_ref(image, None))
    }

    /// Returns the reference of the relay's image in the cluster, pinned if the profile is locked.
    pub fn relay_image(&self) -> ImageRef {
        self.pin(self.settings.relay_image())
    }

    /// Returns the cluster's reference of an image that one of the profile's own containers or
    /// volumes names.
    pub fn own_image(&self, source: &str) -> String {
        self.pin(self.settings.own_image(source)).reference
    }

    /// Returns each image that the profile's pods run, by its reference in the cluster.
    pub fn images(&self) -> BTreeMap<String, ImageRef> {
        let images = self.settings.all_images().map(|(_, image)| self.pin(image));
        images.map(|image| (image.reference.clone(), image)).collect()
    }

    /// Returns the lock's entry for the image that `source` names.
    pub fn locked(&self, source: &str) -> Option<&LockedImage> {
        let source: ImageReference = source.parse().ok()?;
        self.lock.as_ref()?.images.get(&source)
    }

    fn pin(&self, image: ImageRef) -> ImageRef {
        let Some(locked) = self.locked(&image.source) else { return image };
        let name = without_digest(&image.reference);
        ImageRef { reference: format!("{name}@{}", locked.digest.prefixed()), ..image }
    }
}

/// Returns the reference in an image's settings, with `tag` if the settings have no tag.
fn source_of(image: &Image, tag: &str) -> String {
    let mut source = in_registry(image.registry.as_str(), image.repository.as_str());
    let tag = if image.tag.as_str().is_empty() { tag } else { image.tag.as_str() };
    for (separator, part) in [(':', tag), ('@', image.digest.as_str())] {
        if !part.is_empty() {
            source.push(separator);
            source.push_str(part);
        }
    }
    source
}

/// Returns the sources of images by their name in the cluster without a digest, read from the
/// settings in a recipe.
///
/// Settings that another version wrote may lack some images.
pub fn image_sources(settings: &Value) -> BTreeMap<String, String> {
    let text =
        |pointer: &str| settings.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let ours = WorkloadImage::ALL.into_iter().filter_map(|one| {
        let pointer = format!("/{}", one.path().replace('.', "/"));
        let image = Image::deserialize(settings.pointer(&pointer)?).ok()?;
        Some(source_of(&image, one.default_tag(text("/release/appVersion"))))
    });
    let own = ["/initContainers", "/extraContainers"].into_iter();
    let own = own.filter_map(|pointer| settings.pointer(pointer)?.as_array()).flatten();
    let own = own.filter_map(|container| container.get("image"));
    let volumes = settings.get("extraVolumes").and_then(Value::as_array).into_iter().flatten();
    let volumes = volumes.filter_map(|volume| volume.pointer("/image/reference"));
    let own = own.chain(volumes).filter_map(|image| Some(image.as_str()?.to_owned()));
    let registry = text("/images/registry");
    ours.chain(own)
        .map(|source| {
            let name = in_registry(registry, &source);
            (without_digest(&name).to_owned(), source)
        })
        .collect()
}

impl Settings {
    /// Returns the reference of `image` after the rewrite by `images.registry`, with `tag` if the
    /// image has no tag.
    pub fn image_ref(&self, image: &Image, tag: Option<&Tag>) -> ImageRef {
        let source = source_of(image, tag.map_or("", Tag::as_str));
        // Nodes pull once by default, for a tag, which may move, as for a digest, which cannot.
        let pull_policy =
            image.pull_policy.or(self.images.pull_policy).unwrap_or(PullPolicy::IfNotPresent);
        ImageRef { reference: self.mirrored(&source), source, pull_policy }
    }

    /// Returns an image of one of the profile's own containers or volumes after the rewrite by
    /// `images.registry`.
    pub fn own_image(&self, source: &str) -> ImageRef {
        let pull_policy = self.images.pull_policy.unwrap_or(PullPolicy::IfNotPresent);
        ImageRef { reference: self.mirrored(source), source: source.to_owned(), pull_policy }
    }

    fn mirrored(&self, reference: &str) -> String {
        in_registry(self.images.registry.as_str(), reference)
    }

    pub fn relay_image(&self) -> ImageRef {
        let version = Tag::try_from(self.release.app_version.to_string())
            .expect("a version is a tag by its rule");
        self.image_ref(&self.image, Some(&version))
    }

    /// Returns the images of the profile's own containers and volumes with the path of the key that
    /// sets each.
    pub fn own_images(&self) -> impl Iterator<Item = (Path, ImageRef)> {
        let containers = [
            ("initContainers", &self.init_containers),
            ("extraContainers", &self.extra_containers),
        ]
        .into_iter()
        .flat_map(|(key, containers)| {
            containers
                .iter()
                .enumerate()
                .map(move |(index, own)| (Path::of(key).index(index).key("image"), own))
        })
        .filter_map(|(path, own)| Some((path, own.image.as_deref()?)));
        let volumes = self.extra_volumes.iter().enumerate().filter_map(|(index, volume)| {
            let path = Path::of("extraVolumes").index(index).key("image").key("reference");
            Some((path, volume.image.as_ref()?.reference.as_deref()?))
        });
        containers.chain(volumes).map(|(path, source)| (path, self.own_image(source)))
    }

    /// Returns the images of the bundle's own workloads that this profile's pods run, in the order
    /// of their keys.
    pub fn images_used(&self) -> impl Iterator<Item = (WorkloadImage, ImageRef)> {
        let used = WorkloadImage::ALL.into_iter().filter(|image| image.is_used(self));
        used.map(|image| {
            let resolved = match image {
                WorkloadImage::Relay => self.relay_image(),
                other => self.image_ref(other.of(self), None),
            };
            (image, resolved)
        })
    }

    /// Returns each image that this profile's pods run, with the path of the key that sets it.
    pub fn all_images(&self) -> impl Iterator<Item = (Path, ImageRef)> {
        let ours = self.images_used().map(|(image, resolved)| (Path::of(image.path()), resolved));
        ours.chain(self.own_images())
    }
}
