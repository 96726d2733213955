//! `docs/verify.sh` and the images behind the listed files of an archive.

use std::collections::BTreeMap;

use relay_bundle::images::lock::{LOCK_FILE, Lock, LockedImage};
use relay_bundle::images::platform::Platform;
use relay_bundle::model::digest::Digest;

use super::carried::image::{Format, Image};
use super::carried::{Images, PROFILE, TINY, carry, image_of, lock, locked, put};
use super::tar::{BLOCK, range, records};
use super::{Home, RESIGN, Shell, home, make, shells, verify};

type Layout = Vec<(String, Vec<u8>)>;

/// Builds and signs a bundle with one image of three blobs: `none.tar` carries nothing.
fn locked_home() -> Option<(Home, Images)> {
    let home = home()?;
    let image = image_of(&[b"1", b"2"]);
    lock(&home.env.path().join("profiles"), locked(&image));
    let images = Images::of(&[(super::carried::SOURCE, &image)]);
    images.store(&home.env.path().join("bundles"));
    home.env.build(&[PROFILE, "--key", "ours.pem", "--archive", "none.tar"]);
    Some((home, images))
}

/// Returns the exit code, stdout and stderr.
fn ran(home: &Home, shell: &Shell, bundle: &str) -> (Option<i32>, String, String) {
    let output = verify(&home.env, shell, bundle, &["ours.pub.pem"]);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn assert_refused(home: &Home, names: &[&str]) {
    for shell in shells(home) {
        assert_eq!(ran(home, &shell, "good.tar").0, Some(0), "{}", shell.name);
        for name in names {
            let (code, stdout, stderr) = ran(home, &shell, name);
            assert_eq!((code, stdout.as_str()), (Some(3), ""), "{} {name}: {stderr}", shell.name);
            assert!(stderr.contains("NOT TRUSTED"), "{} {name}: {stderr}", shell.name);
        }
    }
}

#[test]
fn script_counts_the_carried_blobs() {
    let Some((home, images)) = locked_home() else { return };
    let none = fs_err::read(home.env.path().join("none.tar")).unwrap();
    home.env.ok(&["pack", &format!("@{PROFILE}"), "all.tar", "--images", "all"]);
    let layer = Digest::of(b"1");
    fs_err::write(home.env.path().join("delta.tar"), carry(&none, &images.layout_without(&[layer]))).unwrap();
    let folder = format!("bundles/{PROFILE}");
    for shell in shells(&home) {
        for (bundle, carried) in [("all.tar", 3), ("delta.tar", 2), ("none.tar", 0), (folder.as_str(), 0)] {
            let (code, stdout, stderr) = ran(&home, &shell, bundle);
            assert_eq!(code, Some(0), "{} {bundle}: {stderr}", shell.name);
            let line = format!("images {carried} of 3 blobs carried\n");
            assert!(stdout.contains(&line), "{} {bundle}: {stdout}", shell.name);
        }
        assert!(!ran(&home, &shell, "web.tar").1.contains("blobs carried"), "{}", shell.name);
    }
}

#[test]
fn script_derives_the_names_of_every_kind_of_reference() {
    let Some(home) = home() else { return };
    let env = &home.env;
    let references = [
        "ghcr.io/wei-shaw/claude-relay-service:v1.1.314",
        "busybox:1.37",
        "fluent/agent:5",
        "index.docker.io/nginx:1",
        "localhost/a/b:1",
        "localhost:5000/c_d:v.1",
    ];
    let containers: String = (1..references.len())
        .map(|at| format!("\n[[extraContainers]]\nname = \"c{at}\"\nimage = \"{}\"\n", references[at]))
        .collect();
    env.write_profile(PROFILE, &format!("{TINY}{containers}"));
    let image = |at: usize| {
        let format = Format::ALL[at % 2];
        Image::of_layers(format, super::carried::image::AMD64, vec![layer(format, at)])
    };
    let made: Vec<(&str, Image)> =
        references.iter().enumerate().map(|(at, name)| (*name, image(at))).collect();
    let lock = Lock {
        platform: Platform::default(),
        profiles: [PROFILE.parse().unwrap()].into(),
        images: made
            .iter()
            .map(|(name, image)| (name.parse().unwrap(), locked(image)))
            .collect::<BTreeMap<_, LockedImage>>(),
    };
    put(&env.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
    let named: Vec<(&str, &Image)> = made.iter().map(|(name, image)| (*name, image)).collect();
    Images::of(&named).store(&env.path().join("bundles"));

    env.build(&[PROFILE, "--key", "ours.pem", "--archive", "all.tar", "--images", "all"]);

    for shell in shells(&home) {
        let (code, stdout, stderr) = ran(&home, &shell, "all.tar");
        assert_eq!(code, Some(0), "{}: {stderr}", shell.name);
        assert!(stdout.contains("images 12 of 12 blobs carried\n"), "{}: {stdout}", shell.name);
    }
}

fn layer(format: Format, at: usize) -> super::carried::image::Layer {
    super::carried::image::Layer::opaque(format, format!("layer {at}").as_bytes())
}

#[test]
fn script_refuses_another_image_layout() {
    let Some((home, images)) = locked_home() else { return };
    let none = fs_err::read(home.env.path().join("none.tar")).unwrap();
    let good = images.layout();
    let at = |name: &str| good.iter().position(|(path, _)| path.contains(name)).unwrap();
    let (one, other) = (at(&Digest::of(b"1").to_string()), at(&Digest::of(b"2").to_string()));
    let manifest = at(&images.manifest().to_string());
    let stranger = b"stranger".to_vec();
    let strange = (format!("blobs/sha256/{}", Digest::of(&stranger)), stranger);
    let changes: [(&str, &dyn Fn(&mut Layout)); 20] = [
        ("altered", &|files| files[one].1[0] ^= 1),
        ("manifest-altered", &|files| files[manifest].1[0] ^= 1),
        ("swapped", &|files| {
            let content = files[one].1.clone();
            files[one].1 = std::mem::replace(&mut files[other].1, content);
        }),
        ("longer", &|files| files[one].1.push(b'1')),
        ("empty", &|files| files[one].1.clear()),
        ("renamed", &|files| files[one].0.clone_from(&strange.0)),
        ("extra", &|files| {
            files.push(strange.clone());
            files[2..].sort();
        }),
        ("doubled", &|files| files.insert(one, files[one].clone())),
        ("order", &|files| files.swap(2, 3)),
        ("no-manifest", &|files| drop(files.remove(manifest))),
        ("manifests-alone", &|files| {
            files.retain(|(name, _)| *name == good[manifest].0 || !name.starts_with("blobs/"))
        }),
        ("no-blobs", &|files| files.truncate(2)),
        ("no-index", &|files| drop(files.remove(1))),
        ("no-layout", &|files| drop(files.remove(0))),
        ("layout-altered", &|files| files[0].1[24] = b'2'),
        ("layout-longer", &|files| files[0].1.push(b'\n')),
        ("index-altered", &|files| *files[1].1.last_mut().unwrap() = b' '),
        ("index-shorter", &|files| files[1].1.truncate(9)),
        ("behind", &|files| files.push(("z".to_owned(), b"z".to_vec()))),
        ("other-folder", &|files| files[one].0 = files[one].0.replace("sha256", "sha512")),
    ];
    let mut names = Vec::new();
    for (name, change) in changes {
        let mut files = good.clone();
        change(&mut files);
        assert_ne!(files, good, "{name}");
        names.push(format!("{name}.tar"));
        fs_err::write(home.env.path().join(names.last().unwrap()), carry(&none, &files)).unwrap();
    }
    fs_err::write(home.env.path().join("good.tar"), carry(&none, &good)).unwrap();
    assert_refused(&home, &names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn script_refuses_images_of_another_form() {
    let Some((home, images)) = locked_home() else { return };
    let env = &home.env;
    let read = |name: &str| fs_err::read(env.path().join(name)).unwrap();
    let good = carry(&read("none.tar"), &images.layout());
    let content = records(&good).last().unwrap().content.clone();
    let header = content.start - BLOCK;
    let write = |name: &str, bytes: &[u8]| fs_err::write(env.path().join(name), bytes).unwrap();
    let changed = |name: &str, at: usize, byte: u8| {
        let mut bytes = good.clone();
        assert_ne!(bytes[at], byte);
        bytes[at] = byte;
        write(name, &bytes);
    };
    write("good.tar", &good);
    changed("checksum.tar", header + range("chksum").start + 2, b'7');
    changed("time.tar", header + range("mtime").start, b'1');
    changed("kind.tar", header + range("typeflag").start, b'2');
    changed("padding.tar", content.end, b'x');
    write("behind.tar", &[&good[..], b"x"].concat());
    write("cut.tar", &good[..good.len() - BLOCK]);
    write("half.tar", &good[..content.start]);
    env.ok(&["sign", "web.tar", "--key", "ours.pem"]);
    write("not-listed.tar", &carry(&read("web.tar"), &images.layout()));
    make(
        env,
        "mkdir folder; tar -xf none.tar -C folder; cp -R folder carries; mkdir -p carries/blobs/sha256",
    );
    put(&env.path().join("carries").join(&images.layout()[2].0), &images.layout()[2].1);
    assert_refused(
        &home,
        &[
            "checksum.tar",
            "time.tar",
            "kind.tar",
            "padding.tar",
            "behind.tar",
            "cut.tar",
            "half.tar",
            "not-listed.tar",
            "carries",
        ],
    );
}

#[test]
fn script_refuses_a_signed_list_of_images_that_contradicts_itself() {
    let Some((home, _)) = locked_home() else { return };
    let env = &home.env;
    let resign = format!(
        r#"
        rm -rf files $1; mkdir files; tar -xf none.tar -C files; sed "$2" files/images.json >changed
        [ $1 = good ] || ! cmp -s changed files/images.json
        cat changed >files/images.json
        sum=$(sha256sum <files/images.json | cut -c1-64); sed -i "s/.*  images.json/$sum  images.json/" files/SHA256SUMS
        id=$(sha256sum <files/SHA256SUMS | cut -c1-64)
        change='s/"sha256":"[0-9a-f]*"/"sha256":"'$id'"/'
        {RESIGN}
        mv files $1"#
    );
    let zeros = "0".repeat(64);
    let cases = [
        ("good", String::new()),
        ("space", r#"s/,"format"/, "format"/"#.to_owned()),
        ("format", r#"s/"format":1/"format":2/"#.to_owned()),
        ("more", r#"s/"format":1/"format":1,"more":1/"#.to_owned()),
        ("zero", r#"s/"size":\([0-9]*\)}/"size":0}/"#.to_owned()),
        ("twice", r#"s/\({"digest":"sha256:[0-9a-f]*","size":[0-9]*}\)/\1,\1/"#.to_owned()),
        ("two-sizes", r#"s/\({"digest":"sha256:[0-9a-f]*","size":\)\([0-9]*}\)/\1\2,\19\2/"#.to_owned()),
        ("order", r#"s/\({"digest":"sha256:[0-9a-f]*","size":[0-9]*}\),\({[^}]*}\)/\2,\1/"#.to_owned()),
        ("unused", format!(r#"s/{{"digest"/{{"digest":"sha256:{zeros}","size":1}},{{"digest"/"#)),
        ("unlisted", r#"s/\[{"digest":"sha256:[0-9a-f]*","size":[0-9]*},/[/"#.to_owned()),
        (
            "manifest",
            format!(
                r#"s/"manifests":\[/&{{"digest":"sha256:{zeros}","mediaType":"application\/x","size":1}},/"#
            ),
        ),
        ("pin", format!(r#"s/@sha256:[0-9a-f]*/@sha256:{zeros}/"#)),
        ("reference", r#"s/"reference":"/&{/"#.to_owned()),
    ];
    for (name, change) in &cases {
        make(env, &format!("set -- {name} '{change}'\n{resign}"));
    }
    for shell in shells(&home) {
        let (code, _, stderr) = ran(&home, &shell, "good");
        assert_eq!(code, Some(0), "{}: {stderr}", shell.name);
        for (name, _) in &cases[1..] {
            let (code, stdout, stderr) = ran(&home, &shell, name);
            assert_eq!((code, stdout.as_str()), (Some(3), ""), "{} {name}: {stderr}", shell.name);
            assert!(stderr.contains("images.json"), "{} {name}: {stderr}", shell.name);
        }
    }
}
