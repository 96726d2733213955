//! Lints a valid trust policy: finds entries that can never work, and entries that will stop
//! working.

use std::collections::BTreeSet;

use serde::Serialize;

use super::key::KeyId;
use super::policy::{Grant, KeyStatus, Pattern, Policy, TrustedKey};
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// A problem in a policy that its author should know about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable; programs match on it.
    pub code: &'static str,
    pub severity: FindingSeverity,
    pub message: String,
    pub remedy: String,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// Part of the policy cannot work, or anyone can change the file.
    Error,
    /// The policy works, but perhaps not as intended.
    Warning,
}

/// Returns the findings about `policy` at the time `now`, including keys that expire within
/// `soon_days`.
pub fn findings(policy: &Policy, now: Timestamp, soon_days: u32) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.about_the_place(policy);
    policy.keys().iter().for_each(|(id, key)| findings.about_key(policy, *id, key, now, soon_days));
    for (number, grant) in (1..).zip(policy.grants()) {
        findings.about_grant(policy, number, grant, now);
    }
    findings.about_overlaps(policy.grants());
    findings.0.sort_by_key(|finding| finding.severity);
    findings.0
}

/// Returns whether a key could count for a new bundle, now or later.
fn is_of_use(key: &TrustedKey, now: Timestamp) -> bool {
    key.status == KeyStatus::Active && key.not_after.is_none_or(|end| now <= end)
}

