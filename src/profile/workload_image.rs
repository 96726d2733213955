//! The images of the bundle's own workloads.

use super::settings::{Image, Settings};

/// An image of a workload, in the order of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadImage {
    Relay,
    Redis,
    Exporter,
    FluentBit,
}

impl WorkloadImage {
    pub const ALL: [Self; 4] = [Self::Relay, Self::Redis, Self::Exporter, Self::FluentBit];

    /// Returns the key that sets the image.
    pub fn path(self) -> &'static str {
        match self {
            Self::Relay => "image",
            Self::Redis => "redis.image",
            Self::Exporter => "serviceMonitor.exporter.image",
            Self::FluentBit => "storage.logs.fluentbit.image",
        }
    }

    /// Returns the image in the settings, used or not.
    pub fn of(self, settings: &Settings) -> &Image {
        match self {
            Self::Relay => &settings.image,
            Self::Redis => &settings.redis.image,
            Self::Exporter => &settings.service_monitor.exporter.image,
            Self::FluentBit => &settings.storage.logs.fluentbit.image,
        }
    }

    /// Returns the tag of an image that sets none.
    pub fn default_tag(self, app_version: &str) -> &str {
        match self {
            Self::Relay => app_version,
            Self::Redis | Self::Exporter | Self::FluentBit => "",
        }
    }

    /// Returns whether a pod of the profile runs the image.
    pub fn is_used(self, settings: &Settings) -> bool {
        match self {
            Self::Relay => true,
            Self::Redis => settings.redis.enabled,
            Self::Exporter => settings.has_exporter(),
            Self::FluentBit => settings.has_fluent_bit(),
        }
    }
}
