//! `secrets check`: files that are swapped, altered, unused or missing, and keys that do not fit.

use std::process::Command;

use camino::Utf8PathBuf;
use relay_bundle::model::digest::Digest;
use serde_json::Value;

use super::{KEYS, PLACE, ok, place, private, problems, run, seal};

#[test]
fn swapped_files_or_namespace_are_found_with_or_without_key() {
    let env = place();
    seal(&env);
    let elsewhere =
        run(&env, "secrets check sealed --identity key --set release.namespace=\"other\" --json");
    let file = |name: &str| env.path().join(format!("profiles/secrets/{name}.age"));
    fs_err::rename(file("jwt"), file("aside")).unwrap();
    fs_err::rename(file("admin"), file("jwt")).unwrap();
    fs_err::rename(file("aside"), file("admin")).unwrap();

    let outside = run(&env, "secrets check sealed --json");
    let opened = run(&env, "secrets check sealed --identity key --json");

    for ran in [&elsewhere, &outside, &opened] {
        let found = problems(ran);
        assert_eq!((ran.code, found.len()), (1, 2), "{}", ran.stdout);
        assert!(found.iter().all(|(_, problem)| {
            problem.starts_with("it is sealed for relay/relay-claude-relay-sealed/")
        }));
    }
    assert!(
        problems(&opened)
            .iter()
            .any(|(place, problem)| place == PLACE && problem.contains("/admin-password:"))
    );
}

#[test]
fn altered_and_unopenable_files_are_found_even_without_key() {
    let env = place();
    let file = env.path().join("profiles/secrets/jwt.age");
    seal(&env);
    let good = fs_err::read_to_string(&file).unwrap();
    let header = "age-encryption.org/v1\n";
    let cut = good.split_inclusive('\n').take(8).collect::<String>();
    let key = "A".repeat(43);
    for (content, why) in [
        (good.replace('\n', "\r\n").replacen('\r', "", 1), "its line endings were changed"),
        (cut, "invalid armour"),
        (format!("{header}-> scrypt AAAA 22\nAAAA\n--- AAAA\n"), "encrypted with a passphrase"),
        (format!("{header}-> ssh-ed25519 AAAA AAAA\nAAAA\n--- AAAA\n"), "for an SSH key"),
        (format!("{header}-> X25519 {key}\n{key}\n--- {key}\n{}", "x".repeat(300)), "truncated"),
        (format!("{header}-> X25519 {key}\n{key}\n--- AAAA\n"), "invalid header"),
        (format!("{header}-> piv-p256 AAAA AAAA\nAAAA\n--- AAAA\n"), "needs a plugin"),
    ] {
        fs_err::write(&file, content).unwrap();
        let built = run(&env, "build sealed");
        assert!(
            built.code == 2 && built.stderr.contains("error[RB0211]"),
            "{why}: {}",
            built.stderr
        );
        assert!(built.stderr.contains(why), "{why}: {}", built.stderr);
        let ran = run(&env, "secrets check sealed --json");
        let found = problems(&ran);
        assert!(
            ran.code == 1 && found.len() == 1 && found[0].1.contains(why),
            "{why}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }

    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    let at = lines.len() - 4;
    lines[at] = lines[at].chars().rev().collect();
    fs_err::write(&file, lines.join("\n") + "\n").unwrap();
    ok(&env, "secrets check sealed");
    let opened = run(&env, "secrets check sealed --identity key --json");
    assert_eq!(
        (opened.code, problems(&opened)),
        (1, vec![(PLACE.to_owned(), "it was altered or truncated".to_owned())])
    );
}

#[test]
fn wrong_or_invalid_identity_is_reported() {
    let env = place();
    seal(&env);
    fs_err::write(env.path().join("open"), KEYS[0].0).unwrap();
    private(&env, "public", KEYS[0].1);
    private(&env, "encrypted", "age-encryption.org/v1\n-> scrypt AAAA 18\n");
    private(&env, "altered", &KEYS[0].0.replace("1GQ97", "1GQ98"));

    let wrong = run(&env, "secrets check sealed --identity other --json");
    let found = problems(&wrong);
    assert_eq!((wrong.code, found.len()), (1, 2), "{}", wrong.stdout);
    assert!(
        found.iter().all(|(_, problem)| problem.starts_with("none of the given keys can open it"))
    );
    for (name, why) in [
        ("open", "other users can access it"),
        ("public", "line 1 is a public key"),
        ("encrypted", "it is encrypted; decrypt it"),
        ("altered", "line 1 is not an age private key"),
        ("value", "line 1 is not an age private key"),
        ("missing", "missing"),
    ] {
        let ran = run(&env, &format!("secrets check sealed --identity {name}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

/// Corrects `SHA256SUMS` of a folder.
fn sum(folder: &Utf8PathBuf) {
    let list = fs_err::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let lines = list.lines().map(|line| &line[66..]).map(|path| {
        let digest = Digest::of(&fs_err::read(folder.join(path)).unwrap());
        format!("{digest}  {path}\n")
    });
    fs_err::write(folder.join("SHA256SUMS"), lines.collect::<String>()).unwrap();
}

#[test]
fn unused_file_and_missing_file_are_not_ok() {
    let env = place();
    seal(&env);
    env.write_profile(
        "wants",
        "extends = [\"sealed\"]\nextraEnv = [{ name = \"EXTRA\", valueFrom = { secretKeyRef = { name = \"relay-claude-relay-sealed\", key = \"extra\" } } }]\n",
    );
    let folder = env.path().join("forged");
    fs_err::create_dir(&folder).unwrap();
    let entry = env.build(&["sealed"]);
    assert!(
        Command::new("cp")
            .args(["-r", &format!("{entry}/."), folder.as_str()])
            .status()
            .unwrap()
            .success()
    );
    let mut index: Value =
        serde_json::from_slice(&fs_err::read(folder.join("bundle.json")).unwrap()).unwrap();
    for wanted in index["contract"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .filter(|wanted| wanted["source"] == "sealed")
    {
        wanted["source"] = "cluster".into();
        wanted["keys"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|key| *key = serde_json::json!({"key": key["key"]}));
    }
    fs_err::write(folder.join("bundle.json"), index.to_string()).unwrap();
    sum(&folder);

    let wants = run(&env, "secrets check wants --json");
    let forged = run(&env, "secrets check ./forged");

    let extra =
        ("relay/relay-claude-relay-sealed/extra".to_owned(), "nothing is sealed for it".to_owned());
    assert_eq!(wants.code, 1);
    assert!(
        problems(&wants)
            .iter()
            .any(|(place, problem)| *place == extra.0 && problem.starts_with(&extra.1))
    );
    assert_eq!(forged.code, 1, "{}", forged.stderr);
    assert!(
        forged.stdout.contains("not ok  -  secrets/jwt.age: nothing in the bundle uses"),
        "{}",
        forged.stdout
    );
}
