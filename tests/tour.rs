//! The README's tour, run as it is written: every command, and all its output. The tests of the
//! cluster run the part that needs one.
//!
//! `RELAY_BUNDLE_ACCEPT=1 cargo test --test tour` writes the real output of the commands into the
//! README.

#[path = "support/console.rs"]
mod console;
#[path = "support/tools.rs"]
mod tools;

use std::path::Path;
use std::process::Command;

use tools::find;

#[test]
fn every_tour_command_prints_output_shown_in_readme() {
    if [("bash", "bash"), ("openssl", "openssl"), ("kubectl", "kubectl")]
        .iter()
        .any(|(program, package)| find(program, package).is_none())
    {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs_err::read_to_string(&file).expect("there is a README");
    let (before, on_a_cluster) = console::split(&readme);
    let folder = console::folder();

    let played = console::play(before, |line| console::run(folder.path(), &[], "", line));

    assert!(played.commands > 10, "{} commands are too few for a tour", played.commands);
    if console::accepts() {
        fs_err::write(&file, played.written + on_a_cluster).expect("the README can be written");
    } else {
        assert!(played.wrong.is_empty(), "{}", played.wrong.join("\n"));
    }
}

/// Runs git in a folder, without the machine's settings.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(find("git", "git").expect("the test has looked for it"));
    command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).current_dir(folder);
    command.env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("paths are text")
}

#[test]
fn git_adds_no_tour_key_policy_or_archive() {
    let programs =
        [("git", "git"), ("bash", "bash"), ("openssl", "openssl"), ("kubectl", "kubectl")];
    if programs.iter().any(|(program, package)| find(program, package).is_none()) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs_err::read_to_string(root.join("README.md")).expect("there is a README");
    let folder = console::folder();
    let path = folder.path();
    fs_err::copy(root.join(".gitignore"), path.join(".gitignore")).expect("there is a .gitignore");
    git(path, &["init", "--quiet"]);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "--message", "before"]);
    console::play(console::split(&readme).0, |line| console::run(path, &[], "", line));
    // Files from the part for a cluster and from other documents.
    let made =
        ["changed.tar", "relay-secrets.age", "recovery/relay-relay.age", "trust-2.toml", "age.key"];
    for name in made.iter().chain(&["production.tar.parts", "production.tar.part001"]) {
        let file = path.join(name);
        fs_err::create_dir_all(file.parent().expect("it is in a folder"))
            .expect("folders can be made");
        fs_err::write(file, "").expect("files can be written");
    }
    let sealed = path.join("profiles/secrets/jwt.age");
    fs_err::create_dir_all(sealed.parent().expect("it is in a folder"))
        .expect("folders can be made");
    fs_err::write(sealed, "").expect("files can be written");

    git(path, &["add", "."]);

    for name in [
        "signing.pem",
        "signing.pub.pem",
        "trust.toml",
        "production.tar",
        "recovery.key",
        "operator.key",
    ] {
        assert!(path.join(name).exists(), "the tour makes no {name}");
    }
    // Only sealed secrets are committed.
    let added = git(path, &["diff", "--cached", "--name-only"]);
    let added: Vec<&str> = added.lines().filter(|name| !name.starts_with(".local/")).collect();
    assert_eq!(added, ["profiles/secrets/jwt.age"]);
}
