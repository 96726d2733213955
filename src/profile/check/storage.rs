//! Checks which pods may share volumes, and which servers know their access modes.

use crate::profile::settings::{AccessMode, LogMode, Settings};

use super::Report;

/// The minor version of Kubernetes 1 in which `ReadWriteOncePod` became stable.
const ONE_POD_SINCE: u8 = 29;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let logs = &settings.storage.logs;
    let external = &settings.storage.data.external;
    let redis = &settings.redis.persistence;
    let makes_logs = logs.mode == LogMode::Pvc;
    let makes_redis =
        settings.redis.enabled && redis.enabled && redis.existing_claim.as_str().is_empty();
    let claims = [
        (makes_logs, "storage.logs.persistence", logs.persistence.access_mode, true),
        (external.enabled, "storage.data.external", external.access_mode, true),
        (makes_redis, "redis.persistence", redis.access_mode, false),
    ];
    for (_, path, mode, is_shared) in claims.into_iter().filter(|(wanted, ..)| *wanted) {
        one_pod(settings, path, mode, report);
        if is_shared && mode != AccessMode::ReadWriteMany {
            sharing(settings, path, mode, report);
        }
    }
    log_modes(settings, report);
}

fn one_pod(settings: &Settings, path: &str, mode: AccessMode, report: &mut Report<'_>) {
    if mode == AccessMode::ReadWriteOncePod && !settings.kubernetes.version.at_least(ONE_POD_SINCE)
    {
        let message = format!(
            "ReadWriteOncePod needs Kubernetes 1.{ONE_POD_SINCE}, but the bundle also supports \
             older servers"
        );
        let help =
            format!("write `ReadWriteOnce`, or set `kubernetes.version = \"1.{ONE_POD_SINCE}\"`");
        report.error("RB0170", format!("{path}.accessMode"), message, help);
    }
}

/// Reports a volume that several pods would need but only one node, or one pod, may mount.
///
/// That includes rolling updates, during which the old and the new pod overlap.
fn sharing(settings: &Settings, path: &str, mode: AccessMode, report: &mut Report<'_>) {
    let (place, mode) = (format!("{path}.accessMode"), mode.as_str());
    let rolling = settings
        .strategy
        .as_ref()
        .is_some_and(|strategy| strategy.type_.as_deref() != Some("Recreate"));

    if settings.autoscaling.enabled {
        let message =
            format!("autoscaling starts further pods, and a {mode} volume serves one node");
        let help = format!("set `{place} = \"ReadWriteMany\"`, or `autoscaling.enabled = false`");
        report.error("RB0322", place, message, help);
    } else if settings.can_scale() {
        let message = format!(
            "{} pods share this volume, and {mode} serves one node",
            settings.replica_count
        );
        let help = format!("set `{place} = \"ReadWriteMany\"`, or `replicaCount = 1`");
        report.error("RB0322", place, message, help);
    } else if rolling {
        let message = format!(
            "a rolling update starts the new pod beside the old one, and a {mode} volume serves one node"
        );
        let help = format!(
            "set `strategy = {{ type = \"Recreate\" }}`, omit `strategy`, or set `{place} = \
             \"ReadWriteMany\"`"
        );
        report.error("RB0322", place, message, help);
    }
}

fn log_modes(settings: &Settings, report: &mut Report<'_>) {
    let logs = &settings.storage.logs;
    if logs.mode == LogMode::Pvc && !logs.persistence.enabled {
        let message = "the mode `pvc` creates the PVC anyway, like the chart";
        let help = "set `storage.logs.persistence.enabled = true`, or choose another mode";
        report.warning("RB0413", "storage.logs.persistence.enabled", message, help);
    }
    if logs.mode != LogMode::Pvc && logs.persistence.enabled {
        let message = "a PVC for logs exists only in the mode `pvc`";
        let help = "set `storage.logs.mode = \"pvc\"`, or remove it";
        report.warning("RB0404", "storage.logs.persistence.enabled", message, help);
    }
}
