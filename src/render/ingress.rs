//! Renders the Ingress, with the annotations that streaming needs for the usual controllers.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::labels::{Component, metadata};
use super::routes::{Route, routes};
use super::{pod, service};
use crate::profile::resolve::Profile;
use crate::profile::settings::{IngressHost, IngressTls};

/// The annotation that names the class; Kubernetes rejects it together with `ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

pub(super) fn render(profile: &Profile) -> Ingress {
    let ingress = &profile.settings.ingress;
    let class = class(profile);
    let mut metadata = metadata(profile, Component::Relay, profile.names.full.clone());
    metadata.annotations = pod::map(&annotations(profile, class.unwrap_or_default()));
    let rules = ingress.hosts.iter().map(|host| rule(profile, host)).collect();
    let tls: Vec<IngressTLS> = ingress.tls.iter().map(tls).collect();
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: class.map(str::to_owned),
            rules: Some(rules),
            tls: pod::list(&tls),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

/// Returns the class from the key, or else from the old annotation, which itself is not rendered.
fn class(profile: &Profile) -> Option<&str> {
    let ingress = &profile.settings.ingress;
    let annotation = ingress.annotations.get(CLASS_ANNOTATION).map_or("", String::as_str);
    [ingress.class_name.as_str(), annotation].into_iter().find(|class| !class.is_empty())
}

fn annotations(profile: &Profile, class: &str) -> BTreeMap<String, String> {
    let ingress = &profile.settings.ingress;
    let mut annotations = BTreeMap::new();
    if ingress.presets {
        annotations.extend(
            presets(profile, class).into_iter().map(|(key, value)| (key.to_owned(), value)),
        );
    }
    annotations.extend(ingress.annotations.clone());
    annotations.remove(CLASS_ANNOTATION);
    annotations
}

/// Returns the annotations that let answers stream for as long as the relay itself allows.
///
/// - nginx: for both controllers of that name, the community's and the vendor's; each ignores the
///   other's keys.
/// - haproxy: likewise for both (`haproxy-ingress.github.io`, `haproxy.org`). Neither buffers
///   answers, the vendor's does not limit bodies, and both support the client's timeout only as a
///   global setting.
/// - traefik: not needed. Traefik streams answers, waits without limit and does not limit bodies;
///   its timeouts belong to the entry points (`respondingTimeouts`), which an Ingress cannot set.
fn presets(profile: &Profile, class: &str) -> Vec<(&'static str, String)> {
    let config = &profile.settings.config;
    // The relay ends an idle request after 600 s, regardless of its own limit; the proxy must not
    // end it earlier.
    let seconds = (config.request_timeout.get() + 999) / 1000;
    let seconds = seconds.max(600) + 5;
    // The relay, not the proxy, should reject a body that is too large, because its answer is JSON.
    let body = format!("{}m", config.request_max_size_mb.get() + 4);

    if class.contains("nginx") {
        vec![
            ("nginx.ingress.kubernetes.io/proxy-body-size", body.clone()),
            ("nginx.ingress.kubernetes.io/proxy-buffering", "off".into()),
            ("nginx.ingress.kubernetes.io/proxy-read-timeout", seconds.to_string()),
            ("nginx.ingress.kubernetes.io/proxy-request-buffering", "off".into()),
            ("nginx.ingress.kubernetes.io/proxy-send-timeout", seconds.to_string()),
            ("nginx.org/client-max-body-size", body),
            ("nginx.org/proxy-buffering", "False".into()),
            ("nginx.org/proxy-read-timeout", format!("{seconds}s")),
            ("nginx.org/proxy-send-timeout", format!("{seconds}s")),
        ]
    } else if class.contains("haproxy") {
        vec![
            ("haproxy-ingress.github.io/proxy-body-size", body),
            ("haproxy-ingress.github.io/timeout-server", format!("{seconds}s")),
            ("haproxy.org/timeout-server", format!("{seconds}s")),
        ]
    } else {
        Vec::new()
    }
}

fn rule(profile: &Profile, host: &IngressHost) -> IngressRule {
    let paths = routes(profile, &host.paths).iter().map(|route| path(profile, route)).collect();
    IngressRule {
        host: Some(host.host.to_string()).filter(|host| !host.is_empty()),
        http: Some(HTTPIngressRuleValue { paths }),
    }
}

fn path(profile: &Profile, route: &Route) -> HTTPIngressPath {
    HTTPIngressPath {
        path: Some(route.path.clone()),
        path_type: route.path_type.as_str().into(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: route.backend.service(profile),
                port: Some(ServiceBackendPort {
                    name: Some(service::HTTP_PORT.into()),
                    number: None,
                }),
            }),
            ..IngressBackend::default()
        },
    }
}

