//! `trust show`: shows a policy on one page.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::cmd::args::trust::load_policy;
use crate::cmd::clock;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;
use crate::trust::findings::holders;
use crate::trust::key::KeyId;
use crate::trust::policy::{Grant, Pattern, Policy, Status, Target};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  relay-bundle trust show trust.toml")]
pub(super) struct Args {
    /// The policy
    file: Utf8PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShowReport {
    path: Utf8PathBuf,
    target: Target,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_days: Option<u32>,
    keys: Vec<Key>,
    grants: Vec<GrantLine>,
    revoked_content: Vec<Digest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    id: KeyId,
    public: String,
    holder: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    status: Status,
}

#[derive(Serialize)]
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

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let policy = load_policy(&self.file)?;
        ctx.printer.report(&ShowReport::new(self.file, &policy, clock::now()?))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ShowReport {
    fn new(path: Utf8PathBuf, policy: &Policy, now: Timestamp) -> Self {
        let keys = policy.keys().iter().map(|(id, key)| Key {
            id: *id,
            public: key.public.to_base64(),
            holder: key.holder.clone(),
            not_before: key.not_before,
            not_after: key.not_after,
            status: key.status,
        });
        let grant = |grant: &Grant| GrantLine {
            bundles: grant.bundles.clone(),
            profiles: grant.profiles.clone(),
            environments: grant.environments.clone(),
            namespaces: grant.namespaces.clone(),
            keys: grant.keys.iter().copied().collect(),
            threshold: grant.threshold.get(),
            min_serial: grant.min_serial,
            holders: holders(policy, grant, now).into_iter().cloned().collect(),
        };
        Self {
            path,
            target: policy.target.clone(),
            max_age_days: policy.max_age_days.map(Into::into),
            keys: keys.collect(),
            grants: policy.grants().iter().map(grant).collect(),
            revoked_content: policy.revoked_content().iter().copied().collect(),
        }
    }
}

impl Report for ShowReport {
    const SCHEMA: &'static str = "trust-show/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let or_any =
            |value: Option<String>| value.unwrap_or_else(|| "any (not checked)".to_owned());
        writeln!(
            out,
            "site        {}",
            or_any(self.target.site.as_ref().map(ToString::to_string))
        )?;
        writeln!(
            out,
            "cluster     {}",
            or_any(self.target.cluster_uid.as_deref().map(|uid| safe(uid).to_string()))
        )?;
        writeln!(
            out,
            "age         {}",
            or_any(self.max_age_days.map(|days| format!("at most {days} days")))
        )?;
        for key in &self.keys {
            writeln!(out, "key         {} {}, {}", key.id, key.holder, key.status)?;
            let time = |time: Option<Timestamp>| {
                time.map_or_else(|| "…".to_owned(), |time| time.to_string())
            };
            writeln!(out, "            {} to {}", time(key.not_before), time(key.not_after))?;
        }
        for (number, grant) in (1..).zip(&self.grants) {
            let holders = names(&grant.holders);
            let holders = if holders.is_empty() { "nobody".to_owned() } else { holders };
            writeln!(out, "grant {number:<5} {} of: {holders}", grant.threshold)?;
            writeln!(out, "            bundles {}", names(&grant.bundles))?;
            writeln!(out, "            profiles {}", names(&grant.profiles))?;
            writeln!(out, "            environments {}", names(&grant.environments))?;
            let anywhere = grant.namespaces.is_empty();
            let namespaces =
                if anywhere { "any (not checked)".to_owned() } else { names(&grant.namespaces) };
            writeln!(out, "            namespaces {namespaces}")?;
            if grant.min_serial > 0 {
                writeln!(out, "            serial {} or higher", grant.min_serial)?;
            }
        }
        self.revoked_content
            .iter()
            .try_for_each(|content| writeln!(out, "revoked     sha256:{content}"))
    }
}

fn names(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
