//! Tests the problems that the plan finds before anything is written: conflicts, foreign objects,
//! volumes, immutable fields, and obstacles for pods.

use serde_json::{Value, json};

use crate::proxy::{Fault, Proxy, Seen};
use crate::rbac::{kubeconfig_of, settle};
use crate::site::{Ran, Site};

const RELAY: &str = "relay-dev-claude-relay";

/// Returns the plan as data, even if it cannot be executed.
fn planned(site: &Site, bundle: &camino::Utf8Path, arguments: &[&str]) -> (i32, Value, String) {
    let all: Vec<&str> =
        ["--dry-run", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    let ran = site.apply(bundle, &all);
    let report = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    (ran.code, report, ran.stderr)
}

/// Runs `apply --yes`, which must fail with all `reasons` and write nothing; the plan must report
/// the same.
#[track_caller]
fn refused(site: &Site, bundle: &camino::Utf8Path, arguments: &[&str], reasons: &[&str]) -> Ran {
    let before = site.versions();
    let all: Vec<&str> = ["--yes"].into_iter().chain(arguments.iter().copied()).collect();
    let ran = site.apply(bundle, &all);
    let (code, _, stderr) = planned(site, bundle, arguments);
    assert_eq!((ran.code, code), (4, 4), "{}", ran.stderr);
    for reason in reasons {
        assert!(ran.stderr.contains(reason), "{reason}: {}", ran.stderr);
        assert!(stderr.contains(reason), "{reason}: {stderr}");
    }
    assert_eq!(site.versions(), before);
    ran
}

fn warnings(report: &Value) -> String {
    report["warnings"].to_string()
}

#[test]
fn conflict_is_tabulated_and_won_only_by_naming_each_field() {
    let Some(site) = Site::new("conflicts") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let theirs = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {RELAY}, namespace: conflicts}}\n\
         spec: {{replicas: 2, revisionHistoryLimit: 3}}\n"
    );
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "-f", "-"];
    site.plane.feed(&arguments, &theirs);
    let bundle = site.build("dev", &["config.logLevel=\"info\""]);

    let ran = refused(&site, &bundle, &[], &["OBJECT:FIELD", "somebody"]);
    let row = ran.stderr.lines().find(|line| line.contains(":.spec.replicas ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        cells,
        [&format!("Deployment/{RELAY}:.spec.replicas"), "somebody", "2", "1"],
        "{row}"
    );
    let (_, report, _) = planned(&site, &bundle, &[]);
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["action"] == "conflict").unwrap();
    let wanted = json!([
        {"field": ".spec.replicas", "manager": "somebody", "ours": 1, "theirs": 2},
        {"field": ".spec.revisionHistoryLimit", "manager": "somebody", "ours": 10, "theirs": 3},
    ]);
    assert_eq!(step["conflicts"], wanted);
    let one = ["--force-conflicts", ".spec.replicas"];
    refused(&site, &bundle, &one, &[".spec.revisionHistoryLimit"]);
    let wrong = ["--force-conflicts", ".spec.replicas", "--force-conflicts"];
    let other = "Deployment/other:.spec.revisionHistoryLimit";
    refused(&site, &bundle, &[&wrong[..], &[other]].concat(), &[".spec.revisionHistoryLimit"]);

    let named = format!("Deployment/{RELAY}:.spec.revisionHistoryLimit");
    let report = site.applied(&bundle, &[&wrong[..], &[&named]].concat());

    let forced =
        report["steps"].as_array().unwrap().iter().find(|step| step.get("forced").is_some());
    assert_eq!(forced.unwrap()["forced"], wanted);
    let live = site.plane.get(&site.namespace, &format!("deployment/{RELAY}"));
    assert_eq!(
        (&live["spec"]["replicas"], &live["spec"]["revisionHistoryLimit"]),
        (&json!(1), &json!(10))
    );
    assert!(warnings(&site.applied(&bundle, &one)).contains("no such field has another owner"));
}

