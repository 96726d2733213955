"""The sound example, and how to break it.

Every validator must accept `SOUND` and refuse its own broken copies of it. It is a small bundle of
the kinds and habits that the rendered ones have, written by hand.
"""

import copy
import json
from collections.abc import Iterable

from goldens import Bundle, Manifest

DELETE = object()

NAMES = {"app.kubernetes.io/name": "relay", "app.kubernetes.io/instance": "x"}


def _meta(name: str, **more) -> dict:
    return {"name": name, "namespace": "relay", "labels": dict(NAMES), **more}


def _container(name: str, **more) -> dict:
    amounts = {"cpu": "100m", "memory": "64Mi"}
    return {
        "name": name,
        "image": "registry.example.internal/relay:1",
        "resources": {"limits": dict(amounts), "requests": dict(amounts)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        **more,
    }


_POD = {
    "serviceAccountName": "relay",
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "initContainers": [_container("prepare")],
    "containers": [
        _container(
            "relay",
            ports=[{"name": "http", "containerPort": 3000}],
            envFrom=[{"configMapRef": {"name": "relay-config"}}],
            env=[
                {
                    "name": "JWT_SECRET",
                    "valueFrom": {"secretKeyRef": {"name": "keys", "key": "jwt"}},
                }
            ],
            volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],
        )
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}

_OBJECTS = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta("relay")},
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _meta("relay-config"),
        "data": {"LOG_LEVEL": "info"},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta("relay"),
        "spec": {
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            "selector": dict(NAMES),
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta("relay-blocked"),
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 80}]},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta("relay"),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": dict(NAMES)},
            "template": {"metadata": {"labels": dict(NAMES)}, "spec": _POD},
        },
    },
    {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta("relay"),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(NAMES)}},
    },
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _meta("relay"),
        "spec": {
            "parentRefs": [{"name": "edge"}],
            "hostnames": ["relay.example.internal"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": "relay", "port": 80}],
                }
            ],
        },
    },
    {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": _meta("relay"),
        "spec": {
            "selector": {"matchLabels": dict(NAMES)},
            "endpoints": [{"port": "http", "interval": "30s"}],
        },
    },
]

_INDEX = {
    "format": 1,
    "name": "relay",
    "namespace": "relay",
    "kubernetes": {"min": "1.25", "max": "1.37"},
    "contract": [
        {"kind": "Secret", "name": "keys", "keys": [{"key": "jwt"}]},
        {"kind": "CustomResourceDefinition", "name": "httproutes.gateway.networking.k8s.io"},
        {"kind": "CustomResourceDefinition", "name": "servicemonitors.monitoring.coreos.com"},
        {"kind": "Gateway", "name": "edge"},
        {"kind": "Namespace", "name": "relay"},
    ],
}


def bundle(objects: Iterable[dict], /, **index) -> Bundle:
    """Wraps objects as if they had been rendered. JSON is YAML, so it serves as the file's text."""
    manifests = [
        Manifest(f"manifests/{place:02}.yaml", json.dumps(obj).encode())
        for place, obj in enumerate(objects)
    ]
    return Bundle("control", _INDEX | index, tuple(manifests))


SOUND = bundle(_OBJECTS)


def but(name: str, *path_and_value, **index) -> Bundle:
    """Returns the sound example with one value changed, or removed with `DELETE`.

    `name` is `Kind` or `Kind/name` of the object, then follow the steps to the value and the value.
    """
    kind, _, wanted = name.partition("/")
    objects = copy.deepcopy(_OBJECTS)
    place = next(
        obj for obj in objects if obj["kind"] == kind and wanted in ("", obj["metadata"]["name"])
    )
    *path, last, value = path_and_value
    for step in path:
        place = place[step]
    if value is DELETE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return bundle(objects, **index)


def plus(*objects: dict, **index) -> Bundle:
    """Returns the sound example with more objects in it."""
    return bundle([*_OBJECTS, *objects], **index)


def of(kind: str, /, **changes) -> dict:
    """Returns a copy of the sound example's first object of a kind, with top-level changes."""
    obj = copy.deepcopy(next(obj for obj in _OBJECTS if obj["kind"] == kind))
    return obj | changes
