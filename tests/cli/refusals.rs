//! Every reason for refusing a bundle, through the program: exit code 3, the code, the keys, no
//! data.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;
use relay_bundle::model::digest::Digest;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::refusal_codes::{CODES, find};
use relay_bundle::trust::statement::Predicate;
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::hostile::unlabelled;
use crate::sealing::{
    SITE, days_from_now, envelope, key, policy, policy_grant, policy_key, read, set_mode, statement,
};

/// A refusal code, and how to provoke it: the returned arguments follow `verify`.
struct Case {
    code: &'static str,
    prepare: fn(&TestEnv) -> Vec<String>,
}

const CASES: [Case; 35] = [
    Case {
        code: "UNSIGNED",
        prepare: |env| {
            env.pack(&env.build(&["web"]), "web.tar", None);
            default()
        },
    },
    Case { code: "BAD_ATTESTATION", prepare: |env| attested(env, b"{}") },
    Case {
        code: "BAD_SIGNATURE",
        prepare: |env| {
            let other = envelope(&statement(&read(&env.build(&["dev"]))), &["builder"]);
            let sig = other.signatures()[&key("builder").public().id()];
            let mine = statement(&read(&env.build(&["web"])));
            attested(env, &dsse("application/vnd.in-toto+json", &mine.to_bytes(), &sig))
        },
    },
    Case { code: "UNTRUSTED_KEY", prepare: |env| sealed(env, &["stranger"], |_| {}) },
    Case { code: "REVOKED_KEY", prepare: |env| key_that_is(env, "status = \"revoked\"") },
    Case { code: "RETIRED_KEY", prepare: |env| key_that_is(env, "status = \"retired\"") },
    Case {
        code: "KEY_NOT_VALID",
        prepare: |env| key_that_is(env, "notAfter = \"2001-01-01T00:00:00Z\""),
    },
    Case {
        code: "BELOW_THRESHOLD",
        prepare: |env| {
            let keys = ["builder", "approver"].map(|name| policy_key(name, ""));
            let grant = policy_grant(&["builder", "approver"], 2, "");
            env.write("trust.toml", policy("", &[keys.concat(), grant]));
            sealed(env, &["builder"], |_| {})
        },
    },
    Case {
        code: "WRONG_PAYLOAD_TYPE",
        prepare: |env| {
            let payload = statement(&read(&env.build(&["web"]))).to_bytes();
            let kind = "application/json";
            let mut pae = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
            pae.extend_from_slice(&payload);
            attested(env, &dsse(kind, &payload, &key("builder").sign(&pae)))
        },
    },
    Case {
        code: "BAD_STATEMENT",
        prepare: |env| {
            let mut envelope = Envelope::unsigned(b"{}".to_vec());
            envelope.sign(&key("builder")).unwrap();
            attested(env, &envelope.to_bytes())
        },
    },
    Case {
        code: "NO_GRANT",
        prepare: |env| {
            sealed(env, &["builder"], |predicate| predicate.profile = "other".parse().unwrap())
        },
    },
    Case {
        code: "NO_GRANT",
        prepare: |env| {
            env.write("trust.toml", policy("", &[policy_key("builder", "")]));
            sealed(env, &["builder"], |_| {})
        },
    },
    Case {
        code: "BELOW_MIN_SERIAL",
        prepare: |env| {
            let parts =
                [policy_key("builder", ""), policy_grant(&["builder"], 1, "minSerial = 10")];
            env.write("trust.toml", policy("", &parts));
            sealed(env, &["builder"], |predicate| predicate.serial = 9)
        },
    },
    Case {
        code: "REVOKED_CONTENT",
        prepare: |env| {
            let id = read(&env.build(&["web"])).content_id;
            let revoked = format!("[[revokedContent]]\nsha256 = \"{id}\"\n");
            let parts = [policy_key("builder", ""), policy_grant(&["builder"], 1, ""), revoked];
            env.write("trust.toml", policy("", &parts));
            sealed(env, &["builder"], |_| {})
        },
    },
    Case {
        code: "WRONG_TARGET",
        prepare: |env| {
            sealed(env, &["builder"], |predicate| {
                predicate.sites.insert("lab".parse().unwrap());
            })
        },
    },
    Case {
        code: "ISSUED_IN_FUTURE",
        prepare: |env| sealed(env, &["builder"], |predicate| predicate.issued = days_from_now(2)),
    },
    Case {
        code: "EXPIRED",
        prepare: |env| {
            sealed(env, &["builder"], |predicate| {
                predicate.issued = days_from_now(-3);
                predicate.expires = Some(days_from_now(-1));
            })
        },
    },
    Case {
        code: "EXPIRED",
        prepare: |env| {
            sealed(env, &["builder"], |predicate| predicate.issued = days_from_now(-181))
        },
    },
    Case {
        code: "ROLLBACK",
        prepare: |env| {
            recorded(env, 42);
            sealed(env, &["builder"], |predicate| predicate.serial = 41)
        },
    },
    Case {
        code: "EQUIVOCATION",
        prepare: |env| {
            recorded(env, 42);
            let entry = env.build(&["web", "--set", "config.logLevel=\"debug\""]);
            env.seal_entry(&entry, "web.tar", &["builder"], |predicate| predicate.serial = 42);
            default()
        },
    },
    Case {
        code: "CLOCK_BEHIND",
        prepare: |env| {
            recorded(env, 42);
            let mut arguments = sealed(env, &["builder"], |predicate| {
                predicate.issued = days_from_now(-5);
                predicate.serial = 43;
            });
            arguments.extend(["--at".to_owned(), days_from_now(-2).to_string()]);
            arguments
        },
    },
    Case { code: "TAMPERED", prepare: |env| in_folder(env, |entry| append(entry, "bundle.json")) },
    Case { code: "TAMPERED", prepare: |env| in_folder(env, |entry| append(entry, "SHA256SUMS")) },
    Case {
        code: "TAMPERED",
        prepare: |env| {
            let archive = env.seal("web.tar", &["builder"], |_| {});
            let mut bytes = fs_err::read(&archive).unwrap();
            let at = bytes.windows(8).position(|window| window == b"kind: De").unwrap();
            bytes[at] ^= 1;
            fs_err::write(archive, bytes).unwrap();
            default()
        },
    },
    Case {
        code: "TAMPERED",
        prepare: |env| {
            // Another bundle with its own good signature replaces the entry that is named after the
            // first.
            in_folder(env, |_| {});
            let entry = env.build(&["web"]);
            let other = env.build(&["web", "--set", "config.logLevel=\"debug\""]);
            env.seal_entry(&other, "other.tar", &["builder"], |_| {});
            fs_err::remove_dir_all(&entry).unwrap();
            fs_err::rename(&other, &entry).unwrap();
            ["@", entry.file_name().unwrap()]
                .concat()
                .split(' ')
                .map(str::to_owned)
                .chain(trust())
                .collect()
        },
    },
    Case {
        code: "EXTRA_FILE",
        prepare: |env| in_folder(env, |entry| append(entry, "manifests/more.yaml")),
    },
    Case {
        code: "MISSING_FILE",
        prepare: |env| {
            in_folder(env, |entry| fs_err::remove_file(entry.join("recipe.json")).unwrap())
        },
    },
    Case {
        code: "TRUNCATED",
        prepare: |env| {
            let archive = env.seal("web.tar", &["builder"], |_| {});
            let bytes = fs_err::read(&archive).unwrap();
            fs_err::write(archive, &bytes[..bytes.len() / 2]).unwrap();
            default()
        },
    },
    Case {
        code: "BAD_FORM",
        prepare: |env| in_folder(env, |entry| set_mode(&entry.join("recipe.json"), 0o600)),
    },
    Case {
        code: "BAD_FORM",
        prepare: |env| {
            // A trust policy cannot be read as a bundle.
            fs_err::copy(env.path().join("trust.toml"), env.path().join("web.tar")).unwrap();
            append(env.path(), "web.tar");
            default()
        },
    },
    Case {
        code: "BAD_SUMS",
        prepare: |env| {
            let entry = env.build(&["web"]);
            let mut statement = statement(&read(&entry));
            statement.content_id = Digest::of(b"no list\n");
            fs_err::write(entry.join("SHA256SUMS"), "no list\n").unwrap();
            let attestation = envelope(&statement, &["builder"]).to_bytes();
            env.write(entry.join("attestation.dsse.json").as_str(), attestation);
            folder(&entry)
        },
    },
    Case {
        code: "TOO_LARGE",
        prepare: |env| {
            let entry = env.build(&["web"]);
            env.write(entry.join("attestation.dsse.json").as_str(), vec![b' '; (64 << 10) + 1]);
            folder(&entry)
        },
    },
    Case {
        code: "CONTENT_MISMATCH",
        prepare: |env| {
            sealed(env, &["builder"], |predicate| {
                predicate.namespace = "kube-system".parse().unwrap();
            })
        },
    },
    Case {
        code: "CONTENT_MISMATCH",
        prepare: |env| sealed(env, &["builder"], |predicate| predicate.files += 1),
    },
    Case { code: "FORBIDDEN_CONTENT", prepare: with_the_network_of_the_node },
];

