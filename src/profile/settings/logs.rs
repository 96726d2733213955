//! `storage.logs`: where the relay's log files go.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{ResourceRequirements, SecurityContext};
use schemars::JsonSchema;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::access_mode::AccessMode;
use super::image::Image;
use crate::model::number::Size;
use crate::model::secret::SecretForm;
use crate::model::text::{LogField, StorageClass};

/// The relay's log files.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Logs {
    /// `fluentbit`: a sidecar ships them. `forward`: the same, to another Fluent Bit or Fluentd.
    /// `pvc`: a PVC keeps them. `emptyDir`: they are lost with the pod.
    pub mode: LogMode,
    pub fluentbit: FluentBit,
    pub persistence: LogsPersistence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum LogMode {
    #[serde(rename = "fluentbit")]
    Fluentbit,
    #[serde(rename = "forward")]
    Forward,
    #[serde(rename = "pvc")]
    Pvc,
    #[serde(rename = "emptyDir")]
    EmptyDir,
}

/// The Fluent Bit sidecar.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct FluentBit {
    /// Whether the modes `fluentbit` and `forward` have their sidecar; without it logs are lost
    /// with the pod.
    pub enabled: bool,
    /// Its image, 3.2 or newer.
    pub image: Image,
    /// Its resources; `"none"` leaves an amount out.
    pub resources: ResourceRequirements,
    /// Its security settings, merged over the restricted ones; without a user it runs as the pod's.
    pub security_context: SecurityContext,
    pub output: Output,
    /// Further fields of the relay's log to send, as they are; `req`, `res`, `query` and `body`
    /// hold credentials.
    pub extra_fields: Vec<LogField>,
}

/// Where Fluent Bit sends records.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Output {
    /// The output plugin: stdout, forward, es (or elasticsearch), loki, http, kafka, s3. By default
    /// `stdout`, or `forward` in that mode.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<OutputKind>,
    /// The plugin's properties, by their names in Fluent Bit's manual.
    pub config: BTreeMap<String, OutputValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    Stdout,
    Forward,
    Es,
    Elasticsearch,
    Loki,
    Http,
    Kafka,
    S3,
}

/// The value of a plugin's property.
pub enum OutputValue {
    Bool(bool),
    Integer(i64),
    Text(String),
    /// A property that may stand several times.
    List(Vec<Self>),
    Secret(SecretForm),
}

impl OutputValue {
    /// Returns the secret, if the value comes from one.
    pub fn secret(&self) -> Option<&SecretForm> {
        match self {
            Self::Secret(form) => Some(form),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for OutputValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = OutputValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean, an integer, a string, an array of them, or a secret")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<OutputValue, E> {
                Ok(OutputValue::Bool(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<OutputValue, E> {
                Ok(OutputValue::Integer(value))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OutputValue, E> {
                Ok(OutputValue::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OutputValue, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(OutputValue::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OutputValue, A::Error> {
                SecretForm::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(OutputValue::Secret)
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl Serialize for OutputValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => list.serialize(serializer),
            Self::Secret(form) => form.serialize(serializer),
        }
    }
}

impl JsonSchema for OutputValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OutputValue".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let secret = generator.subschema_for::<SecretForm>();
        schemars::json_schema!({
            "description": "A property of a Fluent Bit output; one that is a credential takes a secret.",
            "anyOf": [{"type": ["boolean", "integer", "string"]}, {"type": "array", "items": {"anyOf": [{"type": "string"}, secret.clone()]}}, secret]
        })
    }
}

/// The claim that keeps log files in mode `pvc`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct LogsPersistence {
    /// Kept from the chart: the mode `pvc` creates the PVC either way.
    pub enabled: bool,
    /// The storage class; `-` for none, empty for the cluster's default.
    pub storage_class: StorageClass,
    /// Its access mode; several replicas need ReadWriteMany.
    pub access_mode: AccessMode,
    /// Its size.
    pub size: Size,
}
