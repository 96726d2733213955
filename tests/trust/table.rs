//! The rules of trust that an operator may rely on, one by one.

use super::gate::model;
use super::situation::{Before, DAY, GrantLine, HOUR, KeyLine, Situation, Who, grant};
use super::world::ACCEPTED;

use Who::{Approver, Builder, BuildersOther, Stranger};

type Change = fn(&mut Situation);

/// A description, the change of the default situation, and the outcome.
const WHO: [(&str, Change, &str); 23] = [
    ("one signature of one that is asked for", |_| (), ACCEPTED),
    ("a stranger", |s| s.signers = vec![Stranger], "UNTRUSTED_KEY"),
    (
        "a stranger beside the builder does no harm",
        |s| s.signers = vec![Builder, Stranger],
        ACCEPTED,
    ),
    ("one of two", |s| s.grants = vec![grant(2)], "BELOW_THRESHOLD"),
    ("two of two", |s| (s.grants, s.signers) = (vec![grant(2)], vec![Builder, Approver]), ACCEPTED),
    (
        "two keys of one holder are one signer",
        |s| (s.grants, s.signers) = (vec![grant(2)], vec![Builder, BuildersOther]),
        "BELOW_THRESHOLD",
    ),
    (
        "a stranger is nobody's second signer",
        |s| (s.grants, s.signers) = (vec![grant(2)], vec![Builder, Stranger]),
        "BELOW_THRESHOLD",
    ),
    (
        "a trusted key that the grant does not name",
        |s| s.grants[0].keys = vec![Approver],
        "BELOW_THRESHOLD",
    ),
    ("a policy without grants", |s| s.grants.clear(), "NO_GRANT"),
    ("a grant for another profile", |s| s.grants[0].profile = "production", "NO_GRANT"),
    ("a grant for another namespace", |s| s.grants[0].namespace = Some("elsewhere"), "NO_GRANT"),
    ("a grant for some namespaces", |s| s.grants[0].namespace = Some("relay-*"), ACCEPTED),
    ("a grant for another environment", |s| s.grants[0].environment = "production", "NO_GRANT"),
    ("grants add up: one that is met is enough", |s| s.grants = vec![grant(2), grant(1)], ACCEPTED),
    (
        "signatures for another profile's grant do not count here",
        |s| s.grants = vec![GrantLine { profile: "production", ..grant(1) }, grant(2)],
        "BELOW_THRESHOLD",
    ),
    ("a retired key signs nothing new", |s| key(s).status = "retired", "RETIRED_KEY"),
    (
        "a retired key holds for what is deployed",
        |s| (key(s).status, s.deployed) = ("retired", true),
        ACCEPTED,
    ),
    ("a revoked key", |s| key(s).status = "revoked", "REVOKED_KEY"),
    (
        "a revoked key holds for nothing, deployed or not",
        |s| (key(s).status, s.deployed) = ("revoked", true),
        "REVOKED_KEY",
    ),
    ("a key in its last second", |s| key(s).not_after = Some(HOUR), ACCEPTED),
    ("a key a second after its end", |s| key(s).not_after = Some(HOUR - 1), "KEY_NOT_VALID"),
    ("a key before its time", |s| key(s).not_before = Some(HOUR + 1), "KEY_NOT_VALID"),
    (
        "a key that is valid now, and was not when the bundle was issued",
        |s| key(s).not_before = Some(1),
        "KEY_NOT_VALID",
    ),
];

