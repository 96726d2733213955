//! Translates the profile's Fluent Bit output into the types of `fluent_bit`.

use std::collections::BTreeMap;

use super::settings::{OutputKind, OutputValue, Settings};
use crate::fluent_bit::{self, Output, env_name};
use crate::model::secret::SecretForm;

/// Returns the output plugin.
pub fn output(settings: &Settings) -> Output {
    match settings.output_kind() {
        OutputKind::Stdout => Output::Stdout,
        OutputKind::Forward => Output::Forward,
        OutputKind::Es | OutputKind::Elasticsearch => Output::Es,
        OutputKind::Loki => Output::Loki,
        OutputKind::Http => Output::Http,
        OutputKind::Kafka => Output::Kafka,
        OutputKind::S3 => Output::S3,
    }
}

/// Returns the plugin's properties; a secret becomes the environment variable that carries it.
pub fn output_settings(settings: &Settings) -> BTreeMap<String, fluent_bit::OutputValue> {
    let config = &settings.storage.logs.fluentbit.output.config;
    config.iter().map(|(key, value)| (key.clone(), translate(key, None, value))).collect()
}

fn translate(key: &str, index: Option<usize>, value: &OutputValue) -> fluent_bit::OutputValue {
    match value {
        OutputValue::Bool(value) => fluent_bit::OutputValue::Bool(*value),
        OutputValue::Integer(value) => fluent_bit::OutputValue::Integer(*value),
        OutputValue::Text(text) => fluent_bit::OutputValue::Text(text.clone()),
        OutputValue::Secret(_) => fluent_bit::OutputValue::Secret(env_name(key, index)),
        OutputValue::List(items) => {
            let item = |(index, item)| translate(key, Some(index), item);
            fluent_bit::OutputValue::List(items.iter().enumerate().map(item).collect())
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
