//! Content that contradicts itself or its statement is refused, even with a good signature.

use camino::Utf8Path;
use relay_bundle::model::digest::Digest;
use relay_bundle::render::yaml::{from_yaml, to_yaml};
use relay_bundle::trust::refusal::Refusal;
use relay_bundle::trust::statement::Predicate;
use serde_json::{Value, json};

use super::forger::{Forger, INDEX, RECIPE};
use super::sealed_files::{sealed_for, without_place};
use super::world::{ACCEPTED, Content, DEV, PRODUCTION, key, verify_by_key};

/// Signs the changed files of a bundle, and returns the result of verification.
fn forged(original: &Content, edit: impl FnOnce(&mut Forger)) -> Result<(), Refusal> {
    let mut forger = Forger(original.clone());
    edit(&mut forger);
    let mut content = forger.0;
    content.list();
    let statement = content.statement_like(&original.statement());
    verify_by_key(&content.signed(&statement, &[&key(1)]), &key(1)).map(|_| ())
}

type Forgery = (&'static str, fn(&mut Forger), &'static str);

/// Asserts that every forgery is refused, each for its own reason.
fn are_refused(original: &Content, forgeries: &[Forgery]) {
    for (what, edit, reason) in forgeries {
        let refusal = forged(original, edit).expect_err(what);

        assert_eq!(refusal.reason.code(), "CONTENT_MISMATCH", "{what}: {refusal}");
        assert!(refusal.to_string().contains(reason), "{what}: {refusal}");
    }
}

fn cluster_role_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "admin", "namespace": "claude-relay"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "claude-relay", "namespace": "claude-relay"}],
    })
}

#[test]
fn content_untouched_by_forger_is_accepted() {
    for original in [&*DEV, &*PRODUCTION] {
        assert!(forged(original, Forger::digests).is_ok());
    }
}

#[test]
fn only_bundle_kinds_and_namespace_are_accepted() {
    are_refused(
        &PRODUCTION,
        &[
            (
                "a ClusterRoleBinding",
                |forger| forger.add(3, "clusterrolebinding", &cluster_role_binding()),
                "rbac.authorization.k8s.io/v1 ClusterRoleBinding",
            ),
            (
                "a ClusterRoleBinding that the index calls a ServiceAccount",
                |forger| {
                    forger.text("sa", |_| to_yaml(&cluster_role_binding()));
                    forger.digests();
                },
                "rbac.authorization.k8s.io/v1 ClusterRoleBinding",
            ),
            (
                "a kind of the list, in another group",
                |forger| {
                    forger
                        .object("deploy", |object| object["apiVersion"] = json!("example.com/v1"));
                    forger.entry("deploy", |entry| entry["apiVersion"] = json!("example.com/v1"));
                    forger.digests();
                },
                "example.com/v1 Deployment",
            ),
            (
                "a List",
                |forger| {
                    forger.text("sa", |_| {
                        to_yaml(
                            &json!({"apiVersion": "v1", "kind": "List", "items": [cluster_role_binding()]}),
                        )
                    });
                    forger.digests();
                },
                "v1 List",
            ),
            (
                "another namespace",
                |forger| {
                    forger.object("svc", |object| {
                        object["metadata"]["namespace"] = json!("kube-system");
                    });
                    forger.entry("svc", |entry| entry["namespace"] = json!("kube-system"));
                    forger.digests();
                },
                "not in the bundle's namespace",
            ),
            (
                "no namespace",
                |forger| {
                    forger.object("svc", |object| {
                        object["metadata"].as_object_mut().unwrap().remove("namespace");
                    });
                    forger.entry("svc", |entry| entry["namespace"] = json!(""));
                    forger.digests();
                },
                "not in the bundle's namespace",
            ),
            (
                "another namespace itself",
                |forger| {
                    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}});
                    forger.add(1, "ns", &namespace);
                },
                "not in the bundle's namespace",
            ),
            (
                "an object without a name",
                |forger| {
                    let object = json!({
                        "apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"generateName": "x", "name": "", "namespace": "claude-relay"},
                    });
                    forger.add(4, "cm", &object);
                },
                "which contradicts bundle.json",
            ),
        ],
    );
}

