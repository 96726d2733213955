//! A Secret whose values are overwritten in memory. It is never parsed into a JSON tree.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::model::label::{INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
use crate::model::object_key::ObjectKey;
use crate::model::secret_value::SecretValue;

/// The annotation of `kubectl apply`: contains the values that a user once applied, in plain text.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A Secret that exists in the cluster, or one to create. Without `Debug`, because it contains
/// secret values.
#[derive(Deserialize)]
pub struct Secret {
    #[serde(default)]
    kind: String,
    metadata: Value,
    #[serde(rename = "type", default = "opaque")]
    pub type_: String,
    #[serde(default)]
    pub immutable: bool,
    #[serde(default, deserialize_with = "decoded")]
    pub data: BTreeMap<String, SecretValue>,
}

fn opaque() -> String {
    "Opaque".to_owned()
}

impl Secret {
    /// Returns a new Secret of the installation `instance`.
    pub fn new(key: &ObjectKey, instance: &str) -> Self {
        let mut secret = Self::of_others(key);
        secret.metadata["labels"] = json!({MANAGED_BY_LABEL: MANAGED_BY, INSTANCE_LABEL: instance});
        secret
    }

    /// Returns a new Secret without our labels, for one that we do not manage.
    pub fn of_others(key: &ObjectKey) -> Self {
        Self {
            kind: key.kind.clone(),
            metadata: json!({"name": key.name, "namespace": key.namespace}),
            type_: opaque(),
            immutable: false,
            data: BTreeMap::new(),
        }
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.metadata.get("name")?.as_str()
    }

    /// Returns the version that was read; empty for a new Secret.
    pub fn resource_version(&self) -> &str {
        self.metadata.get("resourceVersion").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the metadata.
    pub fn metadata(&self) -> &Value {
        &self.metadata
    }

    /// Returns an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.get("annotations")?.get(name)?.as_str()
    }

    /// Sets an annotation, and removes the one in which `kubectl apply` keeps values.
    pub fn annotate(&mut self, name: &str, value: &str) {
        let annotations = &mut self.metadata["annotations"];
        annotations[name] = value.into();
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.remove(LAST_APPLIED);
        }
    }

    /// Encodes the Secret for the API server.
    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let metadata = self.metadata.to_string();
        let encoded = |value: &SecretValue| value.expose().len().div_ceil(3) * 4;
        let data: usize =
            self.data.iter().map(|(key, value)| key.len() * 6 + encoded(value) + 8).sum();
        // Allocate the full size: a text that grows leaves copies of values behind.
        let mut text = Zeroizing::new(String::with_capacity(
            metadata.len() + self.type_.len() * 6 + data + 128,
        ));
        text.push_str("{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":");
        text.push_str(&metadata);
        text.push_str(",\"type\":");
        text.push_str(&Value::from(self.type_.as_str()).to_string());
        if self.immutable {
            text.push_str(",\"immutable\":true");
        }
        text.push_str(",\"data\":{");
        for (index, (key, value)) in self.data.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(&Value::from(key.as_str()).to_string());
            text.push_str(":\"");
            STANDARD.encode_string(value.expose(), &mut text);
            text.push('"');
        }
        text.push_str("}}");
        Zeroizing::new(std::mem::take(&mut *text).into_bytes())
    }
}

/// Decodes the values without intermediate copies.
fn decoded<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SecretValue>, D::Error> {
    let data = Option::<BTreeMap<String, Decoded>>::deserialize(deserializer)?;
    Ok(data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect())
}

struct Decoded(SecretValue);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decoded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decoded, E> {
                let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
                // The original error would quote a character.
                STANDARD
                    .decode_vec(text, &mut bytes)
                    .map_err(|_| E::custom("a value is not base64"))?;
                Ok(Decoded(SecretValue::new(bytes)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::new(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn secret_round_trip_keeps_fields_of_others() {
        let text = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
            "metadata": {"name": "a", "namespace": "ns", "resourceVersion": "7", "finalizers": ["x/y"],
                         "annotations": {"b": "c", LAST_APPLIED: "{\"stringData\":{\"k\":\"s3cret\"}}"}},
            "data": {"k": "czNjcmV0", "empty": ""},
        });
        let mut secret: Secret = serde_json::from_str(&text.to_string()).unwrap();
        assert!(secret.data["k"].expose() == b"s3cret" && secret.data["empty"].expose().is_empty());
        assert_eq!((secret.resource_version(), secret.annotation("b")), ("7", Some("c")));

        secret.annotate("d", "e");
        secret.data.insert("new".to_owned(), value("\u{e9}"));

        let written: Value = serde_json::from_slice(&secret.to_json()).unwrap();
        let mut wanted = text;
        wanted["metadata"]["annotations"] = json!({"b": "c", "d": "e"});
        wanted["data"]["new"] = "w6k=".into();
        assert_eq!(written, wanted);
    }

    #[test]
    fn secret_may_lack_data_and_invalid_base64_is_not_quoted() {
        let read = |data: Value| {
            let text = json!({"metadata": {}, "data": data}).to_string();
            serde_json::from_str::<Secret>(&text)
                .map(|secret| secret.data.len())
                .map_err(|why| why.to_string())
        };
        assert_eq!(read(Value::Null).ok(), Some(0));
        let why = read(json!({"k": "s3cr*t"})).unwrap_err();
        assert!(why.contains("not base64") && !why.contains('*'), "{why}");
    }
}
