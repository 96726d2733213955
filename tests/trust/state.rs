//! `state.json`: minimum serials that rise, and how they are removed.

use proptest::prelude::*;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::trust::policy::PolicyTarget;
use relay_bundle::trust::state::{Elsewhere, Place, Replay, State};
use relay_bundle::trust::statement::{SERIAL_MAX, Statement};

use super::situation::{DAY, at};
use super::world::DEV;

fn statement(serial: u64, issued: i64) -> Statement {
    let mut statement = DEV.statement();
    (statement.predicate.serial, statement.predicate.issued) = (serial, at(issued));
    statement
}

fn other_content(statement: Statement) -> Statement {
    Statement { content_id: Digest::of(b"other"), ..statement }
}

const UIDS: [&str; 2] =
    ["0f6a1c2e-3f0b-4f0e-9b63-6a1f3a1b2c3d", "0f6a1c2e-3f0b-4f0e-9b63-6a1f3a1b2c3e"];

fn at_site(site: &str) -> PolicyTarget {
    PolicyTarget { site: Some(site.parse().unwrap()), cluster_uid: None }
}

fn in_cluster(target: PolicyTarget, uid: &str) -> PolicyTarget {
    PolicyTarget { cluster_uid: Some(uid.to_owned()), ..target }
}

fn now() -> Timestamp {
    at(60)
}

fn accepted(statements: &[Statement]) -> State {
    let mut state = State::default();
    for statement in statements {
        state.accept(statement, &PolicyTarget::default(), now());
    }
    state
}

#[test]
fn minimum_serial_rises_and_never_falls() {
    let mut state = accepted(&[statement(5, 0)]);
    let place = Place::of(&statement(5, 0), &PolicyTarget::default());

    state.accept(&other_content(statement(4, 0)), &PolicyTarget::default(), now());
    assert_eq!(state, accepted(&[statement(5, 0)]));
    state.accept(&other_content(statement(5, 0)), &PolicyTarget::default(), at(99));
    assert_eq!(state, accepted(&[statement(5, 0)]));
    state.accept(&other_content(statement(6, 0)), &PolicyTarget::default(), at(99));
    let floor = &state.floors()[&place];
    assert_eq!((floor.serial, floor.content_id, floor.recorded), (6, Digest::of(b"other"), at(99)));
}

#[test]
fn newest_issue_time_stays_regardless_of_serials() {
    for later in [statement(6, -DAY), statement(5, -DAY), statement(4, -DAY)] {
        let state = accepted(&[statement(5, 2 * DAY), later.clone()]);

        let refused = state.check(&statement(9, 0), &PolicyTarget::default(), at(DAY - 1));
        assert_eq!(refused, Err(Replay::ClockBehind { now: at(DAY - 1), issued: at(2 * DAY) }));
        assert_eq!(state.check(&statement(9, 0), &PolicyTarget::default(), at(DAY)), Ok(()));
    }
    // The same release, signed again later: its serial is known, its time of issue is new.
    let state = accepted(&[statement(5, 0), statement(5, 2 * DAY)]);
    assert!(state.check(&statement(9, 0), &PolicyTarget::default(), at(0)).is_err());
}

#[test]
fn each_place_has_its_minimum_serial() {
    let target = at_site("plant-7");
    let mut state = State::default();
    state.accept(&statement(9, 0), &target, now());
    let mut others = [1, 2, 3].map(|serial| statement(serial, 0));
    others[0].predicate.bundle = "other".parse().unwrap();
    others[1].predicate.profile = "other".parse().unwrap();
    others[2].predicate.namespace = "other".parse().unwrap();

    for other in &others {
        assert_eq!(state.check(other, &target, now()), Ok(()));
    }
    assert_eq!(state.check(&statement(1, 0), &PolicyTarget::default(), now()), Ok(()));
    assert!(matches!(
        state.check(&statement(8, 0), &target, now()),
        Err(Replay::Rollback { serial: 8, .. })
    ));
    // Neither the environment nor the sites make a different place.
    let mut same = statement(8, 0);
    same.predicate.environment = "other".parse().unwrap();
    same.predicate.sites = target.site.iter().cloned().collect();
    assert!(state.check(&same, &target, now()).is_err());
}

#[test]
fn minimum_serial_is_removed_with_line_about_it() {
    let mut state = accepted(&[statement(SERIAL_MAX, 9 * DAY)]);
    let place = Place::of(&statement(1, 0), &PolicyTarget::default());
    assert!(state.check(&statement(100, 0), &PolicyTarget::default(), now()).is_err());

    assert!(state.reset(&place, now(), "the builder's clock was wrong"));

    assert_eq!(state.check(&statement(100, 0), &PolicyTarget::default(), now()), Ok(()));
    let [reset] = state.resets() else { panic!("there is one line") };
    assert_eq!((reset.floor.serial, reset.time, &reset.place), (SERIAL_MAX, now(), &place));
    assert_eq!(reset.reason, "the builder's clock was wrong");
    assert!(!state.reset(&place, now(), "again"), "there is nothing left to take away");
    assert_eq!(state.resets().len(), 1);
}

