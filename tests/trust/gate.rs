//! The whole matrix: every combination of the facts that decide about a bundle, against a model
//! written from the specification.
//!
//! Only the gate's decision is tested: the medium has another `SHA256SUMS` than the signed one, so
//! a bundle that passes the gate is refused as `TAMPERED`, and any other one for its own reason.
//!
//! `PROPTEST_CASES=100000 cargo test --test trust gate` samples the joint matrix longer.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use relay_bundle::trust::policy::Policy;
use relay_bundle::trust::terms::{Purpose, VerifyTerms};

use super::situation::{
    Before, DAY, EVERYBODY, GrantLine, HOUR, KeyLine, Situation, TRUSTED, Who, grant,
};
use super::world::{Content, DEV, Step, code_of, verify_until};

/// The outcome of a bundle that passes the gate.
const PASSED: &str = "TAMPERED";

/// The specification, in the order of its checks. It uses neither the library nor a set: it counts
/// holders by name.
pub(crate) fn model(s: &Situation) -> &'static str {
    let covers = |key: &KeyLine, time: i64| {
        key.not_before.unwrap_or(i64::MIN) <= time && time <= key.not_after.unwrap_or(i64::MAX)
    };
    // The rank of a signature: 0 unknown key, 1 revoked, 2 retired, 3 outside of its validity, 4
    // valid.
    let worth = |who: &Who, issued: Option<i64>| match s.keys.get(who) {
        None => 0,
        Some(key) if key.status == "revoked" => 1,
        Some(key) if key.status == "retired" && !s.deployed => 2,
        Some(key) if !s.deployed && !covers(key, s.now) => 3,
        Some(key) if issued.is_some_and(|issued| !covers(key, issued)) => 3,
        Some(_) => 4,
    };
    let unsigned = |issued: Option<i64>| {
        let best = s.signers.iter().map(|who| worth(who, issued)).max().unwrap_or(0);
        ["UNTRUSTED_KEY", "REVOKED_KEY", "RETIRED_KEY", "KEY_NOT_VALID", "BELOW_THRESHOLD"][best]
    };
    let met = |grant: &GrantLine, issued: Option<i64>| {
        let signed = |who: Who| {
            s.signers.contains(&who) && grant.keys.contains(&who) && worth(&who, issued) == 4
        };
        let builder = signed(Who::Builder) || signed(Who::BuildersOther);
        u32::from(builder) + u32::from(signed(Who::Approver)) >= grant.threshold
    };
    let is_here = |namespace: &str| matches!(namespace, "relay-dev" | "relay-*");
    let about: Vec<&GrantLine> = s
        .grants
        .iter()
        .filter(|grant| grant.profile == "dev" && grant.environment == "dev")
        .filter(|grant| grant.namespace.is_none_or(is_here))
        .collect();
    let met_now: Vec<&&GrantLine> =
        about.iter().filter(|grant| met(grant, Some(s.issued))).collect();
    let here = || s.before.iter().filter(|before| before.same_place);
    let floor = here().map(|before| before.serial).max();
    let same_serial =
        here().find(|before| Some(before.serial) == floor && before.serial == s.serial);
    let newest = s.before.iter().map(|before| before.issued).max();
    let end = [s.expires, s.max_age_days.map(|days| s.issued + i64::from(days) * DAY)]
        .into_iter()
        .flatten()
        .min();
    let checks = [
        (s.grants.is_empty(), "NO_GRANT"),
        (!s.grants.iter().any(|grant| met(grant, None)), unsigned(None)),
        (about.is_empty(), "NO_GRANT"),
        (met_now.is_empty(), unsigned(Some(s.issued))),
        (met_now.iter().all(|grant| s.serial < grant.min_serial), "BELOW_MIN_SERIAL"),
        (s.revoked_content, "REVOKED_CONTENT"),
        (
            s.site.is_some_and(|site| !s.sites.is_empty() && !s.sites.contains(&site)),
            "WRONG_TARGET",
        ),
        (!s.deployed && s.issued > s.now + DAY, "ISSUED_IN_FUTURE"),
        (!s.deployed && newest.is_some_and(|newest| newest > s.now + DAY), "CLOCK_BEHIND"),
        (!s.deployed && floor.is_some_and(|floor| s.serial < floor), "ROLLBACK"),
        (!s.deployed && same_serial.is_some_and(|before| !before.same_content), "EQUIVOCATION"),
        (!s.deployed && end.is_some_and(|end| s.now > end), "EXPIRED"),
    ];
    checks.into_iter().find(|(objection, _)| *objection).map_or(PASSED, |(_, code)| code)
}

