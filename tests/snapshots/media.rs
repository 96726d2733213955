//! `split` and `join`.

use crate::scene;
use crate::transcript::{Transcript, snapshot};

#[test]
fn parts_are_as_saved() {
    let home = scene::operator();
    fs_err::create_dir(home.path().join("usb")).unwrap();
    let lines = [
        "split web.tar --size 20kB",
        "split web.tar --size 20kB --out usb --json",
        "join web.tar.parts --out joined.tar",
        "join usb --out again.tar --json",
        "verify usb/web.tar.parts --trust trust.toml --quiet",
        "inspect web.tar.part001 --quiet",
    ];
    snapshot("parts", &home, &lines);
}

#[test]
fn mistakes_with_split_are_as_saved() {
    let home = scene::operator();
    home.write("empty.tar", "");
    fs_err::create_dir(home.path().join("folder")).unwrap();
    let lines = [
        "split",
        "split web.tar",
        "split --size 1MB",
        "split nosuch.tar --size 1MB",
        "split folder --size 1MB",
        "split empty.tar --size 1MB",
        "split web.tar --size 0",
        "split web.tar --size big",
        "split web.tar --size 4.7GB",
        "split web.tar --size 4G",
        "split web.tar --size 1",
        "split web.tar --size 1GB",
        "split web.tar --size 20kB --out nowhere",
        "split web.tar --size 20kB --quiet",
        "split web.tar --size 30kB",
    ];
    snapshot("split_mistakes", &home, &lines);
}

#[test]
fn mistakes_with_join_are_as_saved() {
    let home = scene::operator();
    let mut seen = Transcript::new(&home);
    seen.run("split web.tar --size 20kB --quiet");
    fs_err::create_dir(home.path().join("folder")).unwrap();
    for line in [
        "join",
        "join web.tar.parts",
        "join nosuch.parts --out x.tar",
        "join web.tar --out x.tar",
        "join folder --out x.tar",
        "join web.tar.parts --out web.tar",
        "join web.tar.parts --out nowhere/x.tar",
        "join web.tar.parts --part nosuch --out x.tar",
    ] {
        seen.run(line);
    }
    scene::flip(&home, "web.tar.part002", "web.tar.part002", 5);
    fs_err::remove_file(home.path().join("web.tar.part003")).unwrap();
    seen.run("join web.tar.parts --out x.tar");
    seen.run("join web.tar.parts --out x.tar --json");
    seen.run("verify web.tar.parts --trust trust.toml");
    seen.snapshot("join_mistakes");
}
