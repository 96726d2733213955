//! Finds the references of objects.
//!
//! It reads them from the rendered objects themselves, so that none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::kind::Kind;

/// A referenced object: kind, namespace (empty for cluster-scoped objects) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferencedObject {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl ReferencedObject {
    /// Returns whether the referenced object is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }
}

/// The referenced keys; empty if the reference is to the whole object.
pub type Keys = BTreeSet<String>;

/// Returns the pod template of a workload.
pub fn pod_template(object: &Value) -> Option<&Value> {
    let is_workload = Kind::of_object(object).is_some_and(Kind::has_pods);
    object.pointer("/spec/template").filter(|_| is_workload)
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

    match Kind::of_object(object) {
        Some(Kind::Deployment | Kind::StatefulSet) => {
            if let Some(template) = object.pointer("/spec/template/spec") {
                found.pod(template);
            }
            found.named(Kind::Service, text(&object["spec"]["serviceName"]));
        }
        Some(Kind::PersistentVolumeClaim) => {
            found.cluster(Kind::StorageClass, text(&object["spec"]["storageClassName"]));
        }
        Some(Kind::HorizontalPodAutoscaler) => {
            let target = text(&object["spec"]["scaleTargetRef"]["kind"]).unwrap_or_default();
            let namespace = found.namespace.clone();
            found.add(&target, &namespace, text(&object["spec"]["scaleTargetRef"]["name"]), []);
        }
        Some(Kind::Ingress) => found.ingress(object),
        Some(Kind::HttpRoute) => found.http_route(object),
        Some(Kind::ServiceMonitor) => {
            found.cluster(
                Kind::CustomResourceDefinition,
                Some("servicemonitors.monitoring.coreos.com".into()),
            );
        }
        _ => {}
    }

    let namespace = found.namespace.clone();
    found.cluster(Kind::Namespace, Some(namespace));
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

    fn named(&mut self, kind: Kind, name: Option<String>) {
        let namespace = self.namespace.clone();
        self.add(kind.name(), &namespace, name, []);
    }

    fn cluster(&mut self, kind: Kind, name: Option<String>) {
        self.add(kind.name(), "", name, []);
    }

    /// Adds a Secret or ConfigMap, unless the reference is optional.
    fn data(
        &mut self,
        kind: Kind,
        reference: Option<&Value>,
        name_key: &str,
        keys: impl IntoIterator<Item = String>,
    ) {
        let Some(reference) = reference else { return };
        if reference.get("optional") != Some(&Value::Bool(true)) {
            let namespace = self.namespace.clone();
            self.add(
                kind.name(),
                &namespace,
                reference.get(name_key).and_then(Value::as_str).map(str::to_owned),
                keys,
            );
        }
    }

    fn pod(&mut self, spec: &Value) {
        self.named(Kind::ServiceAccount, text(&spec["serviceAccountName"]));
        self.cluster(Kind::PriorityClass, text(&spec["priorityClassName"]));
        self.cluster(Kind::RuntimeClass, text(&spec["runtimeClassName"]));
        for secret in pull_secrets(spec) {
            self.named(Kind::Secret, Some(secret.to_owned()));
        }
        for list in ["initContainers", "containers"] {
            items(spec, list).for_each(|container| self.container(container));
        }
        items(spec, "volumes").for_each(|volume| self.volume(volume));
    }

    fn container(&mut self, container: &Value) {
        for variable in items(container, "env") {
            for (kind, source) in
                [(Kind::Secret, "secretKeyRef"), (Kind::ConfigMap, "configMapKeyRef")]
            {
                let reference = variable["valueFrom"].get(source);
                let key = reference.and_then(|reference| text(&reference["key"]));
                self.data(kind, reference, "name", key);
            }
        }
        for source in items(container, "envFrom") {
            self.data(Kind::ConfigMap, source.get("configMapRef"), "name", []);
            self.data(Kind::Secret, source.get("secretRef"), "name", []);
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.named(
            Kind::PersistentVolumeClaim,
            text(&volume["persistentVolumeClaim"]["claimName"]),
        );

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
            self.data(Kind::ConfigMap, config_map, "name", keys(config_map));
            let name_key = if secret.is_some_and(|secret| secret.get("secretName").is_some()) {
                "secretName"
            } else {
                "name"
            };
            self.data(Kind::Secret, secret, name_key, keys(secret));
        }

        let drivers = [
            ("csi", "nodePublishSecretRef"),
            ("cephfs", "secretRef"),
            ("iscsi", "secretRef"),
            ("rbd", "secretRef"),
            ("flexVolume", "secretRef"),
        ];
        for (driver, key) in drivers {
            self.named(Kind::Secret, text(&volume[driver][key]["name"]));
        }
    }

    fn ingress(&mut self, object: &Value) {
        self.cluster(Kind::IngressClass, text(&object["spec"]["ingressClassName"]));
        let spec = &object["spec"];
        for tls in items(spec, "tls") {
            let namespace = self.namespace.clone();
            self.add(
                Kind::Secret.name(),
                &namespace,
                text(&tls["secretName"]),
                ["tls.crt".to_owned(), "tls.key".to_owned()],
            );
        }
        for path in items(spec, "rules").flat_map(|rule| items(&rule["http"], "paths")) {
            self.named(Kind::Service, text(&path["backend"]["service"]["name"]));
        }
    }

    fn http_route(&mut self, object: &Value) {
        self.cluster(
            Kind::CustomResourceDefinition,
            Some("httproutes.gateway.networking.k8s.io".into()),
        );
        let spec = &object["spec"];
        for parent in items(spec, "parentRefs") {
            let namespace = text(&parent["namespace"]).unwrap_or_else(|| self.namespace.clone());
            self.add(Kind::Gateway.name(), &namespace, text(&parent["name"]), []);
        }
        for backend in items(spec, "rules").flat_map(|rule| items(rule, "backendRefs")) {
            self.named(Kind::Service, text(&backend["name"]));
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
