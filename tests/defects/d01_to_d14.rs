//! D01 to D14: secrets, names, numbers, Redis, routes, volumes.

use relay_bundle::bundle::index::Source;
use serde_json::{Value, json};

use crate::rendered::{Rendered, load};
use crate::{containers, items, refused, render, secret_of, warned};

#[test]
fn d01_rendering_profile_generates_no_secret() {
    let (first, second) = (render(""), render(""));

    assert_eq!(first.bundle.files.sums(), second.bundle.files.sums());
    assert!(first.names("Secret").is_empty());
    let key = secret_of(first.container("claude-relay"), "ENCRYPTION_KEY");
    let wanted =
        first.bundle.index.contract.iter().find(|wanted| key["name"] == wanted.name.as_str());
    assert!(wanted.is_some_and(|wanted| wanted.source == Source::Generated), "{key}");
    refused("[config]\nencryptionKey = { generate = { generation = 2 } }", "RB0202");
}

#[test]
fn d02_only_changes_that_pods_consume_restart_them() {
    let annotations =
        |text: &str| render(text).template("Deployment")["metadata"]["annotations"].clone();
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
fn d03_relay_uses_host_and_port_of_redis_service() {
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
        let service = rendered
            .all("Service")
            .find(|object| object["metadata"]["name"] == host)
            .expect("a Service");
        let port = service["spec"]["ports"][0]["port"].to_string();
        assert_eq!(config["data"]["REDIS_PORT"], port, "{text}");
        assert_eq!(service["spec"]["selector"]["app.kubernetes.io/name"], "redis", "{text}");
    }
}

#[test]
fn d04_release_named_after_both_gives_unique_object_names() {
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
    let rendered =
        render(&format!("fullnameOverride = \"{longest}\"\n[release]\nname = \"{longest}\""));
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
fn d05_integers_on_command_line_stay_integers() {
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
fn d06_redis_password_is_passed_to_relay() {
    let rendered = render("[redis.auth]\nenabled = true");
    let of_redis = secret_of(rendered.container("redis"), "REDIS_PASSWORD");
    assert_eq!(*of_redis, json!({"name": "claude-relay-generated", "key": "redis-password"}));
    assert_eq!(secret_of(rendered.container("claude-relay"), "REDIS_PASSWORD"), of_redis);
}

#[test]
fn d06b_new_password_reaches_both_sides_at_once() {
    let with = |revision: u8| {
        let secret = format!(
            "{{ existing = {{ name = \"mine\", key = \"password\", revision = {revision} }} }}"
        );
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
fn d07_setting_reaches_relay_once_and_no_config_map_is_unused() {
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
        let text =
            |pointer: &str| path.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        format!("{} {} {}", text("/path"), text("/pathType"), text("/backend/service/name"))
    };
    let rules = items(&rendered.one("Ingress")["spec"], "rules");
    rules.map(|rule| items(&rule["http"], "paths").map(line).collect()).collect()
}

#[test]
fn d08_ingress_host_without_paths_routes_all_paths() {
    let rendered =
        render("[ingress]\nenabled = true\nhosts = [{ host = \"relay.example.internal\" }]");
    assert_eq!(paths(&rendered)[0].last().unwrap(), "/ Prefix claude-relay");
    refused("[ingress]\nenabled = true\nhosts = []", "RB0330");
}

#[test]
fn d09_blocked_paths_lead_to_own_service_without_pods() {
    let rendered = render(
        "[ingress]\nenabled = true\nhosts = [{ host = \"a.example\" }, { host = \"b.example\" }]",
    );
    for host in paths(&rendered) {
        // A prefix also covers a trailing slash.
        assert_eq!(
            host[..2],
            ["/metrics Prefix claude-relay-blocked", "/prometheus Prefix claude-relay-blocked"]
        );
    }
    let blocked = rendered
        .all("Service")
        .find(|service| service["metadata"]["name"] == "claude-relay-blocked");
    assert!(blocked.unwrap()["spec"].get("selector").is_none());

    // With known routes only, other letter cases of a blocked path do not match any route.
    let known =
        render("[ingress]\nenabled = true\nroutes = \"known\"\nhosts = [{ host = \"a.example\" }]");
    let everything = paths(&known)[0].iter().any(|path| path.starts_with("/ Prefix"));
    assert!(!everything);
    assert_eq!(paths(&known)[0].last().unwrap(), "/ Exact claude-relay");
}

#[test]
fn d10_ingress_class_is_named_once() {
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
    assert!(
        containers(without.template("Deployment"))
            .all(|container| container["name"] != "fluent-bit")
    );

    let monitor = render("[serviceMonitor]\nenabled = true\nnamespace = \"monitoring\"");
    assert_eq!(monitor.one("ServiceMonitor")["metadata"]["namespace"], "monitoring");
    assert_eq!(
        monitor.one("ServiceMonitor")["spec"]["namespaceSelector"]["matchNames"],
        json!(["claude-relay"])
    );
    refused("[serviceMonitor]\nenabled = true\nport = \"metrics\"", "RB0341");

    let forward = "[storage.logs]\nmode = \"forward\"\n";
    refused(forward, "RB0502");
    let forward =
        render(&format!("{forward}[storage.logs.fluentbit.output.config]\nhost = \"aggregator\""));
    assert!(forward.fluent_bit().contains("name: forward"), "{}", forward.fluent_bit());

    warned("[storage.logs.persistence]\nenabled = true", "RB0404");
    warned("[storage.logs]\nmode = \"pvc\"", "RB0413");
}

#[test]
fn d12_every_log_mode_mounts_volume_and_other_modes_are_refused() {
    for mode in ["fluentbit", "pvc", "emptyDir"] {
        let rendered = render(&format!("[storage.logs]\nmode = \"{mode}\""));
        let mut mounts = items(rendered.container("claude-relay"), "volumeMounts");
        assert!(
            mounts.any(|mount| mount["mountPath"] == "/app/logs" && mount["name"] == "logs"),
            "{mode}"
        );
    }
    refused("[storage.logs]\nmode = \"emptydir\"", "RB0004");
}

#[test]
fn d13_data_has_source_and_admin_never_changes_by_itself() {
    refused("[storage.data]\ntype = \"hostPath\"", "RB0004");
    let rendered = render("replicaCount = 3");
    let volumes = &rendered.template("Deployment")["spec"]["volumes"];
    assert_eq!(volumes[0], json!({"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}));
    // Every pod writes the same init.json at every start.
    let prepare = rendered.container("prepare");
    assert_eq!(secret_of(prepare, "ADMIN_PASSWORD")["key"], "admin-password");
    assert_eq!(rendered.data("claude-relay-config")["ADMIN_USERNAME"], "admin");
}

#[test]
fn d14_single_node_volume_is_not_shared() {
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
