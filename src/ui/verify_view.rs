//! Shows the result of a verification on one page: the signers, the grant, and the checks that were
//! skipped.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use super::age_keys_view;
use super::escape::safe;
use super::live_view::{self, LiveReport};
use super::printer::Report;
use super::reach_view;
use super::style::{ADDED, REMOVED, paint};
use crate::bundle::open::Bundle;
use crate::bundle::reach::{Reach, reach};
use crate::bundle::sealed::AgeKeys;
use crate::diff::rebuild::{FileChange, FileDifference, Rebuild};
use crate::images::summary::ImagesSummary;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};
use crate::trust::policy::Policy;
use crate::trust::refusal::{FoundKey, SignatureResult};
use crate::trust::state::{Comparison, Elsewhere, Floor};
use crate::trust::verify::Verified;

/// A verified bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    verified: bool,
    origin: String,
    /// The time as of which it was verified.
    time: Timestamp,
    content_id: String,
    bundle: String,
    profile: String,
    namespace: String,
    environment: String,
    serial: u64,
    issued: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    sites: BTreeSet<Label>,
    signatures: Vec<FoundKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<GrantUsed>,
    target: TargetReport,
    replay: ReplayReport,
    /// Its effects beyond the namespace.
    reach: Vec<Reach>,
    #[serde(flatten)]
    age_keys: AgeKeys,
    objects: usize,
    files: usize,
    bytes: u64,
    /// Absent if the images are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<ImagesSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild: Option<Rebuild>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<LiveReport>,
}

/// The grant of the policy that is met.
#[derive(Debug, Serialize)]
struct GrantUsed {
    /// Its position in the file, from 1.
    number: usize,
    threshold: u32,
}

/// The target that the bundle was checked against.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetReport {
    /// Whether there is a policy.
    pub policy: bool,
    /// The site in the policy; without one, no site is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Label>,
}

/// The comparison of the bundle with the accepted state.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    pub checked: bool,
    /// The minimum serial of the place; absent for its first bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// The minimum serials of other sites and clusters, if the place itself has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<Elsewhere>,
    /// Whether this run recorded the bundle.
    pub recorded: bool,
}

impl TargetReport {
    /// Returns the target of a policy.
    pub fn of(policy: &Policy) -> Self {
        Self { policy: true, site: policy.target.site.clone() }
    }
}

impl ReplayReport {
    /// Returns the report of a comparison with the state.
    pub fn of(comparison: Comparison, recorded: bool) -> Self {
        let Comparison { floor, not_compared } = comparison;
        Self { checked: true, floor, not_compared, recorded }
    }
}

/// Returns the minimum serials of other places that were not compared; nothing for an empty list.
pub fn not_compared(others: &[Elsewhere]) -> Option<String> {
    let place = |Elsewhere { site, cluster_uid, serial }: &Elsewhere| {
        let site = site.as_ref().map(|site| format!("site {site}"));
        let cluster = cluster_uid.as_ref().map(|uid| format!("cluster {uid}"));
        let names: Vec<String> = site.into_iter().chain(cluster).collect();
        format!("{}, serial {serial}", names.join(" in "))
    };
    let places: Vec<String> = others.iter().map(place).collect();
    (!places.is_empty())
        .then(|| format!("recorded before for {}: not compared", places.join("; for ")))
}

impl VerifyReport {
    /// Describes a verified bundle that was found at `origin`, as of `time`.
    pub fn new(bundle: &Verified<Bundle>, origin: String, time: Timestamp) -> Self {
        let voucher = bundle.voucher();
        let predicate = &voucher.statement.predicate;

        Self {
            verified: true,
            origin,
            time,
            content_id: bundle.content_id.prefixed(),
            bundle: predicate.bundle.to_string(),
            profile: predicate.profile.to_string(),
            namespace: predicate.namespace.to_string(),
            environment: predicate.environment.to_string(),
            serial: predicate.serial,
            issued: predicate.issued,
            expires: voucher.expires,
            sites: predicate.sites.clone(),
            signatures: voucher.signatures.clone(),
            grant: voucher
                .grant
                .as_ref()
                .map(|(at, grant)| GrantUsed { number: at + 1, threshold: grant.threshold.get() }),
            target: TargetReport::default(),
            replay: ReplayReport::default(),
            reach: reach(&bundle.manifests, bundle.index.namespace.as_str()),
            age_keys: AgeKeys::of(&bundle.recipe),
            objects: bundle.manifests.len(),
            files: bundle.sums.len(),
            bytes: bundle.bytes,
            carried: None,
            rebuild: None,
            live: None,
        }
    }

    /// Adds the place for which the bundle was verified.
    #[must_use]
    pub fn for_place(self, target: TargetReport, replay: ReplayReport) -> Self {
        Self { target, replay, ..self }
    }

    /// Adds the images that came with the bundle.
    #[must_use]
    pub fn with_images(self, carried: Option<ImagesSummary>) -> Self {
        Self { carried, ..self }
    }

    /// Adds the comparison with a source tree.
    #[must_use]
    pub fn rebuilt(self, rebuild: Option<Rebuild>) -> Self {
        Self { rebuild, ..self }
    }

    /// Adds the comparison with a cluster.
    #[must_use]
    pub fn beside(self, live: Option<LiveReport>) -> Self {
        Self { live, ..self }
    }

    /// Returns whether a source tree or a cluster differs from the bundle.
    pub fn differs(&self) -> bool {
        self.rebuild.as_ref().is_some_and(|rebuild| !rebuild.same)
            || self.live.as_ref().is_some_and(|live| !live.same)
    }

