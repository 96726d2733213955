//! D15 to D32: logs, images, metrics, scaling, Redis's own habits.

use std::collections::BTreeMap;

use relay_bundle::profile::diagnostic::Severity;
use relay_bundle::render::yaml::to_yaml;
use serde_json::{Value, json};

use crate::{codes, containers, items, refused, render, secret_of, warned};

const EXTERNAL: &str =
    "[redis]\nenabled = false\n[externalRedis]\nhost = \"redis.example.internal\"\n";

#[test]
fn d15_fluent_bit_reads_relay_logs_and_forgets_nothing() {
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
fn d16_output_credentials_are_not_in_config_maps() {
    refused(&format!("{HTTP}http_passwd = \"s3cret\""), "RB0502");

    let existing = render(&format!(
        "{HTTP}http_user = \"u\"\nhttp_passwd = {{ existing = {{ name = \"n\", key = \"k\" }} }}"
    ));
    assert!(
        existing.fluent_bit().contains("http_passwd: ${OUT_HTTP_PASSWD}"),
        "{}",
        existing.fluent_bit()
    );
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
fn d16b_output_value_cannot_inject_section() {
    for hostile in ["\"a\\n[OUTPUT]\\n Name stdout\"", "[\"/a\", \"/b\"]", "\"/${HOME}\""] {
        let found = codes(&format!("{HTTP}uri = {hostile}"), Severity::Error);
        assert!(found.contains("RB0502") || found.contains("RB0101"), "{hostile}: {found:?}");
    }
    let headers = render(&format!("{HTTP}header = [\"X-A 1\", \"X-B 2\"]"));
    let config: Value = serde_saphyr::from_str(headers.fluent_bit()).unwrap();
    assert_eq!(config["pipeline"]["outputs"][0]["header"], json!(["X-A 1", "X-B 2"]));
    // Other options leave the format of stdout unchanged.
    let stdout = render("[storage.logs.fluentbit.output.config]\njson_date_key = \"at\"");
    assert!(stdout.fluent_bit().contains("format: json_lines"), "{}", stdout.fluent_bit());
}

#[test]
fn d16c_foreign_plugin_option_is_refused_and_readme_names_work() {
    let loki = "[storage.logs.fluentbit.output]\ntype = \"loki\"\n[storage.logs.fluentbit.output.config]\nHost = \"a\"\n";
    for option in ["BatchWait = 1", "BatchSize = 1001024", "LineFormat = \"json\""] {
        refused(&format!("{loki}{option}"), "RB0502");
    }
    let rendered = render(loki);
    assert!(rendered.fluent_bit().contains("line_format: json"), "{}", rendered.fluent_bit());

    let es = render(
        "[storage.logs.fluentbit.output]\ntype = \"elasticsearch\"\nconfig = { host = \"a\" }",
    );
    let config: Value = serde_saphyr::from_str(es.fluent_bit()).unwrap();
    assert_eq!(config["pipeline"]["outputs"][0]["name"], "es");
    assert_eq!(config["pipeline"]["outputs"][0]["suppress_type_name"], "on");
}

/// A profile with every container that has an image.
const ALL_IMAGES: &str = "imagePullSecrets = [{ name = \"mirror\" }]\n[images]\nregistry = \"mirror.example.internal\"\n\
                          [serviceMonitor]\nenabled = true\n";

#[test]
fn d17_every_image_is_configurable_and_container_restricted() {
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
    assert_eq!(redis["nodeSelector"], json!({"disk": "ssd", "kubernetes.io/os": "linux"}));
    assert_eq!(redis["tolerations"], json!([{"operator": "Exists"}]));
}

#[test]
fn pods_run_on_linux_nodes_unless_profile_names_other_system() {
    let system = |text: &str| {
        let rendered = render(text);
        ["Deployment", "StatefulSet"]
            .map(|kind| rendered.template(kind)["spec"]["nodeSelector"]["kubernetes.io/os"].clone())
    };
    assert_eq!(system(""), [json!("linux"), json!("linux")]);
    let own = "nodeSelector.\"kubernetes.io/os\" = \"own\"\nredis.nodeSelector = { \"kubernetes.io/os\" = \"other\" }";
    assert_eq!(system(own), [json!("own"), json!("other")]);
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
fn d19_no_pod_has_api_server_token() {
    let rendered = render("");
    for object in rendered.workloads() {
        assert_eq!(object["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
    }
    for account in rendered.all("ServiceAccount") {
        assert_eq!(account["automountServiceAccountToken"], false);
    }
}

#[test]
fn d20_autoscaler_uses_served_api_and_can_work() {
    let version = |version: &str| {
        format!("[kubernetes]\nversion = \"{version}\"\n[autoscaling]\nenabled = true\n")
    };
    assert_eq!(
        render(&version("1.22")).one("HorizontalPodAutoscaler")["apiVersion"],
        "autoscaling/v2beta2"
    );
    let current = render(&version("1.23"));
    assert_eq!(current.one("HorizontalPodAutoscaler")["apiVersion"], "autoscaling/v2");
    assert_eq!(current.one("HorizontalPodAutoscaler")["spec"]["maxReplicas"], 10);
    assert!(current.one("Deployment")["spec"].get("replicas").is_none());
    refused("[autoscaling]\nenabled = true\nminReplicas = 5\nmaxReplicas = 4", "RB0320");
    refused("[autoscaling]\nenabled = true\ntargetCPUUtilizationPercentage = 0", "RB0321");
}

#[test]
fn d21_administrator_has_name_and_password() {
    refused("[config]\nadminUsername = \"\"", "RB0303");
    let only_name = render("[config]\nadminUsername = \"root\"");
    assert_eq!(only_name.data("claude-relay-config")["ADMIN_USERNAME"], "root");
    assert_eq!(
        secret_of(only_name.container("prepare"), "ADMIN_PASSWORD")["name"],
        "claude-relay-generated"
    );
    let relay = only_name.container("claude-relay");
    assert!(secret_of(relay, "ADMIN_PASSWORD").is_null(), "the relay would print it");
}

#[test]
fn d22_external_redis_has_host_and_port_is_consistent() {
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
fn d23_every_object_has_release_namespace() {
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
    refused(
        "[serviceMonitor]\nenabled = true\nlabels = { \"app.kubernetes.io/name\" = \"x\" }",
        "RB0103",
    );
    refused(
        "extraEnv = [{ name = \"A\", value = \"1\" }, { name = \"A\", value = \"2\" }]",
        "RB0131",
    );
    refused("extraEnv = [{ name = \"LOG_LEVEL\", value = \"debug\" }]", "RB0132");
    let kafka = "[storage.logs.fluentbit.output]\ntype = \"kafka\"\n[storage.logs.fluentbit.output.config]\nbrokers = \"a:9092\"\n";
    let secret = |name: &str| {
        format!("\"rdkafka.{name}\" = {{ existing = {{ name = \"a\", key = \"b\" }} }}\n")
    };
    refused(&format!("{kafka}{}{}", secret("sasl.password"), secret("sasl_password")), "RB0502");
    refused(&format!("{kafka}{}", secret(&"x".repeat(60))), "RB0502");
    refused("[config]\nlogLevel = \"info\"\nlogLevel = \"debug\"", "RB0006");
}

#[test]
fn d25_string_stays_string() {
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
fn d26_number_in_place_of_secret_is_refused_with_location() {
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
    for line in
        ["appendonly yes", "maxmemory 201326592", "maxmemory-policy noeviction", "save 60 1"]
    {
        assert!(text("redis.conf").lines().any(|found| found == line), "{line}");
    }
    assert_eq!(redis["imagePullPolicy"], "IfNotPresent");
    assert!(redis["image"].as_str().unwrap().contains("@sha256:"));
}

#[test]
fn d29_redis_volume_can_grow_and_outlives_release() {
    let with_size = |size: &str| render(&format!("[redis.persistence]\nsize = \"{size}\""));
    let (small, large) = (with_size("1Gi"), with_size("2Gi"));
    // A volumeClaimTemplate is immutable.
    assert!(small.one("StatefulSet")["spec"].get("volumeClaimTemplates").is_none());
    assert_eq!(small.one("StatefulSet"), large.one("StatefulSet"));
    assert_ne!(small.one("PersistentVolumeClaim"), large.one("PersistentVolumeClaim"));

    let adopted = render("[redis.persistence]\nexistingClaim = \"data-prod-redis-0\"");
    assert!(adopted.names("PersistentVolumeClaim").is_empty());
}

#[test]
fn d30_settings_that_relay_does_not_read_are_not_rendered() {
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
        assert!(
            labels.get("app.kubernetes.io/component").is_some()
                && labels.get("component").is_none()
        );
    }
    let balanced =
        rendered.all("Service").find(|service| service["spec"]["type"] == "LoadBalancer").unwrap();
    assert_eq!(balanced["spec"]["ports"][0]["nodePort"], 31080);
    refused("[service]\nnodePort = 31080", "RB0336");
}

#[test]
fn d32_features_missing_from_chart_are_rendered() {
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
    assert!(
        rendered.container("claude-relay")["startupProbe"]["failureThreshold"].as_i64() > Some(60)
    );
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
        for volume in
            items(&template["spec"], "volumes").filter_map(|volume| volume.get("emptyDir"))
        {
            assert!(volume.get("sizeLimit").is_some(), "{volume}");
        }
    }
}
