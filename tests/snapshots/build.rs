//! `build`, and mistakes in profiles.

use crate::scene;
use crate::transcript::{Transcript, snapshot};

#[test]
fn builds_are_as_saved() {
    let home = scene::builder();
    let lines = [
        "build web",
        "build web --json",
        "build web dev",
        "build web --quiet",
        "build web --archive web.tar",
        "build web --archive web.tar --json",
        "build web dev --archives out",
        "build web --set replicaCount=2",
        "build warned",
        "build warned --json",
        "build web --check",
    ];
    snapshot("build", &home, &lines);
}

#[test]
fn builds_of_all_profiles_are_as_saved() {
    let lines = ["build --all", "build --all --archives out --json --quiet"];
    snapshot("build_all", &scene::home(), &lines);
}

#[test]
fn signed_builds_are_as_saved() {
    let home = scene::builder();
    let lines = [
        "build web --key signing.pem --archive web.tar",
        "build web --key signing.pem --archive web.tar --json",
        "build web --key stranger.pem",
        "build dev --key signing.pem --serial 7 --issued 2015-01-02T03:04:05Z --expires 30d --site plant-7 --site lab",
        "build dev --key signing.pem --serial 8",
        "build warned --key new.pem --keygen",
        "build web",
    ];
    snapshot("build_signed", &home, &lines);
}

#[test]
fn builds_with_images_are_as_saved() {
    let home = scene::locked_images();
    let mut seen = Transcript::new(&home);
    seen.run("build tiny --archive all.tar --images all");
    seen.run("build tiny --archive all.tar --images all --json");
    seen.run("build tiny --archive none.tar --images since:all.tar");
    seen.run("build web --archive web.tar --images all");
    seen.run("build tiny --archive x.tar --images some");
    seen.run("build tiny --images all");
    fs_err::remove_dir_all(home.path().join("bundles/.blobs")).unwrap();
    seen.run("build tiny --archive all.tar --images all");
    seen.snapshot("build_images");
}

#[test]
fn mistakes_with_build_are_as_saved() {
    let home = scene::builder();
    home.write("web.tar", "no archive");
    fs_err::create_dir(home.path().join("folder")).unwrap();
    let lines = [
        "build",
        "build --all web",
        "build wbe",
        "build Web",
        "build web.tar",
        "build ./web",
        "build profiles/web.toml",
        "build web wbe",
        "build web wbe --json",
        "build web dev --archive x.tar",
        "build web --archive x.tar --archives out",
        "build web --archive nodir/x.tar",
        "build web --archive folder",
        "build web --archive web.tar",
        "build web --archive x.tgz",
        "build web --archives web.tar",
        "build web --store web.tar",
        "build web --store web.tar/below",
        "build web --profiles nowhere",
        "build warned --deny-warnings",
        "build web --set replicaCount",
        "build web --set replicaCount=-1",
        "build web --set config.logLevle=debug",
        "build web --set config.logLevel=loud",
    ];
    snapshot("build_mistakes", &home, &lines);
}

#[test]
fn mistakes_with_keys_of_build_are_as_saved() {
    let home = scene::builder();
    home.write("open.pem", fs_err::read(home.path().join("signing.pem")).unwrap());
    home.write("wrong-passphrase", "x");
    let lines = [
        "build web --key nosuch.pem",
        "build web --key signing.pub.pem",
        "build web --key open.pem",
        "build web --key profiles/web.toml",
        "build web --keygen",
        "build web --serial 7",
        "build web --key signing.pem --serial 0",
        "build web --key signing.pem --serial seven",
        "build web --key signing.pem --issued yesterday",
        "build web --key signing.pem --expires 0d",
        "build web --key signing.pem --expires 2001-01-01T00:00:00Z",
        "build web --key signing.pem --site \"plant 7\"",
        "build web --key signing.pem --passphrase-file nosuch",
        "build web --key signing.pem --passphrase-file wrong-passphrase",
    ];
    snapshot("build_key_mistakes", &home, &lines);
}

#[test]
fn mistakes_in_profiles_are_as_saved() {
    let home = scene::profiles();
    home.write_profile("broken", "extends = [\"base\"\n");
    home.write_profile("orphan", "extends = [\"bsae\"]\n");
    home.write_profile("itself", "extends = [\"itself\"]\n");
    home.write_profile("empty", "");
    home.write_profile("secret", "extends = [\"base\"]\nconfig.jwtSecret = \"p4ssw0rd-of-mine\"\n");
    home.write_profile(
        "named",
        "extends = [\"base\"]\nconfig.jwtSecret = { existing = { name = \"relay\" } }\n",
    );
    home.write("profiles/bom.toml", b"\xef\xbb\xbfextends = [\"base\"]\n");
    home.write("profiles/utf16.toml", b"\xff\xfee\0x\0t\0e\0n\0d\0s\0");
    let lines = [
        "build wrong",
        "build wrong --json",
        "build broken",
        "build orphan",
        "build itself",
        "build empty",
        "build secret",
        "build named",
        "build bom",
        "build utf16",
    ];
    snapshot("profile_mistakes", &home, &lines);
}
