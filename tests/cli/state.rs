//! The state of accepted bundles: recorded, kept through kills and concurrent runs, shown and
//! reset.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::sealing::{SITE, days_from_now, policy, policy_grant, policy_key, set_mode};
use crate::tools::find;

const RECORD: [&str; 5] = ["verify", "web.tar", "--trust", "trust.toml", "--record"];
const RESET: [&str; 12] = [
    "state",
    "reset",
    "--bundle",
    "relay",
    "--profile",
    "web",
    "--namespace",
    "relay",
    "--site",
    SITE,
    "--reason",
    "the builder's clock was wrong",
];

fn trusting() -> TestEnv {
    let env = TestEnv::new();
    env.trust_builder();
    env
}

fn seal(env: &TestEnv, name: &str, serial: u64) -> Utf8PathBuf {
    env.seal(name, &["builder"], |predicate| predicate.serial = serial)
}

/// Returns the only minimum serial; `None` without a state.
#[track_caller]
fn floor(env: &TestEnv) -> Option<u64> {
    let state = env.run(&["state", "show", "--json"]).json();
    let floors = state["floors"].as_array().unwrap_or_else(|| panic!("{state}"));
    assert!(floors.len() <= 1, "{state}");
    floors.first().map(|floor| floor["serial"].as_u64().unwrap())
}

fn default_path(env: &TestEnv) -> Utf8PathBuf {
    env.path().join(".local/state/relay-bundle/state.json")
}

// --- recorded ---

#[test]
fn only_recorded_bundle_sets_minimum_serial() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    let verify = &RECORD[..4];
    env.ok(verify);
    assert!(!default_path(&env).exists(), "verifying alone remembers nothing");

    let first = env.ok(&RECORD);
    let again = env.ok(&RECORD);
    seal(&env, "web.tar", 43);
    let newer = env.ok(verify);
    seal(&env, "web.tar", 41);
    let older = env.run(&RECORD);

    assert!(first.contains("replay      first bundle seen here; recorded\n"), "{first}");
    assert!(again.contains("replay      same as recorded on "), "{again}");
    assert!(newer.contains("replay      newer than serial 42, recorded on "), "{newer}");
    assert_eq!((older.code, older.stdout.as_str()), (3, ""));
    assert!(
        older.stderr.starts_with("error: ROLLBACK: its serial 41 is below 42"),
        "{}",
        older.stderr
    );
    assert_eq!(floor(&env), Some(42));
}

#[test]
fn floors_are_for_one_place() {
    let env = trusting();
    let parts = [policy_key("builder", ""), policy_grant(&["builder"], 1, "")];
    env.write("anywhere.toml", policy("", &parts));
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);
    seal(&env, "web.tar", 41);

    let elsewhere = env.ok(&["verify", "web.tar", "--trust", "anywhere.toml", "--record"]);
    let entry = env.build(&["dev"]);
    env.seal_entry(&entry, "dev.tar", &["builder"], |predicate| predicate.serial = 7);
    let dev = env.ok(&["verify", "dev.tar", "--trust", "trust.toml", "--record"]);

    assert!(elsewhere.contains("first bundle seen here") && dev.contains("first bundle seen here"));
    let state = env.run(&["state", "show", "--json"]).json();
    let floors = state["floors"].as_array().unwrap().iter();
    let places: Vec<Value> =
        floors.map(|floor| json!([floor["profile"], floor["site"], floor["serial"]])).collect();
    assert_eq!(
        places,
        [json!(["dev", SITE, 7]), json!(["web", null, 41]), json!(["web", SITE, 42])]
    );
}

/// Writes a policy with or without a site.
fn trust_at(env: &TestEnv, name: &str, target: &str) {
    let parts = [policy_key("builder", ""), policy_grant(&["builder"], 1, "")];
    env.write(name, policy(target, &parts));
}