#[test]
fn state_has_one_canonical_form() {
    let mut state = accepted(&[statement(5, 0)]);
    state.accept(&statement(7, 0), &at_site("plant-7"), now());
    state.reset(&Place::of(&statement(1, 0), &PolicyTarget::default()), now(), "\"why\"\n");
    state.accept(&statement(6, 0), &PolicyTarget::default(), now());
    let text = String::from_utf8(state.to_bytes().unwrap()).unwrap();
    assert_eq!(State::parse(text.as_bytes()).unwrap(), state);
    assert_eq!(State::parse(&State::default().to_bytes().unwrap()).unwrap(), State::default());

    let (head, rest) = text.split_once("\"floors\":[").unwrap();
    let (floors, tail) = rest.split_once("],\"resets\"").unwrap();
    let (first, second) = floors.split_once("},{\"floor\"").unwrap();
    let with = |floors: &str| format!("{head}\"floors\":[{floors}],\"resets\"{tail}");
    let [first, second] = [format!("{first}}}"), format!("{{\"floor\"{second}")];
    assert_eq!(with(&format!("{first},{second}")), text);
    let table = [
        ("white space", text.replace(':', ": ")),
        ("a newline", format!("{text}\n")),
        ("another order", with(&format!("{second},{first}"))),
        ("a place twice", with(&format!("{first},{first}"))),
        ("an unknown field", text.replacen("{\"floors\"", "{\"extra\":1,\"floors\"", 1)),
        ("a missing field", text.replacen("\"serial\":6", "\"serials\":6", 1)),
        ("a null", text.replacen("\"profile\":\"dev\"}", "\"profile\":\"dev\",\"site\":null}", 1)),
        ("a large serial", text.replacen("\"serial\":6", "\"serial\":9007199254740992", 1)),
        ("a negative serial", text.replacen("\"serial\":6", "\"serial\":-6", 1)),
        ("another schema", text.replacen("state/v1", "state/v2", 1)),
        ("half of it", text[..text.len() / 2].to_owned()),
        ("nothing", String::new()),
        ("no JSON", "schema = \"x\"".to_owned()),
    ];
    for (what, bad) in table {
        assert_ne!(bad, text, "{what}");
        assert!(State::parse(bad.as_bytes()).is_err(), "{what}: {bad}");
    }
}

// --- sites and clusters ---

#[test]
fn minimum_serial_without_site_applies_to_site_named_later() {
    let state = accepted(&[statement(9, 0)]);

    for target in [at_site("plant-7"), in_cluster(at_site("plant-7"), UIDS[0])] {
        let refused = state.check(&statement(8, 0), &target, now());
        assert!(matches!(refused, Err(Replay::Rollback { serial: 8, .. })), "{refused:?}");
        let refused = state.check(&other_content(statement(9, 0)), &target, now());
        assert!(matches!(refused, Err(Replay::Equivocation { .. })), "{refused:?}");
        assert_eq!(state.check(&statement(9, 0), &target, now()), Ok(()));
    }
}

#[test]
fn minimum_serial_without_site_is_copied_to_site() {
    let mut state = accepted(&[statement(9, 0)]);
    let wider = Place::of(&statement(9, 0), &PolicyTarget::default());

    state.accept(&statement(9, 0), &at_site("plant-7"), at(99));
    state.reset(&wider, now(), "why");

    let refused = state.check(&statement(8, 0), &at_site("plant-7"), now());
    assert!(matches!(refused, Err(Replay::Rollback { .. })), "{refused:?}");
}

#[test]
fn minimum_serial_of_site_does_not_apply_elsewhere() {
    let mut state = State::default();
    state.accept(&statement(9, 0), &in_cluster(at_site("plant-7"), UIDS[0]), now());

    for target in [
        PolicyTarget::default(),
        at_site("plant-7"),
        at_site("plant-8"),
        in_cluster(at_site("plant-7"), UIDS[1]),
        in_cluster(PolicyTarget::default(), UIDS[0]),
    ] {
        assert_eq!(state.check(&statement(1, 0), &target, now()), Ok(()), "{target:?}");
    }
}

