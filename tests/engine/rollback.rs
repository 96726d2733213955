//! Rollbacks: from the record alone, and only to what ran here.

use serde_json::{Value, json};

use crate::fake::{Fault, When};
use crate::scene::{KILLED, Ran, Scene, TERMS};

const INFO: &str = "config.logLevel=\"info\"";

/// Returns a scene with two generations: the second one logs less.
fn upgraded() -> Scene {
    Scene::after("upgraded".to_owned(), || {
        let scene = Scene::installed(&[]);
        scene.applied(&scene.build(&[INFO]), &[]);
        scene
    })
}

fn rollback(scene: &Scene, arguments: &[&str]) -> Ran {
    scene.call(&[&["rollback", "--yes", "--json"], &TERMS[..], arguments].concat())
}

/// Returns the log level that the relay reads.
fn log_level(scene: &Scene) -> Value {
    let path = "/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    let name = scene.relay().pointer(path).unwrap().as_str().unwrap().to_owned();
    scene.object("ConfigMap", &name)["data"]["LOG_LEVEL"].clone()
}

#[test]
fn rollback_restores_previous_content() {
    let scene = upgraded();
    assert_eq!(log_level(&scene), "info");
    let report = rollback(&scene, &[]).report();
    assert_eq!((&report["contentOf"], log_level(&scene)), (&json!(1), json!("debug")));
    assert_eq!(scene.states(), ["superseded", "superseded", "deployed"]);
}

#[test]
fn rollback_of_rollback_goes_forward_again() {
    let scene = upgraded();
    assert_eq!(rollback(&scene, &[]).code, 0);
    assert_eq!(rollback(&scene, &[]).report()["contentOf"], 2);
    assert_eq!(log_level(&scene), "info");
}

#[test]
fn rollback_keeps_accepted_serials() {
    let scene = upgraded();
    let state =
        || scene.object("ConfigMap", "relay-bundle.relay-dev")["data"]["state.json"].clone();
    let before = state();
    assert_eq!(rollback(&scene, &[]).code, 0);
    assert_eq!(state(), before);
}

#[test]
fn rollback_of_single_generation_is_refused() {
    assert_eq!(rollback(&Scene::installed(&[]), &[]).code, 2);
}

#[test]
fn rollback_to_unknown_generation_is_refused() {
    let ran = rollback(&upgraded(), &["--to", "7"]);
    ran.says(2, &["7"]);
}

#[test]
fn rollback_to_generation_that_never_ran_is_refused() {
    let scene = Scene::installed(&[]);
    scene.fake.script(|seen, _| {
        let is_it = seen.is_write() && seen.path.contains("/deployments/");
        if is_it { Fault::Kill(When::Before) } else { Fault::None }
    });
    assert_eq!(scene.apply_yes(&scene.build(&[INFO]), &[]).code, KILLED);
    scene.fake.recover();
    assert_eq!(rollback(&scene, &["--to", "2", "--break-lock"]).code, 2);
}

#[test]
fn rollback_to_changed_bundle_is_refused() {
    let scene = upgraded();
    let [first, second] =
        [1, 2].map(|number| scene.object("ConfigMap", &format!("relay-bundle.relay-dev.{number}")));
    scene.fake.edit("somebody", &first, |first| first["binaryData"] = second["binaryData"].clone());
    let before = scene.fake.versions();
    assert_ne!(rollback(&scene, &["--to", "1"]).code, 0);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn rollback_with_revoked_key_is_refused() {
    let scene = upgraded();
    let policy = scene.path().join("trust.toml");
    let text = fs_err::read_to_string(&policy).unwrap();
    fs_err::write(&policy, text.replace("holder =", "status = \"revoked\"\nholder =")).unwrap();
    assert_eq!(rollback(&scene, &[]).code, 3);
    assert_eq!(log_level(&scene), "info");
}

#[test]
fn older_bundle_is_refused_with_rollback_command() {
    let scene = upgraded();
    let old = scene.path().join("dev-1.tar");
    scene.apply_yes(&old, &[]).says(3, &["rollback", "--to 1"]);
}
