//! A grant for dev gives no access to the nodes: forbidden content is refused, even with a good
//! signature.

use relay_bundle::bundle::open::{Bundle, InvalidBundle};
use relay_bundle::bundle::read::Opening;
use relay_bundle::model::restricted;
use relay_bundle::trust::policy::Policy;
use relay_bundle::trust::refusal::Refusal;
use relay_bundle::trust::state::State;
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};
use serde_json::{Value, json};

use super::forger::Forger;
use super::world::{
    ACCEPTED, Content, DEV, ISSUED, Memory, Step, code_of, key, time, verify_by_key, verify_until,
};

/// Returns a policy under which one key may sign for dev only.
fn dev_only() -> Policy {
    let [dev, other] = [1, 2].map(|seed| key(seed).public());
    let entry = |public: &relay_bundle::trust::key::PublicKey, holder: &str| {
        let (id, public) = (public.id(), public.to_base64());
        format!("[[key]]\nid = \"{id}\"\npublic = \"{public}\"\nholder = \"{holder}\"\n")
    };
    let grant = |name: &str, bundle: &str, id| {
        format!(
            "[[grant]]\nbundles = [\"{bundle}\"]\nprofiles = [\"{name}\"]\nenvironments = [\"{name}\"]\n\
             namespaces = [\"{bundle}\"]\nkeys = [\"{id}\"]\nthreshold = 1\n"
        )
    };
    let text = [
        "schema = \"relay-bundle/trust/v1\"\n".to_owned(),
        entry(&dev, "developer"),
        entry(&other, "release-desk"),
        grant("dev", "relay-dev", dev.id()),
        grant("production", "claude-relay", other.id()),
    ];
    Policy::parse(&text.concat()).unwrap()
}

/// Signs the changed files with the developer's key, and returns the result of verification.
fn forged(original: &Content, edit: impl FnOnce(&mut Forger)) -> Result<(), Refusal> {
    let mut forger = Forger(original.clone());
    edit(&mut forger);
    forger.digests();
    let mut content = forger.0;
    content.list();
    let statement = content.statement_like(&DEV.statement());
    let signed = content.signed(&statement, &[&key(1)]);
    let (policy, state, now) = (dev_only(), State::default(), time(ISSUED).plus_seconds(3600));
    let terms = VerifyTerms {
        authority: Authority::Policy(&policy, &state),
        purpose: Purpose::Install,
        now,
    };
    verify_until(&signed, &terms, Step::Files).map(|_| ())
}

/// Sets the value at a pointer of a manifest; null removes it. A last segment `-` appends to a
/// list.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let field = field.replace("~1", "/");
    match object.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Array(items) if field == "-" => items.push(value),
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        Value::Object(fields) if value.is_null() => drop(fields.remove(&field)),
        parent => parent[field] = value,
    }
}

fn outcome(kind: &str, pointer: &str, value: &Value) -> Result<(), Refusal> {
    forged(&DEV, |forger| forger.object(kind, |object| set(object, pointer, value.clone())))
}

fn are_forbidden(kind: &str, table: &[(&str, Value, &str)]) {
    for (pointer, value, reason) in table {
        let outcome = outcome(kind, pointer, value);

        assert_eq!(code_of(&outcome), "FORBIDDEN_CONTENT", "{kind}{pointer} {value}: {outcome:?}");
        let refusal = outcome.unwrap_err();
        assert!(refusal.to_string().contains(reason), "{kind}{pointer} {value}: {refusal}");
    }
}

#[test]
fn dev_bundle_that_is_not_altered_is_accepted() {
    assert!(forged(&DEV, |_| {}).is_ok());
}

