//! `state.json`: floors that rise, and what takes one away.

use relay_bundle::model::digest::Digest;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::trust::state::{Place, Replay, State};
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

fn now() -> Timestamp {
    at(60)
}

fn accepted(statements: &[Statement]) -> State {
    let mut state = State::default();
    for statement in statements {
        state.accept(statement, None, now());
    }
    state
}

#[test]
fn a_floor_rises_and_never_falls() {
    let mut state = accepted(&[statement(5, 0)]);
    let place = Place::of(&statement(5, 0), None);

    state.accept(&other_content(statement(4, 0)), None, now());
    assert_eq!(state, accepted(&[statement(5, 0)]));
    state.accept(&other_content(statement(5, 0)), None, at(99));
    assert_eq!(state, accepted(&[statement(5, 0)]));
    state.accept(&other_content(statement(6, 0)), None, at(99));
    let floor = &state.floors()[&place];
    assert_eq!((floor.serial, floor.content_id, floor.recorded), (6, Digest::of(b"other"), at(99)));
}

#[test]
fn the_newest_time_of_issue_stays_whatever_the_serials_are() {
    for later in [statement(6, -DAY), statement(5, -DAY), statement(4, -DAY)] {
        let state = accepted(&[statement(5, 2 * DAY), later.clone()]);

        let refused = state.check(&statement(9, 0), None, at(DAY - 1));
        assert_eq!(refused, Err(Replay::ClockBehind { now: at(DAY - 1), issued: at(2 * DAY) }));
        assert_eq!(state.check(&statement(9, 0), None, at(DAY)), Ok(()));
    }
    // The same release, sealed again later: its serial says nothing new, its time does.
    let state = accepted(&[statement(5, 0), statement(5, 2 * DAY)]);
    assert!(state.check(&statement(9, 0), None, at(0)).is_err());
}

#[test]
fn each_place_has_its_floor() {
    let site = "plant-7".parse().unwrap();
    let mut state = State::default();
    state.accept(&statement(9, 0), Some(&site), now());
    let mut others = [1, 2, 3].map(|serial| statement(serial, 0));
    others[0].predicate.bundle = "other".parse().unwrap();
    others[1].predicate.profile = "other".parse().unwrap();
    others[2].predicate.namespace = "other".parse().unwrap();

    for other in &others {
        assert_eq!(state.check(other, Some(&site), now()), Ok(()));
    }
    assert_eq!(state.check(&statement(1, 0), None, now()), Ok(()));
    assert!(matches!(
        state.check(&statement(8, 0), Some(&site), now()),
        Err(Replay::Rollback { serial: 8, .. })
    ));
    // Neither environment nor sites make another place.
    let mut same = statement(8, 0);
    same.predicate.environment = "other".parse().unwrap();
    same.predicate.sites = [site.clone()].into();
    assert!(state.check(&same, Some(&site), now()).is_err());
}

#[test]
fn a_floor_is_taken_away_with_a_line_about_it() {
    let mut state = accepted(&[statement(SERIAL_MAX, 9 * DAY)]);
    let place = Place::of(&statement(1, 0), None);
    assert!(state.check(&statement(100, 0), None, now()).is_err());

    assert!(state.reset(&place, now(), "the builder's clock was wrong"));

    assert_eq!(state.check(&statement(100, 0), None, now()), Ok(()));
    let [reset] = state.resets() else { panic!("there is one line") };
    assert_eq!((reset.floor.serial, reset.time, &reset.place), (SERIAL_MAX, now(), &place));
    assert_eq!(reset.reason, "the builder's clock was wrong");
    assert!(!state.reset(&place, now(), "again"), "there is nothing left to take away");
    assert_eq!(state.resets().len(), 1);
}

#[test]
fn a_state_has_one_spelling() {
    let site = "plant-7".parse().unwrap();
    let mut state = accepted(&[statement(5, 0)]);
    state.accept(&statement(7, 0), Some(&site), now());
    state.reset(&Place::of(&statement(1, 0), None), now(), "\"why\"\n");
    state.accept(&statement(6, 0), None, now());
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
