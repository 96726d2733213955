//! Finds the references of objects.
//!
//! It reads them from the rendered objects themselves, so that none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A referenced object: kind, namespace (empty for cluster-scoped objects) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferencedObject {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// The referenced keys; empty if the reference is to the whole object.
pub type Keys = BTreeSet<String>;

/// Returns the pod template of a workload.
pub fn pod_template(object: &Value) -> Option<&Value> {
    let workload =
        matches!(object.get("kind").and_then(Value::as_str), Some("Deployment" | "StatefulSet"));
    object.pointer("/spec/template").filter(|_| workload)
}

/// Returns the names of a pod's image pull Secrets.
pub fn pull_secrets(pod_spec: &Value) -> impl Iterator<Item = &str> {
    items(pod_spec, "imagePullSecrets").filter_map(|secret| secret["name"].as_str())
}

/// Returns all objects that `object` references by name.
pub fn references(object: &Value) -> BTreeMap<ReferencedObject, Keys> {
    let mut found = Found {
        namespace: text(&object["metadata"]["namespace"]).unwrap_or_default(),
        targets: BTreeMap::new(),
    };
    let kind = text(&object["kind"]).unwrap_or_default();
    match kind.as_str() {
        "Deployment" | "StatefulSet" => {
            if let Some(template) = object.pointer("/spec/template/spec") {
                found.pod(template);
            }
            found.named("Service", text(&object["spec"]["serviceName"]));
        }
        "PersistentVolumeClaim" => {
            found.cluster("StorageClass", text(&object["spec"]["storageClassName"]));
        }
        "HorizontalPodAutoscaler" => {
            let target = text(&object["spec"]["scaleTargetRef"]["kind"]).unwrap_or_default();
            found.named(&target, text(&object["spec"]["scaleTargetRef"]["name"]));
        }
        "Ingress" => found.ingress(object),
        "HTTPRoute" => found.http_route(object),
        "ServiceMonitor" => {
            found.cluster(
                "CustomResourceDefinition",
                Some("servicemonitors.monitoring.coreos.com".into()),
            );
        }
        _ => {}
    }
    let namespace = found.namespace.clone();
    found.cluster("Namespace", Some(namespace));
    found.targets
}

struct Found {
    namespace: String,
    targets: BTreeMap<ReferencedObject, Keys>,
}

impl Found {
    fn add(
        &mut self,
        kind: &str,
        namespace: &str,
        name: Option<String>,
        keys: impl IntoIterator<Item = String>,
    ) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let target =
                ReferencedObject { kind: kind.to_owned(), namespace: namespace.to_owned(), name };
            self.targets.entry(target).or_default().extend(keys);
        }
    }

    fn named(&mut self, kind: &str, name: Option<String>) {
        let namespace = self.namespace.clone();
        self.add(kind, &namespace, name, []);
    }

    fn cluster(&mut self, kind: &str, name: Option<String>) {
        self.add(kind, "", name, []);
    }

    /// Adds a Secret or ConfigMap, unless the reference is optional.
    fn data(
        &mut self,
        kind: &str,
        reference: Option<&Value>,
        name_key: &str,
        keys: impl IntoIterator<Item = String>,
    ) {
        let Some(reference) = reference else { return };
        if reference.get("optional") != Some(&Value::Bool(true)) {
            let namespace = self.namespace.clone();
            self.add(
                kind,
                &namespace,
                reference.get(name_key).and_then(Value::as_str).map(str::to_owned),
                keys,
            );
        }
    }

    fn pod(&mut self, spec: &Value) {
        self.named("ServiceAccount", text(&spec["serviceAccountName"]));
        self.cluster("PriorityClass", text(&spec["priorityClassName"]));
        self.cluster("RuntimeClass", text(&spec["runtimeClassName"]));
        for secret in pull_secrets(spec) {
            self.named("Secret", Some(secret.to_owned()));
        }
        for list in ["initContainers", "containers"] {
            items(spec, list).for_each(|container| self.container(container));
        }
        items(spec, "volumes").for_each(|volume| self.volume(volume));
    }

    fn container(&mut self, container: &Value) {
        for variable in items(container, "env") {
            for (kind, source) in [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")] {
                let reference = variable["valueFrom"].get(source);
                let key = reference.and_then(|reference| text(&reference["key"]));
                self.data(kind, reference, "name", key);
            }
        }
        for source in items(container, "envFrom") {
            self.data("ConfigMap", source.get("configMapRef"), "name", []);
            self.data("Secret", source.get("secretRef"), "name", []);
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.named("PersistentVolumeClaim", text(&volume["persistentVolumeClaim"]["claimName"]));
        let sources = [volume].into_iter().chain(
            volume.get("projected").into_iter().flat_map(|projected| items(projected, "sources")),
        );
        for source in sources {
            let keys = |reference: Option<&Value>| -> Vec<String> {
                reference
                    .into_iter()
                    .flat_map(|reference| items(reference, "items"))
                    .filter_map(|item| text(&item["key"]))
                    .collect()
            };
            let (config_map, secret) = (source.get("configMap"), source.get("secret"));
            self.data("ConfigMap", config_map, "name", keys(config_map));
            let name_key = if secret.is_some_and(|secret| secret.get("secretName").is_some()) {
                "secretName"
            } else {
                "name"
            };
            self.data("Secret", secret, name_key, keys(secret));
        }
        let drivers = [
            ("csi", "nodePublishSecretRef"),
            ("cephfs", "secretRef"),
            ("iscsi", "secretRef"),
            ("rbd", "secretRef"),
            ("flexVolume", "secretRef"),
        ];
        for (driver, key) in drivers {
            self.named("Secret", text(&volume[driver][key]["name"]));
        }
    }

    fn ingress(&mut self, object: &Value) {
        self.cluster("IngressClass", text(&object["spec"]["ingressClassName"]));
        let spec = &object["spec"];
        for tls in items(spec, "tls") {
            let namespace = self.namespace.clone();
            self.add(
                "Secret",
                &namespace,
                text(&tls["secretName"]),
                ["tls.crt".to_owned(), "tls.key".to_owned()],
            );
        }
        for path in items(spec, "rules").flat_map(|rule| items(&rule["http"], "paths")) {
            self.named("Service", text(&path["backend"]["service"]["name"]));
        }
    }

    fn http_route(&mut self, object: &Value) {
        self.cluster(
            "CustomResourceDefinition",
            Some("httproutes.gateway.networking.k8s.io".into()),
        );
        let spec = &object["spec"];
        for parent in items(spec, "parentRefs") {
            let namespace = text(&parent["namespace"]).unwrap_or_else(|| self.namespace.clone());
            self.add("Gateway", &namespace, text(&parent["name"]), []);
        }
        for backend in items(spec, "rules").flat_map(|rule| items(rule, "backendRefs")) {
            self.named("Service", text(&backend["name"]));
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
