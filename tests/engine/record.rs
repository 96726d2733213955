//! The record and its lock: each write states the version that it replaces.

use relay_bundle::cluster::error::CallError;
use relay_bundle::cluster::{Cluster, Session, Write};
use relay_bundle::failure::Failure;
use relay_bundle::install::record::{Journal, Turn, release_after};
use relay_bundle::model::kind::Kind;
use relay_bundle::model::object_key::ObjectKey;
use relay_bundle::rollout::lock::RecordLock;
use serde_json::json;

use crate::fake::{Fault, When};
use crate::scene::{DEV, Scene, journal, namespace};

const HEAD: &str = "/configmaps/relay-bundle.relay-dev";

fn scene() -> Scene {
    let scene = Scene::new();
    scene.fake.put("platform", &namespace());
    scene
}

fn holder(name: &str) -> RecordLock {
    RecordLock { holder: name.to_owned(), heartbeat: 0, by: None }
}

#[track_caller]
fn lock(journal: &mut Journal, name: &str) {
    journal.lock(holder(name), |_, _| {}).unwrap();
}

fn lock_fails(journal: &mut Journal, name: &str) -> Failure {
    journal.lock(holder(name), |_, _| {}).unwrap_err()
}

/// Returns the holder in the stored head.
fn held_by(scene: &Scene) -> Option<String> {
    scene.head()["lock"]["holder"].as_str().map(str::to_owned)
}

fn locked(cluster: &Cluster) -> Journal {
    let mut journal = journal(cluster);
    lock(&mut journal, "one");
    journal
}

#[test]
fn record_of_new_installation_is_absent() {
    let (scene, cluster) = with_cluster();
    assert!(!journal(&cluster).is_there());
    assert!(scene.fake.writes().is_empty());
}

fn with_cluster() -> (Scene, Cluster) {
    let scene = scene();
    let cluster = scene.cluster();
    (scene, cluster)
}

#[test]
fn lock_of_free_record_is_stored() {
    let (scene, cluster) = with_cluster();
    locked(&cluster);
    assert_eq!(held_by(&scene).as_deref(), Some("one"));
}

#[test]
fn lock_of_held_record_is_refused_with_holder() {
    let (scene, cluster) = with_cluster();
    locked(&cluster);
    let why = lock_fails(&mut journal(&cluster), "two").message();
    assert!(why.contains("one"), "{why}");
    assert_eq!(held_by(&scene).as_deref(), Some("one"));
}

#[test]
fn lock_of_new_record_when_other_run_was_faster_is_refused() {
    let (scene, cluster) = with_cluster();
    let mut second = journal(&cluster);
    locked(&cluster);
    let why = lock_fails(&mut second, "two").message();
    assert!(why.contains("one"), "{why}");
    assert_eq!(held_by(&scene).as_deref(), Some("one"));
}

#[test]
fn lock_of_known_record_when_other_run_was_faster_is_refused() {
    let (scene, cluster) = with_cluster();
    locked(&cluster).release().unwrap();
    let mut second = journal(&cluster);
    lock(&mut journal(&cluster), "first");
    lock_fails(&mut second, "two");
    assert_eq!(held_by(&scene).as_deref(), Some("first"));
}

#[test]
fn lock_of_new_record_when_answer_is_lost_is_ours() {
    let (scene, cluster) = with_cluster();
    scene.fake.script(|seen, _| match seen {
        seen if seen.number == 2 => Fault::Cut(When::After),
        _ => Fault::None,
    });
    locked(&cluster);
    assert_eq!(scene.fake.writes().len(), 2);
    assert_eq!(held_by(&scene).as_deref(), Some("one"));
}

#[test]
fn update_when_answer_is_lost_is_ours() {
    let (scene, cluster) = with_cluster();
    let mut journal = locked(&cluster);
    scene.fake.script(|seen, _| match seen {
        seen if seen.number == 1 => Fault::Cut(When::After),
        _ => Fault::None,
    });
    journal.release().unwrap();
    assert_eq!(held_by(&scene), None);
}

#[test]
fn update_after_other_write_is_refused() {
    let (scene, cluster) = with_cluster();
    let mut journal = locked(&cluster);
    let record = scene.fake.get("ConfigMap", DEV, "relay-bundle.relay-dev").unwrap();
    scene.fake.edit("somebody", &record, |record| record["metadata"]["labels"]["a"] = "b".into());
    journal.update(|head| head.adopting = Some("relay-dev".parse().unwrap())).unwrap_err();
    assert_eq!(scene.head().get("adopting"), None);
}

#[test]
fn update_of_deleted_record_is_refused() {
    let (scene, cluster) = with_cluster();
    let mut journal = locked(&cluster);
    let record = scene.fake.get("ConfigMap", DEV, "relay-bundle.relay-dev").unwrap();
    scene.fake.remove(&record);
    let why = journal.release().unwrap_err().message();
    assert!(why.contains("relay-bundle.relay-dev"), "{why}");
    assert_eq!(scene.fake.get("ConfigMap", DEV, "relay-bundle.relay-dev"), None);
}

#[test]
fn give_back_frees_own_lock() {
    let (scene, cluster) = with_cluster();
    assert!(locked(&cluster).give_back().unwrap());
    assert_eq!(held_by(&scene), None);
}

