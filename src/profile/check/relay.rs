//! Checks `config` for values that the relay would misread, and addresses that it would not reach.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::credential::holds_credential;
use crate::profile::node::Path;
use crate::profile::reserved::FLUENT_BIT_PORT;
use crate::profile::settings::{LogLevel, LogMode, Settings};

use super::Report;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    credentials(settings, report);
    let config = &settings.config;
    if config.timezone_offset.get() == 0 {
        let message = "the relay turns 0 into 8: quotas and log times would be those of UTC+8";
        let help =
            "UTC itself is not available; set the offset that quotas should use, such as 1 or -5";
        report.error("RB0302", "config.timezoneOffset", message, help);
    }
    if config.admin_username.as_str().trim().is_empty() {
        let message = "set name and password of the administrator together; without a name, each \
                       pod generates its own";
        report.error("RB0303", "config.adminUsername", message, "write a name, such as \"admin\"");
    }
    if config.api_key_prefix.as_str().trim().is_empty() {
        let message = "the relay turns an empty prefix into `cr_`";
        report.error("RB0303", "config.apiKeyPrefix", message, "write a prefix, such as \"cr_\"");
    }
    host(settings, report);
    ports(settings, report);
    log_level(settings, report);
    authorities(settings, report);
    if report.is_written("config.rateLimitCleanupInterval") {
        let message = "the relay does not read this: it cleans up rate limits every 5 minutes";
        report.warning("RB0404", "config.rateLimitCleanupInterval", message, "remove it");
    }
}

/// Reports credentials: the settings become a ConfigMap, which many users can read.
fn credentials(settings: &Settings, report: &mut Report<'_>) {
    if holds_credential(settings.config.price_mirror_base_url.as_str()) {
        let message = "the URL contains a password, which would be in a ConfigMap in clear text";
        let help = "keep the URL in a Secret and write `extraEnv = [{ name = \"PRICE_MIRROR_BASE_URL\", valueFrom = { secretKeyRef = { name = \"…\", key = \"…\" } } }]`";
        report.error("RB0205", "config.priceMirrorBaseUrl", message, help);
    }
}

/// Checks that the relay listens on all addresses: requests from the kubelet and the Service come
/// from outside the pod.
fn host(settings: &Settings, report: &mut Report<'_>) {
    let everywhere = settings
        .config
        .host
        .as_str()
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    if !everywhere {
        let message =
            "the relay would listen on an address that neither probes nor the Service reach";
        report.error("RB0304", "config.host", message, "write \"0.0.0.0\", or \"::\" for IPv6 too");
    }
    let listens_on_ipv4_only = settings.config.host.as_str().parse::<Ipv4Addr>().is_ok();
    for path in ipv6_addresses(settings).into_iter().filter(|_| listens_on_ipv4_only) {
        let message = format!(
            "this is an IPv6 address, but relay and Fluent Bit listen on `{}` only: without an \
             IPv4 address of the pod, all probes fail and the relay never starts",
            settings.config.host
        );
        report.warning(
            "RB0422",
            path,
            message,
            "set `config.host = \"::\"`, which listens on both families",
        );
    }
}

/// Returns the keys with an IPv6 address of pods or their clients.
fn ipv6_addresses(settings: &Settings) -> Vec<Path> {
    let is_ipv6 = |text: &str| text.contains(':');
    let (service, policy) = (&settings.service, &settings.network_policy);
    let single = [
        ("service.loadBalancerIP", service.load_balancer_ip.as_str()),
        ("networkPolicy.dns.nodeLocalDns", policy.dns.node_local_dns.as_str()),
    ];
    let single =
        single.into_iter().filter(|(_, address)| is_ipv6(address)).map(|(path, _)| Path::of(path));
    let ranges = service.load_balancer_source_ranges.iter().enumerate();
    let ranges = ranges
        .filter(|(_, range)| is_ipv6(range.as_str()))
        .map(|(index, _)| Path::of("service.loadBalancerSourceRanges").index(index));
    let peers = policy.ingress_from.iter().enumerate();
    let peers = peers
        .filter(|(_, peer)| peer.ip_block.as_ref().is_some_and(|block| is_ipv6(&block.cidr)))
        .map(|(index, _)| {
            Path::of("networkPolicy.ingressFrom").index(index).key("ipBlock").key("cidr")
        });
    single.chain(ranges).chain(peers).collect()
}

/// Warns about log levels that expose bodies: the relay logs those of requests and answers, mainly
/// at `info` and below.
fn log_level(settings: &Settings, report: &mut Report<'_>) {
    if settings.is_dev() || matches!(settings.config.log_level, LogLevel::Error | LogLevel::Warn) {
        return;
    }
    let volume = match settings.storage.logs.mode {
        LogMode::Pvc => " and to the files on the volume of `storage.logs.mode = \"pvc\"`",
        LogMode::Fluentbit | LogMode::Forward | LogMode::EmptyDir => "",
    };
    let message = format!(
        "at `{}` the relay writes the bodies of all requests and answers, with passwords, sessions \
         and API keys, to its standard output{volume}",
        settings.config.log_level.as_str()
    );
    let help = "set `config.logLevel = \"warn\"`: then only the bodies of failed requests are \
                written; or exclude the pod from log collection";
    report.warning("RB0420", "config.logLevel", message, help);
}

fn ports(settings: &Settings, report: &mut Report<'_>) {
    let port = settings.config.port.get();
    let exporter = settings.service_monitor.exporter.port.get();
    if settings.has_exporter() && exporter == port {
        let message = format!("the relay also listens on port {port} in the same pod");
        report.error(
            "RB0306",
            "serviceMonitor.exporter.port",
            message,
            "choose another port, such as 7979",
        );
    }
    if settings.has_fluent_bit() {
        let clashes = [
            ("config.port", port == FLUENT_BIT_PORT),
            (
                "serviceMonitor.exporter.port",
                settings.has_exporter() && exporter == FLUENT_BIT_PORT,
            ),
        ];
        for (path, _) in clashes.into_iter().filter(|(_, clash)| *clash) {
            let message =
                format!("Fluent Bit also listens on port {FLUENT_BIT_PORT} in the same pod");
            report.error("RB0306", path, message, "choose another port");
        }
    }
}

fn authorities(settings: &Settings, report: &mut Report<'_>) {
    let file = settings.config.node_extra_ca_certs.as_str();
    let is_mounted = settings.extra_volume_mounts.iter().any(|mount| {
        let folder = mount.mount_path.trim_end_matches('/');
        file.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if !file.is_empty() && !is_mounted {
        let message =
            "no volume provides this file; Node.js continues without a file that it cannot read";
        let help =
            "mount it with `extraVolumes` and `extraVolumeMounts`, unless the image contains it";
        report.warning("RB0416", "config.nodeExtraCaCerts", message, help);
    }
}