#[test]
fn manifest_must_be_one_document_in_canonical_form() {
    are_refused(
        &PRODUCTION,
        &[
            (
                "two documents",
                |forger| {
                    forger.text("sa", |text| {
                        format!("{text}---\n{}", to_yaml(&cluster_role_binding()))
                    });
                    forger.digests();
                },
                "is not in the form that this program writes",
            ),
            (
                "a document end",
                |forger| {
                    forger.text("sa", |text| format!("{text}...\n"));
                    forger.digests();
                },
                "is not in the form that this program writes",
            ),
            (
                "an alias",
                |forger| {
                    forger.text("sa", |text| {
                        text.replacen("kind: ServiceAccount", "kind: &a ServiceAccount", 1)
                            .replacen("managed-by: relay-bundle", "managed-by: *a", 1)
                    });
                    forger.digests();
                },
                "is not in the form that this program writes",
            ),
            (
                "a tag",
                |forger| {
                    forger.text("sa", |text| text.replacen("kind: ", "kind: !!str ", 1));
                    forger.digests();
                },
                "is not in the form that this program writes",
            ),
            (
                "a duplicate key",
                |forger| {
                    forger.text("sa", |text| format!("{text}kind: ServiceAccount\n"));
                    forger.digests();
                },
                "is not in the form that this program writes",
            ),
            (
                "a comment",
                |forger| {
                    forger.text("sa", |text| format!("{text}# x\n"));
                    forger.digests();
                },
                "differs from the canonical YAML of this program at byte",
            ),
            (
                "carriage returns",
                |forger| {
                    forger.text("sa", |text| text.replace('\n', "\r\n"));
                    forger.digests();
                },
                "is not in the form that this program writes",
            ),
            (
                "JSON, which is YAML too",
                |forger| {
                    forger.text("sa", |text| from_yaml(text.as_bytes()).unwrap().to_string());
                    forger.digests();
                },
                "differs from the canonical YAML of this program at byte",
            ),
        ],
    );
}

#[test]
fn index_must_match_manifests() {
    are_refused(
        &PRODUCTION,
        &[
            (
                "a manifest that is not listed",
                |forger| {
                    let bytes = to_yaml(&cluster_role_binding()).into_bytes();
                    forger.0.files.insert("manifests/15-x.yaml".to_owned(), bytes);
                },
                "bundle.json and the manifests disagree about",
            ),
            (
                "a manifest that is listed and not there",
                |forger| {
                    let path = forger.manifest("sa");
                    forger.0.files.remove(&path);
                },
                "bundle.json and the manifests disagree about",
            ),
            (
                "a manifest that is listed twice",
                |forger| {
                    forger.index(|index| {
                        let objects = index["objects"].as_array_mut().unwrap();
                        objects.insert(0, objects[0].clone());
                    });
                },
                "bundle.json and the manifests disagree about",
            ),
            (
                "another order",
                |forger| forger.index(|index| index["objects"].as_array_mut().unwrap().reverse()),
                "objects or their order",
            ),
            (
                "another digest",
                |forger| forger.text("sa", |text| text.replacen("relay-bundle", "me", 1)),
                "which contradicts bundle.json",
            ),
            (
                "another name",
                |forger| forger.entry("sa", |entry| entry["name"] = json!("x")),
                "which contradicts bundle.json",
            ),
            (
                "another kind",
                |forger| forger.entry("sa", |entry| entry["kind"] = json!("Secret")),
                "which contradicts bundle.json",
            ),
            (
                "another namespace",
                |forger| forger.entry("sa", |entry| entry["namespace"] = json!("x")),
                "which contradicts bundle.json",
            ),
            (
                "another phase",
                |forger| forger.entry("sa", |entry| entry["phase"] = json!(1)),
                "which contradicts bundle.json",
            ),
            ("other images", |forger| forger.index(|index| index["images"] = json!([])), "images"),
            (
                "other workloads",
                |forger| forger.index(|index| index["workloads"] = json!([])),
                "workloads",
            ),
            (
                "another contract",
                |forger| forger.index(|index| index["contract"] = json!([])),
                "contract",
            ),
            (
                "another newest Kubernetes",
                |forger| forger.index(|index| index["kubernetes"]["max"] = json!("1.30")),
                "versions of Kubernetes",
            ),
            (
                "something that apply would make, and cannot",
                |forger| forger.index(|index| index["contract"][0]["source"] = json!("generated")),
                "impossible source",
            ),
        ],
    );
}

