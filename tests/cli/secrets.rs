//! Sealed secrets: which values are sealed, where they can be opened, and that none is ever shown.

mod age;
mod check;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::env::{Ran, TestEnv};
use crate::terminal::Terminal;

/// The value in every test, as long as an encryption key should be.
const VALUE: &str = "n0t-a-Secret-but-long-enough-32c";
const PLACE: &str = "relay/relay-claude-relay-sealed/jwt-secret";
/// Key pairs for tests, without any other use.
const KEYS: [(&str, &str); 2] = [
    (
        "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33",
        "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa",
    ),
    (
        "AGE-SECRET-KEY-1XPQFKVTXE83K03X379DUXV64RWX0TQ5PWQA39KSFDFQ3KS2256CS99Q335",
        "age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms",
    ),
];

/// Returns an environment with two profiles: `web` seals nothing, `sealed` two of its secrets. The
/// file `value` has the value, `key` and `other` a private key each.
fn place() -> TestEnv {
    let env = TestEnv::new();
    env.write_profile(
        "sealed",
        "extends = [\"web\"]\n[config]\njwtSecret = { age = \"secrets/jwt.age\" }\nadminPassword = { age = \"secrets/admin.age\" }\n",
    );
    private(&env, "value", &format!("{VALUE}\n"));
    private(&env, "key", &format!("# created: today\n{}\n", KEYS[0].0));
    private(&env, "other", KEYS[1].0);
    env
}

fn private(env: &TestEnv, name: &str, content: &str) {
    let path = env.path().join(name);
    fs_err::write(&path, content).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs a command whose words are separated by spaces; its output must contain neither the value
/// nor a private key.
#[track_caller]
fn run(env: &TestEnv, arguments: &str) -> Ran {
    let ran = env.run(&arguments.split(' ').collect::<Vec<_>>());
    silent(arguments, &ran);
    ran
}

#[track_caller]
fn silent(arguments: &str, ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(
            !text.contains(&VALUE[..8]) && !text.contains(&KEYS[0].0[20..30]),
            "{arguments}: {text}"
        );
    }
}

#[track_caller]
fn ok(env: &TestEnv, arguments: &str) -> Ran {
    let ran = run(env, arguments);
    assert_eq!(ran.code, 0, "{arguments}: {}{}", ran.stdout, ran.stderr);
    ran
}

/// Seals both secrets of the profile `sealed`.
#[track_caller]
fn seal(env: &TestEnv) {
    for key in ["config.jwtSecret", "config.adminPassword"] {
        ok(
            env,
            &format!("secrets encrypt sealed {key} --value-file value --recipient {}", KEYS[0].1),
        );
    }
}

/// Returns the problems of a report, by place.
#[track_caller]
fn problems(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let bad = report["secrets"].as_array().unwrap().iter().filter(|secret| secret["ok"] == false);
    bad.map(|secret| (text(&secret["place"]), text(&secret["problem"]))).collect()
}

#[test]
fn sealed_value_is_built_carried_and_opened_where_it_belongs() {
    let env = place();
    seal(&env);
    let file = env.path().join("profiles/secrets/jwt.age");
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);

    let entry = env.build(&["sealed", "--archive", "sealed.tar"]);

    assert_eq!(fs_err::read(entry.join("secrets/jwt.age")).unwrap(), fs_err::read(file).unwrap());
    for bundle in ["sealed", "@sealed", "sealed.tar"] {
        let seen = ok(&env, &format!("secrets check {bundle}"));
        assert!(
            seen.stdout.contains(&format!("ok      {PLACE}  secrets/jwt.age  1 recipient\n")),
            "{}",
            seen.stdout
        );
        assert!(
            seen.stderr.contains("2 sealed secrets, 0 not ok; checked without opening"),
            "{}",
            seen.stderr
        );
        let opened = ok(&env, &format!("secrets check {bundle} --identity key --json")).json();
        assert_eq!(
            (&opened["opened"], &opened["secrets"][1]["place"]),
            (&true.into(), &PLACE.into())
        );
        assert_eq!(opened["schema"], "relay-bundle/secrets-check/v1");
    }
    assert_eq!(ok(&env, "secrets check web --identity key").stdout, "");
}

