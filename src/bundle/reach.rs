//! Lists the effects of a bundle beyond its namespace: allowed, and shown before anything is
//! applied.
//!
//! `confinement` rejects access to the nodes. The remaining effects concern the cluster's
//! administrator: hosts that an Ingress serves, text that a controller executes, pods that preempt
//! others.

use serde::Serialize;
use serde_json::Value;

use super::eviction;
use crate::model::annotation::{is_snippet, shown_value};
use crate::model::kind::Kind;
use crate::model::relabel::redirects;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::pod_template;

/// One effect of an object beyond the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    pub kind: String,
    pub name: String,
    pub way: Way,
    /// The affected host, namespace, annotation key or similar.
    pub target: String,
    /// The value of an annotation, unless it contains a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The kind of effect beyond the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The object is in another namespace.
    Namespace,
    /// Requests to this host are routed to the bundle; `*` for all hosts.
    Host,
    /// The Ingress provides a certificate for this host but has no rule for it.
    TlsHost,
    /// The route attaches to a Gateway in another namespace.
    Gateway,
    /// An annotation whose value a controller copies verbatim into its own configuration.
    Snippet,
    /// An annotation that some controller may act on.
    Annotation,
    /// A prefixed label of the object that some controller may act on.
    Label,
    /// A prefixed label of pods that some controller may act on.
    PodLabel,
    /// The Service opens a port on every node.
    NodePort,
    /// The Service requests this load balancer address; `*` for any.
    LoadBalancer,
    /// A system priority class: such pods preempt others.
    PriorityClass,
    /// The budget blocks all evictions: a node with such a pod cannot be drained.
    Eviction,
    /// The pods request scarce resources of a node: devices or huge pages.
    Resource,
    /// The pods tolerate this taint of nodes; `*` for all taints.
    Toleration,
    /// The pods have an affinity or anti-affinity to pods of this namespace; `*` for namespaces
    /// selected by labels.
    Affinity,
    /// The pods get a token or certificate for the API server.
    Token,
    /// A driver on the node mounts the volume.
    Driver,
    /// The PVC names a `PersistentVolume`; `*` if it selects one by labels.
    PersistentVolume,
    /// Prometheus looks for Services in these namespaces; `*` for all.
    Monitoring,
    /// Relabeling may redirect Prometheus to another address.
    Relabeling,
    /// The object refers to another namespace.
    Reference,
}

/// Returns the effects of the objects beyond `namespace`, in apply order.
pub fn reach(manifests: &ManifestSet, namespace: &str) -> Vec<Reach> {
    let of_manifest = |manifest: &Manifest| {
        let mut found = ReachSearch { manifest, namespace, reach: Vec::new() };
        found.object();
        if let Some(limit) = eviction::blocked_by(manifest, manifests) {
            found.add(Way::Eviction, &limit);
        }
        found.reach
    };
    manifests.iter().flat_map(of_manifest).collect()
}

/// The label prefixes that this program uses itself.
const OWN_PREFIXES: [&str; 2] = ["app.kubernetes.io", "pod-security.kubernetes.io"];

struct ReachSearch<'a> {
    manifest: &'a Manifest,
    /// The bundle's namespace.
    namespace: &'a str,
    reach: Vec<Reach>,
}

