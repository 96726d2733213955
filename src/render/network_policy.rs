//! Renders the `NetworkPolicy` objects for traffic to and from the pods.
//!
//! Policies add up, so a changed policy must exist before the old one is removed: its name
//! identifies its content.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{Component, metadata, selector};
use super::pod;
use crate::canonical::Canonical;
use crate::profile::resolve::Profile;

const DNS_PORT: i32 = 53;

/// Returns the policy of the relay's pods: egress only to DNS, Redis and the profile's
/// destinations.
pub(super) fn relay(profile: &Profile) -> NetworkPolicy {
    let settings = &profile.settings;
    // Metrics must not be open to more clients than the relay: the exporter fetches any URL that it
    // is asked for.
    let exporter = settings.has_exporter().then(|| settings.service_monitor.exporter.port.as_i32());
    let ports = [settings.config.port.as_i32()]
        .into_iter()
        .chain(exporter)
        .map(|number| port("TCP", number));
    let ingress = NetworkPolicyIngressRule {
        from: pod::list(&settings.network_policy.ingress_from),
        ports: Some(ports.collect()),
    };
    let mut egress = vec![dns(profile)];
    if settings.redis.enabled {
        egress.push(NetworkPolicyEgressRule {
            to: Some(vec![pods(profile, Component::Redis)]),
            ports: Some(vec![port("TCP", settings.redis.service.port.as_i32())]),
        });
    }
    egress.extend(settings.network_policy.egress_to.iter().cloned());
    policy(profile, Component::Relay, &profile.names.full, ingress, Some(egress))
}

/// Returns the policy of the Redis pod: ingress only from the relay, no egress.
pub(super) fn redis(profile: &Profile) -> NetworkPolicy {
    let ingress = NetworkPolicyIngressRule {
        from: Some(vec![pods(profile, Component::Relay)]),
        ports: Some(vec![port("TCP", profile.settings.redis.service.port.as_i32())]),
    };
    policy(profile, Component::Redis, &profile.names.redis, ingress, None)
}

fn policy(
    profile: &Profile,
    component: Component,
    base: &str,
    ingress: NetworkPolicyIngressRule,
    egress: Option<Vec<NetworkPolicyEgressRule>>,
) -> NetworkPolicy {
    let spec = NetworkPolicySpec {
        pod_selector: Some(selector(profile, component)),
        ingress: Some(vec![ingress]),
        egress,
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
    };
    let digest = Canonical::of(&spec).expect("a policy has no other numbers than ports").digest();
    NetworkPolicy {
        metadata: metadata(profile, component, format!("{base}-{}", digest.short(10))),
        spec: Some(spec),
    }
}

/// Returns the rule for DNS: names must always resolve; without peers it allows any server.
fn dns(profile: &Profile) -> NetworkPolicyEgressRule {
    let dns = &profile.settings.network_policy.dns;
    let cache =
        dns.node_local_dns.as_str().parse::<IpAddr>().ok().map(|address| NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }),
                except: None,
            }),
            ..NetworkPolicyPeer::default()
        });
    let peers: Vec<NetworkPolicyPeer> = dns.peers.iter().cloned().chain(cache).collect();
    NetworkPolicyEgressRule {
        to: pod::list(&peers),
        ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
    }
}

/// Returns the peer that selects a component's pods in the release's namespace.
fn pods(profile: &Profile, component: Component) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(selector(profile, component)),
        ..NetworkPolicyPeer::default()
    }
}

