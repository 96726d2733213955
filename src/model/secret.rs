//! Secrets in profiles: a type that cannot be printed, and the four forms of a secret's source.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use zeroize::Zeroizing;

use super::number::Bounded;
use super::text::{AgeFile, DataKey, ObjectName};

/// A secret value. Without `Debug`, `Clone`, `Display` and `Serialize`, only [`SecretText::expose`]
/// gives access to it. It is overwritten on drop.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the value, only for writing it into a Secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A counter in a profile that the operator increases.
pub type Counter = Bounded<1, 1_000_000_000>;

/// The allowed length of a generated secret, in characters.
pub type GeneratedLength = Bounded<16, 512>;

/// The source of a secret's value.
pub enum SecretForm {
    /// Generated in the cluster by the first apply.
    Generate { length: GeneratedLength, generation: Counter },
    /// A key of a Secret that is managed elsewhere.
    Existing { name: ObjectName, key: DataKey, revision: Counter },
    /// An age-encrypted file, which is copied unchanged into the bundle.
    Age { file: AgeFile },
    /// The value itself; for development only.
    Literal { value: SecretText, revision: Counter },
}

/// The default length of a generated secret: 32 characters from an alphabet of 64 carry 192 bits.
pub const GENERATED_LENGTH: i64 = 32;

fn one() -> Counter {
    Counter::new(1).expect("within its bounds")
}

impl Default for SecretForm {
    fn default() -> Self {
        Self::Generate {
            length: Bounded::new(GENERATED_LENGTH).expect("within its bounds"),
            generation: one(),
        }
    }
}

impl SecretForm {
    /// Returns the form with a literal value.
    pub fn literal(value: String) -> Self {
        Self::Literal { value: SecretText::new(value), revision: one() }
    }

    /// Returns the path of the encrypted file with the value.
    pub fn age_file(&self) -> Option<String> {
        match self {
            Self::Age { file } => Some(file.to_string()),
            _ => None,
        }
    }

    /// Returns the counter whose change restarts the pods that use the secret.
    pub fn revision(&self) -> Option<i64> {
        match self {
            Self::Generate { generation, .. } => Some(generation.get()),
            Self::Existing { revision, .. } | Self::Literal { revision, .. } => {
                Some(revision.get())
            }
            Self::Age { .. } => None,
        }
    }
}

/// Returns the path of an encrypted file in the bundle: directly in `secrets/`.
pub fn sealed_path(file: &str) -> String {
    let name = file.strip_prefix("secrets/").unwrap_or(file).replace('/', "-");
    format!("secrets/{name}")
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generate {
    length: Option<GeneratedLength>,
    generation: Option<Counter>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Existing {
    name: ObjectName,
    key: DataKey,
    revision: Option<Counter>,
}

impl<'de> de::Deserialize<'de> for SecretForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["generate", "existing", "age", "value", "revision"];
        deserializer.deserialize_struct("SecretForm", FIELDS, FormVisitor)
    }
}

struct FormVisitor;

impl FormVisitor {
    fn literal<E: de::Error>(text: &str, revision: Option<Counter>) -> Result<SecretForm, E> {
        if text.is_empty() {
            return Err(E::custom("the secret is empty; omit the key to have one generated"));
        }
        if text.chars().any(char::is_control) {
            return Err(E::custom(
                "the secret contains a control character; remove it (perhaps a trailing newline)",
            ));
        }
        Ok(SecretForm::Literal {
            value: SecretText::new(text.to_owned()),
            revision: revision.unwrap_or_else(one),
        })
    }
}

impl<'de> Visitor<'de> for FormVisitor {
    type Value = SecretForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a secret: a string, or a table with one of `generate`, `existing`, `age`, `value`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretForm, E> {
        Self::literal(text, None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretForm, A::Error> {
        let (mut forms, mut value, mut revision) = (Vec::new(), None::<String>, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "generate" => {
                    let Generate { length, generation } = map.next_value()?;
                    let length = length.unwrap_or_else(|| {
                        Bounded::new(GENERATED_LENGTH).expect("within its bounds")
                    });
                    forms.push(SecretForm::Generate {
                        length,
                        generation: generation.unwrap_or_else(one),
                    });
                }
                "existing" => {
                    let Existing { name, key, revision } = map.next_value()?;
                    if name.as_str().is_empty() {
                        return Err(de::Error::custom("`existing` has no Secret; add its `name`"));
                    }
                    forms.push(SecretForm::Existing {
                        name,
                        key,
                        revision: revision.unwrap_or_else(one),
                    });
                }
                "age" => forms.push(SecretForm::Age { file: map.next_value()? }),
                "value" => value = Some(map.next_value()?),
                "revision" => revision = Some(map.next_value()?),
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }

        let is_literal = value.is_some();
        if let Some(value) = value {
            forms.push(Self::literal(&value, revision)?);
        }
        match (forms.pop(), forms.is_empty()) {
            (Some(_), false) => Err(de::Error::custom(
                "a secret has one source; keep one of `generate`, `existing`, `age`, `value`",
            )),
            (Some(_), true) if revision.is_some() && !is_literal => Err(de::Error::custom(
                "`revision` is only allowed with `value`; move it into the `existing` table",
            )),
            (Some(form), true) => Ok(form),
            (None, _) => Err(de::Error::custom(
                "the secret has no source; add one of `generate`, `existing`, `age`, `value`",
            )),
        }
    }
}

/// Serialises the reference; of a literal, only its existence.
impl Serialize for SecretForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Generate { length, generation } => {
                map.serialize_entry(
                    "generate",
                    &serde_json::json!({"length": length, "generation": generation}),
                )?;
            }
            Self::Existing { name, key, revision } => {
                map.serialize_entry(
                    "existing",
                    &serde_json::json!({"name": name, "key": key, "revision": revision}),
                )?;
            }
            Self::Age { file } => map.serialize_entry("age", file)?,
            Self::Literal { revision, .. } => {
                map.serialize_entry("literal", &serde_json::json!({"revision": revision}))?;
            }
        }
        map.end()
    }
}

impl schemars::JsonSchema for SecretForm {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let counter = generator.subschema_for::<Counter>();
        let length = generator.subschema_for::<GeneratedLength>();
        let file = generator.subschema_for::<AgeFile>();
        let (name, key) =
            (generator.subschema_for::<ObjectName>(), generator.subschema_for::<DataKey>());
        let closed = |properties: serde_json::Value, required: &[&str]| serde_json::json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        schemars::json_schema!({
            "description": "A secret: generated once in the cluster (`generate`), a key of a \
                            Secret that exists (`existing`), an age file (`age`), or, where the \
                            environment is `dev`, the value itself.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                closed(serde_json::json!({"generate": closed(serde_json::json!({"length": length, "generation": counter}), &[])}), &["generate"]),
                closed(serde_json::json!({"existing": closed(serde_json::json!({"name": name, "key": key, "revision": counter}), &["name", "key"])}), &["existing"]),
                closed(serde_json::json!({"age": file}), &["age"]),
                closed(serde_json::json!({"value": {"type": "string", "minLength": 1}, "revision": counter}), &["value"]),
            ]
        })
    }
}
