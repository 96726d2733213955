//! Checks that an Ingress or HTTPRoute reaches the relay, and exposes no path that should be
//! closed.

use std::collections::BTreeSet;

use crate::model::text::{RouteHost, UrlPath};
use crate::profile::settings::{Ingress, IngressHost, Routes, Settings};

use super::Report;

/// The annotation that named the class before `ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// The chart's default host, which cannot be registered in the public DNS.
const EXAMPLE_HOST: &str = "claude-relay.local";

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    // The rules compare items pairwise, so they need lists of limited length.
    if !is_limited(settings, report) {
        return;
    }
    let ingress = &settings.ingress;
    if ingress.enabled {
        hosts(settings, report);
        tls(settings, report);
        class(ingress, report);
    }
    if ingress.enabled || settings.gateway.enabled {
        blocked(&ingress.blocked_paths, &ingress.hosts, report);
    }
    gateway(settings, report);
}

/// Returns whether every list is short enough, and reports those that are not.
fn is_limited(settings: &Settings, report: &mut Report<'_>) -> bool {
    let (ingress, gateway) = (&settings.ingress, &settings.gateway);
    let lists = [
        ("ingress.hosts", ingress.hosts.len(), 200),
        ("ingress.blockedPaths", ingress.blocked_paths.len(), 50),
        ("ingress.tls", ingress.tls.len(), 200),
        ("gateway.hostnames", gateway.hostnames.len(), 16),
        ("gateway.parentRefs", gateway.parent_refs.len(), 32),
    ];
    let lists = lists.map(|(path, found, limit)| (path.to_owned(), found, limit)).into_iter();
    let paths = ingress.hosts.iter().take(200).enumerate();
    let paths =
        paths.map(|(index, host)| (format!("ingress.hosts[{index}].paths"), host.paths.len(), 100));
    let mut is_limited = true;
    for (path, found, limit) in lists.chain(paths).filter(|(_, found, limit)| found > limit) {
        is_limited = false;
        let message = format!("there are {found} items; the limit is {limit}");
        let help = "use fewer: a wildcard host, a common prefix, or a second release";
        report.error("RB0338", path.as_str(), message, help);
    }
    is_limited
}

fn hosts(settings: &Settings, report: &mut Report<'_>) {
    let ingress = &settings.ingress;
    if ingress.hosts.is_empty() {
        let help = "add { host = \"relay.example.internal\" }, or set `ingress.enabled = false`";
        report.error("RB0330", "ingress.hosts", "an Ingress without hosts has no effect", help);
    }

    let mut seen = BTreeSet::new();
    for (index, host) in ingress.hosts.iter().enumerate() {
        let path = format!("ingress.hosts[{index}]");
        if !seen.insert(host.host.as_str()) {
            let message = format!("duplicate host `{}`", host.host);
            report.error(
                "RB0331",
                format!("{path}.host"),
                message,
                "put all paths of a host into one entry",
            );
        }
        if host.host.as_str() == EXAMPLE_HOST && !settings.is_dev() {
            let message = format!("`{EXAMPLE_HOST}` is the example of the defaults, not your host");
            report.warning(
                "RB0407",
                format!("{path}.host"),
                message,
                "write the host name that your users open",
            );
        }
        paths(&path, host, ingress.routes, report);
    }
}

fn paths(path: &str, host: &IngressHost, routes: Routes, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for (index, route) in host.paths.iter().enumerate() {
        let place = format!("{path}.paths[{index}].path");
        if !seen.insert((route.path.as_str(), route.path_type)) {
            let message = format!("duplicate path `{}`", route.path);
            report.error("RB0331", place.as_str(), message, "keep one of them");
        }
        if routes == Routes::Known && route.path.as_str() != "/" {
            let message = "`ingress.routes = \"known\"` replaces `/` by the relay's own prefixes, \
                           and allows no other path";
            let help = "remove `paths`, or set `ingress.routes = \"paths\"` and list every path";
            report.error("RB0333", place.as_str(), message, help);
        }
    }
}

