//! The kinds that the server knows, and the paths of its API.

use std::collections::BTreeMap;

/// A kind of objects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    pub(super) scope: Scope,
    /// Whether the server counts the versions of `spec`.
    pub(super) has_generation: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespaced,
}

impl Kind {
    const fn new(
        api: (&'static str, &'static str),
        name: &'static str,
        plural: &'static str,
    ) -> Self {
        let (group, version) = api;
        Self { group, version, name, plural, scope: Scope::Namespaced, has_generation: false }
    }

    const fn of_cluster(self) -> Self {
        Self { scope: Scope::Cluster, ..self }
    }

    const fn counted(self) -> Self {
        Self { has_generation: true, ..self }
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Returns the resource as messages spell it: `deployments.apps`.
    pub(super) fn resource(&self) -> String {
        dotted(self.plural, self.group)
    }

    /// Returns the kind as messages spell it: `Deployment.apps`.
    pub(super) fn qualified(&self) -> String {
        dotted(self.name, self.group)
    }
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const GATEWAY: (&str, &str) = ("gateway.networking.k8s.io", "v1");

static KINDS: [Kind; 25] = [
    Kind::new(CORE, "Namespace", "namespaces").of_cluster(),
    Kind::new(CORE, "ServiceAccount", "serviceaccounts"),
    Kind::new(CORE, "ConfigMap", "configmaps"),
    Kind::new(CORE, "Secret", "secrets"),
    Kind::new(CORE, "PersistentVolumeClaim", "persistentvolumeclaims"),
    Kind::new(CORE, "PersistentVolume", "persistentvolumes").of_cluster(),
    Kind::new(CORE, "Service", "services"),
    Kind::new(CORE, "Pod", "pods"),
    Kind::new(CORE, "Event", "events"),
    Kind::new(APPS, "StatefulSet", "statefulsets").counted(),
    Kind::new(APPS, "Deployment", "deployments").counted(),
    Kind::new(APPS, "ReplicaSet", "replicasets").counted(),
    Kind::new(APPS, "ControllerRevision", "controllerrevisions"),
    Kind::new(("autoscaling", "v2"), "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind::new(("policy", "v1"), "PodDisruptionBudget", "poddisruptionbudgets").counted(),
    Kind::new(NETWORKING, "NetworkPolicy", "networkpolicies").counted(),
    Kind::new(NETWORKING, "Ingress", "ingresses").counted(),
    Kind::new(NETWORKING, "IngressClass", "ingressclasses").of_cluster(),
    Kind::new(GATEWAY, "HTTPRoute", "httproutes").counted(),
    Kind::new(GATEWAY, "Gateway", "gateways").counted(),
    Kind::new(("monitoring.coreos.com", "v1"), "ServiceMonitor", "servicemonitors").counted(),
    Kind::new(("storage.k8s.io", "v1"), "StorageClass", "storageclasses").of_cluster(),
    Kind::new(("scheduling.k8s.io", "v1"), "PriorityClass", "priorityclasses").of_cluster(),
    Kind::new(("node.k8s.io", "v1"), "RuntimeClass", "runtimeclasses").of_cluster(),
    Kind::new(
        ("apiextensions.k8s.io", "v1"),
        "CustomResourceDefinition",
        "customresourcedefinitions",
    )
    .of_cluster(),
];

/// Returns the kind with this name.
pub(super) fn named(kind: &str) -> &'static Kind {
    KINDS.iter().find(|known| known.name == kind).expect("the fake knows the kinds of its tests")
}

/// Returns whether any kind belongs to a group.
pub(super) fn has_group(group: &str) -> bool {
    KINDS.iter().any(|kind| kind.group == group)
}

/// An object, or all objects of a kind if the name is empty.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) kind: &'static Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// The target of a path.
pub(super) enum Route {
    Version,
    Group(String),
    AccessReview,
    Objects(Target),
    Unknown,
}

impl Route {
    pub(super) fn of(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["version"] => Self::Version,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => {
                Self::AccessReview
            }
            ["api", version, rest @ ..] => Self::objects(("", version), rest),
            ["apis", group, version, rest @ ..] => Self::objects((group, version), rest),
            _ => Self::Unknown,
        }
    }

    fn objects((group, version): (&str, &str), rest: &[&str]) -> Self {
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural] => (*namespace, *plural, ""),
            ["namespaces", namespace, plural, name] => (*namespace, *plural, *name),
            [plural, name] => ("", *plural, *name),
            [plural] => ("", *plural, ""),
            _ => return Self::Unknown,
        };
        let is_it =
            |kind: &&Kind| (kind.group, kind.version, kind.plural) == (group, version, plural);
        KINDS.iter().find(is_it).map_or(Self::Unknown, |kind| {
            Self::Objects(Target { kind, namespace: namespace.to_owned(), name: name.to_owned() })
        })
    }
}

/// Reads the parameters of a query.
pub(super) fn parameters(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}
