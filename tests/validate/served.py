"""Checks that every version of a bundle's range serves its objects and knows their fields.

Schemas before 1.25 are not published in the form that `validate.py` reads, and even a later schema
holds fields that a server of that version drops, because their feature gate is off by default. So
two tables, from the release notes of Kubernetes: what is served from when to when, and from when a
younger field is kept.
"""

import sys
from collections.abc import Iterator

import goldens
from control import SOUND, but, of, plus

ALWAYS = (0, None)
# (apiVersion, kind): first and last minor version that serves it.
SERVED = {
    ("v1", "ConfigMap"): ALWAYS,
    ("v1", "Namespace"): ALWAYS,
    ("v1", "PersistentVolumeClaim"): ALWAYS,
    ("v1", "Secret"): ALWAYS,
    ("v1", "Service"): ALWAYS,
    ("v1", "ServiceAccount"): ALWAYS,
    ("apps/v1", "Deployment"): (9, None),
    ("apps/v1", "StatefulSet"): (9, None),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): (2, None),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): (8, 24),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): (12, 25),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): (23, None),
    ("extensions/v1beta1", "Ingress"): (1, 21),
    ("networking.k8s.io/v1beta1", "Ingress"): (14, 21),
    ("networking.k8s.io/v1", "Ingress"): (19, None),
    ("networking.k8s.io/v1", "NetworkPolicy"): (7, None),
    ("policy/v1beta1", "PodDisruptionBudget"): (5, 24),
    ("policy/v1", "PodDisruptionBudget"): (21, None),
    # Custom resources: served wherever their CRD is, which the contract asks for.
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ALWAYS,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ALWAYS,
}

# Path in a pod's spec, and the first minor version that keeps the field by default. `*` stands for
# every element of a list, `~` for a dot in a key; what follows `=` restricts the row to that value.
POD_FIELDS = (
    {
        "hostUsers": 33,
        "os": 24,
        "resourceClaims": 34,
        "resources": 34,
        "schedulingGates": 27,
        "setHostnameAsFQDN": 20,
        "securityContext.appArmorProfile": 30,
        "securityContext.fsGroupChangePolicy": 20,
        "securityContext.seLinuxChangePolicy": 33,
        "securityContext.supplementalGroupsPolicy": 33,
        "topologySpreadConstraints.*.matchLabelKeys": 27,
        "topologySpreadConstraints.*.minDomains": 27,
        "topologySpreadConstraints.*.nodeAffinityPolicy": 26,
        "topologySpreadConstraints.*.nodeTaintsPolicy": 26,
        "volumes.*.ephemeral": 21,
        "volumes.*.image": 35,
        "initContainers.*.restartPolicy": 29,
        "containers.*.restartPolicy": 35,
    }
    | {
        f"{containers}.*.{field}": since
        for containers in ("initContainers", "containers")
        for field, since in {
            "lifecycle.postStart.sleep": 30,
            "lifecycle.preStop.sleep": 30,
            "livenessProbe.grpc": 24,
            "livenessProbe.terminationGracePeriodSeconds": 25,
            "readinessProbe.grpc": 24,
            "resizePolicy": 33,
            "securityContext.appArmorProfile": 30,
            "startupProbe.grpc": 24,
            "startupProbe.terminationGracePeriodSeconds": 25,
            "volumeMounts.*.recursiveReadOnly": 31,
        }.items()
    }
    | {
        f"affinity.{affinity}.{term}.{field}": since
        for affinity in ("podAffinity", "podAntiAffinity")
        for term in (
            "requiredDuringSchedulingIgnoredDuringExecution.*",
            "preferredDuringSchedulingIgnoredDuringExecution.*.podAffinityTerm",
        )
        for field, since in {
            "matchLabelKeys": 31,
            "mismatchLabelKeys": 31,
            "namespaceSelector": 22,
        }.items()
    }
)
POD = "spec.template.spec."
CLAIM_FIELDS = {
    "accessModes.*=ReadWriteOncePod": 27,
    "dataSourceRef": 24,
    "volumeAttributesClassName": 34,
}
# The label that namespaces get by themselves; a selector on it matches nothing before.
NAMESPACE_NAME = "namespaceSelector.matchLabels.kubernetes~io/metadata~name"
FIELDS = {
    "Deployment": {POD + path: since for path, since in POD_FIELDS.items()},
    "StatefulSet": {POD + path: since for path, since in POD_FIELDS.items()}
    | {f"spec.volumeClaimTemplates.*.spec.{path}": since for path, since in CLAIM_FIELDS.items()}
    | {
        "spec.minReadySeconds": 23,
        "spec.ordinals": 27,
        "spec.persistentVolumeClaimRetentionPolicy": 27,
        "spec.updateStrategy.rollingUpdate.maxUnavailable": 35,
    },
    "PersistentVolumeClaim": {f"spec.{path}": since for path, since in CLAIM_FIELDS.items()},
    "Service": {
        "spec.allocateLoadBalancerNodePorts": 22,
        "spec.internalTrafficPolicy": 22,
        "spec.ipFamilies": 21,
        "spec.ipFamilyPolicy": 21,
        "spec.loadBalancerClass": 22,
        "spec.trafficDistribution": 31,
    },
    "HorizontalPodAutoscaler": {
        "spec.metrics.*.containerResource": 27,
        "spec.behavior.scaleDown.tolerance": 35,
        "spec.behavior.scaleUp.tolerance": 35,
    },
    "NetworkPolicy": {
        "spec.egress.*.ports.*.endPort": 22,
        "spec.ingress.*.ports.*.endPort": 22,
        f"spec.egress.*.to.*.{NAMESPACE_NAME}": 21,
        f"spec.ingress.*.from.*.{NAMESPACE_NAME}": 21,
    },
    "PodDisruptionBudget": {"spec.unhealthyPodEvictionPolicy": 27},
}