#[test]
fn documents_must_agree_and_be_canonical() {
    are_refused(
        &PRODUCTION,
        &[
            ("no index", |forger| drop(forger.0.files.remove(INDEX)), "`bundle.json` is missing"),
            ("no recipe", |forger| drop(forger.0.files.remove(RECIPE)), "`recipe.json` is missing"),
            (
                "another format",
                |forger| forger.index(|index| index["format"] = json!(2)),
                "format 2",
            ),
            (
                "an unknown field",
                |forger| forger.index(|index| index["x"] = json!(1)),
                "unknown field",
            ),
            (
                "an index with a newline",
                |forger| forger.0.files.get_mut(INDEX).unwrap().push(b'\n'),
                "not canonical",
            ),
            (
                "a duplicate field",
                |forger| {
                    let bytes = forger.0.files.get_mut(INDEX).unwrap();
                    drop(bytes.splice(1..1, *b"\"format\":1,"));
                },
                "is not in the form that this program writes",
            ),
            (
                "a recipe that the index does not name",
                |forger| forger.document(RECIPE, |recipe| recipe["renderAbi"] = json!(999)),
                "does not match its digest in bundle.json",
            ),
            (
                "another profile",
                |forger| recipe(forger, "/profile"),
                "bundle.json and recipe.json disagree about the profile",
            ),
            (
                "another name",
                |forger| recipe(forger, "/settings/release/name"),
                "disagree about the name",
            ),
            (
                "another namespace",
                |forger| recipe(forger, "/settings/release/namespace"),
                "disagree about the namespace",
            ),
            (
                "another environment",
                |forger| recipe(forger, "/settings/release/environment"),
                "disagree about the environment",
            ),
            (
                "another version",
                |forger| recipe(forger, "/settings/release/appVersion"),
                "disagree about the appVersion",
            ),
            (
                "an encrypted file that the recipe does not have",
                |forger| drop(forger.0.files.insert("secrets/x.age".to_owned(), b"x".to_vec())),
                "sealed files",
            ),
            (
                "an encrypted file that is only in the recipe",
                |forger| {
                    forger.document(RECIPE, |recipe| {
                        recipe["sealed"] = json!({"secrets/x.age": Digest::of(b"x")});
                    });
                    forger.digests();
                },
                "sealed files",
            ),
        ],
    );
}

/// Returns the result of verifying a bundle whose recipe has another value at a pointer; `None`
/// removes the field.
fn recipe_outcome(pointer: &str, value: Option<Value>) -> String {
    let outcome = forged(&PRODUCTION, |forger| {
        forger.document(RECIPE, |recipe| {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let parent = recipe.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match value {
                Some(value) => parent.insert(field.to_owned(), value),
                None => parent.remove(field),
            };
        });
        forger.digests();
    });
    outcome.map_or_else(|refusal| refusal.to_string(), |()| ACCEPTED.to_owned())
}

