//! Sealed secrets of profiles and bundles.

use crate::env::TestEnv;
use crate::scene::{self, write_private};
use crate::transcript::{Transcript, snapshot};

/// Key pairs for tests, without any other use.
const OPERATOR: (&str, &str) = (
    "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33",
    "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa",
);
const OTHER: &str = "AGE-SECRET-KEY-1XPQFKVTXE83K03X379DUXV64RWX0TQ5PWQA39KSFDFQ3KS2256CS99Q335";

/// Returns the profile `sealed`, whose recipient is the operator, a value, and identities in
/// several forms.
fn place() -> TestEnv {
    let home = scene::profiles();
    let text = format!(
        "extends = [\"web\"]\nrelease.sealRecipients = [\"{}\"]\n[config]\njwtSecret = {{ age = \
         \"secrets/jwt.age\" }}\nadminPassword = {{ age = \"secrets/admin.age\" }}\n",
        OPERATOR.1
    );
    home.write_profile("sealed", &text);
    write_private(&home, "value", b"n0t-a-Secret-but-long-enough-32c\n");
    write_private(&home, "short", b"x\n");
    write_private(&home, "key", format!("{}\n", OPERATOR.0).as_bytes());
    write_private(&home, "other", format!("{OTHER}\n").as_bytes());
    home.write("open", OPERATOR.0);
    home
}

const ENCRYPT: &str = "secrets encrypt sealed config.jwtSecret --value-file value";

#[test]
fn sealed_secrets_are_as_saved() {
    let home = place();
    let lines = [
        ENCRYPT,
        "secrets encrypt sealed config.adminPassword --value-file value --json",
        "secrets encrypt web config.jwtSecret --value-file value",
        "secrets check sealed",
        "secrets check sealed --json",
        "secrets check sealed --identity key",
        "secrets check sealed --identity key --json",
        "secrets check sealed --identity other",
        "secrets check web",
        "build sealed --archive sealed.tar",
        "secrets check sealed.tar --identity key --quiet",
        "images sealed --quiet",
    ];
    snapshot("secrets", &home, &lines);
}

#[test]
fn mistakes_with_secrets_are_as_saved() {
    let home = place();
    let mut seen = Transcript::new(&home);
    for line in [
        "secrets encrypt",
        "secrets encrypt sealed",
        "secrets encrypt wbe config.jwtSecret --value-file value",
        "secrets encrypt sealed config.jwtSecrte --value-file value",
        "secrets encrypt sealed config.logLevel --value-file value",
        "secrets encrypt sealed config.jwtSecret",
        "secrets encrypt sealed config.jwtSecret --value-file nosuch",
        "secrets encrypt sealed config.jwtSecret --value-file short",
        "secrets encrypt sealed config.jwtSecret --value-file value --recipient age1x",
        "secrets encrypt sealed config.jwtSecret --value p4ssw0rd",
        "secrets check sealed",
        "build sealed",
    ] {
        seen.run(line);
    }
    seen.run(&format!("{ENCRYPT} --quiet"));
    seen.run(ENCRYPT);
    seen.run(&format!("{ENCRYPT} --replace --quiet"));
    seen.snapshot("secrets_mistakes");
}

#[test]
fn mistakes_with_identities_are_as_saved() {
    let home = place();
    let utf16: Vec<u8> =
        OPERATOR.0.encode_utf16().flat_map(|unit| unit.to_le_bytes().into_iter()).collect();
    write_private(&home, "bom", &[b"\xef\xbb\xbf", OPERATOR.0.as_bytes()].concat());
    write_private(&home, "utf16", &[b"\xff\xfe".to_vec(), utf16].concat());
    write_private(&home, "empty", b"");
    write_private(&home, "public", OPERATOR.1.as_bytes());
    write_private(&home, "armoured", b"-----BEGIN AGE ENCRYPTED FILE-----\n");
    let mut seen = Transcript::new(&home);
    seen.run(&format!("{ENCRYPT} --quiet"));
    seen.run("secrets encrypt sealed config.adminPassword --value-file value --quiet");
    seen.run("secrets check");
    seen.run("secrets check wbe");
    for identity in ["nosuch", "open", "bom", "utf16", "empty", "public", "armoured", "profiles"] {
        seen.run(&format!("secrets check sealed --identity {identity}"));
    }
    scene::flip(&home, "profiles/secrets/jwt.age", "profiles/secrets/jwt.age", 20);
    seen.run("secrets check sealed");
    seen.run("secrets check sealed --json");
    seen.run("build sealed");
    seen.snapshot("identities");
}