#[test]
fn pod_with_node_access_is_forbidden() {
    const SPEC: &str = "/spec/template/spec";
    let pod = |field: &str| format!("{SPEC}/{field}");
    let table = [
        ("hostPID", json!(true), "`spec.hostPID`"),
        ("hostPID", json!(false), "`spec.hostPID`"),
        ("hostNetwork", json!(true), "`spec.hostNetwork`"),
        ("hostIPC", json!(true), "`spec.hostIPC`"),
        ("nodeName", json!("control-plane-0"), "`spec.nodeName`"),
        ("schedulerName", json!("other"), "`spec.schedulerName`"),
        ("runtimeClassName", json!("unconfined"), "`spec.runtimeClassName`"),
        ("resourceClaims", json!([{"name": "a"}]), "`spec.resourceClaims`"),
        ("priority", json!(2_000_001_000), "`spec.priority`"),
        ("serviceAccount", json!("admin"), "`spec.serviceAccount`"),
        ("os", json!({"name": "windows"}), "`spec.os`"),
        ("notYetInvented", json!(true), "`spec.notYetInvented`"),
        (
            "ephemeralContainers",
            json!([{"name": "debug", "image": "x"}]),
            "`spec.ephemeralContainers`",
        ),
        ("automountServiceAccountToken", json!(true), "must be `false`"),
        ("automountServiceAccountToken", json!(null), "must be `false`"),
        ("containers", json!({"name": "x"}), "`spec.containers`"),
        (
            "volumes/0",
            json!({"name": "x", "hostPath": {"path": "/"}}),
            "`spec.volumes[x].hostPath`",
        ),
        (
            "volumes/0",
            json!({"name": "x", "nfs": {"server": "a", "path": "/"}}),
            "`spec.volumes[x].nfs`",
        ),
        (
            "volumes/0",
            json!({"name": "x", "emptyDir": {}, "hostPath": {"path": "/"}}),
            "`spec.volumes[x]`",
        ),
        ("volumes/0", json!({"name": "x"}), "`spec.volumes[x]`"),
        ("volumes", json!({"a": 1}), "`spec.volumes`"),
        ("securityContext/runAsUser", json!(0), "must not be 0"),
        ("securityContext/runAsUser", json!("0"), "must not be 0"),
        ("securityContext/runAsNonRoot", json!(false), "must be `true`"),
        ("securityContext/runAsNonRoot", json!(null), "must be `true`"),
        ("securityContext/seccompProfile", json!({"type": "Unconfined"}), "seccompProfile"),
        ("securityContext/seccompProfile", json!({"type": "Localhost"}), "seccompProfile"),
        ("securityContext/seccompProfile", json!(null), "seccompProfile"),
        ("securityContext/appArmorProfile", json!({"type": "Unconfined"}), "appArmorProfile"),
        ("securityContext/seLinuxOptions", json!({"type": "spc_t"}), "seLinuxOptions"),
        ("securityContext/seLinuxOptions", json!({"user": "system_u"}), "seLinuxOptions"),
        ("securityContext/seLinuxOptions", json!({"role": "sysadm_r"}), "seLinuxOptions"),
        ("securityContext/windowsOptions", json!({"hostProcess": true}), "windowsOptions"),
        (
            "securityContext/sysctls",
            json!([{"name": "kernel.msgmax", "value": "1"}]),
            "sysctls[kernel.msgmax]",
        ),
        ("securityContext", json!(null), "runAsNonRoot"),
    ];
    for kind in ["deploy", "sts"] {
        for (field, value, reason) in &table {
            are_forbidden(kind, &[(&pod(field), value.clone(), reason)]);
        }
    }
    let annotation = |key: &str| json!({key: "unconfined"});
    let metadata = "/spec/template/metadata";
    let app_armor = "container.apparmor.security.beta.kubernetes.io/claude-relay";
    let seccomp = "container.seccomp.security.alpha.kubernetes.io/claude-relay";
    are_forbidden(
        "deploy",
        &[
            (&format!("{metadata}/annotations"), annotation(app_armor), app_armor),
            (&format!("{metadata}/annotations"), annotation(seccomp), seccomp),
            (&format!("{metadata}/namespace"), json!("kube-system"), "`metadata.namespace`"),
            (&format!("{metadata}/ownerReferences"), json!([]), "`metadata.ownerReferences`"),
        ],
    );
}

