//! `verify`: accepted bundles, the report, and the emitted manifests.

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::sealing::{SITE, days_from_now, key, policy, policy_grant, policy_key, set_mode};
use crate::tools::{find, skip};

const VERIFY: [&str; 4] = ["verify", "web.tar", "--trust", "trust.toml"];

fn trusting() -> TestEnv {
    let env = TestEnv::new();
    env.trust_builder();
    env
}

fn with<'a>(start: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [start, more].concat()
}

#[test]
fn report_shows_signers_content_and_matching_grant() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |predicate| {
        predicate.serial = 42;
        predicate.sites.insert(SITE.parse().unwrap());
    });

    let page = env.ok(&VERIFY);

    let keyid = key("builder").public().id();
    let issued = days_from_now(0).to_string();
    let wanted = [
        "verified    web.tar\n",
        "content id  sha256:",
        &format!("signed by   builder, key {keyid}: counts\n"),
        "grant       number 1 of the policy, threshold 1\n",
        "bundle      relay\n",
        "profile     web\n",
        "namespace   relay\n",
        "environment production\n",
        "serial      42\n",
        &format!("issued      {}", &issued[..10]),
        "expires     ",
        // On a busy machine, a second of the last day has passed.
        if page.contains(", in 180 days\n") { ", in 180 days\n" } else { ", in 179 days\n" },
        "target      plant-7; signed for plant-7\n",
        "replay      first bundle seen here; to record it, pass --record\n",
        " objects, ",
    ];
    for part in wanted {
        assert!(page.contains(part), "{part}\nin\n{page}");
    }
}

#[test]
fn archive_pipe_folder_and_store_entry_are_same_bundle() {
    let env = trusting();
    let archive = env.seal("web.tar", &["builder"], |_| {});
    let folder = env.build(&["web"]);
    let id =
        env.run(&["verify", "@web", "--trust", "trust.toml", "--json"]).json()["contentId"].clone();
    let id = id.as_str().unwrap();

    for (bundle, origin) in [
        ("web.tar", "web.tar"),
        (archive.as_str(), archive.as_str()),
        (folder.as_str(), folder.as_str()),
        ("bundles/web", "bundles/web"),
    ] {
        let report = env.run(&["verify", bundle, "--trust", "trust.toml", "--json"]).json();
        assert_eq!(
            (&report["origin"], &report["contentId"]),
            (&origin.into(), &id.into()),
            "{report}"
        );
    }
    for entry in ["@web", id, &id[..20], folder.file_name().unwrap()] {
        let entry = if entry.contains(':') || entry.starts_with('@') {
            entry.to_owned()
        } else {
            format!("@{entry}")
        };
        let report = env.run(&["verify", &entry, "--trust", "trust.toml", "--json"]).json();
        assert_eq!(report["contentId"], id, "{entry}: {report}");
    }
    let piped = env
        .command(&["verify", "-", "--trust", "trust.toml", "--json"])
        .write_stdin(fs_err::read(archive).unwrap())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!((&report["origin"], &report["contentId"]), (&"stdin".into(), &id.into()));
}

#[test]
fn json_report_has_documented_shape() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |predicate| predicate.serial = 42);

    let mut report = env.run(&with(&VERIFY, &["--json"])).json();

    for changing in ["time", "issued", "expires", "contentId", "objects", "files", "bytes"] {
        assert_ne!(report.as_object_mut().unwrap().remove(changing), None, "{changing}");
    }
    let keyid = key("builder").public().id().to_string();
    assert_eq!(
        report,
        json!({
            "schema": "relay-bundle/verify/v1",
            "verified": true,
            "origin": "web.tar",
            "bundle": "relay",
            "profile": "web",
            "namespace": "relay",
            "environment": "production",
            "recoveryRecipients": ["age1vw5psx0afg5ns8pgw25p5auz3c9qnmq7h3hcgchd4snllylqgyxqtufe3f"],
            "sealRecipients": [],
            "serial": 42,
            "sites": [],
            "signatures": [{"keyid": keyid, "holder": "builder", "standing": "counts"}],
            "grant": {"number": 1, "threshold": 1},
            "target": {"policy": true, "site": SITE},
            "replay": {"checked": true, "recorded": false},
            "reach": [],
        })
    );
}

