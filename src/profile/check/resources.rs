//! Checks requests and limits: valid amounts, no limit below its request, and no missing ones.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::model::number::quantity_milli;
use crate::model::text::is_qualified_name;
use crate::profile::node::Path;
use crate::profile::settings::Settings;
use crate::profile::suggest;

use super::Report;

/// The resources of Kubernetes itself; the names of others have a domain as prefix.
const NATIVE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let scaled = settings.autoscaling.enabled;
    let exporter = &settings.service_monitor.exporter;
    let fluent_bit = &settings.storage.logs.fluentbit;
    of_container(&Path::of("resources"), &settings.resources, scaled, report);
    if settings.redis.enabled {
        of_container(&Path::of("redis.resources"), &settings.redis.resources, false, report);
    }
    if settings.has_fluent_bit() {
        let path = Path::of("storage.logs.fluentbit.resources");
        of_container(&path, &fluent_bit.resources, scaled, report);
    }
    if settings.has_exporter() {
        of_container(
            &Path::of("serviceMonitor.exporter.resources"),
            &exporter.resources,
            scaled,
            report,
        );
    }
}

/// Checks the resources of a container; a missing request or limit is an error if the pod is
/// `scaled` by load.
pub(super) fn of_container(
    path: &Path,
    resources: &ResourceRequirements,
    scaled: bool,
    report: &mut Report<'_>,
) {
    amounts(&path.key("requests"), resources.requests.as_ref(), report);
    amounts(&path.key("limits"), resources.limits.as_ref(), report);
    if resources.claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        let message = "the pod has no resource claims that a container could refer to";
        report.error("RB0113", path.key("claims"), message, "remove it");
    }
    order(path, resources, report);
    gaps(path, resources, scaled, report);
}

fn amounts(path: &Path, amounts: Option<&BTreeMap<String, Quantity>>, report: &mut Report<'_>) {
    for (name, Quantity(text)) in amounts.into_iter().flatten() {
        let path = path.key(name);
        let is_huge =
            name.strip_prefix("hugepages-").is_some_and(|size| quantity_milli(size).is_some());
        let is_extended =
            name.contains('/') && is_qualified_name(name) && !name.starts_with("kubernetes.io/");
        if !NATIVE.contains(&name.as_str()) && !is_huge && !is_extended {
            let help = match suggest::among(name, &NATIVE) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "use `cpu`, `memory`, `ephemeral-storage`, or the name of a device with its \
                     domain"
                        .to_owned()
                }
            };
            report.error("RB0113", &path, "unknown resource", help);
        }

        match quantity_milli(text) {
            Some(milli) if milli >= 0 => {
                if name != "cpu" && milli % 1000 != 0 {
                    let message =
                        format!("`{text}` is less than one: the unit `m` means thousandths");
                    report.error(
                        "RB0110",
                        &path,
                        message,
                        "write a whole quantity, such as `256Mi`",
                    );
                }
            }
            _ => {
                let help = "write a number with a unit, such as `250m` of CPU or `256Mi` of memory";
                report.error("RB0110", &path, "invalid quantity", help);
            }
        }
    }
}

fn amount(amounts: Option<&BTreeMap<String, Quantity>>, name: &str) -> Option<i128> {
    amounts?.get(name).and_then(|Quantity(text)| quantity_milli(text))
}

/// Returns the memory limit in bytes.
pub(super) fn memory_limit(resources: &ResourceRequirements) -> Option<i128> {
    amount(resources.limits.as_ref(), "memory").map(|milli| milli / 1000)
}

fn order(path: &Path, resources: &ResourceRequirements, report: &mut Report<'_>) {
    let names = resources.requests.iter().flat_map(BTreeMap::keys);
    for name in names {
        let request = amount(resources.requests.as_ref(), name);
        let limit = amount(resources.limits.as_ref(), name);
        let message = match (request, limit) {
            (Some(request), Some(limit)) if request > limit => "the limit is below the request",
            // Extended resources cannot be overcommitted.
            (Some(request), limit)
                if !NATIVE.contains(&name.as_str()) && limit != Some(request) =>
            {
                "the limit of this resource must equal the request"
            }
            _ => continue,
        };
        let place = path.key("limits").key(name);
        report.error(
            "RB0111",
            place,
            message,
            format!("change one of `{path}.requests` and `{path}.limits`"),
        );
    }
}

fn gaps(path: &Path, resources: &ResourceRequirements, scaled: bool, report: &mut Report<'_>) {
    for (part, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        for name in ["cpu", "memory"] {
            if amounts.as_ref().is_some_and(|amounts| amounts.contains_key(name)) {
                continue;
            }
            let is_absent = report.is_absent(&path.key(part).key(name));
            let (path, help) = (path.key(part), format!("set `{path}.{part}.{name}`"));
            if is_absent && !(scaled && part == "requests") {
                continue;
            }
            if scaled {
                let message = format!(
                    "no {name} is set, but autoscaling needs it for every container of the pod"
                );
                report.error("RB0112", path, message, help);
            } else {
                report.warning("RB0112", path, format!("no {name} is set"), help);
            }
        }
    }
}