#[test]
fn foreign_object_is_taken_over_only_with_consent() {
    let Some(site) = Site::new("strangers") else { return };
    let site = site.with_namespace();
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {RELAY}, namespace: strangers}}\n\
         spec: {{ports: [{{port: 81, name: own}}]}}\n"
    );
    site.plane.ensure(&service);
    let bundle = site.build("dev", &[]);

    refused(
        &site,
        &bundle,
        &[],
        &["Service/relay-dev-claude-relay", "its fields are owned by platform", "--adopt"],
    );
    let report = site.applied(&bundle, &["--adopt"]);

    assert!(
        warnings(&report).contains("will be taken over: its fields are owned by platform"),
        "{report}"
    );
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
    // Another installation of this program counts as a different owner, too.
    let name = ["release.name=\"relay-two\"", "fullnameOverride=\"relay-dev-claude-relay\""];
    refused(&site, &site.build("dev", &name), &[], &["it belongs to the installation `relay-dev`"]);
}

#[test]
fn pvc_grows_but_never_shrinks_and_keeps_manual_growth() {
    let Some(site) = Site::new("volumes") else { return };
    let claim = "persistentvolumeclaim/relay-dev-redis-data";
    let sized = |size: &str, serial: &str| {
        let (volume, prefix) =
            (format!("redis.persistence.size={size:?}"), format!("config.apiKeyPrefix={serial:?}"));
        site.build("dev", &["redis.persistence.enabled=true", &volume, &prefix])
    };
    let asked = || {
        site.plane.get(&site.namespace, claim)["spec"]["resources"]["requests"]["storage"].clone()
    };
    site.applied(&sized("1Gi", "a_"), &[]);
    let claims = site.plane.list(&site.namespace, "persistentvolumeclaims");
    assert_eq!(claims.len(), 1, "{claims:?}");

    site.applied(&sized("2Gi", "a_"), &[]);
    assert_eq!(asked(), "2Gi");
    refused(
        &site,
        &sized("1Gi", "b_"),
        &[],
        &["a PVC cannot shrink: the running bundle requests 2Gi"],
    );
    // A rollback may ask for less, because the smaller size has run before.
    let report = site.applied(&sized("1Gi", "a_"), &[]);
    assert!(
        warnings(&report).contains("it has 2Gi and stays unchanged; the bundle requests 1Gi"),
        "{report}"
    );
    let patch = r#"{"spec":{"resources":{"requests":{"storage":"3Gi"}}}}"#;
    site.plane.kubectl(&["-n", &site.namespace, "patch", claim, "-p", patch]);
    let report = site.applied(&sized("2Gi", "c_"), &[]);
    assert!(warnings(&report).contains("it has 3Gi and stays unchanged"), "{report}");
    assert_eq!(asked(), "3Gi");

    let class = ["redis.persistence.enabled=true", "redis.persistence.storageClass=\"other\""];
    let modes =
        ["redis.persistence.enabled=true", "redis.persistence.accessMode=\"ReadWriteMany\""];
    refused(
        &site,
        &site.build("dev", &class),
        &[],
        &["its storage class is \"standard\"", "StorageClass other"],
    );
    refused(&site, &site.build("dev", &modes), &[], &["its access mode is"]);
    assert_eq!(asked(), "3Gi");
}

#[test]
fn all_obstacles_are_reported_at_once() {
    let Some(site) = Site::new("all-at-once") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let settings = [
        "nameOverride=\"proxy\"",
        "fullnameOverride=\"relay-dev-claude-relay\"",
        "priorityClassName=\"none-such\"",
        "imagePullSecrets=[{ name = \"no-pull\" }]",
        "redis.persistence.enabled=true",
        "redis.persistence.storageClass=\"no-class\"",
        "ingress.enabled=true",
        "ingress.className=\"no-ingress\"",
        "ingress.hosts=[{ host = \"relay.example.internal\" }]",
        // The bundle's autoscalers have an API version that newer servers do not serve.
        "kubernetes.version=\"1.22\"",
        "autoscaling.enabled=true",
    ];
    let reasons = [
        "Deployment/relay-dev-claude-relay: ",
        "field is immutable",
        "kubectl -n all-at-once delete deployment relay-dev-claude-relay",
        "PriorityClass none-such",
        "Secret no-pull",
        "StorageClass no-class",
        "IngressClass no-ingress",
        "the cluster does not serve autoscaling/v2beta2 HorizontalPodAutoscaler",
    ];

    refused(&site, &site.build("dev", &settings), &[], &reasons);
}