fn trust() -> [String; 2] {
    ["--trust".to_owned(), "trust.toml".to_owned()]
}

fn default() -> Vec<String> {
    ["web.tar".to_owned()].into_iter().chain(trust()).collect()
}

fn folder(path: &Utf8Path) -> Vec<String> {
    [path.to_string()].into_iter().chain(trust()).collect()
}

fn sealed(env: &TestEnv, names: &[&str], edit: fn(&mut Predicate)) -> Vec<String> {
    env.seal("web.tar", names, edit);
    default()
}

/// Packs the bundle with an attestation of these bytes.
fn attested(env: &TestEnv, attestation: &[u8]) -> Vec<String> {
    env.pack(&env.build(&["web"]), "web.tar", Some(attestation));
    default()
}

/// Returns an envelope in canonical form, with the builder's signature.
fn dsse(kind: &str, payload: &[u8], sig: &[u8]) -> Vec<u8> {
    let signature = json!({"keyid": key("builder").public().id(), "sig": STANDARD.encode(sig)});
    let envelope = json!({"payload": STANDARD.encode(payload), "payloadType": kind, "signatures": [signature]});
    serde_json::to_vec(&envelope).unwrap()
}

fn key_that_is(env: &TestEnv, status: &str) -> Vec<String> {
    let parts = [policy_key("builder", status), policy_grant(&["builder"], 1, "")];
    env.write("trust.toml", policy("", &parts));
    sealed(env, &["builder"], |_| {})
}

