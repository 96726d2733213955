//! Shows a trust policy on one page.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;
use crate::trust::findings::holders;
use crate::trust::findings::{Finding, FindingSeverity};
use crate::trust::key::KeyId;
use crate::trust::policy::{Grant, KeyStatus, Pattern, Policy, PolicyTarget, TrustedKey};

/// A policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    path: Utf8PathBuf,
    target: PolicyTarget,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_days: Option<u32>,
    keys: Vec<KeyLine>,
    grants: Vec<GrantLine>,
    revoked_content: Vec<Digest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyLine {
    id: KeyId,
    public: String,
    holder: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    status: KeyStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantLine {
    bundles: Vec<Pattern>,
    profiles: Vec<Pattern>,
    environments: Vec<Pattern>,
    /// Empty if any namespace is allowed.
    namespaces: Vec<Pattern>,
    keys: Vec<KeyId>,
    threshold: u32,
    min_serial: u64,
    /// The possible signers: the holders of its keys that are active and not expired.
    holders: Vec<Label>,
}

impl PolicyReport {
    /// Describes the policy at `path`, with the possible signers at the time `now`.
    pub fn new(path: Utf8PathBuf, policy: &Policy, now: Timestamp) -> Self {
        let grants = policy.grants().iter();
        Self {
            path,
            target: policy.target.clone(),
            max_age_days: policy.max_age_days.map(Into::into),
            keys: policy.keys().iter().map(|(id, key)| KeyLine::of(*id, key)).collect(),
            grants: grants.map(|grant| GrantLine::of(grant, policy, now)).collect(),
            revoked_content: policy.revoked_content().iter().copied().collect(),
        }
    }
}

impl KeyLine {
    fn of(id: KeyId, key: &TrustedKey) -> Self {
        Self {
            id,
            public: key.public.to_base64(),
            holder: key.holder.clone(),
            not_before: key.not_before,
            not_after: key.not_after,
            status: key.status,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "key         {} {}, {}", self.id, self.holder, self.status)?;
        let time =
            |time: Option<Timestamp>| time.map_or_else(|| "…".to_owned(), |time| time.to_string());
        writeln!(out, "            {} to {}", time(self.not_before), time(self.not_after))
    }
}

impl GrantLine {
    fn of(grant: &Grant, policy: &Policy, now: Timestamp) -> Self {
        Self {
            bundles: grant.bundles.clone(),
            profiles: grant.profiles.clone(),
            environments: grant.environments.clone(),
            namespaces: grant.namespaces.clone(),
            keys: grant.keys.iter().copied().collect(),
            threshold: grant.threshold.get(),
            min_serial: grant.min_serial,
            holders: holders(policy, grant, now).into_iter().cloned().collect(),
        }
    }

    fn write(&self, number: usize, out: &mut dyn Write) -> io::Result<()> {
        let holders = names(&self.holders);
        let holders = if holders.is_empty() { "nobody".to_owned() } else { holders };
        writeln!(out, "grant {number:<5} {} of: {holders}", self.threshold)?;
        writeln!(out, "            bundles {}", names(&self.bundles))?;
        writeln!(out, "            profiles {}", names(&self.profiles))?;
        writeln!(out, "            environments {}", names(&self.environments))?;
        let namespaces = (!self.namespaces.is_empty()).then(|| names(&self.namespaces));
        writeln!(out, "            namespaces {}", or_any(namespaces))?;
        if self.min_serial > 0 {
            writeln!(out, "            serial {} or higher", self.min_serial)?;
        }
        Ok(())
    }
}

impl Report for PolicyReport {
    const SCHEMA: &'static str = "trust-show/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let PolicyTarget { site, cluster_uid } = &self.target;
        let site = site.as_ref().map(ToString::to_string);
        let cluster = cluster_uid.as_deref().map(|uid| safe(uid).into_owned());
        let age = self.max_age_days.map(|days| format!("at most {days} days"));
        for (name, value) in [("site", site), ("cluster", cluster), ("age", age)] {
            writeln!(out, "{name:<12}{}", or_any(value))?;
        }
        self.keys.iter().try_for_each(|key| key.write(out))?;
        (1..).zip(&self.grants).try_for_each(|(number, grant)| grant.write(number, out))?;
        let mut revoked = self.revoked_content.iter();
        revoked.try_for_each(|content| writeln!(out, "revoked     sha256:{content}"))
    }
}

fn or_any(value: Option<String>) -> String {
    value.unwrap_or_else(|| "any (not checked)".to_owned())
}

fn names(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A new policy.
#[derive(Serialize)]
pub struct InitReport {
    pub path: Utf8PathBuf,
}

impl Report for InitReport {
    const SCHEMA: &'static str = "trust-init/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

/// An entry added to a policy.
#[derive(Serialize)]
pub struct AddReport {
    pub path: Utf8PathBuf,
    /// The appended text.
    pub added: String,
}

impl Report for AddReport {
    const SCHEMA: &'static str = "trust-add/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", self.added)
    }
}

/// The findings of `trust check`.
#[derive(Serialize)]
pub struct PolicyCheckReport {
    pub path: Utf8PathBuf,
    pub findings: Vec<Finding>,
}

impl Report for PolicyCheckReport {
    const SCHEMA: &'static str = "trust-check/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for Finding { code, severity, message, remedy } in &self.findings {
            let severity = match severity {
                FindingSeverity::Error => "error",
                FindingSeverity::Warning => "warning",
            };
            writeln!(out, "{severity}[{code}]: {message}\n  help: {remedy}")?;
        }
        Ok(())
    }
}