#[test]
fn foreign_immutable_object_is_refused_with_remedy() {
    let Some(site) = Site::new("immutable") else { return };
    let bundle = site.build("dev", &[]);
    site.applied(&bundle, &[]);
    let maps = site.plane.list(&site.namespace, "configmaps");
    let mut config = maps.into_iter().find(|map| map["immutable"] == true).unwrap();
    let name = config["metadata"]["name"].as_str().unwrap().to_owned();
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["-n", &site.namespace, "delete", "configmap", &name]);
    config["data"] = json!({"LOG_LEVEL": "forged"});
    config["metadata"] = json!({"name": name, "namespace": "immutable"});
    site.plane.ensure(&config.to_string());

    let leave = ["--adopt", "--force-conflicts", ".data.LOG_LEVEL"];
    let whose = "it was not created by this installation (its fields are owned by platform)";
    let ran = refused(&site, &bundle, &leave, &["field is immutable", whose]);
    assert!(!ran.stderr.contains("delete"), "{}", ran.stderr);
    site.plane.kubectl(&["-n", &site.namespace, "delete", "configmap", &name]);
    site.applied(&bundle, &[]);
}

#[test]
fn pods_that_admission_would_reject_are_in_plan() {
    let Some(site) = Site::new("admission") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &["release.createNamespace=false"]);
    let namespace = site.namespace.as_str();
    site.plane.kubectl(&[
        "label",
        "namespace",
        namespace,
        "pod-security.kubernetes.io/enforce=restricted",
    ]);
    site.limit(&json!({"requests.memory": "100Mi"}));
    refused(
        &site,
        &bundle,
        &[],
        &["StatefulSet/relay-dev-redis: dry run of a pod", "exceeded quota: small"],
    );
    site.plane.kubectl(&["-n", namespace, "delete", "resourcequota", "small"]);
    let limits = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: tight, namespace: admission}\n\
                  spec: {limits: [{type: Container, max: {memory: 200Mi}}]}\n";
    site.plane.ensure(limits);
    refused(&site, &bundle, &[], &["maximum memory usage per Container is 200Mi"]);
    site.plane.kubectl(&["-n", namespace, "delete", "limitrange", "tight"]);

    // A namespace that enforces *restricted* accepts the pods unchanged.
    site.applied(&bundle, &[]);
    // A restart of Redis needs no additional quota, but a further relay pod does.
    site.limit(&json!({"pods": "2"}));
    let no_room = |setting: &str| site.build("dev", &["release.createNamespace=false", setting]);
    let (code, report, stderr) =
        planned(&site, &no_room("redis.resources.limits.memory=\"1Gi\""), &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(warnings(&report).contains("exceeded quota: small"), "{report}");
    refused(&site, &no_room("replicaCount=2"), &[], &["exceeded quota: small"]);
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
}

/// Returns a cluster policy that denies objects in one namespace unless `expression` holds.
fn policy(name: &str, resource: (&str, &str), expression: &str) -> String {
    let (group, resource) = resource;
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: {name}}}\n\
         spec:\n  failurePolicy: Fail\n  matchConstraints:\n    resourceRules:\n    - apiGroups: ['{group}']\n      \
         apiVersions: ['v1']\n      operations: [CREATE, UPDATE]\n      resources: [{resource}]\n  \
         validations:\n  - expression: \"{expression}\"\n    message: the platform says no\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\n\
         spec:\n  policyName: {name}\n  validationActions: [Deny]\n  matchResources:\n    namespaceSelector:\n      \
         matchLabels: {{kubernetes.io/metadata.name: {name}}}\n"
    )
}