fn recorded(env: &TestEnv, serial: u64) {
    env.seal("web.tar", &["builder"], |predicate| predicate.serial = serial);
    env.ok(&["verify", "web.tar", "--trust", "trust.toml", "--record"]);
}

/// Packs a bundle whose pods use their node's network, consistent and signed by the builder.
fn with_the_network_of_the_node(env: &TestEnv) -> Vec<String> {
    let entry = env.build(&["web"]);
    let mut signed = statement(&read(&entry));
    let text = |name: &str| fs_err::read_to_string(entry.join(name)).unwrap();
    let mut index: Value = serde_json::from_str(&text("bundle.json")).unwrap();
    let objects = index["objects"].as_array_mut().unwrap();
    let object = objects.iter_mut().find(|object| object["kind"] == "Deployment").unwrap();
    let path = object["file"].as_str().unwrap().to_owned();
    let links = "\n      enableServiceLinks: false\n";
    let manifest = text(&path).replacen(links, &format!("{links}      hostNetwork: true\n"), 1);
    object["sha256"] = json!(Digest::of(manifest.as_bytes()));
    let index = serde_json::to_string(&index).unwrap();
    let old = text("SHA256SUMS");
    let mut sums = old.clone();
    for (name, new) in [(path.as_str(), &manifest), ("bundle.json", &index)] {
        let [before, after] =
            [&text(name), new].map(|text| Digest::of(text.as_bytes()).to_string());
        assert_ne!(before, after, "{name}");
        sums = sums.replace(&before, &after);
        signed.predicate.bytes =
            signed.predicate.bytes + new.len() as u64 - text(name).len() as u64;
    }
    signed.content_id = Digest::of(sums.as_bytes());
    for (name, new) in [(path.as_str(), &manifest), ("bundle.json", &index), ("SHA256SUMS", &sums)]
    {
        fs_err::write(entry.join(name), new).unwrap();
    }
    let attestation = envelope(&signed, &["builder"]).to_bytes();
    env.write(entry.join("attestation.dsse.json").as_str(), attestation);
    folder(&entry)
}