#[test]
fn naming_site_and_cluster_keeps_minimum_serials() {
    let env = trusting();
    trust_at(&env, "anywhere.toml", "");
    let uid = "clusterUid = \"0f6a1c2e-3f0b-4f0e-9b63-6a1f3a1b2c3d\"";
    trust_at(&env, "cluster.toml", &format!("[target]\nsite = \"{SITE}\"\n{uid}\n"));
    seal(&env, "web.tar", 42);
    env.ok(&["verify", "web.tar", "--trust", "anywhere.toml", "--record"]);

    for policy in ["trust.toml", "cluster.toml"] {
        let record = ["verify", "web.tar", "--trust", policy, "--record"];
        seal(&env, "web.tar", 41);
        let older = env.run(&record);
        seal(&env, "web.tar", 42);
        let same = env.ok(&record);

        assert_eq!(older.code, 3, "{policy}");
        assert!(
            older.stderr.starts_with("error: ROLLBACK: its serial 41 is below 42"),
            "{}",
            older.stderr
        );
        assert!(same.contains("replay      same as recorded on "), "{same}");
    }
    let state = env.run(&["state", "show", "--json"]).json();
    assert_eq!(state["floors"].as_array().unwrap().len(), 3, "{state}");
    let page = env.ok(&["state", "show"]);
    assert!(page.contains(", site plant-7, cluster 0f6a1c2e-"), "{page}");
}

#[test]
fn first_bundle_of_site_names_minimum_serial_of_other_site() {
    let env = trusting();
    trust_at(&env, "other.toml", "[target]\nsite = \"plant-8\"\n");
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);
    seal(&env, "web.tar", 41);

    let verify = ["verify", "web.tar", "--trust", "other.toml"];
    let page = env.ok(&verify);
    let report = env.run(&[&verify[..], &["--json"]].concat()).json();

    let said = "first bundle seen here; recorded before for site plant-7, serial 42: not compared; to record it";
    assert!(page.contains(said), "{page}");
    assert_eq!(report["replay"]["notCompared"], json!([{"site": SITE, "serial": 42}]));
}

#[test]
fn minimum_serial_still_applying_after_reset_is_named() {
    let env = trusting();
    trust_at(&env, "anywhere.toml", "");
    seal(&env, "web.tar", 42);
    env.ok(&["verify", "web.tar", "--trust", "anywhere.toml", "--record"]);
    env.ok(&RECORD);

    let reset = env.run(&[&RESET[..], &["--yes"]].concat());

    let said = "the minimum serial 42 of bundle relay, profile web, namespace relay still applies";
    assert!(reset.stderr.contains(said), "{}", reset.stderr);
}

#[test]
fn lock_that_is_held_for_long_is_told() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);
    let lock = fs_err::File::open(default_path(&env).with_extension("json.lock")).unwrap();
    lock.lock().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command.args(RECORD).current_dir(env.path()).env_clear().env("HOME", env.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();

    let mut said = String::new();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut said).unwrap();
    drop(lock);

    assert!(child.wait().unwrap().success());
    assert!(said.starts_with("waiting for another process that holds the lock of `"), "{said}");
    assert!(said.contains("state.json.lock"), "{said}");
}

#[test]
fn state_is_stored_where_user_or_option_says() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    let run = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = env.command(&[&RECORD[..], more].concat());
        command.env_remove("HOME").envs(variables.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let home = env.path().join("home");
    let xdg = env.path().join("xdg");

    assert_eq!(run(&[("HOME", home.as_str())], &[]), (Some(0), String::new()));
    assert_eq!(run(&[("HOME", home.as_str()), ("XDG_STATE_HOME", xdg.as_str())], &[]).0, Some(0));
    assert_eq!(run(&[], &["--state", "here/state.json"]).0, Some(0));

    for path in [
        home.join(".local/state/relay-bundle/state.json"),
        xdg.join("relay-bundle/state.json"),
        env.path().join("here/state.json"),
    ] {
        assert!(path.is_file(), "{path}");
        for (path, mode) in [(path.as_path(), 0o100_600), (path.parent().unwrap(), 0o40_700)] {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(fs_err::metadata(path).unwrap().mode(), mode, "{path}");
        }
    }
    // Relative paths are ignored.
    for variables in [&[][..], &[("HOME", "")], &[("HOME", "home"), ("XDG_STATE_HOME", "xdg")]] {
        let (code, stderr) = run(variables, &[]);
        assert_eq!(code, Some(2), "{variables:?}");
        assert!(stderr.contains("--state FILE"), "{stderr}");
    }
}