#[test]
fn policy_message_is_not_read_as_remedy_or_other_verdict() {
    let Some(site) = Site::new("deny-words") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let words =
        "images must be immutable; exceeded quota: none; it does not support dry run; User cannot";
    let deny = |name: &str, resource| {
        let text = policy(
            name,
            resource,
            "has(object.metadata.labels) && 'allowed' in object.metadata.labels",
        );
        text.replace("the platform says no", &format!("'{words}'"))
    };
    let own = "kubernetes.io/metadata.name: deny-words";
    for (name, resource) in
        [("deny-words-apps", ("apps", "deployments")), ("deny-words-pods", ("", "pods"))]
    {
        let text =
            deny(name, resource).replace(&format!("kubernetes.io/metadata.name: {name}"), own);
        site.plane.ensure(&text);
    }
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: deny-words}\n\
                      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: \
                      b}}, spec: {containers: [{name: a, image: a}]}}}\n";
    await_policy(&site, deployment);
    await_policy(&site, &PROBE.replace("NAMESPACE", "deny-words"));

    let bundle =
        site.build("dev", &["redis.resources.limits.memory=\"1Gi\"", "config.logLevel=\"warn\""]);
    let pod = "StatefulSet/relay-dev-redis: dry run of a pod";
    let said = refused(
        &site,
        &bundle,
        &[],
        &["Deployment/relay-dev-claude-relay: ", "images must be immutable", pod],
    );

    for remedy in ["kubectl", "delete", "permission", "raised"] {
        assert!(!said.stderr.contains(remedy), "{remedy}: {}", said.stderr);
    }
}

/// Denies pods whose users and groups are outside of the namespace's range, as `restricted-v2` of
/// `OpenShift` does.
const RANGE: &str = "[object.spec.?securityContext.?runAsUser, object.spec.?securityContext.?fsGroup]\
    .all(id, !id.hasValue() || (id.value() >= 1000680000 && id.value() < 1000690000)) && \
    (object.spec.containers + object.spec.?initContainers.orValue([])).all(c, \
    !c.?securityContext.?runAsUser.hasValue() || (c.securityContext.runAsUser >= 1000680000 && \
    c.securityContext.runAsUser < 1000690000))";

#[test]
fn pods_pass_policy_by_user_range_with_users_in_it_or_of_platform() {
    let Some(site) = Site::new("user-range") else { return };
    let site = site.with_namespace();
    site.plane.ensure(&policy("user-range", ("", "pods"), RANGE));
    let fixed = PROBE.replace("NAMESPACE", "user-range");
    await_policy(&site, &fixed.replace("spec: {", "spec: {securityContext: {runAsUser: 999}, "));
    let own = "release.createNamespace=false";
    let exporter = "serviceMonitor.enabled=true";
    let users = |user: &str| {
        ["podSecurityContext", "redis.podSecurityContext"]
            .map(|key| format!("{key}={{runAsUser={user},runAsGroup={user},fsGroup={user}}}"))
    };
    refused(&site, &site.build("dev", &[own, exporter]), &[], &["the platform says no"]);

    for user in ["1000680001", "\"platform\""] {
        let [relay, redis] = users(user);
        let bundle = site.build("dev", &[own, exporter, &relay, &redis]);
        let (code, _, stderr) = planned(&site, &bundle, &[]);
        assert_eq!(code, 0, "{user}: {stderr}");
    }
}

