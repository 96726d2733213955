//! `config`: what the relay would take for something else, or not reach.

use std::net::IpAddr;

use crate::model::credential::holds_credential;
use crate::profile::reserved::FLUENT_BIT_PORT;
use crate::profile::settings::Settings;

use super::{Report, resources};

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    credentials(settings, report);
    let config = &settings.config;
    if config.timezone_offset.get() == 0 {
        let message = "the relay turns 0 into 8: quotas and log times would be those of UTC+8";
        let help = "UTC itself cannot be had; write the offset that quotas should follow, such as 1 or -5";
        report.error("RB0302", "config.timezoneOffset", message, help);
    }
    if config.admin_username.as_str().trim().is_empty() {
        let message = "name and password of the administrator are set together; without a name each pod makes up its own";
        report.error("RB0303", "config.adminUsername", message, "write a name, such as \"admin\"");
    }
    if config.api_key_prefix.as_str().trim().is_empty() {
        let message = "the relay turns an empty prefix into `cr_`";
        report.error("RB0303", "config.apiKeyPrefix", message, "write a prefix, such as \"cr_\"");
    }
    host(settings, report);
    ports(settings, report);
    heap(settings, report);
    authorities(settings, report);
    if report.is_written("config.rateLimitCleanupInterval") {
        let message = "the relay does not read this: it cleans up rate limits every 5 minutes";
        report.warning("RB0404", "config.rateLimitCleanupInterval", message, "remove it");
    }
}

/// The settings become a ConfigMap, which many can read.
fn credentials(settings: &Settings, report: &mut Report<'_>) {
    let config = &settings.config;
    let urls = [
        ("config.httpsProxy", "HTTPS_PROXY", &config.https_proxy),
        ("config.priceMirrorBaseUrl", "PRICE_MIRROR_BASE_URL", &config.price_mirror_base_url),
    ];
    for (path, variable, _) in urls.into_iter().filter(|(.., url)| holds_credential(url.as_str())) {
        let message = "the URL holds a password, and it would stand in a ConfigMap in clear text";
        let help = format!(
            "keep the URL in a Secret and write `extraEnv = [{{ name = \"{variable}\", valueFrom = {{ secretKeyRef = {{ name = \"…\", key = \"…\" }} }} }}]`"
        );
        report.error("RB0205", path, message, help);
    }
}

/// The kubelet and the Service come from outside the pod.
fn host(settings: &Settings, report: &mut Report<'_>) {
    let everywhere =
        settings.config.host.as_str().parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    if !everywhere {
        let message = "the relay would listen where neither probes nor the Service reach it";
        report.error("RB0304", "config.host", message, "write \"0.0.0.0\", or \"::\" for IPv6 too");
    }
}

fn ports(settings: &Settings, report: &mut Report<'_>) {
    let port = settings.config.port.get();
    let exporter = settings.service_monitor.exporter.port.get();
    if settings.has_exporter() && exporter == port {
        let message = format!("the relay listens on port {port} too, in the same pod");
        report.error("RB0306", "serviceMonitor.exporter.port", message, "choose another port, such as 7979");
    }
    if settings.has_fluent_bit() {
        let clashes = [
            ("config.port", port == FLUENT_BIT_PORT),
            ("serviceMonitor.exporter.port", settings.has_exporter() && exporter == FLUENT_BIT_PORT),
        ];
        for (path, _) in clashes.into_iter().filter(|(_, clash)| *clash) {
            let message = format!("Fluent Bit listens on port {FLUENT_BIT_PORT} too, in the same pod");
            report.error("RB0306", path, message, "choose another port");
        }
    }
}

fn heap(settings: &Settings, report: &mut Report<'_>) {
    let limit = resources::memory_limit(&settings.resources);
    let wanted = settings.config.node_max_old_space_mb.map(|mebibytes| i128::from(mebibytes.get()) << 20);
    match (limit, wanted) {
        (Some(limit), Some(wanted)) if wanted >= limit => {
            let message =
                "the heap fills the container's whole memory limit: it would be killed, not collected";
            let help = "write about 75 % of `resources.limits.memory`, leave it out, or raise the limit";
            report.error("RB0305", "config.nodeMaxOldSpaceMb", message, help);
        }
        (Some(limit), _) if limit < RELAY_BYTES_MIN => {
            let message =
                "the relay alone needs about 150 MiB, and each large request several times its size";
            report.error(
                "RB0305",
                "resources.limits",
                message,
                "set `resources.limits.memory` to \"256Mi\" or more",
            );
        }
        _ => {}
    }
}

/// Below this the relay is killed after a few requests: seen with 107 MiB at the start and 149 MiB after 120 requests.
const RELAY_BYTES_MIN: i128 = 192 << 20;

fn authorities(settings: &Settings, report: &mut Report<'_>) {
    let file = settings.config.node_extra_ca_certs.as_str();
    let is_mounted = settings.extra_volume_mounts.iter().any(|mount| {
        let folder = mount.mount_path.trim_end_matches('/');
        file.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if !file.is_empty() && !is_mounted {
        let message = "no volume brings this file; Node.js goes on without a file that it cannot read";
        let help = "mount it with `extraVolumes` and `extraVolumeMounts`, unless the image has it";
        report.warning("RB0416", "config.nodeExtraCaCerts", message, help);
    }
}