#[test]
fn container_with_node_access_is_forbidden_in_every_list() {
    let table = [
        ("securityContext", json!(null), "allowPrivilegeEscalation"),
        ("securityContext/privileged", json!(true), "`securityContext.privileged`"),
        ("securityContext/privileged", json!("true"), "`securityContext.privileged`"),
        ("securityContext/allowPrivilegeEscalation", json!(true), "must be `false`"),
        ("securityContext/allowPrivilegeEscalation", json!(null), "must be `false`"),
        ("securityContext/runAsNonRoot", json!(false), "must be `true`"),
        ("securityContext/runAsUser", json!(0), "must not be 0"),
        ("securityContext/capabilities", json!(null), "must contain `ALL`"),
        ("securityContext/capabilities/drop", json!(["NET_RAW"]), "must contain `ALL`"),
        ("securityContext/capabilities/add", json!(["SYS_ADMIN"]), "capabilities.add"),
        ("securityContext/capabilities/Add", json!(["SYS_ADMIN"]), "capabilities.Add"),
        (
            "securityContext/capabilities/add",
            json!(["NET_BIND_SERVICE", "CHOWN"]),
            "capabilities.add",
        ),
        ("securityContext/procMount", json!("Unmasked"), "procMount"),
        ("securityContext/seccompProfile", json!({"type": "Unconfined"}), "seccompProfile"),
        ("securityContext/seccompProfile", json!({}), "seccompProfile"),
        ("securityContext/appArmorProfile", json!({"type": "Unconfined"}), "appArmorProfile"),
        ("securityContext/seLinuxOptions", json!({"type": "spc_t"}), "seLinuxOptions"),
        ("securityContext/windowsOptions", json!({"hostProcess": true}), "windowsOptions"),
        ("securityContext/notYetInvented", json!(1), "notYetInvented"),
        ("ports", json!([{"containerPort": 1, "hostPort": 80}]), "hostPort"),
        (
            "livenessProbe",
            json!({"httpGet": {"host": "10.0.0.1", "port": 80}}),
            "livenessProbe.httpGet.host",
        ),
        (
            "startupProbe",
            json!({"tcpSocket": {"host": "a", "port": 80}}),
            "startupProbe.tcpSocket.host",
        ),
        (
            "lifecycle",
            json!({"preStop": {"httpGet": {"host": "a", "port": 80}}}),
            "lifecycle.preStop.httpGet.host",
        ),
        ("notYetInvented", json!(1), "`notYetInvented`"),
    ];
    for list in ["containers", "initContainers"] {
        for (field, value, reason) in &table {
            let pointer = format!("/spec/template/spec/{list}/0/{field}");

            are_forbidden("deploy", &[(&pointer, value.clone(), reason)]);
        }
    }
    let sidecar = json!({"name": "x", "image": "x", "restartPolicy": "Always", "securityContext": {"privileged": true}});
    are_forbidden("deploy", &[("/spec/template/spec/initContainers/-", sidecar, "container x: ")]);
}

#[test]
fn set_with_claims_of_its_own_is_forbidden() {
    let claims = json!([{"metadata": {"name": "a", "finalizers": ["x/y"]}, "spec": {"volumeName": "pv-of-others"}}]);
    are_forbidden("sts", &[("/spec/volumeClaimTemplates", claims, "`spec.volumeClaimTemplates`")]);
}

#[test]
fn namespace_that_opens_itself_is_forbidden() {
    let label = |key: &str| format!("/metadata/labels/pod-security.kubernetes.io~1{key}");
    are_forbidden(
        "ns",
        &[
            (&label("enforce"), json!("privileged"), "pod-security.kubernetes.io/enforce"),
            (&label("enforce"), json!("baseline"), "pod-security.kubernetes.io/enforce"),
            (&label("enforce"), json!(null), "pod-security.kubernetes.io/enforce"),
            (&label("warn"), json!("privileged"), "pod-security.kubernetes.io/warn"),
            (&label("audit"), json!(null), "pod-security.kubernetes.io/audit"),
            (&label("enforce-version"), json!("v1.0"), "enforce-version"),
            ("/metadata/labels/istio-injection", json!("enabled"), "istio-injection"),
            (
                "/metadata/labels/app.kubernetes.io~1instance",
                json!("other"),
                "app.kubernetes.io/instance",
            ),
            (
                "/metadata/labels/app.kubernetes.io~1managed-by",
                json!("me"),
                "app.kubernetes.io/managed-by",
            ),
            ("/metadata/labels", json!(null), "app.kubernetes.io/managed-by"),
            (
                "/metadata/annotations",
                json!({"scheduler.alpha.kubernetes.io/node-selector": "x"}),
                "`metadata.annotations`",
            ),
            ("/metadata/finalizers", json!(["x/y"]), "`metadata.finalizers`"),
            ("/spec", json!({"finalizers": ["x/y"]}), "`spec`"),
        ],
    );
}

#[test]
fn service_taking_traffic_of_others_is_forbidden() {
    are_forbidden(
        "svc",
        &[
            ("/spec/type", json!("ExternalName"), "`spec.type`"),
            ("/spec/externalName", json!("metadata.google.internal"), "`spec.externalName`"),
            ("/spec/externalIPs", json!(["10.0.0.1"]), "`spec.externalIPs`"),
            ("/spec/clusterIP", json!("10.96.0.10"), "`spec.clusterIP`"),
            ("/spec/clusterIPs", json!(["10.96.0.10"]), "`spec.clusterIPs`"),
            ("/spec/loadBalancerClass", json!("x"), "`spec.loadBalancerClass`"),
            ("/metadata/ownerReferences", json!([]), "`metadata.ownerReferences`"),
        ],
    );
}

