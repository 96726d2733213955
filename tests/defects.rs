//! The defects of the Helm chart that this program replaces, by their numbers: none can be produced. Each is rendered
//! right, or the profile is refused with a code.

#![expect(clippy::unwrap_used, reason = "in a test an unmet expectation is the failure")]

#[path = "support/rendered.rs"]
mod rendered;

use std::collections::{BTreeMap, BTreeSet};

use relay_bundle::bundle::index::Source;
use relay_bundle::profile::diagnostic::Severity;
use relay_bundle::render::yaml::to_yaml;
use rendered::{Rendered, load};
use serde_json::{Value, json};

/// Renders a profile that must be legal.
#[track_caller]
fn render(text: &str) -> Rendered {
    let loaded = load(text, &[]);
    let errors: Vec<String> =
        loaded.diagnostics.iter().map(|found| format!("{} {}", found.code, found.message)).collect();
    Rendered::of(&loaded.profile.unwrap_or_else(|| panic!("refused: {errors:#?}\n{text}")))
}

fn codes(text: &str, severity: Severity) -> BTreeSet<&'static str> {
    let loaded = load(text, &[]);
    loaded.diagnostics.iter().filter(|found| found.severity == severity).map(|found| found.code).collect()
}

/// Asserts that a profile is refused with exactly one code.
#[track_caller]
fn refused(text: &str, code: &str) {
    assert_eq!(codes(text, Severity::Error), BTreeSet::from([code]), "{text}");
}

#[track_caller]
fn warned(text: &str, code: &str) {
    assert!(codes(text, Severity::Error).is_empty(), "{text}");
    assert!(codes(text, Severity::Warning).contains(code), "{text}");
}

impl Rendered {
    fn all(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.set.iter().filter(move |manifest| manifest.key.kind == kind).map(|manifest| &manifest.object)
    }

    fn names(&self, kind: &'static str) -> Vec<&str> {
        self.all(kind).map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
    }

    /// Returns the only object of a kind.
    #[track_caller]
    fn one(&self, kind: &'static str) -> &Value {
        let mut all = self.all(kind);
        let first = all.next().unwrap_or_else(|| panic!("there is no {kind}"));
        assert!(all.next().is_none(), "there are several of {kind}");
        first
    }

    /// Returns the data of the ConfigMap whose name starts with `base` and goes on with a hash.
    #[track_caller]
    fn data(&self, base: &str) -> &Value {
        let is_named = |object: &&Value| {
            let name = object["metadata"]["name"].as_str().unwrap();
            name.strip_prefix(base).is_some_and(|hash| hash.starts_with('-') && hash.len() == 11)
        };
        &self.all("ConfigMap").find(is_named).unwrap_or_else(|| panic!("no ConfigMap {base}"))["data"]
    }

    fn fluent_bit(&self) -> &str {
        self.data("claude-relay-fluent-bit")["fluent-bit.yaml"].as_str().unwrap()
    }

    fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.all("Deployment").chain(self.all("StatefulSet"))
    }

    fn template(&self, kind: &'static str) -> &Value {
        &self.one(kind)["spec"]["template"]
    }

    /// Returns a container of the relay's pods, or of Redis's.
    #[track_caller]
    fn container(&self, name: &str) -> &Value {
        let mut all = self.workloads().flat_map(|object| containers(&object["spec"]["template"]));
        all.find(|container| container["name"] == name).unwrap_or_else(|| panic!("no container {name}"))
    }
}

fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    let of = |list: &str| template["spec"][list].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Returns where a container has the value of a variable from.
fn secret_of<'a>(container: &'a Value, variable: &str) -> &'a Value {
    let found = items(container, "env").find(|entry| entry["name"] == variable);
    found.map_or(&Value::Null, |entry| &entry["valueFrom"]["secretKeyRef"])
}

const EXTERNAL: &str = "[redis]\nenabled = false\n[externalRedis]\nhost = \"redis.example.internal\"\n";

#[test]
fn d01_no_secret_is_made_when_a_profile_is_rendered() {
    let (first, second) = (render(""), render(""));

    assert_eq!(first.bundle.files.sums(), second.bundle.files.sums());
    assert!(first.names("Secret").is_empty());
    let key = secret_of(first.container("claude-relay"), "ENCRYPTION_KEY");
    let wanted = first.bundle.index.contract.iter().find(|wanted| key["name"] == wanted.name.as_str());
    assert!(wanted.is_some_and(|wanted| wanted.source == Source::Generated), "{key}");
    refused("[config]\nencryptionKey = { generate = { generation = 2 } }", "RB0202");
}