/// Returns the arguments for the signed folder, after `harm`.
fn in_folder(env: &TestEnv, harm: fn(&Utf8Path)) -> Vec<String> {
    env.seal("web.tar", &["builder"], |_| {});
    let entry = fs_err::canonicalize(env.path().join("bundles/web")).unwrap();
    let entry = Utf8Path::from_path(&entry).unwrap().to_owned();
    harm(&entry);
    folder(&entry)
}

/// Appends to a file, or creates it.
fn append(entry: &Utf8Path, name: &str) {
    let path = entry.join(name);
    let mut bytes = fs_err::read(&path).unwrap_or_default();
    bytes.resize(bytes.len() + 2048, b' ');
    fs_err::write(&path, bytes).unwrap();
    set_mode(&path, 0o644);
}

#[test]
fn each_refusal_reason_has_code_and_emits_nothing() {
    for Case { code, prepare } in CASES {
        let env = TestEnv::new();
        env.trust_builder();
        let arguments = prepare(&env);
        let arguments: Vec<&str> =
            ["verify"].into_iter().chain(arguments.iter().map(String::as_str)).collect();

        let ran = env.run(&arguments);
        let report = env.run(&[&arguments[..], &["--json"]].concat());

        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{code}: {}", ran.stderr);
        let talk = ran.stderr.lines().skip_while(|line| line.starts_with("warning: "));
        let first = talk.clone().next().unwrap_or_default();
        assert!(first.starts_with(&format!("error: {code}: ")), "{code}: {}", ran.stderr);
        assert!(talk.last().unwrap_or_default().starts_with("hint: "), "{code}: {}", ran.stderr);
        let json = report.json();
        assert_eq!(report.code, 3);
        assert_eq!(json["schema"], "relay-bundle/error/v1", "{json}");
        assert_eq!((&json["code"], &json["exitCode"]), (&code.into(), &3.into()), "{json}");
        let said = format!("error: {}\n", json["error"].as_str().unwrap());
        assert!(
            said.starts_with(&format!("error: {code}: ")) && report.stderr.contains(&said),
            "{json}"
        );
        assert!(json["found"].is_array() && json["expected"].is_array(), "{json}");
        if !arguments.contains(&"--at") {
            let emitted =
                env.run(&[&arguments[..], &["--emit", "--secrets-exist", "--record"]].concat());
            assert_eq!(
                (emitted.code, emitted.stdout.as_str()),
                (3, ""),
                "{code}: {}",
                emitted.stderr
            );
        }
    }
}

