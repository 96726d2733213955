//! Tests that generated secrets are backed up before they are written, can be restored from the
//! backup, and are generated only once, even after failures.

use std::path::Path;

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::console;
use crate::control_plane::control_plane;
use crate::proxy::{Fault, Proxy, Seen, When};
use crate::site::{build, prepare, write_trust, write_trusted};
use crate::started::{Ended, spawn};
use crate::tools::find;
use crate::vault::{GENERATED, KEY, KEYS, NAME, Vault, recovered, write_private};

const VALUES: [(&str, &str); 4] = [
    (KEY, "encryption-key"),
    (GENERATED, "admin-password"),
    (GENERATED, "jwt-secret"),
    (GENERATED, "redis-password"),
];

/// Returns the live values, as `secret/key` and value.
fn live(vault: &Vault) -> Vec<(String, String)> {
    vault.values(&VALUES)
}

#[track_caller]
fn is_silent(vault: &Vault) {
    let live = live(vault);
    let values: Vec<&str> =
        live.iter().map(|(_, value)| value.as_str()).chain([KEYS[0].0]).collect();
    vault.is_silent(&values);
}

#[test]
fn generated_values_are_in_record_and_file_for_recipients() {
    let Some(vault) = Vault::new("recovery") else { return };
    let bundle = vault.build();

    let report = vault.applied(&bundle, &["--first-install"]);

    let file =
        vault.site.path().join(format!(".local/state/relay-bundle/recovery/recovery-{NAME}.age"));
    assert_eq!(report["done"]["recoveryFiles"], json!([file]));
    let bytes = fs_err::read(&file).unwrap();
    let live = live(&vault);
    assert_eq!(live.len(), VALUES.len());
    assert_eq!(recovered(&bytes, KEYS[0]), live);
    assert_eq!(vault.copies(), [String::from_utf8(bytes).unwrap()]);
    // Another apply generates and backs up nothing.
    assert_eq!(vault.applied(&bundle, &[])["generated"], json!([]));
    assert_eq!(vault.copies().len(), 1);
    is_silent(&vault);
}

