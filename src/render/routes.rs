//! Maps paths to backends: one list for Ingress and `HTTPRoute` alike.

use super::service;
use crate::model::text::UrlPath;
use crate::profile::resolve::Profile;
use crate::profile::settings::{IngressPath, PathType, Routes};

/// The paths that the relay serves (v1.1.314); any other path is a 404, or not for outside clients.
const KNOWN_PREFIXES: [&str; 14] = [
    "/api",
    "/antigravity",
    "/gemini-cli",
    "/claude",
    "/admin",
    "/admin-next",
    "/users",
    "/web",
    "/apiStats",
    "/gemini",
    "/openai",
    "/droid",
    "/azure",
    "/health",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Relay,
    /// The Service without endpoints.
    Blocked,
}

impl Backend {
    pub(super) fn service(self, profile: &Profile) -> String {
        match self {
            Self::Relay => profile.names.full.clone(),
            Self::Blocked => service::blocked_name(profile),
        }
    }

    pub(super) fn port(self, profile: &Profile) -> i32 {
        match self {
            Self::Relay => profile.settings.service.port.as_i32(),
            Self::Blocked => service::BLOCKED_PORT,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub path: String,
    pub path_type: PathType,
    pub backend: Backend,
}

/// Returns whether a route needs the Service without endpoints.
pub(super) fn blocks(profile: &Profile) -> bool {
    let settings = &profile.settings;
    (settings.ingress.enabled || settings.gateway.enabled)
        && !settings.ingress.blocked_paths.is_empty()
}

/// Returns the routes of a host with the paths `own`; blocked routes come first, for controllers
/// that take the first match.
pub(super) fn routes(profile: &Profile, own: &[IngressPath]) -> Vec<Route> {
    let ingress = &profile.settings.ingress;
    let mut routes: Vec<Route> = Vec::new();
    let mut add = |route: Route| {
        let same = |other: &Route| {
            other.path_type == route.path_type && prefix(&other.path) == prefix(&route.path)
        };
        if !routes.iter().any(same) {
            routes.push(route);
        }
    };
    let blocked: Vec<&str> = ingress.blocked_paths.iter().map(UrlPath::as_str).collect();
    for path in &blocked {
        add(Route { path: (*path).into(), path_type: PathType::Prefix, backend: Backend::Blocked });
    }
    // A longer or exact path would win over the blocked path that contains it.
    let open = relay_paths(ingress.routes, own);
    for (path, path_type) in
        open.into_iter().filter(|(path, _)| !blocked.iter().any(|block| lies_in(path, block)))
    {
        add(Route { path, path_type, backend: Backend::Relay });
    }
    routes
}

/// Returns a host's paths, or all paths if it names none; `Routes::Known` replaces all paths by the
/// known ones.
fn relay_paths(routes: Routes, own: &[IngressPath]) -> Vec<(String, PathType)> {
    let everything = [("/".to_owned(), PathType::Prefix)];
    let own = own.iter().map(|own| (own.path.to_string(), own.path_type));
    let own: Vec<_> = if own.len() == 0 { everything.to_vec() } else { own.collect() };
    let is_everything = |path: &str, path_type| path == "/" && path_type != PathType::Exact;
    own.into_iter()
        .flat_map(|(path, path_type)| match routes {
            Routes::Known if is_everything(&path, path_type) => known(),
            Routes::Known | Routes::Paths => vec![(path, path_type)],
        })
        .collect()
}

fn known() -> Vec<(String, PathType)> {
    let prefixes = KNOWN_PREFIXES.map(|prefix| (prefix.to_owned(), PathType::Prefix));
    // The relay redirects its root to the pages of administrators.
    prefixes.into_iter().chain([("/".to_owned(), PathType::Exact)]).collect()
}

/// Returns a prefix without its final slash: `/metrics` and `/metrics/` are the same.
fn prefix(path: &str) -> &str {
    path.trim_end_matches('/')
}

fn lies_in(path: &str, parent: &str) -> bool {
    let rest = prefix(path).strip_prefix(prefix(parent));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests_support::profile;

    /// Returns `path type backend` for each route.
    fn lines(text: &str, own: &[(&str, PathType)]) -> Vec<String> {
        let own: Vec<IngressPath> = own
            .iter()
            .map(|(path, path_type)| IngressPath {
                path: path.parse().unwrap(),
                path_type: *path_type,
            })
            .collect();
        routes(&profile(text), &own)
            .iter()
            .map(|route| format!("{} {} {:?}", route.path, route.path_type.as_str(), route.backend))
            .collect()
    }

    #[test]
    fn d08_host_without_paths_is_reachable() {
        assert_eq!(
            lines("", &[]),
            ["/metrics Prefix Blocked", "/prometheus Prefix Blocked", "/ Prefix Relay"]
        );
    }

    #[test]
    fn d09_host_path_never_reaches_into_blocked_path() {
        let own = [
            ("/metrics/", PathType::Exact),
            ("/metrics", PathType::Prefix),
            ("/metrics/deep", PathType::ImplementationSpecific),
            ("/metrics-page", PathType::Prefix),
            ("/", PathType::Prefix),
        ];
        assert_eq!(
            lines("", &own),
            [
                "/metrics Prefix Blocked",
                "/prometheus Prefix Blocked",
                "/metrics-page Prefix Relay",
                "/ Prefix Relay"
            ]
        );
    }

    #[test]
    fn known_routes_replace_everything_and_keep_other_paths() {
        let own = [
            ("/api", PathType::Prefix),
            ("/", PathType::ImplementationSpecific),
            ("/x", PathType::Exact),
        ];
        let lines = lines(
            "[ingress]\nroutes = \"known\"\nblockedPaths = [\"/admin/secret\", \"/web\"]",
            &own,
        );
        assert_eq!(
            lines[..3],
            ["/admin/secret Prefix Blocked", "/web Prefix Blocked", "/api Prefix Relay"]
        );
        assert_eq!(lines.iter().filter(|line| line.starts_with("/api ")).count(), 1, "{lines:?}");
        assert!(
            !lines.iter().any(|line| line == "/web Prefix Relay" || line == "/ Prefix Relay"),
            "{lines:?}"
        );
        assert!(
            lines.contains(&"/admin Prefix Relay".into()),
            "a blocked path inside leaves the rest open"
        );
        assert_eq!(lines[lines.len() - 2..], ["/ Exact Relay", "/x Exact Relay"]);
    }
}