#[test]
fn verify_and_inspect_show_reach_beyond_namespace() {
    let env = trusting();
    let snippet = "\"nginx.org/location-snippets\" = \"set $token x; return 200;\"";
    env.write_profile(
        "web",
        &format!(
            "extends = [\"base\"]\npriorityClassName = \"system-node-critical\"\n[ingress]\nenabled = true\n\
             presets = false\nhosts = [{{ host = \"a.example\" }}, {{ host = \"b.example\" }}]\n\
             tls = [{{ secretName = \"t\" }}]\nannotations = {{ {snippet} }}\n"
        ),
    );
    env.seal("web.tar", &["builder"], |_| {});

    let (page, report) = (env.ok(&VERIFY), env.run(&with(&VERIFY, &["--json"])).json());
    let (inspected, summary) =
        (env.ok(&["inspect", "web.tar"]), env.run(&["inspect", "web.tar", "--json"]).json());

    let lines = [
        "Deployment/relay-claude-relay: has system priority system-node-critical\n",
        "Ingress/relay-claude-relay: gives a controller the snippet nginx.org/location-snippets = set <redacted>; return 200;\n",
        "Ingress/relay-claude-relay: takes requests for host a.example, b.example\n",
    ];
    for line in lines {
        assert!(page.contains(line) && inspected.contains(line), "{line}\nin\n{page}{inspected}");
    }
    assert!(page.contains("\nreaches     "), "{page}");
    assert!(inspected.contains("\nReaches beyond the namespace\n"), "{inspected}");
    let host = json!({"kind": "Ingress", "name": "relay-claude-relay", "way": "host", "target": "b.example"});
    assert!(report["reach"].as_array().unwrap().contains(&host), "{report}");
    assert_eq!(report["reach"], summary["reach"]);
}

#[test]
fn bundle_that_stays_in_its_namespace_is_said_to() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});

    assert!(env.ok(&VERIFY).contains("reaches     nothing beyond its namespace\n"));
}

#[test]
fn single_key_is_trusted_for_all_and_unchecked_parts_are_named() {
    let env = TestEnv::new();
    env.seal("web.tar", &["builder"], |predicate| {
        predicate.sites.insert("elsewhere".parse().unwrap());
    });
    env.write("builder.pub.pem", key("builder").public().to_pem());
    env.write("other.pub.pem", key("other").public().to_pem());

    let page = env.ok(&["verify", "web.tar", "--key", "builder.pub.pem"]);
    let other = env.run(&["verify", "web.tar", "--key", "other.pub.pem"]);

    assert!(
        page.contains("target      NOT checked, a single key was trusted; signed for elsewhere\n"),
        "{page}"
    );
    assert!(page.contains("replay      NOT checked, a single key was trusted\n"), "{page}");
    assert_eq!(other.code, 3);
    assert!(other.stderr.starts_with("error: UNTRUSTED_KEY: "), "{}", other.stderr);
}

#[test]
fn nobody_is_trusted_on_first_use() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});

    let ran = env.run(&["verify", "web.tar"]);

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("trust on first use is not supported"), "{}", ran.stderr);
}

#[test]
fn meaningless_arguments_are_refused() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    env.write("key.pem", key("builder").public().to_pem());
    let time = "2026-11-22T10:00:00Z";
    let table: [(&[&str], &str); 11] = [
        (&["web.tar", "--trust", "trust.toml", "--key", "key.pem"], "cannot be used with"),
        (&["web.tar", "--key", "key.pem", "--record"], "cannot be used with"),
        (&["web.tar", "--key", "key.pem", "--state", "s.json"], "cannot be used with"),
        (&["web.tar", "--trust", "trust.toml", "--at", time, "--record"], "cannot be used with"),
        (&["web.tar", "--trust", "trust.toml", "--at", time, "--emit"], "cannot be used with"),
        (&["web.tar", "--trust", "trust.toml", "--secrets-exist"], "--emit"),
        (&["web.tar", "--trust", "trust.toml", "--emit", "--json"], "both write to stdout"),
        (&["web.tar", "--trust", "trust.toml", "--set", "replicaCount=2"], "--rebuild"),
        (&["web", "--trust", "trust.toml"], "`@web` is the newest build"),
        (&["none.tar", "--trust", "trust.toml"], "file or folder `none.tar` does not exist"),
        (&["@none", "--trust", "trust.toml"], "not in the store"),
    ];
    for (arguments, why) in table {
        let ran = env.run(&with(&["verify"], arguments));

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn record_is_skipped_if_cluster_is_not_compared() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});

    let ran = env.run(&with(&VERIFY, &["--record", "--live", "--kubeconfig", "none.yaml"]));

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(!env.path().join(".local").exists(), "nothing is recorded");
}

#[test]
fn audit_at_other_time_is_reported_as_such() {
    let env = trusting();
    let issued = days_from_now(-400);
    env.seal("web.tar", &["builder"], |predicate| predicate.issued = issued);

    let now = env.run(&VERIFY);
    let then = env.run(&with(&VERIFY, &["--at", &issued.to_string()]));

    assert_eq!(now.code, 3);
    assert!(now.stderr.starts_with("error: EXPIRED: "), "{}", now.stderr);
    assert_eq!(then.code, 0, "{}", then.stderr);
    assert!(
        then.stderr.starts_with(&format!("warning: verified as of {issued}")),
        "{}",
        then.stderr
    );
}

