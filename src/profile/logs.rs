//! Translates the profile's Fluent Bit output into the types of `fluent_bit`.

use std::collections::BTreeMap;

use super::settings::{OutputKind, OutputValue, Settings};
use crate::fluent_bit::{self, OutputPlugin, env_name};
use crate::model::secret::SecretForm;

/// Returns the output plugin.
pub fn output(settings: &Settings) -> OutputPlugin {
    match settings.output_kind() {
        OutputKind::Stdout => OutputPlugin::Stdout,
        OutputKind::Forward => OutputPlugin::Forward,
        OutputKind::Es | OutputKind::Elasticsearch => OutputPlugin::Es,
        OutputKind::Loki => OutputPlugin::Loki,
        OutputKind::Http => OutputPlugin::Http,
        OutputKind::Kafka => OutputPlugin::Kafka,
        OutputKind::S3 => OutputPlugin::S3,
    }
}

/// Returns the plugin's properties; a secret becomes the environment variable that carries it.
pub fn output_settings(settings: &Settings) -> BTreeMap<String, fluent_bit::PropertyValue> {
    let config = &settings.storage.logs.fluentbit.output.config;
    config.iter().map(|(key, value)| (key.clone(), translate(key, None, value))).collect()
}

fn translate(key: &str, index: Option<usize>, value: &OutputValue) -> fluent_bit::PropertyValue {
    match value {
        OutputValue::Bool(value) => fluent_bit::PropertyValue::Bool(*value),
        OutputValue::Integer(value) => fluent_bit::PropertyValue::Integer(*value),
        OutputValue::Text(text) => fluent_bit::PropertyValue::Text(text.clone()),
        OutputValue::Secret(_) => fluent_bit::PropertyValue::Secret(env_name(key, index)),
        OutputValue::List(items) => {
            let item = |(index, item)| translate(key, Some(index), item);
            fluent_bit::PropertyValue::List(items.iter().enumerate().map(item).collect())
        }
    }
}

/// Turns the plain texts of property `key` into secrets, so that they reach Fluent Bit through a
/// Secret.
pub(super) fn make_secret(settings: &mut Settings, key: &str) {
    fn convert(value: &mut OutputValue) {
        match value {
            OutputValue::Text(text) => {
                *value = OutputValue::Secret(SecretForm::literal(std::mem::take(text)));
            }
            OutputValue::List(items) => items.iter_mut().for_each(convert),
            _ => {}
        }
    }
    if let Some(value) = settings.storage.logs.fluentbit.output.config.get_mut(key) {
        convert(value);
    }
}
