//! Checks Services and network policies, and that every required destination is reachable.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::model::text::Cidr;
use crate::profile::node::Path;
use crate::profile::settings::{OutputKind, ServiceType, Settings};

use super::Report;
use super::containers::is_port_name;
use super::labels::selector;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    service(settings, report);
    let policy = &settings.network_policy;
    peers(&Path::of("networkPolicy.ingressFrom"), &policy.ingress_from, report);
    peers(&Path::of("networkPolicy.dns.peers"), &policy.dns.peers, report);
    for (index, rule) in policy.egress_to.iter().enumerate() {
        let path = Path::of("networkPolicy.egressTo").index(index);
        peers(&path.key("to"), rule.to.as_deref().unwrap_or_default(), report);
        for (at, port) in rule.ports.iter().flatten().enumerate() {
            check_port(&path.key("ports").index(at), port, report);
        }
    }
    if policy.enabled {
        egress(settings, report);
        dns_of_old_clusters(settings, report);
    }
}

/// Reports servers that do not support the default DNS peers.
///
/// The default selects the namespace of DNS by a label that Kubernetes itself sets, but only since
/// 1.21. `versions` checks the peers that a profile sets.
fn dns_of_old_clusters(settings: &Settings, report: &mut Report<'_>) {
    let version = settings.kubernetes.version;
    if !version.at_least(21) && !report.is_written("networkPolicy.dns.peers") {
        let message = format!(
            "Kubernetes {version} does not label namespaces with `kubernetes.io/metadata.name`, so \
             DNS would be blocked"
        );
        let help = "select the namespace of DNS by a label that it has, such as [{ \
                    namespaceSelector = {}, podSelector = { matchLabels = { k8s-app = \"kube-dns\" \
                    } } }]";
        report.error("RB0372", "networkPolicy.dns.peers", message, help);
    }
}

fn service(settings: &Settings, report: &mut Report<'_>) {
    let service = &settings.service;
    let balanced = service.kind == ServiceType::LoadBalancer;

    if let Some(port) = service.node_port {
        if service.kind == ServiceType::ClusterIP {
            let help = "set `service.type` to \"NodePort\" or \"LoadBalancer\", or remove it";
            report.error(
                "RB0336",
                "service.nodePort",
                "a ClusterIP Service has no port on the nodes",
                help,
            );
        } else if !(30_000..=32_767).contains(&port.get()) {
            let message = "clusters allocate 30000 to 32767 unless configured otherwise, and \
                           refuse other ports";
            report.warning("RB0408", "service.nodePort", message, "choose a port in that range");
        }
    }

    if !service.load_balancer_ip.as_str().is_empty() {
        if balanced {
            let message =
                "the field is deprecated since Kubernetes 1.24, and providers may ignore it";
            report.warning(
                "RB0409",
                "service.loadBalancerIP",
                message,
                "use your provider's annotation in `service.annotations`",
            );
        } else {
            let help = "set `service.type = \"LoadBalancer\"`, or remove it";
            report.error(
                "RB0336",
                "service.loadBalancerIP",
                "only a LoadBalancer Service has such an address",
                help,
            );
        }
    }

    if !balanced && !service.load_balancer_source_ranges.is_empty() {
        let help = "set `service.type = \"LoadBalancer\"`, or use `networkPolicy.ingressFrom`";
        report.error(
            "RB0336",
            "service.loadBalancerSourceRanges",
            "only a LoadBalancer Service filters addresses",
            help,
        );
    }
}

fn peers(path: &Path, peers: &[NetworkPolicyPeer], report: &mut Report<'_>) {
    for (index, peer) in peers.iter().enumerate() {
        let path = path.index(index);
        let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
        if peer.ip_block.is_some() == selects {
            let help = "write either `ipBlock`, or `podSelector` and `namespaceSelector`; an empty selector means all";
            report.error("RB0173", &path, "a peer has either an address range or selectors", help);
        }
        if let Some(block) = &peer.ip_block {
            ip_block(&path.key("ipBlock"), block, report);
        }
        if let Some(pods) = &peer.pod_selector {
            selector(&path.key("podSelector"), pods, report);
        }
        if let Some(namespaces) = &peer.namespace_selector {
            selector(&path.key("namespaceSelector"), namespaces, report);
        }
    }
}

fn ip_block(path: &Path, block: &IPBlock, report: &mut Report<'_>) {
    let help = "write a range such as `10.0.0.0/8` or `fd00::/8`";
    if block.cidr.parse::<Cidr>().is_err() {
        report.error("RB0173", path.key("cidr"), "invalid address range", help);
        return;
    }
    for (index, except) in block.except.iter().flatten().enumerate() {
        let path = path.key("except").index(index);
        if except.parse::<Cidr>().is_err() {
            report.error("RB0173", path, "invalid address range", help);
        } else if !is_strictly_inside(except, &block.cidr) {
            let message = format!("this range is not inside `{}`", block.cidr);
            report.error("RB0173", path, message, "write a smaller range inside it, or remove it");
        }
    }
}