#[test]
fn d02_what_the_pods_consume_restarts_them_and_nothing_else_does() {
    let annotations = |text: &str| render(text).template("Deployment")["metadata"]["annotations"].clone();
    let password = |revision: u8| {
        format!(
            "[config]\nadminPassword = {{ existing = {{ name = \"a\", key = \"b\", revision = {revision} }} }}"
        )
    };
    let output = "[storage.logs.fluentbit.output.config]\nformat = \"json\"";

    assert_ne!(annotations(&password(1)), annotations(&password(2)));
    assert_ne!(annotations(""), annotations(output));
    assert_ne!(annotations(""), annotations("[config]\nlogLevel = \"debug\""));
    assert_eq!(annotations(""), annotations("[service]\nannotations = { a = \"b\" }"));
}

#[test]
fn d03_the_relay_looks_for_redis_where_its_service_is() {
    let names = [
        "",
        "[release]\nname = \"prod\"",
        "[release]\nname = \"my-redis\"",
        "nameOverride = \"gateway\"\n[release]\nname = \"prod\"",
        "fullnameOverride = \"llm\"",
    ];
    for text in names {
        let rendered = render(&format!("{text}\n[redis.service]\nport = 6380"));
        let config = items(rendered.container("claude-relay"), "envFrom").next().unwrap().clone();
        let config = rendered
            .all("ConfigMap")
            .find(|object| object["metadata"]["name"] == config["configMapRef"]["name"])
            .unwrap();
        let host = config["data"]["REDIS_HOST"].as_str().unwrap();
        let service =
            rendered.all("Service").find(|object| object["metadata"]["name"] == host).expect("a Service");
        let port = service["spec"]["ports"][0]["port"].to_string();
        assert_eq!(config["data"]["REDIS_PORT"], port, "{text}");
        assert_eq!(service["spec"]["selector"]["app.kubernetes.io/name"], "redis", "{text}");
    }
}

#[test]
fn d04_a_release_called_after_both_gives_every_object_a_name_of_its_own() {
    for name in ["claude-relay-redis", "redis-claude-relay", "redis"] {
        let rendered = render(&format!("[release]\nname = \"{name}\""));
        assert!(rendered.set.duplicates().is_empty(), "{name}");
        assert_eq!(rendered.names("Service").len(), 3, "{name}");
    }
    refused("nameOverride = \"redis\"", "RB0311");
    refused("fullnameOverride = \"x-redis-headless\"\n[release]\nname = \"x\"", "RB0311");
}

#[test]
fn d04b_names_have_room_for_their_suffixes() {
    let longest = "a".repeat(45);
    let rendered = render(&format!("fullnameOverride = \"{longest}\"\n[release]\nname = \"{longest}\""));
    for service in rendered.names("Service") {
        assert!(service.len() <= 63, "{service}");
    }
    assert!(rendered.names("StatefulSet")[0].len() <= 52);

    for name in [format!("{longest}a"), "1relay".into(), "a.b".into(), "Relay".into()] {
        refused(&format!("[release]\nname = \"{name}\""), "RB0004");
    }
    // 45 characters, and `-claude-relay`.
    refused(&format!("[release]\nname = \"{longest}\""), "RB0310");
}

#[test]
fn d05_integers_on_the_command_line_stay_integers() {
    let loaded = load("", &["config.cleanupInterval=3600001", "config.logMaxFiles=7"]);
    let rendered = Rendered::of(&loaded.profile.unwrap());
    assert_eq!(rendered.data("claude-relay-config")["CLEANUP_INTERVAL"], "3600001");
    assert_eq!(rendered.data("claude-relay-config")["LOG_MAX_FILES"], "7");

    let refused = load("", &["config.cleanupInterval=\"3600001\""]);
    assert!(refused.profile.is_none());
}