#[test]
fn missing_profile_entry_is_printed_and_fits() {
    let env = place();

    let ran = ok(&env, "secrets encrypt web config.jwtSecret --value-file value");
    let named = ok(
        &env,
        "secrets encrypt web redis.auth.password --value-file value --file secrets/r/1.age --json",
    );

    assert_eq!(ran.stdout, "config.jwtSecret = { age = \"secrets/web-jwt-secret.age\" }\n");
    assert!(
        ran.stderr.contains("add this to `profiles/web.toml`, above its first table:"),
        "{}",
        ran.stderr
    );
    let report = named.json();
    assert_eq!(report["entry"], "password = { age = \"secrets/r/1.age\" }");
    assert_eq!(report["under"], "[redis.auth]");
    assert_eq!(
        (&report["stated"], &report["secretKey"]),
        (&false.into(), &"redis-password".into())
    );
    assert!(
        named.stderr.contains("add this to `profiles/web.toml`, below `[redis.auth]` in line 2:"),
        "{}",
        named.stderr
    );
    let text = fs_err::read_to_string(env.path().join("profiles/web.toml")).unwrap();
    let entry = format!("[redis.auth]\n{}\n", report["entry"].as_str().unwrap());
    env.write_profile("web", &format!("{}{}", ran.stdout, text.replace("[redis.auth]\n", &entry)));
    assert_eq!(ok(&env, "secrets check web").stdout.lines().count(), 2);
    // The line is the only output, so a comment in it names its place.
    env.write_profile("web", "extends = [\"base\"]\n[config]\nlogLevel = \"debug\"\n");
    let ran = ok(&env, "secrets encrypt web config.jwtSecret --value-file value --replace --quiet");
    assert_eq!(
        ran.stdout,
        "jwtSecret = { age = \"secrets/web-jwt-secret.age\" }  # below [config]\n"
    );
    // The line replaces a key in another form.
    env.write_profile(
        "web",
        "extends = [\"base\"]\n[config]\nlogLevel = \"debug\"\njwtSecret = { generate = {} }\n",
    );
    let ran = ok(&env, "secrets encrypt web config.jwtSecret --value-file value --replace");
    assert_eq!(ran.stdout, "jwtSecret = { age = \"secrets/web-jwt-secret.age\" }\n");
    assert!(ran.stderr.contains("replacing `config.jwtSecret` in line 4:"), "{}", ran.stderr);
}

/// Writes the profile `web` with these lines of `[release]`, and without its image.
fn web_with(env: &TestEnv, release: &str) {
    env.write_profile(
        "web",
        &format!("extends = [\"base\"]\nimage.digest = \"\"\n[release]\n{release}\n"),
    );
}

const EXAMPLE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[test]
fn encrypt_shows_only_warnings_of_its_own_keys() {
    let env = place();
    web_with(&env, &format!("recoveryRecipients = [\"{EXAMPLE}\"]"));

    let checked = run(&env, "render web --out out");
    let sealed = ok(
        &env,
        &format!(
            "secrets encrypt web config.jwtSecret --value-file value --recipient {}",
            KEYS[0].1
        ),
    );

    for code in ["RB0402", "RB0418"] {
        assert!(checked.stderr.contains(code), "{}", checked.stderr);
    }
    assert!(!sealed.stderr.contains("RB04"), "{}", sealed.stderr);
}

#[test]
fn encrypt_refuses_published_example_key() {
    let env = place();
    for release in ["recoveryRecipients", "sealRecipients"] {
        web_with(&env, &format!("{release} = [\"{EXAMPLE}\", \"{}\"]", KEYS[0].1));
        for named in [String::new(), format!(" --recipient {EXAMPLE}")] {
            let ran = run(
                &env,
                &format!("secrets encrypt web config.jwtSecret --value-file value{named}"),
            );

            assert_eq!(ran.code, 2, "{}", ran.stderr);
            assert!(
                ran.stderr.contains("the example key of the shipped profiles (RB0418)"),
                "{}",
                ran.stderr
            );
        }
    }
    assert!(!env.path().join("profiles/secrets").exists());
}

#[test]
fn encrypt_uses_seal_recipients_without_recovery_key() {
    let env = place();
    web_with(&env, &format!("sealRecipients = [\"{}\"]", KEYS[0].1));

    let sealed = ok(&env, "secrets encrypt web config.jwtSecret --value-file value --json");

    assert_eq!(sealed.json()["recipients"], serde_json::json!([KEYS[0].1]));
    assert!(!sealed.stderr.contains("warning"), "{}", sealed.stderr);
}

#[test]
fn encrypt_warns_when_sealing_for_recovery_key() {
    let env = place();

    let sealed = ok(&env, "secrets encrypt web config.jwtSecret --value-file value");

    assert!(
        sealed.stderr.contains("warning: sealed for release.recoveryRecipients"),
        "{}",
        sealed.stderr
    );
}

