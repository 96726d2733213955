//! Profiles, keys, policies, bundles and archives as input of the commands.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use relay_bundle::fsio::MODE_PRIVATE;
use relay_bundle::trust::statement::Predicate;
use walkdir::WalkDir;

use crate::carried::{Images, PROFILE, SOURCE, TINY, image::Format, image::Image, lock, locked};
use crate::env::TestEnv;
use crate::sealing::{SITE, key, policy, policy_grant, policy_key};
use crate::tar::BLOCK;

/// A profile with mistakes of several kinds.
const WRONG: &str = "\
extends = [\"base\"]
[config]
logLevle = \"debug\"
port = 80
[ingress]
enabled = \"yes\"
";
/// A profile with one mistake.
const TYPO: &str = "extends = [\"web\"]\nconfig.logLevle = \"debug\"\n";
/// A profile with a warning.
const WARNED: &str = "\
extends = [\"web\"]
[image]
tag = \"latest\"
digest = \"\"
";

/// Returns the profiles of all tests, with modes that do not depend on the umask.
pub(crate) fn home() -> TestEnv {
    let home = TestEnv::new();
    for item in WalkDir::new(home.path()) {
        let item = item.unwrap();
        let mode = if item.file_type().is_dir() { 0o755 } else { 0o644 };
        fs_err::set_permissions(item.path(), Permissions::from_mode(mode)).unwrap();
    }
    home
}

/// Returns the profiles of all tests, two with mistakes and one with a warning.
pub(crate) fn profiles() -> TestEnv {
    let home = home();
    home.write_profile("typo", TYPO);
    home.write_profile("wrong", WRONG);
    home.write_profile("warned", WARNED);
    home
}

/// Writes the pair of `builder` as `signing.pem` and `signing.pub.pem`.
pub(crate) fn write_keys(home: &TestEnv, file: &str, holder: &str) {
    let key = key(holder);
    write_private(home, &format!("{file}.pem"), key.to_pem().as_bytes());
    home.write(&format!("{file}.pub.pem"), key.public().to_pem());
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(home: &TestEnv, name: &str, content: &[u8]) {
    let path = home.write(name, content);
    fs_err::set_permissions(path, Permissions::from_mode(MODE_PRIVATE)).unwrap();
}

/// Writes an unsigned bundle as a folder.
pub(crate) fn unpack(home: &TestEnv, name: &str) {
    let entry = home.build(&["web"]);
    fs_err::rename(entry, home.path().join(name)).unwrap();
}

/// Writes a file that starts like a compressed archive.
pub(crate) fn write_gzipped(home: &TestEnv, name: &str) {
    home.write(name, [b"\x1f\x8b\x08".as_slice(), &[0; 2 * BLOCK]].concat());
}

/// Returns the profiles, and the keys of the builder and of a stranger.
pub(crate) fn builder() -> TestEnv {
    let home = profiles();
    write_keys(&home, "signing", "builder");
    write_keys(&home, "stranger", "stranger");
    home
}

/// Returns the files of an operator: `trust.toml`, and `web.tar` with serial 42, issued now.
pub(crate) fn operator() -> TestEnv {
    let home = builder();
    home.trust_builder();
    seal(&home, "web.tar", |_| {});
    home
}

/// Writes an archive with serial 42; `edit` changes the predicate before it is signed.
pub(crate) fn seal(home: &TestEnv, file: &str, edit: impl FnOnce(&mut Predicate)) {
    home.seal(file, &["builder"], |predicate| {
        predicate.serial = 42;
        edit(predicate);
    });
}

/// Writes a policy for the site, with more lines in the key, the grant and at the end.
pub(crate) fn write_policy(home: &TestEnv, file: &str, [in_key, in_grant, end]: [&str; 3]) {
    let head = format!("[target]\nsite = \"{SITE}\"\n[policy]\nmaxAgeDays = 180");
    let parts =
        [policy_key("builder", in_key), policy_grant(&["builder"], 1, in_grant), end.to_owned()];
    home.write(file, policy(&head, &parts));
}

/// Changes one byte of a file.
pub(crate) fn flip(home: &TestEnv, from: &str, to: &str, at: usize) {
    let mut bytes = fs_err::read(home.path().join(from)).unwrap();
    bytes[at] ^= 1;
    home.write(to, bytes);
}

/// Returns a profile whose image is locked, and the image in the store.
pub(crate) fn locked_images() -> TestEnv {
    locked_images_for("registry.example.internal:5000")
}

/// Returns a profile with one image, which is not locked.
pub(crate) fn one_image() -> TestEnv {
    let home = builder();
    home.write(&format!("profiles/{PROFILE}.toml"), TINY);
    home
}

/// Returns a profile whose image is locked and comes from this registry, and the image in the
/// store.
pub(crate) fn locked_images_for(registry: &str) -> TestEnv {
    let home = builder();
    let image = Image::tiny(Format::Oci);
    let text = format!("images.registry = \"{registry}\"\n{TINY}");
    home.write(&format!("profiles/{PROFILE}.toml"), text);
    lock(&home.path().join("profiles"), locked(&image));
    Images::of(&[(SOURCE, &image)]).store(&home.path().join("bundles"));
    home
}
