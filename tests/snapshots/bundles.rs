//! Commands that read, write and remove bundles.

use crate::scene;
use crate::transcript::{Transcript, snapshot};

#[test]
fn inspect_is_as_saved() {
    let lines = ["inspect web.tar", "inspect dev"];
    snapshot("inspect", &scene::operator(), &lines);
    snapshot("inspect_json", &scene::operator(), &["inspect web.tar --json"]);
}

/// Invalid arguments in place of a bundle.
const NO_BUNDLES: [&str; 14] = [
    "",
    "wbe",
    "@wbe",
    "@0",
    "wbe.tar",
    "./web",
    "web.tar.gz",
    "web.tgz",
    "text.tar",
    "empty.tar",
    "altered.tar",
    "cut.tar",
    "folder",
    "folder/",
];

#[test]
fn mistakes_with_bundles_are_as_saved() {
    let home = scene::operator();
    scene::write_gzipped(&home, "web.tar.gz");
    scene::write_gzipped(&home, "web.tgz");
    home.write("text.tar", "This is a text.\n".repeat(100));
    home.write("empty.tar", "");
    scene::flip(&home, "web.tar", "altered.tar", 9000);
    let archive = fs_err::read(home.path().join("web.tar")).unwrap();
    home.write("cut.tar", &archive[..20_000]);
    fs_err::create_dir(home.path().join("folder")).unwrap();
    let mut seen = Transcript::new(&home);
    for name in NO_BUNDLES {
        seen.run(&format!("inspect {name}"));
    }
    seen.run("inspect altered.tar --json");
    seen.run("inspect web.tar dev");
    seen.run("inspect @web --store nowhere");
    scene::unpack(&home, "unpacked");
    seen.run("diff unpacked");
    seen.run_counted("inspect web.tar --set replicaCount=2");
    seen.run("inspect typo");
    seen.snapshot("inspect_mistakes");
}

#[test]
fn diff_is_as_saved() {
    let home = scene::operator();
    let mut seen = Transcript::new(&home);
    seen.run("diff web");
    seen.run("diff web.tar web");
    seen.run("diff web.tar web --set replicaCount=2");
    seen.run("diff web.tar web --set config.logLevel=info");
    seen.run("diff web.tar web --set 'config.logLevel=\"info\"' --quiet");
    seen.run("diff web dev");
    seen.run("diff web warned --quiet");
    let text = "extends = [\"base\"]\nredis.auth.enabled = true\nreplicaCount = 3\n";
    home.write_profile("web", text);
    seen.run("diff web");
    seen.snapshot("diff");
}

#[test]
fn diff_as_json_is_as_saved() {
    let home = scene::operator();
    snapshot("diff_json", &home, &["diff web.tar web --json", "diff web.tar dev --json"]);
}

#[test]
fn mistakes_with_diff_are_as_saved() {
    let home = scene::operator();
    let lines = [
        "diff",
        "diff dev",
        "diff web.tar",
        "diff web.tar nosuch.tar",
        "diff web wbe",
        "diff web dev base",
        "diff typo web",
        "diff web.tar --live",
        "diff web dev --live",
        "diff web --kubeconfig x",
    ];
    snapshot("diff_mistakes", &home, &lines);
}

#[test]
fn images_are_as_saved() {
    let home = scene::locked_images();
    let lines = [
        "images web",
        "images web --json",
        "images web --mirror",
        "images tiny",
        "build tiny --archive all.tar --images all --quiet",
        "images all.tar",
        "images all.tar --json",
        "images tiny --mirror",
        "images",
        "images wbe",
        "images nosuch.tar",
        "images typo",
    ];
    snapshot("images", &home, &lines);
}

#[test]
fn rbac_is_as_saved() {
    let home = scene::operator();
    let lines = [
        "rbac web.tar",
        "rbac web --service-account ci:deployer --quiet",
        "rbac web --json",
        "rbac",
        "rbac wbe",
        "rbac web --service-account deployer",
        "rbac web dev --set replicaCount=2 --quiet --deny-warnings --json",
    ];
    snapshot("rbac", &home, &lines);
}

#[test]
fn pack_is_as_saved() {
    let home = scene::operator();
    fs_err::create_dir(home.path().join("folder")).unwrap();
    scene::flip(&home, "web.tar", "altered.tar", 9000);
    let lines = [
        "pack @web packed.tar",
        "pack @web packed.tar --json",
        "pack web.tar again.tar --quiet",
        "pack",
        "pack web.tar",
        "pack web x.tar",
        "pack @wbe x.tar",
        "pack nosuch.tar x.tar",
        "pack altered.tar x.tar",
        "pack folder/ x.tar",
        "pack @web folder",
        "pack @web nowhere/x.tar",
        "pack @web x.tar --images all",
        "pack - x.tar",
    ];
    snapshot("pack", &home, &lines);
}

#[test]
fn store_gc_is_as_saved() {
    let home = scene::locked_images();
    home.write("file", "");
    let lines = [
        "gc",
        "build web --quiet",
        "build web --set replicaCount=2 --quiet",
        "build tiny --quiet",
        "gc --dry-run",
        "gc --dry-run --json",
        "gc",
        "gc",
        "gc --json",
        "gc --blobs --dry-run",
        "gc --store nowhere",
        "gc --store file",
        "gc bundles",
        "gc --dry-rnu",
        "gc --live --blobs",
        "gc --namespace relay",
    ];
    snapshot("gc", &home, &lines);
}