    fn target_text(&self) -> String {
        let sites: Vec<&str> = self.sites.iter().map(Label::as_str).collect();
        let sites = if sites.is_empty() { "any site".to_owned() } else { sites.join(", ") };
        match &self.target {
            TargetReport { policy: false, .. } => {
                format!("NOT checked, a single key was trusted; signed for {sites}")
            }
            TargetReport { site: None, .. } => {
                format!("not checked, the policy has no site; signed for {sites}")
            }
            TargetReport { site: Some(site), .. } => format!("{site}; signed for {sites}"),
        }
    }

    fn replay_text(&self) -> String {
        let ReplayReport { checked, floor, not_compared: others, recorded } = &self.replay;
        let text = match floor {
            _ if !checked && self.target.policy => {
                return "not checked, it runs here according to the record".to_owned();
            }
            _ if !checked => return "NOT checked, a single key was trusted".to_owned(),
            None => match not_compared(others) {
                None => "first bundle seen here".to_owned(),
                Some(others) => format!("first bundle seen here; {others}"),
            },
            Some(floor) if floor.serial == self.serial => {
                format!("same as recorded on {}", floor.recorded)
            }
            Some(floor) => {
                format!("newer than serial {}, recorded on {}", floor.serial, floor.recorded)
            }
        };
        match (recorded, floor) {
            (true, _) => format!("{text}; recorded"),
            (false, None) => format!("{text}; to record it, pass --record"),
            (false, Some(_)) => text,
        }
    }

    fn times(&self) -> (String, String) {
        let (time, issued) = (self.time, self.issued);
        let age = match issued.seconds_since(time) {
            0 => format!("{} ago", span(time.seconds_since(issued))),
            ahead => format!("{} ahead of the clock", span(ahead)),
        };
        let end = self.expires.map(|end| match time.seconds_since(end) {
            0 => format!("{end}, in {}", span(end.seconds_since(time))),
            since => format!("{end}, {} ago", span(since)),
        });
        (format!("{issued}, {age}"), end.unwrap_or_else(|| "never".to_owned()))
    }

    fn write_signatures(&self, out: &mut dyn Write) -> io::Result<()> {
        for (at, key) in self.signatures.iter().enumerate() {
            let label = if at == 0 { "signed by" } else { "" };
            // A single given key has no holder, and only that key counts.
            let nobody = if key.standing == SignatureResult::Counts {
                "the given key"
            } else {
                "unknown holder"
            };
            let holder = key.holder.as_ref().map_or(nobody, Label::as_str);
            writeln!(out, "{label:<12}{}, key {}: {}", safe(holder), key.keyid, key.standing)?;
        }
        Ok(())
    }

    fn write_rebuild(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(Rebuild { profile, same, files }) = &self.rebuild else { return Ok(()) };
        let profile = safe(profile);
        if *same {
            return writeln!(out, "{:<12}identical to the source of profile {profile}", "rebuild");
        }
        let text = format!("the source of profile {profile} gives a different bundle");
        writeln!(out, "{:<12}{}", "rebuild", paint(REMOVED, text))?;
        for FileDifference { path, change } in files {
            let what = match change {
                FileChange::Differs => "differs",
                FileChange::OnlyInBundle => "only in the bundle",
                FileChange::OnlyInSource => "only in the source",
            };
            writeln!(out, "{:<12}{}: {what}", "", safe(path))?;
        }
        Ok(())
    }
}

impl Report for VerifyReport {
    const SCHEMA: &'static str = "verify/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let (issued, expires) = self.times();
        writeln!(out, "{:<12}{}", paint(ADDED, "verified    "), safe(&self.origin))?;
        writeln!(out, "{:<12}{}", "content id", self.content_id)?;
        self.write_signatures(out)?;
        if let Some(GrantUsed { number, threshold }) = self.grant {
            writeln!(out, "{:<12}number {number} of the policy, threshold {threshold}", "grant")?;
        }

        let lines = [
            ("bundle", self.bundle.clone()),
            ("profile", self.profile.clone()),
            ("namespace", self.namespace.clone()),
            ("environment", self.environment.clone()),
            ("serial", self.serial.to_string()),
            ("issued", issued),
            ("expires", expires),
            ("target", self.target_text()),
            ("replay", self.replay_text()),
        ];
        for (name, value) in lines {
            writeln!(out, "{name:<12}{}", safe(&value))?;
        }

        age_keys_view::write(&self.age_keys, out)?;
        for (at, line) in reach_view::lines(&self.reach).iter().enumerate() {
            writeln!(out, "{:<12}{}", if at == 0 { "reaches" } else { "" }, safe(line))?;
        }

        let Self { objects, files, bytes, .. } = self;
        writeln!(out, "{:<12}{objects} objects, {files} files, {bytes} bytes", "size")?;
        if let Some(images) = &self.carried {
            writeln!(out, "{:<12}{images}", "images")?;
        }
        self.write_rebuild(out)?;
        self.live.as_ref().map_or(Ok(()), |live| live_view::write(live, out))
    }
}

/// Returns a duration in the largest unit that gives at least 2.
fn span(seconds: u64) -> String {
    let units = [(DAY_SECONDS, "days"), (3600, "hours"), (60, "minutes")];
    match units.into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_shown_in_meaningful_unit() {
        for (seconds, wanted) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 minutes"),
            (7199, "119 minutes"),
            (7200, "2 hours"),
            (2 * DAY_SECONDS - 1, "47 hours"),
            (180 * DAY_SECONDS, "180 days"),
        ] {
            assert_eq!(span(seconds), wanted);
        }
    }
}
