//! Checks the number of pods, their replacement, and the number that a drain may evict.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::profile::settings::Settings;

use super::Report;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    if settings.autoscaling.enabled {
        autoscaling(settings, report);
    } else if settings.replica_count.get() == 0 {
        report.warning(
            "RB0411",
            "replicaCount",
            "no pod of the relay would run",
            "write 1 or more",
        );
    }
    strategy(settings, report);
    if settings.pod_disruption_budget.enabled {
        budget(settings, report);
    }
}

fn autoscaling(settings: &Settings, report: &mut Report<'_>) {
    let scaling = &settings.autoscaling;
    let (min, max) = (scaling.min_replicas.get(), scaling.max_replicas.get());
    if min > max {
        let message = format!("at least {min} and at most {max} pods is impossible");
        report.error(
            "RB0320",
            "autoscaling.minReplicas",
            message,
            "lower it, or raise `autoscaling.maxReplicas`",
        );
    }
    if scaling.target_cpu.get() == 0 && scaling.target_memory.get() == 0 {
        let message = "no target is set, so Kubernetes would use 80 % of the CPU by default";
        let help = "set it or `autoscaling.targetMemoryUtilizationPercentage` to more than 0, or switch autoscaling off";
        report.error("RB0321", "autoscaling.targetCPUUtilizationPercentage", message, help);
    }
}

/// A number or a percentage of pods.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    Pods(i64),
    Percent(i64),
}

impl Share {
    /// Returns the share, or `None` if the value is neither a number from 0 nor a percentage.
    pub(super) fn of(value: &IntOrString) -> Option<Self> {
        match value {
            IntOrString::Int(pods) => (*pods >= 0).then_some(Self::Pods(i64::from(*pods))),
            IntOrString::String(text) => {
                let digits = text.strip_suffix('%').filter(|digits| digits.len() <= 5)?;
                let plain = digits.bytes().all(|b| b.is_ascii_digit());
                digits.parse().ok().filter(|_| plain).map(Self::Percent)
            }
        }
    }

    fn is_nothing(self) -> bool {
        matches!(self, Self::Pods(0) | Self::Percent(0))
    }
}

/// Reports an invalid share; a part of all pods (`is_part`) may be at most 100 %.
fn share(path: &str, value: &IntOrString, is_part: bool, report: &mut Report<'_>) -> Option<Share> {
    let share =
        Share::of(value).filter(|share| !is_part || !matches!(share, Share::Percent(101..)));
    if share.is_none() {
        let help = "write an integer from 0, or a percentage such as \"25%\"";
        report.error("RB0171", path, "neither a number of pods nor a percentage", help);
    }
    share
}

fn strategy(settings: &Settings, report: &mut Report<'_>) {
    let Some(strategy) = &settings.strategy else { return };
    let kind = strategy.type_.as_deref().unwrap_or("RollingUpdate");
    if !["RollingUpdate", "Recreate"].contains(&kind) {
        report.error(
            "RB0172",
            "strategy.type",
            "unknown strategy",
            "use `RollingUpdate` or `Recreate`",
        );
        return;
    }

    let Some(rolling) = &strategy.rolling_update else { return };
    if kind == "Recreate" {
        let message = "the strategy `Recreate` does not have these settings";
        report.error(
            "RB0172",
            "strategy.rollingUpdate",
            message,
            "remove them, or set `strategy.type = \"RollingUpdate\"`",
        );
        return;
    }

    let surge = rolling.max_surge.as_ref();
    let surge =
        surge.and_then(|value| share("strategy.rollingUpdate.maxSurge", value, false, report));
    let gone = rolling.max_unavailable.as_ref();
    let gone =
        gone.and_then(|value| share("strategy.rollingUpdate.maxUnavailable", value, true, report));

    if surge.is_some_and(Share::is_nothing) && gone.is_none_or(Share::is_nothing) {
        let message = "if both are 0, no pod could ever be replaced";
        let help = "set `strategy.rollingUpdate.maxSurge` to 1, or `maxUnavailable` to 1";
        report.error("RB0172", "strategy.rollingUpdate", message, help);
    }
}

fn budget(settings: &Settings, report: &mut Report<'_>) {
    let budget = &settings.pod_disruption_budget;
    let min = budget.min_available.as_ref();
    let min = min.and_then(|value| share("podDisruptionBudget.minAvailable", value, true, report));
    let max = budget.max_unavailable.as_ref();
    let max =
        max.and_then(|value| share("podDisruptionBudget.maxUnavailable", value, true, report));

    if budget.min_available.is_some() && budget.max_unavailable.is_some() {
        let message = "`minAvailable` and `maxUnavailable` exclude each other";
        report.error("RB0324", "podDisruptionBudget", message, "keep one of them");
        return;
    }
    if !settings.can_scale() {
        let message = "with one pod, a budget would block draining its node, so none is rendered";
        report.warning(
            "RB0412",
            "podDisruptionBudget.enabled",
            message,
            "run more pods, or switch the budget off",
        );
        return;
    }
    if max.is_some_and(Share::is_nothing) {
        let message = "no pod could ever be evicted, so no node could be drained";
        report.error("RB0325", "podDisruptionBudget.maxUnavailable", message, "write 1 or more");
    }

    let pods = lowest(settings);
    // Kubernetes rounds a percentage up to whole pods.
    let kept = min.map_or(0, |share| match share {
        Share::Pods(kept) => kept,
        Share::Percent(percent) => (percent * pods + 99) / 100,
    });

    if kept >= pods && min.is_some() {
        let message = format!("none of {pods} pods could be evicted, so no node could be drained");
        let help = "lower it, use `podDisruptionBudget.maxUnavailable = 1`, or run more pods";
        report.error("RB0325", "podDisruptionBudget.minAvailable", message, help);
    }
}

/// Returns the minimum number of pods by configuration.
fn lowest(settings: &Settings) -> i64 {
    match &settings.autoscaling {
        scaling if scaling.enabled => scaling.min_replicas.get(),
        _ => settings.replica_count.get(),
    }
}