#[test]
fn d05b_large_numbers_are_written_with_all_their_digits() {
    let rendered = render(
        "[config]\ntokenUsageRetention = 9007199254740991\n[image]\ntag = \"20251101\"\n\
         [storage.logs.fluentbit.output]\ntype = \"kafka\"\n\
         config = { brokers = \"a:9092\", \"rdkafka.message.max.bytes\" = 1001024 }",
    );
    assert_eq!(rendered.data("claude-relay-config")["TOKEN_USAGE_RETENTION"], "9007199254740991");
    assert_eq!(rendered.data("claude-relay-config")["ADMIN_SESSION_TIMEOUT"], "86400000");
    let image = rendered.container("claude-relay")["image"].as_str().unwrap();
    assert!(image.ends_with(":20251101"), "{image}");
    assert!(rendered.fluent_bit().contains("1001024"), "{}", rendered.fluent_bit());
}

#[test]
fn d06_a_redis_with_a_password_gives_it_to_the_relay() {
    let rendered = render("[redis.auth]\nenabled = true");
    let of_redis = secret_of(rendered.container("redis"), "REDIS_PASSWORD");
    assert_eq!(*of_redis, json!({"name": "claude-relay-generated", "key": "redis-password"}));
    assert_eq!(secret_of(rendered.container("claude-relay"), "REDIS_PASSWORD"), of_redis);
}

#[test]
fn d06b_a_new_password_reaches_both_sides_at_once() {
    let with = |revision: u8| {
        let secret =
            format!("{{ existing = {{ name = \"mine\", key = \"password\", revision = {revision} }} }}");
        render(&format!("[redis.auth]\nenabled = true\npassword = {secret}"))
    };
    let (old, new) = (with(1), with(2));
    for kind in ["Deployment", "StatefulSet"] {
        assert_ne!(old.template(kind), new.template(kind), "{kind}");
    }
    let uses = |container: &str| secret_of(new.container(container), "REDIS_PASSWORD").clone();
    assert_eq!(uses("redis"), uses("claude-relay"));
}

#[test]
fn d07_a_setting_reaches_the_relay_once_and_no_config_map_is_idle() {
    let rendered = render("");
    let relay = rendered.container("claude-relay");
    assert!(items(relay, "env").all(|entry| entry.get("value").is_none()), "{relay}");
    let pods: String = rendered.workloads().map(Value::to_string).collect();
    for name in rendered.names("ConfigMap") {
        assert!(pods.contains(&format!("\"{name}\"")), "nothing refers to {name}");
    }
    assert_eq!(rendered.data("claude-relay-config")["TIMEZONE_OFFSET"], "8");
}

/// `path pathType backend` of each path of an Ingress's rules.
fn paths(rendered: &Rendered) -> Vec<Vec<String>> {
    let line = |path: &Value| {
        let text = |pointer: &str| path.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        format!("{} {} {}", text("/path"), text("/pathType"), text("/backend/service/name"))
    };
    let rules = items(&rendered.one("Ingress")["spec"], "rules");
    rules.map(|rule| items(&rule["http"], "paths").map(line).collect()).collect()
}

#[test]
fn d08_an_ingress_host_without_paths_is_routed_whole() {
    let rendered = render("[ingress]\nenabled = true\nhosts = [{ host = \"relay.example.internal\" }]");
    assert_eq!(paths(&rendered)[0].last().unwrap(), "/ Prefix claude-relay");
    refused("[ingress]\nenabled = true\nhosts = []", "RB0330");
}

#[test]
fn d09_blocked_paths_lead_to_a_service_of_ours_that_has_no_pods() {
    let rendered =
        render("[ingress]\nenabled = true\nhosts = [{ host = \"a.example\" }, { host = \"b.example\" }]");
    for host in paths(&rendered) {
        // A prefix covers the slash at the end, too.
        assert_eq!(
            host[..2],
            ["/metrics Prefix claude-relay-blocked", "/prometheus Prefix claude-relay-blocked"]
        );
    }
    let blocked =
        rendered.all("Service").find(|service| service["metadata"]["name"] == "claude-relay-blocked");
    assert!(blocked.unwrap()["spec"].get("selector").is_none());

    // Other letter cases of a blocked path are no routes at all where only the known prefixes are.
    let known = render("[ingress]\nenabled = true\nroutes = \"known\"\nhosts = [{ host = \"a.example\" }]");
    let everything = paths(&known)[0].iter().any(|path| path.starts_with("/ Prefix"));
    assert!(!everything);
    assert_eq!(paths(&known)[0].last().unwrap(), "/ Exact claude-relay");
}

