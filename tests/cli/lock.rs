use std::process::Stdio;

use crate::blobs::lock;
use crate::env::TestEnv;

#[test]
fn update_that_swallows_profile_names_it_in_hint() {
    let env = TestEnv::new();

    let ran = env.run(&["lock", "--update", "web"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no listed profile has the image `web`"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(
            "hint: to update every image of the listed profiles: relay-bundle lock web --update"
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn update_of_unknown_image_lists_images() {
    let env = TestEnv::new();

    let ran = env.run(&["lock", "web", "--update", "nothing"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no listed profile has the image `nothing`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the images are docker.io/"), "{}", ran.stderr);
}

/// Locks `tiny`, and makes `number` profiles with the same image.
fn profiles_like_tiny(env: &TestEnv, number: usize) -> Vec<String> {
    lock(env, &[b"layer"]);
    let tiny = fs_err::read_to_string(env.path().join("profiles/tiny.toml")).unwrap();
    let names: Vec<String> = (0..number).map(|number| format!("tiny-{number}")).collect();
    for name in &names {
        env.write_profile(name, &tiny);
    }
    names
}

fn listed(env: &TestEnv) -> Vec<String> {
    let text = fs_err::read_to_string(env.path().join("profiles/images.lock")).unwrap();
    let lock = relay_bundle::images::lock::ImagesLock::parse(&text).unwrap();
    lock.profiles.iter().map(ToString::to_string).collect()
}

#[test]
fn profiles_that_are_locked_at_once_are_all_listed() {
    let env = TestEnv::new();
    let names = profiles_like_tiny(&env, 12);
    let start = |name: &String| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command
            .args(["-q", "lock", name])
            .current_dir(env.path())
            .env_clear()
            .env("HOME", env.path());
        command.stdout(Stdio::null()).spawn().unwrap()
    };

    let children: Vec<_> = names.iter().map(start).collect();

    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut wanted = [&["tiny".to_owned()][..], &names].concat();
    wanted.sort();
    assert_eq!(listed(&env), wanted);
}

#[test]
fn lock_that_looks_nothing_up_reads_no_credentials() {
    let env = TestEnv::new();
    let names = profiles_like_tiny(&env, 1);
    env.write("broken.json", b"{");

    env.ok(&["lock", &names[0], "--registry-config", "broken.json"]);

    assert_eq!(listed(&env), ["tiny", "tiny-0"]);
}

#[test]
fn lock_symlink_out_of_folder_is_refused_unread() {
    let env = TestEnv::new();
    env.write("secret", b"s3cr3t-s3cr3t = 1\n");
    std::os::unix::fs::symlink(env.path().join("secret"), env.path().join("profiles/images.lock"))
        .unwrap();
    for arguments in [&["build", "web"][..], &["lock", "--check"], &["lock", "web"]] {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("is a link to outside `profiles`"),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    }
}

#[test]
fn check_refuses_two_sources_of_one_name() {
    let env = TestEnv::new();
    lock(&env, &[b"layer"]);
    let path = env.path().join("profiles/images.lock");
    let text = fs_err::read_to_string(&path).unwrap();
    let mut lock = relay_bundle::images::lock::ImagesLock::parse(&text).unwrap();
    let (name, image) =
        lock.images.iter().next().map(|(name, image)| (name.clone(), image.clone())).unwrap();
    let other = format!("elsewhere.example/{}:{}", name.repository(), name.tag().unwrap());
    let digest = relay_bundle::model::digest::Digest::of(b"another image");
    lock.images.insert(
        other.parse().unwrap(),
        relay_bundle::images::lock::LockedImage { tagged: digest, digest, ..image },
    );
    fs_err::write(&path, lock.to_text()).unwrap();
    let tiny = fs_err::read_to_string(env.path().join("profiles/tiny.toml")).unwrap();
    env.write_profile(
        "tiny",
        &format!("images.registry = \"r.example\"\n{tiny}\n[[extraContainers]]\nname = \"other\"\nimage = \"{other}\"\n"),
    );

    let ran = env.run(&["lock", "--check"]);

    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("RB0362"), "{}", ran.stderr);
}
