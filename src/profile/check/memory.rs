//! Checks that the relay's memory limit leaves room for the heap and for the bodies of requests.

use super::{Report, resources};
use crate::profile::settings::Settings;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    heap(settings, report);
    bodies(settings, report);
}

fn heap(settings: &Settings, report: &mut Report<'_>) {
    let limit = resources::memory_limit(&settings.resources);
    let wanted =
        settings.config.node_max_old_space_mb.map(|mebibytes| i128::from(mebibytes.get()) << 20);
    match (limit, wanted) {
        (Some(limit), Some(wanted)) if wanted >= limit => {
            let message = "the heap fills the container's whole memory limit: it would be killed, not collected";
            let help =
                "set it to about 75 % of `resources.limits.memory`, omit it, or raise the limit";
            report.error("RB0305", "config.nodeMaxOldSpaceMb", message, help);
        }
        (Some(limit), _) if limit < RELAY_BYTES_MIN => {
            let message = "the relay alone needs about 150 MiB, and each large request several times its size";
            report.error(
                "RB0305",
                "resources.limits",
                message,
                "set `resources.limits.memory` to \"1Gi\"",
            );
        }
        _ => {}
    }
}

/// Checks the room for bodies.
///
/// The relay parses bodies, and keeps them as text for its log, before it checks the API key: any
/// client can send them.
fn bodies(settings: &Settings, report: &mut Report<'_>) {
    let limit = resources::memory_limit(&settings.resources);
    let heap_bytes =
        settings.config.node_max_old_space_mb.map(|mebibytes| i128::from(mebibytes.get()) << 20);

    // The heap has three quarters of the limit by default, so a smaller heap counts as a smaller
    // limit.
    let Some(memory) = [limit, heap_bytes.map(|bytes| bytes * 4 / 3)].into_iter().flatten().min()
    else {
        return;
    };

    let body = i128::from(settings.config.request_max_size_mb.get()) << 20;
    let needed = IDLE_BYTES + BODIES_MIN * body * BODY_TENTHS / 10;
    if memory >= needed || limit.is_some_and(|limit| limit < RELAY_BYTES_MIN) {
        return;
    }

    let needed = (needed >> 20) + 1;
    let message = format!(
        "two requests of this size need {needed} MiB of memory, but the relay has {}: clients \
         without a valid API key could kill it",
        memory >> 20
    );

    let largest = ((memory - IDLE_BYTES) * 10 / (BODIES_MIN * BODY_TENTHS)) >> 20;
    let smaller =
        if largest > 0 { format!(", or this to {largest} or less") } else { String::new() };
    let without = heap_bytes.map_or("", |_| " without `config.nodeMaxOldSpaceMb`");
    let help = format!("set `resources.limits.memory` to \"{needed}Mi\" or more{without}{smaller}");
    report.warning("RB0421", "config.requestMaxSizeMb", message, help);
}

/// The relay's memory without requests.
const IDLE_BYTES: i128 = 110 << 20;
/// The memory that a body takes, in tenths of its size, if several bodies are in flight; a single
/// body takes 7 times its size.
const BODY_TENTHS: i128 = 37;
/// The number of concurrent bodies that must fit into memory.
const BODIES_MIN: i128 = 2;

/// The minimum memory limit: with less, the relay is OOM-killed after a few requests. It used 107
/// MiB at the start and 149 MiB after 120 requests.
const RELAY_BYTES_MIN: i128 = 192 << 20;
