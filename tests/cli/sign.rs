//! `sign`: the signed statement, its place, and refusals.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8PathBuf;
use relay_bundle::bundle::layout::ATTESTATION;
use relay_bundle::model::digest::Digest;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PrivateKey;
use relay_bundle::trust::statement::{SERIAL_MAX, Statement};
use serde_json::json;

use crate::env::{Ran, TestEnv};
use crate::keys::{attestation_of, signed, write_pair};

/// A time long ago: any time of issue in the past is allowed.
const TERMS: [&str; 4] = ["--serial", "7", "--issued", "2026-01-02T03:04:05Z"];

/// The profile `web`, built as an entry of the store, a folder and an archive.
struct Bundles {
    env: TestEnv,
    a: PrivateKey,
    b: PrivateKey,
    entry: Utf8PathBuf,
    folder: Utf8PathBuf,
    archive: Utf8PathBuf,
}

impl Bundles {
    fn new() -> Self {
        let env = TestEnv::new();
        let entry = env.build(&["web", "--archive", "web.tar"]);
        let folder = env.path().join("folder/web");
        copy(&entry, &folder);
        let (a, b) = (write_pair(env.path(), "a", 1), write_pair(env.path(), "b", 2));
        Self { archive: env.path().join("web.tar"), a, b, entry, folder, env }
    }

    /// Returns the arguments by which `sign` finds them, and their paths.
    fn all(&self) -> [(&'static str, &Utf8PathBuf); 3] {
        [("@web", &self.entry), ("folder/web", &self.folder), ("web.tar", &self.archive)]
    }

    fn sign(&self, name: &str, key: &str, more: &[&str]) -> Ran {
        self.env.run(&[&["sign", name, "--key", key], more].concat())
    }

    #[track_caller]
    fn signs(&self, name: &str, key: &str, more: &[&str]) {
        let ran = self.sign(name, key, more);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    /// Asserts that the bundles' folders contain nothing else.
    #[track_caller]
    fn assert_nothing_is_left_over(&self) {
        for folder in ["folder", "bundles/.tmp", "."] {
            let folder = self.env.path().join(folder);
            let names =
                folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned());
            let odd: Vec<String> = names
                .filter(|name| name.contains("attestation") || name.starts_with(".web"))
                .collect();
            assert!(odd.is_empty(), "{folder}: {odd:?}");
        }
    }
}

fn copy(from: &Utf8PathBuf, to: &Utf8PathBuf) {
    fs_err::create_dir_all(to).unwrap();
    for item in from.read_dir_utf8().unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path().to_owned(), &target);
        } else {
            fs_err::copy(item.path(), target).unwrap();
        }
    }
}

#[test]
fn statement_describes_bundle_and_release_terms_of_signer() {
    let bundles = Bundles::new();
    for (name, path) in bundles.all() {
        let more = ["--expires", "30d", "--site", "plant-7", "--site", "lab", "--json"];

        let ran = bundles.sign(name, "a.pem", &[&TERMS[..], &more].concat());

        let (statement, signers) = signed(path, &[&bundles.a]);
        let (predicate, id) = (&statement.predicate, bundles.a.public().id());
        assert_eq!(signers, [id].into());
        assert_eq!(
            (predicate.serial, predicate.issued.to_string().as_str()),
            (7, "2026-01-02T03:04:05Z")
        );
        let report = ran.json();
        let wanted = json!({
            "schema": "relay-bundle/sign/v1", "path": report["path"], "contentId": format!("sha256:{}", statement.content_id),
            "bundle": "relay", "profile": "web", "namespace": "relay", "environment": "production",
            "files": predicate.files, "bytes": predicate.bytes, "serial": 7, "issued": "2026-01-02T03:04:05Z",
            "expires": "2026-02-01T03:04:05Z", "sites": ["lab", "plant-7"], "signers": [id], "signer": id,
        });
        assert_eq!(report, wanted);
        assert_eq!(
            bundles.env.path().join(report["path"].as_str().unwrap()).canonicalize().unwrap(),
            path.canonicalize().unwrap()
        );
        let inspected = bundles.env.run(&["inspect", name, "--json"]).json();
        assert_eq!(
            (&inspected["attested"], &inspected["contentId"]),
            (&json!(true), &wanted["contentId"])
        );
        assert_eq!(
            (&inspected["files"], &inspected["bytes"]),
            (&wanted["files"], &wanted["bytes"])
        );
    }
    bundles.assert_nothing_is_left_over();
}

