//! `split` and `join`, and archives in parts: a bad part is named, and only that one has to be
//! copied again.

use std::os::unix::fs::symlink;
use std::process::Command;

use camino::Utf8Path;

use crate::blobs::{bytes, names, put, with_layers};
use crate::env::TestEnv;
use crate::sealing;

/// Returns an archive of some megabytes in four parts, in the folder `usb`.
fn in_parts() -> (TestEnv, Vec<u8>) {
    let env = TestEnv::new();
    with_layers(&env, &[&bytes(2_000_000), &bytes(1_500_000)]);
    let tar = fs_err::read(env.path().join("big.tar")).unwrap();
    fs_err::create_dir(env.path().join("usb")).unwrap();
    let printed = env.ok(&["split", "big.tar", "--size", "1MB", "--out", "usb"]);
    assert_eq!(printed, "usb/big.tar.parts\n");
    (env, tar)
}

fn part(env: &TestEnv, number: usize) -> camino::Utf8PathBuf {
    env.path().join(format!("usb/big.tar.part00{number}"))
}

fn flip(path: &Utf8Path, at: usize) {
    let mut content = fs_err::read(path).unwrap();
    content[at] ^= 1;
    put(path, &content);
}

#[test]
fn split_creates_its_folder_and_takes_sizes_with_decimals() {
    let env = TestEnv::new();
    with_layers(&env, &[&bytes(2_000_000)]);
    let printed = env.ok(&["split", "big.tar", "--size", "1.5MB", "--out", "media/usb"]);
    assert_eq!(printed, "media/usb/big.tar.parts\n");
    let first = env.path().join("media/usb/big.tar.part001");
    assert_eq!(fs_err::metadata(first).unwrap().len(), 1_500_000);
}

#[test]
fn file_is_joined_from_parts_that_sha256sum_checks() {
    let (env, tar) = in_parts();
    let files = names(&env.path().join("usb"));
    assert_eq!(
        files,
        [
            "big.tar.part001",
            "big.tar.part002",
            "big.tar.part003",
            "big.tar.part004",
            "big.tar.parts"
        ]
    );
    assert_eq!(fs_err::metadata(part(&env, 1)).unwrap().len(), 1_000_000);
    let check = Command::new("sha256sum")
        .args(["-c", "--strict", "--quiet", "big.tar.parts"])
        .current_dir(env.path().join("usb"))
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    for (number, source) in
        ["usb/big.tar.parts", "usb", "usb/big.tar.part001", "usb/big.tar.part004"]
            .iter()
            .enumerate()
    {
        let out = format!("back{number}.tar");
        let report = env.run(&["join", source, "--out", &out, "--json"]).json();

        assert_eq!(report["schema"], "relay-bundle/join/v1", "{source}: {report}");
        assert_eq!((&report["bytes"], &report["parts"]), (&tar.len().into(), &4.into()));
        assert!(fs_err::read(env.path().join(&out)).unwrap() == tar, "{source}");
    }
    assert_eq!(names(&env.path().join("usb")), files);
}

#[test]
fn split_report_lists_parts() {
    let env = TestEnv::new();
    put(&env.path().join("my file"), &bytes(25));

    let report = env.run(&["split", "my file", "--size", "10", "--json"]).json();

    assert_eq!(report["schema"], "relay-bundle/split/v1");
    assert_eq!((&report["index"], &report["bytes"]), (&"my file.parts".into(), &25.into()));
    let line = |part: usize| {
        (
            report["parts"][part]["name"].as_str().unwrap().to_owned(),
            report["parts"][part]["bytes"].as_u64().unwrap(),
        )
    };
    assert_eq!(line(0), ("my file.part001".to_owned(), 10));
    assert_eq!(line(2), ("my file.part003".to_owned(), 5));
    assert_eq!(report["parts"].as_array().unwrap().len(), 3);
}

