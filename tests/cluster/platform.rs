//! The objects that a platform team creates before `production` is installed.

use serde_json::json;

use crate::control_plane::ControlPlane;

/// The objects that all namespaces share.
const PLATFORM: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: example.internal/nginx}
";

/// The objects in the namespace, and in the one for monitoring.
const CONTRACT: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE-monitoring}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: platform-ca, namespace: NAMESPACE}
data: {ca.crt: none}
---
apiVersion: v1
kind: Secret
metadata: {name: claude-relay-admin, namespace: NAMESPACE}
stringData: {password: none}
---
apiVersion: v1
kind: Secret
metadata: {name: platform-redis, namespace: NAMESPACE}
stringData: {password: none}
---
apiVersion: v1
kind: Secret
metadata: {name: relay-tls, namespace: NAMESPACE}
type: kubernetes.io/tls
stringData: {tls.crt: none, tls.key: none}
---
apiVersion: v1
kind: Secret
metadata: {name: registry-credentials, namespace: NAMESPACE}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{}'}
";

/// Returns the setting that moves the ServiceMonitor into a namespace of this installation alone.
///
/// The ServiceMonitor is named after the release, and one cluster serves many tests.
pub(crate) fn own_monitoring(namespace: &str) -> String {
    format!("serviceMonitor.namespace=\"{namespace}-monitoring\"")
}

/// Creates the objects for an existing namespace.
#[track_caller]
pub(crate) fn ensure(plane: &ControlPlane, namespace: &str) {
    plane.ensure(PLATFORM);
    serve(plane, "monitoring.coreos.com", "ServiceMonitor");
    plane.ensure(&CONTRACT.replace("NAMESPACE", namespace));
}

/// Installs a `CustomResourceDefinition` that accepts any fields.
#[track_caller]
pub(crate) fn serve(plane: &ControlPlane, group: &str, kind: &str) {
    let singular = kind.to_lowercase();
    let (plural, name) = (format!("{singular}s"), format!("{singular}s.{group}"));
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved"}},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": singular},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
    });
    plane.ensure(&definition.to_string());
    plane.kubectl(&["wait", "--for=condition=Established", &format!("crd/{name}")]);
}