#[test]
fn recipe_with_another_envelope_is_refused() {
    let table = [
        ("/more", Some(json!(1)), "unknown field"),
        ("/format", Some(json!(99)), "format 99"),
        ("/format", Some(json!("1")), "format"),
        ("/format", None, "format unknown"),
        ("/profile", Some(json!({"a": 1})), "is not in the form that this program writes"),
        ("/profile", None, "missing field"),
        ("/renderAbi", Some(json!("2")), "is not in the form that this program writes"),
        ("/renderAbi", Some(json!(-1)), "is not in the form that this program writes"),
        ("/renderAbi", None, "missing field"),
        ("/sealed", Some(json!(null)), "is not in the form that this program writes"),
        ("/sealed", Some(json!([])), "is not in the form that this program writes"),
        (
            "/sealed",
            Some(json!({"secrets/x.age": "0"})),
            "is not in the form that this program writes",
        ),
        ("/sealed", None, "missing field"),
        ("/set", Some(json!(null)), "is not in the form that this program writes"),
        ("/set", Some(json!("a=1")), "is not in the form that this program writes"),
        ("/set", Some(json!([{"a": 1}])), "is not in the form that this program writes"),
        ("/set", None, "missing field"),
        ("/settings", Some(json!(null)), "disagree about the name"),
        ("/settings", Some(json!([])), "disagree about the name"),
        ("/settings", None, "missing field"),
    ];
    for (pointer, value, reason) in table {
        let outcome = recipe_outcome(pointer, value.clone());

        assert!(outcome.starts_with("CONTENT_MISMATCH"), "{pointer} {value:?}: {outcome}");
        assert!(outcome.contains(reason), "{pointer} {value:?}: {outcome}");
    }
}

#[test]
fn recipe_of_newer_release_is_accepted() {
    for (pointer, value) in [
        ("/renderAbi", json!(4_000_000_000_u32)),
        ("/settings/newKey", json!({"a": [1, null]})),
        ("/settings/config/newKey", json!("x")),
        ("/set", json!(["newKey=x"])),
    ] {
        assert_eq!(recipe_outcome(pointer, Some(value)), ACCEPTED, "{pointer}");
    }
}

fn recipe(forger: &mut Forger, pointer: &str) {
    forger.document(RECIPE, |recipe| *recipe.pointer_mut(pointer).unwrap() = json!("other"));
    forger.digests();
}

/// Returns a bundle with one sealed secret.
fn sealed_bundle() -> Content {
    let folder = tempfile::tempdir().unwrap();
    let profiles = Utf8Path::from_path(folder.path()).unwrap();
    fs_err::create_dir(profiles.join("secrets")).unwrap();
    let text = "release.environment = \"dev\"\nconfig.jwtSecret.age = \"secrets/jwt.age\"\n";
    fs_err::write(profiles.join("sealed.toml"), text).unwrap();
    fs_err::write(profiles.join("secrets/jwt.age"), sealed_for(PLACE)).unwrap();
    Content::of_profile(profiles.as_str(), "sealed")
}

const PLACE: &str = "claude-relay/claude-relay-sealed/jwt-secret";

/// Replaces the sealed file.
fn reseal(forger: &mut Forger, file: Vec<u8>) {
    let digest = json!(Digest::of(&file).to_string());
    forger.0.files.insert("secrets/jwt.age".to_owned(), file);
    forger.document(RECIPE, |recipe| recipe["sealed"]["secrets/jwt.age"] = digest);
    forger.digests();
}

#[test]
fn sealed_files_that_cannot_be_opened_are_refused() {
    are_refused(
        &sealed_bundle(),
        &[
            (
                "clear text",
                |forger| reseal(forger, b"hunter2".to_vec()),
                "not a file that age encrypted",
            ),
            (
                "a file that was cut short",
                |forger| reseal(forger, sealed_for(PLACE)[..400].to_vec()),
                "not padded to 512 bytes",
            ),
            (
                "a damaged header",
                |forger| {
                    let file = String::from_utf8(without_place()).unwrap();
                    reseal(forger, file.replacen("-> X25519 ", "-> X25519 A", 1).into_bytes());
                },
                "invalid header",
            ),
            (
                "a recipient of another kind",
                |forger| {
                    let file = String::from_utf8(without_place()).unwrap();
                    reseal(forger, file.replacen("-> X25519 ", "-> piv-p256 ", 1).into_bytes());
                },
                "needs a plugin",
            ),
            (
                "a file of another site",
                |forger| reseal(forger, sealed_for("plant-7/claude-relay-sealed/jwt-secret")),
                "sealed for plant-7/claude-relay-sealed/jwt-secret, but the bundle uses it for claude-relay/",
            ),
        ],
    );
}

#[test]
fn sealed_file_of_earlier_version_is_accepted() {
    assert!(forged(&sealed_bundle(), |forger| reseal(forger, without_place())).is_ok());
}