/// Returns the holders who could sign for a grant, now or later.
pub fn holders<'p>(policy: &'p Policy, grant: &Grant, now: Timestamp) -> BTreeSet<&'p Label> {
    grant.holders(policy.keys().iter().filter(|(_, key)| is_of_use(key, now)))
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, code: &'static str, message: String, remedy: &str) {
        self.0.push(Finding {
            code,
            severity: FindingSeverity::Error,
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn warning(&mut self, code: &'static str, message: String, remedy: &str) {
        self.0.push(Finding {
            code,
            severity: FindingSeverity::Warning,
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn about_the_place(&mut self, policy: &Policy) {
        if policy.grants().is_empty() {
            let message = "the policy has no grant: every bundle is refused".to_owned();
            self.error("NO_GRANTS", message, "add one with `relay-bundle trust add grant`");
        }

        if policy.target.site.is_none() {
            let message =
                "`target.site` is not set: a bundle for another site is accepted here".to_owned();
            self.warning(
                "NO_SITE",
                message,
                "set the name of this site, and sign bundles with --site",
            );
        }

        if policy.target.cluster_uid.is_none() {
            let message =
                "`target.clusterUid` is not set: the policy applies to any cluster".to_owned();
            let remedy =
                "print it with kubectl get namespace kube-system -o jsonpath='{.metadata.uid}'";
            self.warning("NO_CLUSTER_UID", message, remedy);
        }

        if policy.max_age_days.is_none() {
            let message =
                "`policy.maxAgeDays` is not set: a bundle that was withheld for years is accepted";
            self.warning(
                "NO_MAX_AGE",
                message.to_owned(),
                "set it to the longest time between two releases",
            );
        }
    }

    fn about_key(
        &mut self,
        policy: &Policy,
        id: KeyId,
        key: &TrustedKey,
        now: Timestamp,
        soon_days: u32,
    ) {
        let who = format!("the key {} of {}", short(id), key.holder);
        if !policy.grants().iter().any(|grant| grant.keys.contains(&id))
            && key.status != KeyStatus::Revoked
        {
            let message = format!("{who} is not in any grant: its signatures have no effect");
            self.warning("UNUSED_KEY", message, "add it to a grant, or remove it");
        }

        if key.status != KeyStatus::Active {
            return;
        }

        match key.not_after {
            None => {
                let message = format!("{who} has no `notAfter`: it never expires");
                self.warning("ENDLESS_KEY", message, "set an end, and renew it before");
            }
            Some(end) if end < now => {
                let message = format!("{who} expired on {end}");
                self.warning(
                    "EXPIRED_KEY",
                    message,
                    "add its successor, and set this one to `retired`",
                );
            }
            Some(end) if end.seconds_since(now) <= u64::from(soon_days) * DAY_SECONDS => {
                let days = end.seconds_since(now) / DAY_SECONDS;
                let message = format!("{who} is valid for {days} more days, until {end}");
                self.warning("KEY_EXPIRES_SOON", message, "add its successor while both are valid");
            }
            Some(_) => {}
        }

        if let Some(start) = key.not_before.filter(|start| now < *start) {
            let message = format!("{who} is not valid yet, until {start}");
            self.warning("KEY_NOT_YET_VALID", message, "wait, or check the clock");
        }
    }

    fn about_grant(&mut self, policy: &Policy, number: usize, grant: &Grant, now: Timestamp) {
        let (threshold, able) = (grant.threshold.get(), holders(policy, grant, now).len());
        if (able as u64) < u64::from(threshold) {
            let message = format!(
                "grant {number} can never be met: it needs {}, but only {able} could sign",
                holders_in_words(threshold)
            );
            let remedy = "add keys of more holders (several keys of one holder count once), or lower `threshold`";
            self.error("UNREACHABLE_GRANT", message, remedy);
        } else if !grant.is_met_by(
            policy.keys().iter().filter(|(_, key)| is_of_use(key, now) && key.is_valid_at(now)),
        ) {
            let message =
                format!("grant {number} cannot be met yet: too few of its keys are valid now");
            self.warning("GRANT_NOT_YET", message, "wait until they are, or check the clock");
        } else if able as u64 == u64::from(threshold) && threshold > 1 {
            let message =
                format!("grant {number} needs all of its {able} holders: one lost key blocks it");
            self.warning("NO_SPARE_HOLDER", message, "add a key of one more holder");
        }

        if grant.namespaces.is_empty() {
            let message =
                format!("grant {number} has no `namespaces`: it allows objects in every namespace");
            self.warning("ANY_NAMESPACE", message, "list those of its bundles");
        }

        let is_production = grant.environments.iter().any(|pattern| pattern.matches("production"));
        if threshold == 1 && is_production {
            let message =
                format!("grant {number} covers production, but one stolen key is enough for it");
            self.warning("SINGLE_SIGNER", message, "require two holders: `threshold = 2`");
        }
    }

    /// Reports grants that a weaker, overlapping grant bypasses: satisfying any one grant is
    /// enough.
    fn about_overlaps(&mut self, grants: &[Grant]) {
        let numbered = || (1..).zip(grants);
        for (weak_number, weak) in numbered() {
            let stricter = |(_, grant): &(usize, &Grant)| {
                weak.threshold < grant.threshold
                    && overlap(&weak.bundles, &grant.bundles)
                    && overlap(&weak.profiles, &grant.profiles)
                    && overlap(&weak.environments, &grant.environments)
                    && (weak.namespaces.is_empty()
                        || grant.namespaces.is_empty()
                        || overlap(&weak.namespaces, &grant.namespaces))
            };
            for (number, grant) in numbered().filter(stricter) {
                let message = format!(
                    "grant {weak_number} needs {}, but grant {number} needs {}: bundles that both \
                     cover need only the lower number",
                    holders_in_words(weak.threshold.get()),
                    grant.threshold
                );
                self.warning(
                    "WEAKER_GRANT",
                    message,
                    "limit them to different profiles or environments",
                );
            }
        }
    }
}

fn holders_in_words(number: u32) -> String {
    if number == 1 { "1 holder".to_owned() } else { format!("{number} holders") }
}

/// Returns whether some name matches both lists.
fn overlap(left: &[Pattern], right: &[Pattern]) -> bool {
    left.iter().any(|left| right.iter().any(|right| left.overlaps(right)))
}

/// Returns a prefix of the key id, long enough to find the key.
fn short(id: KeyId) -> String {
    format!("{}…", &id.to_string()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::entry::{GrantEntry, KeyEntry};
    use crate::trust::key::{PrivateKey, PublicKey};

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn public(seed: u8) -> PublicKey {
        PrivateKey::from_seed(&[seed; 32]).public()
    }

    fn key(seed: u8, holder: &str) -> KeyEntry {
        KeyEntry {
            public: public(seed),
            holder: holder.parse().unwrap(),
            not_before: Some(time("2026-01-01T00:00:00Z")),
            not_after: Some(time("2027-12-31T00:00:00Z")),
            status: KeyStatus::Active,
        }
    }

    fn grant(seeds: &[u8], threshold: u32) -> GrantEntry {
        let list = |text: &str| vec![text.parse().unwrap()];
        GrantEntry {
            bundles: list("claude-relay"),
            profiles: list("production"),
            environments: list("production"),
            namespaces: list("claude-relay"),
            keys: seeds.iter().map(|seed| public(*seed).id()).collect(),
            threshold: threshold.try_into().unwrap(),
            min_serial: 0,
        }
    }

    /// Returns the codes of the findings in a policy of these entries whose target is complete.
    fn codes(entries: &[String]) -> Vec<&'static str> {
        let head = "schema = \"relay-bundle/trust/v1\"\n[target]\nsite = \"lab\"\n\
                    clusterUid = \"0f6a1c2e-3f0b-4f0e-9b63-6a1f3a1b2c3d\"\n[policy]\nmaxAgeDays = 90\n";
        let policy = Policy::parse(&format!("{head}{}", entries.concat())).unwrap();
        findings(&policy, time(NOW), 30).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn policy_needing_two_of_three_holders_has_no_findings() {
        let keys =
            [(1, "a"), (2, "b"), (3, "c")].map(|(seed, holder)| key(seed, holder).to_string());

        assert_eq!(codes(&[keys.concat(), grant(&[1, 2, 3], 2).to_string()]), Vec::<&str>::new());
    }

    #[test]
    fn empty_policy_refuses_all_and_reports_what_is_unchecked() {
        let policy = Policy::parse("schema = \"relay-bundle/trust/v1\"\n").unwrap();

        let codes: Vec<_> =
            findings(&policy, time(NOW), 30).iter().map(|finding| finding.code).collect();

        assert_eq!(codes, ["NO_GRANTS", "NO_SITE", "NO_CLUSTER_UID", "NO_MAX_AGE"]);
    }

    #[test]
    fn unreachable_grant_is_error_for_each_reason() {
        let pair = |other: KeyEntry| {
            codes(&[key(1, "a").to_string(), other.to_string(), grant(&[1, 2], 2).to_string()])
        };

        assert_eq!(pair(key(2, "a")), ["UNREACHABLE_GRANT"]);
        assert_eq!(
            pair(KeyEntry { status: KeyStatus::Revoked, ..key(2, "b") }),
            ["UNREACHABLE_GRANT"]
        );
        assert_eq!(
            pair(KeyEntry { status: KeyStatus::Retired, ..key(2, "b") }),
            ["UNREACHABLE_GRANT"]
        );
        let expired = KeyEntry { not_after: Some(time("2026-11-22T09:59:59Z")), ..key(2, "b") };
        assert_eq!(pair(expired), ["UNREACHABLE_GRANT", "EXPIRED_KEY"]);
        let later = KeyEntry { not_before: Some(time("2026-11-22T10:00:01Z")), ..key(2, "b") };
        assert_eq!(pair(later), ["KEY_NOT_YET_VALID", "GRANT_NOT_YET"]);
        assert_eq!(pair(key(2, "b")), ["NO_SPARE_HOLDER"]);
    }

    #[test]
    fn soon_expiring_endless_or_unused_key_is_reported() {
        let with = |other: KeyEntry| {
            codes(&[
                key(1, "a").to_string(),
                key(2, "b").to_string(),
                other.to_string(),
                grant(&[1, 2, 3], 2).to_string(),
            ])
        };

        let end = |text: &str| KeyEntry { not_after: Some(time(text)), ..key(3, "c") };
        assert_eq!(with(end("2026-12-22T10:00:00Z")), ["KEY_EXPIRES_SOON"]);
        assert_eq!(with(end("2026-12-22T10:00:01Z")), Vec::<&str>::new());
        assert_eq!(with(KeyEntry { not_after: None, ..key(3, "c") }), ["ENDLESS_KEY"]);
        assert_eq!(
            codes(&[key(1, "a").to_string(), key(2, "b").to_string(), grant(&[1], 1).to_string()]),
            ["UNUSED_KEY", "SINGLE_SIGNER"]
        );
    }

    #[test]
    fn weaker_grant_is_reported_if_it_overlaps_stricter_one() {
        let keys = [(1, "a"), (2, "b"), (3, "c")]
            .map(|(seed, holder)| key(seed, holder).to_string())
            .concat();
        let weak = |profile: &str| GrantEntry {
            profiles: vec![profile.parse().unwrap()],
            ..grant(&[1], 1)
        };
        let found = |profile: &str| {
            codes(&[keys.clone(), grant(&[1, 2, 3], 2).to_string(), weak(profile).to_string()])
        };

        assert_eq!(found("production"), ["SINGLE_SIGNER", "WEAKER_GRANT"]);
        assert_eq!(found("dev"), ["SINGLE_SIGNER"]);
    }
}
