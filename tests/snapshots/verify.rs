//! `verify`: trusted bundles, refused ones, and mistakes.

use crate::scene;
use crate::sealing::{SITE, days_from_now};
use crate::tar::BLOCK;
use crate::transcript::{Transcript, snapshot};

#[test]
fn trusted_bundles_are_as_saved() {
    let home = scene::operator();
    scene::seal(&home, "soon.tar", |predicate| predicate.expires = Some(days_from_now(3)));
    let mut seen = Transcript::new(&home);
    for line in [
        "verify web.tar --trust trust.toml",
        "verify web.tar --trust trust.toml --quiet",
        "verify web.tar --key signing.pub.pem",
        "verify soon.tar --trust trust.toml",
        "verify web.tar --trust trust.toml --record",
        "verify web.tar --trust trust.toml --record",
        "verify @web --trust trust.toml --quiet",
        "verify web.tar --trust trust.toml --rebuild web",
        "verify web.tar --trust trust.toml --rebuild dev",
    ] {
        seen.run(line);
    }
    seen.run_from("web.tar", "verify - --trust trust.toml");
    seen.run_counted("verify web.tar --trust trust.toml --emit --secrets-exist");
    seen.run("verify web.tar --trust trust.toml --emit");
    seen.run("verify web.tar --trust trust.toml --at 2015-01-02T03:04:05Z");
    seen.snapshot("verify");
}

#[test]
fn trusted_bundles_as_json_are_as_saved() {
    let home = scene::operator();
    let lines =
        ["verify web.tar --trust trust.toml --json", "verify web.tar --key signing.pub.pem --json"];
    snapshot("verify_json", &home, &lines);
}

#[test]
fn verified_images_are_as_saved() {
    let home = scene::locked_images();
    for images in ["all", "none"] {
        let file = format!("{images}.tar");
        home.build(&["tiny", "--archive", &file, "--images", images, "--key", "signing.pem"]);
    }
    // The last file is one layer of one byte; the archive ends with two empty blocks.
    let end = fs_err::metadata(home.path().join("all.tar")).unwrap().len();
    scene::flip(&home, "all.tar", "altered.tar", usize::try_from(end).unwrap() - 3 * BLOCK);
    let lines = [
        "verify all.tar --key signing.pub.pem",
        "verify all.tar --key signing.pub.pem --images all --json",
        "verify none.tar --key signing.pub.pem",
        "verify none.tar --key signing.pub.pem --images all --store nowhere",
        "verify none.tar --key signing.pub.pem --images all --store nowhere --json",
        "verify altered.tar --key signing.pub.pem",
    ];
    snapshot("verify_images", &home, &lines);
}