#[test]
fn archive_in_parts_is_verified_unjoined_and_bad_part_is_named() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    env.ok(&["split", "web.tar", "--size", "8KiB", "--out", "."]);
    let verify = ["verify", "web.tar.parts", "--trust", "trust.toml"];
    assert!(env.ok(&verify).starts_with("verified    web.tar.parts\n"));

    for part in ["web.tar.part001", "web.tar.part003"] {
        let good = fs_err::read(env.path().join(part)).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        env.write(part, bad);
        let ran = env.run(&with(&verify, &["--emit", "--secrets-exist"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: TAMPERED: 1 of "), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("{part}` was altered")), "{}", ran.stderr);

        fs_err::remove_file(env.path().join(part)).unwrap();
        let ran = env.run(&with(&verify, &["--json"]));
        assert_eq!((ran.code, &ran.json()["code"]), (3, &"MISSING_FILE".into()), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("{part}` is missing")), "{}", ran.stderr);
        env.write(part, good);
    }
    env.write("web.tar.parts", "no index");
    let ran = env.run(&with(&verify, &["--json"]));
    assert_eq!((ran.code, &ran.json()["code"]), (3, &"BAD_FORM".into()), "{}", ran.stderr);
}

// --- the files that decide ---

#[test]
fn policy_or_key_writable_by_others_is_refused() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    env.write("key.pem", key("builder").public().to_pem());
    for (option, name) in [("--trust", "trust.toml"), ("--key", "key.pem")] {
        for mode in [0o664, 0o646, 0o666] {
            set_mode(&env.path().join(name), mode);

            let ran = env.run(&["verify", "web.tar", option, name]);

            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
            let (why, remedy) =
                (format!("`{name}` has mode {mode:04o}"), format!("chmod go-w {name}"));
            assert!(ran.stderr.contains(&why) && ran.stderr.contains(&remedy), "{}", ran.stderr);
        }
        set_mode(&env.path().join(name), 0o644);
        set_mode(env.path(), 0o777);
        let ran = env.run(&["verify", "web.tar", option, name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("other users can replace its files"), "{}", ran.stderr);
        set_mode(env.path(), 0o755);
    }
}

#[test]
fn policy_of_other_user_is_refused() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    let policy = env.path().join("trust.toml");
    if fs_err::os::unix::fs::chown(&policy, Some(12345), None).is_err() {
        return skip("only root gives files away (run the tests as root)");
    }

    let ran = env.run(&VERIFY);

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`trust.toml` belongs to user 12345, who can change it"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("chown 0 trust.toml"), "{}", ran.stderr);
}

#[test]
fn policy_error_is_reported_with_file_and_line() {
    let env = TestEnv::new();
    env.seal("web.tar", &["builder"], |_| {});
    let key = policy_key("builder", "");
    let table = [
        (policy("", &[key.clone(), policy_key("builder", "")]), "trust.toml:8: duplicate key "),
        (
            policy("[unknown]\n", std::slice::from_ref(&key)),
            "trust.toml:2: unknown field `unknown`",
        ),
        (
            "schema = \"relay-bundle/trust/v9\"\n".to_owned(),
            "trust.toml:1: unsupported schema `relay-bundle/trust/v9`",
        ),
        (
            policy("", &[policy_grant(&["builder"], 1, "")]),
            "trust.toml:3: the grant refers to the key ",
        ),
        (policy("", &[key.replace("MCow", "MCox")]), "trust.toml:3: "),
        ("[[key]".to_owned(), "trust.toml:1: "),
        (
            crate::sealing::key("builder").public().to_pem(),
            "`relay-bundle trust add key POLICY --key trust.toml --holder NAME`",
        ),
    ];
    for (text, why) in table {
        env.write("trust.toml", text);

        let ran = env.run(&VERIFY);

        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{why}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why} in {}", ran.stderr);
    }
    env.write("trust.toml", b"\xff");
    assert!(env.run(&VERIFY).stderr.contains("is not UTF-8 (byte 0)"));
    env.write("trust.toml", vec![b'#'; (1 << 20) + 1]);
    assert!(env.run(&VERIFY).stderr.contains("exceeds the limit of 1048576 bytes"));
    let ran = env.run(&["verify", "web.tar", "--trust", "none.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("trust policy `none.toml` does not exist"), "{}", ran.stderr);
}

#[test]
fn private_key_and_policy_are_refused_as_trusted_key() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    let table = [
        (
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"
                .to_owned(),
            "`x` is a private key; expected a public key",
        ),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4CAQ\n-----END ENCRYPTED PRIVATE KEY-----\n"
                .to_owned(),
            "relay-bundle keygen --public x",
        ),
        (fs_err::read_to_string(env.path().join("trust.toml")).unwrap(), "pass it with --trust"),
        (String::new(), "`relay-bundle keygen` and `openssl pkey -pubout` write"),
    ];
    for (text, why) in table {
        env.write("x", text);

        let ran = env.run(&["verify", "web.tar", "--key", "x"]);

        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why} in {}", ran.stderr);
    }
}

