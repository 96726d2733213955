//! Entries of a trust policy as text: what `keygen` prints to be pasted, and what `trust add`
//! appends.

use std::fmt::{self, Write as _};
use std::num::NonZeroU32;

use super::key::{KeyId, PublicKey};
use super::policy::{Pattern, Status};
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;

/// How long a new key may sign: two years, which leaves time to notice that it ends and is seldom
/// forgotten.
pub const VALID_DAYS: u64 = 730;

/// A `[[key]]`. None of its values has a character that TOML would read otherwise.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    pub public: PublicKey,
    pub holder: Label,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    pub status: Status,
}

/// A `[[grant]]`. None of its values has a character that TOML would read otherwise.
#[derive(Clone, Debug)]
pub struct GrantEntry {
    pub bundles: Vec<Pattern>,
    pub profiles: Vec<Pattern>,
    pub environments: Vec<Pattern>,
    /// Empty for anywhere.
    pub namespaces: Vec<Pattern>,
    pub keys: Vec<KeyId>,
    pub threshold: NonZeroU32,
    pub min_serial: u64,
}

impl fmt::Display for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[key]]")?;
        writeln!(f, "id = \"{}\"", self.public.id())?;
        writeln!(f, "public = \"{}\"", self.public.to_base64())?;
        writeln!(f, "holder = \"{}\"", self.holder)?;
        for (name, time) in [("notBefore", self.not_before), ("notAfter", self.not_after)] {
            if let Some(time) = time {
                writeln!(f, "{name} = \"{time}\"")?;
            }
        }
        writeln!(f, "status = \"{}\"", self.status)
    }
}

impl fmt::Display for GrantEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[grant]]")?;
        writeln!(f, "bundles = {}", list(&self.bundles))?;
        writeln!(f, "profiles = {}", list(&self.profiles))?;
        writeln!(f, "environments = {}", list(&self.environments))?;
        if !self.namespaces.is_empty() {
            writeln!(f, "namespaces = {}", list(&self.namespaces))?;
        }
        writeln!(f, "keys = {}", list(&self.keys))?;
        writeln!(f, "threshold = {}", self.threshold)?;
        writeln!(f, "minSerial = {}", self.min_serial)
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    let mut text = "[".to_owned();
    for (at, item) in items.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(text, "{comma}\"{item}\"").expect("a string takes everything");
    }
    text + "]"
}