const WHAT_WHERE_AND_WHEN: [(&str, Change, &str); 27] = [
    (
        "a key that has ended holds for what was deployed in its time",
        |s| (key(s).not_after, s.deployed) = (Some(0), true),
        ACCEPTED,
    ),
    (
        "not for what says that it was issued after that",
        |s| (key(s).not_after, s.issued, s.deployed) = (Some(-1), 0, true),
        "KEY_NOT_VALID",
    ),
    ("the least serial that is allowed", |s| s.grants[0].min_serial = 100, ACCEPTED),
    ("a serial below it", |s| s.grants[0].min_serial = 101, "BELOW_MIN_SERIAL"),
    (
        "a serial below it, deployed or not",
        |s| (s.grants[0].min_serial, s.deployed) = (101, true),
        "BELOW_MIN_SERIAL",
    ),
    ("revoked content", |s| s.revoked_content = true, "REVOKED_CONTENT"),
    (
        "revoked content, deployed or not",
        |s| (s.revoked_content, s.deployed) = (true, true),
        "REVOKED_CONTENT",
    ),
    ("for anywhere, here", |s| s.site = Some("plant-7"), ACCEPTED),
    ("for here, here", |s| (s.site, s.sites) = (Some("plant-7"), vec!["plant-7", "x"]), ACCEPTED),
    ("for elsewhere, here", |s| (s.site, s.sites) = (Some("plant-7"), vec!["x"]), "WRONG_TARGET"),
    (
        "for elsewhere, deployed or not",
        |s| (s.site, s.sites, s.deployed) = (Some("plant-7"), vec!["x"], true),
        "WRONG_TARGET",
    ),
    ("for elsewhere, and the policy does not say where this is", |s| s.sites = vec!["x"], ACCEPTED),
    ("issued a day ahead of the clock", |s| s.now = -DAY, ACCEPTED),
    ("issued more than a day ahead", |s| s.now = -DAY - 1, "ISSUED_IN_FUTURE"),
    ("in the second in which it expires", |s| s.expires = Some(HOUR), ACCEPTED),
    ("a second later", |s| s.expires = Some(HOUR - 1), "EXPIRED"),
    ("of the greatest age", |s| (s.max_age_days, s.now) = (Some(180), 180 * DAY), ACCEPTED),
    ("a second older", |s| (s.max_age_days, s.now) = (Some(180), 180 * DAY + 1), "EXPIRED"),
    (
        "expired, but deployed",
        |s| (s.expires, s.max_age_days, s.now, s.deployed) = (Some(1), Some(1), 400 * DAY, true),
        ACCEPTED,
    ),
    ("the same bundle again", |s| s.before = vec![before(100, true)], ACCEPTED),
    ("an older one than was accepted", |s| s.before = vec![before(101, false)], "ROLLBACK"),
    (
        "an older one, deployed before",
        |s| (s.before, s.deployed) = (vec![before(101, false)], true),
        ACCEPTED,
    ),
    (
        "the old content again, sealed with a higher serial",
        |s| (s.before, s.serial) = (vec![before(100, true), before(101, false)], 102),
        ACCEPTED,
    ),
    ("two contents of one serial", |s| s.before = vec![before(100, false)], "EQUIVOCATION"),
    (
        "what another place accepted does not matter here",
        |s| s.before = vec![Before { same_place: false, ..before(999, false) }],
        ACCEPTED,
    ),
    (
        "but for the clock: it is behind what was accepted anywhere",
        |s| {
            s.before =
                vec![Before { same_place: false, issued: DAY + HOUR + 1, ..before(1, false) }];
        },
        "CLOCK_BEHIND",
    ),
    (
        "revocation is judged before place, place before time",
        |s| (s.revoked_content, s.site, s.sites, s.expires) = (true, Some("a"), vec!["b"], Some(1)),
        "REVOKED_CONTENT",
    ),
];

fn key(situation: &mut Situation) -> &mut KeyLine {
    situation.keys.get_mut(&Builder).unwrap()
}

fn before(serial: u64, same_content: bool) -> Before {
    Before { same_place: true, same_content, serial, issued: 0 }
}

fn holds(rules: &[(&str, Change, &str)]) {
    for (what, change, wanted) in rules {
        let mut situation = Situation::default();
        change(&mut situation);

        assert_eq!(situation.outcome(wanted), *wanted, "{what}");
        let passes = model(&situation).replace("TAMPERED", ACCEPTED);
        assert_eq!(passes, *wanted, "{what}: the model of the matrix says otherwise");
    }
}

#[test]
fn signers_determine_outcome() {
    holds(&WHO);
}

#[test]
fn then_what_where_and_when() {
    holds(&WHAT_WHERE_AND_WHEN);
}