// --- refused ---

#[test]
fn damaged_or_exposed_state_is_error_not_empty_state() {
    type Harm = fn(&Utf8Path);
    let table: [(&str, Harm); 9] = [
        ("is damaged", |path| fs_err::write(path, "").unwrap()),
        ("is damaged", |path| fs_err::write(path, "{}").unwrap()),
        ("canonical form", |path| {
            let text = fs_err::read_to_string(path).unwrap();
            fs_err::write(path, format!("{text}\n")).unwrap();
        }),
        ("relay-bundle/state/v9", |path| {
            let text = fs_err::read_to_string(path).unwrap();
            fs_err::write(path, text.replace("state/v1", "state/v9")).unwrap();
        }),
        ("exceeds the limit of 4194304 bytes", |path| {
            fs_err::write(path, vec![b' '; (4 << 20) + 1]).unwrap();
        }),
        ("chmod go-w", |path| set_mode(path, 0o620)),
        ("chmod go-w", |path| set_mode(path, 0o602)),
        ("chmod go-w", |path| set_mode(path.parent().unwrap(), 0o777)),
        ("exists, and is not a regular file", |path| {
            fs_err::rename(path, path.with_extension("old")).unwrap();
            fs_err::os::unix::fs::symlink(path.with_extension("old"), path).unwrap();
        }),
    ];
    for (why, harm) in table {
        let env = trusting();
        seal(&env, "web.tar", 42);
        env.ok(&RECORD);
        let path = default_path(&env);
        harm(&path);
        let before = fs_err::read(&path).unwrap();

        for arguments in [&RECORD[..], &RECORD[..4], &["state", "show"], &RESET] {
            let ran = env.run(arguments);

            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (4, ""),
                "{why}, {arguments:?}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains(why), "{why} in {}", ran.stderr);
        }
        assert!(fs_err::read(&path).unwrap() == before, "{why}");
    }
}

#[test]
fn symlinked_lock_is_refused_and_not_followed() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    fs_err::create_dir_all(default_path(&env).parent().unwrap()).unwrap();
    fs_err::os::unix::fs::symlink("elsewhere", default_path(&env).with_extension("json.lock"))
        .unwrap();

    let ran = env.run(&RECORD);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("state.json.lock` exists, and is not a regular file"),
        "{}",
        ran.stderr
    );
    assert!(!default_path(&env).with_file_name("elsewhere").exists());
}

#[test]
fn read_only_state_suffices_to_verify() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);
    fs_err::remove_file(default_path(&env).with_extension("json.lock")).unwrap();

    env.ok(&RECORD[..4]);

    assert!(!default_path(&env).with_extension("json.lock").exists(), "reading takes no lock");
}

// --- crowds and kills ---

