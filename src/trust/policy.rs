//! The trust policy (`trust.toml`): who may sign which bundles. It is installed beforehand and
//! never taken from a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

use super::key::{KeyId, PublicKey};
use super::statement::{Predicate, SERIAL_MAX};
use crate::model::digest::Digest;
use crate::model::nesting;
use crate::model::printable::escaped_start;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// The format version of a trust policy.
pub const SCHEMA: &str = "relay-bundle/trust/v1";

/// The maximum size of a policy file.
pub const POLICY_BYTES_MAX: u64 = 1 << 20;

/// Far more than one site has signers; loading a key takes a tenth of a millisecond.
pub const KEYS_MAX: usize = 256;

/// A validated trust policy: every key matches its id, and grants name only keys of the policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub target: PolicyTarget,
    /// The maximum time from signing to verification.
    pub max_age_days: Option<NonZeroU32>,
    keys: BTreeMap<KeyId, TrustedKey>,
    grants: Vec<Grant>,
    revoked_content: BTreeSet<Digest>,
}

/// The site and cluster that this policy is for. Omitted fields are not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Label>,
    /// The uid of the cluster's namespace `kube-system`.
    #[serde(default, deserialize_with = "uid", skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
}

impl PolicyTarget {
    /// Returns the target without its cluster.
    ///
    /// A record in a cluster concerns that cluster alone, so operators share one minimum serial
    /// there whether or not their policies name the cluster.
    #[must_use]
    pub fn within_cluster(&self) -> Self {
        Self { cluster_uid: None, ..self.clone() }
    }
}

/// A key of the policy, with its holder and validity.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    pub public: PublicKey,
    /// The owner of the key; several keys of one holder count once.
    pub holder: Label,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    pub status: KeyStatus,
}

/// The validity of a key's signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    #[default]
    Active,
    /// Valid only for content that is already deployed.
    Retired,
    /// Never valid.
    Revoked,
}

impl KeyStatus {
    /// Returns the status as spelled in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Permission for a set of keys to sign matching bundles.
#[derive(Clone, Debug)]
pub struct Grant {
    pub bundles: Vec<Pattern>,
    pub profiles: Vec<Pattern>,
    pub environments: Vec<Pattern>,
    /// The allowed namespaces; empty allows any.
    pub namespaces: Vec<Pattern>,
    pub keys: BTreeSet<KeyId>,
    /// The number of different holders who must sign.
    pub threshold: NonZeroU32,
    /// The minimum serial: bundles below it are rejected.
    pub min_serial: u64,
}

/// A name, or a prefix that ends in `-*`: `claude-relay`, `claude-*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    start: String,
    is_prefix: bool,
}

/// A text that is neither a name nor a prefix pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pattern; use a name, or a prefix that ends in `-*`, such as `claude-*`")]
pub struct InvalidPattern(String);