/// Tries situations, and counts the outcomes; each policy is parsed once, and each statement signed
/// once.
#[derive(Default)]
struct Trials {
    policies: BTreeMap<String, Policy>,
    attested: BTreeMap<(Vec<Who>, Vec<u8>), Content>,
    outcomes: BTreeMap<&'static str, u32>,
}

impl Trials {
    fn run(&mut self, situation: &Situation) {
        let text = situation.policy_text();
        let policy =
            self.policies.entry(text).or_insert_with_key(|text| Policy::parse(text).unwrap());
        let name = (situation.signers.clone(), situation.statement().to_bytes());
        let content = self.attested.entry(name).or_insert_with(|| {
            let sums = b"another list".to_vec();
            situation.attested(Content {
                attestation: None,
                sums,
                files: BTreeMap::new(),
                layout: Vec::new(),
            })
        });
        let state = situation.state();

        let found = code_of(&verify_until(content, &situation.terms(policy, &state), Step::Sums));

        assert_eq!(found, model(situation), "{situation:#?}");
        *self.outcomes.entry(found).or_default() += 1;
    }

    /// Asserts that each of these outcomes occurred; a matrix without an outcome would not test it.
    fn came_to(&self, codes: &[&str]) {
        let found: Vec<&str> = self.outcomes.keys().copied().collect();
        let mut wanted = codes.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{:?}", self.outcomes);
    }
}

fn key_lines() -> Vec<KeyLine> {
    let times = [
        (None, None),
        (Some(-DAY), Some(HOUR)),
        (Some(0), Some(HOUR - 1)),
        (Some(HOUR), None),
        (Some(HOUR + 1), None),
        (Some(1), Some(DAY)),
    ];
    let lines =
        |status| times.map(|(not_before, not_after)| KeyLine { status, not_before, not_after });
    ["active", "retired", "revoked"].into_iter().flat_map(lines).collect()
}

fn grant_lists(threshold: u32) -> Vec<Vec<GrantLine>> {
    let all = grant(threshold);
    let of = |keys: &[Who]| GrantLine { keys: keys.to_vec(), ..all.clone() };
    vec![
        vec![all.clone()],
        vec![of(&[Who::Builder, Who::BuildersOther])],
        vec![GrantLine { min_serial: 101, ..all.clone() }],
        vec![
            GrantLine { profile: "production", threshold: 1, ..all.clone() },
            of(&[Who::Approver]),
        ],
        // One grant needs more signatures, the other a higher serial.
        vec![all.clone(), GrantLine { threshold: 1, min_serial: 101, ..of(&[Who::Approver]) }],
        vec![GrantLine { environment: "production", ..all.clone() }],
        vec![GrantLine { namespace: Some("elsewhere"), ..all.clone() }, of(&[Who::Approver])],
    ]
}

/// Returns every set of signers except the empty one, which cannot make an attestation.
fn signer_sets() -> Vec<Vec<Who>> {
    let set = |bits: usize| {
        EVERYBODY.into_iter().filter(|who| bits >> (*who as usize) & 1 == 1).collect()
    };
    (1..16).map(set).collect()
}

#[test]
fn every_combination_of_signers_matches_model() {
    let mut trials = Trials::default();
    for signers in signer_sets() {
        for line in key_lines() {
            for grants in (1..=3).flat_map(grant_lists).chain([Vec::new()]) {
                for deployed in [false, true] {
                    let mut situation = Situation {
                        signers: signers.clone(),
                        grants: grants.clone(),
                        deployed,
                        ..Situation::default()
                    };
                    situation.keys.insert(Who::Builder, line.clone());
                    trials.run(&situation);
                }
            }
        }
    }
    trials.came_to(&[
        PASSED,
        "BELOW_MIN_SERIAL",
        "BELOW_THRESHOLD",
        "KEY_NOT_VALID",
        "NO_GRANT",
        "RETIRED_KEY",
        "REVOKED_KEY",
        "UNTRUSTED_KEY",
    ]);
}

const SITES: [&[&str]; 4] = [&[], &["plant-7"], &["plant-8"], &["plant-7", "plant-8"]];

/// Returns the histories: no accepted bundle, or one at another place, below, at or above the
/// bundle's serial.
fn histories() -> Vec<Vec<Before>> {
    let before = |same_place, same_content, serial, issued| Before {
        same_place,
        same_content,
        serial,
        issued,
    };
    vec![
        vec![],
        vec![before(false, false, 200, 0)],
        vec![before(true, false, 99, -DAY)],
        vec![before(true, true, 100, 0)],
        vec![before(true, false, 100, 0)],
        vec![before(true, false, 101, HOUR)],
        // A higher serial with an earlier issue time does not hide the latest time that was
        // accepted.
        vec![before(true, false, 98, 2 * DAY), before(true, false, 99, -DAY)],
        vec![before(false, false, 1, 2 * DAY)],
    ]
}

