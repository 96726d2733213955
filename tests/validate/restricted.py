"""Checks every rendered pod template against the Pod Security Standard *restricted*.

Written from the standard, all controls of *baseline* and *restricted*; it reads only the output.
Lists that grew over time are read as they were in the oldest version of the bundle's range, and
the leave that the standard gives to Windows pods and to user namespaces is not given. Beyond the
standard, every container states requests and limits of cpu and memory, unless the variant's profile
leaves those of cpu out.
"""

import sys
from collections.abc import Iterator

import goldens
from control import DELETE, SOUND, but

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
# Name, and the first minor version whose standard allows it.
SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_keepalive_time": 29,
}
SELINUX_TYPES = {
    "": 0,
    "container_t": 0,
    "container_init_t": 0,
    "container_kvm_t": 0,
    "container_engine_t": 31,
}
# Variants whose profile leaves amounts of cpu out.
WITHOUT_CPU = {"platform-assigns-users"}
CONFINED = ("RuntimeDefault", "Localhost")
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")


def contexts(pod: dict) -> Iterator[tuple[str, dict]]:
    """Yields every security context of a pod with the name of its owner."""
    yield "pod", pod.get("securityContext") or {}
    for _, container in goldens.containers(pod):
        yield f"container `{container['name']}`", container.get("securityContext") or {}