def has(value, path: str) -> bool:
    """Tells whether an object has the field that a row of the tables names."""
    path, _, wanted = path.partition("=")
    found = [value]
    for step in (step.replace("~", ".") for step in path.split(".")):
        if step == "*":
            found = [item for value in found if isinstance(value, list) for item in value]
        else:
            found = [value[step] for value in found if isinstance(value, dict) and step in value]
    return wanted in found if wanted else bool(found)


def check(bundle: goldens.Bundle) -> Iterator[str]:
    span = bundle.kubernetes
    for obj in bundle.objects:
        first, last = SERVED.get((obj["apiVersion"], obj["kind"]), (None, None))
        if first is None:
            yield f"{goldens.title(obj)}: {obj['apiVersion']} is not in the table of served APIs"
            continue
        if span[0] < first:
            yield f"{goldens.title(obj)}: {obj['apiVersion']} is not served on 1.{span[0]}"
        if last is not None and span[-1] > last:
            yield f"{goldens.title(obj)}: {obj['apiVersion']} is no longer served on 1.{span[-1]}"
        for path, since in FIELDS.get(obj["kind"], {}).items():
            if span[0] < since and has(obj, path):
                yield f"{goldens.title(obj)}: 1.{span[0]} does not keep {path}"


OLD = {"kubernetes": {"min": "1.20", "max": "1.24"}}
TO_KUBE_SYSTEM = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
}
BROKEN = [
    ("policy/v1 is not served on 1.20", plus(**OLD)),
    (
        "no longer served on 1.37",
        but("PodDisruptionBudget", "apiVersion", "policy/v1beta1"),
    ),
    ("not in the table", but("Deployment", "apiVersion", "apps/v1beta1")),
    (
        "1.25 does not keep spec.template.spec.initContainers.*.restartPolicy",
        but(
            "Deployment", "spec", "template", "spec", "initContainers", 0, "restartPolicy", "Always"
        ),
    ),
    (
        "does not keep spec.egress",
        plus(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "dns"},
                "spec": {"egress": [{"to": [TO_KUBE_SYSTEM]}]},
            },
            **OLD,
        ),
    ),
    (
        "does not keep spec.accessModes.*=ReadWriteOncePod",
        plus(
            of(
                "ConfigMap",
                kind="PersistentVolumeClaim",
                spec={"accessModes": ["ReadWriteOncePod"]},
            )
        ),
    ),
]


def main() -> int:
    options = goldens.arguments(__doc__).parse_args()
    goldens.prove(check, SOUND, BROKEN)
    return goldens.report("served APIs", goldens.bundles(options.root), check)


if __name__ == "__main__":
    sys.exit(main())