#[test]
fn stdout_is_path_and_stderr_shows_content_before_key_is_read() {
    let bundles = Bundles::new();

    let ran = bundles.sign("web.tar", "a.pem", &TERMS);
    let without_key = bundles.sign("web.tar", "none.pem", &[]);

    assert_eq!(ran.stdout, "web.tar\n");
    let content_id = signed(&bundles.archive, &[&bundles.a]).0.content_id.to_string();
    for part in [
        &content_id,
        "relay, profile web",
        "namespace    relay",
        "serial       7",
        "any site",
        "2026-01-02T03:04:05Z",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(ran.stderr.ends_with(&format!(
        "signed by {}; the statement has 1 signature\n",
        bundles.a.public().id()
    )));
    assert_eq!(without_key.code, 2);
    assert!(without_key.stderr.contains(&content_id), "{}", without_key.stderr);
    assert_eq!(bundles.sign("web.tar", "b.pem", &["-q"]).stderr, "");
}

#[test]
fn signer_order_and_bundle_location_do_not_change_bytes() {
    let (one, other) = (Bundles::new(), Bundles::new());
    for ((name, path), (_, other_path)) in one.all().into_iter().zip(other.all()) {
        one.signs(name, "a.pem", &TERMS);
        one.signs(name, "b.pem", &[]);
        other.signs(name, "b.pem", &TERMS);
        other.signs(name, "a.pem", &TERMS);
        let again = other.sign(name, "a.pem", &[]);

        assert!(again.stderr.contains("was already signed by"), "{}", again.stderr);
        assert_eq!(attestation_of(path), attestation_of(other_path));
        assert_eq!(attestation_of(path), attestation_of(&one.entry));
        assert_eq!(signed(path, &[&one.a, &one.b]).1.len(), 2);
        for key in ["a.pub.pem", "b.pub.pem"] {
            one.env.ok(&["verify", path.as_str(), "--key", key]);
        }
    }
    assert_eq!(fs_err::read(&one.archive).unwrap(), fs_err::read(&other.archive).unwrap());
    one.env.ok(&["build", "web", "--archive", "again.tar"]);
    assert_eq!(
        fs_err::read(one.env.path().join("again.tar")).unwrap(),
        fs_err::read(&one.archive).unwrap()
    );
}

#[test]
fn differing_terms_are_refused_and_matching_ones_accepted() {
    let bundles = Bundles::new();
    bundles.signs(
        "web.tar",
        "a.pem",
        &[&TERMS[..], &["--expires", "30d", "--site", "lab"]].concat(),
    );
    let before = fs_err::read(&bundles.archive).unwrap();
    for (terms, named) in [
        (["--serial", "8"], "has the serial 7"),
        (["--issued", "2026-01-02T03:04:06Z"], "was issued at 2026-01-02T03:04:05Z"),
        (["--expires", "31d"], "expires at 2026-02-01T03:04:05Z"),
        (["--site", "plant-7"], "is for site lab"),
    ] {
        let ran = bundles.sign("web.tar", "b.pem", &terms);
        assert_eq!(ran.code, 2, "{terms:?}");
        assert!(ran.stderr.contains(named) && ran.stderr.contains("--reseal"), "{}", ran.stderr);
    }
    assert_eq!(fs_err::read(&bundles.archive).unwrap(), before);

    bundles.signs(
        "web.tar",
        "b.pem",
        &["--serial", "7", "--expires", "2026-02-01T03:04:05Z", "--site", "lab"],
    );
    assert_eq!(signed(&bundles.archive, &[&bundles.a, &bundles.b]).1.len(), 2);
}

#[test]
fn reseal_names_discarded_signers_and_loosened_terms() {
    let bundles = Bundles::new();
    for (name, path) in bundles.all() {
        bundles.signs(
            name,
            "a.pem",
            &[&TERMS[..], &["--expires", "30d", "--site", "lab"]].concat(),
        );

        let ran = bundles.sign(name, "b.pem", &["--reseal", "--json"]);

        let (statement, signers) = signed(path, &[&bundles.b]);
        assert!(statement.predicate.serial > 1_700_000_000 && statement.predicate.sites.is_empty());
        assert_eq!(signers, [bundles.b.public().id()].into());
        assert_eq!(ran.json()["discarded"], json!([bundles.a.public().id()]));
        let id = bundles.a.public().id();
        for part in [
            format!("discards the signature of {id}"),
            "was for site lab".into(),
            "expired at 2026-02-01T03:04:05Z".into(),
        ] {
            assert!(ran.stderr.contains(&part), "{part}: {}", ran.stderr);
        }
    }
}

#[test]
fn resealing_never_goes_back_by_accident() {
    let bundles = Bundles::new();
    let highest = SERIAL_MAX.to_string();
    bundles.signs("web.tar", "a.pem", &["--serial", &highest]);

    let by_accident = bundles.sign("web.tar", "a.pem", &["--reseal"]);
    let on_purpose = bundles.sign("web.tar", "a.pem", &["--reseal", "--serial", "3"]);

    assert_eq!(by_accident.code, 2);
    assert!(
        by_accident.stderr.contains(&format!("is not above the existing one, {highest}")),
        "{}",
        by_accident.stderr
    );
    assert_eq!(on_purpose.code, 0);
    assert!(
        on_purpose.stderr.contains("warning: serial 3 is not above the old one"),
        "{}",
        on_purpose.stderr
    );
    assert_eq!(signed(&bundles.archive, &[&bundles.a]).0.predicate.serial, 3);
}

#[test]
fn unacceptable_terms_are_refused_before_any_write() {
    let bundles = Bundles::new();
    let before = fs_err::read(&bundles.archive).unwrap();
    let too_large = (SERIAL_MAX + 1).to_string();
    for (terms, why) in [
        (vec!["--issued", "2999-01-01T00:00:00Z"], "ahead of the clock"),
        (vec!["--issued", "2999-01-01T00:00:00Z", "--serial", "1"], "ahead of the clock"),
        (vec!["--serial", &too_large], "serial 9007199254740992 is above"),
        (
            vec!["--issued", "2026-01-02T03:04:05Z", "--expires", "2026-01-02T03:04:05Z"],
            "cannot expire",
        ),
        (vec!["--expires", "30"], "use a time such as"),
        (vec!["--site", "Plant 7"], "Plant 7"),
        (vec!["--issued", "yesterday"], "yesterday"),
    ] {
        let ran = bundles.sign("web.tar", "a.pem", &terms);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{terms:?}");
        assert!(ran.stderr.contains(why), "{terms:?}: {}", ran.stderr);
    }
    assert_eq!(fs_err::read(&bundles.archive).unwrap(), before);
}

#[test]
fn source_date_epoch_applies_only_with_serial() {
    let bundles = Bundles::new();
    let issued_with = |more: &[&str], epoch: &str| {
        let arguments = [&["sign", "web.tar", "--key", "a.pem", "--reseal"], more].concat();
        let output =
            bundles.env.command(&arguments).env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
        output
            .status
            .success()
            .then(|| signed(&bundles.archive, &[&bundles.a]).0.predicate.issued.to_string())
    };

    assert_eq!(issued_with(&["--serial", "1"], "315532800").unwrap(), "1980-01-01T00:00:00Z");
    assert_eq!(issued_with(&TERMS, "315532800").unwrap(), "2026-01-02T03:04:05Z");
    assert_ne!(issued_with(&[], "315532800").unwrap(), "1980-01-01T00:00:00Z");
    assert!(issued_with(&["--serial", "1"], "0").is_some() && issued_with(&[], "soon").is_some());
    assert_eq!(issued_with(&["--serial", "1"], "soon"), None);
}

#[test]
fn further_signature_ignores_source_date_epoch() {
    let bundles = Bundles::new();
    assert_eq!(bundles.sign("web.tar", "a.pem", &["--serial", "7"]).code, 0);
    let arguments = ["sign", "web.tar", "--key", "b.pem", "--serial", "7"];
    let output = bundles.env.command(&arguments).env("SOURCE_DATE_EPOCH", "soon").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bundle_that_verifier_would_refuse_is_not_signed() {
    let bundles = Bundles::new();
    for (name, path) in bundles.all() {
        if path.is_dir() {
            fs_err::write(path.join("bundle.json"), "{}").unwrap();
        } else {
            let bytes = fs_err::read(path).unwrap();
            let altered =
                String::from_utf8(bytes).unwrap().replacen("kind: Service\n", "kind: Serviee\n", 1);
            fs_err::write(path, altered).unwrap();
        }

        let ran = bundles.sign(name, "a.pem", &[]);

        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("altered"), "{name}: {}", ran.stderr);
        assert!(!path.join(ATTESTATION).exists());
    }
}

#[test]
fn contradicting_files_are_not_signed_despite_valid_digests() {
    let bundles = Bundles::new();
    let manifest = "manifests/07-svc-relay-claude-relay.yaml";
    let text = fs_err::read_to_string(bundles.folder.join(manifest)).unwrap();
    fs_err::write(
        bundles.folder.join(manifest),
        text.replace("namespace: relay", "namespace: other"),
    )
    .unwrap();
    let sums = fs_err::read_to_string(bundles.folder.join("SHA256SUMS")).unwrap();
    let digest = |line: &str| {
        let path = &line[66..];
        let bytes = fs_err::read(bundles.folder.join(path)).unwrap();
        format!("{}  {path}\n", Digest::of(&bytes))
    };
    fs_err::write(bundles.folder.join("SHA256SUMS"), sums.lines().map(digest).collect::<String>())
        .unwrap();

    let ran = bundles.sign("folder/web", "a.pem", &[]);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(manifest), "{}", ran.stderr);
}

