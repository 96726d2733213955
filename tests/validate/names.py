"""Checks that keys, names, labels and ports of rendered objects are legal and unique.

What a schema cannot say: lengths and forms of names, label values, duplicates, and an index that
lists exactly the files that are there.
"""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator

import goldens
from control import SOUND, but, of, plus

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Kubernetes limits the whole name to 253 characters, not the parts between dots to 63.
PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"(?=.{{1,253}}$){PART}(\.{PART})*"
QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
KEY = rf"({SUBDOMAIN.replace('$', '/')}/)?{QUALIFIED}"
SERVICE = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
CONFIG_KEY = r"(?!\.\.)[-._a-zA-Z0-9]{1,253}"
PORT_NAME = r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?"
# `<name>-0` is a pod's label and `<name>-<hash of up to 10>` a revision's.
STATEFUL_NAME_MAX = 52


def fits(pattern: str, text) -> bool:
    return isinstance(text, str) and re.fullmatch(pattern, text) is not None


def key(obj: dict, namespace: str) -> tuple:
    """Returns what makes an object one object to a server: the version is not part of it."""
    group = obj["apiVersion"].rpartition("/")[0]
    return (
        group,
        obj["kind"],
        obj["metadata"].get("namespace", namespace),
        obj["metadata"]["name"],
    )


def name(obj: dict) -> Iterator[str]:
    text = obj["metadata"].get("name")
    if not fits(SERVICE if obj["kind"] == "Service" else SUBDOMAIN, text):
        yield f"name `{text}` is not a legal one"
    elif obj["kind"] == "StatefulSet" and len(text) > STATEFUL_NAME_MAX:
        yield f"name `{text}` has more than {STATEFUL_NAME_MAX} characters"
    if obj["kind"] != "Namespace" and not fits(LABEL, obj["metadata"].get("namespace")):
        yield "no explicit namespace"


def metadata(obj: dict) -> Iterator[str]:
    """Labels, selectors and annotations of an object and of the pod template in it."""
    spec = obj.get("spec") or {}
    template = goldens.pod_template(obj) or {}
    selector = spec.get("selector") or {}
    labels = [obj["metadata"].get("labels"), (template.get("metadata") or {}).get("labels")]
    labels.append(selector if obj["kind"] == "Service" else selector.get("matchLabels"))
    for group in labels:
        for label, value in (group or {}).items():
            if not fits(KEY, label):
                yield f"label `{label}` is not a legal key"
            if not fits(rf"({QUALIFIED})?", value):
                yield f"label `{label}` has the illegal value `{value}`"
    for holder in (obj["metadata"], template.get("metadata") or {}):
        for annotation, value in (holder.get("annotations") or {}).items():
            if not fits(KEY, annotation) or not isinstance(value, str):
                yield f"annotation `{annotation}` is not legal"


def data(obj: dict) -> Iterator[str]:
    if obj["kind"] in ("ConfigMap", "Secret"):
        for field in ("data", "binaryData", "stringData"):
            for entry in obj.get(field) or {}:
                if not fits(CONFIG_KEY, entry):
                    yield f"key `{entry}` of {field} is not a legal one"


def twice(values) -> list:
    return [value for value, count in Counter(values).items() if count > 1]


def pod(obj: dict) -> Iterator[str]:
    """What must be unique or present within one pod."""
    spec = (goldens.pod_template(obj) or {}).get("spec") or {}
    containers = [container for _, container in goldens.containers(spec)]
    volumes = [volume["name"] for volume in spec.get("volumes") or []]
    claims = (obj.get("spec") or {}).get("volumeClaimTemplates") or []
    mountable = set(volumes) | {claim["metadata"]["name"] for claim in claims}
    for repeated in twice(container["name"] for container in containers):
        yield f"container `{repeated}` occurs twice"
    for repeated in twice(volumes):
        yield f"volume `{repeated}` occurs twice"
    for container in containers:
        owner = f"container `{container['name']}`"
        if not fits(LABEL, container["name"]):
            yield f"{owner}: not a legal name"
        for repeated in twice(variable["name"] for variable in container.get("env") or []):
            yield f"{owner}: variable `{repeated}` occurs twice"
        mounts = container.get("volumeMounts") or []
        for repeated in twice(mount["mountPath"].rstrip("/") for mount in mounts):
            yield f"{owner}: `{repeated}` is mounted twice"
        for mount in mounts:
            if mount["name"] not in mountable:
                yield f"{owner}: no volume `{mount['name']}`"
    serving = [port for container in containers for port in container.get("ports") or []]
    for port in serving:
        if "name" in port and not fits(PORT_NAME, port["name"]):
            yield f"port `{port['name']}` is not a legal name"
    for repeated in twice(port["name"] for port in serving if "name" in port):
        yield f"port `{repeated}` occurs twice"
    for number, protocol in twice((p["containerPort"], p.get("protocol", "TCP")) for p in serving):
        yield f"port {number}/{protocol} occurs twice"


