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
        let mut found = Found { manifest, namespace, reach: Vec::new() };
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

struct Found<'a> {
    manifest: &'a Manifest,
    /// The bundle's namespace.
    namespace: &'a str,
    reach: Vec<Reach>,
}

impl Found<'_> {
    /// Adds all effects of the object.
    fn object(&mut self) {
        let Manifest { key, object, .. } = self.manifest;
        if !key.namespace.is_empty() && key.namespace != self.namespace {
            self.add(Way::Namespace, &key.namespace);
        }
        self.annotations(object.pointer("/metadata/annotations"));
        self.labels(Way::Label, object.pointer("/metadata/labels"));
        match key.kind.as_str() {
            "Service" => self.service(&object["spec"]),
            "Ingress" => self.ingress(&object["spec"]),
            "HTTPRoute" => self.http_route(&object["spec"]),
            "PersistentVolumeClaim" => self.claim(&object["spec"]),
            "ServiceMonitor" => self.monitor(&object["spec"]),
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
mod tests {
    use serde_json::json;

    use super::*;

    fn ways(object: &Value) -> Vec<(Way, String)> {
        let mut set = ManifestSet::default();
        set.add(object);
        reach(&set, "own").into_iter().map(|reach| (reach.way, reach.target)).collect()
    }

    fn object(kind: &str, spec: &Value) -> Value {
        json!({"kind": kind, "metadata": {"name": "a", "namespace": "own"}, "spec": spec})
    }

    #[test]
    fn each_way_out_of_a_namespace_is_found() {
        let table = [
            ("Ingress", json!({"rules": [{"host": "a.example"}]}), Way::Host, "a.example"),
            ("Ingress", json!({"rules": [{}]}), Way::Host, "*"),
            ("Ingress", json!({"defaultBackend": {}}), Way::Host, "*"),
            ("Ingress", json!({"tls": [{"hosts": ["b.example"]}]}), Way::TlsHost, "b.example"),
            ("HTTPRoute", json!({"hostnames": ["a.example"]}), Way::Host, "a.example"),
            ("HTTPRoute", json!({}), Way::Host, "*"),
            ("Service", json!({"type": "LoadBalancer"}), Way::LoadBalancer, "*"),
            (
                "Service",
                json!({"type": "LoadBalancer", "loadBalancerIP": "192.0.2.1"}),
                Way::LoadBalancer,
                "192.0.2.1",
            ),
            ("Service", json!({"type": "NodePort", "ports": [{}]}), Way::NodePort, "*"),
            (
                "Service",
                json!({"type": "NodePort", "ports": [{"nodePort": 30080}]}),
                Way::NodePort,
                "30080",
            ),
            ("PersistentVolumeClaim", json!({"volumeName": "pv"}), Way::PersistentVolume, "pv"),
            ("ServiceMonitor", json!({"namespaceSelector": {"any": true}}), Way::Monitoring, "*"),
            (
                "ServiceMonitor",
                json!({"namespaceSelector": {"matchNames": ["own", "b"]}}),
                Way::Monitoring,
                "b",
            ),
            (
                "ServiceMonitor",
                json!({"endpoints": [{"relabelings": [{"targetLabel": "__address__"}]}]}),
                Way::Relabeling,
                "__address__",
            ),
            (
                "PersistentVolumeClaim",
                json!({"selector": {"matchLabels": {}}}),
                Way::PersistentVolume,
                "*",
            ),
            (
                "PersistentVolumeClaim",
                json!({"dataSourceRef": {"namespace": "b"}}),
                Way::Reference,
                "b",
            ),
        ];
        for (kind, spec, way, target) in table {
            assert_eq!(ways(&object(kind, &spec)), [(way, target.to_owned())], "{kind} {spec}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn each_way_of_a_pod_out_of_its_namespace_is_found() {
        let template = |template: Value| json!({"template": template});
        let volume = |volume: Value| template(json!({"spec": {"volumes": [volume]}}));
        let table = [
            (
                "Deployment",
                template(json!({"metadata": {"labels": {"x.example/a": "b"}}})),
                Way::PodLabel,
                "x.example/a",
            ),
            (
                "Deployment",
                template(
                    json!({"metadata": {"annotations": {"x.example/a": "b", "checksum/config": "1"}}}),
                ),
                Way::Annotation,
                "x.example/a",
            ),
            (
                "StatefulSet",
                template(json!({"spec": {"priorityClassName": "system-node-critical"}})),
                Way::PriorityClass,
                "system-node-critical",
            ),
            (
                "Deployment",
                template(json!({"spec": {"tolerations": [{"operator": "Exists"}]}})),
                Way::Toleration,
                "*",
            ),
            (
                "Deployment",
                template(
                    json!({"spec": {"tolerations": [{"key": "node-role.kubernetes.io/control-plane"}]}}),
                ),
                Way::Toleration,
                "node-role.kubernetes.io/control-plane",
            ),
            (
                "Deployment",
                template(
                    json!({"spec": {"containers": [{"resources": {"limits": {"cpu": 1, "x.example/gpu": 1}}}]}}),
                ),
                Way::Resource,
                "x.example/gpu",
            ),
            (
                "StatefulSet",
                template(
                    json!({"spec": {"initContainers": [{"resources": {"requests": {"hugepages-2Mi": "4Mi"}}}]}}),
                ),
                Way::Resource,
                "hugepages-2Mi",
            ),
            (
                "Deployment",
                volume(json!({"csi": {"driver": "x.example"}})),
                Way::Driver,
                "x.example",
            ),
            (
                "Deployment",
                volume(
                    json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {}}]}}),
                ),
                Way::Token,
                "t",
            ),
            (
                "Deployment",
                volume(
                    json!({"ephemeral": {"volumeClaimTemplate": {"spec": {"volumeName": "pv"}}}}),
                ),
                Way::PersistentVolume,
                "pv",
            ),
            (
                "Deployment",
                volume(json!({"name": "t", "projected": {"sources": [{"podCertificate": {}}]}})),
                Way::Token,
                "t",
            ),
            (
                "Deployment",
                template(json!({"spec": {"tolerations": [{"key": "dedicated"}]}})),
                Way::Toleration,
                "dedicated",
            ),
            (
                "Deployment",
                template(json!({"spec": {"affinity": {"podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"namespaceSelector": {}}]}}}})),
                Way::Affinity,
                "*",
            ),
            (
                "Deployment",
                template(json!({"spec": {"affinity": {"podAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"podAffinityTerm": {"namespaces": ["own", "kube-system"]}}]}}}})),
                Way::Affinity,
                "kube-system",
            ),
        ];
        for (kind, spec, way, target) in table {
            assert_eq!(ways(&object(kind, &spec)), [(way, target.to_owned())], "{kind} {spec}");
        }
    }

    #[test]
    fn route_of_a_foreign_gateway_to_a_foreign_service_is_found() {
        let spec = json!({
            "hostnames": ["a.example"],
            "parentRefs": [{"name": "edge", "namespace": "gateways"}, {"name": "own"}],
            "rules": [{"backendRefs": [{"name": "db", "namespace": "prod"}, {"name": "a", "namespace": "own"}]}],
        });

        let found = ways(&object("HTTPRoute", &spec));

        let wanted =
            [(Way::Host, "a.example"), (Way::Gateway, "gateways/edge"), (Way::Reference, "prod")];
        assert_eq!(found, wanted.map(|(way, target)| (way, target.to_owned())));
    }

    #[test]
    fn label_of_foreign_prefix_is_found() {
        let mut object =
            object("Ingress", &json!({"rules": [{"host": "a"}], "tls": [{"hosts": ["a"]}]}));
        object["metadata"]["labels"] =
            json!({"app.kubernetes.io/name": "a", "plain": "b", "x.example/c": "d"});

        assert_eq!(
            ways(&object),
            [(Way::Label, "x.example/c".to_owned()), (Way::Host, "a".to_owned())]
        );
    }

    #[test]
    fn snippet_is_told_from_other_annotations() {
        for (annotation, wanted) in [
            ("nginx.ingress.kubernetes.io/server-snippet", Way::Snippet),
            ("nginx.org/location-snippets", Way::Snippet),
            ("haproxy-ingress.github.io/config-backend", Way::Snippet),
            ("haproxy.org/backend-config-snippet", Way::Snippet),
            ("nginx.ingress.kubernetes.io/proxy-body-size", Way::Annotation),
            ("kubernetes.io/ingress.class", Way::Annotation),
        ] {
            let mut object = object("Ingress", &json!({}));
            object["metadata"]["annotations"] = json!({annotation: "x"});

            assert_eq!(ways(&object), [(wanted, annotation.to_owned())]);
        }
    }

    #[test]
    fn annotation_shows_no_credential() {
        for (annotation, value) in [
            ("nginx.org/location-snippets", "proxy_pass http://user:s3cret@inner/;"),
            ("nginx.org/location-snippets", "proxy_set_header X-Api-Key s3cret;"),
            ("x.y/password", "s3cret"),
        ] {
            let mut object = object("Ingress", &json!({}));
            object["metadata"]["annotations"] = json!({annotation: value});
            let mut set = ManifestSet::default();
            set.add(&object);

            let shown = reach(&set, "own")[0].value.clone().expect("an annotation has a value");

            assert!(shown.contains("<redacted>") && !shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn object_that_stays_in_its_namespace_reaches_nothing() {
        for (kind, spec) in [
            ("Service", json!({"type": "ClusterIP", "ports": [{"port": 80}]})),
            (
                "Deployment",
                json!({"template": {"spec": {"priorityClassName": "batch",
                "tolerations": [{"key": "node.kubernetes.io/not-ready"}], "volumes": [{"name": "a", "emptyDir": {}}]}}}),
            ),
            ("ServiceMonitor", json!({"namespaceSelector": {"matchNames": ["own"]}})),
        ] {
            assert_eq!(ways(&object(kind, &spec)), [], "{kind}");
        }
    }
}