/// Why a text is not a trust policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPolicy {
    /// Counts from 1; `None` if the error has no line.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for InvalidPolicy {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyText {
    schema: Spanned<String>,
    #[serde(default)]
    target: PolicyTarget,
    #[serde(default)]
    policy: WrittenRules,
    #[serde(default)]
    key: Vec<Spanned<WrittenKey>>,
    #[serde(default)]
    grant: Vec<Spanned<WrittenGrant>>,
    #[serde(default)]
    revoked_content: Vec<WrittenContent>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRules {
    max_age_days: Option<Count>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenKey {
    id: KeyId,
    public: String,
    holder: Label,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    #[serde(default)]
    status: KeyStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenGrant {
    bundles: Vec<Pattern>,
    profiles: Vec<Pattern>,
    environments: Vec<Pattern>,
    namespaces: Option<Vec<Pattern>>,
    keys: Vec<KeyId>,
    threshold: Count,
    #[serde(default)]
    min_serial: u64,
}

/// A required number of signers; a separate type, so that its error messages say what to write.
#[derive(Clone, Copy)]
struct Count(NonZeroU32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 1, without quotes")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Count, E> {
        let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
        count.map(Count).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenContent {
    sha256: Digest,
}

impl Policy {
    /// Reads a trust policy.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is too large, too deeply nested or not TOML; if it has unknown
    /// or missing fields; if a key does not match its id, is weak or occurs twice; or if a grant
    /// has an empty list, a duplicate or an unknown key.
    pub fn parse(text: &str) -> Result<Self, InvalidPolicy> {
        if text.len() as u64 > POLICY_BYTES_MAX {
            let message = format!("it has {} bytes; the limit is {POLICY_BYTES_MAX}", text.len());
            return Err(InvalidPolicy { line: None, message });
        }
        let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let wrong = |at: usize, message: String| InvalidPolicy { line: Some(line_of(at)), message };

        if let Some(at) = nesting::too_deep(text) {
            let message =
                format!("the values are nested more than {} levels deep", nesting::DEPTH_MAX);
            return Err(wrong(at, message));
        }
        let written: PolicyText = toml::from_str(text).map_err(|error| InvalidPolicy {
            line: error.span().map(|span| line_of(span.start)),
            message: error.message().to_owned(),
        })?;

        if written.schema.get_ref() != SCHEMA {
            let message =
                format!("unsupported schema `{}`: expected `{SCHEMA}`", written.schema.get_ref());
            return Err(wrong(written.schema.span().start, message));
        }

        let mut keys = BTreeMap::new();
        for key in written.key {
            let at = key.span().start;
            let (id, key) = checked_key(key.into_inner()).map_err(|message| wrong(at, message))?;
            if keys.insert(id, key).is_some() {
                return Err(wrong(at, format!("duplicate key {id}")));
            }
        }
        if keys.len() > KEYS_MAX {
            let message = format!("it has {} keys; the limit is {KEYS_MAX}", keys.len());
            return Err(InvalidPolicy { line: None, message });
        }

        let mut grants = Vec::with_capacity(written.grant.len());
        for grant in written.grant {
            let at = grant.span().start;
            grants.push(
                checked_grant(grant.into_inner(), &keys).map_err(|message| wrong(at, message))?,
            );
        }

        Ok(Self {
            target: written.target,
            max_age_days: written.policy.max_age_days.map(|days| days.0),
            keys,
            grants,
            revoked_content: written
                .revoked_content
                .into_iter()
                .map(|content| content.sha256)
                .collect(),
        })
    }

    /// Returns the keys by id.
    pub fn keys(&self) -> &BTreeMap<KeyId, TrustedKey> {
        &self.keys
    }

    /// Returns the grants in file order.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Returns the content ids that are never accepted.
    pub fn revoked_content(&self) -> &BTreeSet<Digest> {
        &self.revoked_content
    }

    /// Returns when a bundle issued at `issued` becomes too old, if the policy limits the age.
    pub fn too_old_after(&self, issued: Timestamp) -> Option<Timestamp> {
        self.max_age_days.map(|days| issued.plus_seconds(u64::from(days.get()) * DAY_SECONDS))
    }
}

impl TrustedKey {
    /// Returns whether a time is within the key's validity, both ends included.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= time)
            && self.not_after.is_none_or(|end| time <= end)
    }
}

impl Grant {
    /// Returns whether the grant applies to the bundle of this statement.
    pub fn is_about(&self, bundle: &Predicate) -> bool {
        let any =
            |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        any(&self.bundles, bundle.bundle.as_str())
            && any(&self.profiles, bundle.profile.as_str())
            && any(&self.environments, bundle.environment.as_str())
            && (self.namespaces.is_empty() || any(&self.namespaces, bundle.namespace.as_str()))
    }

    /// Returns whether enough holders have signed. Nothing else implements the threshold.
    pub fn is_met_by<'k>(
        &self,
        signers: impl IntoIterator<Item = (&'k KeyId, &'k TrustedKey)>,
    ) -> bool {
        self.holders(signers).len() as u64 >= u64::from(self.threshold.get())
    }

    /// Returns the holders whose signatures count for this grant.
    ///
    /// A set: neither a repeated signature nor a second key of one holder adds to it.
    pub fn holders<'k>(
        &self,
        signers: impl IntoIterator<Item = (&'k KeyId, &'k TrustedKey)>,
    ) -> BTreeSet<&'k Label> {
        signers
            .into_iter()
            .filter(|(id, _)| self.keys.contains(id))
            .map(|(_, key)| &key.holder)
            .collect()
    }
}

