//! The kinds of objects that this program renders, references or observes.

/// A kind, with one stable version of its API. The rendered kinds come first, in apply order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Namespace,
    NetworkPolicy,
    ServiceAccount,
    ConfigMap,
    Secret,
    PersistentVolumeClaim,
    Service,
    StatefulSet,
    Deployment,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    Ingress,
    HttpRoute,
    ServiceMonitor,
    // Not rendered, but referenced or observed.
    PersistentVolume,
    Pod,
    Event,
    ReplicaSet,
    ControllerRevision,
    IngressClass,
    Gateway,
    StorageClass,
    PriorityClass,
    RuntimeClass,
    CustomResourceDefinition,
}

struct Facts {
    group: &'static str,
    name: &'static str,
    resource: &'static str,
    is_namespaced: bool,
}

impl Facts {
    const fn namespaced(group: &'static str, name: &'static str, resource: &'static str) -> Self {
        Self { group, name, resource, is_namespaced: true }
    }

    const fn cluster_scoped(
        group: &'static str,
        name: &'static str,
        resource: &'static str,
    ) -> Self {
        Self { group, name, resource, is_namespaced: false }
    }
}

/// The facts about each kind, in the order of [`Kind`].
const FACTS: [Facts; 25] = [
    Facts::cluster_scoped("", "Namespace", "namespaces"),
    Facts::namespaced("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    Facts::namespaced("", "ServiceAccount", "serviceaccounts"),
    Facts::namespaced("", "ConfigMap", "configmaps"),
    Facts::namespaced("", "Secret", "secrets"),
    Facts::namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Facts::namespaced("", "Service", "services"),
    Facts::namespaced("apps", "StatefulSet", "statefulsets"),
    Facts::namespaced("apps", "Deployment", "deployments"),
    Facts::namespaced("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Facts::namespaced("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
    Facts::namespaced("networking.k8s.io", "Ingress", "ingresses"),
    Facts::namespaced("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),
    Facts::namespaced("monitoring.coreos.com", "ServiceMonitor", "servicemonitors"),
    Facts::cluster_scoped("", "PersistentVolume", "persistentvolumes"),
    Facts::namespaced("", "Pod", "pods"),
    Facts::namespaced("", "Event", "events"),
    Facts::namespaced("apps", "ReplicaSet", "replicasets"),
    Facts::namespaced("apps", "ControllerRevision", "controllerrevisions"),
    Facts::cluster_scoped("networking.k8s.io", "IngressClass", "ingressclasses"),
    Facts::namespaced("gateway.networking.k8s.io", "Gateway", "gateways"),
    Facts::cluster_scoped("storage.k8s.io", "StorageClass", "storageclasses"),
    Facts::cluster_scoped("scheduling.k8s.io", "PriorityClass", "priorityclasses"),
    Facts::cluster_scoped("node.k8s.io", "RuntimeClass", "runtimeclasses"),
    Facts::cluster_scoped(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    ),
];

impl Kind {
    const ALL: [Self; 25] = [
        Self::Namespace,
        Self::NetworkPolicy,
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Secret,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::StatefulSet,
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::Ingress,
        Self::HttpRoute,
        Self::ServiceMonitor,
        Self::PersistentVolume,
        Self::Pod,
        Self::Event,
        Self::ReplicaSet,
        Self::ControllerRevision,
        Self::IngressClass,
        Self::Gateway,
        Self::StorageClass,
        Self::PriorityClass,
        Self::RuntimeClass,
        Self::CustomResourceDefinition,
    ];

    /// The kinds of all rendered objects, in apply order. The list is closed: a verifier rejects
    /// any other kind.
    pub const RENDERED: [Self; 14] = *Self::ALL.first_chunk().expect("14 of 25");

    /// Returns the kind of this name, if it is supported.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the kind of a resource, such as `configmaps`.
    pub fn of_resource(resource: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.resource() == resource)
    }

    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// Returns the name of the kind, such as `ConfigMap`.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns the group of its API, which is empty for the core.
    pub fn group(self) -> &'static str {
        self.facts().group
    }

    /// Returns the resource, such as `configmaps`.
    pub fn resource(self) -> &'static str {
        self.facts().resource
    }

    pub fn is_namespaced(self) -> bool {
        self.facts().is_namespaced
    }

    /// Returns the stable version of its API, such as `apps/v1`.
    pub fn api_version(self) -> String {
        let version = if self == Self::HorizontalPodAutoscaler { "v2" } else { "v1" };
        match self.group() {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }

    /// Returns the position of a rendered kind in apply order, from 1.
    pub fn phase(self) -> Option<usize> {
        let position = self as usize;
        (position < Self::RENDERED.len()).then_some(position + 1)
    }

    /// Returns whether objects of this kind run pods from a template.
    pub fn has_pods(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_facts() {
        for kind in Kind::ALL {
            let variant = format!("{kind:?}");
            assert_eq!(variant.to_lowercase(), kind.name().to_lowercase());
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(Kind::of_resource(kind.resource()), Some(kind));
        }
        assert_eq!(Kind::named("ClusterRoleBinding"), None);
    }

    #[test]
    fn rendered_kinds_have_phases() {
        assert_eq!(Kind::Namespace.phase(), Some(1));
        assert_eq!(Kind::ServiceMonitor.phase(), Some(14));
        assert_eq!(Kind::PersistentVolume.phase(), None);
    }
}