#[test]
fn first_bundle_at_place_lists_inapplicable_minimum_serials() {
    let mut state = State::default();
    state.accept(&statement(9, 0), &at_site("plant-7"), now());
    state.accept(&statement(7, 0), &in_cluster(at_site("plant-7"), UIDS[0]), now());
    let standing =
        |state: &State, site| state.compare(&Place::of(&statement(1, 0), &at_site(site)));
    let elsewhere = |uid: Option<&str>, serial| Elsewhere {
        site: Some("plant-7".parse().unwrap()),
        cluster_uid: uid.map(str::to_owned),
        serial,
    };

    let first = standing(&state, "plant-8");
    state.accept(&statement(1, 0), &at_site("plant-8"), now());
    let second = standing(&state, "plant-8");

    assert_eq!(first.floor, None);
    assert_eq!(first.not_compared, [elsewhere(None, 9), elsewhere(Some(UIDS[0]), 9)]);
    assert_eq!((second.floor.map(|floor| floor.serial), second.not_compared.len()), (Some(1), 0));
}

#[test]
fn exact_place_bundle_stays_accepted_beside_equal_wider_serial() {
    // The state left by two policies, one of them without a site, from a time when the minimum
    // serial of a place without a site did not count.
    let mut state = State::default();
    state.accept(&statement(9, 0), &at_site("plant-7"), now());
    state.accept(&other_content(statement(9, 0)), &PolicyTarget::default(), now());

    assert_eq!(state.check(&statement(9, 0), &at_site("plant-7"), now()), Ok(()));
    assert!(state.check(&other_content(statement(9, 0)), &at_site("plant-7"), now()).is_err());
}

#[test]
fn state_without_cluster_uids_is_read_and_written_as_before() {
    let floor = r#"{"contentId":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","issued":"2026-11-22T10:00:00Z","recorded":"2026-11-22T10:00:00Z","serial":9}"#;
    let place = r#"{"bundle":"relay","namespace":"relay","profile":"dev","site":"plant-7"}"#;
    let text = format!(
        r#"{{"floors":[{{"floor":{floor},"place":{place}}}],"resets":[],"schema":"relay-bundle/state/v1"}}"#
    );

    let state = State::parse(text.as_bytes()).unwrap();

    assert_eq!(String::from_utf8(state.to_bytes().unwrap()).unwrap(), text);
}

#[test]
fn cluster_uid_of_another_form_is_damage() {
    let mut state = State::default();
    state.accept(&statement(9, 0), &in_cluster(at_site("plant-7"), UIDS[0]), now());
    let text = String::from_utf8(state.to_bytes().unwrap()).unwrap();
    assert_eq!(State::parse(text.as_bytes()).unwrap(), state);

    for bad in [text.replace(UIDS[0], "x"), text.replace(&format!("\"{}\"", UIDS[0]), "null")] {
        assert_ne!(bad, text);
        assert!(State::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

fn targets() -> impl Strategy<Value = PolicyTarget> {
    let sites = prop::option::of(prop::sample::select(&["plant-7", "plant-8"][..]));
    (sites, prop::option::of(prop::sample::select(&UIDS[..]))).prop_map(|(site, uid)| {
        PolicyTarget {
            site: site.map(|site| site.parse().unwrap()),
            cluster_uid: uid.map(str::to_owned),
        }
    })
}

/// Models the rules without the code under test: an absent name covers every name.
fn covers(wide: &PolicyTarget, narrow: &PolicyTarget) -> bool {
    (wide.site.is_none() || wide.site == narrow.site)
        && (wide.cluster_uid.is_none() || wide.cluster_uid == narrow.cluster_uid)
}

proptest! {
    /// Any sequence of bundles at any places: a place accepts exactly the serials that are not
    /// below the highest one accepted at a place that covers it.
    #[test]
    fn place_refuses_exactly_serials_below_covering_places(
        releases in prop::collection::vec((targets(), 1_u64..6), 0..20),
        asked in targets(),
        serial in 1_u64..6,
    ) {
        let mut state = State::default();
        let mut accepted: Vec<(PolicyTarget, u64)> = Vec::new();
        for (target, serial) in releases {
            let before = state.clone();
            if state.check(&statement(serial, 0), &target, now()).is_ok() {
                state.accept(&statement(serial, 0), &target, now());
                accepted.push((target, serial));
            }
            for (place, floor) in before.floors() {
                prop_assert!(state.floors()[place].serial >= floor.serial, "a floor falls");
            }
        }
        let counting = accepted.iter().filter(|(target, _)| covers(target, &asked));
        let highest = counting.map(|(_, serial)| *serial).max();

        let checked = state.check(&statement(serial, 0), &asked, now());
        let standing = state.compare(&Place::of(&statement(serial, 0), &asked));

        prop_assert_eq!(checked.is_err(), highest.is_some_and(|highest| serial < highest));
        prop_assert_eq!(standing.floor.map(|floor| floor.serial), highest);
        prop_assert_eq!(standing.not_compared.is_empty(), highest.is_some() || accepted.is_empty());
        prop_assert_eq!(State::parse(&state.to_bytes().unwrap()).unwrap(), state);
    }
}