// --- handed out ---

/// Returns the manifests of a folder, in the order that `inspect` shows.
fn documents(env: &TestEnv, folder: &Utf8Path) -> String {
    let inspected = env.run(&["inspect", &format!("{folder}/"), "--json"]).json();
    let objects = inspected["objects"].as_array().unwrap();
    let files = objects.iter().map(|object| folder.join(object["file"].as_str().unwrap()));
    files.flat_map(|file| ["---\n".to_owned(), fs_err::read_to_string(file).unwrap()]).collect()
}

#[test]
fn emit_writes_only_verified_bytes_in_apply_order() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});

    let ran = env.run(&with(&VERIFY, &["--emit", "--secrets-exist"]));

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout == documents(&env, &env.build(&["web"])), "{}", ran.stdout);
    assert!(ran.stdout == env.ok(&["render", "web"]), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("verified    web.tar\n"), "{}", ran.stderr);
}

/// The file of `relay-blocked` comes before that of `relay`, because `-` comes before `.`.
#[test]
fn emitted_and_rendered_manifests_have_order_of_inspect() {
    let env = trusting();
    env.write_profile(
        "web",
        "extends = [\"base\"]\nredis.auth.enabled = true\nserviceMonitor.enabled = true\n",
    );
    env.seal("web.tar", &["builder"], |_| {});
    let wanted = documents(&env, &env.build(&["web"]));

    let emitted = env.run(&with(&VERIFY, &["--emit", "--secrets-exist"])).stdout;

    assert!(emitted == wanted, "{emitted}");
    assert!(env.ok(&["render", "web"]) == wanted);
}

#[test]
fn manifests_needing_uncreated_secrets_are_not_emitted() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});

    let ran = env.run(&with(&VERIFY, &["--emit"]));

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    for part in
        ["relay-claude-relay-encryption-key", "relay-claude-relay-generated", "--secrets-exist"]
    {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
}

#[test]
fn closed_reader_is_not_failure() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command
        .args(with(&VERIFY, &["--emit", "--secrets-exist"]))
        .current_dir(env.path())
        .env_clear()
        .env("HOME", env.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Only more than a pipe holds would make it wait; a pipe closed now is closed before the first
    // write.
    drop(child.stdout.take());

    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("error") && !stderr.contains("panick"), "{stderr}");
}

#[test]
fn kubectl_reads_what_is_emitted() {
    let Some(kubectl) = find("kubectl", "kubernetes-client") else { return };
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    let emitted = env.ok(&with(&VERIFY, &["--emit", "--secrets-exist"]));

    // Without a server: `apply --dry-run=client` would ask one for its kinds.
    let mut command = assert_cmd::Command::new(kubectl);
    command.args([
        "patch",
        "--local",
        "--type=merge",
        "--patch={}",
        "--output=name",
        "--filename=-",
    ]);
    let output = command.env_clear().env("HOME", env.path()).write_stdin(emitted).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let report = env.run(&with(&VERIFY, &["--json"])).json();
    assert_eq!(names.lines().count() as u64, report["objects"].as_u64().unwrap(), "{names}");
    assert!(names.contains("deployment.apps/relay-claude-relay\n"), "{names}");
}

// --- rebuilt ---

#[test]
fn bundle_is_compared_with_rebuild_from_source() {
    let env = trusting();
    env.seal("web.tar", &["builder"], |_| {});
    let rebuild = with(&VERIFY, &["--rebuild", "web"]);
    let page = env.ok(&rebuild);
    assert!(page.contains("rebuild     identical to the source of profile web\n"), "{page}");
    assert_eq!(
        env.run(&with(&rebuild, &["--json"])).json()["rebuild"],
        json!({"profile": "web", "same": true})
    );

    let ran = env.run(&with(&rebuild, &["--set", "config.logLevel=\"debug\"", "--record"]));

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("the source of profile web gives a different bundle\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("            bundle.json: differs\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(": only in the bundle\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(": only in the source\n"), "{}", ran.stdout);
    assert!(!env.path().join(".local").exists(), "nothing is recorded");
    let emitted = env
        .run(&with(&rebuild, &["--set", "config.logLevel=\"debug\"", "--emit", "--secrets-exist"]));
    assert_eq!((emitted.code, emitted.stdout.as_str()), (1, ""), "{}", emitted.stderr);
    let ran = env.run(&with(&rebuild, &["--set", "config.logLevle=1"]));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}