#[test]
fn d10_the_ingress_class_is_named_once() {
    let rendered = render("[ingress]\nenabled = true\nclassName = \"nginx\"");
    let ingress = rendered.one("Ingress");
    assert_eq!(ingress["spec"]["ingressClassName"], "nginx");
    assert!(ingress["metadata"]["annotations"].get("kubernetes.io/ingress.class").is_none());
    refused(
        "[ingress]\nenabled = true\nclassName = \"nginx\"\nannotations = { \"kubernetes.io/ingress.class\" = \"nginx\" }",
        "RB0332",
    );
}

#[test]
fn d11_no_setting_is_ignored_in_silence() {
    let without = render("[storage.logs.fluentbit]\nenabled = false");
    assert!(containers(without.template("Deployment")).all(|container| container["name"] != "fluent-bit"));

    let monitor = render("[serviceMonitor]\nenabled = true\nnamespace = \"monitoring\"");
    assert_eq!(monitor.one("ServiceMonitor")["metadata"]["namespace"], "monitoring");
    assert_eq!(
        monitor.one("ServiceMonitor")["spec"]["namespaceSelector"]["matchNames"],
        json!(["claude-relay"])
    );
    refused("[serviceMonitor]\nenabled = true\nport = \"metrics\"", "RB0341");

    let forward = "[storage.logs]\nmode = \"forward\"\n";
    refused(forward, "RB0502");
    let forward = render(&format!("{forward}[storage.logs.fluentbit.output.config]\nhost = \"aggregator\""));
    assert!(forward.fluent_bit().contains("name: forward"), "{}", forward.fluent_bit());

    warned("[storage.logs.persistence]\nenabled = true", "RB0404");
    warned("[storage.logs]\nmode = \"pvc\"", "RB0413");
}

#[test]
fn d12_every_log_mode_mounts_its_volume_and_there_is_no_other_mode() {
    for mode in ["fluentbit", "pvc", "emptyDir"] {
        let rendered = render(&format!("[storage.logs]\nmode = \"{mode}\""));
        let mut mounts = items(rendered.container("claude-relay"), "volumeMounts");
        assert!(mounts.any(|mount| mount["mountPath"] == "/app/logs" && mount["name"] == "logs"), "{mode}");
    }
    refused("[storage.logs]\nmode = \"emptydir\"", "RB0004");
}