fn tls(tls: &IngressTls) -> IngressTLS {
    let hosts: Vec<String> =
        tls.hosts.iter().map(ToString::to_string).filter(|host| !host.is_empty()).collect();
    IngressTLS {
        hosts: pod::list(&hosts),
        secret_name: tls
            .secret_name
            .as_ref()
            .map(ToString::to_string)
            .filter(|name| !name.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::render::tests_support::{json, profile};

    fn ingress(text: &str) -> Value {
        json(&render(&profile(&format!("[ingress]\nenabled = true\n{text}"))))
    }

    #[test]
    fn d08_host_without_paths_gets_catch_all_after_blocked_paths() {
        let object = ingress("hosts = [{ host = \"relay.example.internal\" }]");
        let paths = object["spec"]["rules"][0]["http"]["paths"].as_array().unwrap();
        let backend = |name: &str| json!({"service": {"name": name, "port": {"name": "http"}}});
        let path = |path: &str, name: &str| json!({"path": path, "pathType": "Prefix", "backend": backend(name)});
        assert_eq!(
            *paths,
            [
                path("/metrics", "claude-relay-blocked"),
                path("/prometheus", "claude-relay-blocked"),
                path("/", "claude-relay")
            ]
        );
    }

    #[test]
    fn d09_every_host_has_blocked_paths() {
        let object = ingress(
            "hosts = [{ host = \"a.example\" }, { host = \"b.example\", paths = [{ path = \"/api\" }] }]",
        );
        for rule in object["spec"]["rules"].as_array().unwrap() {
            assert_eq!(
                rule["http"]["paths"][0]["backend"]["service"]["name"],
                "claude-relay-blocked"
            );
        }
    }

    #[test]
    fn d10_ingress_class_is_set_once() {
        let own = |text: &str| ingress(text)["metadata"].get("annotations").cloned();
        let by_key = "className = \"internal\"";
        assert_eq!(
            (ingress(by_key)["spec"]["ingressClassName"].clone(), own(by_key)),
            (json!("internal"), None)
        );
        let by_annotation = "annotations = { \"kubernetes.io/ingress.class\" = \"internal\" }";
        assert_eq!(ingress(by_annotation)["spec"]["ingressClassName"], "internal");
        assert_eq!(own(by_annotation), None);
        let object = ingress("");
        assert!(object["spec"].get("ingressClassName").is_none());
        assert!(object["metadata"].get("annotations").is_none());
    }

    #[test]
    fn d25_names_stay_strings_and_missing_certificate_stays_unset() {
        let object = ingress(
            "className = \"123\"\ntls = [{ hosts = [\"a.example\"] }, { secretName = \"1\" }]",
        );
        assert_eq!(object["spec"]["ingressClassName"], "123");
        assert_eq!(object["spec"]["tls"], json!([{"hosts": ["a.example"]}, {"secretName": "1"}]));
    }

    #[test]
    fn presets_allow_streaming_and_profile_annotations_win() {
        let object = ingress(
            "className = \"nginx-internal\"\nannotations = { \"nginx.ingress.kubernetes.io/proxy-read-timeout\" = \"900\" }",
        );
        let annotations = &object["metadata"]["annotations"];
        let of = |key: &str| annotations[format!("nginx.ingress.kubernetes.io/{key}")].clone();
        assert_eq!(of("proxy-read-timeout"), "900");
        assert_eq!(of("proxy-send-timeout"), "605");
        assert_eq!(of("proxy-buffering"), "off");
        assert_eq!(of("proxy-body-size"), "36m");
        assert_eq!(annotations["nginx.org/proxy-buffering"], "False");

        let object = ingress("className = \"haproxy\"");
        assert_eq!(object["metadata"]["annotations"]["haproxy.org/timeout-server"], "605s");
        for none in ["className = \"traefik\"", "className = \"nginx\"\npresets = false", ""] {
            assert!(ingress(none)["metadata"].get("annotations").is_none(), "{none}");
        }
    }

    #[test]
    fn presets_follow_relay_limits() {
        let text =
            "className = \"nginx\"\n[config]\nrequestTimeout = 900001\nrequestMaxSizeMb = 100";
        let object = ingress(text);
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"], "906");
        assert_eq!(annotations["nginx.org/client-max-body-size"], "104m");
    }

    #[test]
    fn empty_host_matches_all_hosts() {
        let object = ingress("hosts = [{ host = \"\" }]\nblockedPaths = []");
        assert!(object["spec"]["rules"][0].get("host").is_none());
        assert_eq!(object["spec"]["rules"][0]["http"]["paths"].as_array().unwrap().len(), 1);
    }
}