def index(bundle: goldens.Bundle) -> Iterator[str]:
    """bundle.json lists exactly the files, and says of each what it is."""
    listed = {entry["file"]: entry for entry in bundle.index.get("objects", [])}
    if bundle.name == "control" and not listed:
        return
    files = {manifest.file: manifest for manifest in bundle.manifests}
    for file in sorted(listed.keys() ^ files.keys()):
        yield f"{file}: in only one of bundle.json and manifests/"
    for file in sorted(listed.keys() & files.keys()):
        entry, obj = listed[file], files[file].object
        # Objects of the cluster have the empty namespace there.
        said = (entry["apiVersion"], entry["kind"], entry["namespace"], entry["name"])
        meta = obj["metadata"]
        if said != (obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"]):
            yield f"{file}: bundle.json says {said}"
        digest = hashlib.sha256(files[file].text).hexdigest()
        if entry["sha256"].removeprefix("sha256:") != digest:
            yield f"{file}: bundle.json says another sha256"


def check(bundle: goldens.Bundle) -> Iterator[str]:
    keys = Counter(key(obj, bundle.index["namespace"]) for obj in bundle.objects)
    for repeated, count in keys.items():
        if count > 1:
            yield f"{repeated[1]} `{repeated[3]}` occurs {count} times"
    for obj in bundle.objects:
        for rule in (name, metadata, data, pod):
            yield from (f"{goldens.title(obj)}: {sentence}" for sentence in rule(obj))
    yield from index(bundle)


CONTAINER = ("Deployment", "spec", "template", "spec", "containers", 0)
CONFIG = of("ConfigMap")
META = {"name": "a", "namespace": "relay"}
BROKEN = [
    ("occurs 2 times", plus(of("Deployment", apiVersion="apps/v1beta1"))),
    ("not a legal one", but("ConfigMap", "metadata", "name", "a" * 254)),
    ("not a legal one", but("Service", "metadata", "name", "a" * 64)),
    ("not a legal one", but("Service", "metadata", "name", "1relay")),
    ("not a legal one", but("ConfigMap", "metadata", "name", "Relay")),
    (
        "more than 52",
        plus(of("Deployment", kind="StatefulSet", metadata=META | {"name": "a" * 53})),
    ),
    ("no explicit namespace", plus(of("ConfigMap", metadata={"name": "a"}))),
    ("illegal value", but("ConfigMap", "metadata", "labels", {"app": "a b"})),
    ("illegal value", but("Deployment", "spec", "template", "metadata", "labels", {"app": "-a"})),
    ("illegal value", but("Service", "spec", "selector", {"app": "a" * 64})),
    ("not a legal key", but("ConfigMap", "metadata", "labels", {"a/b/c": "d"})),
    ("is not legal", but("ConfigMap", "metadata", "annotations", {"a b": "c"})),
    ("key `a b` of data", but("ConfigMap", "data", {"a b": "c"})),
    ("variable `JWT_SECRET` occurs twice", but(*CONTAINER, "env", [{"name": "JWT_SECRET"}] * 2)),
    ("no volume `logs`", but(*CONTAINER, "volumeMounts", 0, "name", "logs")),
    ("mounted twice", but(*CONTAINER, "volumeMounts", 1, {"name": "tmp", "mountPath": "/tmp/"})),
    ("container `prepare` occurs twice", but(*CONTAINER, "name", "prepare")),
    ("port 3000/TCP occurs twice", but(*CONTAINER, "ports", [{"containerPort": 3000}] * 2)),
    ("not a legal name", but(*CONTAINER, "ports", 0, "name", "a-name-of-16-let")),
    (
        "in only one of",
        plus(objects=[{"file": "manifests/99.yaml"}]),
    ),
    (
        "says another sha256",
        plus(
            objects=[
                {
                    "file": "manifests/00.yaml",
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "namespace": "relay",
                    "name": "relay",
                    "sha256": "0" * 64,
                }
            ]
        ),
    ),
]


def main() -> int:
    options = goldens.arguments(__doc__).parse_args()
    goldens.prove(check, SOUND, BROKEN)
    return goldens.report("names", goldens.bundles(options.root), check)


if __name__ == "__main__":
    sys.exit(main())