#[test]
fn every_container_can_meet_minimum_and_ratio_of_limit_range() {
    let Some(site) = Site::new("limit-range") else { return };
    let site = site.with_namespace();
    let limits = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: fair, namespace: limit-range}\n\
                  spec: {limits: [{type: Container, min: {cpu: 60m, memory: 32Mi}, maxLimitRequestRatio: {cpu: '2'}}]}\n";
    site.plane.ensure(limits);
    let amounts = |key: &str, cpu: &str, memory: &str| {
        let amounts = format!("{{cpu=\"{cpu}\",memory=\"{memory}\"}}");
        format!("{key}={{limits={amounts},requests={amounts}}}")
    };
    let settings = [
        amounts("resources", "500m", "1Gi"),
        amounts("redis.resources", "200m", "256Mi"),
        amounts("storage.logs.fluentbit.resources", "60m", "128Mi"),
    ];
    let mut all = vec!["release.createNamespace=false"];
    all.extend(settings.iter().map(String::as_str));

    let (code, _, stderr) = planned(&site, &site.build("dev", &all), &[]);

    assert_eq!(code, 0, "{stderr}");
}

/// Waits until a policy is active: the API server loads it some time after it is stored.
fn await_policy(site: &Site, probe: &str) {
    let start = std::time::Instant::now();
    while site.plane.fed(&["create", "--dry-run=server", "-f", "-"], probe).code == 0 {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "the policy does not act");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn policy_that_denies_object_is_in_plan() {
    let Some(site) = Site::new("deny-service") else { return };
    let site = site.with_namespace();
    site.plane.ensure(&policy("deny-service", ("", "services"), "object.spec.type == 'NodePort'"));
    await_policy(
        &site,
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: deny-service}\nspec: {ports: [{port: 80}]}\n",
    );

    refused(
        &site,
        &site.build("dev", &[]),
        &[],
        &["Service/relay-dev-claude-relay: ", "the platform says no"],
    );
}

const PROBE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: NAMESPACE, labels: {probe: a}}\n\
                     spec: {containers: [{name: a, image: a}]}\n";

#[test]
fn policy_that_denies_pods_is_in_plan() {
    let Some(site) = Site::new("deny-pods") else { return };
    let site = site.with_namespace();
    let expression =
        "object.spec.containers.all(c, c.image.startsWith('registry.example.internal/'))";
    site.plane.ensure(&policy("deny-pods", ("", "pods"), expression));
    await_policy(&site, &PROBE.replace("NAMESPACE", "deny-pods"));

    let reasons = [
        "Deployment/relay-dev-claude-relay: dry run of a pod",
        "StatefulSet/relay-dev-redis: dry run of a pod",
    ];
    refused(
        &site,
        &site.build("dev", &[]),
        &[],
        &[&reasons[..], &["the platform says no"]].concat(),
    );
    site.applied(&site.build("dev", &["images.registry=\"registry.example.internal\""]), &[]);
}

/// Applies a bundle while only the pods of one controller are denied, which the plan cannot see.
///
/// `set` begins the expected line about the set that creates them.
fn denied(namespace: &str, controller: &str, set: &str) {
    let Some(site) = Site::new(namespace) else { return };
    let site = site.with_namespace();
    let expression = format!(
        "!request.userInfo.username.endsWith(':{controller}') && !('probe' in object.metadata.labels)"
    );
    site.plane.ensure(&policy(namespace, ("", "pods"), &expression));
    await_policy(&site, &PROBE.replace("NAMESPACE", namespace));

    let bundle = site.build("dev", &[]);

    let ran =
        site.until_said("FailedCreate", |site| site.apply(&bundle, &["--yes", "--timeout", "5"]));

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("not ready after 5 s"), "{}", ran.stderr);
    let status = site.call(&["status", "-n", namespace]);
    assert_eq!(status.code, 1, "{}", status.stderr);
    for (said, start) in [(ran.stderr, "  "), (status.stdout, "  ! ")] {
        let about = |line: &&str| {
            line.starts_with(&format!("{start}{set}")) && line.contains(": FailedCreate: ")
        };
        let line = said.lines().find(about).unwrap_or_else(|| panic!("{set}: {said}"));
        assert!(line.contains("the platform says no"), "{line}");
    }
}

#[test]
fn denial_of_controller_pods_alone_is_named_within_timeout() {
    denied("deny-controller", "replicaset-controller", "relay-dev-claude-relay-");
    denied("deny-redis", "statefulset-controller", "relay-dev-redis: FailedCreate: ");
}

