//! Tests that forged records, Secrets and answers are rejected before anything is changed.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::helm::{ADMIN, Helm, RELEASE};
use crate::proxy::{Fault, Proxy};
use crate::site::{Ran, Site};

const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";
/// The largest number that the program reads from a head.
const NUMBER_MAX: u64 = 1 << 52;

/// Changes the head of the record of `relay-dev`, and keeps its canonical spelling.
fn forge(site: &Site, change: impl Fn(&mut Value)) {
    let mut record = site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev");
    let mut head = site.head("relay-dev");
    change(&mut head);
    record["data"]["head.json"] = head.to_string().into();
    site.plane.replace(&record);
}

#[test]
fn forged_head_without_helm_record_takes_over_nothing() {
    let Some(site) = Site::new("forged-adopting") else { return };
    let bundle = site.build("dev", &[]);
    site.applied(&bundle, &[]);
    forge(&site, |head| head["adopting"] = "relay-dev".into());
    let kubectl =
        |arguments: &[&str]| site.plane.kubectl(&[&["-n", "forged-adopting"], arguments].concat());
    kubectl(&["delete", "service/relay-dev-redis"]);
    kubectl(&["create", "service", "clusterip", "relay-dev-redis", "--tcp=6379"]);
    let before = site.versions();
    let adopt = |more: &[&str]| {
        let own = ["adopt", "--from-helm", "relay-dev", bundle.as_str(), "--trust", "trust.toml"];
        site.call(&[&own[..], more].concat())
    };

    for more in [["--yes", "--recreate-redis"], ["--dry-run", "--recreate-redis"]] {
        let ran = adopt(&more);
        assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
        let why = "Service/relay-dev-redis: it exists, and was not created by this installation";
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(!ran.stdout.contains("adopted before"), "{}", ran.stdout);
        assert!(!ran.stderr.contains("--adopt"), "{}", ran.stderr);
    }
    let shown = adopt(&["--dry-run"]).stdout;
    assert!(shown.contains("Helm release relay-dev (Helm has no record of it)"), "{shown}");
    assert_eq!(site.versions(), before);

    kubectl(&["delete", "service/relay-dev-redis"]);
    let ran = adopt(&["--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(site.head("relay-dev").get("adopting"), None);
}

/// Returns the name of Helm's record of a revision, with a suffix.
fn record_name(end: &str) -> String {
    format!("sh.helm.release.v1.{RELEASE}.v{end}")
}

/// Returns a changed copy of a Helm record under another name, ready to be created.
fn forged(record: &Value, name: &str, change: impl Fn(&mut Value)) -> Value {
    let packed = STANDARD
        .decode(STANDARD.decode(record["data"]["release"].as_str().unwrap()).unwrap())
        .unwrap();
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let mut release: Value = serde_json::from_str(&text).unwrap();
    change(&mut release);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(release.to_string().as_bytes()).unwrap();
    let mut labels = record["metadata"]["labels"].clone();
    labels["version"] = release["version"].to_string().into();
    json!({"apiVersion": "v1", "kind": "Secret", "type": record["type"],
        "metadata": {"name": name, "namespace": record["metadata"]["namespace"], "labels": labels},
        "data": {"release": STANDARD.encode(STANDARD.encode(encoder.finish().unwrap()))}})
}

#[test]
fn forged_helm_record_or_archive_is_refused_before_any_change() {
    let Some(helm) = Helm::install("forged-helm", &[ADMIN]) else { return };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let record = site.plane.get("forged-helm", &format!("secret/{}", record_name("1")));
    let create = |object: &Value| site.plane.feed(&["create", "-f", "-"], &object.to_string());
    let delete = |name: &str| {
        site.plane.kubectl(&["-n", "forged-helm", "delete", "secret", name]);
    };
    let refused = |words: &[&str]| {
        let before = site.versions();
        for more in [&["--yes", "--recreate-redis"][..], &["--dry-run"]] {
            let ran = helm.adopt(&bundle, more);
            assert_eq!(
                ran.code,
                4,
                "{words:?}: {}",
                ran.stderr.chars().take(2_000).collect::<String>()
            );
            assert!(ran.stderr.len() < 4_000, "{words:?}: {} bytes", ran.stderr.len());
            assert!(
                words.iter().all(|word| ran.stderr.contains(word)),
                "{words:?}: {}",
                ran.stderr
            );
        }
        assert_eq!(site.versions(), before, "{words:?}");
    };
    let archive = format!("relay-bundle.{RELEASE}.helm.v1");

    // Another object has the name of an archive.
    site.plane.kubectl(&["-n", "forged-helm", "create", "secret", "generic", &archive]);
    refused(&[&archive, "is needed for the archive"]);
    delete(&archive);

    // Two records would have the same archive.
    let copy = record_name("1-copy");
    create(&forged(&record, &copy, |_| ()));
    refused(&["two records of revision 1"]);
    delete(&copy);
    let label = ["-n", "forged-helm", "label", "secret", &record_name("1")];
    site.plane.kubectl(&[&label[..], &["version-"]].concat());
    refused(&[&record_name("1"), "its label `version` does not match its revision"]);
    site.plane.kubectl(&[&label[..], &["version=1"]].concat());

    // Messages quote only a short part of a record, and the size of a record is limited.
    let (large, larger) = ("s".repeat(1 << 20), "s".repeat(22 << 20));
    let newer = record_name("2");
    for (field, why) in
        [("/info/status", "not a valid release status"), ("/name", "not a valid release name")]
    {
        create(&forged(&record, &newer, |release| {
            release["version"] = 2.into();
            *release.pointer_mut(field).unwrap() = large.as_str().into();
        }));
        refused(&[&newer, why]);
        delete(&newer);
    }
    for number in 2..=4 {
        create(&forged(&record, &record_name(&number.to_string()), |release| {
            release["version"] = number.into();
            release["chart"] = larger.as_str().into();
        }));
    }
    refused(&["exceed 64 MiB"]);
    (2..=4).for_each(|number| delete(&record_name(&number.to_string())));

    // Labels alone do not make a Secret an archive.
    create(&forged(&record, &newer, |release| {
        release["version"] = 2.into();
        release["info"]["status"] = "failed".into();
    }));
    for (name, content) in
        [("forged-archive", json!({})), (archive.as_str(), json!({"release": "eA=="}))]
    {
        create(&json!({"apiVersion": "v1", "kind": "Secret", "immutable": true, "data": content,
            "metadata": {"name": name, "namespace": "forged-helm", "labels": {
                "app.kubernetes.io/managed-by": "relay-bundle", "app.kubernetes.io/instance": RELEASE,
                "app.kubernetes.io/component": "helm-archive"}}}));
        refused(&["revision 2 of the Helm release `claude-relay` is `failed`"]);
        delete(name);
    }
    delete(&newer);

    helm.adopted(&bundle, &[]);
    assert_eq!(helm.traces(), [""; 0]);
}

#[test]
fn number_that_cannot_be_read_back_is_not_written() {
    let Some(site) = Site::new("forged-number") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let second = site.build("dev", &["config.logLevel=\"info\""]);

    // The heartbeat restarts after its largest number.
    forge(&site, |head| head["lock"] = json!({"heartbeat": NUMBER_MAX, "holder": "process 1 (0)"}));
    assert_eq!(site.applied(&second, &["--break-lock"])["done"]["generation"], 2);
    assert_eq!(site.head("relay-dev").get("lock"), None);

    let mut generation = site.plane.get("forged-number", "configmap/relay-bundle.relay-dev.2");
    let text = generation["data"]["generation.json"].as_str().unwrap();
    let text = text.replace("\"generation\":2", &format!("\"generation\":{NUMBER_MAX}"));
    generation["data"]["generation.json"] = text.into();
    generation["metadata"] = json!({"name": format!("relay-bundle.relay-dev.{NUMBER_MAX}"),
        "namespace": "forged-number", "labels": generation["metadata"]["labels"]});
    site.plane.ensure(&generation.to_string());
    forge(&site, |head| head["generations"][1]["generation"] = NUMBER_MAX.into());
    let before = site.versions();

    let ran = site.apply(&site.build("dev", &["config.logLevel=\"warn\""]), &["--yes"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("relay-bundle.relay-dev in namespace forged-number, is damaged"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.versions(), before);
    assert_eq!(site.call(&["history", "-n", "forged-number"]).code, 0);
}

fn through(proxy: &Proxy, site: &Site, bundle: &camino::Utf8Path, more: &[&str]) -> Ran {
    let config = site.path().join("forged.kubeconfig");
    fs_err::write(&config, proxy.kubeconfig()).unwrap();
    crate::site::apply(site.path(), bundle, config.as_str(), more)
}

#[test]
fn huge_field_conflict_is_shown_in_part_and_nothing_taken() {
    let Some(site) = Site::new("forged-conflict") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let bundle = site.build("dev", &["config.logLevel=\"info\""]);
    let cause = |number: usize| json!({"reason": "FieldManagerConflict", "message": "conflict with \"x\"", "field": format!(".spec.f{number}")});
    let causes: Vec<Value> = (0..60_000).map(cause).collect();
    let status =
        json!({"kind": "Status", "code": 409, "reason": "Conflict", "details": {"causes": causes}});
    let answer: &'static str = status.to_string().leak();
    let proxy = Proxy::before(site.plane, move |seen| {
        let is_trial = seen.method == "PATCH" && seen.path.contains("/deployments/");
        if is_trial {
            Fault::Answer(409, "content-type: application/json", answer)
        } else {
            Fault::None
        }
    });
    let permits: Vec<String> =
        (0..100).map(|number| format!("--force-conflicts=.spec.f{number}")).collect();
    let permits: Vec<&str> = permits.iter().map(String::as_str).chain(["--yes"]).collect();

    for more in [&["--yes"][..], &permits] {
        let ran = through(&proxy, &site, &bundle, more);
        assert_eq!(ran.code, 4, "{}", ran.stderr.len());
        assert!(ran.stderr.lines().count() < 400, "{} lines", ran.stderr.lines().count());
        assert!(
            ran.stderr.contains("Deployment/relay-dev-claude-relay:(59900 more fields)"),
            "{}",
            ran.stderr
        );
    }
    assert!(!proxy.seen().iter().any(|seen| seen.path.contains("force=true") || seen.is_write()));
}

#[test]
fn impossible_cluster_identity_is_not_printed() {
    let Some(site) = Site::new("forged-identity") else { return };
    let bundle = site.build("dev", &[]);
    let system = |uid: &str| -> &'static str {
        let metadata = json!({"name": "kube-system", "uid": uid});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).to_string().leak()
    };
    let version = |text: &str| -> &'static str { json!({"gitVersion": text}).to_string().leak() };
    let long = "1".repeat(1 << 20);
    for (path, answer) in [
        (KUBE_SYSTEM, system("\u{1b}[2Jgone")),
        (KUBE_SYSTEM, system("a\nhint: do this")),
        (KUBE_SYSTEM, system("")),
        (KUBE_SYSTEM, system(&long)),
        ("/version", version("v1.37.0\u{1b}[2J")),
        ("/version", version(&long)),
    ] {
        let proxy = Proxy::before(site.plane, move |seen| {
            if seen.path == path { Fault::Instead(answer) } else { Fault::None }
        });

        let ran = through(&proxy, &site, &bundle, &["--dry-run"]);

        assert_eq!(ran.code, 4, "{}", ran.stderr.escape_debug());
        assert!(
            ran.stderr.contains(" is not from an API server: `/"),
            "{}",
            ran.stderr.escape_debug()
        );
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !shown.contains('\u{1b}') && !shown.contains("do this") && shown.len() < 1_000,
            "{shown:?}"
        );
    }
}

#[test]
fn state_writable_by_others_is_refused_before_any_request() {
    let Some(site) = Site::new("forged-home") else { return };
    let bundle = site.build("dev", &[]);
    let open = site.path().join("open");
    fs_err::create_dir(&open).unwrap();
    fs_err::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let proxy = Proxy::before(site.plane, |_| Fault::None);

    let ran = through(&proxy, &site, &bundle, &["--yes", "--state", "open/a/b/state.json"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("refusing to use a state that other users can change"),
        "{}",
        ran.stderr
    );
    assert_eq!(proxy.seen().len(), 0);
}