#[test]
fn content_is_what_was_signed() {
    type Lie = (&'static str, fn(&mut Predicate), &'static str);
    let lies: [Lie; 6] = [
        ("another name", |p| p.bundle = "other".parse().unwrap(), "name is `claude-relay`"),
        ("another profile", |p| p.profile = "other".parse().unwrap(), "profile is `production`"),
        (
            "another namespace",
            |p| p.namespace = "other".parse().unwrap(),
            "namespace is `claude-relay`",
        ),
        (
            "another environment",
            |p| p.environment = "dev".parse().unwrap(),
            "environment is `production`",
        ),
        ("another number of files", |p| p.files += 1, "number of files is"),
        ("another size", |p| p.bytes -= 1, "number of bytes is"),
    ];
    for (what, lie, reason) in lies {
        let mut statement = PRODUCTION.statement();
        lie(&mut statement.predicate);
        let content = PRODUCTION.clone().signed(&statement, &[&key(1)]);

        let refusal = verify_by_key(&content, &key(1)).expect_err(what);

        assert_eq!(refusal.reason.code(), "CONTENT_MISMATCH", "{what}: {refusal}");
        assert!(refusal.to_string().contains(reason), "{what}: {refusal}");
    }
}

/// Changes the ServiceMonitor at a pointer; a missing key is added.
fn monitor(forger: &mut Forger, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let field = field.replace("~1", "/");
    forger.object("servicemonitor", |object| object.pointer_mut(parent).unwrap()[field] = value);
    forger.digests();
}

fn monitor_outcome(pointer: &str, value: &Value) -> String {
    let outcome = forged(&PRODUCTION, |forger| monitor(forger, pointer, value.clone()));
    outcome.map_or_else(|refusal| refusal.to_string(), |()| ACCEPTED.to_owned())
}

