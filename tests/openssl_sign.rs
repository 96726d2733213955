//! Interoperability with stock tools: they verify our signatures, and we accept theirs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/carried.rs"]
mod carried;
#[path = "cli/env.rs"]
mod env;
#[path = "openssl_sign/images.rs"]
mod images;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/tar.rs"]
mod tar;
#[path = "support/tar_records.rs"]
mod tar_records;
#[path = "support/tools.rs"]
mod tools;

use std::path::PathBuf;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use env::TestEnv;
use keys::{attestation_of, signed, write_pair};
use relay_bundle::bundle::layout::ATTESTATION;
use relay_bundle::trust::key::{PrivateKey, PublicKey};
use tools::find;

const TERMS: [&str; 4] = ["--serial", "7", "--issued", "2026-01-02T03:04:05Z"];
const SIGN: [&str; 8] =
    ["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "payload.bin", "-out"];

/// An environment with an archive, an entry, a key of ours, and a key of OpenSSL.
struct Home {
    env: TestEnv,
    ours: PrivateKey,
    theirs: PublicKey,
    entry: Utf8PathBuf,
    openssl: PathBuf,
}

fn home() -> Option<Home> {
    let openssl = find("openssl", "openssl")?;
    let env = TestEnv::new();
    let entry = env.build(&["web", "--archive", "web.tar"]);
    let ours = write_pair(env.path(), "ours", 1);
    run(&env, &openssl, &["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    run(&env, &openssl, &["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub.pem"]);
    let theirs =
        PublicKey::from_pem(&fs_err::read_to_string(env.path().join("key.pub.pem")).unwrap())
            .unwrap();
    Some(Home { env, ours, theirs, entry, openssl })
}

#[track_caller]
fn run(env: &TestEnv, program: &PathBuf, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(env.path()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn external_key_signs_with_openssl_alone() {
    let Some(Home { env, theirs, entry, openssl, .. }) = home() else { return };
    let archive = env.path().join("web.tar");
    let before = fs_err::read(&archive).unwrap();

    let written = env.ok(&[&["sign", "web.tar", "--payload", "payload.bin"], &TERMS[..]].concat());
    assert_eq!((written.as_str(), fs_err::read(&archive).unwrap()), ("payload.bin\n", before));
    run(&env, &openssl, &[&SIGN[..], &["payload.sig"]].concat());
    run(&env, &openssl, &["base64", "-in", "payload.sig", "-out", "payload.b64"]);
    let attach = |bundle: &str, signature: &str| {
        let attach = ["sign", bundle, "--attach", signature, "--public-key", "key.pub.pem"];
        env.ok(&[&attach[..], &["--payload", "payload.bin"]].concat());
    };
    attach("web.tar", "payload.sig");
    attach("@web", "payload.b64");

    let envelope =
        relay_bundle::trust::envelope::Envelope::parse(&attestation_of(&archive)).unwrap();
    assert_eq!(envelope.signed_bytes(), fs_err::read(env.path().join("payload.bin")).unwrap());
    assert!(theirs.verifies(&envelope.signed_bytes(), &envelope.signatures()[&theirs.id()]));
    assert_eq!(attestation_of(&archive), attestation_of(&entry));
}

#[test]
fn signers_here_and_elsewhere_sign_one_statement() {
    let Some(Home { env, ours, theirs, openssl, .. }) = home() else { return };
    env.ok(&[&["sign", "web.tar", "--key", "ours.pem"], &TERMS[..]].concat());

    env.ok(&["sign", "web.tar", "--payload", "payload.bin"]);
    run(&env, &openssl, &[&SIGN[..], &["payload.sig"]].concat());
    env.ok(&["sign", "web.tar", "--attach", "payload.sig", "--public-key", "key.pub.pem"]);

    let report = env.run(&["sign", "web.tar", "--key", "ours.pem", "--json"]).json();
    let ids = [ours.public().id(), theirs.id()];
    assert!(
        ids.iter().all(|id| report["signers"].as_array().unwrap().contains(&id.to_string().into())),
        "{report}"
    );
    assert_eq!(report["serial"], 7);
}

#[test]
fn signature_of_other_content_or_key_is_not_attached() {
    let Some(Home { env, openssl, .. }) = home() else { return };
    let archive = env.path().join("web.tar");
    let before = fs_err::read(&archive).unwrap();
    let attach = |signature: &str, key: &str, more: &[&str]| {
        env.run(&[&["sign", "web.tar", "--attach", signature, "--public-key", key], more].concat())
    };
    env.ok(&[&["sign", "web.tar", "--payload", "payload.bin"], &TERMS[..]].concat());
    run(&env, &openssl, &[&SIGN[..], &["good.sig"]].concat());
    // A raw signature of the statement, without the pre-authentication encoding of DSSE.
    let payload = fs_err::read(env.path().join("payload.bin")).unwrap();
    let statement = payload.splitn(5, |byte| *byte == b' ').last().unwrap();
    fs_err::write(env.path().join("statement.json"), statement).unwrap();
    run(
        &env,
        &openssl,
        &[
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            "key.pem",
            "-in",
            "statement.json",
            "-out",
            "raw.sig",
        ],
    );
    fs_err::write(env.path().join("other.bin"), [&payload[..], b" "].concat()).unwrap();
    fs_err::write(env.path().join("short.sig"), [0; 63]).unwrap();

    let with = |file: &'static str| ["--payload", file];
    for (signature, key, more, code, why) in [
        ("raw.sig", "key.pub.pem", &with("payload.bin")[..], 3, "is not valid for this statement"),
        ("good.sig", "ours.pub.pem", &with("payload.bin"), 3, "is not valid for this statement"),
        ("good.sig", "key.pub.pem", &with("other.bin"), 2, "was not written by `sign --payload`"),
        (
            "good.sig",
            "key.pub.pem",
            &with("statement.json"),
            2,
            "was not written by `sign --payload`",
        ),
        ("good.sig", "key.pub.pem", &[], 2, "--payload FILE"),
        (
            "good.sig",
            "key.pub.pem",
            &["--payload", "payload.bin", "--serial", "8"],
            2,
            "has the serial 7",
        ),
        ("short.sig", "key.pub.pem", &with("payload.bin"), 2, "is not a signature"),
        ("none.sig", "key.pub.pem", &with("payload.bin"), 2, "none.sig"),
        ("good.sig", "good.sig", &with("payload.bin"), 2, "is not a public key"),
    ] {
        let ran = attach(signature, key, more);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (code, ""),
            "{signature} {key} {more:?}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(why), "{signature} {key} {more:?}: {}", ran.stderr);
        assert_eq!(fs_err::read(&archive).unwrap(), before);
    }
    env.build(&["web", "--set", "replicaCount=2", "--archive", "web.tar"]);
    let other_bundle = attach("good.sig", "key.pub.pem", &with("payload.bin"));
    assert_eq!(other_bundle.code, 3);
    assert!(other_bundle.stderr.contains("is for another bundle"), "{}", other_bundle.stderr);
}

#[test]
fn payload_of_other_statement_than_existing_needs_reseal() {
    let Some(Home { env, ours, theirs, openssl, .. }) = home() else { return };
    env.ok(&["sign", "web.tar", "--payload", "payload.bin"]);
    run(&env, &openssl, &[&SIGN[..], &["payload.sig"]].concat());
    env.ok(&[&["sign", "web.tar", "--key", "ours.pem"], &TERMS[..]].concat());
    let attach = [
        "sign",
        "web.tar",
        "--attach",
        "payload.sig",
        "--public-key",
        "key.pub.pem",
        "--payload",
        "payload.bin",
    ];

    let refused = env.run(&attach);
    assert_eq!((refused.code, signed(&env.path().join("web.tar"), &[&ours]).1.len()), (2, 1));
    let resealed = env.run(&[&attach[..], &["--reseal", "--json"]].concat());

    assert!(
        refused.stderr.contains("not the statement of the bundle")
            && refused.stderr.contains("--reseal"),
        "{}",
        refused.stderr
    );
    assert_eq!(resealed.json()["signers"], serde_json::json!([theirs.id()]));
    assert!(resealed.stderr.contains(&format!("discards the signature of {}", ours.public().id())));
}

#[test]
fn payload_is_not_written_over_files_or_into_bundle() {
    let Some(Home { env, entry, .. }) = home() else { return };
    let before = fs_err::read(env.path().join("web.tar")).unwrap();
    let inside = entry.join("payload.bin");
    for (bundle, path, why) in [
        ("web.tar", "web.tar", "was not written by `sign --payload`"),
        ("web.tar", "ours.pem", "was not written by `sign --payload`"),
        ("web.tar", "profiles", "not a regular file"),
        ("@web", inside.as_str(), "inside the bundle"),
        ("bundles/web", inside.as_str(), "inside the bundle"),
    ] {
        let ran = env.run(&["sign", bundle, "--payload", path]);
        assert_eq!(ran.code, 2, "{path}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{path}: {}", ran.stderr);
    }
    assert_eq!(fs_err::read(env.path().join("web.tar")).unwrap(), before);
    assert!(!inside.exists());
    env.ok(&["sign", "web.tar", "--payload", "payload.bin"]);
    env.ok(&["sign", "web.tar", "--payload", "payload.bin"]);
}

// --- docs/verify.sh ---

/// A shell, and the folder with its tools.
struct Shell {
    name: &'static str,
    command: Vec<PathBuf>,
    path: Utf8PathBuf,
}

/// Returns dash with the machine's tools, and busybox with only its own and openssl.
fn shells(home: &Home) -> Vec<Shell> {
    let mut shells = Vec::new();
    if let Some(dash) = find("dash", "dash") {
        shells.push(Shell {
            name: "dash",
            command: vec![dash],
            path: "/usr/local/bin:/usr/bin:/bin".into(),
        });
    }
    if let Some(busybox) = find("busybox", "busybox") {
        let tools = home.env.path().join("busybox");
        fs_err::create_dir(&tools).unwrap();
        let applets = [
            "base64",
            "cat",
            "cmp",
            "cut",
            "dd",
            "find",
            "grep",
            "head",
            "mkdir",
            "mktemp",
            "rm",
            "sed",
            "sha256sum",
            "sort",
            "tail",
            "tar",
            "tr",
            "wc",
        ];
        for applet in applets {
            fs_err::os::unix::fs::symlink(&busybox, tools.join(applet)).unwrap();
        }
        fs_err::os::unix::fs::symlink(&home.openssl, tools.join("openssl")).unwrap();
        shells.push(Shell { name: "busybox", command: vec![busybox, "sh".into()], path: tools });
    }
    shells
}

fn verify(env: &TestEnv, shell: &Shell, bundle: &str, keys: &[&str]) -> Output {
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.sh");
    let mut command = Command::new(&shell.command[0]);
    command.args(&shell.command[1..]).arg(script).arg(bundle).args(keys);
    command.current_dir(env.path()).env_clear().env("PATH", &shell.path).output().unwrap()
}

#[test]
fn shell_script_verifies_signed_bundle() {
    let Some(home) = home() else { return };
    let env = &home.env;
    env.ok(&[&["sign", "@web", "--key", "ours.pem"], &TERMS[..]].concat());
    env.ok(&["sign", "@web", "--key", "key.pem"]);
    env.ok(&["build", "web", "--archive", "web.tar"]);
    let content_id = signed(&home.entry, &[&home.ours, &key_of(env)]).0.content_id;
    for shell in shells(&home) {
        for bundle in ["web.tar", "bundles/web"] {
            for keys in [&["ours.pub.pem"][..], &["key.pub.pem", "ours.pub.pem"]] {
                let output = verify(env, &shell, bundle, keys);
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let complaint = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{} {bundle} {keys:?}: {complaint}", shell.name);
                assert!(said.contains(&format!("content id sha256:{content_id}")), "{said}");
                assert_eq!(said.matches("signed by ").count(), keys.len(), "{said}");
                assert!(said.contains("\"serial\":7"), "{said}");
            }
        }
    }
}

fn key_of(env: &TestEnv) -> PrivateKey {
    PrivateKey::from_pem(&fs_err::read(env.path().join("key.pem")).unwrap(), None).unwrap()
}

#[test]
fn shell_script_refuses_content_altered_in_transit() {
    let Some(home) = home() else { return };
    let env = &home.env;
    env.ok(&[&["sign", "@web", "--key", "ours.pem"], &TERMS[..]].concat());
    env.ok(&["build", "web", "--archive", "web.tar"]);
    let good = fs_err::read(env.path().join("web.tar")).unwrap();
    let archive = |name: &str, from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        let bytes = [&good[..at], to, &good[at + from.len()..]].concat();
        fs_err::write(env.path().join(name), bytes).unwrap();
    };
    let folder = |name: &str| {
        let status = Command::new("cp")
            .args(["-R", home.entry.as_str(), name])
            .current_dir(env.path())
            .status();
        assert!(status.unwrap().success());
        env.path().join(name)
    };
    archive("manifest.tar", b"kind: Service\n", b"kind: Serviee\n");
    archive("sums.tar", b"  bundle.json\n", b"  bundle.jsom\n");
    archive("payload.tar", b"{\"payload\":\"eyJ", b"{\"payload\":\"eyK");
    archive("signature.tar", b"\"sig\":\"", b"\"sig\":\"A");
    fs_err::write(env.path().join("short.tar"), &good[..good.len() / 2]).unwrap();
    fs_err::write(folder("extra").join("manifests/99-x.yaml"), "kind: Pod\n").unwrap();
    fs_err::remove_file(folder("missing").join("manifests/07-svc-relay-claude-relay.yaml"))
        .unwrap();
    let linked = folder("linked").join("recipe.json");
    fs_err::rename(&linked, env.path().join("recipe.json")).unwrap();
    fs_err::os::unix::fs::symlink("../recipe.json", linked).unwrap();
    fs_err::remove_file(folder("unsigned").join(ATTESTATION)).unwrap();
    fs_err::write(folder("altered").join("recipe.json"), "{}").unwrap();
    for shell in shells(&home) {
        for bundle in [
            "manifest.tar",
            "sums.tar",
            "payload.tar",
            "signature.tar",
            "short.tar",
            "extra",
            "missing",
            "linked",
            "unsigned",
            "altered",
        ] {
            let output = verify(env, &shell, bundle, &["ours.pub.pem"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{} {bundle}: {said}", shell.name);
            assert!(said.contains("NOT TRUSTED"), "{} {bundle}: {said}", shell.name);
            assert!(
                !said.contains(": OK") && output.stdout.is_empty(),
                "{} {bundle}: {said}",
                shell.name
            );
        }
        let other = verify(env, &shell, "web.tar", &["ours.pub.pem", "key.pub.pem"]);
        assert_eq!(other.status.code(), Some(3), "{}", shell.name);
        assert!(String::from_utf8_lossy(&other.stderr).contains("key.pub.pem"), "{}", shell.name);
        assert_eq!(verify(env, &shell, "web.tar", &[]).status.code(), Some(2), "{}", shell.name);
        assert_eq!(
            verify(env, &shell, "none.tar", &["ours.pub.pem"]).status.code(),
            Some(2),
            "{}",
            shell.name
        );
    }
}

/// Runs a program of the system in a folder of the test.
fn make(env: &TestEnv, line: &str) {
    let status =
        Command::new("/bin/sh").args(["-euc", line]).current_dir(env.path()).status().unwrap();
    assert!(status.success(), "{line}");
}

/// Changes the statement in the folder `files` by sed's command `$change`, and signs it again.
const RESIGN: &str = r#"
    type=application/vnd.in-toto+json
    sed 's/.*"payload":"\([^"]*\)".*/\1/' files/attestation.dsse.json | base64 -d | sed "$change" >payload
    { printf 'DSSEv1 %d %s %d ' ${#type} $type $(wc -c <payload); cat payload; } >signed
    openssl pkeyutl -sign -rawin -inkey ours.pem -in signed -out sig
    keyid=$(sed 's/.*"keyid":"\([0-9a-f]*\)".*/\1/' files/attestation.dsse.json)
    printf '{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}' \
        "$(base64 -w0 payload)" $type $keyid "$(base64 -w0 sig)" >files/attestation.dsse.json
"#;

#[test]
fn shell_script_refuses_archives_of_other_form() {
    let Some(home) = home() else { return };
    let env = &home.env;
    env.ok(&[&["sign", "@web", "--key", "ours.pem"], &TERMS[..]].concat());
    env.ok(&["build", "web", "--archive", "web.tar"]);
    make(env, "mkdir files; tar -xf web.tar -C files");
    let pack = |name: &str, options: &str| {
        let same = "--mode=0644 --owner=:0 --group=:0 --mtime=@0 -b 1";
        let files = "attestation.dsse.json SHA256SUMS $(cut -c67- SHA256SUMS)";
        make(env, &format!("cd files; tar {same} {options} -cf ../{name}.tar {files}"));
    };
    pack("owner", "--format=ustar --owner=root:1");
    pack("time", "--format=ustar --mtime=@1");
    pack("gnu", "--format=gnu");
    pack("extended", "--format=pax --pax-option=comment=a");
    pack("global", "--format=pax --pax-option=globexthdr.name=a,comment:=a");
    let good = fs_err::read(env.path().join("web.tar")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs_err::write(env.path().join(name), bytes).unwrap();
    write("behind.tar", &[&good[..], b"x"].concat());
    write("zeros.tar", &[&good[..], &[0; 512]].concat());
    write("cut.tar", &good[..good.len() - 512]);
    let mut padded = good.clone();
    let end = good.len() - 1025;
    assert_eq!(padded[end], 0);
    padded[end] = b'x';
    write("padding.tar", &padded);
    for shell in shells(&home) {
        assert!(
            verify(env, &shell, "web.tar", &["ours.pub.pem"]).status.success(),
            "{}",
            shell.name
        );
        for name in
            ["owner", "time", "gnu", "extended", "global", "behind", "zeros", "cut", "padding"]
        {
            let output = verify(env, &shell, &format!("{name}.tar"), &["ours.pub.pem"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{} {name}: {said}", shell.name);
            assert!(output.stdout.is_empty(), "{} {name}", shell.name);
        }
    }
}

#[test]
fn shell_script_accepts_names_special_to_other_programs() {
    let Some(home) = home() else { return };
    let env = &home.env;
    env.ok(&[&["sign", "@web", "--key", "ours.pem"], &TERMS[..]].concat());
    env.ok(&["build", "web", "--archive", "web.tar"]);
    make(
        env,
        "cp web.tar host:web.tar; cp web.tar ./-d.tar; cp -R bundles/web/ ./-folder; cp ours.pub.pem a:b.pem",
    );
    for shell in shells(&home) {
        for bundle in ["host:web.tar", "-d.tar", "-folder"] {
            let output = verify(env, &shell, bundle, &["a:b.pem"]);
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {bundle}: {complaint}", shell.name);
        }
    }
}

#[test]
fn shell_script_writes_no_more_than_signed_content() {
    let Some(home) = home() else { return };
    let env = &home.env;
    env.ok(&[&["sign", "@web", "--key", "ours.pem"], &TERMS[..]].concat());
    env.ok(&["build", "web", "--archive", "web.tar"]);
    make(env, "gzip <web.tar >gzip.tar; mkdir files; tar -xf web.tar -C files");
    // 64 MiB of zeros in a few KiB: in a file that is read before any signature, and in one that is
    // unpacked.
    make(env, "cp -R files first; truncate -s 64M first/attestation.dsse.json");
    make(env, "cp -R files later; truncate -s 64M later/recipe.json");
    let pack = "tar --sparse --format=gnu --mode=0644 -cf ../$1.tar attestation.dsse.json SHA256SUMS $(cut -c67- SHA256SUMS)";
    make(env, &format!("for name in first later; do set -- $name; (cd $1; {pack}); done"));
    make(env, "[ $(wc -c <later.tar) -lt 1000000 ]; mkdir work");
    for shell in shells(&home) {
        for bundle in ["gzip.tar", "first.tar", "later.tar"] {
            let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.sh");
            let mut command = Command::new("/bin/sh");
            // A signal ends the script if it writes a file of more than 8 MiB.
            command.args(["-c", "ulimit -f 16384; \"$@\"", "sh"]).args(&shell.command);
            command.args([script.as_str(), bundle, "ours.pub.pem"]).current_dir(env.path());
            let output = command.env_clear().env("PATH", &shell.path).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{} {bundle}: {said}", shell.name);
            assert!(said.contains("NOT TRUSTED"), "{} {bundle}: {said}", shell.name);
            assert!(!said.contains("damaged"), "{} {bundle}: {said}", shell.name);
        }
    }
}

#[test]
fn shell_script_refuses_statement_with_terminal_escapes() {
    let Some(home) = home() else { return };
    let env = &home.env;
    env.ok(&[&["sign", "@web", "--key", "ours.pem"], &TERMS[..]].concat());
    env.ok(&["build", "web", "--archive", "web.tar"]);
    make(env, "mkdir files; tar -xf web.tar -C files");
    let shells = shells(&home);
    for (site, wanted) in
        [("plant-7", None), (r"\\\\033[2J", Some(3)), ("$(printf '\\033')", Some(3))]
    {
        let change = format!("change='s/\"sites\":\\[[^]]*\\]/\"sites\":[\"'\"{site}\"'\"]/'");
        make(env, &format!("{change}\n{RESIGN}"));
        for shell in &shells {
            let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.sh");
            let mut command = Command::new(&shell.command[0]);
            command.args(&shell.command[1..]).args([script.as_str(), "files", "ours.pub.pem"]);
            let output = command
                .current_dir(env.path())
                .env_clear()
                .env("PATH", &shell.path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(wanted.unwrap_or(0)),
                "{} {site}: {said}",
                shell.name
            );
            assert!(!output.stdout.contains(&0x1b), "{} {site}", shell.name);
        }
    }
}

// --- cosign ---

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the program under test is that of the machine, if it has one"
)]
fn cosign_verifies_what_we_sign() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("cosign"))
        .find(|file| file.is_file());
    let Some(cosign) = found else {
        // Skipped in CI too: only newer Debian releases have it.
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: cosign not found\n").unwrap();
        return;
    };
    let env = TestEnv::new();
    write_pair(env.path(), "ours", 1);
    let entry = env.build(&["web", "--key", "ours.pem"]);
    let key = env.path().join("ours.pub.pem");

    let mut command = Command::new(cosign);
    command.args(["verify-blob-attestation", "--key", key.as_str(), "--signature", ATTESTATION]);
    command.args([
        "--type",
        "urn:relay-bundle:bundle:v1",
        "--insecure-ignore-tlog=true",
        "SHA256SUMS",
    ]);
    let output = command.current_dir(&entry).env_clear().env("HOME", env.path()).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