#[test]
fn refused_bundles_are_as_saved() {
    let home = scene::operator();
    scene::flip(&home, "web.tar", "altered.tar", 9000);
    scene::flip(&home, "web.tar", "attestation.tar", 600);
    let archive = fs_err::read(home.path().join("web.tar")).unwrap();
    home.write("cut.tar", &archive[..20_000]);
    home.write("longer.tar", [&archive[..], &[0; 512]].concat());
    scene::write_gzipped(&home, "web.tar.gz");
    home.write("text.tar", "This is a text.\n".repeat(100));
    scene::seal(&home, "expired.tar", |predicate| {
        predicate.issued = days_from_now(-9);
        predicate.expires = Some(days_from_now(-2));
    });
    scene::seal(&home, "old.tar", |predicate| predicate.issued = days_from_now(-400));
    scene::seal(&home, "early.tar", |predicate| predicate.issued = days_from_now(2));
    scene::seal(&home, "elsewhere.tar", |predicate| {
        predicate.sites.insert("lab".parse().unwrap());
    });
    home.seal("stranger.tar", &["stranger"], |_| {});
    home.seal("both.tar", &["builder", "stranger"], |_| {});
    let entry = home.build(&["web"]);
    home.pack(&entry, "unsigned.tar", None);
    scene::seal(&home, "older.tar", |predicate| predicate.serial = 41);
    scene::write_policy(&home, "revoked.toml", ["status = \"revoked\"", "", ""]);
    scene::write_policy(&home, "retired.toml", ["status = \"retired\"", "", ""]);
    scene::write_policy(&home, "minimum.toml", ["", "minSerial = 100", ""]);
    scene::write_policy(&home, "late.toml", ["notAfter = \"2001-01-01T00:00:00Z\"", "", ""]);
    let mut seen = Transcript::new(&home);
    for file in [
        "altered.tar",
        "attestation.tar",
        "cut.tar",
        "longer.tar",
        "web.tar.gz",
        "text.tar",
        "expired.tar",
        "old.tar",
        "early.tar",
        "elsewhere.tar",
        "stranger.tar",
        "both.tar",
        "unsigned.tar",
    ] {
        seen.run(&format!("verify ./{file} --trust trust.toml"));
    }
    for policy in ["revoked.toml", "retired.toml", "minimum.toml", "late.toml"] {
        seen.run(&format!("verify web.tar --trust {policy}"));
    }
    seen.run("verify web.tar --key stranger.pub.pem");
    seen.run("verify web.tar --trust trust.toml --record --quiet");
    seen.run("verify older.tar --trust trust.toml");
    seen.run("verify altered.tar --trust trust.toml --json");
    seen.run("verify stranger.tar --trust trust.toml --json");
    seen.snapshot("verify_refusals");
}

#[test]
fn mistakes_with_verify_are_as_saved() {
    let home = scene::operator();
    home.write("open.toml", fs_err::read(home.path().join("trust.toml")).unwrap());
    crate::sealing::set_mode(&home.path().join("open.toml"), 0o666);
    home.write("broken.toml", "schema = \"relay-bundle/trust/v1\"\n[[key]\n");
    home.write(
        "unknown.toml",
        format!("schema = \"relay-bundle/trust/v1\"\n[target]\nsiet = \"{SITE}\"\n"),
    );
    scene::write_gzipped(&home, "web.tar.gz");
    fs_err::create_dir(home.path().join("folder")).unwrap();
    scene::unpack(&home, "unpacked");
    fs_err::copy(home.path().join("web.tar"), home.path().join("archive")).unwrap();
    let lines = [
        "verify",
        "verify web.tar",
        "verify --trust trust.toml",
        "verify web --trust trust.toml",
        "verify wbe --trust trust.toml",
        "verify @wbe --trust trust.toml",
        "verify nosuch.tar --trust trust.toml",
        "verify web.tar.gz --trust trust.toml",
        "verify folder --trust trust.toml",
        "verify unpacked --trust trust.toml",
        "verify archive --trust trust.toml",
        "verify folder/ --trust trust.toml",
        "verify web.tar --trust nosuch.toml",
        "verify web.tar --trust folder",
        "verify web.tar --trust broken.toml",
        "verify web.tar --trust unknown.toml",
        "verify web.tar --trust open.toml",
        "verify web.tar --trust signing.pub.pem",
        "verify web.tar --trust profiles/web.toml",
        "verify web.tar --key signing.pem",
        "verify web.tar --key trust.toml",
        "verify web.tar --key nosuch.pem",
        "verify web.tar --key signing.pub.pem --trust trust.toml",
        "verify web.tar --key signing.pub.pem --record",
        "verify web.tar --trust trust.toml --emit --json",
        "verify web.tar --trust trust.toml --images some",
        "verify web.tar --trust trust.toml --at yesterday",
        "verify web.tar --trust trust.toml --at 2015-01-02T03:04:05Z --record",
        "verify web.tar --trust trust.toml --state folder",
        "verify web.tar --trust trust.toml --state trust.toml",
        "verify web.tar --trust trust.toml --rebuild wbe",
        "verify web.tar --trust trust.toml --part nosuch",
        "verify web.tar --trust trust.toml --recrod",
        "verify web.tar dev.tar --trust trust.toml",
    ];
    snapshot("verify_mistakes", &home, &lines);
}