/// Returns a port by number: not every network plugin resolves names, least of all for egress.
fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.into()),
        end_port: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::render::tests_support::{json, profile};

    fn relay_spec(text: &str) -> Value {
        json(&relay(&profile(text)))["spec"].clone()
    }

    #[test]
    fn relay_reaches_only_dns_and_its_redis_by_default() {
        let labels = |name: &str| json!({"matchLabels": {"app.kubernetes.io/instance": "claude-relay", "app.kubernetes.io/name": name}});
        assert_eq!(
            relay_spec(""),
            json!({
                "podSelector": labels("claude-relay"),
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": [{"port": 3000, "protocol": "TCP"}]}],
                "egress": [
                    {
                        "to": [{
                            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                        }],
                        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
                    },
                    {"to": [{"podSelector": labels("redis")}], "ports": [{"port": 6379, "protocol": "TCP"}]},
                ],
            })
        );
    }

    #[test]
    fn profile_peers_are_copied_unchanged() {
        let spec = relay_spec(
            r#"[networkPolicy]
ingressFrom = [{ namespaceSelector = { matchLabels = { a = "b" } } }]
egressTo = [{ to = [{ ipBlock = { cidr = "10.0.0.0/8", except = ["10.1.0.0/16"] } }], ports = [{ port = 443, endPort = 444 }] }]
dns = { peers = [], nodeLocalDns = "169.254.20.10" }
[redis]
enabled = false
[externalRedis]
host = "redis.example.internal"
"#,
        );
        assert_eq!(
            spec["ingress"][0]["from"],
            json!([{"namespaceSelector": {"matchLabels": {"a": "b"}}}])
        );
        assert_eq!(
            spec["egress"].as_array().unwrap().len(),
            2,
            "no rule for a Redis that is not there: {spec}"
        );
        assert_eq!(spec["egress"][0]["to"], json!([{"ipBlock": {"cidr": "169.254.20.10/32"}}]));
        assert_eq!(
            spec["egress"][1],
            json!({"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": 443, "endPort": 444}]})
        );
    }

    #[test]
    fn dns_is_always_allowed() {
        let spec = relay_spec("[networkPolicy.dns]\npeers = []");
        assert!(
            spec["egress"][0].get("to").is_none(),
            "an empty list would mean nobody to a reader"
        );
        assert_eq!(spec["egress"][0]["ports"].as_array().unwrap().len(), 2);
        let spec = relay_spec("[networkPolicy.dns]\nnodeLocalDns = \"fd00::10\"");
        assert_eq!(spec["egress"][0]["to"][1], json!({"ipBlock": {"cidr": "fd00::10/128"}}));
    }

    #[test]
    fn exporter_metrics_are_open_to_peers_of_relay() {
        let from = "[networkPolicy]\ningressFrom = [{ podSelector = {} }]\n[serviceMonitor]\nenabled = true\n";
        let spec = relay_spec(&format!("{from}exporter = {{ port = 9001 }}"));
        assert_eq!(
            spec["ingress"],
            json!([{
                "from": [{"podSelector": {}}],
                "ports": [{"port": 3000, "protocol": "TCP"}, {"port": 9001, "protocol": "TCP"}],
            }])
        );
        let spec = relay_spec(&format!("{from}exporter = {{ enabled = false }}"));
        assert_eq!(spec["ingress"][0]["ports"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn redis_accepts_only_relay_and_has_no_egress() {
        let object = json(&redis(&profile("[redis.service]\nport = 6380")));
        assert_eq!(object["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert!(object["spec"].get("egress").is_none());
        assert_eq!(object["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"], "redis");
        assert_eq!(
            object["spec"]["ingress"],
            json!([{
                "from": [{"podSelector": {"matchLabels": {
                    "app.kubernetes.io/instance": "claude-relay", "app.kubernetes.io/name": "claude-relay",
                }}}],
                "ports": [{"port": 6380, "protocol": "TCP"}],
            }])
        );
    }

    #[test]
    fn another_rule_is_another_policy_and_another_label_is_not() {
        let name = |text: &str| relay(&profile(text)).metadata.name.unwrap();
        let base = name("");
        let hash = base.strip_prefix("claude-relay-").unwrap();
        assert!(hash.len() == 10 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{base}");
        assert_ne!(name("[config]\nport = 3001"), base);
        assert_eq!(name("[release]\nappVersion = \"v9\""), base);
    }
}
