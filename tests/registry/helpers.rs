//! Credential helpers, from a program on the path to the request with its login.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::client::{BASIC, LOGIN};
use crate::images::{Document, manifest};
use crate::site::carried::{PROFILE, put};
use crate::site::{Ended, Site};
use crate::stub::{Answer, Stub};

/// Prints the login that the registry accepts, if it is asked for a registry of this machine.
const KNOWS: &str = r#"read server; case "$1 $server" in
"get 127.0.0.1:"*) echo '{"ServerURL":"x","Username":"me","Secret":"s3cret"}' ;;
*) exit 3 ;;
esac"#;
const KNOWS_NOTHING: &str = "echo credentials not found in native keychain; exit 1";
/// `me:old`, which the registry refuses.
const OLD: &str = "bWU6b2xk";

/// Starts a registry that accepts one login, and serves an image.
fn registry(certificates: &Certificates) -> Stub {
    let documents = [manifest()];
    Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
        Some(BASIC) => Document::serve(&documents, seen),
        _ => Answer::challenge("Basic realm=\"registry\""),
    })
}

/// Locks an image of a registry with a file of credentials, and with helpers `x` and `y` on the
/// path.
fn lock(config: fn(&str) -> Value, x: &str, y: &str) -> Option<Ended> {
    let certificates = Certificates::get()?;
    let stub = registry(certificates);
    let site = Site::new("registry.example.internal:5000");
    for (name, script) in [("x", x), ("y", y)] {
        let path = site.file(&format!("bin/docker-credential-{name}"));
        put(&path, format!("#!/bin/sh\n{script}\n").as_bytes());
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    put(&site.file("auth.json"), config(&stub.address()).to_string().as_bytes());
    let (from, ca) = (format!("ghcr.io={}", stub.address()), certificates.path("ca.crt"));
    let own = ["--from", &from, "--registry-config", "auth.json", "--ca", ca.as_str()];
    let mut command = site.command(&["lock", PROFILE]);
    let output = command
        .args(own)
        .env("PATH", format!("{}:/usr/bin:/bin", site.file("bin")))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Some(Ended { code: output.status.code().unwrap(), stdout, stderr })
}

fn of_host(address: &str) -> Value {
    json!({"credHelpers": {address: "x"}, "auths": {address: {"auth": OLD}}})
}

fn of_store(address: &str) -> Value {
    json!({"credsStore": "x", "auths": {address: {"auth": OLD}}})
}

fn of_both(address: &str) -> Value {
    json!({"credHelpers": {address: "x"}, "credsStore": "y", "auths": {address: {"auth": LOGIN}}})
}

#[track_caller]
fn succeeds(ended: Option<Ended>) {
    let Some(ended) = ended else { return };
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

/// Checks that a helper ends the command with this message, without its output.
#[track_caller]
fn fails(ended: Option<Ended>, message: &str) {
    let Some(ended) = ended else { return };
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    assert!(!(ended.stdout + &ended.stderr).contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn host_helper_takes_precedence_over_login_in_file() {
    succeeds(lock(of_host, KNOWS, KNOWS_NOTHING));
}

#[test]
fn global_helper_takes_precedence_over_login_in_file() {
    succeeds(lock(of_store, KNOWS, KNOWS_NOTHING));
}

#[test]
fn host_helper_takes_precedence_over_global_helper() {
    succeeds(lock(of_both, KNOWS, "exit 3"));
}

#[test]
fn helper_without_login_falls_back_to_next_and_to_file() {
    succeeds(lock(of_both, KNOWS_NOTHING, KNOWS));
    succeeds(lock(of_both, KNOWS_NOTHING, KNOWS_NOTHING));
}

#[test]
fn failing_helper_is_error_despite_login_in_file() {
    let failed = "the credential helper `docker-credential-x` failed for `127.0.0.1:";
    fails(lock(of_both, "echo s3cret; echo s3cret >&2; exit 1", KNOWS), failed);
}

#[test]
fn helper_printing_garbage_is_error_despite_login_in_file() {
    let failed = "the credential helper `docker-credential-x` did not print credentials for `";
    for rubbish in ["echo s3cret", "echo '{\"s3cret\":1}'", "exec yes s3cret"] {
        fails(lock(of_both, rubbish, KNOWS), failed);
    }
}

#[test]
fn hanging_helper_is_error_after_timeout() {
    let failed = "the credential helper `docker-credential-x` did not answer within 10 s";
    fails(lock(of_both, "echo s3cret; exec sleep 60", KNOWS), failed);
}