#[test]
fn concurrent_recording_never_loses_or_lowers_minimum_serial() {
    let env = trusting();
    let entry = env.build(&["dev"]);
    env.seal_entry(&entry, "dev.tar", &["builder"], |predicate| predicate.serial = 7);
    let serials = 1..=8;
    for serial in serials.clone() {
        seal(&env, &format!("{serial}.tar"), serial);
    }
    let start = |name: &str| -> Child {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(["verify", name, "--trust", "trust.toml", "--record"]);
        command.current_dir(env.path()).env_clear().env("HOME", env.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };

    let names: Vec<String> =
        serials.map(|serial| format!("{serial}.tar")).chain(["dev.tar".to_owned()]).collect();
    let children: Vec<Child> = names.iter().map(|name| start(name)).collect();
    let ends: Vec<_> =
        children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();

    for (name, end) in names.iter().zip(&ends) {
        // A lower serial is refused if a higher one was recorded before it.
        let stderr = String::from_utf8_lossy(&end.stderr);
        let refused = end.status.code() == Some(3) && stderr.starts_with("error: ROLLBACK: ");
        let never_refused = name == "8.tar" || name == "dev.tar";
        assert!(end.status.success() || refused && !never_refused, "{name}: {stderr}");
    }
    let state = env.run(&["state", "show", "--json"]).json();
    let floors = state["floors"].as_array().unwrap().iter();
    let floors: BTreeSet<(&str, u64)> = floors
        .map(|floor| (floor["profile"].as_str().unwrap(), floor["serial"].as_u64().unwrap()))
        .collect();
    assert_eq!(floors, BTreeSet::from([("dev", 7), ("web", 8)]));
}

/// The system calls by which recording changes the disk.
const CHANGES: [&str; 10] = [
    "mkdir",
    "write",
    "fchmod",
    "flock",
    "fsync",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
];

#[test]
fn kill_at_any_change_leaves_old_or_new_state() {
    let Some(strace) = find("strace", "strace") else { return };
    let env = trusting();
    seal(&env, "old.tar", 41);
    seal(&env, "web.tar", 42);
    let mut killed = BTreeSet::new();
    for before in [None, Some(41)] {
        for call in CHANGES {
            for count in 1.. {
                let home = env.path().join(format!("home-{}-{call}-{count}", before.is_some()));
                fs_err::create_dir(&home).unwrap();
                let state = home.join("a/b/state.json");
                let with_state = |arguments: &[&str]| {
                    env.run(&[arguments, &["--state", state.as_str()]].concat())
                };
                if before.is_some() {
                    assert_eq!(
                        with_state(&["verify", "old.tar", "--trust", "trust.toml", "--record"])
                            .code,
                        0
                    );
                }
                let mut command = std::process::Command::new(&strace);
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
                command.args(["-e", &format!("inject={call}:signal=KILL:when={count}")]);
                command
                    .arg(env!("CARGO_BIN_EXE_relay-bundle"))
                    .args(RECORD)
                    .args(["--state", state.as_str()]);
                let status = command
                    .current_dir(env.path())
                    .env_clear()
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                if status.success() {
                    break;
                }
                killed.insert(call);

                let shown = with_state(&["state", "show", "--json"]);
                assert_eq!(shown.code, 0, "{call} {count}: {}", shown.stderr);
                let serial = shown.json()["floors"][0]["serial"].as_u64();
                assert!(serial == before || serial == Some(42), "{call} {count}: {serial:?}");
                let again = with_state(&RECORD);
                assert_eq!(again.code, 0, "{call} {count}: {}", again.stderr);
                let serial =
                    with_state(&["state", "show", "--json"]).json()["floors"][0]["serial"].as_u64();
                assert_eq!(serial, Some(42), "{call} {count}");
            }
        }
    }
    let certain = ["mkdir", "write", "fchmod", "flock", "fsync", "rename"];
    let is_killed = |call: &&str| killed.iter().any(|killed| killed.starts_with(call));
    assert!(certain.iter().all(is_killed), "{killed:?}");
}

// --- shown and reset ---

#[test]
fn minimum_serial_is_shown_and_reset_with_message() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);
    let page = env.ok(&["state", "show"]);
    let place = format!("bundle relay, profile web, namespace relay, site {SITE}\n");
    assert!(page.starts_with(&format!("{place}    serial      42\n    issued      ")), "{page}");

    let asked = env.run(&RESET);
    let reset = env.run(&[&RESET[..], &["--yes"]].concat());
    let again = env.run(&[&RESET[..], &["--yes"]].concat());

    assert_eq!(asked.code, 2);
    assert!(
        asked.stderr.contains("without a terminal") && asked.stderr.contains("--yes"),
        "{}",
        asked.stderr
    );
    assert_eq!((reset.code, reset.stdout.as_str()), (0, ""), "{}", reset.stderr);
    assert!(reset.stderr.contains("serial 42 is no longer the minimum"), "{}", reset.stderr);
    assert_eq!(again.code, 2);
    assert!(
        again.stderr.contains("no minimum serial is recorded for bundle relay"),
        "{}",
        again.stderr
    );
    let page = env.ok(&["state", "show"]);
    assert!(page.starts_with(&format!("{place}    reset       ")), "{page}");
    assert!(page.ends_with(", from serial 42: the builder's clock was wrong\n"), "{page}");
    seal(&env, "web.tar", 41);
    assert!(env.ok(&RECORD).contains("first bundle seen here; recorded"));
    assert_eq!(floor(&env), Some(41));
}