def host(pod: dict) -> Iterator[str]:
    """Nothing of the node: namespaces, ports, processes, files."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} is set"
    for volume in pod.get("volumes") or []:
        sources = volume.keys() - {"name"}
        if not sources or sources - VOLUMES:
            yield f"volume `{volume['name']}` is of a forbidden type"
    for owner, context in contexts(pod):
        if (context.get("windowsOptions") or {}).get("hostProcess"):
            yield f"{owner}: hostProcess is set"
    for _, container in goldens.containers(pod):
        for port in container.get("ports") or []:
            if port.get("hostPort"):
                yield f"container `{container['name']}`: hostPort is set"
        for handler in handlers(container):
            for kind in ("httpGet", "tcpSocket"):
                if (handler.get(kind) or {}).get("host"):
                    yield f"container `{container['name']}`: a probe or hook names a host"


def handlers(container: dict) -> Iterator[dict]:
    for name in HANDLERS:
        yield container.get(name) or {}
    yield from (container.get("lifecycle") or {}).values()


def kernel(minor: int, template: dict) -> Iterator[str]:
    """The confinement that the kernel gives: AppArmor, SELinux, seccomp, /proc, sysctls."""
    pod = template["spec"]
    for key, value in ((template.get("metadata") or {}).get("annotations") or {}).items():
        fine = value == "runtime/default" or value.startswith("localhost/")
        if key.startswith(APPARMOR) and not fine:
            yield f"annotation `{key}` takes AppArmor away"
    for owner, context in contexts(pod):
        if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in CONFINED:
            yield f"{owner}: appArmorProfile is unconfined"
        selinux = context.get("seLinuxOptions") or {}
        if SELINUX_TYPES.get(selinux.get("type", ""), minor + 1) > minor:
            yield f"{owner}: seLinuxOptions.type is not a container's"
        if selinux.get("user") or selinux.get("role"):
            yield f"{owner}: seLinuxOptions names a user or role"
        if context.get("procMount", "Default") != "Default":
            yield f"{owner}: procMount is not Default"
        if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in CONFINED:
            yield f"{owner}: seccompProfile is unconfined"
        for sysctl in context.get("sysctls") or []:
            if SYSCTLS.get(sysctl["name"], minor + 1) > minor:
                yield f"{owner}: sysctl `{sysctl['name']}` is not a safe one"


def privileges(pod: dict) -> Iterator[str]:
    """No root, no way to it; seccomp said for every container, by it or by its pod."""
    shared = pod.get("securityContext") or {}
    if shared.get("runAsUser") == 0:
        yield "pod: runAsUser is 0"
    for _, container in goldens.containers(pod):
        owner = f"container `{container['name']}`"
        own = container.get("securityContext") or {}
        if own.get("privileged"):
            yield f"{owner}: privileged is set"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{owner}: allowPrivilegeEscalation is not false"
        if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
            yield f"{owner}: runAsNonRoot is not true"
        if own.get("runAsUser") == 0:
            yield f"{owner}: runAsUser is 0"
        if not (own.get("seccompProfile") or shared.get("seccompProfile")):
            yield f"{owner}: no seccompProfile"
        capabilities = own.get("capabilities") or {}
        if "ALL" not in (capabilities.get("drop") or []):
            yield f"{owner}: capabilities.drop lacks ALL"
        if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
            yield f"{owner}: capabilities.add has more than NET_BIND_SERVICE"


def amounts(pod: dict, wanted: tuple[str, ...]) -> Iterator[str]:
    for _, container in goldens.containers(pod):
        resources = container.get("resources") or {}
        for bound in ("requests", "limits"):
            for resource in wanted:
                if resource not in (resources.get(bound) or {}):
                    yield f"container `{container['name']}`: no resources.{bound}.{resource}"


def check(bundle: goldens.Bundle) -> Iterator[str]:
    for obj in bundle.objects:
        template = goldens.pod_template(obj)
        if template is None:
            continue
        pod = template["spec"]
        wanted = ("memory",) if bundle.name in WITHOUT_CPU else ("cpu", "memory")
        wrong = (
            host(pod),
            kernel(bundle.kubernetes[0], template),
            privileges(pod),
            amounts(pod, wanted),
        )
        for sentences in wrong:
            yield from (f"{goldens.title(obj)}: {sentence}" for sentence in sentences)


def pod(*path_and_value) -> goldens.Bundle:
    return but("Deployment", "spec", "template", "spec", *path_and_value)


def main_container(*path_and_value) -> goldens.Bundle:
    return pod("containers", 0, *path_and_value)


def init_context(field: str, value) -> goldens.Bundle:
    return pod("initContainers", 0, "securityContext", field, value)


BROKEN = [
    ("hostNetwork is set", pod("hostNetwork", True)),
    ("hostPID is set", pod("hostPID", True)),
    ("hostIPC is set", pod("hostIPC", True)),
    ("forbidden type", pod("volumes", 0, {"name": "tmp", "hostPath": {"path": "/"}})),
    ("forbidden type", pod("volumes", 0, {"name": "tmp"})),
    ("hostProcess is set", pod("securityContext", "windowsOptions", {"hostProcess": True})),
    ("hostPort is set", main_container("ports", 0, "hostPort", 80)),
    ("names a host", main_container("livenessProbe", {"httpGet": {"host": "a", "port": 80}})),
    ("names a host", main_container("lifecycle", {"preStop": {"tcpSocket": {"host": "a"}}})),
    (
        "takes AppArmor away",
        but(
            "Deployment",
            "spec",
            "template",
            "metadata",
            "annotations",
            {APPARMOR + "relay": "unconfined"},
        ),
    ),
    ("appArmorProfile is unconfined", init_context("appArmorProfile", {"type": "Unconfined"})),
    ("is not a container's", init_context("seLinuxOptions", {"type": "spc_t"})),
    ("is not a container's", init_context("seLinuxOptions", {"type": "container_engine_t"})),
    ("names a user or role", init_context("seLinuxOptions", {"role": "sysadm_r"})),
    ("procMount is not Default", init_context("procMount", "Unmasked")),
    ("seccompProfile is unconfined", init_context("seccompProfile", {"type": "Unconfined"})),
    ("no seccompProfile", pod("securityContext", "seccompProfile", DELETE)),
    (
        "not a safe one",
        pod("securityContext", "sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    ),
    (
        "not a safe one",
        pod("securityContext", "sysctls", [{"name": "net.ipv4.tcp_fin_timeout", "value": "1"}]),
    ),
    ("pod: runAsUser is 0", pod("securityContext", "runAsUser", 0)),
    ("`prepare`: runAsUser is 0", init_context("runAsUser", 0)),
    ("privileged is set", init_context("privileged", True)),
    ("allowPrivilegeEscalation is not false", init_context("allowPrivilegeEscalation", DELETE)),
    ("runAsNonRoot is not true", pod("securityContext", "runAsNonRoot", DELETE)),
    ("`prepare`: runAsNonRoot is not true", init_context("runAsNonRoot", False)),
    ("drop lacks ALL", init_context("capabilities", {"drop": ["NET_RAW"]})),
    (
        "more than NET_BIND_SERVICE",
        init_context("capabilities", {"drop": ["ALL"], "add": ["CHOWN"]}),
    ),
    (
        "`prepare`: no resources.limits.memory",
        pod("initContainers", 0, "resources", "limits", "memory", DELETE),
    ),
    ("`relay`: no resources.requests.cpu", main_container("resources", "requests", DELETE)),
]


def main() -> int:
    options = goldens.arguments(__doc__).parse_args()
    goldens.prove(check, SOUND, BROKEN)
    return goldens.report("pod security", goldens.bundles(options.root), check)


if __name__ == "__main__":
    sys.exit(main())
