//! The kinds of objects that this program renders, references or observes.

use serde_json::Value;

struct Facts {
    name: &'static str,
    api_version: &'static str,
    resource: &'static str,
    scope: KindScope,
    short_name: Option<&'static str>,
}

#[derive(PartialEq, Eq)]
enum KindScope {
    Namespaced,
    ClusterScoped,
}

/// Defines the kinds from lines of name, version of the API, resource, scope, and, of a rendered
/// kind, the short name in file names.
macro_rules! kinds {
    ($($variant:ident: $name:literal, $api:literal, $resource:literal, $scope:ident, $short:expr;)*) => {
        /// A kind, with one stable version of its API. The rendered kinds come first, in apply order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($variant),*
        }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$variant),*];
        }

        /// The facts about each kind, in the order of [`Kind`].
        const FACTS: &[Facts] = &[$(Facts {
            name: $name,
            api_version: $api,
            resource: $resource,
            scope: KindScope::$scope,
            short_name: $short,
        }),*];
    };
}

// The list of rendered kinds is closed: a verifier rejects any other kind.
kinds! {
    Namespace: "Namespace", "v1", "namespaces", ClusterScoped, Some("ns");
    NetworkPolicy: "NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", Namespaced, Some("netpol");
    ServiceAccount: "ServiceAccount", "v1", "serviceaccounts", Namespaced, Some("sa");
    ConfigMap: "ConfigMap", "v1", "configmaps", Namespaced, Some("cm");
    Secret: "Secret", "v1", "secrets", Namespaced, Some("secret");
    PersistentVolumeClaim: "PersistentVolumeClaim", "v1", "persistentvolumeclaims", Namespaced, Some("pvc");
    Service: "Service", "v1", "services", Namespaced, Some("svc");
    StatefulSet: "StatefulSet", "apps/v1", "statefulsets", Namespaced, Some("sts");
    Deployment: "Deployment", "apps/v1", "deployments", Namespaced, Some("deploy");
    HorizontalPodAutoscaler: "HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers", Namespaced, Some("hpa");
    PodDisruptionBudget: "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", Namespaced, Some("pdb");
    Ingress: "Ingress", "networking.k8s.io/v1", "ingresses", Namespaced, Some("ing");
    HttpRoute: "HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes", Namespaced, Some("httproute");
    ServiceMonitor: "ServiceMonitor", "monitoring.coreos.com/v1", "servicemonitors", Namespaced, Some("servicemonitor");
    // Not rendered, but referenced or observed.
    PersistentVolume: "PersistentVolume", "v1", "persistentvolumes", ClusterScoped, None;
    Pod: "Pod", "v1", "pods", Namespaced, None;
    Event: "Event", "v1", "events", Namespaced, None;
    ReplicaSet: "ReplicaSet", "apps/v1", "replicasets", Namespaced, None;
    ControllerRevision: "ControllerRevision", "apps/v1", "controllerrevisions", Namespaced, None;
    IngressClass: "IngressClass", "networking.k8s.io/v1", "ingressclasses", ClusterScoped, None;
    Gateway: "Gateway", "gateway.networking.k8s.io/v1", "gateways", Namespaced, None;
    StorageClass: "StorageClass", "storage.k8s.io/v1", "storageclasses", ClusterScoped, None;
    PriorityClass: "PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", ClusterScoped, None;
    RuntimeClass: "RuntimeClass", "node.k8s.io/v1", "runtimeclasses", ClusterScoped, None;
    CustomResourceDefinition: "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", ClusterScoped, None;
}

impl Kind {
    /// Returns the kind of this name, if it is supported.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns the kind of a resource, such as `configmaps`.
    pub fn of_resource(resource: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.resource() == resource)
    }

    /// Returns the kind of an object, if it is supported.
    pub fn of_object(object: &Value) -> Option<Self> {
        Self::named(object.get("kind")?.as_str()?)
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
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns the resource, such as `configmaps`.
    pub fn resource(self) -> &'static str {
        self.facts().resource
    }

    pub fn is_namespaced(self) -> bool {
        self.facts().scope == KindScope::Namespaced
    }

    /// Returns the stable version of its API, such as `apps/v1`.
    pub fn api_version(self) -> &'static str {
        self.facts().api_version
    }

    /// Returns the position of a rendered kind in apply order, from 1.
    pub fn phase(self) -> Option<usize> {
        self.short_name().map(|_| self as usize + 1)
    }

    /// Returns the position in apply order of the kind of this name, if it is rendered.
    pub fn phase_of(name: &str) -> Option<usize> {
        Self::named(name)?.phase()
    }

    /// Returns the short name of a rendered kind, such as `deploy`.
    pub fn short_name(self) -> Option<&'static str> {
        self.facts().short_name
    }

    /// Returns whether objects of this kind run pods from a template.
    pub fn has_pods(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet)
    }

    /// Returns whether objects of this kind hold data that cannot be restored.
    pub fn holds_data(self) -> bool {
        matches!(self, Self::PersistentVolumeClaim | Self::Secret)
    }

    /// Returns whether objects of this kind stay when the bundle no longer contains them, because
    /// their deletion would delete data. Only an explicit request of the operator deletes them.
    pub fn is_never_pruned(self) -> bool {
        matches!(self, Self::Namespace | Self::PersistentVolumeClaim)
    }

    /// Returns whether objects of this kind become ready only some time after the apply.
    pub fn is_awaited(self) -> bool {
        matches!(
            self,
            Self::Deployment
                | Self::HorizontalPodAutoscaler
                | Self::Namespace
                | Self::PersistentVolumeClaim
                | Self::PodDisruptionBudget
                | Self::Service
                | Self::StatefulSet
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_unique_name_and_resource() {
        for &kind in Kind::ALL {
            let variant = format!("{kind:?}");
            assert_eq!(variant.to_lowercase(), kind.name().to_lowercase());
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(Kind::of_resource(kind.resource()), Some(kind));
        }
        assert_eq!(Kind::named("ClusterRoleBinding"), None);
    }

    #[test]
    fn rendered_kinds_come_first() {
        let rendered: Vec<bool> =
            Kind::ALL.iter().map(|kind| kind.short_name().is_some()).collect();
        assert!(rendered.is_sorted_by(|one, other| one >= other), "{rendered:?}");
        assert_eq!(Kind::Namespace.phase(), Some(1));
        assert_eq!(Kind::ServiceMonitor.phase(), Some(14));
        assert_eq!(Kind::PersistentVolume.phase(), None);
    }
}
