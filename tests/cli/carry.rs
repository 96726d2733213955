//! Carried images: what `build` and `pack` put into an archive, and how the other commands handle
//! it.

use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use relay_bundle::model::digest::Digest;

use crate::blobs::{lock, names, put, store, stored};
use crate::carried::{self, Images, SOURCE, carry, image_of, locked, path_of};
use crate::env::TestEnv;
use crate::tar::{BLOCK, header};
use crate::tar_records::records;
use crate::tools::find;

pub(crate) const ALL: [&str; 5] = ["tiny", "--archive", "all.tar", "--images", "all"];

/// Returns an environment with a key, and `tiny` locked to an image with the layers `a` and `b`.
pub(crate) fn signing() -> (TestEnv, Images) {
    let env = TestEnv::new();
    let images = lock(&env, &[b"layer a", b"layer b"]);
    env.ok(&["keygen", "--out", "key.pem"]);
    (env, images)
}

fn read(env: &TestEnv, name: &str) -> Vec<u8> {
    fs_err::read(env.path().join(name)).unwrap()
}

/// Returns the names of an archive's image layout.
fn layout_of(archive: &[u8]) -> Vec<String> {
    let names = records(archive).into_iter().map(|record| record.name);
    names
        .filter(|name| {
            name.starts_with("blobs/") || matches!(name.as_str(), "oci-layout" | "index.json")
        })
        .collect()
}

/// Returns the content of a file of an archive.
fn file_of<'a>(archive: &'a [u8], name: &str) -> &'a [u8] {
    &archive[records(archive).into_iter().find(|record| record.name == name).unwrap().content]
}

#[test]
fn all_forms_of_bundle_share_content_id_and_attestation() {
    let (env, images) = signing();
    env.build(&["tiny", "--archive", "none.tar", "--key", "key.pem"]);
    env.ok(&["pack", "@tiny", "all.tar", "--images", "all"]);
    env.build(&["tiny", "--archive", "built.tar", "--images", "all", "--key", "key.pem"]);
    env.ok(&["pack", "@tiny", "since.tar", "--images", "since:none.tar"]);
    let all = read(&env, "all.tar");

    assert!(all == read(&env, "built.tar"));
    assert!(all == carry(&read(&env, "none.tar"), &images.layout()));
    // The base has everything.
    assert!(read(&env, "since.tar") == read(&env, "none.tar"));
    for (arguments, like) in [
        (&["pack", "all.tar", "x.tar"][..], "all.tar"),
        (&["pack", "all.tar", "x.tar", "--images", "none"], "none.tar"),
        (&["pack", "none.tar", "x.tar"], "none.tar"),
        (&["pack", "none.tar", "x.tar", "--images", "all"], "all.tar"),
        (&["pack", "@tiny", "x.tar"], "none.tar"),
        (&["pack", "all.tar", "x.tar", "--images", "since:all.tar"], "none.tar"),
    ] {
        env.ok(arguments);

        assert!(read(&env, "x.tar") == read(&env, like), "{arguments:?}");
    }
    let verify = ["verify", "all.tar", "--key", "key.pub.pem"];
    let page = env.ok(&verify);
    assert!(page.contains("images      1 image, 3 configs and layers, "), "{page}");
    assert!(page.contains(": all carried\n"), "{page}");
}

#[test]
fn archive_is_reproducible() {
    let (one, images) = signing();
    one.build(&ALL);
    let other = TestEnv::new();
    lock(&other, &[b"layer a", b"layer b"]);
    let blobs = store(&other).join(".blobs");
    for (digest, bytes) in images.contents.iter().rev() {
        let path = blobs.join("sha256").join(digest.to_string());
        fs_err::remove_file(&path).unwrap();
        put(&path, bytes);
        let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        fs_err::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    }
    put(&blobs.join("sha256").join(Digest::of(b"of another").to_string()), b"of another");
    put(&blobs.join(".partial").join(Digest::of(b"half").to_string()), b"ha");
    other.build(&ALL);

    assert!(read(&one, "all.tar") == read(&other, "all.tar"));
}