#[test]
fn archive_in_parts_is_read_without_joining() {
    let (env, tar) = in_parts();

    let whole = env.run(&["inspect", "big.tar", "--json"]).json();
    let parts = env.run(&["inspect", "usb/big.tar.parts", "--json"]).json();
    env.ok(&["pack", "usb/big.tar.parts", "packed.tar"]);

    assert_eq!((&parts["contentId"], &parts["bytes"]), (&whole["contentId"], &whole["bytes"]));
    assert!(fs_err::read(env.path().join("packed.tar")).unwrap() == tar);
}

#[test]
fn each_bad_part_is_named_with_reason_and_nothing_is_written() {
    let (env, _) = in_parts();
    flip(&part(&env, 1), 40_000);
    fs_err::remove_file(part(&env, 2)).unwrap();
    fs_err::OpenOptions::new().write(true).open(part(&env, 4)).unwrap().set_len(1000).unwrap();
    let before = (names(env.path()), names(&env.path().join("usb")));

    for arguments in [
        &["join", "usb", "--out", "back.tar"][..],
        &["inspect", "usb/big.tar.parts"],
        &["pack", "usb/big.tar.parts", "back.tar"],
    ] {
        let ran = env.run(arguments);

        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{arguments:?}: {}", ran.stderr);
        let wanted = [
            "3 of 4 parts are bad: ",
            "`usb/big.tar.part001` was altered: the index lists ",
            "`usb/big.tar.part002` is missing",
            "`usb/big.tar.part004` has 1000 bytes instead of ",
            "copy the bad parts again",
        ];
        for text in wanted {
            assert!(ran.stderr.contains(text), "{arguments:?}: {text}\nin {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("part003"), "{}", ran.stderr);
        assert_eq!((names(env.path()), names(&env.path().join("usb"))), before);
    }
}

#[test]
fn bad_part_is_named_wherever_damage_lies() {
    let (env, tar) = in_parts();
    // In the list, a header, a blob, the padding, and the last blocks.
    for at in [600, 512 * 3 + 100, 1_999_999, 2_500_000, tar.len() - 1] {
        let (number, inside) = (at / 1_000_000 + 1, at % 1_000_000);
        flip(&part(&env, number), inside);

        let ran = env.run(&["inspect", "usb/big.tar.parts"]);

        assert_eq!(ran.code, 3, "{at}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!(
                "1 of 4 parts is bad: `usb/big.tar.part00{number}` was altered"
            )),
            "{at}: {}",
            ran.stderr
        );
        flip(&part(&env, number), inside);
    }
    env.ok(&["inspect", "usb/big.tar.parts"]);
}

#[test]
fn one_part_is_replaced_in_its_place_or_from_another() {
    let (env, tar) = in_parts();
    let good = fs_err::read(part(&env, 3)).unwrap();
    flip(&part(&env, 3), 7);
    assert_eq!(env.run(&["join", "usb", "--out", "back.tar"]).code, 3);
    put(&env.path().join("usb2/big.tar.part003"), &good);

    env.ok(&["join", "usb", "--part", "usb2/big.tar.part003", "--out", "back.tar"]);
    let wrong = env.run(&["join", "usb", "--part", "big.tar", "--out", "x.tar"]);
    put(&part(&env, 3), &good);
    env.ok(&["join", "usb", "--out", "again.tar"]);

    for name in ["back.tar", "again.tar"] {
        assert!(fs_err::read(env.path().join(name)).unwrap() == tar, "{name}");
    }
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains(
            "`big.tar` is not a part of `big.tar`: its parts are named `big.tar.part001`"
        ),
        "{}",
        wrong.stderr
    );
}

