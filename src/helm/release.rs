//! Reads Helm's record of a release: one Secret per revision, which contains base64 of gzip of
//! JSON.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::{Label, ObjectName, ReleaseName};
use crate::model::timestamp::Timestamp;

/// The number of revisions that are read; Helm keeps 10 by default.
pub const REVISIONS_MAX: usize = 100;
/// The largest record: an object in etcd has 1.5 MiB at most.
const ENCODED_BYTES_MAX: usize = 2 << 20;
/// The largest unpacked record; it contains the chart's files.
const UNPACKED_BYTES_MAX: u64 = 32 << 20;
/// The limit for the sum of all unpacked records of a release, because all of them are read.
pub const UNPACKED_SUM_MAX: u64 = 64 << 20;
/// The longest status of a release; every known one is shorter.
const STATUS_BYTES_MAX: usize = 63;
/// The largest number of YAML nodes in a manifest; real charts stay below a tenth.
const NODES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 64;
/// The largest number of objects in a release.
const OBJECTS_MAX: usize = 1_000;

/// The longest name of a template that is shown.
const SOURCE_BYTES_MAX: usize = 256;

/// The values of a Secret, by key.
pub type SecretValues = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// A release that was read from its records.
pub struct HelmRelease {
    /// Oldest first; never empty.
    pub revisions: Vec<Revision>,
    /// The objects that the newest revision installed, without the values of Secrets.
    pub objects: Vec<Value>,
}

/// One revision, with the values of its Secrets.
pub struct Revision {
    pub number: u64,
    pub status: String,
    /// The time when it was recorded, by the server's clock.
    pub recorded: Timestamp,
    /// By name.
    pub secrets: BTreeMap<String, SecretValues>,
}

/// The reason why a Secret is not a valid record of a release. It quotes nothing that may be a
/// secret.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRelease {
    #[error("it has no `release`, or one of more than {ENCODED_BYTES_MAX} bytes")]
    Size,
    #[error("it is not base64 of base64")]
    Base64,
    #[error("it exceeds {UNPACKED_BYTES_MAX} bytes when unpacked, or is damaged")]
    Unpack,
    #[error("it is not the JSON of a Helm release")]
    Json,
    #[error("its manifest {0} cannot be read")]
    Manifest(String),
    #[error("its manifest {0} has an object with an invalid kind, name or namespace")]
    Object(String),
    #[error("it has more than {OBJECTS_MAX} manifests")]
    Objects,
    #[error("its time of creation is unknown")]
    Time,
    #[error("it is the record of the release `{0}`")]
    Name(ReleaseName),
    #[error("its name is not a valid release name")]
    NoName,
    #[error("its status is not a valid release status")]
    Status,
    #[error("with it, the unpacked records exceed {} MiB", UNPACKED_SUM_MAX >> 20)]
    Sum,
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    version: u64,
    #[serde(default)]
    manifest: String,
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    status: String,
}

impl HelmRelease {
    /// Combines revisions into a release; returns nothing for an empty list.
    pub fn of(mut read: Vec<(Revision, Vec<Value>)>) -> Option<Self> {
        read.sort_by_key(|(revision, _)| revision.number);
        let objects = std::mem::take(&mut read.last_mut()?.1);
        Some(Self { revisions: read.into_iter().map(|(revision, _)| revision).collect(), objects })
    }

    /// Returns the newest revision.
    pub fn newest(&self) -> &Revision {
        self.revisions.last().expect("never empty")
    }

    /// Returns the keys of the objects that the newest revision installed. Objects without a
    /// namespace are in the release's.
    pub fn keys(&self, namespace: &str) -> Vec<ObjectKey> {
        self.objects.iter().map(|object| key(object, namespace)).collect()
    }

    /// Returns the objects of a kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| Kind::of_object(object) == Some(kind))
    }
}

/// Returns the key of an object of a release. Objects without a namespace are in the release's.
pub fn key(object: &Value, namespace: &str) -> ObjectKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = match object["metadata"]["namespace"].as_str() {
        None | Some("") => namespace.to_owned(),
        Some(own) => own.to_owned(),
    };
    ObjectKey {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        namespace,
        name: text(&object["metadata"]["name"]),
    }
}