#[test]
fn archives_in_folder_carry_images_of_each_profile() {
    let (env, images) = signing();
    fs_err::create_dir(env.path().join("out")).unwrap();

    env.ok(&["build", "tiny", "--archives", "out", "--images", "all"]);

    assert_eq!(names(&env.path().join("out")), ["tiny.tar"]);
    let layout = images.layout();
    assert!(layout_of(&read(&env, "out/tiny.tar")).iter().eq(layout.iter().map(|(name, _)| name)));
}

/// Builds two versions of `tiny`: `old.tar` carries all blobs of the first one, `delta.tar` only
/// the new ones of the second. Returns the new blobs.
fn with_delta(env: &TestEnv) -> Images {
    env.build(&[
        "tiny",
        "--archive",
        "old.tar",
        "--images",
        "all",
        "--key",
        "key.pem",
        "--serial",
        "1",
    ]);
    let images = lock(env, &[b"layer b", b"layer c"]);
    let said = env.run(&[
        "build",
        "tiny",
        "--archive",
        "delta.tar",
        "--images",
        "since:old.tar",
        "--key",
        "key.pem",
        "--serial",
        "2",
    ]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let left_out = "left out 1 of 3 configs and layers (7 bytes) that `old.tar` lists: the site must already have them";
    assert!(said.stderr.contains(left_out), "{}", said.stderr);
    images
}

#[test]
fn delta_lacks_what_its_base_lists_and_nothing_else() {
    let (env, _) = signing();
    let images = with_delta(&env);
    let base = env.ok(&["pack", "old.tar", "old-none.tar", "--images", "none"]);
    assert_eq!(base, "old-none.tar\n");

    let wanted = images.layout_without(&[Digest::of(b"layer b")]);

    assert!(layout_of(&read(&env, "delta.tar")).iter().eq(wanted.iter().map(|(name, _)| name)));
    // The base's list counts, not the blobs that it carries.
    env.ok(&["pack", "@tiny", "x.tar", "--images", "since:old-none.tar"]);
    assert!(read(&env, "x.tar") == read(&env, "delta.tar"));
    let page = env.ok(&["verify", "delta.tar", "--key", "key.pub.pem"]);
    assert!(
        page.contains("1 image, 2 of 3 configs and layers carried, 1 missing (7 bytes)\n"),
        "{page}"
    );
}

#[test]
fn store_entry_serves_as_delta_base() {
    let (env, _) = signing();
    let old = format!("@{}", env.build(&["tiny"]).file_name().unwrap());
    let images = lock(&env, &[b"layer b", b"layer c"]);
    env.build(&["tiny"]);
    let since = format!("since:{old}");
    let wanted = images.layout_without(&[Digest::of(b"layer b")]);
    for (file, arguments) in [
        ("built.tar", &["build", "tiny", "--archive", "built.tar", "--images", &since][..]),
        ("packed.tar", &["pack", "@tiny", "packed.tar", "--images", &since]),
    ] {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        let left_out = format!("left out 1 of 3 configs and layers (7 bytes) that `{old}` lists");
        assert!(ran.stderr.contains(&left_out), "{}", ran.stderr);
        assert!(layout_of(&read(&env, file)).iter().eq(wanted.iter().map(|(name, _)| name)));
    }
}

#[test]
fn missing_images_fail_only_if_all_are_requested() {
    let (env, _) = signing();
    with_delta(&env);
    env.ok(&["pack", "delta.tar", "none.tar", "--images", "none"]);
    let keyid = relay_bundle::trust::key::PublicKey::from_pem(
        std::str::from_utf8(&read(&env, "key.pub.pem")).unwrap(),
    )
    .unwrap();
    let (id, public) = (keyid.id(), keyid.to_base64());
    let policy = format!(
        "schema = \"relay-bundle/trust/v1\"\n[[key]]\nid = \"{id}\"\npublic = \"{public}\"\nholder = \"builder\"\n\
         [[grant]]\nbundles = [\"relay\"]\nprofiles = [\"tiny\"]\nenvironments = [\"production\"]\nkeys = [\"{id}\"]\n\
         threshold = 1\n"
    );
    put(&env.path().join("trust.toml"), policy.as_bytes());
    for (archive, missing) in [
        ("delta.tar", "1 of 3 configs and layers are missing (7 bytes)"),
        ("none.tar", "3 of 3 configs and layers"),
    ] {
        let trust = ["verify", archive, "--trust", "trust.toml", "--state", "state.json"];
        let all = [&trust[..], &["--images", "all"]].concat();
        for more in [&["--emit", "--secrets-exist"][..], &["--record"], &["--json"]] {
            let ran = env.run(&[&all[..], more].concat());

            assert_eq!(ran.code, 1, "{archive} {more:?}: {}", ran.stderr);
            if more[0] == "--json" {
                assert_eq!(ran.json()["schema"], "relay-bundle/error/v1", "{archive}");
            } else {
                assert_eq!(ran.stdout, "", "{archive} {more:?}");
            }
            let said = format!("IMAGES_MISSING: verified, but {missing}");
            assert!(ran.stderr.contains(&said), "{archive} {more:?}: {}", ran.stderr);
            assert!(!env.path().join("state.json").exists(), "{archive} {more:?}");
        }
        assert_eq!(env.run(&trust).code, 0, "{archive}");
    }
    env.ok(&["pack", "delta.tar", "whole.tar", "--images", "all"]);
    env.ok(&[
        "verify",
        "whole.tar",
        "--trust",
        "trust.toml",
        "--state",
        "state.json",
        "--images",
        "all",
        "--record",
    ]);
    assert!(env.path().join("state.json").exists());
}

#[test]
fn store_entry_has_images_present_in_store() {
    let (env, _) = signing();
    env.build(&["tiny", "--key", "key.pem"]);
    let verify = ["verify", "@tiny", "--key", "key.pub.pem", "--images", "all"];
    let page = env.ok(&verify[..4]);
    assert!(page.contains("all in the store, not hashed\n"), "{page}");
    let page = env.ok(&verify);
    assert!(page.contains("all in the store\n"), "{page}");
    // A blob with a changed byte, then a missing one.
    let layer = stored(&env, b"layer a");
    for damage in [&|| fs_err::write(&layer, b"layer c"), &|| fs_err::remove_file(&layer)]
        as [&dyn Fn() -> _; 2]
    {
        damage().unwrap();

        let ran = env.run(&[&verify[..], &["--json"]].concat());

        assert_eq!(
            (ran.code, ran.json()["code"].as_str()),
            (1, Some("IMAGES_MISSING")),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("1 of 3 configs and layers"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("hint: fetch them: relay-bundle fetch @tiny\n"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn entry_of_another_store_without_its_images_names_that_store() {
    let (env, _) = signing();
    let entry = env.build(&["tiny", "--key", "key.pem", "--store", "other"]);
    for (bundle, fetch) in [
        ("@tiny", "relay-bundle fetch @tiny --store other".to_owned()),
        (entry.as_str(), format!("relay-bundle fetch {entry} --store {}", entry.parent().unwrap())),
    ] {
        let ran = env.run(&[
            "verify",
            bundle,
            "--store",
            "other",
            "--key",
            "key.pub.pem",
            "--images",
            "all",
        ]);

        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let hint = format!("hint: fetch them: {fetch}\n");
        assert!(ran.stderr.contains(&hint), "{hint}in {}", ran.stderr);
    }
}

#[test]
fn image_without_manifest_counts_as_missing_from_store() {
    let (env, images) = signing();
    env.build(&["tiny", "--key", "key.pem"]);
    let (manifest, _) = images.list.manifests().next().unwrap();
    let path = store(&env).join(".blobs/sha256").join(manifest.to_string());
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[0] ^= 1;
    fs_err::write(&path, bytes).unwrap();

    let ran = env.run(&["verify", "@tiny", "--key", "key.pub.pem", "--images", "all"]);

    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("3 of 3 configs and layers"), "{}", ran.stderr);
}

#[test]
fn archives_of_all_profiles_are_written_to_folder() {
    let (env, _) = signing();

    env.build(&["tiny", "web", "--archives", "out/of/here"]);

    assert_eq!(names(&env.path().join("out/of/here")), ["tiny.tar", "web.tar"]);
    env.build(&["--all", "--archives", "all"]);
    assert_eq!(names(&env.path().join("all")), ["dev.tar", "tiny.tar", "web.tar"]);
}

#[test]
fn folder_has_images_of_store_it_is_entry_of() {
    let (env, _) = signing();
    let entry = env.build(&["tiny", "--key", "key.pem"]);
    let copy = env.path().join("copy");
    assert!(
        std::process::Command::new("cp")
            .args(["-a", entry.as_str(), copy.as_str()])
            .status()
            .unwrap()
            .success()
    );
    for (folder, there) in [(entry.as_str(), "all in the store"), ("copy/", "none carried")] {
        let inspected = env.ok(&["inspect", folder]);
        let verified = env.ok(&["verify", folder, "--key", "key.pub.pem"]);

        assert!(inspected.contains(there) && verified.contains(there), "{inspected}{verified}");
    }
}

#[test]
fn delta_base_must_have_same_bundle_name_and_pinned_images() {
    let (env, _) = signing();
    let tiny = fs_err::read_to_string(env.path().join("profiles/tiny.toml")).unwrap();
    env.write_profile("other", &tiny.replace("name = \"relay\"", "name = \"other\""));
    env.write_profile("loose", &tiny);
    env.build(&["other", "--archive", "other.tar"]);
    env.build(&["loose", "--archive", "loose.tar"]);
    env.build(&["tiny"]);
    for (base, why) in [
        ("since:other.tar", "`other.tar` is other, but this bundle is relay"),
        ("since:@other", "`@other` is other, but this bundle is relay"),
        ("since:loose.tar", "the images of `loose.tar` are not pinned"),
        ("since:gone.tar", "gone.tar"),
        ("since:", "expected all, none, since:FILE or since:@ENTRY"),
        ("some", "expected all, none, since:FILE or since:@ENTRY"),
    ] {
        for arguments in [
            &["pack", "@tiny", "x.tar", "--images", base][..],
            &["build", "tiny", "--archive", "x.tar", "--images", base],
        ] {
            let ran = env.run(arguments);

            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
        }
    }
    assert!(!env.path().join("x.tar").exists());
}

#[test]
fn images_that_are_not_pinned_cannot_be_carried() {
    let env = TestEnv::new();
    env.build(&["web"]);
    for arguments in [
        &["pack", "@web", "x.tar", "--images", "all"][..],
        &["build", "web", "--archive", "x.tar", "--images", "all"],
    ] {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("the images of relay are not pinned"), "{}", ran.stderr);
    }
    assert!(!env.path().join("x.tar").exists());
    env.ok(&["pack", "@web", "x.tar", "--images", "none"]);
}

#[test]
fn missing_blobs_write_nothing() {
    let (env, _) = signing();
    env.build(&["tiny", "--archive", "none.tar"]);
    fs_err::remove_file(stored(&env, b"layer a")).unwrap();
    // A truncated blob counts as missing.
    put(&stored(&env, b"layer b"), b"layer");
    let before = names(env.path());
    for (arguments, fetch) in [
        (
            &["build", "tiny", "--archive", "x.tar", "--images", "all"][..],
            "relay-bundle fetch tiny",
        ),
        (&["pack", "@tiny", "x.tar", "--images", "all"], "relay-bundle fetch @tiny"),
        (&["pack", "none.tar", "x.tar", "--images", "all"], "fetch"),
    ] {
        let ran = env.run(arguments);

        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
        for said in ["the store lacks 2 blobs of the images (14 bytes)", fetch, "--images none"] {
            assert!(ran.stderr.contains(said), "{arguments:?}: {said}\nin {}", ran.stderr);
        }
        assert_eq!(names(env.path()), before, "{arguments:?}");
    }
}

#[test]
fn signing_archive_keeps_its_images() {
    let (env, images) = signing();
    env.ok(&["keygen", "--out", "second.pem"]);
    env.build(&["tiny", "--archive", "all.tar", "--images", "all", "--key", "key.pem"]);
    let before = read(&env, "all.tar");

    env.ok(&["sign", "all.tar", "--key", "second.pem"]);

    let after = read(&env, "all.tar");
    assert!(file_of(&before, "attestation.dsse.json") != file_of(&after, "attestation.dsse.json"));
    for (name, bytes) in images.layout() {
        assert!(file_of(&after, &name) == bytes, "{name}");
    }
    env.ok(&["verify", "all.tar", "--key", "second.pub.pem", "--images", "all"]);
    // An altered layer prevents signing.
    let mut bad = after;
    let at = bad.windows(7).position(|window| window == b"layer a").unwrap();
    bad[at] ^= 1;
    put(&env.path().join("bad.tar"), &bad);
    let ran = env.run(&["sign", "bad.tar", "--key", "key.pem", "--reseal"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("TAMPERED"), "{}", ran.stderr);
    assert!(read(&env, "bad.tar") == bad);
}

#[test]
fn archive_in_parts_is_verified_and_joined_with_its_images() {
    let (env, _) = signing();
    env.build(&["tiny", "--archive", "all.tar", "--images", "all", "--key", "key.pem"]);
    env.ok(&["split", "all.tar", "--size", "10kB"]);

    env.ok(&["verify", "all.tar.parts", "--key", "key.pub.pem", "--images", "all"]);
    let inspected = env.ok(&["inspect", "all.tar.parts"]);
    env.ok(&["join", "all.tar.parts", "--out", "back.tar"]);

    assert!(inspected.contains(": all carried, not hashed\n"), "{inspected}");
    assert!(read(&env, "back.tar") == read(&env, "all.tar"));
}

#[test]
fn inspect_ignores_damaged_blob() {
    let (env, _) = signing();
    env.build(&["tiny", "--archive", "all.tar", "--images", "all", "--key", "key.pem"]);
    let mut bad = read(&env, "all.tar");
    let at = bad.windows(7).position(|window| window == b"layer a").unwrap();
    bad[at] ^= 1;
    put(&env.path().join("bad.tar"), &bad);
    let not_hashed = "1 image, 3 configs and layers, ";
    for arguments in [
        &["inspect", "bad.tar"][..],
        &["images", "bad.tar"],
        &["images", "bad.tar", "--mirror"],
        &["diff", "all.tar", "bad.tar"],
        &["rbac", "bad.tar"],
    ] {
        let ran = env.run(arguments);

        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        assert!(
            said.contains(not_hashed) && said.contains(": all carried, not hashed\n"),
            "{said}"
        );
    }
    let verified = env.run(&["verify", "bad.tar", "--key", "key.pub.pem"]);
    assert_eq!(verified.code, 3, "{}", verified.stderr);
    assert!(verified.stderr.contains("TAMPERED"), "{}", verified.stderr);
}

#[test]
fn diff_and_rbac_say_which_archives_carry_images() {
    let (env, _) = signing();
    env.build(&["tiny", "--archive", "all.tar", "--images", "all"]);
    env.ok(&["pack", "all.tar", "none.tar", "--images", "none"]);
    let said = |file: &str| format!("{file}: 1 image, 3 configs and layers, ");
    for (arguments, lines) in [
        (&["diff", "none.tar", "all.tar"][..], &["all.tar"][..]),
        (&["diff", "all.tar", "./all.tar"], &["all.tar", "./all.tar"]),
        (&["diff", "none.tar", "@tiny"], &[]),
        (&["rbac", "all.tar", "none.tar", "tiny"], &["all.tar"]),
    ] {
        let ran = env.run(arguments);
        let json = env.run(&[arguments, &["--json"]].concat());

        assert_eq!(ran.stderr.lines().count(), lines.len(), "{arguments:?}: {}", ran.stderr);
        for (line, file) in ran.stderr.lines().zip(lines) {
            assert!(line.starts_with(&said(file)), "{line}");
            assert!(line.ends_with(": all carried, not hashed"), "{line}");
        }
        assert!(!json.stdout.contains("carried"), "{}", json.stdout);
    }
}

/// Returns the number of bytes that the reads in a trace of strace have returned.
fn bytes_read(trace: &str) -> u64 {
    let reads = trace.lines().filter(|line| line.contains("read"));
    reads.filter_map(|line| line.rsplit_once(" = ")?.1.parse::<u64>().ok()).sum()
}

#[test]
fn gibibyte_archive_is_inspected_without_reading_it() {
    let Some(strace) = find("strace", "strace") else { return };
    let env = TestEnv::new();
    let image = image_of(&[b"x", b"y"]);
    let mut locked = locked(&image);
    // The last blob, so that the part before it equals that of a small archive.
    let (hole, _) = locked.blobs.pop_last().unwrap();
    locked.blobs.insert(hole, 1 << 30);
    carried::lock(&env.path().join("profiles"), locked.clone());
    env.build(&["tiny", "--archive", "none.tar"]);
    let name = SOURCE.parse::<relay_bundle::images::reference::ImageReference>().unwrap();
    let list =
        relay_bundle::images::list::ImageList::of([(name.pinned(locked.digest), &locked)]).unwrap();
    let images = Images { list, ..Images::of(&[(SOURCE, &image)]) };
    let small = carry(&read(&env, "none.tar"), &images.layout());
    let content =
        records(&small).into_iter().find(|record| record.name == path_of(&hole)).unwrap().content;
    let mut file = fs_err::File::create(env.path().join("big.tar")).unwrap();
    file.write_all(&small[..content.start - BLOCK]).unwrap();
    file.write_all(&header(&path_of(&hole), 1 << 30)).unwrap();
    file.seek(SeekFrom::Current(1 << 30)).unwrap();
    file.write_all(&small[content.start + BLOCK..]).unwrap();
    let mut command = Command::new(strace);
    command.args(["-f", "-e", "trace=read,pread64,readv,preadv,preadv2", "-o", "trace"]);
    command
        .args([env!("CARGO_BIN_EXE_relay-bundle"), "inspect", "big.tar"])
        .current_dir(env.path());

    let output = command.output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("1.0 GB: all carried, not hashed"), "{page}");
    let trace = fs_err::read_to_string(env.path().join("trace")).unwrap();
    let bytes = bytes_read(&trace);
    // The size of the small archive, and the libraries of the program.
    assert!((small.len() as u64..1 << 20).contains(&bytes), "{bytes} bytes read");
}

#[test]
fn bundle_folder_with_blobs_is_refused() {
    let (env, images) = signing();
    let entry = env.build(&["tiny", "--key", "key.pem"]);
    for (name, bytes) in images.layout() {
        put(&entry.join(&name), &bytes);
    }

    for arguments in [&["inspect", "@tiny"][..], &["verify", "@tiny", "--key", "key.pub.pem"]] {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 3, "{}", ran.stderr);
        let remedy = "hint: `relay-bundle pack --images all` writes an archive with images\n";
        for said in
            ["EXTRA_FILE", "is part of an image layout, which a folder cannot carry\n", remedy]
        {
            assert!(ran.stderr.contains(said), "{said}\nin {}", ran.stderr);
        }
    }
}

#[test]
fn corrupt_blob_is_fetched_again_into_same_store() {
    let (env, _) = signing();
    fs_err::rename(env.path().join("bundles"), env.path().join("other")).unwrap();
    let blob = stored(&env, b"layer a");
    let blob =
        env.path().join("other").join(blob.strip_prefix(env.path().join("bundles")).unwrap());
    fs_err::remove_file(&blob).unwrap();
    put(&blob, b"layer z");

    let ran = env.run(&[&["build"][..], &ALL, &["--store", "other"]].concat());

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let entry = names(&env.path().join("other")).into_iter().find(|name| name.ends_with("-tiny"));
    let hint = format!("relay-bundle fetch @{} --store other", entry.unwrap());
    assert!(ran.stderr.contains(&hint), "{hint}\nin {}", ran.stderr);
}

#[test]
fn gc_keeps_blobs_without_flag() {
    let (env, images) = signing();
    env.build(&["tiny"]);
    let other = Digest::of(b"of no bundle");
    let blobs = store(&env).join(".blobs");
    put(&blobs.join("sha256").join(other.to_string()), b"of no bundle");
    put(&blobs.join(".partial").join(Digest::of(b"half").to_string()), b"ha");
    put(&blobs.join(".lock"), b"");
    let kept: Vec<String> = images.contents.keys().map(ToString::to_string).collect();

    env.ok(&["gc"]);
    assert_eq!(names(&blobs.join("sha256")).len(), kept.len() + 1);
    let planned = env.run(&["gc", "--blobs", "--dry-run", "--json"]).json();
    assert_eq!(names(&blobs.join("sha256")).len(), kept.len() + 1);
    let removed = env.run(&["gc", "--blobs", "--json"]).json();

    assert_eq!(planned["blobs"][0]["digest"], format!("sha256:{other}"));
    assert_eq!((&planned["partialBlobBytes"], &planned["bytes"]), (&2.into(), &14.into()));
    assert_eq!(removed["blobs"], planned["blobs"]);
    assert_eq!(names(&blobs.join("sha256")), kept);
    assert_eq!(names(&blobs.join(".partial")), [""; 0]);
    env.ok(&["pack", "@tiny", "x.tar", "--images", "all"]);
}

#[test]
fn blobs_of_replaced_bundle_are_removed_with_it() {
    let (env, _) = signing();
    env.build(&["tiny"]);
    let images = lock(&env, &[b"layer b", b"layer c"]);
    env.build(&["tiny"]);

    env.ok(&["gc", "--blobs"]);

    let kept: Vec<String> = images.contents.keys().map(ToString::to_string).collect();
    assert_eq!(names(&store(&env).join(".blobs/sha256")), kept);
}

#[test]
fn archive_write_waits_for_gc() {
    let (env, _) = signing();
    env.build(&["tiny"]);
    let place = store(&env).join(".blobs/.lock");
    put(&place, b"");
    let gc = fs_err::File::open(&place).unwrap();
    gc.lock().unwrap();
    for arguments in [&ALL[..], &["pack", "@tiny", "all.tar", "--images", "all"]] {
        let arguments =
            if arguments == ALL { [&["build"], arguments].concat() } else { arguments.to_vec() };
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(&arguments).current_dir(env.path()).env_clear().env("HOME", env.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let waits =
            lines.map(Result::unwrap).any(|line| line.contains("waiting for another process"));

        assert!(waits, "{arguments:?}");
        assert!(!env.path().join("all.tar").exists());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(gc);
    env.build(&ALL);
    // Without `--blobs`, the command does not wait for other users of blobs.
    let user = fs_err::File::open(&place).unwrap();
    user.lock_shared().unwrap();
    env.ok(&["gc"]);
}