fn tls(settings: &Settings, report: &mut Report<'_>) {
    let ingress = &settings.ingress;
    if ingress.tls.is_empty() && !settings.is_dev() {
        let message = "keys and passwords would cross the network in clear text, unless the controller has a certificate of its own";
        report.warning(
            "RB0405",
            "ingress.tls",
            message,
            "add { secretName = \"…\", hosts = [\"…\"] }",
        );
    }

    for (index, tls) in ingress.tls.iter().enumerate() {
        if tls.secret_name.as_ref().is_some_and(|name| name.as_str().is_empty()) {
            let path = format!("ingress.tls[{index}].secretName");
            report.error(
                "RB0337",
                path,
                "the name of the Secret is empty",
                "set it, or remove the key",
            );
        }
        for (at, host) in tls.hosts.iter().enumerate() {
            if !ingress.hosts.iter().any(|route| is_for(host, &route.host)) {
                let path = format!("ingress.tls[{index}].hosts[{at}]");
                let message = format!("`{host}` is not among `ingress.hosts`");
                report.warning("RB0406", path, message, "add the host there, or remove it here");
            }
        }
    }
}

/// Returns whether a certificate's host covers a route's host.
fn is_for(certificate: &RouteHost, route: &RouteHost) -> bool {
    let (certificate, route) = (certificate.as_str(), route.as_str());
    let below = certificate
        .strip_prefix("*.")
        .zip(route.split_once('.'))
        .is_some_and(|(zone, (_, rest))| zone == rest);
    route.is_empty() || certificate == route || below
}

/// D10: servers before 1.27 reject the two together, and their combined meaning is ambiguous on all
/// servers.
fn class(ingress: &Ingress, report: &mut Report<'_>) {
    if !ingress.class_name.as_str().is_empty() && ingress.annotations.contains_key(CLASS_ANNOTATION)
    {
        let message =
            format!("the class is set twice: here and by the annotation `{CLASS_ANNOTATION}`");
        report.error("RB0332", "ingress.className", message, "remove the annotation");
    }
}

fn blocked(blocked: &[UrlPath], hosts: &[IngressHost], report: &mut Report<'_>) {
    let normal = |path: &str| path.trim_end_matches('/').to_ascii_lowercase();
    let routes: BTreeSet<String> = hosts
        .iter()
        .flat_map(|host| &host.paths)
        .map(|route| normal(route.path.as_str()))
        .collect();
    let covers = |blocked: &str, route: &str| {
        route.strip_prefix(blocked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };

    let mut seen = BTreeSet::new();
    for (index, path) in blocked.iter().enumerate() {
        let place = format!("ingress.blockedPaths[{index}]");
        let text = path.as_str();
        if text == "/" {
            report.error(
                "RB0334",
                place.as_str(),
                "this would block everything",
                "list the paths to block",
            );
        } else if text.ends_with('/') {
            let message = "a path blocks everything below it, and must not end with a slash";
            report.error(
                "RB0334",
                place.as_str(),
                message,
                format!("write \"{}\"", text.trim_end_matches('/')),
            );
        }
        if !seen.insert(normal(text)) {
            report.error("RB0334", place.as_str(), "duplicate path", "keep one of them");
        }
        let open = routes.iter().find(|route| text != "/" && covers(&normal(text), route));
        if let Some(route) = open {
            let message = format!(
                "`{route}` is a path in `ingress.hosts`, but is inside `{text}`: it cannot be both \
                 open and blocked"
            );
            report.error("RB0334", place.as_str(), message, "remove it from one of them");
        }
    }
}

fn gateway(settings: &Settings, report: &mut Report<'_>) {
    let gateway = &settings.gateway;
    if !gateway.enabled {
        return;
    }

    if gateway.parent_refs.is_empty() {
        let help = "add { name = \"…\", namespace = \"…\" } of your Gateway";
        report.error(
            "RB0335",
            "gateway.parentRefs",
            "a route without a Gateway has no effect",
            help,
        );
    }

    for (index, parent) in gateway.parent_refs.iter().enumerate() {
        let section = parent.section_name.as_ref().is_some_and(|name| name.as_str().is_empty());
        for (key, is_empty) in [("name", parent.name.as_str().is_empty()), ("sectionName", section)]
        {
            if is_empty {
                let path = format!("gateway.parentRefs[{index}].{key}");
                report.error("RB0335", path, "the name is empty", "write the name");
            }
        }
    }

    let mut seen = BTreeSet::new();
    for (index, host) in gateway.hostnames.iter().enumerate() {
        let is_twice = !seen.insert(host);
        if is_twice || host.as_str().is_empty() {
            let message = if is_twice { "duplicate host" } else { "the host is empty" };
            let help = "remove it; without any host, the hosts of the Gateway apply";
            report.error("RB0331", format!("gateway.hostnames[{index}]"), message, help);
        }
    }
}
