"""Checks that whatever a rendered object refers to is in the set or in the contract.

And the other way: the contract asks for nothing that no object refers to. Selectors are references
too: no two workloads select one pod, a Service leads to exactly the pods of one workload (the
endpoint-less `…-blocked` to none), a PodDisruptionBudget or NetworkPolicy is about pods that exist.
A ConfigMap's name must mean one content in all variants, because kubelets cache immutable ones.
"""

import json
import sys
from collections.abc import Iterable, Iterator

import goldens
from control import DELETE, SOUND, but, of, plus

# What every cluster has, so that no contract need name it.
BUILT_IN = {
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
    ("PriorityClass", "system-cluster-critical"),
    ("PriorityClass", "system-node-critical"),
}
CRDS = {
    "HTTPRoute": "httproutes.gateway.networking.k8s.io",
    "ServiceMonitor": "servicemonitors.monitoring.coreos.com",
}
CRD = "CustomResourceDefinition"
BLOCKED = "-blocked"
# A reference: kind, name, and the key that is wanted of it, if it is one key.
Reference = tuple[str, str, str | None]


def whole(kind: str, name: str | None) -> Iterator[Reference]:
    if name:
        yield kind, name, None


def source(kind: str, holder: dict | None, name: str = "name") -> Iterator[Reference]:
    """Yields what a volume or variable takes from a ConfigMap or Secret, unless it is optional."""
    if holder and not holder.get("optional"):
        wanted = [item["key"] for item in holder.get("items") or []]
        wanted += [holder["key"]] if "key" in holder else []
        for key in wanted or [None]:
            yield kind, holder[name], key


def of_volume(volume: dict) -> Iterator[Reference]:
    yield from source("ConfigMap", volume.get("configMap"))
    yield from source("Secret", volume.get("secret"), "secretName")
    yield from whole(
        "PersistentVolumeClaim", (volume.get("persistentVolumeClaim") or {}).get("claimName")
    )
    for projected in (volume.get("projected") or {}).get("sources") or []:
        yield from source("ConfigMap", projected.get("configMap"))
        yield from source("Secret", projected.get("secret"))
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}
    yield from whole("StorageClass", (claim.get("spec") or {}).get("storageClassName"))
    attributes = (volume.get("csi") or {}).get("nodePublishSecretRef")
    yield from source("Secret", attributes)


def of_pod(pod: dict) -> Iterator[Reference]:
    yield from whole("ServiceAccount", pod.get("serviceAccountName", "default"))
    yield from whole("PriorityClass", pod.get("priorityClassName"))
    yield from whole("RuntimeClass", pod.get("runtimeClassName"))
    for secret in pod.get("imagePullSecrets") or []:
        yield from whole("Secret", secret["name"])
    for volume in pod.get("volumes") or []:
        yield from of_volume(volume)
    for _, container in goldens.containers(pod):
        for taken in container.get("envFrom") or []:
            yield from source("ConfigMap", taken.get("configMapRef"))
            yield from source("Secret", taken.get("secretRef"))
        for variable in container.get("env") or []:
            taken = variable.get("valueFrom") or {}
            yield from source("ConfigMap", taken.get("configMapKeyRef"))
            yield from source("Secret", taken.get("secretKeyRef"))