#[test]
fn non_regular_file_is_refused_as_part() {
    let (env, _) = in_parts();
    let good = fs_err::read(part(&env, 2)).unwrap();
    put(&env.path().join("elsewhere"), &good);
    fs_err::remove_file(part(&env, 2)).unwrap();
    symlink("../elsewhere", part(&env, 2)).unwrap();
    let link = env.run(&["join", "usb", "--out", "back.tar"]);
    fs_err::remove_file(part(&env, 2)).unwrap();
    assert!(Command::new("mkfifo").arg(part(&env, 2)).status().unwrap().success());
    let pipe = env.run(&["join", "usb", "--out", "back.tar"]);

    for ran in [link, pipe] {
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("`usb/big.tar.part002` is not a regular file"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn altered_index_is_refused() {
    let (env, _) = in_parts();
    let path = env.path().join("usb/big.tar.parts");
    let index = fs_err::read_to_string(&path).unwrap();
    let first_digest = &index[index.find("sha256=").unwrap() + 7..][..64];
    let table = [
        (index.replace("big.tar.part002", "../big.tar"), "line 3"),
        (index.replace("name=big.tar", "name=../big.tar"), "cannot be the name of a file in parts"),
        (index.replace("partBytes=1000000", "partBytes=1"), "parts; the limit is 10000"),
        (index.replace(first_digest, &"0".repeat(64)), "the index was altered"),
        (index.replace("parts/v1", "parts/v2"), "line 1"),
    ];
    for (text, why) in table {
        assert!(text != index, "{why}");
        put(&path, text.as_bytes());

        let ran = env.run(&["join", "usb", "--out", "back.tar"]);

        assert_eq!(ran.code, 3, "{why}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert!(!env.path().join("back.tar").exists());
    }
}

#[test]
fn nothing_is_overwritten_and_bad_split_or_join_is_reported() {
    let (env, _) = in_parts();
    put(&env.path().join("empty"), b"");
    put(&env.path().join("usb/another.parts"), b"");
    let before = names(&env.path().join("usb"));
    let table = [
        (
            &["split", "big.tar", "--size", "1MB", "--out", "usb"][..],
            "`usb/big.tar.part001` already exists",
        ),
        (&["split", "empty", "--size", "1MB"], "`empty` cannot be split: it is empty"),
        (&["split", "big.tar", "--size", "10"], "parts; the limit is 10000"),
        (&["split", "bundles", "--size", "1MB"], "is not a regular file"),
        (&["split", "nothing", "--size", "1MB"], "nothing"),
        (&["split", "big.tar", "--size", "1M"], "it is not a size such as 4GB"),
        (&["join", "usb/big.tar.parts", "--out", "big.tar"], "`big.tar` already exists"),
        (&["join", "usb/big.tar.parts", "--out", "no/x.tar"], "folder `no` does not exist"),
        (&["join", "usb", "--out", "x.tar"], "nor a folder with one index"),
        (&["join", "big.tar", "--out", "x.tar"], "is neither an index of parts, nor a part"),
    ];
    for (arguments, why) in table {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(names(&env.path().join("usb")), before);
    assert!(!names(env.path()).iter().any(|name| name.contains(".part") || name == "x.tar"));
}

type Damage = fn(&TestEnv);

#[test]
fn bad_part_is_reported_with_code_before_any_key_problem() {
    let key = |env: &TestEnv| env.write("other.pub.pem", sealing::key("other").public().to_pem());
    let cases: [(&str, Damage); 4] = [
        ("TAMPERED: 1 of 4 parts is bad: `usb/big.tar.part001` was altered", |env| {
            flip(&part(env, 1), 600);
        }),
        ("MISSING_FILE: 1 of 4 parts is bad: `usb/big.tar.part003` is missing", |env| {
            fs_err::remove_file(part(env, 3)).unwrap();
        }),
        ("TRUNCATED: 1 of 4 parts is bad: `usb/big.tar.part002` has 9 bytes", |env| {
            put(&part(env, 2), &[0; 9]);
        }),
        ("BAD_FORM: 1 of 4 parts is bad: `usb/big.tar.part004` is not a regular file", |env| {
            fs_err::remove_file(part(env, 4)).unwrap();
            fs_err::create_dir(part(env, 4)).unwrap();
        }),
    ];
    for (wanted, damage) in cases {
        let (env, _) = in_parts();
        key(&env);
        damage(&env);
        for command in [
            &["verify", "usb/big.tar.parts", "--key", "other.pub.pem"][..],
            &["join", "usb", "--out", "back.tar"],
            &["inspect", "usb/big.tar.parts"],
        ] {
            let ran = env.run(&[command, &["--json"]].concat());

            let lines: Vec<&str> = ran.stderr.lines().collect();
            assert_eq!(ran.code, 3, "{command:?}: {}", ran.stderr);
            assert!(
                lines[0].starts_with(&format!("error: {wanted}")),
                "{command:?}: {}",
                ran.stderr
            );
            assert!(
                lines[1].starts_with("hint: copy the bad parts again"),
                "{command:?}: {}",
                ran.stderr
            );
            assert_eq!(ran.json()["code"], wanted.split(':').next().unwrap(), "{command:?}");
        }
    }
}

#[test]
fn verify_accepts_part_from_other_path() {
    let env = TestEnv::new();
    env.trust_builder();
    env.seal("web.tar", &["builder"], |_| {});
    fs_err::create_dir(env.path().join("usb")).unwrap();
    env.ok(&["split", "web.tar", "--size", "8kB", "--out", "usb"]);
    fs_err::create_dir(env.path().join("usb2")).unwrap();
    let name = "web.tar.part002";
    fs_err::rename(env.path().join("usb").join(name), env.path().join("usb2").join(name)).unwrap();
    let verify = ["verify", "usb/web.tar.parts", "--trust", "trust.toml"];
    assert_eq!(env.run(&verify).code, 3);

    let page = env.ok(&[&verify[..], &["--part", "usb2/web.tar.part002"]].concat());

    assert!(page.contains("verified    usb/web.tar.parts"), "{page}");
    for bundle in ["web.tar", "-", "@web"] {
        let ran =
            env.run(&["verify", bundle, "--trust", "trust.toml", "--part", "usb2/web.tar.part002"]);
        let wanted = format!("error: --part requires an index of parts, which `{bundle}` is not\n");
        assert_eq!(ran.code, 2, "{bundle}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(&wanted), "{}", ran.stderr);
    }
}

#[test]
fn folder_or_single_part_is_answered_with_intended_bundle() {
    let (env, _) = in_parts();
    env.write("key.pub.pem", sealing::key("builder").public().to_pem());
    fs_err::create_dir(env.path().join("empty")).unwrap();
    let verify = |path| ["verify", path, "--key", "key.pub.pem"];
    let sign = |path| ["sign", path, "--key", "key.pem"];
    let folder =
        ("`usb/` does not contain a bundle", Some("hint: did you mean `usb/big.tar.parts`?"));
    let part = (
        "`usb/big.tar.part001` is a single part of",
        Some("hint: pass the index of the parts: `usb/big.tar.parts`"),
    );
    let table = [
        (&verify("usb/")[..], folder),
        (&sign("usb/"), folder),
        (&["inspect", "usb/"], folder),
        (&["pack", "usb/", "x.tar"], folder),
        (&["diff", "usb/", "big.tar"], folder),
        (&verify("empty/"), ("`empty/` does not contain a bundle", None)),
        (&verify("usb/big.tar.part001"), part),
        (&sign("usb/big.tar.part001"), part),
        (&["inspect", "usb/big.tar.part001"], part),
    ];
    for (arguments, (wanted, hint)) in table {
        let ran = env.run(arguments);

        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.starts_with(&format!("error: {wanted}")),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().nth(1), hint, "{arguments:?}");
    }
}

#[test]
fn bundle_missing_one_of_first_two_files_is_still_bundle() {
    let env = TestEnv::new();
    env.trust_builder();
    env.seal("web.tar", &["builder"], |_| {});
    let entry = env.build(&["web"]);
    fs_err::remove_file(entry.join("SHA256SUMS")).unwrap();

    let ran = env.run(&["verify", entry.as_str(), "--trust", "trust.toml"]);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("error: MISSING_FILE: `SHA256SUMS` is missing\n"),
        "{}",
        ran.stderr
    );
}