impl Pattern {
    /// Returns whether the pattern matches a name.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_prefix { name.starts_with(&self.start) } else { name == self.start }
    }

    /// Returns whether some name matches both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.is_prefix, other.is_prefix) {
            (true, true) => {
                self.start.starts_with(&other.start) || other.start.starts_with(&self.start)
            }
            (true, false) => self.matches(&other.start),
            (false, _) => other.matches(&self.start),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.start, if self.is_prefix { "*" } else { "" })
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_prefix = text.ends_with("-*");
        let start = if is_prefix { &text[..text.len() - 1] } else { text };
        // A prefix is valid if a name can begin with it: append an `a` and parse the result as a
        // name.
        let name = if is_prefix { format!("{start}a") } else { start.to_owned() };
        match name.parse::<Label>() {
            Ok(_) => Ok(Self { start: start.to_owned(), is_prefix }),
            Err(_) => Err(InvalidPattern(escaped_start(text, 80))),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

fn checked_key(key: WrittenKey) -> Result<(KeyId, TrustedKey), String> {
    let WrittenKey { id, public, holder, not_before, not_after, status } = key;
    let public = PublicKey::from_base64(&public)
        .map_err(|error| format!("`public` of the key {id}: {error}"))?;
    if public.id() != id {
        return Err(format!(
            "the key has `id = \"{id}\"`, but its `public` is the key {}",
            public.id()
        ));
    }
    if let (Some(start), Some(end)) = (not_before, not_after)
        && start > end
    {
        return Err(format!(
            "the key {id} is never valid: `notBefore` {start} is after `notAfter` {end}"
        ));
    }
    Ok((id, TrustedKey { public, holder, not_before, not_after, status }))
}

fn checked_grant(grant: WrittenGrant, keys: &BTreeMap<KeyId, TrustedKey>) -> Result<Grant, String> {
    let WrittenGrant {
        bundles,
        profiles,
        environments,
        namespaces,
        keys: named,
        threshold: Count(threshold),
        min_serial,
    } = grant;
    each_once("bundles", &bundles)?;
    each_once("profiles", &profiles)?;
    each_once("environments", &environments)?;
    namespaces.iter().try_for_each(|namespaces| each_once("namespaces", namespaces))?;
    each_once("keys", &named)?;
    if let Some(unknown) = named.iter().find(|id| !keys.contains_key(id)) {
        return Err(format!("the grant refers to the key {unknown}, but no `[[key]]` has that id"));
    }
    if min_serial > SERIAL_MAX {
        return Err(format!("`minSerial` is {min_serial}; the highest serial is {SERIAL_MAX}"));
    }
    let namespaces = namespaces.unwrap_or_default();
    let keys = named.into_iter().collect();
    Ok(Grant { bundles, profiles, environments, namespaces, keys, threshold, min_serial })
}

/// Rejects an empty list, which would allow nothing, and a list with duplicates: both are mistakes.
fn each_once<T: fmt::Display>(list: &str, items: &[T]) -> Result<(), String> {
    if items.is_empty() {
        return Err(format!("the grant's `{list}` is empty: it would never allow anything"));
    }
    let mut seen = BTreeSet::new();
    match items.iter().map(T::to_string).find(|item| !seen.insert(item.clone())) {
        Some(twice) => Err(format!("the grant's `{list}` has a duplicate `{twice}`")),
        None => Ok(()),
    }
}

/// Reads a uid as API servers generate it: a UUID in lower case.
pub(super) fn uid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_right =
        |(at, byte)| if [8, 13, 18, 23].contains(&at) { byte == b'-' } else { is_hex(byte) };
    if text.len() == 36 && text.bytes().enumerate().all(is_right) {
        return Ok(Some(text));
    }
    let shown = escaped_start(&text, 80);
    Err(D::Error::custom(format_args!(
        "`{shown}` is not a uid; print the cluster's with `kubectl get namespace kube-system -o \
         jsonpath='{{.metadata.uid}}'`"
    )))
}