impl Revision {
    /// Reads a Secret of Helm's; returns the revision, and the objects that it installed.
    ///
    /// The unpacked size is subtracted from `room`, which starts at [`UNPACKED_SUM_MAX`].
    ///
    /// # Errors
    ///
    /// When the Secret is not a record of the release, or is too large.
    pub fn read(
        secret: &Value,
        release: &ReleaseName,
        room: &mut u64,
    ) -> Result<(Self, Vec<Value>), InvalidRelease> {
        let encoded = secret.pointer("/data/release").and_then(Value::as_str);
        let encoded =
            encoded.filter(|text| text.len() <= ENCODED_BYTES_MAX).ok_or(InvalidRelease::Size)?;
        let json = unpack(encoded, *room)?;
        *room = room.saturating_sub(length(&json));
        let raw: Raw = serde_json::from_slice(&json).map_err(|_| InvalidRelease::Json)?;
        let name = ReleaseName::try_from(raw.name).map_err(|_| InvalidRelease::NoName)?;
        if name != *release {
            return Err(InvalidRelease::Name(name));
        }
        if !is_status(&raw.info.status) {
            return Err(InvalidRelease::Status);
        }
        let manifest = Zeroizing::new(raw.manifest);
        let created = secret.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
        let recorded = created.and_then(|text| text.parse().ok()).ok_or(InvalidRelease::Time)?;
        let mut objects = documents(&manifest)?;
        let mut secrets = BTreeMap::new();
        for object in
            objects.iter_mut().filter(|object| Kind::of_object(object) == Some(Kind::Secret))
        {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            secrets.insert(name, take_values(object));
        }
        Ok((Self { number: raw.version, status: raw.info.status, recorded, secrets }, objects))
    }

    /// Returns the value that the revision gave to a key of a Secret.
    pub fn value(&self, secret: &str, key: &str) -> Option<&[u8]> {
        self.secrets.get(secret)?.get(key).map(|value| value.as_slice())
    }
}

/// Returns whether a text can be the status of a release in any version of Helm.
///
/// The status is printed, so it must be short and plain.
fn is_status(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_';
    (1..=STATUS_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn unpack(encoded: &str, room: u64) -> Result<Zeroizing<Vec<u8>>, InvalidRelease> {
    let decode =
        |text: &[u8]| STANDARD.decode(text).map(Zeroizing::new).map_err(|_| InvalidRelease::Base64);
    let packed = decode(&decode(encoded.as_bytes())?)?;
    // The first releases of Helm 3 did not compress their records.
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return if length(&packed) <= room { Ok(packed) } else { Err(InvalidRelease::Sum) };
    }
    let mut json = Zeroizing::new(Vec::new());
    let mut limited = GzDecoder::new(packed.as_slice()).take(UNPACKED_BYTES_MAX.min(room) + 1);
    limited.read_to_end(&mut json).map_err(|_| InvalidRelease::Unpack)?;
    match length(&json) {
        length if length > UNPACKED_BYTES_MAX => Err(InvalidRelease::Unpack),
        length if length > room => Err(InvalidRelease::Sum),
        _ => Ok(json),
    }
}

/// Returns the objects of a rendered chart.
fn documents(manifest: &str) -> Result<Vec<Value>, InvalidRelease> {
    let mut texts = vec![Zeroizing::new(String::new())];
    for line in manifest.lines() {
        if let Some(rest) = marked(line) {
            // Templates that render to nothing count, too.
            if texts.len() > OBJECTS_MAX {
                return Err(InvalidRelease::Objects);
            }
            texts.push(Zeroizing::new(format!("{rest}\n")));
        } else if let Some(text) = texts.last_mut() {
            // Helm's YAML parser accepts a tab after a value; ours does not.
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }

    let mut objects = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let place = || source(text).map_or_else(|| at.to_string(), str::to_owned);
        let value: Value = serde_saphyr::from_str_with_options(text, options())
            .map_err(|_| InvalidRelease::Manifest(place()))?;
        if value.is_object() {
            if !is_possible(&value) {
                return Err(InvalidRelease::Object(place()));
            }
            objects.push(value);
        }
    }
    Ok(objects)
}

/// Returns the rest of a line that begins a document. PEM keys begin with more dashes.
fn marked(line: &str) -> Option<&str> {
    line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']))
}

/// Returns the name of the template, which Helm writes above each manifest. A similar line further
/// below may be part of a value.
fn source(text: &str) -> Option<&str> {
    let first = text.lines().find(|line| !line.trim().is_empty())?.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    first
        .strip_prefix("# Source: ")
        .filter(|name| name.len() <= SOURCE_BYTES_MAX && name.chars().all(is_plain))
}

/// Returns whether Kubernetes could accept the kind, name and namespace of an object.
///
/// They become the path of a request, and a part of commands that operators are told to run.
fn is_possible(object: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    let namespace = text(&object["metadata"]["namespace"]);
    let is_plain = |text: &str, also: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    // Kinds that no bundle has may have other names, such as `system:a`, or none, such as lists.
    let is_name = if Kind::phase_of(&kind).is_some() {
        !name.is_empty() && name.parse::<ObjectName>().is_ok()
    } else {
        name.len() <= ObjectName::LEN_MAX && name != "." && name != ".." && is_plain(&name, "-_.:@")
    };
    is_name
        && is_plain(&kind, "")
        && is_plain(&text(&object["apiVersion"]), "-./")
        && (namespace.is_empty() || namespace.parse::<Label>().is_ok())
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    }
}

