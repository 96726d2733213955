//! Renders the `HTTPRoute`, the Ingress's rules for users of the Gateway API.

use serde_json::{Value, json};

use super::labels::{Component, metadata};
use super::pod;
use super::routes::{Backend, Route, routes};
use crate::profile::resolve::Profile;
use crate::profile::settings::PathType;

/// The largest number of matches in one rule that the first releases of the API accept.
const MATCHES_MAX: usize = 8;

pub(super) fn render(profile: &Profile) -> Value {
    let gateway = &profile.settings.gateway;
    let mut metadata = metadata(profile, Component::Relay, profile.names.full.clone());
    metadata.annotations = pod::map(&gateway.annotations);
    let mut spec = json!({"parentRefs": gateway.parent_refs, "rules": rules(profile)});
    if !gateway.hostnames.is_empty() {
        spec["hostnames"] = json!(gateway.hostnames);
    }
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": spec,
    })
}

fn rules(profile: &Profile) -> Vec<Value> {
    let routes = routes(profile, &[]);
    let of = |backend| -> Vec<Value> {
        let matches: Vec<Value> =
            routes.iter().filter(|route| route.backend == backend).map(path_match).collect();
        matches.chunks(MATCHES_MAX).map(|matches| rule(profile, backend, matches)).collect()
    };
    [Backend::Blocked, Backend::Relay].into_iter().flat_map(of).collect()
}

fn rule(profile: &Profile, backend: Backend, matches: &[Value]) -> Value {
    let mut rule = json!({
        "matches": matches,
        "backendRefs": [{"name": backend.service(profile), "port": backend.port(profile)}],
    });
    // 0 s means no limit: several gateways end a stream after 15 s by default. The API's standard
    // channel has the field since 1.2; `ingress.presets = false` omits it for older versions, which
    // reject unknown fields.
    if backend == Backend::Relay && profile.settings.ingress.presets {
        rule["timeouts"] = json!({"request": "0s"});
    }
    rule
}

fn path_match(route: &Route) -> Value {
    let kind = match route.path_type {
        PathType::Exact => "Exact",
        PathType::Prefix | PathType::ImplementationSpecific => "PathPrefix",
    };
    json!({"path": {"type": kind, "value": route.path}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests_support::profile;

    const GATEWAY: &str = "[gateway]\nenabled = true\nparentRefs = [{ name = \"edge\", namespace = \"gateways\", port = 443 }]\n";

    fn route(text: &str) -> Value {
        render(&profile(&format!("{GATEWAY}{text}")))
    }

    #[test]
    fn route_blocks_same_paths_as_ingress_and_allows_streaming() {
        let object = route("hostnames = [\"relay.example.internal\"]");
        assert_eq!(object["metadata"]["namespace"], "claude-relay");
        assert_eq!(
            object["spec"],
            json!({
                "parentRefs": [{"name": "edge", "namespace": "gateways", "port": 443}],
                "hostnames": ["relay.example.internal"],
                "rules": [
                    {
                        "matches": [
                            {"path": {"type": "PathPrefix", "value": "/metrics"}},
                            {"path": {"type": "PathPrefix", "value": "/prometheus"}},
                        ],
                        "backendRefs": [{"name": "claude-relay-blocked", "port": 80}],
                    },
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backendRefs": [{"name": "claude-relay", "port": 80}],
                        "timeouts": {"request": "0s"},
                    },
                ],
            })
        );
    }

    #[test]
    fn known_routes_fit_rule_limits_of_first_api_version() {
        let object = route("[ingress]\nroutes = \"known\"");
        let rules = object["spec"]["rules"].as_array().unwrap();
        let sizes: Vec<usize> =
            rules.iter().map(|rule| rule["matches"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [2, 8, 7]);
        assert_eq!(rules[2]["matches"][6], json!({"path": {"type": "Exact", "value": "/"}}));
    }

    #[test]
    fn timeouts_need_presets_and_hostnames_need_hosts() {
        let object = route("[ingress]\npresets = false\nblockedPaths = []");
        assert_eq!(object["spec"]["rules"].as_array().unwrap().len(), 1);
        assert!(object["spec"]["rules"][0].get("timeouts").is_none());
        assert!(object["spec"].get("hostnames").is_none());
    }
}