impl ReachSearch<'_> {
    /// Adds all effects of the object.
    fn object(&mut self) {
        let Manifest { key, object, .. } = self.manifest;
        if !key.namespace.is_empty() && key.namespace != self.namespace {
            self.add(Way::Namespace, &key.namespace);
        }
        self.annotations(object.pointer("/metadata/annotations"));
        self.labels(Way::Label, object.pointer("/metadata/labels"));
        match key.known_kind() {
            Some(Kind::Service) => self.service(&object["spec"]),
            Some(Kind::Ingress) => self.ingress(&object["spec"]),
            Some(Kind::HttpRoute) => self.http_route(&object["spec"]),
            Some(Kind::PersistentVolumeClaim) => self.claim(&object["spec"]),
            Some(Kind::ServiceMonitor) => self.monitor(&object["spec"]),
            _ => {}
        }
        if let Some(template) = pod_template(object) {
            self.pod(template);
        }
        self.references(&object["spec"]);
    }

    fn add(&mut self, way: Way, target: &str) {
        self.add_value(way, target, None);
    }

    fn add_value(&mut self, way: Way, target: &str, value: Option<String>) {
        let key = &self.manifest.key;
        let reach = Reach {
            kind: key.kind.clone(),
            name: key.name.clone(),
            way,
            target: target.to_owned(),
            value,
        };
        if !self.reach.contains(&reach) {
            self.reach.push(reach);
        }
    }

    /// Adds a target, if the value is a non-empty string.
    fn some(&mut self, way: Way, target: &Value) {
        if let Some(target) = target.as_str().filter(|target| !target.is_empty()) {
            self.add(way, target);
        }
    }

    /// Adds all annotations except this program's own.
    fn annotations(&mut self, annotations: Option<&Value>) {
        for (key, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
            if !key.starts_with("checksum/") {
                let way = if is_snippet(key) { Way::Snippet } else { Way::Annotation };
                self.add_value(way, key, value.as_str().map(|value| shown_value(key, value)));
            }
        }
    }

    fn service(&mut self, spec: &Value) {
        let kind = spec["type"].as_str().unwrap_or_default();
        if ["NodePort", "LoadBalancer"].contains(&kind) {
            for port in items(&spec["ports"]) {
                let number = port["nodePort"].as_i64();
                self.add(
                    Way::NodePort,
                    &number.map_or_else(|| "*".to_owned(), |number| number.to_string()),
                );
            }
        }
        if kind == "LoadBalancer" {
            let address = spec["loadBalancerIP"].as_str().filter(|address| !address.is_empty());
            self.add(Way::LoadBalancer, address.unwrap_or("*"));
        }
    }

    fn ingress(&mut self, spec: &Value) {
        if spec.get("defaultBackend").is_some() {
            self.add(Way::Host, "*");
        }
        for rule in items(&spec["rules"]) {
            let host = rule["host"].as_str().filter(|host| !host.is_empty());
            self.add(Way::Host, host.unwrap_or("*"));
        }
        let has_rule =
            |host: &&Value| items(&spec["rules"]).iter().any(|rule| rule["host"] == **host);
        let hosts = items(&spec["tls"]).iter().flat_map(|tls| items(&tls["hosts"]));
        hosts.filter(|host| !has_rule(host)).for_each(|host| self.some(Way::TlsHost, host));
    }

    /// Adds the prefixed labels, except this program's own.
    fn labels(&mut self, way: Way, labels: Option<&Value>) {
        for key in labels.and_then(Value::as_object).into_iter().flat_map(|labels| labels.keys()) {
            let prefix = key.split_once('/').map(|(prefix, _)| prefix);
            if prefix.is_some_and(|prefix| !OWN_PREFIXES.contains(&prefix)) {
                self.add(way, key);
            }
        }
    }

    fn http_route(&mut self, spec: &Value) {
        for host in items(&spec["hostnames"]) {
            self.some(Way::Host, host);
        }
        if items(&spec["hostnames"]).is_empty() {
            self.add(Way::Host, "*");
        }
        if spec.get("useDefaultGateways").is_some_and(|scope| scope != "None") {
            self.add(Way::Gateway, "*");
        }
        for parent in items(&spec["parentRefs"]) {
            let namespace =
                parent["namespace"].as_str().filter(|namespace| *namespace != self.namespace);
            if let Some(namespace) = namespace {
                let name = parent["name"].as_str().unwrap_or_default();
                self.add(Way::Gateway, &format!("{namespace}/{name}"));
            }
        }
    }

    fn monitor(&mut self, spec: &Value) {
        let selector = &spec["namespaceSelector"];
        if selector["any"] == true {
            self.add(Way::Monitoring, "*");
        }
        let own = self.namespace;
        for name in items(&selector["matchNames"]).iter().filter(|name| **name != own) {
            self.some(Way::Monitoring, name);
        }
        for step in
            items(&spec["endpoints"]).iter().flat_map(|endpoint| items(&endpoint["relabelings"]))
        {
            let (action, target) = (step["action"].as_str(), step["targetLabel"].as_str());
            if redirects(action, target) {
                self.add(Way::Relabeling, target.or(action).unwrap_or_default());
            }
        }
    }

    fn pod(&mut self, template: &Value) {
        self.annotations(template.pointer("/metadata/annotations"));
        self.labels(Way::PodLabel, template.pointer("/metadata/labels"));
        let spec = &template["spec"];
        let containers = ["initContainers", "containers"].map(|list| items(&spec[list]));
        for container in containers.into_iter().flatten() {
            self.resources(&container["resources"]);
        }
        if let Some(class) =
            spec["priorityClassName"].as_str().filter(|class| class.starts_with("system-"))
        {
            self.add(Way::PriorityClass, class);
        }
        for toleration in items(&spec["tolerations"]) {
            match toleration["key"].as_str().filter(|key| !key.is_empty()) {
                None => self.add(Way::Toleration, "*"),
                // Only failed nodes have these taints.
                Some("node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable") => {}
                Some(key) => self.add(Way::Toleration, key),
            }
        }
        self.affinity(&spec["affinity"]);
        for volume in items(&spec["volumes"]) {
            self.volume(volume);
        }
    }

    /// Adds the devices and huge pages that a container requests.
    fn resources(&mut self, resources: &Value) {
        let lists = ["limits", "requests"].map(|list| resources[list].as_object());
        for name in lists.into_iter().flatten().flat_map(|list| list.keys()) {
            if name.contains('/') || name.starts_with("hugepages-") {
                self.add(Way::Resource, name);
            }
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.some(Way::Driver, &volume["csi"]["driver"]);
        self.claim(&volume["ephemeral"]["volumeClaimTemplate"]["spec"]);
        let mut sources = items(&volume["projected"]["sources"]).iter();
        let credential = |source: &Value| {
            ["podCertificate", "serviceAccountToken"].iter().any(|kind| source.get(kind).is_some())
        };
        if sources.any(credential) {
            self.some(Way::Token, &volume["name"]);
        }
    }

    /// Adds the `PersistentVolume` that a PVC names, or `*` if it selects one by labels.
    fn claim(&mut self, spec: &Value) {
        self.some(Way::PersistentVolume, &spec["volumeName"]);
        if spec.get("selector").is_some() {
            self.add(Way::PersistentVolume, "*");
        }
    }

    /// Adds the namespaces of an affinity or anti-affinity; with the latter, the scheduler also
    /// keeps their pods off the node.
    fn affinity(&mut self, affinity: &Value) {
        match affinity {
            Value::Object(fields) => {
                if fields.contains_key("namespaceSelector") {
                    self.add(Way::Affinity, "*");
                }
                let names = fields.get("namespaces").map(items).unwrap_or_default();
                let own = self.namespace;
                names
                    .iter()
                    .filter(|name| **name != own)
                    .for_each(|name| self.some(Way::Affinity, name));
                fields.values().for_each(|field| self.affinity(field));
            }
            Value::Array(terms) => terms.iter().for_each(|term| self.affinity(term)),
            _ => {}
        }
    }

    /// Adds the namespace in every field called `namespace`, except in fields that have an effect
    /// of their own.
    fn references(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields.iter().filter(|(key, _)| *key != "parentRefs") {
                    match value {
                        Value::String(text) if key == "namespace" && text != self.namespace => {
                            self.add(Way::Reference, text);
                        }
                        _ => self.references(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.references(value)),
            _ => {}
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