#[test]
fn refusal_names_found_and_expected_keys() {
    let env = TestEnv::new();
    let keys = ["builder", "approver", "gone"];
    let more = ["", "", "status = \"revoked\""];
    let keys: Vec<String> =
        keys.iter().zip(more).map(|(name, more)| policy_key(name, more)).collect();
    let grant = policy_grant(&["builder", "approver", "gone"], 2, "");
    env.write("trust.toml", policy("", &[keys.concat(), grant]));
    env.seal("web.tar", &["builder", "gone", "stranger"], |_| {});
    let verify = ["verify", "web.tar", "--trust", "trust.toml"];

    let (ran, json) = (env.run(&verify), env.run(&[&verify[..], &["--json"]].concat()).json());

    let id = |name: &str| key(name).public().id();
    let mut wanted = vec!["error: BELOW_THRESHOLD: too few holders have signed: 1 of 2".to_owned()];
    let mut found = vec![
        (id("builder"), Some("builder"), "counts", "counts"),
        (id("gone"), Some("gone"), "is revoked", "revoked"),
        (id("stranger"), None, "is not trusted", "unknown"),
    ];
    found.sort();
    for (id, holder, says, _) in &found {
        let holder = holder.map(|holder| format!(" of {holder}")).unwrap_or_default();
        wanted.push(format!("found: the key {id}{holder}, which {says}"));
    }
    let mut expected = [(id("builder"), "builder"), (id("approver"), "approver")];
    expected.sort();
    wanted
        .extend(expected.iter().map(|(id, holder)| format!("expected: the key {id} of {holder}")));
    assert_eq!(ran.stderr.lines().take(wanted.len()).collect::<Vec<_>>(), wanted);
    let standings: Vec<&str> = json["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["standing"].as_str().unwrap())
        .collect();
    assert_eq!(standings, found.iter().map(|(.., standing)| *standing).collect::<Vec<_>>());
    assert_eq!(json["expected"][0], json!({"keyid": expected[0].0, "holder": expected[0].1}));
}

#[test]
fn expected_keys_are_named_even_without_readable_signature() {
    for attestation in [None, Some(&b"{}"[..])] {
        let env = TestEnv::new();
        env.trust_builder();
        env.pack(&env.build(&["web"]), "web.tar", attestation);

        let ran = env.run(&["verify", "web.tar", "--trust", "trust.toml", "--json"]);

        let builder = json!({"keyid": key("builder").public().id(), "holder": "builder"});
        assert_eq!(
            (&ran.json()["found"], &ran.json()["expected"]),
            (&json!([]), &json!([builder]))
        );
        assert!(ran.stderr.contains("\nexpected: the key "), "{}", ran.stderr);
    }
}

#[test]
fn every_command_refusing_bundle_gives_reason_with_code() {
    let env = TestEnv::new();
    env.seal("web.tar", &["builder"], |_| {});
    env.ok(&["split", "web.tar", "--size", "4KiB"]);
    env.write("web.tar.part002", [0; 4096]);
    let bytes = fs_err::read(env.path().join("web.tar")).unwrap();
    env.write("short.tar", &bytes[..bytes.len() / 2]);
    let table: [(&str, &[&str]); 7] = [
        ("TRUNCATED", &["inspect", "short.tar"]),
        ("TRUNCATED", &["diff", "short.tar", "web"]),
        ("TRUNCATED", &["pack", "short.tar", "out.tar"]),
        ("TRUNCATED", &["sign", "short.tar", "--key", "none.pem"]),
        ("TAMPERED", &["inspect", "web.tar.parts"]),
        ("TAMPERED", &["pack", "web.tar.parts", "out.tar"]),
        ("TAMPERED", &["join", "web.tar.parts", "--out", "out.tar"]),
    ];
    for (code, arguments) in table {
        let ran = env.run(&[arguments, &["--json"]].concat());

        assert_eq!(ran.code, 3, "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.starts_with(&format!("error: {code}: ")),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_eq!(ran.json()["code"], code, "{arguments:?}");
        assert!(!env.path().join("out.tar").exists(), "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn unreadable_medium_gives_no_verdict() {
    let env = TestEnv::new();
    env.trust_builder();
    // The first bytes of a process's memory are unmapped: reading them is an I/O error.
    let medium = "/proc/self/mem";

    let ran = env.run(&["verify", medium, "--trust", "trust.toml", "--json"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert_eq!((&ran.json()["code"], &ran.json()["exitCode"]), (&"UNREADABLE".into(), &4.into()));
}

/// Returns the codes of `Reason::code`, read from its source instead of a second list.
fn codes_of_the_source() -> BTreeSet<String> {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trust/refusal.rs");
    let text = fs_err::read_to_string(path).unwrap();
    let body =
        text.split("pub fn code(").nth(1).unwrap().split("impl fmt::Display").next().unwrap();
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_code_is_reached_documented_and_has_remedy() {
    let mut codes = codes_of_the_source();
    assert!(codes.len() > 25 && codes.contains("TAMPERED"), "{codes:?}");

    let mut reached: BTreeSet<String> = CASES.iter().map(|case| case.code.to_owned()).collect();
    // Other tests cover these two, which have different exit codes. The second one does not judge
    // the bundle.
    reached.insert("UNREADABLE".to_owned());
    for set in [&mut codes, &mut reached] {
        set.insert("IMAGES_MISSING".to_owned());
    }
    let remedies: BTreeSet<String> = CODES.iter().map(|known| known.code.to_owned()).collect();
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format/exit-codes.md");
    let page = fs_err::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented: BTreeSet<String> = rows.clone().map(|(code, _)| code.to_owned()).collect();
    for (code, row) in rows {
        let meaning = find(code).unwrap().meaning;
        assert!(row.starts_with(meaning), "{code}: `{row}` does not begin with `{meaning}`");
    }

    assert_eq!(codes, reached, "reached");
    assert_eq!(codes, remedies, "has a remedy");
    assert_eq!(codes, documented, "is documented");
}

#[test]
fn forbidden_object_is_neither_signed_nor_shown() {
    let env = TestEnv::new();
    env.trust_builder();
    let [folder, ..] = &with_the_network_of_the_node(&env)[..] else { panic!("a folder") };
    env.write("key.pem", key("builder").to_pem().as_bytes());
    set_mode(&env.path().join("key.pem"), 0o600);

    for command in
        [&["inspect", folder][..], &["diff", folder, "web"], &["sign", folder, "--key", "key.pem"]]
    {
        let ran = env.run(command);

        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{command:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(
                "FORBIDDEN_CONTENT: Deployment/relay-claude-relay, pod template: `spec.hostNetwork`"
            ),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn hostile_bundle_text_reaches_terminal_escaped() {
    let env = TestEnv::new();
    env.trust_builder();
    in_folder(&env, |entry| fs_err::write(entry.join("\u{1b}[31m\u{9b}2J"), "").unwrap());

    for option in ["--color=always", "--json"] {
        let ran = env.run(&["verify", "@web", "--trust", "trust.toml", option]);

        assert_eq!(ran.code, 3);
        assert!(ran.stderr.contains(r"\u{1b}[31m\u{9b}2J"), "{}", ran.stderr);
        assert!(unlabelled(&ran).chars().all(|c| c == '\n' || !c.is_control()));
    }
}

#[test]
fn hostile_bundle_text_adds_no_line_of_its_own() {
    let env = TestEnv::new();
    env.trust_builder();
    let hostile = br#"{"a\nhint: all is well\u001b[31m":1}"#;
    attested(&env, hostile);
    let entry = env.build(&["web"]);
    env.write(entry.join("attestation.dsse.json").as_str(), hostile);

    let refused = env.run(&["verify", "web.tar", "--trust", "trust.toml"]);
    let signed = env.run(&["sign", "web.tar", "--key", "none.pem"]);
    let built = env.run(&["build", "web"]);

    assert_eq!((refused.code, signed.code, built.code), (3, 3, 0), "{}", built.stderr);
    assert!(built.stderr.starts_with("warning: the existing attestation"), "{}", built.stderr);
    for ran in [refused, signed, built] {
        assert!(ran.stderr.contains(r"a\nhint: all is well\u{1b}[31m"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("\nhint: all is well"), "{}", ran.stderr);
    }
}

#[test]
fn policy_site_is_named_when_bundle_is_for_other_sites() {
    let env = TestEnv::new();
    env.trust_builder();
    env.seal("web.tar", &["builder"], |predicate| {
        predicate.sites = ["lab", "plant-9"].iter().map(|site| site.parse().unwrap()).collect();
    });

    let ran = env.run(&["verify", "web.tar", "--trust", "trust.toml"]);

    let wanted =
        format!("error: WRONG_TARGET: the bundle is for lab, plant-9, but this is `{SITE}`\n");
    assert!(ran.stderr.starts_with(&wanted), "{}", ran.stderr);
    let value: Value = env.run(&["verify", "web.tar", "--trust", "trust.toml", "--json"]).json();
    assert_eq!(value["found"][0]["standing"], "counts");
}

#[test]
fn code_in_any_case_is_explained_with_meaning_and_remedy() {
    let env = TestEnv::new();
    for known in CODES {
        for code in [known.code.to_owned(), known.code.to_ascii_lowercase()] {
            let page = env.ok(&["explain", &code]);
            assert_eq!(page, format!("{}: {}\n\n{}\n", known.code, known.meaning, known.remedy));
        }
    }
    assert!(env.ok(&["verify", "--help"]).contains("`relay-bundle explain CODE`"));
    assert_eq!(env.run(&["explain", "TAMPERED_WITH"]).code, 2);
}