const CLOCKS: [i64; 9] =
    [-DAY - 1, -DAY, 0, DAY - 1, DAY, DAY + 1, 2 * DAY, 2 * DAY + 1, 400 * DAY];

#[test]
fn every_combination_of_place_time_and_history_matches_model() {
    let mut trials = Trials::default();
    for before in histories() {
        for now in CLOCKS {
            for (sites, site) in
                SITES.into_iter().flat_map(|sites| [(sites, None), (sites, Some("plant-7"))])
            {
                for (expires, max_age_days) in [
                    (None, None),
                    (Some(DAY), None),
                    (None, Some(2)),
                    (Some(DAY), Some(2)),
                    (Some(1), Some(1)),
                ] {
                    for (revoked_content, deployed) in
                        [(false, false), (false, true), (true, false), (true, true)]
                    {
                        trials.run(&Situation {
                            before: before.clone(),
                            now,
                            sites: sites.to_vec(),
                            site,
                            expires,
                            max_age_days,
                            revoked_content,
                            deployed,
                            ..Situation::default()
                        });
                    }
                }
            }
        }
    }
    trials.came_to(&[
        PASSED,
        "CLOCK_BEHIND",
        "EQUIVOCATION",
        "EXPIRED",
        "ISSUED_IN_FUTURE",
        "REVOKED_CONTENT",
        "ROLLBACK",
        "WRONG_TARGET",
    ]);
}

fn situation() -> impl Strategy<Value = Situation> {
    let signers = subsequence(EVERYBODY.to_vec(), 1..=4);
    let keys = [select(key_lines()), select(key_lines()), select(key_lines())];
    let who = (signers, keys, (1..=3_u32).prop_map(grant_lists).prop_flat_map(select));
    let when = (select(histories()), select(CLOCKS.to_vec()), -2..3_i64, 98..103_u64);
    let end = (prop::option::of(0..3_i64), prop::option::of(1..3_u32));
    let place = (select(SITES.to_vec()), prop::option::of(select(vec!["plant-7", "plant-9"])));
    (who, when, end, place, prop::bool::weighted(0.1), any::<bool>()).prop_map(
        |(
            (signers, keys, grants),
            (before, now, issued, serial),
            (ends, max_age_days),
            (sites, site),
            revoked_content,
            deployed,
        )| {
            Situation {
                signers,
                serial,
                issued: issued * HOUR,
                expires: ends.map(|days| issued * HOUR + (days * DAY).max(1)),
                sites: sites.to_vec(),
                site,
                max_age_days,
                keys: TRUSTED.into_iter().zip(keys).collect(),
                grants,
                revoked_content,
                before,
                now,
                deployed,
            }
        },
    )
}

#[test]
fn everything_together_matches_model() {
    let plain = ProptestConfig::default();
    // Proptest has already read the variable into its configuration.
    let cases = if plain.cases == 256 { 4096 } else { plain.cases };
    let config = ProptestConfig { cases, failure_persistence: None, ..plain };
    let trials = std::cell::RefCell::new(Trials::default());
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&situation(), |situation| {
            trials.borrow_mut().run(&situation);
            Ok(())
        })
        .unwrap();
}

#[test]
fn apply_accepts_new_or_redeployable_bundle_and_says_which() {
    for before in histories() {
        for (now, status) in
            CLOCKS.into_iter().flat_map(|now| [(now, "active"), (now, "retired"), (now, "revoked")])
        {
            let mut situation = Situation {
                before: before.clone(),
                now,
                expires: Some(DAY),
                ..Situation::default()
            };
            situation.keys.get_mut(&Who::Builder).unwrap().status = status;
            let (policy, state) =
                (Policy::parse(&situation.policy_text()).unwrap(), situation.state());
            let content = situation.attested(DEV.clone());
            let verified = |purpose| {
                let terms = VerifyTerms { purpose, ..situation.terms(&policy, &state) };
                verify_until(&content, &terms, Step::Files)
            };

            let [new, deployed, either] =
                [Purpose::Install, Purpose::Deployed, Purpose::Apply].map(verified);

            assert_eq!(either.is_ok(), deployed.is_ok(), "{situation:?}");
            let excused = either.as_ref().ok().and_then(|of| of.voucher().only_if_deployed.clone());
            let refused =
                either.as_ref().err().or(excused.as_deref()).map(|refusal| refusal.reason.code());
            assert_eq!(
                refused,
                new.as_ref().err().map(|refusal| refusal.reason.code()),
                "{situation:?}"
            );
        }
    }
}