#[test]
fn give_back_when_lock_was_broken_leaves_new_holder() {
    let (scene, cluster) = with_cluster();
    let mut first = locked(&cluster);
    let mut second = journal(&cluster);
    second.await_turn(Turn::Takes, &|_| {}).unwrap();
    lock(&mut second, "two");
    assert!(!first.give_back().unwrap());
    assert_eq!(held_by(&scene).as_deref(), Some("two"));
}

#[test]
fn give_back_without_lock_asks_nothing() {
    let (scene, cluster) = with_cluster();
    let mut journal = journal(&cluster);
    scene.fake.recover();
    assert!(!journal.give_back().unwrap());
    assert!(scene.fake.seen().is_empty());
}

#[test]
fn give_back_when_server_denies_adds_hint() {
    let (scene, cluster) = with_cluster();
    let mut journal = locked(&cluster);
    scene.fake.script(|_, _| Fault::Answer(401, "", "{}".to_owned()));
    let failure = release_after(&mut journal, Failure::world("first"));
    assert_eq!((failure.message().as_str(), failure.hints.len()), ("first", 1));
    assert!(failure.hints[0].contains("--break-lock"), "{:?}", failure.hints);
}

#[test]
fn broken_lock_keeps_counting_heartbeats() {
    let (scene, cluster) = with_cluster();
    locked(&cluster);
    let mut second = journal(&cluster);
    second.await_turn(Turn::Takes, &|_| {}).unwrap();
    lock(&mut second, "two");
    assert_eq!(scene.head()["lock"], json!({"heartbeat": 2, "holder": "two"}));
}

#[test]
fn broken_lock_stops_former_holder() {
    let (scene, cluster) = with_cluster();
    let mut first = locked(&cluster);
    let mut second = journal(&cluster);
    second.await_turn(Turn::Takes, &|_| {}).unwrap();
    lock(&mut second, "two");
    first.release().unwrap_err();
    assert_eq!(held_by(&scene).as_deref(), Some("two"));
}

#[test]
fn dead_lock_is_cleared_without_other_change() {
    let (scene, cluster) = with_cluster();
    locked(&cluster);
    let mut second = journal(&cluster);
    second.await_turn(Turn::Takes, &|_| {}).unwrap();
    second.clear_dead_lock().unwrap();
    assert_eq!(held_by(&scene), None);
}

#[test]
fn dry_run_beside_held_lock_goes_on_and_says_so() {
    let (scene, cluster) = with_cluster();
    locked(&cluster);
    scene.fake.recover();
    let told = std::cell::RefCell::new(Vec::new());
    let mut second = journal(&cluster);
    second.await_turn(Turn::Reads, &|event| told.borrow_mut().push(event.to_string())).unwrap();
    assert!(told.borrow()[0].contains("one"), "{told:?}");
    assert_eq!(scene.fake.seen().len(), 1);
}

#[test]
fn waiting_run_when_holder_finishes_is_told_to_plan_again() {
    let (scene, cluster) = with_cluster();
    let mut first = locked(&cluster);
    let mut second = journal(&cluster);
    first.release().unwrap();
    let why = second.await_turn(Turn::Waits, &|_| {}).unwrap_err().message();
    assert!(why.contains("one"), "{why}");
    assert_eq!(held_by(&scene), None);
}

#[test]
fn waiting_run_when_holder_is_alive_is_refused() {
    let (scene, cluster) = with_cluster();
    locked(&cluster);
    let mut second = journal(&cluster);
    scene.fake.script(|seen, store| {
        if seen.is("GET", HEAD) {
            let record = store.get("ConfigMap", DEV, "relay-bundle.relay-dev").unwrap();
            store.edit("one", &record, |record| {
                let head = record["data"]["head.json"].as_str().unwrap();
                record["data"]["head.json"] =
                    head.replace("\"heartbeat\":1", "\"heartbeat\":2").into();
            });
        }
        Fault::None
    });
    let why = second.await_turn(Turn::Waits, &|_| {}).unwrap_err().message();
    assert!(why.contains("one"), "{why}");
    assert_eq!(held_by(&scene).as_deref(), Some("one"));
}

#[test]
fn write_of_session_after_deadline_is_not_sent() {
    let (scene, cluster) = with_cluster();
    let mut session = Session::begin(&cluster);
    session.fence(Some(std::time::Instant::now()));
    let key = ObjectKey::of(Kind::ConfigMap, DEV, "late");
    let late = Write::create(&key, &json!({"metadata": {"name": "late"}}));
    let why = session.write(&late).unwrap_err();
    assert!(matches!(why, CallError::Late(_)), "{why}");
    assert!(scene.fake.writes().is_empty());
}

#[test]
fn deadline_of_one_session_leaves_others_alone() {
    let (scene, cluster) = with_cluster();
    let mut late = Session::begin(&cluster);
    late.fence(Some(std::time::Instant::now()));
    locked(&cluster);
    assert_eq!(held_by(&scene).as_deref(), Some("one"));
}

#[test]
fn recovery_copy_that_is_discarded_restores_older_ones() {
    let (scene, cluster) = with_cluster();
    let journal = locked(&cluster);
    journal.keep_recovery("first").unwrap();
    let stored = || scene.fake.get("ConfigMap", DEV, "relay-bundle.relay-dev.recovery");
    let data = || stored().map(|stored| stored["data"].clone());
    let first = data();
    let before = journal.keep_recovery("second").unwrap();
    assert_ne!(data(), first);
    journal.discard_recovery("second", before.as_ref()).unwrap();
    assert_eq!(data(), first);
    journal.discard_recovery("first", None).unwrap();
    assert_eq!(stored(), None);
}
