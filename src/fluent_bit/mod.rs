//! Fluent Bit's output plugins and their properties, the versions that are fit for use, and the
//! configuration of the sidecar that ships the relay's log files.
//!
//! This module knows neither profiles nor Kubernetes. [`check`] finds the settings that Fluent Bit
//! would refuse, or accept and get wrong; [`config`] builds the whole `fluent-bit.yaml` from
//! settings that passed it.

mod check;
mod config;
mod defaults;
mod fields;
mod output;
mod problem;
mod property;
mod rdkafka;
mod rules;
mod table;
mod value;
mod version;

pub use check::{
    check, is_credential, is_librdkafka_secret, is_list_property, is_text_of_property,
};
pub use config::{ConfigInput, METADATA, config};
pub use defaults::buffer_bytes;
pub use fields::FIELDS;
pub use output::{OutputPlugin, UnknownOutput};
pub use problem::{Problem, ProblemKind, ProblemSeverity};
pub use property::{Property, PropertyKind, Since};
pub use value::{PropertyValue, env_name};
pub use version::{TooOld, Version, parse_tag};

#[cfg(test)]
mod tests;
