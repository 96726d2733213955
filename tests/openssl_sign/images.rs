//! `docs/verify.sh` and the images behind an archive's listed files.

use std::fmt::Write as _;

use relay_bundle::images::lock::{ImagesLock, LOCK_FILE};
use relay_bundle::images::platform::Platform;
use relay_bundle::model::digest::Digest;

use super::carried::image::{AMD64, Format, Image, Layer};
use super::carried::{Images, PROFILE, SOURCE, TINY, carry, image_of, lock, locked, path_of, put};
use super::env::TestEnv;
use super::tar::{BLOCK, range};
use super::tar_records::records;
use super::{Home, RESIGN, Shell, home, make, shells, verify};

type Layout = Vec<(String, Vec<u8>)>;
type Change = Box<dyn Fn(&mut Layout)>;

/// Builds and signs a bundle with one image of three blobs; `none.tar` does not carry any.
fn locked_home() -> Option<(Home, Images)> {
    let home = home()?;
    let image = image_of(&[b"1", b"2"]);
    lock(&home.env.path().join("profiles"), locked(&image));
    let images = Images::of(&[(SOURCE, &image)]);
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
fn script_counts_carried_blobs() {
    let Some((home, images)) = locked_home() else { return };
    let none = fs_err::read(home.env.path().join("none.tar")).unwrap();
    home.env.ok(&["pack", &format!("@{PROFILE}"), "all.tar", "--images", "all"]);
    let layer = Digest::of(b"1");
    fs_err::write(
        home.env.path().join("delta.tar"),
        carry(&none, &images.layout_without(&[layer])),
    )
    .unwrap();
    let folder = format!("bundles/{PROFILE}");
    for shell in shells(&home) {
        for (bundle, carried) in
            [("all.tar", 3), ("delta.tar", 2), ("none.tar", 0), (folder.as_str(), 0)]
        {
            let (code, stdout, stderr) = ran(&home, &shell, bundle);
            assert_eq!(code, Some(0), "{} {bundle}: {stderr}", shell.name);
            let line = format!("images {carried} of 3 configs and layers carried\n");
            assert!(stdout.contains(&line), "{} {bundle}: {stdout}", shell.name);
        }
        assert!(!ran(&home, &shell, "web.tar").1.contains("layers carried"), "{}", shell.name);
    }
}

#[test]
fn script_derives_names_of_every_kind_of_reference() {
    let Some(home) = home() else { return };
    let images = lock_all(
        &home.env,
        &[
            SOURCE,
            "busybox:1.37",
            "fluent/agent:5",
            "index.docker.io/nginx:1",
            "localhost/a/b:1",
            "localhost:5000/c_d:v.1",
        ],
    );
    images.store(&home.env.path().join("bundles"));

    home.env.build(&[PROFILE, "--key", "ours.pem", "--archive", "all.tar", "--images", "all"]);

    for shell in shells(&home) {
        let (code, stdout, stderr) = ran(&home, &shell, "all.tar");
        assert_eq!(code, Some(0), "{}: {stderr}", shell.name);
        assert!(
            stdout.contains("images 12 of 12 configs and layers carried\n"),
            "{}: {stdout}",
            shell.name
        );
    }
}

/// Locks a profile that runs one image, and each of the others in its own container; every second
/// image has Docker's media types.
fn lock_all(env: &TestEnv, references: &[&str]) -> Images {
    let image = |(at, name): (usize, &&str)| {
        let format = Format::ALL[at % 2];
        let layer = Layer::opaque(format, name.as_bytes());
        Image::of_layers(format, AMD64, vec![layer])
    };
    let made: Vec<(&str, Image)> =
        references.iter().enumerate().map(|(at, name)| (*name, image((at, name)))).collect();
    let mut profile = TINY.to_owned();
    for (at, name) in references.iter().enumerate().skip(1) {
        write!(profile, "\n[[extraContainers]]\nname = \"c{at}\"\nimage = \"{name}\"\n").unwrap();
    }
    env.write_profile(PROFILE, &profile);
    let lock = ImagesLock {
        platform: Platform::default(),
        profiles: [PROFILE.parse().unwrap()].into(),
        images: made.iter().map(|(name, image)| (name.parse().unwrap(), locked(image))).collect(),
    };
    put(&env.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
    Images::of(&made.iter().map(|(name, image)| (*name, image)).collect::<Vec<_>>())
}

#[test]
fn script_refuses_another_image_layout() {
    let Some((home, images)) = locked_home() else { return };
    let none = fs_err::read(home.env.path().join("none.tar")).unwrap();
    let good = images.layout();
    let write = |name: &str, files: &Layout| {
        fs_err::write(home.env.path().join(name), carry(&none, files)).unwrap();
    };
    let mut names = Vec::new();
    for (name, change) in changes(&images) {
        let mut files = good.clone();
        change(&mut files);
        assert_ne!(files, good, "{name}");
        names.push(format!("{name}.tar"));
        write(names.last().unwrap(), &files);
    }
    write("good.tar", &good);
    assert_refused(&home, &names.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Returns layouts that differ from the one of `images` in one respect.
fn changes(images: &Images) -> Vec<(&'static str, Change)> {
    let good = images.layout();
    let at = |digest: Digest| good.iter().position(|(path, _)| *path == path_of(&digest)).unwrap();
    let (one, other, manifest) =
        (at(Digest::of(b"1")), at(Digest::of(b"2")), at(images.manifest()));
    let stranger = || (path_of(&Digest::of(b"stranger")), b"stranger".to_vec());
    vec![
        ("altered", Box::new(move |files| files[one].1[0] ^= 1)),
        ("manifest-altered", Box::new(move |files| files[manifest].1[0] ^= 1)),
        (
            "swapped",
            Box::new(move |files| {
                let content = files[one].1.clone();
                files[one].1 = std::mem::replace(&mut files[other].1, content);
            }),
        ),
        ("longer", Box::new(move |files| files[one].1.push(b'1'))),
        ("empty", Box::new(move |files| files[one].1.clear())),
        ("renamed", Box::new(move |files| files[one].0 = stranger().0)),
        (
            "extra",
            Box::new(move |files| {
                files.push(stranger());
                files[2..].sort();
            }),
        ),
        ("doubled", Box::new(move |files| files.insert(one, files[one].clone()))),
        ("order", Box::new(|files| files.swap(2, 3))),
        ("no-manifest", Box::new(move |files| drop(files.remove(manifest)))),
        (
            "manifest-alone",
            Box::new(move |files| *files = [&files[..2], &files[manifest..=manifest]].concat()),
        ),
        ("no-blobs", Box::new(|files| files.truncate(2))),
        ("no-index", Box::new(|files| drop(files.remove(1)))),
        ("no-layout", Box::new(|files| drop(files.remove(0)))),
        ("layout-altered", Box::new(|files| files[0].1[24] = b'2')),
        ("layout-longer", Box::new(|files| files[0].1.push(b'\n'))),
        ("index-altered", Box::new(|files| *files[1].1.last_mut().unwrap() = b' ')),
        ("index-shorter", Box::new(|files| files[1].1.truncate(9))),
        ("behind", Box::new(|files| files.push(("z".to_owned(), b"z".to_vec())))),
        (
            "other-folder",
            Box::new(move |files| files[one].0 = files[one].0.replace("sha256", "sha512")),
        ),
    ]
}

#[test]
fn script_refuses_images_of_another_form() {
    let Some((home, images)) = locked_home() else { return };
    let env = &home.env;
    let read = |name: &str| fs_err::read(env.path().join(name)).unwrap();
    let good = carry(&read("none.tar"), &images.layout());
    let last = records(&good).pop().unwrap();
    assert!(last.name.starts_with("blobs/sha256/"));
    let content = last.content;
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
fn script_refuses_signed_self_contradictory_image_list() {
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
        (
            "two-sizes",
            r#"s/\({"digest":"sha256:[0-9a-f]*","size":\)\([0-9]*}\)/\1\2,\19\2/"#.to_owned(),
        ),
        (
            "order",
            r#"s/\({"digest":"sha256:[0-9a-f]*","size":[0-9]*}\),\({[^}]*}\)/\2,\1/"#.to_owned(),
        ),
        ("unused", format!(r#"s/{{"digest"/{{"digest":"sha256:{zeros}","size":1}},{{"digest"/"#)),
        ("unlisted", r#"s/\[{"digest":"sha256:[0-9a-f]*","size":[0-9]*},/[/"#.to_owned()),
        (
            "manifest",
            format!(
                r#"s/"manifests":\[/&{{"digest":"sha256:{zeros}","mediaType":"application\/x","size":1}},/"#
            ),
        ),
        ("pin", format!("s/@sha256:[0-9a-f]*/@sha256:{zeros}/")),
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