/// Returns the address family, the address as a number of 128 bits, and the length of the network
/// prefix in it.
fn network(cidr: &str) -> Option<(bool, u128, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96, bits),
        IpAddr::V6(address) => (false, address.to_bits(), bits),
    })
}

fn contains(cidr: &str, address: IpAddr) -> bool {
    let host = match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (false, address.to_bits()),
    };
    network(cidr).is_some_and(|(is_v4, network, bits)| {
        (is_v4, network & mask(bits)) == (host.0, host.1 & mask(bits))
    })
}

fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0)
}

fn is_strictly_inside(inner: &str, outer: &str) -> bool {
    let (Some(inner), Some(outer)) = (network(inner), network(outer)) else { return false };
    inner.0 == outer.0 && inner.2 > outer.2 && inner.1 & mask(outer.2) == outer.1 & mask(outer.2)
}

fn check_port(path: &Path, port: &NetworkPolicyPort, report: &mut Report<'_>) {
    let is_port = |port: i32| (1..=65_535).contains(&port);
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    if !["TCP", "UDP", "SCTP"].contains(&protocol) {
        report.error(
            "RB0174",
            path.key("protocol"),
            "unknown protocol",
            "use `TCP`, `UDP` or `SCTP`",
        );
    }

    let first = match &port.port {
        Some(IntOrString::Int(number)) if is_port(*number) => Some(*number),
        Some(IntOrString::Int(_)) => {
            report.error("RB0174", path.key("port"), "invalid port", "write 1 to 65535");
            None
        }
        Some(IntOrString::String(name)) => {
            if !is_port_name(name) {
                let help = "write a number, or a container port's name of at most 15 lowercase letters, digits and `-`";
                report.error("RB0174", path.key("port"), "invalid port", help);
            }
            None
        }
        None => None,
    };

    let is_wrong = |last: i32| first.is_none_or(|first| last < first) || !is_port(last);
    if port.end_port.is_some_and(is_wrong) {
        let message = "a range of ports goes from the number `port` up to this one";
        report.error("RB0174", path.key("endPort"), message, "write a number from `port` to 65535");
    }
}

/// Checks that the policy allows the destinations that the relay needs, because it blocks all
/// others.
fn egress(settings: &Settings, report: &mut Report<'_>) {
    let rules = &settings.network_policy.egress_to;
    let place = "networkPolicy.egressTo";

    if !settings.redis.enabled {
        let (host, port) =
            (settings.external_redis.host.as_str(), settings.external_redis.port.get());
        if !rules.iter().any(|rule| lets_through(rule, host, port)) {
            let message =
                format!("no rule lets the relay reach its Redis, port {port} of `{host}`");
            let help = format!(
                "add a rule such as {{ to = [{{ ipBlock = {{ cidr = \"10.0.0.0/8\" }} }}], ports = [{{ port = {port} }}] }}"
            );
            report.error("RB0370", place, message, help);
        }
    }

    let sends = !matches!(settings.output_kind(), OutputKind::Stdout);
    if settings.has_fluent_bit() && sends && rules.is_empty() {
        let message = "no rule lets Fluent Bit reach the destination of the logs";
        report.error(
            "RB0370",
            place,
            message,
            "add a rule with the destination's selectors or addresses and its port",
        );
    }

    if rules.is_empty() {
        let message = "no rule lets the relay reach its upstream, so every request would fail";
        report.warning(
            "RB0415",
            place,
            message,
            "add a rule with the addresses of the upstream, or of the proxy that the accounts use",
        );
        if settings.config.price_mirror_base_url.as_str().is_empty() {
            let message = "every start waits minutes for prices that the policy blocks";
            report.warning(
                "RB0415",
                "config.priceMirrorBaseUrl",
                message,
                "omit it, or allow the mirror",
            );
        }
    }
}

/// Returns whether a rule may allow a connection to `host`; selectors and host names get the
/// benefit of the doubt.
fn lets_through(rule: &NetworkPolicyEgressRule, host: &str, port: i64) -> bool {
    let address = host.parse::<IpAddr>().ok();
    let reaches = |peer: &NetworkPolicyPeer| match (&peer.ip_block, address) {
        (Some(block), Some(address)) => {
            let excepted = block.except.iter().flatten().any(|except| contains(except, address));
            contains(&block.cidr, address) && !excepted
        }
        _ => true,
    };
    let opens = |opened: &NetworkPolicyPort| {
        let tcp = opened.protocol.as_deref().unwrap_or("TCP") == "TCP";
        let last = opened.end_port.map(i64::from);
        tcp && match &opened.port {
            Some(IntOrString::Int(first)) => {
                let first = i64::from(*first);
                (first..=last.unwrap_or(first)).contains(&port)
            }
            _ => true,
        }
    };
    let (peers, ports) =
        (rule.to.as_deref().unwrap_or_default(), rule.ports.as_deref().unwrap_or_default());
    (peers.is_empty() || peers.iter().any(reaches)) && (ports.is_empty() || ports.iter().any(opens))
}