/// Adds lines of `[release]` to the profile `sealed`.
fn release(env: &TestEnv, lines: &str) {
    let path = env.path().join("profiles/sealed.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(path, format!("{text}[release]\n{lines}\n")).unwrap();
}

#[test]
fn build_refuses_sealed_file_copied_from_another_site() {
    let env = place();
    seal(&env);
    release(&env, "namespace = \"plant-8\"");

    let built = run(&env, "build sealed");
    let checked = run(&env, "secrets check sealed --json");

    assert_eq!(built.code, 2, "{}", built.stderr);
    assert_eq!(built.stderr.matches("error[RB0215]").count(), 2, "{}", built.stderr);
    let place = "plant-8/relay-claude-relay-sealed/jwt-secret";
    assert!(
        built.stderr.contains(&format!("is sealed for {PLACE}, but this is {place}")),
        "{}",
        built.stderr
    );
    assert_eq!((checked.code, problems(&checked).len()), (1, 2), "{}", checked.stdout);
}

#[test]
fn file_of_other_site_is_not_replaced_and_own_file_suggested() {
    let env = place();
    seal(&env);
    release(&env, "namespace = \"plant-8\"");
    let file = env.path().join("profiles/secrets/jwt.age");
    let before = fs_err::read(&file).unwrap();

    let built = run(&env, "build sealed");
    let replaced =
        run(&env, "secrets encrypt sealed config.jwtSecret --value-file value --replace");

    let own = "config.jwtSecret = { age = \"secrets/sealed-jwt-secret.age\" }";
    assert!(built.stderr.contains(own), "{}", built.stderr);
    assert!(
        built.stderr.contains("relay-bundle secrets encrypt sealed config.jwtSecret\n"),
        "{}",
        built.stderr
    );
    assert_eq!(replaced.code, 2, "{}", replaced.stderr);
    assert!(
        replaced.stderr.contains(own) && replaced.stderr.contains(PLACE),
        "{}",
        replaced.stderr
    );
    assert_eq!(fs_err::read(&file).unwrap(), before);
}

#[test]
fn seal_recipient_named_after_sealing_is_told() {
    let env = place();
    seal(&env);
    release(&env, &format!("sealRecipients = [\"{}\", \"{}\"]", KEYS[0].1, KEYS[1].1));

    let built = ok(&env, "build sealed");
    let checked = run(&env, "secrets check sealed --identity key --json");

    assert!(
        built.stderr.contains("warning[RB0431]") && built.stderr.contains(KEYS[1].1),
        "{}",
        built.stderr
    );
    assert!(!built.stderr.contains(KEYS[0].1), "{}", built.stderr);
    assert_eq!(checked.code, 1);
    assert!(problems(&checked).iter().all(|(_, problem)| problem.contains("it is not sealed for")));
}

#[test]
fn file_is_replaced_only_on_request_else_value_is_not_read() {
    let env = place();
    seal(&env);
    let file = env.path().join("profiles/secrets/jwt.age");
    let before = fs_err::read(&file).unwrap();

    // The missing value shows that it is not even read.
    let refused = run(&env, "secrets encrypt sealed config.jwtSecret --value-file missing");
    assert!(refused.code == 2 && refused.stderr.contains("already exists"), "{}", refused.stderr);
    assert_eq!(fs_err::read(&file).unwrap(), before);

    let replaced = ok(&env, "secrets encrypt sealed config.jwtSecret --value-file value --replace");
    assert_eq!(replaced.stdout, "");
    assert_ne!(fs_err::read(&file).unwrap(), before);
    let other = run(
        &env,
        "secrets encrypt sealed config.jwtSecret --value-file value --file secrets/b.age",
    );
    assert!(
        other.code == 2 && other.stderr.contains("the profile uses `secrets/jwt.age`"),
        "{}",
        other.stderr
    );
}

#[test]
fn replaced_or_weak_encryption_key_is_warned_about() {
    let env = place();
    private(&env, "short", "too-short");

    let own = format!("--recipient {}", KEYS[0].1);
    let first =
        ok(&env, &format!("secrets encrypt web config.encryptionKey --value-file value {own}"));
    let again =
        ok(&env, "secrets encrypt web config.encryptionKey --value-file short --replace --quiet");

    assert!(!first.stderr.contains("warning"), "{}", first.stderr);
    for warning in
        ["every account and API key of the installation is lost", "fewer than 32 characters"]
    {
        assert!(again.stderr.contains(warning), "{}", again.stderr);
    }
    assert!(!again.stderr.contains("too-short"));
}

#[test]
fn value_is_read_only_from_private_source() {
    let env = place();
    private(&env, "two", &format!("{VALUE}\n{VALUE}\n"));
    private(&env, "empty", "\n");
    private(&env, "long", &"x".repeat(8 * 1024 + 3));
    fs_err::write(env.path().join("open"), VALUE).unwrap();
    for (from, why) in [
        (" --value-file open", "other users can access it"),
        (" --value-file missing", "missing"),
        (" --value-file two", "a control character"),
        (" --value-file empty", "the value is empty"),
        (" --value-file long", "long"),
        ("", "cannot ask for the value without a terminal"),
    ] {
        let ran = run(&env, &format!("secrets encrypt web config.jwtSecret{from}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{from}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{from}: {}", ran.stderr);
    }
    assert!(!env.path().join("profiles/secrets").exists());

    let piped = "secrets encrypt sealed config.jwtSecret --value-file -";
    let mut command = env.command(&piped.split(' ').collect::<Vec<_>>());
    let output = command.args(["--recipient", KEYS[0].1]).write_stdin(VALUE).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ok(&env, "secrets encrypt sealed config.adminPassword --value-file value");
    let checked = run(&env, "secrets check sealed --identity key --json");
    // The other one is sealed for the profile's recipients.
    let places: Vec<String> = problems(&checked).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["relay/relay-claude-relay-sealed/admin-password"], "{}", checked.stdout);
}

#[test]
fn value_is_prompted_twice_on_terminal_and_not_shown() {
    let env = place();
    let Some(terminal) = Terminal::find() else { return };
    let type_in = |answers: &[&str], arguments: &str| {
        let ran = terminal.run(&env, answers, arguments);
        silent(arguments, &ran);
        (ran.code, ran.stdout)
    };
    let command = "secrets encrypt sealed config.jwtSecret";

    let (code, seen) = type_in(&[VALUE, "another"], command);
    assert!(code == 2 && seen.contains("the two values differ"), "{seen}");
    let (code, seen) = type_in(&[VALUE, VALUE], command);
    assert!(code == 0 && seen.contains("Value of config.jwtSecret: "), "{seen}");
    let (code, seen) = type_in(&[], "secrets encrypt sealed config.adminPassword --value-file -");
    assert!(code == 2 && seen.contains("is a terminal, which would show the value"), "{seen}");
}

#[test]
fn recipients_are_those_of_profile_unless_given() {
    let env = place();
    env.write_profile("nobody", "extends = [\"web\"]\nrelease.recoveryRecipients = []\n");
    let sealed_for = |ran: &Ran| ran.json()["recipients"].clone();
    let command = "secrets encrypt web config.jwtSecret --value-file value --replace --json";

    let own = ok(&env, command);
    let two = ok(&env, &format!("{command} --recipient {} --recipient {}", KEYS[0].1, KEYS[1].1));
    let none = run(&env, "secrets encrypt nobody config.jwtSecret --value-file value");

    assert_eq!(
        sealed_for(&own)[0],
        "age1vw5psx0afg5ns8pgw25p5auz3c9qnmq7h3hcgchd4snllylqgyxqtufe3f"
    );
    assert_eq!(sealed_for(&two).as_array().unwrap().len(), 2);
    assert!(none.code == 2 && none.stderr.contains("no recipients"), "{}", none.stderr);
    assert!(none.stderr.contains("keygen --age"), "{}", none.stderr);
}

#[test]
fn ssh_and_plugin_keys_are_refused_and_private_key_not_echoed() {
    let env = place();
    for (recipient, why) in [
        ("ssh-ed25519", "SSH keys are not supported"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "a plugin key"),
        (KEYS[0].0, "this is an age private key"),
        ("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "is not an age public key"),
        ("nonsense", "is not an age public key"),
    ] {
        let ran = run(
            &env,
            &format!(
                "secrets encrypt web config.jwtSecret --value-file value --recipient {recipient}"
            ),
        );
        assert!(ran.code == 2 && ran.stderr.contains(why), "{recipient}: {}", ran.stderr);
    }
}

#[test]
fn non_secret_key_is_answered_with_secret_keys_of_profile() {
    let env = place();
    for key in ["config.logLevel", "jwtSecret", "externalRedis.password"] {
        let ran = run(&env, &format!("secrets encrypt web {key} --value-file value"));
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(&format!("uses no secret `{key}`")), "{}", ran.stderr);
        assert!(ran.stderr.contains(
            "config.jwtSecret, config.encryptionKey, config.adminPassword, redis.auth.password"
        ));
    }
}