#[test]
fn pod_dry_run_skipped_for_lack_of_permission_is_reported() {
    let Some(site) = Site::new("no-pods") else { return };
    let site = site.with_namespace();
    let account = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator, namespace: no-pods}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: no-pods}
rules:
- {apiGroups: ['*'], resources: ['*'], verbs: [get, list, watch, patch, update, delete]}
- {apiGroups: [''], resources: [configmaps, secrets, services, serviceaccounts, namespaces], verbs: [create]}
- {apiGroups: [apps, networking.k8s.io, policy], resources: ['*'], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: no-pods}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: no-pods}
subjects: [{kind: ServiceAccount, name: operator, namespace: no-pods}]
";
    site.plane.ensure(account);
    let rule = json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]});
    settle(&site, "operator", &rule, "no-pods", true);
    let path = kubeconfig_of(&site, "operator");
    let bundle = site.build("dev", &[]);

    let ran = crate::site::apply(site.path(), &bundle, path.as_str(), &["--yes", "--json"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("no dry run of pods: missing permission to create pods"),
        "{}",
        ran.stdout
    );
}

/// Removes the node selectors from Deployments, like a server that does not know the field.
const DROPPING: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: dropped}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  matchConditions:
  - {name: has-selector, expression: 'has(object.spec.template.spec.nodeSelector)'}
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: '[JSONPatch{op: \"remove\", path: \"/spec/template/spec/nodeSelector\"}]'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: dropped}
spec:
  policyName: dropped
  matchResources:
    namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: dropped}
";

#[test]
fn field_dropped_by_server_is_in_plan() {
    let Some(site) = Site::new("dropped") else { return };
    let site = site.with_namespace();
    let served = site.plane.kubectl(&[
        "api-resources",
        "--api-group=admissionregistration.k8s.io",
        "-o",
        "name",
    ]);
    if !served.contains("mutatingadmissionpolicies") {
        // `build` rejects every field that the oldest server would drop by itself.
        let version = site.plane.kubectl(&["get", "--raw", "/version"]);
        assert!(version.contains("\"minor\": \"30\""), "{version}");
        return;
    }
    site.plane.ensure(DROPPING);
    let bundle = site.build("dev", &["nodeSelector={ \"kubernetes.io/os\" = \"linux\" }"]);
    let said =
        "Deployment/relay-dev-claude-relay: the server drops spec.template.spec.nodeSelector";

    // The API server loads the policy some time after it is stored.
    let start = std::time::Instant::now();
    while !warnings(&planned(&site, &bundle, &[]).1).contains(said) {
        assert!(
            start.elapsed() < std::time::Duration::from_secs(30),
            "{}",
            planned(&site, &bundle, &[]).1
        );
    }
}

#[test]
fn plan_names_unserved_api_once_with_remedy() {
    let Some(site) = Site::new("unserved") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &["serviceMonitor.enabled=true"]);
    // Other tests install the CustomResourceDefinition, so the proxy gives the API server's answer
    // without it.
    let proxy = Proxy::before(site.plane, |seen: &Seen| {
        if seen.path.starts_with("/apis/monitoring.coreos.com") {
            Fault::Answer(404, "content-type: text/plain; charset=utf-8", "404 page not found\n")
        } else {
            Fault::None
        }
    });

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let said: Vec<&str> =
        ended.stderr.lines().filter(|line| line.contains("monitoring.coreos.com")).collect();
    assert_eq!(said.len(), 1, "{}", ended.stderr);
    assert!(
        said[0].ends_with(
            "the cluster does not serve monitoring.coreos.com/v1 ServiceMonitor: install its \
             CustomResourceDefinition, or set `serviceMonitor.enabled = false` in the profile and \
             build again"
        ),
        "{}",
        said[0]
    );
    assert!(!ended.stderr.contains("page not found"), "{}", ended.stderr);
}
