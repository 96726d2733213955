//! `keygen` and `sign`.

use crate::scene;
use crate::terminal::Terminal;
use crate::transcript::{Transcript, snapshot};

#[test]
fn new_keys_are_as_saved() {
    let home = scene::profiles();
    home.write("file", "");
    scene::write_private(&home, "passphrase", b"correct horse battery staple\n");
    let lines = [
        "keygen",
        "keygen --out json.pem --holder build-desk --json",
        "keygen --out quiet.pem --quiet",
        "keygen --out secret.pem --passphrase-file passphrase",
        "keygen --public signing.pub.pem",
        "keygen --public signing.pem --holder build-desk --json",
        "keygen --public secret.pem --passphrase-file passphrase --quiet",
        "keygen",
        "keygen --out nowhere/key.pem",
        "keygen --out file/key.pem",
        "keygen --out key.pub.pem",
        "keygen --out x.pem --public signing.pem",
        "keygen --out x.pem --passphrase",
        "keygen --out x.pem --passphrase-file file",
        "keygen --out x.pem --holder \"\"",
        "keygen --public nosuch.pem",
        "keygen --public profiles/web.toml",
        "keygen --public secret.pem",
        "keygen signing.pem",
    ];
    snapshot("keygen", &home, &lines);
}

#[test]
fn new_keys_of_age_are_as_saved() {
    let home = scene::profiles();
    let lines = [
        "keygen --age",
        "keygen --age --out operator.key --json",
        "keygen --age --out quiet.key --quiet",
        "keygen --age --public age.key",
        "keygen --age --public age.key --json",
        "keygen --age",
        "keygen --age --holder builder",
        "keygen --age --passphrase",
        "keygen --age --public nosuch.key",
        "keygen --age --public profiles/web.toml",
        "keygen --public age.key",
    ];
    snapshot("keygen_age", &home, &lines);
}

#[test]
fn passphrases_on_terminal_are_as_saved() {
    let Some(terminal) = Terminal::find() else { return };
    let home = scene::profiles();
    let mut seen = Transcript::new(&home);
    let good = "correct horse battery staple";
    for (answers, line) in [
        (&[good, good][..], "--color never keygen --passphrase"),
        (&[good, "another"], "--color never keygen --passphrase --out other.pem"),
        (&["short"], "--color never keygen --passphrase --out short.pem"),
        (
            &[good],
            "--color never build web --key signing.pem --serial 7 --issued 2015-01-02T03:04:05Z",
        ),
        (&["wrong"], "--color never build web --key signing.pem"),
    ] {
        let mut ran = terminal.run(&home, answers, line);
        ran.stdout = ran.stdout.replace("\r\n", "\n");
        seen.add(&format!("relay-bundle {line}    # on a terminal"), &ran);
    }
    seen.snapshot("passphrases");
}

#[test]
fn signatures_are_as_saved() {
    let home = scene::builder();
    let lines = [
        "build web --archive web.tar --quiet",
        "sign web.tar --key signing.pem --serial 7 --issued 2015-01-02T03:04:05Z",
        "sign web.tar --key signing.pem",
        "sign web.tar --key stranger.pem --json",
        "sign web.tar --key signing.pem --reseal --site plant-7 --expires 30d",
        "sign @web --key signing.pem --quiet",
        "sign web.tar --payload payload.bin",
        "sign web.tar --payload payload.bin --json",
    ];
    snapshot("sign", &home, &lines);
}

#[test]
fn mistakes_with_sign_are_as_saved() {
    let home = scene::builder();
    scene::write_private(&home, "secret", b"correct horse battery staple\n");
    scene::write_private(&home, "wrong", b"incorrect horse\n");
    home.write("short.sig", "x");
    home.write("wrong.sig", [7; 64]);
    let mut seen = Transcript::new(&home);
    seen.run("build web --archive web.tar --quiet");
    seen.run("keygen --out secret.pem --passphrase-file secret --quiet");
    scene::flip(&home, "web.tar", "altered.tar", 9000);
    for line in [
        "sign",
        "sign web.tar",
        "sign web --key signing.pem",
        "sign @wbe --key signing.pem",
        "sign nosuch.tar --key signing.pem",
        "sign altered.tar --key signing.pem",
        "sign - --key signing.pem",
        "sign web.tar --key nosuch.pem",
        "sign web.tar --key signing.pub.pem",
        "sign web.tar --key secret.pem",
        "sign web.tar --key secret.pem --passphrase-file wrong",
        "sign web.tar --key secret.pem --passphrase-file nosuch",
        "sign web.tar --key secret.pem --passphrase-fd 99",
        "sign web.tar --key signing.pem --payload x",
        "sign web.tar --attach short.sig",
        "sign web.tar --attach short.sig --public-key signing.pub.pem",
        "sign web.tar --payload payload.bin --quiet",
        "sign web.tar --attach short.sig --public-key signing.pub.pem --payload payload.bin",
        "sign web.tar --attach wrong.sig --public-key signing.pub.pem --payload payload.bin",
        "sign web.tar --key signing.pem --serial 7 --quiet",
        "sign web.tar --key stranger.pem --serial 8",
    ] {
        seen.run(line);
    }
    seen.snapshot("sign_mistakes");
}
