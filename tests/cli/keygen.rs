use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::Command;
use std::time::Duration;

use camino::Utf8Path;
use relay_bundle::model::timestamp::DAY_SECONDS;
use relay_bundle::trust::key::{PrivateKey, PublicKey};
use relay_bundle::trust::policy::{KeyStatus, Policy};

use crate::env::{Ran, TestEnv};
use crate::pack::on_small_disk;
use crate::sealing::days_from_now;
use crate::terminal::Terminal;
use crate::tools;

const PASSPHRASE: &str = "correct horse battery staple";

fn write_private(env: &TestEnv, name: &str, content: &str) {
    write_with_mode(env, name, content, 0o600);
}

fn write_with_mode(env: &TestEnv, name: &str, content: &str, mode: u32) {
    let path = env.path().join(name);
    fs_err::write(&path, content).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn read(env: &TestEnv, name: &str) -> String {
    fs_err::read_to_string(env.path().join(name)).unwrap()
}

fn mode(path: &Utf8Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// Runs a command in a shell, where `$0` is the program.
fn shell(env: &TestEnv, script: &str) -> Ran {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_relay-bundle")])
        .current_dir(env.path())
        .env_clear();
    ran(&command.output().unwrap())
}

fn ran(output: &std::process::Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Returns the names in the folder, without `profiles`.
fn names(env: &TestEnv) -> Vec<String> {
    let entries =
        env.path().read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned());
    let mut names: Vec<String> = entries.filter(|name| name != "profiles").collect();
    names.sort();
    names
}

#[test]
fn key_pair_is_created_and_trust_entry_printed() {
    let env = TestEnv::new();

    let ran = env.run(&["keygen", "--holder", "build-desk"]);

    assert_eq!(
        (ran.code, names(&env)),
        (0, vec!["signing.pem".to_owned(), "signing.pub.pem".to_owned()])
    );
    assert_eq!(mode(&env.path().join("signing.pem")), 0o600);
    assert_eq!(mode(&env.path().join("signing.pub.pem")), 0o644);
    let private = PrivateKey::from_pem(read(&env, "signing.pem").as_bytes(), None).unwrap();
    let public = PublicKey::from_pem(&read(&env, "signing.pub.pem")).unwrap();
    assert_eq!(private.public(), public);
    // The entry is pasted unchanged.
    let schema = "schema = \"relay-bundle/trust/v1\"\n";
    let policy = Policy::parse(&format!("{schema}{}", ran.stdout)).unwrap();
    let key = &policy.keys()[&public.id()];
    assert_eq!(
        (&key.public, key.holder.as_str(), key.status),
        (&public, "build-desk", KeyStatus::Active)
    );
    // Signatures from before the entry was printed count as well.
    assert_eq!(key.not_before, None);
    let days = key.not_after.unwrap().seconds_since(days_from_now(0)) / DAY_SECONDS;
    assert!((729..=730).contains(&days), "{days}");
    assert!(
        ran.stderr.contains("created `signing.pem`, the private key, without a passphrase"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(&public.id().to_string()), "{}", ran.stderr);
}

#[test]
fn json_report_has_same_information() {
    let env = TestEnv::new();

    let report = env.run(&["keygen", "--out", "a.pem", "--json"]).json();

    let public = PublicKey::from_pem(&read(&env, "a.pub.pem")).unwrap();
    assert_eq!(report["schema"], "relay-bundle/keygen/v1");
    assert_eq!(report["keyid"], public.id().to_string());
    assert_eq!(
        (&report["public"], &report["publicPem"]),
        (&public.to_base64().into(), &public.to_pem().into())
    );
    assert_eq!(
        (&report["privateFile"], &report["publicFile"]),
        (&"a.pem".into(), &"a.pub.pem".into())
    );
    assert_eq!(report["holder"], "builder");
    let entry = report["trustEntry"].as_str().unwrap();
    // A policy with this entry accepts signatures from before the entry was printed.
    assert!(!entry.contains("notBefore"), "{entry}");
    assert!(entry.contains(report["notAfter"].as_str().unwrap()), "{entry}");
}

#[test]
fn two_key_pairs_always_differ() {
    let env = TestEnv::new();
    env.ok(&["keygen", "--out", "a.pem"]);
    env.ok(&["keygen", "--out", "b.pem"]);

    assert_ne!(read(&env, "a.pem"), read(&env, "b.pem"));
}

#[test]
fn nothing_that_is_there_is_replaced_and_no_half_is_made() {
    for (there, other) in [("signing.pem", "signing.pub.pem"), ("signing.pub.pem", "signing.pem")] {
        let env = TestEnv::new();
        symlink("nowhere", env.path().join(there)).unwrap();

        let ran = env.run(&["keygen"]);

        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{there}");
        assert!(ran.stderr.contains(&format!("`{there}` already exists")), "{}", ran.stderr);
        assert_eq!(names(&env), [there], "{other}");
    }
    let env = TestEnv::new();
    let ran = env.run(&["keygen", "--out", "no/such/key.pem"]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("folder `no/such` does not exist"), "{}", ran.stderr);
    assert_eq!(names(&env), [""; 0]);
}

#[test]
fn passphrase_is_read_from_file_pipe_or_descriptor() {
    let env = TestEnv::new();
    write_private(&env, "pass", &format!("{PASSPHRASE}\n"));
    write_private(&env, "bare", PASSPHRASE);

    env.ok(&["keygen", "--passphrase-file", "pass"]);

    let key = read(&env, "signing.pem");
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{key}");
    let public = PublicKey::from_pem(&read(&env, "signing.pub.pem")).unwrap().to_base64();
    for script in [
        "\"$0\" keygen --public signing.pem --passphrase-file pass",
        "\"$0\" keygen --public signing.pem --passphrase-file bare",
        "\"$0\" keygen --public signing.pem --passphrase-fd 3 3< pass",
        "\"$0\" keygen --public signing.pem --passphrase-fd 0 < bare",
        "cat pass | \"$0\" keygen --public signing.pem --passphrase-fd 0",
        "mkfifo pipe; cat pass > pipe & \"$0\" keygen --public signing.pem --passphrase-file pipe",
    ] {
        let ran = shell(&env, script);
        assert_eq!(ran.code, 0, "{script}: {}", ran.stderr);
        assert!(ran.stdout.contains(&public), "{script}: {}", ran.stdout);
    }
}

#[test]
fn missing_wrong_or_invalid_passphrase_is_refused() {
    let env = TestEnv::new();
    write_private(&env, "pass", &format!("{PASSPHRASE}\n"));
    write_private(&env, "wrong", "another passphrase\n");
    write_private(&env, "two", &format!("{PASSPHRASE}\n{PASSPHRASE}\n"));
    write_private(&env, "windows", &format!("{PASSPHRASE}\r\n"));
    write_private(&env, "empty", "\n");
    write_private(&env, "long", &"a".repeat(2000));
    write_private(&env, "short", "seven77\n");
    env.ok(&["keygen", "--passphrase-file", "pass"]);
    for (arguments, why) in [
        (
            "keygen --public signing.pem",
            "cannot ask for a passphrase without a terminal: `signing.pem` is encrypted",
        ),
        ("keygen --public signing.pem --passphrase-file wrong", "the passphrase is wrong"),
        ("keygen --public signing.pem --passphrase-file missing", "`missing`"),
        ("keygen --public signing.pem --passphrase-file two", "has more than one line"),
        ("keygen --public signing.pem --passphrase-file windows", "Windows line endings"),
        ("keygen --public signing.pem --passphrase-file empty", "the passphrase is empty"),
        ("keygen --public signing.pem --passphrase-file long", "exceeds the limit of 1024 bytes"),
        ("keygen --public signing.pem --passphrase-fd 77", "file descriptor 77 cannot be read"),
        ("keygen --out new.pem --passphrase-file short", "the passphrase has fewer than 8 bytes"),
        ("keygen --out new.pem --passphrase", "cannot ask for a passphrase without a terminal"),
    ] {
        let ran = env.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{arguments}: {}", ran.stderr);
    }
    assert!(!names(&env).iter().any(|name| name.starts_with("new")));
}

#[test]
fn passphrase_is_prompted_on_terminal_and_not_shown() {
    let env = TestEnv::new();
    let Some(terminal) = Terminal::find() else { return };
    let on_terminal = |answers: &[&str], arguments: &str| {
        let ran = terminal.run(&env, answers, arguments);
        assert!(!ran.stdout.contains(PASSPHRASE), "{arguments}: {}", ran.stdout);
        (ran.code, ran.stdout)
    };

    let (code, seen) = on_terminal(&[PASSPHRASE, PASSPHRASE], "keygen --passphrase");
    assert_eq!(code, 0, "{seen}");
    let (code, seen) = on_terminal(&[PASSPHRASE], "keygen --public signing.pem");
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("Passphrase of signing.pem: ") && seen.contains("[[key]]"), "{seen}");

    let (code, seen) = on_terminal(&["another passphrase"], "keygen --public signing.pem");
    assert!(code == 2 && seen.contains("the passphrase is wrong"), "{seen}");
    let (code, seen) =
        on_terminal(&[PASSPHRASE, "correct house"], "keygen --passphrase --out new.pem");
    assert!(code == 2 && seen.contains("the two passphrases differ"), "{seen}");
    let (code, seen) = on_terminal(&["short"], "keygen --passphrase --out new.pem");
    assert!(code == 2 && seen.contains("fewer than 8 bytes"), "{seen}");
    let (code, seen) = on_terminal(&[], "keygen --public signing.pem --passphrase-fd 0");
    assert!(code == 2 && seen.contains("is a terminal, which would show the passphrase"), "{seen}");
    assert_eq!(names(&env), ["signing.pem", "signing.pub.pem"]);
}

#[test]
fn exposed_private_key_or_passphrase_is_refused_with_remedy() {
    let env = TestEnv::new();
    env.ok(&["keygen"]);
    let key = read(&env, "signing.pem");
    write_private(&env, "pass", &format!("{PASSPHRASE}\n"));
    env.ok(&["keygen", "--out", "locked.pem", "--passphrase-file", "pass"]);
    for (mode, is_fine) in [
        (0o600, true),
        (0o400, true),
        (0o700, true),
        (0o640, false),
        (0o620, false),
        (0o610, false),
        (0o604, false),
        (0o602, false),
        (0o601, false),
        (0o644, false),
        (0o666, false),
    ] {
        for (name, content, arguments) in [
            ("key", &key, &["keygen", "--public", "link"][..]),
            (
                "key",
                &format!("{PASSPHRASE}\n"),
                &["keygen", "--public", "locked.pem", "--passphrase-file", "link"],
            ),
        ] {
            fs_err::remove_file(env.path().join("link")).ok();
            fs_err::remove_file(env.path().join("key")).ok();
            write_with_mode(&env, name, content, mode);
            symlink("key", env.path().join("link")).unwrap();

            let ran = env.run(arguments);

            let wanted = if is_fine { 0 } else { 2 };
            assert_eq!(ran.code, wanted, "{mode:o} {arguments:?}: {}", ran.stderr);
            let says = ran.stderr.contains(&format!("has mode {mode:04o}"))
                && ran.stderr.contains("hint: chmod 600 link");
            assert_eq!(says, !is_fine, "{mode:o}: {}", ran.stderr);
        }
    }
}

#[test]
fn private_key_of_other_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        tools::skip("only root can give a file to another user");
        return;
    }
    let env = TestEnv::new();
    env.ok(&["keygen"]);
    chown(env.path().join("signing.pem"), Some(12345), None).unwrap();

    let ran = env.run(&["keygen", "--public", "signing.pem"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("belongs to user 12345"), "{}", ran.stderr);
    assert!(ran.stderr.contains("take it over: chown 0 signing.pem"), "{}", ran.stderr);
}

#[test]
fn non_regular_or_too_large_file_is_refused_at_once() {
    let env = TestEnv::new();
    assert!(Command::new("mkfifo").arg(env.path().join("pipe")).status().unwrap().success());
    write_private(&env, "large", &"a".repeat((16 << 10) + 1));
    write_private(&env, "text", "a text\n");
    for (name, why) in [
        ("pipe", "`pipe` is not a regular file"),
        ("profiles", "`profiles` is not a regular file"),
        ("/dev/zero", "`/dev/zero` is not a regular file"),
        ("large", "exceeds the limit of 16384 bytes"),
        ("missing", "`missing`"),
        ("text", "`text` does not contain a key"),
    ] {
        let output = env
            .command(&["keygen", "--public", name])
            .timeout(Duration::from_secs(20))
            .output()
            .unwrap();
        let ran = ran(&output);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

#[test]
fn entry_printed_for_existing_key_can_be_pasted() {
    let env = TestEnv::new();
    env.ok(&["keygen"]);

    let entry = env.ok(&["keygen", "--public", "signing.pub.pem", "--holder", "desk"]);

    let policy = format!("schema = \"relay-bundle/trust/v1\"\n{entry}");
    assert_eq!(relay_bundle::trust::policy::Policy::parse(&policy).unwrap().keys().len(), 1);
}

#[test]
fn either_half_shows_same_key() {
    let env = TestEnv::new();
    env.ok(&["keygen"]);

    let of_private = env.run(&["keygen", "--public", "signing.pem", "--json"]).json();
    let of_public = env.run(&["keygen", "--public", "signing.pub.pem", "--json"]).json();

    for field in ["keyid", "public", "publicPem", "holder"] {
        assert_eq!(of_private[field], of_public[field], "{field}");
    }
    assert_eq!(of_private["publicPem"], read(&env, "signing.pub.pem"));
    assert!(of_private.get("privateFile").is_none(), "{of_private}");
    assert_eq!(names(&env), ["signing.pem", "signing.pub.pem"]);
}

#[test]
fn untrustworthy_key_is_not_shown() {
    let env = TestEnv::new();
    // The neutral element: every signature of it can be forged.
    let weak = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END PUBLIC KEY-----
";
    fs_err::write(env.path().join("weak.pem"), weak).unwrap();

    let ran = env.run(&["keygen", "--public", "weak.pem"]);

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("`weak.pem` is not a public key: it is weak"), "{}", ran.stderr);
}

#[test]
fn contradictory_arguments_are_refused() {
    let env = TestEnv::new();
    for arguments in [
        "keygen --passphrase --passphrase-file a",
        "keygen --passphrase-file a --passphrase-fd 3",
        "keygen --public a.pem --out b.pem",
        "keygen --public a.pem --passphrase",
        "keygen --holder Build_Desk",
        "keygen --force",
    ] {
        let ran = env.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.code, names(&env)), (2, vec![]), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn failures_never_show_secret() {
    let env = TestEnv::new();
    write_private(&env, "pass", &format!("{PASSPHRASE}\n"));
    write_private(&env, "two", &format!("{PASSPHRASE}\n{PASSPHRASE}\n"));
    env.ok(&["keygen"]);
    env.ok(&["keygen", "--out", "locked.pem", "--passphrase-file", "pass"]);
    let (plain, locked) = (read(&env, "signing.pem"), read(&env, "locked.pem"));
    let bodies = [&plain, &locked].map(|text| text.lines().nth(1).unwrap().to_owned());
    write_with_mode(&env, "open.pem", &plain, 0o644);
    write_private(&env, "cut.pem", &plain.replace("-----END PRIVATE KEY-----\n", ""));
    write_private(&env, "short.pem", &plain.replace(&bodies[0], &bodies[0][..60]));
    write_private(&env, "swapped.pem", &plain.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    write_private(&env, "label.pem", &format!("-----BEGIN {}-----\n", bodies[0]));
    write_private(&env, "twice.pem", &format!("{plain}{plain}"));
    write_private(&env, "bare", &bodies[0]);
    let mut failures = 0;
    for arguments in [
        "keygen",
        "keygen --out locked.pem --passphrase-file pass",
        "keygen --out no/key.pem --passphrase-file pass",
        "keygen --out new.pem --passphrase-file two",
        "keygen --out new.pem --passphrase-file signing.pem",
        "keygen --public locked.pem",
        "keygen --public locked.pem --passphrase-file two",
        "keygen --public locked.pem --passphrase-file bare",
        "keygen --public open.pem",
        "keygen --public cut.pem",
        "keygen --public short.pem",
        "keygen --public swapped.pem --passphrase-file pass",
        "keygen --public twice.pem",
        "keygen --public pass",
        "keygen --public bare",
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = env.run(&[&arguments.split(' ').collect::<Vec<_>>(), json].concat());
            assert_eq!(
                ran.code,
                if arguments.contains("no/key") { 4 } else { 2 },
                "{arguments}: {}",
                ran.stderr
            );
            failures += 1;
            for secret in [PASSPHRASE, &bodies[0][20..40], &bodies[1][20..40]] {
                assert!(!ran.stdout.contains(secret), "{arguments}: {}", ran.stdout);
                assert!(!ran.stderr.contains(secret), "{arguments}: {}", ran.stderr);
            }
        }
    }
    assert_eq!(failures, 30);
    assert!(!names(&env).iter().any(|name| name.starts_with("new") || name.starts_with('.')));
}

#[test]
fn non_private_key_is_reported_by_kind_not_by_mode() {
    let env = TestEnv::new();
    env.ok(&["keygen"]);
    env.build(&["web", "--archive", "web.tar"]);
    write_with_mode(&env, "trust.toml", "schema = \"relay-bundle/trust/v1\"\n", 0o644);
    let table = [
        (
            &["sign", "web.tar", "--key", "signing.pub.pem"][..],
            "`signing.pub.pem` cannot sign: it is the public half",
        ),
        (
            &["sign", "web.tar", "--key", "trust.toml"],
            "`trust.toml` cannot sign: it is not a PEM file",
        ),
        (&["keygen", "--public", "trust.toml"], "`trust.toml` does not contain a key"),
    ];
    for (arguments, wanted) in table {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("error: {wanted}")), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("chmod"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn key_with_other_line_length_is_same_key() {
    let env = TestEnv::new();
    env.ok(&["keygen"]);
    let keyid =
        |file: &str| env.run(&["keygen", "--public", file, "--json"]).json()["keyid"].clone();
    for file in ["signing.pem", "signing.pub.pem"] {
        let text = read(&env, file);
        let mut lines = text.lines();
        let (begin, body, end) =
            (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
        let (start, rest) = body.split_at(20);

        write_private(&env, "narrow.pem", &format!("{begin}\n{start}\n{rest}\n{end}\n"));

        assert!(keyid(file).is_string());
        assert_eq!(keyid("narrow.pem"), keyid(file), "{file}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn pair_whose_entry_could_not_be_printed_says_how_to_print_it() {
    let env = TestEnv::new();
    let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command.args(["keygen", "--holder", "desk"]).current_dir(env.path()).env_clear();

    let output = command.stdout(full.into_parts().0).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("the pair is complete: `signing.pem` and `signing.pub.pem`"), "{said}");
    let line = said.lines().find_map(|line| line.split_once("relay-bundle ")).unwrap().1;
    assert!(env.ok(&line.split(' ').collect::<Vec<_>>()).contains("holder = \"desk\""));
}

#[test]
fn full_disk_keeps_private_key_and_hints_at_public_half() {
    let env = TestEnv::new();
    // One page is the private key's.
    let keygen = ["keygen", "--out", "small/key.pem"];
    let Some((code, said, left)) = on_small_disk(&env, "4k", &keygen) else { return };

    assert_eq!((code, left.as_str()), (4, "key.pem\n"), "{said}");
    let hint = "openssl pkey -in small/key.pem -pubout -out small/key.pub.pem";
    assert!(said.contains(hint), "{said}");
}