/// Takes the values out of a Secret, of a chart or live, and wipes them there.
pub fn take_values(secret: &mut Value) -> SecretValues {
    let mut values = SecretValues::new();
    for (field, is_encoded) in [("data", true), ("stringData", false)] {
        let fields = secret.get_mut(field).map(Value::take);
        let Some(Value::Object(fields)) = fields else { continue };
        for (key, value) in fields {
            let Value::String(text) = value else { continue };
            let text = Zeroizing::new(text);
            let bytes = if is_encoded {
                STANDARD.decode(text.as_bytes()).ok()
            } else {
                Some(text.as_bytes().to_vec())
            };
            // Skip values that are not base64: the server would have rejected them.
            values.extend(bytes.map(|bytes| (key, Zeroizing::new(bytes))));
        }
    }
    values
}

/// Overwrites every text in a tree that contains secrets.
pub fn wipe(tree: &mut Value) {
    match tree {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    fn record(json: &[u8]) -> Value {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(json).unwrap();
        let text = STANDARD.encode(STANDARD.encode(packed.finish().unwrap()));
        json!({"metadata": {"creationTimestamp": "2026-11-23T10:00:00Z"}, "data": {"release": text}})
    }

    fn release(manifest: &str) -> Value {
        let release = json!({"name": "r", "version": 3, "info": {"status": "deployed"}, "manifest": manifest,
            "chart": {"values": {}}, "config": {"password": "x"}});
        record(release.to_string().as_bytes())
    }

    fn read(secret: &Value, release: &str) -> Result<(Revision, Vec<Value>), InvalidRelease> {
        let mut room = UNPACKED_SUM_MAX;
        Revision::read(secret, &release.parse().unwrap(), &mut room)
    }

    #[test]
    fn release_name_and_status_must_be_short_and_plain() {
        let of = |name: &str, status: &str| {
            let release = json!({"name": name, "version": 1, "info": {"status": status}});
            let read = read(&record(release.to_string().as_bytes()), "r");
            read.map(|(revision, _)| revision.status).map_err(|why| why.to_string())
        };
        assert_eq!(of("r", "pending-upgrade").as_deref(), Ok("pending-upgrade"));
        for status in ["", "a\u{1b}[2J", "two words", &"a".repeat(64)] {
            assert_eq!(of("r", status), Err("its status is not a valid release status".to_owned()));
        }
        assert_eq!(
            of("other", "deployed"),
            Err("it is the record of the release `other`".to_owned())
        );
        for name in ["", "a\nhint: do this", &"a".repeat(1_000)] {
            assert_eq!(
                of(name, "deployed"),
                Err("its name is not a valid release name".to_owned())
            );
        }
    }

    #[test]
    fn helm_records_share_one_unpacked_size_limit() {
        let release = release("");
        let (name, mut room) = ("r".parse().unwrap(), UNPACKED_SUM_MAX);
        Revision::read(&release, &name, &mut room).ok().unwrap();
        let one = UNPACKED_SUM_MAX - room;
        assert!(one > 0);

        room = 2 * one;
        for _ in 0..2 {
            assert!(Revision::read(&release, &name, &mut room).is_ok());
        }
        let refused = Revision::read(&release, &name, &mut room).map(|_| ()).unwrap_err();

        assert_eq!(refused.to_string(), "with it, the unpacked records exceed 64 MiB");
    }

    #[test]
    fn objects_and_secret_values_are_read_separately() {
        let manifest = "---\n# Source: c/templates/s.yaml\napiVersion: v1\t\nkind: Secret\nmetadata:\n  name: s\ndata:\n  key: dmFsdWU=\n\
                        ---\n# Source: empty\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: other}\n";
        let read = read(&release(manifest), "r").unwrap();
        assert_eq!(read.0.value("s", "key"), Some(&b"value"[..]));
        let release = HelmRelease::of(vec![read]).unwrap();
        let keys: Vec<_> = release
            .keys("ns")
            .iter()
            .map(|key| format!("{} {key} {}", key.api_version, key.namespace))
            .collect();
        assert_eq!(keys, ["v1 Secret/s ns", "v1 Service/a other"]);
        assert!(!format!("{:?}", release.objects).contains("dmFsdWU"));
    }

    #[test]
    fn marker_inside_value_neither_splits_nor_names_document() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  pem: |\n    # Source: hidden\n    ---\n    \
                      -----BEGIN KEY-----\n  more: \"a\n-----b\"\n";
        let found =
            read(&release(&format!("--- # first\n# Source: c/s.yaml\n{secret}")), "r").unwrap();
        assert_eq!(
            found.0.value("s", "pem"),
            Some(&b"# Source: hidden\n---\n-----BEGIN KEY-----\n"[..])
        );
        assert_eq!(found.0.value("s", "more"), Some(&b"a -----b"[..]));

        let broken = release("---\nkind: Secret\nstringData:\n  key: |\n# Source: hidden\n  [\n");
        let refused = read(&broken, "r").map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), "its manifest 1 cannot be read");
    }

    #[test]
    fn object_with_impossible_name_is_refused() {
        let of = |kind: &str, name: &str, namespace: &str| {
            let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
            read(&release(&format!("---\n# Source: c/x.yaml\n{object}\n")), "r").map(|_| ())
        };
        for (kind, name, namespace) in [
            ("Secret", "a.b", ""),
            ("Secret", "a", "ns"),
            ("ClusterRole", "system:a", ""),
            ("List", "", ""),
        ] {
            assert!(of(kind, name, namespace).is_ok(), "{kind} {name}");
        }

        for (kind, name, namespace) in [
            ("Secret", "..", ""),
            ("Secret", "", ""),
            ("Service", "../secrets/x", ""),
            ("Service", "a; rm -r ~", ""),
            ("Service", "a", "../x"),
            ("Role", "..", ""),
            ("Role", "a/b", ""),
            ("Ro le", "a", ""),
        ] {
            let refused = of(kind, name, namespace).unwrap_err().to_string();
            assert!(
                refused
                    .starts_with("its manifest c/x.yaml has an object with an invalid kind, name"),
                "{refused}"
            );
        }
    }

    #[test]
    fn invalid_helm_record_is_refused_without_quoting_it() {
        let bomb = record(&vec![b' '; 40 << 20]);
        let other = release("").to_string().len();
        assert!(other > 0);
        let table = [
            (json!({}), "it has no `release`, or one of more than 2097152 bytes"),
            (
                json!({"data": {"release": "a".repeat(3 << 20)}}),
                "it has no `release`, or one of more than 2097152 bytes",
            ),
            (json!({"data": {"release": "!"}}), "it is not base64 of base64"),
            (record(b"{\"name\": \"hidden\"}"), "it is not the JSON of a Helm release"),
            (bomb, "it exceeds 33554432 bytes when unpacked, or is damaged"),
            (
                release("---\n# Source: c/x.yaml\nhidden: [\n"),
                "its manifest c/x.yaml cannot be read",
            ),
        ];
        for (secret, wanted) in table {
            let refused = read(&secret, "r").map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
        assert!(read(&release(""), "another").is_err());
    }
}