#[test]
fn monitor_beside_prometheus_leads_only_to_bundle() {
    let endpoint =
        PRODUCTION.files.iter().find(|(path, _)| path.contains("servicemonitor")).unwrap().1;
    let endpoint = from_yaml(endpoint).unwrap()["spec"]["endpoints"][0].clone();
    let secret = json!({"name": "prometheus-token", "key": "token"});
    let table = [
        ("/spec/namespaceSelector", json!({"any": true}), "/spec/namespaceSelector/any"),
        ("/spec/namespaceSelector", json!({"matchNames": ["claude-relay"], "any": true}), "/any"),
        ("/spec/namespaceSelector", json!({"matchNames": ["claude-relay", "x"]}), "no other"),
        ("/spec/namespaceSelector", json!({"matchNames": ["x"]}), "no other"),
        ("/spec/namespaceSelector", json!({"matchNames": []}), "no other"),
        ("/spec/namespaceSelector", json!({}), "no other"),
        ("/spec/namespaceSelector", json!(null), "/spec/namespaceSelector"),
        ("/spec/selector/matchLabels", json!({}), "no Service"),
        ("/spec/selector/matchLabels/app.kubernetes.io~1instance", json!("x"), "no Service"),
        ("/spec/selector/matchLabels/app.kubernetes.io~1name", json!("x"), "no Service"),
        ("/spec/selector/matchLabels/app.kubernetes.io~1component", json!("blocked"), "no Service"),
        ("/spec/selector/matchLabels/more", json!("x"), "no Service"),
        (
            "/spec/selector/matchLabels",
            json!({"app.kubernetes.io/name": "claude-relay"}),
            "no Service",
        ),
        ("/spec/selector/matchExpressions", json!([]), "matchExpressions"),
        ("/spec/endpoints", json!([]), "/spec/endpoints"),
        ("/spec/endpoints", json!([endpoint, endpoint]), "/spec/endpoints"),
        ("/spec/endpoints/0/bearerTokenFile", json!("/var/run/secrets/token"), "bearerTokenFile"),
        ("/spec/endpoints/0/bearerTokenSecret", secret.clone(), "bearerTokenSecret"),
        ("/spec/endpoints/0/basicAuth", json!({"password": secret}), "basicAuth"),
        ("/spec/endpoints/0/authorization", json!({"credentials": secret}), "authorization"),
        ("/spec/endpoints/0/oauth2", json!({"clientSecret": secret}), "oauth2"),
        ("/spec/endpoints/0/tlsConfig", json!({"caFile": "/etc/ca"}), "tlsConfig"),
        ("/spec/endpoints/0/proxyUrl", json!("http://evil.example"), "proxyUrl"),
        ("/spec/endpoints/0/scheme", json!("https"), "scheme"),
        ("/spec/endpoints/0/interval", json!({"a": 1}), "interval"),
        ("/spec/endpoints/0/path", json!("/metrics"), "path"),
        ("/spec/endpoints/0/port", json!("http"), "port"),
        ("/spec/endpoints/0/params/target", json!(["http://10.0.0.1:80/x"]), "params"),
        ("/spec/endpoints/0/params/target", json!(["http://127.0.0.1:80@10.0.0.1/x"]), "params"),
        (
            "/spec/endpoints/0/params/target",
            json!(["http://127.0.0.1:80.evil.example/x"]),
            "params",
        ),
        (
            "/spec/endpoints/0/params/target",
            json!(["http://127.0.0.1:80/x", "http://10.0.0.1/"]),
            "params",
        ),
        ("/spec/endpoints/0/params/module", json!(["other"]), "params"),
        ("/spec/endpoints/0/params/more", json!(["other"]), "params"),
        (
            "/spec/endpoints/0/relabelings",
            json!([{"targetLabel": "__address__"}]),
            "another address",
        ),
        ("/spec/endpoints/0/relabelings", json!([{"targetLabel": "$1"}]), "another address"),
        ("/spec/endpoints/0/relabelings", json!([{"targetLabel": ["__address__"]}]), "relabelings"),
        ("/spec/endpoints/0/relabelings", json!([{"action": "LabelMap"}]), "another address"),
        ("/spec/endpoints/0/relabelings", json!([{"unknown": 1}]), "relabelings"),
        ("/spec/endpoints/0/relabelings", json!({}), "relabelings"),
        ("/spec/attachMetadata", json!({"node": true}), "attachMetadata"),
        ("/spec/scrapeClass", json!("privileged"), "scrapeClass"),
        ("/metadata/ownerReferences", json!([]), "ownerReferences"),
        ("/metadata/finalizers", json!([]), "finalizers"),
        ("/status", json!({}), "/status"),
    ];
    for (pointer, value, reason) in table {
        let outcome = monitor_outcome(pointer, &value);

        assert!(outcome.starts_with("CONTENT_MISMATCH"), "{pointer} {value}: {outcome}");
        assert!(outcome.contains("outside the bundle's namespace"), "{pointer} {value}: {outcome}");
        assert!(outcome.contains(reason), "{pointer} {value}: {outcome}");
    }
}

#[test]
fn profile_options_of_monitor_beside_prometheus_are_accepted() {
    let table = [
        ("/metadata/labels/team", json!("x")),
        ("/metadata/annotations", json!({"a": "b"})),
        ("/spec/endpoints/0/interval", json!("5s")),
        (
            "/spec/endpoints/0/relabelings",
            json!([{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}]),
        ),
        ("/spec/endpoints/0/relabelings", json!([{"action": "replace", "targetLabel": "__tmp_x"}])),
        ("/spec/endpoints/0/metricRelabelings", json!([{"action": "labelmap", "regex": "x_(.+)"}])),
        ("/spec/endpoints/0/params/target", json!(["http://127.0.0.1:8080/figures"])),
    ];
    for (pointer, value) in table {
        assert_eq!(monitor_outcome(pointer, &value), ACCEPTED, "{pointer} {value}");
    }
}

#[test]
fn rendered_monitor_is_accepted_in_any_namespace() {
    for variant in ["service-monitor", "service-monitor-without-exporter"] {
        let original = Content::of_profile(&format!("tests/golden/{variant}"), "profile");

        assert!(forged(&original, Forger::digests).is_ok(), "{variant}");
    }
}