def of_object(obj: dict) -> Iterator[Reference]:
    kind, spec = obj["kind"], obj.get("spec") or {}
    yield from whole("Namespace", obj["metadata"].get("namespace"))
    template = goldens.pod_template(obj)
    if template:
        yield from of_pod(template["spec"])
    if kind in CRDS:
        yield from whole(CRD, CRDS[kind])
    if kind == "ServiceAccount":
        for secret in (obj.get("imagePullSecrets") or []) + (obj.get("secrets") or []):
            yield from whole("Secret", secret["name"])
    if kind == "PersistentVolumeClaim":
        yield from whole("StorageClass", spec.get("storageClassName"))
    if kind == "StatefulSet":
        yield from whole("Service", spec.get("serviceName"))
        for claim in spec.get("volumeClaimTemplates") or []:
            yield from whole("StorageClass", claim["spec"].get("storageClassName"))
    if kind == "HorizontalPodAutoscaler":
        yield from whole(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
    if kind == "Ingress":
        yield from whole("IngressClass", spec.get("ingressClassName"))
        for tls in spec.get("tls") or []:
            yield from whole("Secret", tls.get("secretName"))
    if kind == "HTTPRoute":
        for parent in spec["parentRefs"]:
            yield from whole(parent.get("kind", "Gateway"), parent["name"])
    for name, port in backends(obj):
        yield "Service", name, str(port)


def backends(obj: dict) -> Iterator[tuple[str, object]]:
    """Yields the Services, with a port, to which an Ingress or HTTPRoute leads."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "HTTPRoute":
        for rule in spec["rules"]:
            for backend in rule.get("backendRefs") or []:
                yield backend["name"], backend["port"]
    if obj["kind"] == "Ingress":
        paths = [
            path
            for rule in spec.get("rules") or []
            for path in (rule.get("http") or {}).get("paths") or []
        ]
        led = [path["backend"] for path in paths] + [spec.get("defaultBackend")]
        for backend in filter(None, led):
            if "service" in backend:
                port = backend["service"]["port"]
                yield backend["service"]["name"], port.get("name", port.get("number"))
            else:
                yield backend["serviceName"], backend["servicePort"]


def holds(obj: dict) -> set[str]:
    """Returns the keys of an object that can be asked for: of its data, or its ports."""
    if obj["kind"] == "Service":
        ports = obj["spec"]["ports"]
        return {str(port["port"]) for port in ports} | {p["name"] for p in ports if "name" in p}
    return {key for field in ("data", "binaryData", "stringData") for key in obj.get(field) or {}}


def resolve(bundle: goldens.Bundle) -> Iterator[str]:
    present = {(obj["kind"], obj["metadata"]["name"]): obj for obj in bundle.objects}
    contract = {(entry["kind"], entry["name"]): entry for entry in bundle.index["contract"]}
    used = set()
    if len(contract) != len(bundle.index["contract"]):
        yield "the contract names something twice"
    for obj in bundle.objects:
        for kind, name, key in of_object(obj):
            place = f"{goldens.title(obj)}: {kind} `{name}`"
            used.add((kind, name))
            if (kind, name) in present:
                if key is not None and key not in holds(present[kind, name]):
                    yield f"{place} has no `{key}`"
            elif (kind, name) in contract:
                wanted = [entry["key"] for entry in contract[kind, name].get("keys", [])]
                if key is not None and key not in wanted:
                    yield f"{place}: the contract does not ask for its key `{key}`"
            elif (kind, name) not in BUILT_IN:
                yield f"{place} is neither in the set nor in the contract"
    for kind, name in sorted(contract.keys() - used):
        yield f"the contract asks for {kind} `{name}`, to which nothing refers"
    for kind, name in sorted(contract.keys() & present.keys()):
        yield f"the contract asks for {kind} `{name}`, which is in the set"


def matches(selector: dict, labels: dict) -> bool:
    """Tells whether a selector of the form with matchLabels and matchExpressions fits labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        values, key = rule.get("values") or [], rule["key"]
        fits = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits[rule["operator"]]:
            return False
    return True


def labels(template: dict) -> dict:
    return template["metadata"].get("labels") or {}


def of_kind(bundle: goldens.Bundle, *kinds: str) -> list[dict]:
    return [obj for obj in bundle.objects if obj["kind"] in kinds]


def select(bundle: goldens.Bundle) -> Iterator[str]:
    workloads = [obj for obj in bundle.objects if goldens.pod_template(obj)]
    templates = {goldens.title(obj): goldens.pod_template(obj) for obj in workloads}

    def selected(selector: dict) -> list[str]:
        return [owner for owner, pod in templates.items() if matches(selector, labels(pod))]

    for obj in workloads:
        found = selected(obj["spec"]["selector"])
        if found != [goldens.title(obj)]:
            yield f"{goldens.title(obj)}: its selector matches the pods of {found}"
    for obj in of_kind(bundle, "PodDisruptionBudget"):
        found = selected(obj["spec"]["selector"])
        if len(found) != 1:
            yield f"{goldens.title(obj)}: its selector matches the pods of {found}"
    for obj in of_kind(bundle, "NetworkPolicy"):
        if len(selected(obj["spec"]["podSelector"])) != 1:
            yield f"{goldens.title(obj)}: its podSelector is not about one workload"
    for obj in of_kind(bundle, "Service"):
        yield from service(obj, templates, selected({"matchLabels": obj["spec"].get("selector")}))
    for obj in of_kind(bundle, "ServiceMonitor"):
        yield from monitor(obj, of_kind(bundle, "Service"))


def service(obj: dict, templates: dict[str, dict], found: list[str]) -> Iterator[str]:
    """A Service leads to one workload with its own name label, and to ports that it opens."""
    place, name = goldens.title(obj), obj["metadata"]["name"]
    if name.endswith(BLOCKED):
        if obj["spec"].get("selector") and found:
            yield f"{place}: must lead nowhere, but matches the pods of {found}"
        return
    if not obj["spec"].get("selector") or len(found) != 1:
        yield f"{place}: its selector matches the pods of {found}"
        return
    template = templates[found[0]]
    label = "app.kubernetes.io/name"
    if obj["metadata"].get("labels", {}).get(label) != labels(template).get(label):
        yield f"{place}: its label {label} is not that of the pods of {found[0]}"
    opened = set()
    for _, container in goldens.containers(template["spec"]):
        for port in container.get("ports") or []:
            opened |= {port["containerPort"], port.get("name")}
    for port in obj["spec"]["ports"]:
        target = port.get("targetPort", port["port"])
        if target not in opened:
            yield f"{place}: {found[0]} opens no port `{target}`"


def monitor(obj: dict, services: Iterable[dict]) -> Iterator[str]:
    """A ServiceMonitor scrapes one Service of the set, at a port that this has."""
    spec, place = obj["spec"], goldens.title(obj)
    wanted = {endpoint["port"] for endpoint in spec["endpoints"]}
    chosen = [s for s in services if matches(spec["selector"], s["metadata"].get("labels") or {})]
    serving = [s for s in chosen if wanted <= {port.get("name") for port in s["spec"]["ports"]}]
    leading = [s for s in serving if not s["metadata"]["name"].endswith(BLOCKED)]
    if len(leading) != 1:
        yield f"{place}: scrapes {len(leading)} Services of the set at {sorted(wanted)}"
        return
    home = leading[0]["metadata"].get("namespace")
    across = (spec.get("namespaceSelector") or {}).get("matchNames") or []
    everywhere = (spec.get("namespaceSelector") or {}).get("any")
    if obj["metadata"].get("namespace") != home and home not in across and not everywhere:
        yield f"{place}: does not look into namespace `{home}`"


def one_meaning() -> goldens.Check:
    """Returns a check that remembers the contents of immutable ConfigMaps between variants."""
    known: dict[str, str] = {}

    def check(bundle: goldens.Bundle) -> Iterator[str]:
        for obj in of_kind(bundle, "ConfigMap"):
            if obj.get("immutable"):
                name = obj["metadata"]["name"]
                content = json.dumps([obj.get("data"), obj.get("binaryData")], sort_keys=True)
                if known.setdefault(name, content) != content:
                    yield f"{goldens.title(obj)}: has another content in another variant"

    return check


def check(bundle: goldens.Bundle) -> Iterator[str]:
    yield from resolve(bundle)
    yield from select(bundle)


POD = ("Deployment", "spec", "template", "spec")
SPEC = of("Deployment")["spec"]
OTHER = {"name": "other", "namespace": "relay", "labels": {}}
BROKEN = [
    ("ConfigMap `relay-config` is neither", but("ConfigMap", "metadata", "name", "other")),
    ("Secret `keys` is neither", plus(contract=[])),
    ("does not ask for its key `jwt`", plus(contract=[{"kind": "Secret", "name": "keys"}])),
    ("to which nothing refers", plus(contract=[{"kind": "Secret", "name": "idle"}])),
    ("which is in the set", plus(contract=[{"kind": "ConfigMap", "name": "relay-config"}])),
    ("names something twice", plus(contract=[{"kind": "Secret", "name": "keys"}] * 2)),
    ("ServiceAccount `absent` is neither", but(*POD, "serviceAccountName", "absent")),
    ("PriorityClass `high` is neither", but(*POD, "priorityClassName", "high")),
    ("Namespace `relay` is neither", plus(contract=[])),
    ("Gateway `inner` is neither", but("HTTPRoute", "spec", "parentRefs", 0, "name", "inner")),
    ("Secret `pull` is neither", but(*POD, "imagePullSecrets", [{"name": "pull"}])),
    (
        "PersistentVolumeClaim `logs` is neither",
        but(*POD, "volumes", 1, {"name": "v", "persistentVolumeClaim": {"claimName": "logs"}}),
    ),
    (
        "ConfigMap `relay-config` has no `absent`",
        but(
            *POD,
            "volumes",
            1,
            {"name": "v", "configMap": {"name": "relay-config", "items": [{"key": "absent"}]}},
        ),
    ),
    (
        "StorageClass `fast` is neither",
        plus(of("ConfigMap", kind="PersistentVolumeClaim", spec={"storageClassName": "fast"})),
    ),
    (
        "IngressClass `nginx` is neither",
        plus(of("ConfigMap", kind="Ingress", spec={"ingressClassName": "nginx"})),
    ),
    (
        "Secret `tls` is neither",
        plus(of("ConfigMap", kind="Ingress", spec={"tls": [{"secretName": "tls"}]})),
    ),
    ("CustomResourceDefinition `httproutes", plus(contract=[])),
    (
        "Service `relay` has no `81`",
        but("HTTPRoute", "spec", "rules", 0, "backendRefs", 0, "port", 81),
    ),
    (
        "Service `other` is neither",
        plus(of("Deployment", kind="StatefulSet", spec=SPEC | {"serviceName": "other"})),
    ),
    (
        "Deployment `other` is neither",
        plus(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": OTHER,
                "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "other"}},
            }
        ),
    ),
    ("`other`: its selector matches the pods of", plus(of("Deployment", metadata=OTHER))),
    (
        "`relay`: its selector matches the pods of []",
        but("Deployment", "spec", "selector", {"matchLabels": {"app": "other"}}),
    ),
    (
        "PodDisruptionBudget `relay`: its selector matches the pods of []",
        but("PodDisruptionBudget", "spec", "selector", {"matchLabels": {"app": "other"}}),
    ),
    (
        "not about one workload",
        plus(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": OTHER,
                "spec": {"podSelector": {"matchLabels": {"app": "other"}}},
            }
        ),
    ),
    (
        "Service `relay`: its selector matches the pods of []",
        but("Service", "spec", "selector", {"app": "other"}),
    ),
    ("Service `relay`: its selector", but("Service", "spec", "selector", DELETE)),
    ("opens no port `metrics`", but("Service", "spec", "ports", 0, "targetPort", "metrics")),
    ("is not that of the pods", but("Service", "metadata", "labels", {})),
    (
        "must lead nowhere",
        but("Service/relay-blocked", "spec", "selector", {"app.kubernetes.io/name": "relay"}),
    ),
    ("scrapes 0 Services", but("ServiceMonitor", "spec", "endpoints", 0, "port", "metrics")),
    ("does not look into", but("ServiceMonitor", "metadata", "namespace", "monitoring")),
]


def main() -> int:
    options = goldens.arguments(__doc__).parse_args()
    goldens.prove(check, SOUND, BROKEN)
    remembers = one_meaning()
    list(remembers(plus(of("ConfigMap", immutable=True))))
    changed = plus(of("ConfigMap", immutable=True, data={"LOG_LEVEL": "debug"}))
    goldens.prove(remembers, SOUND, [("another content in another variant", changed)])
    remembers = one_meaning()

    def both(bundle: goldens.Bundle) -> Iterator[str]:
        yield from check(bundle)
        yield from remembers(bundle)

    return goldens.report("references", goldens.bundles(options.root), both)


if __name__ == "__main__":
    sys.exit(main())