#[test]
fn statement_of_other_bundle_or_none_gets_no_signature() {
    let bundles = Bundles::new();
    bundles.signs("@web", "a.pem", &TERMS);
    let other = bundles.env.build(&["web", "--set", "replicaCount=2"]);
    for (attestation, why) in [
        (attestation_of(&bundles.entry), "is for another bundle: its content id is sha256:"),
        (b"{}".to_vec(), "is not a DSSE envelope"),
        (Vec::new(), "is not a DSSE envelope"),
    ] {
        bundles.env.write(other.join(ATTESTATION).as_str(), &attestation);

        let ran = bundles.sign("@web", "a.pem", &[]);

        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains(why) && ran.stderr.contains("--reseal"), "{}", ran.stderr);
        assert_eq!(fs_err::read(other.join(ATTESTATION)).unwrap(), attestation);
    }
    bundles.signs("@web", "a.pem", &["--reseal"]);
    assert_eq!(signed(&other, &[&bundles.a]).1.len(), 1);
}

#[test]
fn statement_wrong_in_any_field_gets_no_signature() {
    let bundles = Bundles::new();
    bundles.signs("folder/web", "a.pem", &TERMS);
    let (good, _) = signed(&bundles.folder, &[&bundles.a]);
    let with = |change: fn(&mut Statement)| {
        let mut statement = good.clone();
        change(&mut statement);
        statement.to_bytes()
    };
    let table = [
        ("content id", with(|statement| statement.content_id = Digest::of(b""))),
        ("name", with(|statement| statement.predicate.bundle = "other".parse().unwrap())),
        ("profile", with(|statement| statement.predicate.profile = "other".parse().unwrap())),
        ("namespace", with(|statement| statement.predicate.namespace = "other".parse().unwrap())),
        ("environment", with(|statement| statement.predicate.environment = "dev".parse().unwrap())),
        ("number of files", with(|statement| statement.predicate.files += 1)),
        ("number of bytes", with(|statement| statement.predicate.bytes -= 1)),
        ("canonical", [&good.to_bytes()[..], b" "].concat()),
        ("unsupported signed statement", b"{}".to_vec()),
    ];
    for (what, payload) in table {
        let mut envelope = Envelope::unsigned(payload);
        envelope.sign(&bundles.a).unwrap();
        let bytes = envelope.to_bytes();
        fs_err::write(bundles.folder.join(ATTESTATION), &bytes).unwrap();

        let ran = bundles.sign("folder/web", "b.pem", &[]);

        assert_eq!(ran.code, 3, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(what), "{what}: {}", ran.stderr);
        assert_eq!(fs_err::read(bundles.folder.join(ATTESTATION)).unwrap(), bytes);
    }
    let mut envelope = Envelope::unsigned(good.to_bytes());
    envelope.sign(&bundles.a).unwrap();
    let text = String::from_utf8(envelope.to_bytes()).unwrap();
    fs_err::write(bundles.folder.join(ATTESTATION), text.replace("in-toto", "in_toto")).unwrap();
    let other_type = bundles.sign("folder/web", "b.pem", &[]);
    assert!(
        other_type.stderr.contains("payload of type `application/vnd.in_toto+json`"),
        "{}",
        other_type.stderr
    );
}

