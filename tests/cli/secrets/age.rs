//! Sealed secrets and the real age: each opens the files and takes the keys of the other.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use relay_bundle::trust::key::PrivateKey;

use super::{KEYS, PLACE, VALUE, ok, place, problems, run, seal};
use crate::tools;

fn age(program: &Path, arguments: &[&str], input: &[u8]) -> Output {
    use std::io::Write as _;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns the frame of the specification, made without the program.
fn frame(place: &str, value: &str) -> Vec<u8> {
    let mut bytes =
        format!("relay-bundle/sealed/v1\n{place}\n{}\n{value}", value.len()).into_bytes();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn real_age_opens_files_sealed_here() {
    let env = place();
    seal(&env);
    let Some(program) = tools::find("age", "age") else { return };
    let (key, file) = (env.path().join("key"), env.path().join("profiles/secrets/jwt.age"));

    let output = age(&program, &["-d", "-i", key.as_str(), file.as_str()], b"");

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, frame(PLACE, VALUE));
}

#[test]
fn file_from_real_age_opens_if_framed_and_for_accepted_keys() {
    let env = place();
    seal(&env);
    let Some(program) = tools::find("age", "age") else { return };
    let file = env.path().join("profiles/secrets/jwt.age");
    // The wire format of an SSH public key: two strings, each after its length.
    let spki = base64::engine::general_purpose::STANDARD
        .decode(PrivateKey::from_seed(&[7; 32]).public().to_base64())
        .unwrap();
    let wire = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &spki[spki.len() - 32..]].concat();
    let ssh = format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(wire));
    let framed = frame(PLACE, VALUE);
    let public = KEYS[0].1;
    let table: [(&[&str], &[u8], &str); 6] = [
        (&["-r", public], &framed, ""),
        (&["-a", "-r", public], &framed, ""),
        (&["-r", KEYS[1].1, "-r", public], &framed, ""),
        (&["-r", public], VALUE.as_bytes(), "it was encrypted with plain age"),
        (
            &["-r", public],
            &frame("relay/relay-claude-relay-sealed/admin-password", VALUE),
            "it is sealed for relay/",
        ),
        (&["-r", &ssh], &framed, "for an SSH key"),
    ];
    for (arguments, content, why) in table {
        let output = age(&program, arguments, content);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs_err::write(&file, output.stdout).unwrap();

        let ran = run(&env, "secrets check sealed --identity key --json");

        let found = problems(&ran);
        assert_eq!(
            (ran.code == 0, found.is_empty()),
            (why.is_empty(), why.is_empty()),
            "{arguments:?}: {}",
            ran.stdout
        );
        assert!(found.iter().all(|(_, problem)| problem.contains(why)), "{arguments:?}: {found:?}");
    }
}

#[test]
fn file_of_stock_age_states_no_place_and_is_ok_only_when_opened() {
    let env = place();
    seal(&env);
    let Some(program) = tools::find("age", "age") else { return };
    let sealed = age(&program, &["-r", KEYS[0].1], &frame(PLACE, VALUE));
    fs_err::write(env.path().join("profiles/secrets/jwt.age"), sealed.stdout).unwrap();

    let built = ok(&env, "build sealed");
    let outside = run(&env, "secrets check sealed --json");
    ok(
        &env,
        &format!(
            "secrets encrypt sealed config.adminPassword --value-file value --replace --recipient {}",
            KEYS[0].1
        ),
    );
    ok(&env, "secrets check sealed --identity key");

    assert_eq!(built.stderr.matches("warning[RB0430]").count(), 1, "{}", built.stderr);
    let found = problems(&outside);
    assert_eq!((outside.code, found.len()), (1, 1), "{}", outside.stdout);
    assert!(found[0].1.starts_with("it does not state its place"), "{found:?}");
}

#[test]
fn real_age_refuses_file_whose_address_was_changed() {
    let env = place();
    seal(&env);
    let Some(program) = tools::find("age", "age") else { return };
    let file = env.path().join("profiles/secrets/jwt.age");
    let armour = fs_err::read_to_string(&file).unwrap();
    let text: String = armour.lines().filter(|line| !line.starts_with("-----")).collect();
    let engine = base64::engine::general_purpose::STANDARD;
    let binary = engine.decode(text).unwrap();
    let at = binary.windows(PLACE.len()).position(|window| window == PLACE.as_bytes()).unwrap();
    let mut moved = binary;
    moved[at..at + 5].copy_from_slice(b"other");
    fs_err::write(&file, moved).unwrap();

    let output = age(&program, &["-d", "-i", env.path().join("key").as_str(), file.as_str()], b"");
    let checked =
        run(&env, "secrets check sealed --set release.namespace=\"other\" --identity key --json");

    assert!(!output.status.success());
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("bad header MAC"), "{why}");
    assert!(
        problems(&checked).iter().any(|(_, problem)| problem == "it was altered or truncated"),
        "{}",
        checked.stdout
    );
}

#[test]
fn keys_from_own_keygen_are_accepted_here_and_by_real_age() {
    let env = place();
    let made = ok(&env, "keygen --age --out made.key");
    let public = made.stdout.trim();
    let path = env.path().join("made.key");
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for key in ["config.jwtSecret", "config.adminPassword"] {
        ok(&env, &format!("secrets encrypt sealed {key} --value-file value --recipient {public}"));
    }

    ok(&env, "secrets check sealed --identity made.key");
    let shown = ok(&env, "keygen --age --public made.key --json").json();
    assert_eq!(shown["recipients"], serde_json::json!([public]));
    assert_eq!(shown["schema"], "relay-bundle/keygen-age/v1");
    if let Some(program) = tools::find("age-keygen", "age") {
        let derived = age(&program, &["-y", path.as_str()], b"");
        assert_eq!(String::from_utf8(derived.stdout).unwrap().trim(), public);
    }
}

#[test]
fn keygen_of_age_replaces_no_key_and_does_not_show_it() {
    let env = place();
    let made = ok(&env, "keygen --age");
    let before = fs_err::read_to_string(env.path().join("age.key")).unwrap();
    let private = before.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();

    let again = run(&env, "keygen --age");

    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("`age.key` already exists"), "{}", again.stderr);
    assert_eq!(fs_err::read_to_string(env.path().join("age.key")).unwrap(), before);
    for text in [&made.stdout, &made.stderr, &again.stderr] {
        assert!(!text.contains(private), "{text}");
    }
}

#[test]
fn keys_from_real_age_keygen_are_accepted() {
    let env = place();
    let Some(program) = tools::find("age-keygen", "age") else { return };
    let path = env.path().join("made");
    let made = age(&program, &["-o", path.as_str()], b"");
    assert!(made.status.success());
    let public = age(&program, &["-y", path.as_str()], b"");
    let public = String::from_utf8(public.stdout).unwrap();

    for key in ["config.jwtSecret", "config.adminPassword"] {
        ok(
            &env,
            &format!(
                "secrets encrypt sealed {key} --value-file value --recipient {}",
                public.trim()
            ),
        );
    }

    ok(&env, "secrets check sealed --identity made");
}