#[test]
fn unrecoverable_values_are_generated_only_with_consent() {
    let Some(vault) = Vault::new("no-recovery") else { return };
    vault.profile_for(&[], &[]);
    let bundle = vault.build();
    let before = vault.site.versions();

    let ran = vault.apply(&bundle, &["--first-install"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("release.recoveryRecipients"), "{}", ran.stderr);
    assert_eq!(vault.site.versions(), before);
    vault.applied(&bundle, &["--first-install", "--no-recovery"]);
    assert!(vault.copies().is_empty());
    is_silent(&vault);
}

#[test]
fn higher_generation_needs_consent_and_lower_is_refused() {
    let Some(vault) = Vault::new("generation") else { return };
    vault.applied(&vault.build(), &["--first-install"]);
    let before = live(&vault);
    vault.profile(&["jwtSecret = { generate = { generation = 2 } }"]);
    let second = vault.build();

    let ran = vault.apply(&second, &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("jwt-secret (generation 2)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--allow-regenerate"), "{}", ran.stderr);
    assert_eq!(live(&vault), before);

    let report = vault.applied(&second, &["--allow-regenerate"]);
    assert_eq!(
        report["regenerated"],
        json!([format!("Secret/{GENERATED}: jwt-secret (generation 2)")])
    );
    let after = live(&vault);
    let changed: Vec<&str> = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old != new)
        .map(|(old, _)| old.0.as_str())
        .collect();
    assert_eq!(changed, [format!("{GENERATED}/jwt-secret")]);
    assert_eq!(recovered(vault.copies().last().unwrap().as_bytes(), KEYS[0]), after);
    // The previous values can still be recovered.
    assert_eq!(recovered(vault.copies()[0].as_bytes(), KEYS[0]), before);
    assert_eq!(vault.applied(&second, &["--allow-regenerate"])["done"]["written"], 0);
    assert_eq!(live(&vault), after);

    vault.profile(&["logLevel = \"debug\""]);
    let ran = vault.apply(&vault.build(), &["--allow-regenerate"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("old values are not restored"), "{}", ran.stderr);
    assert_eq!(live(&vault), after);
    // A rollback to a generation that generated the old value keeps the new one.
    let ran = vault.call(&[
        "rollback",
        "--to",
        "1",
        "--trust",
        "trust.toml",
        "-n",
        "generation",
        "--yes",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(live(&vault), after);
    is_silent(&vault);
}

#[test]
fn encryption_key_survives_every_change_of_form() {
    let Some(vault) = Vault::new("forms") else { return };
    vault.applied(&vault.build(), &["--first-install"]);
    let key = vault.value(KEY, "encryption-key").unwrap();
    let before = live(&vault);
    let own = format!("--from-literal=same={key}");
    let make =
        ["create", "secret", "generic", "own", "--from-literal=other=another-value", own.as_str()];
    vault.site.plane.kubectl(&[&["-n", "forms"], &make[..]].concat());
    let other = vault.seal("config.encryptionKey", "not-the-key-that-is-there-00000");
    for line in
        [other.as_str(), "encryptionKey = { existing = { name = \"own\", key = \"other\" } }"]
    {
        vault.profile(&[line]);
        let bundle = vault.build();
        let versions = vault.site.versions();

        let ran = vault.apply(&bundle, &["--identity", "key", "--first-install"]);

        assert_eq!(ran.code, 4, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("the encryption key would change"), "{line}: {}", ran.stderr);
        assert_eq!(vault.site.versions(), versions, "{line}");
    }

    // Another form of the same key does not change it: generated, sealed, in a foreign Secret, and
    // generated again.
    vault.profile(&[&other]);
    let sealed = vault.seal("config.encryptionKey", &key);
    let kept_by_others = "encryptionKey = { existing = { name = \"own\", key = \"same\" } }";
    for line in [&sealed, kept_by_others, "logLevel = \"debug\""] {
        vault.profile(&[line]);
        vault.applied(&vault.build(), &["--identity", "key"]);
    }
    assert_eq!(live(&vault), before);
    is_silent(&vault);
}

#[test]
fn literal_encryption_key_keeps_its_live_value() {
    let Some(vault) = Vault::new("literal-key") else { return };
    let profile = vault.site.path().join("profiles/dev.toml");
    let text = fs_err::read_to_string(&profile).unwrap();
    let line = "encryptionKey = \"development-only-32-characters!!\"";
    assert!(text.contains(line));
    vault.ok(vault.site.apply(&vault.site.build("dev", &[]), &["--yes"]));
    let secret = || {
        vault.site.plane.get("literal-key", "secret/relay-dev-claude-relay-literal")["data"].clone()
    };
    let before = secret();
    assert!(before["encryption-key"].is_string());
    for other in ["encryptionKey = \"another-literal-32-characters!!!\"", ""] {
        fs_err::write(&profile, text.replace(line, other)).unwrap();

        let ran = vault
            .hear(vault.site.apply(&vault.site.build("dev", &[]), &["--yes", "--first-install"]));

        assert_eq!(ran.code, 4, "{other}: {}", ran.stderr);
        assert!(ran.stderr.contains("the encryption key would change"), "{other}: {}", ran.stderr);
        assert_eq!(secret(), before, "{other}");
    }
    vault.is_silent(&["development-only-32-characters!!", "another-literal-32-characters!!!"]);
}

#[test]
fn init_makes_what_apply_would_and_nothing_else() {
    let Some(vault) = Vault::new("init") else { return };
    let line = vault.seal("config.adminPassword", "an-admin-password-of-the-operator");
    vault.profile(&[&line]);
    let bundle = vault.build();
    let init = |arguments: &[&str]| {
        let own = ["secrets", "init", bundle.as_str(), "--trust", "trust.toml", "--json"];
        let ran = vault.call(&[&own[..], arguments].concat());
        (ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap(), ran.stderr)
    };

    assert_eq!(init(&["--yes", "--identity", "key"]).0, 2, "without --first-install");
    assert_eq!(init(&["--yes", "--first-install"]).0, 2, "without --identity");
    let (code, report, stderr) = init(&["--dry-run", "--first-install", "--identity", "key"]);
    assert_eq!((code, &report["done"]), (0, &json!(false)), "{stderr}");
    assert!(live(&vault).is_empty() && vault.copies().is_empty());

    let (code, report, stderr) = init(&["--yes", "--first-install", "--identity", "key"]);
    assert_eq!((code, &report["done"]), (0, &json!(true)), "{stderr}");
    assert_eq!(report["generated"].as_array().unwrap().len(), 2);
    assert_eq!(live(&vault).len(), 3);
    assert!(!vault.site.plane.has("init", "configmap/relay-bundle.relay-loki"));
    let before = live(&vault);
    let (code, report, _) = init(&["--yes"]);
    assert_eq!((code, &report["generated"], &report["sealed"]), (0, &json!([]), &json!([])));

    // Consent and identity are no longer needed.
    vault.applied(&bundle, &[]);
    assert_eq!(live(&vault), before);
    is_silent(&vault);
    vault.is_silent(&["an-admin-password-of-the-operator"]);
}

/// Returns whether a request writes a Secret or a backup of generated secrets.
fn is_about_secrets(seen: &Seen) -> bool {
    seen.is_write() && (seen.path.contains("/secrets") || seen.path.contains("/configmaps"))
}

/// Runs `secrets init` through a proxy that injects a fault into the n-th write.
fn init_with(
    vault: &Vault,
    bundle: &Utf8Path,
    number: usize,
    fault: &Fault,
) -> (usize, Option<i32>, String) {
    let counted = std::sync::atomic::AtomicUsize::new(0);
    let fault = fault.clone();
    let script = move |seen: &Seen| {
        let at = |_| counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        let is_it = Some(seen).filter(|seen| is_about_secrets(seen)).map(at) == Some(number);
        if is_it { fault.clone() } else { Fault::None }
    };
    let proxy = Proxy::before(vault.site.plane, script);
    let arguments = ["secrets", "init", bundle.as_str(), "--first-install", "--identity", "key"];
    let ended = spawn(vault.site.path(), &proxy, &arguments).end();
    (proxy.seen().iter().filter(|seen| is_about_secrets(seen)).count(), ended.code, ended.stderr)
}

#[test]
fn init_killed_at_any_step_generates_recoverable_values_once() {
    let Some(vault) = Vault::new("killed-init") else { return };
    let line = vault.seal("config.adminPassword", "an-admin-password-of-the-operator");
    vault.profile(&[&line]);
    let bundle = vault.build();
    for number in 1..=4 {
        for fault in [
            Fault::Kill(When::Before),
            Fault::Kill(When::During),
            Fault::Kill(When::After),
            Fault::CutAfter,
        ] {
            let what = format!("write {number}, {fault:?}");
            let (reached, code, stderr) = init_with(&vault, &bundle, number, &fault);
            assert!(reached >= number, "{what}: {reached} writes");
            let is_killed = matches!(fault, Fault::Kill(_));
            assert_eq!(code, (!is_killed).then_some(0), "{what}: {stderr}");
            let made = live(&vault);

            let (_, code, stderr) = init_with(&vault, &bundle, 0, &Fault::None);

            assert_eq!(code, Some(0), "{what}: {stderr}");
            let whole = live(&vault);
            assert_eq!(whole.len(), 3, "{what}");
            assert!(
                made.iter().all(|value| whole.contains(value)),
                "{what}: a value was generated twice"
            );
            let kept: Vec<_> = vault
                .copies()
                .iter()
                .flat_map(|copy| recovered(copy.as_bytes(), KEYS[0]))
                .collect();
            assert!(
                whole.iter().all(|value| kept.contains(value)),
                "{what}: a value cannot be recovered"
            );
            is_silent_after_init(&vault, &whole);
            let gone = ["-n", "killed-init", "delete", "secret,configmap", "--all"];
            vault.site.plane.kubectl(&gone);
        }
    }
}

fn is_silent_after_init(vault: &Vault, whole: &[(String, String)]) {
    let values: Vec<&str> = whole.iter().map(|(_, value)| value.as_str()).collect();
    let folder = vault.site.path().join(".local/state/relay-bundle/recovery");
    let files: Vec<_> = folder.read_dir_utf8().unwrap().map(Result::unwrap).collect();
    assert!(!files.is_empty());
    for file in files {
        let text = fs_err::read_to_string(file.path()).unwrap();
        assert!(values.iter().all(|value| !text.contains(value)));
    }
}

/// Runs `secrets init` while another manager creates the same Secret just before.
fn overtaken(vault: &Vault, bundle: &Utf8Path, secret: &'static str, key: &'static str) -> Ended {
    let (plane, namespace) = (vault.site.plane, vault.site.namespace.clone());
    let script = move |seen: &Seen| {
        if seen.method == "POST" && seen.path.contains("/secrets") {
            let value = format!("--from-literal={key}=of-somebody-else-and-32-characters");
            let make = ["-n", &namespace, "create", "secret", "generic", secret, &value];
            // The second call fails, because the Secret exists.
            plane.command(&make).output().unwrap();
        }
        Fault::None
    };
    let proxy = Proxy::before(plane, script);
    spawn(vault.site.path(), &proxy, &["secrets", "init", bundle.as_str(), "--first-install"]).end()
}

/// Returns the recovery files, by name.
fn files(vault: &Vault) -> Vec<(String, Vec<u8>)> {
    let folder = vault.site.path().join(".local/state/relay-bundle/recovery");
    let entries = folder.read_dir_utf8().unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().to_owned(), fs_err::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn copy_of_overtaken_values_is_deleted() {
    let Some(vault) = Vault::new("overtaken") else { return };
    let bundle = vault.build();

    // The first Secret is overtaken before anything is written.
    let ended = overtaken(&vault, &bundle, KEY, "encryption-key");
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let said = format!("Secret/{KEY} was created or changed by another client during this run");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("overtaken-{NAME}.age, was deleted")),
        "{}",
        ended.stderr
    );
    assert_eq!((files(&vault), vault.copies()), (Vec::new(), Vec::new()));

    // The second Secret is overtaken: a backup of the existing secrets keeps the first.
    vault.site.plane.kubectl(&["-n", "overtaken", "delete", "secret", KEY]);
    let ended = overtaken(&vault, &bundle, GENERATED, "jwt-secret");
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let kept = files(&vault);
    assert_eq!((kept.len(), vault.copies().len()), (1, 1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&kept[0].0), "{}", ended.stderr);
    let now = live(&vault);
    assert_eq!(now.len(), 2);
    assert_eq!(recovered(&kept[0].1, KEYS[0]), now);
    assert_eq!(recovered(vault.copies()[0].as_bytes(), KEYS[0]), now);

    // The next run uses the existing values, and warns about them.
    let ran = vault.call(&["secrets", "init", bundle.as_str(), "--trust", "trust.toml", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let taken = format!("warning: Secret/{GENERATED} is used unchanged");
    assert!(ran.stderr.contains(&taken), "{}", ran.stderr);
    let whole = live(&vault);
    assert_eq!(whole.len(), VALUES.len());
    assert!(now.iter().all(|value| whole.contains(value)));
    assert_eq!(recovered(vault.copies().last().unwrap().as_bytes(), KEYS[0]), whole);
}

#[test]
fn backup_restores_every_secret_without_replacing_any() {
    let Some(vault) = Vault::new("backup") else { return };
    let line = vault.seal("config.adminPassword", "an-admin-password-of-the-operator");
    vault.profile(&[&line]);
    let bundle = vault.build();
    vault.applied(&bundle, &["--first-install", "--identity", "key"]);
    let call = |act: &str, arguments: &[&str]| {
        vault.call(
            &[&["secrets", act, bundle.as_str(), "--trust", "trust.toml", "--json"], arguments]
                .concat(),
        )
    };
    let restore = |arguments: &[&str]| {
        let ran = call("restore", &[&["backup.age"], arguments].concat());
        (ran.code, ran.stdout, ran.stderr)
    };
    let names = [KEY, GENERATED, crate::vault::SEALED, "loki-credentials"];
    let all = || -> Vec<Value> {
        let part = |object: Value| {
            json!([
                object["data"],
                object["type"],
                object["immutable"],
                object["metadata"]["annotations"]
            ])
        };
        names
            .iter()
            .map(|name| part(vault.site.plane.get("backup", &format!("secret/{name}"))))
            .collect()
    };

    let ran =
        vault.ok(call("backup", &["--recovery-file", "backup.age", "--recipient", KEYS[1].1]));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["secrets"].as_array().unwrap().len(), names.len());
    let before = all();
    assert_eq!(before[0][2], true);
    // The record alone suffices, without the bundle.
    let recorded = [
        "secrets",
        "backup",
        "-n",
        "backup",
        "--trust",
        "trust.toml",
        "--recovery-file",
        "recorded.age",
    ];
    vault.ok(vault.call(&recorded));
    let of = |file: &str, key| recovered(&fs_err::read(vault.site.path().join(file)).unwrap(), key);
    assert_eq!(of("recorded.age", KEYS[0]), of("backup.age", KEYS[1]));

    // Another key cannot open the file, and existing objects with the same values stay.
    assert_eq!(restore(&["--identity", "key", "--yes"]).0, 2);
    let (code, stdout, stderr) = restore(&["--identity", "other", "--yes"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["restored"]), (0, &json!([])), "{stderr}");

    vault.site.takes_away_what_pods_name();
    let gone = [&["-n", "backup", "delete", "secret"], &names[..]].concat();
    vault.site.plane.kubectl(&gone);
    let (code, _, stderr) = restore(&["--identity", "other", "--dry-run"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!vault.site.plane.has("backup", &format!("secret/{KEY}")));
    let (code, _, stderr) = restore(&["--identity", "other", "--yes"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(all(), before);
    assert_eq!(vault.applied(&bundle, &[])["done"]["written"], 0);

    // If one value differs, nothing is written.
    let patch = r#"{"stringData":{"jwt-secret":"another"}}"#;
    let name = format!("secret/{GENERATED}");
    vault.site.plane.kubectl(&["-n", "backup", "patch", &name, "--type=merge", "-p", patch]);
    vault.site.plane.kubectl(&["-n", "backup", "delete", "secret", KEY]);
    let (code, _, stderr) = restore(&["--identity", "other", "--yes"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains(&format!("Secret/{GENERATED}: jwt-secret")), "{stderr}");
    assert!(!vault.site.plane.has("backup", &format!("secret/{KEY}")));
    vault.is_silent(&["an-admin-password-of-the-operator", KEYS[0].0, KEYS[1].0]);
}

#[test]
fn recovery_drill_restores_installation_with_encryption_key() {
    let Some(plane) = control_plane() else { return };
    let Some(_) = find("bash", "bash") else { return };
    let watcher = plane.watcher();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recovery.md");
    let text = fs_err::read_to_string(&file).unwrap();
    let home = console::folder();
    let folder = Utf8Path::from_path(home.path()).unwrap();
    prepare(folder);
    write_private(&folder.join("recovery.key"), KEYS[0].0);
    let uid = plane.get("default", "namespace/kube-system")["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    write_trust(folder, &uid);
    let policy = fs_err::read_to_string(folder.join("trust.toml")).unwrap();
    let target = format!("clusterUid = \"{uid}\"");
    assert!(policy.contains(&target));
    write_trusted(&folder.join("trust.toml"), &policy.replace(&target, "site = \"plant-7\""));
    let profile = folder.join("profiles/loki-logging.toml");
    let own = fs_err::read_to_string(&profile).unwrap();
    let shipped = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    fs_err::write(&profile, own.replace(shipped, KEYS[0].1)).unwrap();
    fs_err::rename(build(folder, "loki-logging", "relay", 1, &[]), folder.join("relay.tar"))
        .unwrap();
    let newer = build(folder, "loki-logging", "relay", 2, &["config.logLevel=\"debug\""]);
    fs_err::rename(newer, folder.join("newer.tar")).unwrap();
    let run = |line: &str| {
        console::run(home.path(), &[plane.tools()], plane.kubeconfig.to_str().unwrap(), line)
    };
    let look = || {
        let volumes = plane.list("relay", "persistentvolumeclaims");
        (
            plane.get("relay", &format!("secret/{KEY}"))["data"].clone(),
            volumes[0]["spec"]["volumeName"].clone(),
        )
    };

    let (before, after) = text.split_at(text.find("## The day").unwrap());
    let prepared = console::play(before, run);
    let installed = look();
    watcher.references_hold("relay");
    let (day, no_copy) = after.split_at(after.find("## No copy of the encryption key").unwrap());
    let played = console::play(day, run);
    let brought_back = look();
    let anew = console::play(no_copy, run);

    if console::accepts() {
        fs_err::write(&file, prepared.written + &played.written + &anew.written).unwrap();
    } else {
        assert!(prepared.commands + played.commands + anew.commands > 25);
        let wrong = [prepared.wrong, played.wrong, anew.wrong].concat();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    assert_eq!(brought_back, installed);
    // A new key for a new volume.
    let (key, volume) = look();
    assert!(key != installed.0 && volume != installed.1);
}