#[test]
fn seventeenth_signature_is_refused() {
    let bundles = Bundles::new();
    let names: Vec<String> = (10..27).map(|seed| format!("k{seed}.pem")).collect();
    for seed in 10..27 {
        write_pair(bundles.env.path(), &format!("k{seed}"), seed);
    }
    names[..16].iter().for_each(|name| bundles.signs("web.tar", name, &[]));
    let before = fs_err::read(&bundles.archive).unwrap();

    let ran = bundles.sign("web.tar", &names[16], &[]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("16 signatures"), "{}", ran.stderr);
    assert_eq!(fs_err::read(&bundles.archive).unwrap(), before);
}

#[test]
fn links_stay_and_modes_too() {
    let bundles = Bundles::new();
    let path = |name: &str| bundles.env.path().join(name);
    fs_err::set_permissions(&bundles.archive, std::fs::Permissions::from_mode(0o640)).unwrap();
    fs_err::os::unix::fs::symlink("web.tar", path("link.tar")).unwrap();

    bundles.signs("link.tar", "a.pem", &TERMS);
    bundles.signs("bundles/web", "a.pem", &TERMS);

    assert!(path("link.tar").is_symlink() && path("bundles/web").is_symlink());
    assert_eq!(bundles.archive.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(attestation_of(&bundles.archive), attestation_of(&bundles.entry));
    bundles.assert_nothing_is_left_over();
}

#[test]
fn non_bundle_is_reported_with_remedy() {
    let bundles = Bundles::new();
    fs_err::write(bundles.env.path().join("text.tar"), "text").unwrap();
    for (name, code, why) in [
        ("web", 2, "`@web` is the newest build"),
        ("@none", 2, "not in the store"),
        ("./none", 2, "file or folder `./none` does not exist"),
        ("/dev/null", 2, "neither a file nor a folder"),
        ("text.tar", 3, "is not a bundle"),
        ("profiles/", 2, "`profiles/` does not contain a bundle"),
    ] {
        let ran = bundles.sign(name, "a.pem", &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

#[test]
fn key_must_be_given_in_exactly_one_way() {
    let bundles = Bundles::new();
    for arguments in [
        vec!["sign", "web.tar"],
        vec!["sign", "web.tar", "--key", "a.pem", "--payload", "p"],
        vec!["sign", "web.tar", "--key", "a.pem", "--attach", "s", "--public-key", "a.pub.pem"],
        vec!["sign", "web.tar", "--attach", "s"],
        vec!["sign", "web.tar", "--payload", "p", "--public-key", "a.pub.pem"],
    ] {
        assert_eq!(bundles.env.run(&arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn hostile_file_name_forges_no_line_and_is_escaped() {
    let bundles = Bundles::new();
    let name = "./a\u{9b}2J\u{202e}\nerror: forged\nsigned by everybody.tar";
    fs_err::copy(&bundles.archive, bundles.env.path().join(name)).unwrap();

    let signed = bundles.sign(name, "a.pem", &[]);
    let refused = bundles.sign(&format!("{name}/x"), "a.pem", &[]);

    assert_eq!((signed.code, refused.code), (0, 4), "{}{}", signed.stderr, refused.stderr);
    for ran in [signed, refused] {
        assert!(ran.stderr.contains("error: forged"), "{}", ran.stderr);
        assert!(!ran.stderr.contains(['\u{9b}', '\u{202e}']), "{:?}", ran.stderr);
        let forged = |line: &str| {
            line.starts_with("error: forged") || line.starts_with("signed by everybody")
        };
        assert!(!ran.stderr.lines().any(forged), "{}", ran.stderr);
    }
}
