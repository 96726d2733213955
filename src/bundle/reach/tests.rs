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
fn every_reach_beyond_namespace_is_found() {
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
fn every_reach_of_pod_beyond_namespace_is_found() {
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
        ("Deployment", volume(json!({"csi": {"driver": "x.example"}})), Way::Driver, "x.example"),
        (
            "Deployment",
            volume(json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {}}]}})),
            Way::Token,
            "t",
        ),
        (
            "Deployment",
            volume(json!({"ephemeral": {"volumeClaimTemplate": {"spec": {"volumeName": "pv"}}}})),
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
fn route_from_foreign_gateway_to_foreign_service_is_found() {
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