#[test]
fn reset_asks_for_confirmation_on_terminal() {
    let Some(script) = find("script", "bsdutils") else { return };
    let env = trusting();
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);
    let ask = |answer: &str| {
        let words = RESET.iter().map(|word| format!("\"{word}\""));
        let words: Vec<String> =
            [env!("CARGO_BIN_EXE_relay-bundle").to_owned()].into_iter().chain(words).collect();
        let mut command = assert_cmd::Command::new(&script);
        command.args(["-qec", &words.join(" "), "/dev/null"]).current_dir(env.path());
        command
            .env_clear()
            .env("HOME", env.path())
            .env("SHELL", "/bin/sh")
            .write_stdin(format!("{answer}\n"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };

    let (no, said) = ask("no");
    assert_eq!(no, Some(2), "{said}");
    assert!(said.contains("forget serial 42") && said.contains("nothing was changed"), "{said}");
    assert_eq!(floor(&env), Some(42));

    let (yes, said) = ask("yes");
    assert_eq!(yes, Some(0), "{said}");
    assert_eq!(floor(&env), None);
}

#[test]
fn reset_of_other_place_or_with_bad_reason_is_refused() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    env.ok(&RECORD);

    let without_site = [&RESET[..8], &RESET[10..], &["--yes"]].concat();
    let ran = env.run(&without_site);

    assert_eq!(ran.code, 2);
    let hint = format!(
        "hint: one is recorded for bundle relay, profile web, namespace relay, site {SITE}\n"
    );
    assert!(ran.stderr.ends_with(&hint), "{}", ran.stderr);
    assert_eq!(floor(&env), Some(42));
    for bad in ["", "  ", "two\nlines", &"x".repeat(501)] {
        let mut arguments = RESET;
        arguments[11] = bad;
        assert_eq!(env.run(&[&arguments[..], &["--yes"]].concat()).code, 2, "{bad:?}");
    }
    assert_eq!(floor(&env), Some(42));
}

#[test]
fn state_json_has_documented_shape() {
    let env = trusting();
    seal(&env, "web.tar", 42);
    let nothing = env.run(&["state", "show", "--json"]);
    env.ok(&RECORD);
    let shown = env.run(&["state", "show", "--json"]).json();
    let reset = env.run(&[&RESET[..], &["--yes", "--json"]].concat()).json();
    let after = env.run(&["state", "show", "--json"]).json();

    let path = default_path(&env);
    let empty =
        json!({"schema": "relay-bundle/state/v1", "path": path, "floors": [], "resets": []});
    assert_eq!(nothing.json(), empty);
    let of = |value: &Value, names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), value[*name].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let place = json!({"bundle": "relay", "profile": "web", "namespace": "relay", "site": SITE});
    assert_eq!(of(&shown["floors"][0], &["bundle", "profile", "namespace", "site"]), place);
    let floor = of(&shown["floors"][0], &["serial", "contentId", "issued", "recorded"]);
    assert_eq!(floor["serial"], 42);
    let packed = env.run(&["inspect", "web.tar", "--json"]).json();
    assert_eq!(floor["contentId"], packed["contentId"]);
    assert_eq!(
        reset,
        json!({"schema": "relay-bundle/state-reset/v1", "path": path, "place": place, "floor": floor})
    );
    let mut line = after["resets"][0].clone();
    assert!(line.as_object_mut().unwrap().remove("time").is_some());
    assert_eq!(line, json!({"place": place, "floor": floor, "reason": RESET[11]}));
}

#[test]
fn future_minimum_serial_blocks_bundles_until_reset() {
    let env = trusting();
    // Clocks may differ by up to a day.
    let issued = days_from_now(1);
    env.seal("web.tar", &["builder"], |predicate| {
        (predicate.issued, predicate.serial) = (issued, 99);
    });
    env.ok(&RECORD);
    seal(&env, "web.tar", 42);
    let refused = env.run(&RECORD);
    assert!(refused.stderr.starts_with("error: ROLLBACK: "), "{}", refused.stderr);

    env.ok(&[&RESET[..], &["--yes"]].concat());

    env.ok(&RECORD);
    assert_eq!(floor(&env), Some(42));
}