#[test]
fn secret_filled_with_token_by_controller_is_forbidden() {
    are_forbidden("secret", &[("/type", json!("kubernetes.io/service-account-token"), "`type`")]);
}

#[test]
fn monitor_that_sends_files_of_prometheus_is_forbidden() {
    let original = Content::of_profile("tests/golden/service-monitor", "profile");
    let outcome = |pointer: &str, value: Value| {
        let mut forger = Forger(original.clone());
        forger.object("servicemonitor", |object| set(object, pointer, value));
        forger.digests();
        let mut content = forger.0;
        content.list();
        let statement = content.statement_like(&original.statement());
        verify_by_key(&content.signed(&statement, &[&key(1)]), &key(1)).map(|_| ())
    };
    for (pointer, value) in [
        (
            "/spec/endpoints/0/bearerTokenFile",
            json!("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        ),
        ("/spec/endpoints/0/tlsConfig", json!({"keyFile": "/etc/key"})),
        ("/spec/endpoints/0/params/target", json!(["http://10.0.0.1:80/"])),
        ("/spec/selector/matchLabels", json!({})),
        ("/spec/namespaceSelector/more", json!(1)),
        ("/spec/attachMetadata", json!({"node": true})),
    ] {
        assert_eq!(code_of(&outcome(pointer, value)), "FORBIDDEN_CONTENT", "{pointer}");
    }
    for (pointer, value) in [
        ("/spec/namespaceSelector", json!(null)),
        ("/spec/namespaceSelector", json!({"matchNames": ["claude-relay", "b"]})),
        (
            "/spec/endpoints/0/relabelings/-",
            json!({"targetLabel": "__address__", "replacement": "a:1"}),
        ),
    ] {
        assert_eq!(code_of(&outcome(pointer, value)), ACCEPTED, "{pointer}");
    }
}

#[test]
fn recorded_bundle_with_forbidden_object_is_read_not_accepted() {
    let mut forger = Forger(DEV.clone());
    forger.object("deploy", |object| set(object, "/spec/template/spec/hostPID", json!(true)));
    forger.digests();
    let mut content = forger.0;
    content.list();
    let contents = || {
        let opening = Opening::new(Memory::new(&content, Step::Files)).unwrap();
        opening.read_sums().unwrap().into_files().unwrap().read_to_end().unwrap()
    };

    assert!(matches!(Bundle::open(contents()), Err(InvalidBundle::Forbidden(_))));
    assert!(Bundle::open_recorded(contents()).is_ok());
}

#[test]
fn format_page_lists_allowed_object_fields() {
    let page = include_str!("../../docs/format/bundle.md");
    let lists: [&[&str]; 9] = [
        &restricted::METADATA,
        &restricted::TEMPLATE_METADATA,
        &restricted::SERVICE,
        &restricted::POD,
        &restricted::POD_CONTEXT,
        &restricted::CONTAINER,
        &restricted::CONTAINER_CONTEXT,
        &restricted::VOLUMES,
        &restricted::SYSCTLS,
    ];
    for list in lists {
        let listed: Vec<String> = list.iter().map(|field| format!("`{field}`")).collect();

        assert!(page.contains(&listed.join(", ")), "{listed:?}");
    }
}

#[test]
fn pod_fields_settable_by_profile_are_accepted() {
    let context = |field: &str| format!("/spec/template/spec/securityContext/{field}");
    let container =
        |field: &str| format!("/spec/template/spec/containers/0/securityContext/{field}");
    for (pointer, value) in [
        (context("runAsUser"), json!(70_000)),
        (context("seLinuxOptions"), json!({"level": "s0:c1", "type": "container_t"})),
        (context("seccompProfile"), json!({"type": "Localhost", "localhostProfile": "x.json"})),
        (context("sysctls"), json!([{"name": "net.ipv4.tcp_syncookies", "value": "1"}])),
        (container("appArmorProfile"), json!({"type": "RuntimeDefault"})),
        (container("capabilities/add"), json!(["NET_BIND_SERVICE"])),
        (container("privileged"), json!(false)),
        (container("procMount"), json!("Default")),
        ("/spec/template/spec/dnsPolicy".to_owned(), json!("None")),
    ] {
        let outcome = outcome("deploy", &pointer, &value);

        assert_eq!(code_of(&outcome), ACCEPTED, "{pointer} {value}: {outcome:?}");
    }
}