#[test]
fn d13_data_has_a_source_and_the_administrator_never_changes_by_itself() {
    refused("[storage.data]\ntype = \"hostPath\"", "RB0004");
    let rendered = render("replicaCount = 3");
    let volumes = &rendered.template("Deployment")["spec"]["volumes"];
    assert_eq!(volumes[0], json!({"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}));
    // Every pod of every start writes the same init.json.
    let prepare = rendered.container("prepare");
    assert_eq!(secret_of(prepare, "ADMIN_PASSWORD")["key"], "admin-password");
    assert_eq!(rendered.data("claude-relay-config")["ADMIN_USERNAME"], "admin");
}

#[test]
fn d14_a_volume_for_one_node_is_not_shared() {
    let logs = "[storage.logs]\nmode = \"pvc\"\n[storage.logs.persistence]\nenabled = true\n";
    assert_eq!(render(logs).one("Deployment")["spec"]["strategy"], json!({"type": "Recreate"}));
    refused(&format!("replicaCount = 2\n{logs}"), "RB0322");
    refused(&format!("{logs}[autoscaling]\nenabled = true"), "RB0322");
    refused(&format!("strategy = {{ type = \"RollingUpdate\" }}\n{logs}"), "RB0322");
    refused("replicaCount = 2\n[storage.data.external]\nenabled = true", "RB0322");

    let shared = render(&format!("replicaCount = 2\n{logs}accessMode = \"ReadWriteMany\""));
    let mut mounts = items(shared.container("claude-relay"), "volumeMounts");
    assert!(mounts.any(|mount| mount["subPathExpr"] == "$(POD_NAME)"));
}

#[test]
fn d15_fluent_bit_reads_what_the_relay_writes_and_forgets_nothing() {
    let rendered = render("");
    let config: Value = serde_saphyr::from_str(rendered.fluent_bit()).unwrap();

    assert_eq!(config["parsers"].as_array().unwrap().len(), 1);
    assert_eq!(config["parsers"][0]["time_key"], "ts");
    assert_eq!(config["parsers"][0]["time_format"], "%Y-%m-%d %H:%M:%S");
    assert_eq!(config["parsers"][0]["time_offset"], "+0800");
    let input = &config["pipeline"]["inputs"][0];
    assert_eq!(input["parser"], config["parsers"][0]["name"]);
    assert_eq!(input["db"], "/fluent-bit/state/tail.db");
    assert_eq!(input["read_from_head"], "on");
    assert!(input["path"].as_str().unwrap().contains(".log.[0-9]*"), "{input}");
    assert!(input["exclude_path"].as_str().unwrap().contains("*auth-detail*"), "{input}");
    assert!(items(&config["pipeline"], "filters").all(|filter| filter["name"] != "kubernetes"));
    assert_eq!(rendered.container("fluent-bit")["livenessProbe"]["httpGet"]["port"], "fluent-bit");
}

const HTTP: &str = "[storage.logs.fluentbit.output]\ntype = \"http\"\n[storage.logs.fluentbit.output.config]\nhost = \"a\"\n";

#[test]
fn d16_credentials_of_an_output_are_in_no_config_map() {
    refused(&format!("{HTTP}http_passwd = \"s3cret\""), "RB0502");

    let existing = render(&format!(
        "{HTTP}http_user = \"u\"\nhttp_passwd = {{ existing = {{ name = \"n\", key = \"k\" }} }}"
    ));
    assert!(existing.fluent_bit().contains("http_passwd: ${OUT_HTTP_PASSWD}"), "{}", existing.fluent_bit());
    assert_eq!(secret_of(existing.container("fluent-bit"), "OUT_HTTP_PASSWD")["name"], "n");

    let dev = render(&format!(
        "[release]\nenvironment = \"dev\"\n{HTTP}http_user = \"u\"\nhttp_passwd = \"s3cret\""
    ));
    let maps: String = dev.all("ConfigMap").map(Value::to_string).collect();
    assert!(!maps.contains("s3cret"));
    assert_eq!(dev.one("Secret")["data"], json!({"fluent-bit-http-passwd": "czNjcmV0"}));
    let recipe = dev.bundle.files.get("recipe.json").unwrap().bytes();
    assert!(!String::from_utf8_lossy(recipe).contains("s3cret"));
}

#[test]
fn d16b_a_value_of_an_output_cannot_become_another_section() {
    for hostile in ["\"a\\n[OUTPUT]\\n Name stdout\"", "[\"/a\", \"/b\"]", "\"/${HOME}\""] {
        let found = codes(&format!("{HTTP}uri = {hostile}"), Severity::Error);
        assert!(found.contains("RB0502") || found.contains("RB0101"), "{hostile}: {found:?}");
    }
    let headers = render(&format!("{HTTP}header = [\"X-A 1\", \"X-B 2\"]"));
    let config: Value = serde_saphyr::from_str(headers.fluent_bit()).unwrap();
    assert_eq!(config["pipeline"]["outputs"][0]["header"], json!(["X-A 1", "X-B 2"]));
    // Other options leave the format of stdout as it is.
    let stdout = render("[storage.logs.fluentbit.output.config]\njson_date_key = \"at\"");
    assert!(stdout.fluent_bit().contains("format: json_lines"), "{}", stdout.fluent_bit());
}

#[test]
fn d16c_options_of_another_plugin_are_refused_and_the_readmes_names_work() {
    let loki = "[storage.logs.fluentbit.output]\ntype = \"loki\"\n[storage.logs.fluentbit.output.config]\nHost = \"a\"\n";
    for option in ["BatchWait = 1", "BatchSize = 1001024", "LineFormat = \"json\""] {
        refused(&format!("{loki}{option}"), "RB0502");
    }
    let rendered = render(loki);
    assert!(rendered.fluent_bit().contains("line_format: json"), "{}", rendered.fluent_bit());

    let es = render("[storage.logs.fluentbit.output]\ntype = \"elasticsearch\"\nconfig = { host = \"a\" }");
    let config: Value = serde_saphyr::from_str(es.fluent_bit()).unwrap();
    assert_eq!(config["pipeline"]["outputs"][0]["name"], "es");
    assert_eq!(config["pipeline"]["outputs"][0]["suppress_type_name"], "on");
}

/// Everything that has an image of its own.
const ALL_IMAGES: &str = "imagePullSecrets = [{ name = \"mirror\" }]\n[images]\nregistry = \"mirror.example.internal\"\n\
                          [serviceMonitor]\nenabled = true\n";

#[test]
fn d17_no_image_is_out_of_a_profiles_reach_and_every_container_is_restricted() {
    for text in [ALL_IMAGES.to_owned(), format!("{ALL_IMAGES}{EXTERNAL}")] {
        let rendered = render(&text);
        for template in rendered.workloads().map(|object| &object["spec"]["template"]) {
            assert_eq!(template["spec"]["securityContext"]["runAsNonRoot"], true);
            for container in containers(template) {
                let image = container["image"].as_str().unwrap();
                assert!(
                    image.starts_with("mirror.example.internal/") && !image.contains("busybox"),
                    "{image}"
                );
                assert_eq!(container["imagePullPolicy"], "IfNotPresent");
                assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
                assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
            }
        }
    }
}

#[test]
fn d17b_pull_secrets_and_placement_apply_to_redis_too() {
    let rendered = render(&format!(
        "{ALL_IMAGES}[redis]\nnodeSelector = {{ disk = \"ssd\" }}\ntolerations = [{{ operator = \"Exists\" }}]"
    ));
    let redis = &rendered.template("StatefulSet")["spec"];
    assert_eq!(redis["imagePullSecrets"], json!([{"name": "mirror"}]));
    assert_eq!(redis["nodeSelector"], json!({"disk": "ssd"}));
    assert_eq!(redis["tolerations"], json!([{"operator": "Exists"}]));
}

#[test]
fn d18_prometheus_scrapes_what_speaks_its_language() {
    let rendered = render("[serviceMonitor]\nenabled = true");
    let endpoint = &rendered.one("ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["path"], "/probe");
    assert_eq!(endpoint["params"]["target"], json!(["http://127.0.0.1:3000/metrics"]));
    refused("[serviceMonitor]\nenabled = true\npath = \"/prometheus\"", "RB0341");
    warned("[serviceMonitor]\nenabled = true\nexporter = { enabled = false }", "RB0410");
}

#[test]
fn d19_no_pod_has_a_token_of_the_api_server() {
    let rendered = render("");
    for object in rendered.workloads() {
        assert_eq!(object["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
    }
    for account in rendered.all("ServiceAccount") {
        assert_eq!(account["automountServiceAccountToken"], false);
    }
}

#[test]
fn d20_the_autoscaler_is_one_that_the_server_knows_and_that_can_work() {
    let version =
        |version: &str| format!("[kubernetes]\nversion = \"{version}\"\n[autoscaling]\nenabled = true\n");
    assert_eq!(render(&version("1.22")).one("HorizontalPodAutoscaler")["apiVersion"], "autoscaling/v2beta2");
    let current = render(&version("1.23"));
    assert_eq!(current.one("HorizontalPodAutoscaler")["apiVersion"], "autoscaling/v2");
    assert_eq!(current.one("HorizontalPodAutoscaler")["spec"]["maxReplicas"], 10);
    assert!(current.one("Deployment")["spec"].get("replicas").is_none());
    refused("[autoscaling]\nenabled = true\nminReplicas = 5\nmaxReplicas = 4", "RB0320");
    refused("[autoscaling]\nenabled = true\ntargetCPUUtilizationPercentage = 0", "RB0321");
}

#[test]
fn d21_the_administrator_has_a_name_and_a_password() {
    refused("[config]\nadminUsername = \"\"", "RB0303");
    let only_name = render("[config]\nadminUsername = \"root\"");
    assert_eq!(only_name.data("claude-relay-config")["ADMIN_USERNAME"], "root");
    assert_eq!(secret_of(only_name.container("prepare"), "ADMIN_PASSWORD")["name"], "claude-relay-generated");
    let relay = only_name.container("claude-relay");
    assert!(secret_of(relay, "ADMIN_PASSWORD").is_null(), "the relay would print it");
}

#[test]
fn d22_an_external_redis_has_a_host_and_a_port_is_the_same_everywhere() {
    refused("[redis]\nenabled = false", "RB0301");
    for host in ["$(id)", "a b", "a;b", "redis:6379", "'"] {
        let text = format!("[redis]\nenabled = false\n[externalRedis]\nhost = \"{host}\"");
        assert!(codes(&text, Severity::Error).contains("RB0004"), "{host}");
    }
    let rendered = render("[redis.service]\nport = 6380");
    assert_eq!(rendered.data("claude-relay-config")["REDIS_PORT"], "6380");
    assert_eq!(rendered.container("redis")["ports"][0]["containerPort"], 6380);
    let conf = rendered.data("claude-relay-redis-config")["redis.conf"].as_str().unwrap();
    assert!(conf.contains("\nport 6380\n"), "{conf}");
}

#[test]
fn d23_every_object_has_the_releases_namespace() {
    let rendered = render(
        "[release]\nnamespace = \"relays\"\ncreateNamespace = true\n[ingress]\nenabled = true\n\
         [networkPolicy]\nenabled = true\negressTo = [{}]\n[serviceMonitor]\nenabled = true",
    );
    for manifest in rendered.set.iter().filter(|manifest| manifest.key.kind != "Namespace") {
        assert_eq!(manifest.object["metadata"]["namespace"], "relays", "{}", manifest.key);
    }
    assert_eq!(rendered.names("Namespace"), ["relays"]);
}

#[test]
fn d24_nothing_is_named_twice() {
    refused("[serviceMonitor]\nenabled = true\nlabels = { \"app.kubernetes.io/name\" = \"x\" }", "RB0103");
    refused("extraEnv = [{ name = \"A\", value = \"1\" }, { name = \"A\", value = \"2\" }]", "RB0131");
    refused("extraEnv = [{ name = \"LOG_LEVEL\", value = \"debug\" }]", "RB0132");
    refused("[config]\nlogLevel = \"info\"\nlogLevel = \"debug\"", "RB0006");
}

#[test]
fn d25_a_string_stays_a_string() {
    let rendered = render(
        "[podAnnotations]\na = \"true\"\n[redis.persistence]\nstorageClass = \"123\"\n\
         [ingress]\nenabled = true\nclassName = \"1e3\"\ntls = [{ hosts = [\"claude-relay.local\"] }]",
    );
    for manifest in rendered.set.iter() {
        let read: Value = serde_saphyr::from_str(&to_yaml(&manifest.object)).unwrap();
        assert_eq!(read, manifest.object, "{}", manifest.key);
    }
    assert_eq!(rendered.one("PersistentVolumeClaim")["spec"]["storageClassName"], "123");
    assert_eq!(rendered.one("Ingress")["spec"]["ingressClassName"], "1e3");
    assert!(rendered.one("Ingress")["spec"]["tls"][0].get("secretName").is_none());
    refused("[podAnnotations]\na = true", "RB0003");
    refused("[redis.persistence]\nstorageClass = 123", "RB0003");
}

#[test]
fn d26_a_number_in_place_of_a_secret_is_refused_with_its_place() {
    for key in ["jwtSecret", "encryptionKey", "adminPassword"] {
        refused(&format!("[config]\n{key} = 12345678"), "RB0003");
    }
}

#[test]
fn d27_every_manifest_is_yaml_for_every_reader() {
    let rendered = render("");
    for (path, file) in
        rendered.bundle.files.iter().filter(|(path, _)| path.as_str().starts_with("manifests/"))
    {
        let text = std::str::from_utf8(file.bytes()).unwrap();
        assert!(!text.contains('\t'), "{path}");
        let _: Value = serde_saphyr::from_str(text).unwrap();
    }
}

#[test]
fn d28_redis_keeps_its_data_and_its_password() {
    let rendered = render("[redis.auth]\nenabled = true");
    let redis = rendered.container("redis");
    let files = rendered.data("claude-relay-redis-config");
    let text = |key: &str| files[key].as_str().unwrap();

    assert!(text("start.sh").contains("\nexec redis-server "), "SIGTERM must reach the server");
    let arguments = format!("{}{}", redis["command"], redis["args"]);
    assert!(!arguments.contains("PASSWORD") && !arguments.contains("requirepass"), "{arguments}");
    assert!(text("probe.sh").contains("PONG") && text("probe.sh").contains("REDISCLI_AUTH"));
    for line in ["appendonly yes", "maxmemory 201326592", "maxmemory-policy noeviction", "save 60 1"] {
        assert!(text("redis.conf").lines().any(|found| found == line), "{line}");
    }
    assert_eq!(redis["imagePullPolicy"], "IfNotPresent");
    assert!(redis["image"].as_str().unwrap().contains("@sha256:"));
}

#[test]
fn d29_the_volume_of_redis_can_grow_and_outlives_the_release() {
    let with_size = |size: &str| render(&format!("[redis.persistence]\nsize = \"{size}\""));
    let (small, large) = (with_size("1Gi"), with_size("2Gi"));
    // A template of claims can never be changed.
    assert!(small.one("StatefulSet")["spec"].get("volumeClaimTemplates").is_none());
    assert_eq!(small.one("StatefulSet"), large.one("StatefulSet"));
    assert_ne!(small.one("PersistentVolumeClaim"), large.one("PersistentVolumeClaim"));

    let adopted = render("[redis.persistence]\nexistingClaim = \"data-prod-redis-0\"");
    assert!(adopted.names("PersistentVolumeClaim").is_empty());
}

#[test]
fn d30_what_the_relay_does_not_read_is_not_rendered() {
    warned("[config]\nrateLimitCleanupInterval = 5", "RB0404");
    let rendered = render("[config]\nrateLimitCleanupInterval = 9");
    assert!(rendered.data("claude-relay-config").get("RATE_LIMIT_CLEANUP_INTERVAL").is_none());
    refused("[config]\ntimezoneOffset = 0", "RB0302");
}

#[test]
fn d31_labels_classes_and_ports_follow_one_rule_everywhere() {
    let rendered = render(
        "[redis.persistence]\nstorageClass = \"-\"\n[storage.data.external]\nenabled = true\nstorageClass = \"-\"\n\
         [service]\ntype = \"LoadBalancer\"\nnodePort = 31080",
    );
    for claim in rendered.all("PersistentVolumeClaim") {
        assert_eq!(claim["spec"]["storageClassName"], "", "{claim}");
    }
    for manifest in rendered.set.iter() {
        let labels = &manifest.object["metadata"]["labels"];
        assert!(labels.get("app.kubernetes.io/component").is_some() && labels.get("component").is_none());
    }
    let balanced = rendered.all("Service").find(|service| service["spec"]["type"] == "LoadBalancer").unwrap();
    assert_eq!(balanced["spec"]["ports"][0]["nodePort"], 31080);
    refused("[service]\nnodePort = 31080", "RB0336");
}

#[test]
fn d32_what_the_chart_lacks_is_there() {
    let rendered = render(
        "replicaCount = 2\npodLabels = { tier = \"edge\" }\npriorityClassName = \"high\"\n\
         topologySpreadConstraints = [{ maxSkew = 1, topologyKey = \"kubernetes.io/hostname\", whenUnsatisfiable = \"ScheduleAnyway\" }]\n\
         [podDisruptionBudget]\nenabled = true\n[networkPolicy]\nenabled = true\negressTo = [{}]",
    );
    assert_eq!(rendered.all("PodDisruptionBudget").count(), 1);
    assert_eq!(rendered.all("NetworkPolicy").count(), 2);
    let relay = rendered.template("Deployment");
    assert_eq!(relay["metadata"]["labels"]["tier"], "edge");
    assert_eq!(relay["spec"]["topologySpreadConstraints"].as_array().unwrap().len(), 1);
    assert!(rendered.container("claude-relay")["startupProbe"]["failureThreshold"].as_i64() > Some(60));
    let accounts: BTreeMap<&str, &str> = rendered
        .workloads()
        .map(|object| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap();
            assert_eq!(text("/spec/template/spec/priorityClassName"), "high");
            (text("/kind"), text("/spec/template/spec/serviceAccountName"))
        })
        .collect();
    assert_eq!(
        accounts,
        BTreeMap::from([("Deployment", "claude-relay"), ("StatefulSet", "claude-relay-redis")])
    );
    for template in rendered.workloads().map(|object| &object["spec"]["template"]) {
        for volume in items(&template["spec"], "volumes").filter_map(|volume| volume.get("emptyDir")) {
            assert!(volume.get("sizeLimit").is_some(), "{volume}");
        }
    }
}
