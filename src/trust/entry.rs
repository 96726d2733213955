//! Trust policy entries as text: `keygen` prints them for pasting, and `trust add` appends them.

use std::fmt::{self, Write as _};
use std::num::NonZeroU32;

use super::key::{KeyId, PublicKey};
use super::policy::{KeyStatus, Pattern};
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;

/// The validity of a new key: two years, long enough to plan its replacement and short enough not
/// to be forgotten.
pub const VALID_DAYS: u64 = 730;

/// A `[[key]]` table. None of its values contains a character that TOML would escape.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    pub public: PublicKey,
    pub holder: Label,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    pub status: KeyStatus,
}

/// A `[[grant]]` table. None of its values contains a character that TOML would escape.
#[derive(Clone, Debug)]
pub struct GrantEntry {
    pub bundles: Vec<Pattern>,
    pub profiles: Vec<Pattern>,
    pub environments: Vec<Pattern>,
    /// Empty allows any namespace.
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
