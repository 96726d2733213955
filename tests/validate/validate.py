"""Validates every rendered object strictly against the published schemas of Kubernetes.

The schemas are those of kubernetes-validate, in its strict form (an unknown field is an error); a
kind without a schema is an error too, unlike in that tool. Each bundle is read by the versions
asked for that lie in its range, and by both ends of the range. Versions before 1.25 have no schema
there: `served.py` knows what they serve. Custom resources have closed schemas beside this file,
which hold the fields that a bundle may use and no more.
"""

import functools
import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import referencing
from jsonschema import Draft202012Validator

import goldens
from control import DELETE, SOUND, but, plus

KUBERNETES = files("kubernetes_validate") / "kubernetes-json-schema"
CUSTOM = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): "httproute.json",
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "servicemonitor.json",
}
MINORS = [minor for minor in range(25, 100) if (KUBERNETES / f"v1.{minor}.0-local-strict").is_dir()]


@functools.cache
def definitions(minor: int) -> referencing.Registry:
    text = (KUBERNETES / f"v1.{minor}.0-local-strict" / "_definitions.json").read_text()
    resource = referencing.Resource.from_contents(json.loads(text))
    return (resource @ referencing.Registry()).crawl()


@functools.cache
def schema(minor: int, api_version: str, kind: str) -> Draft202012Validator | None:
    custom = CUSTOM.get((api_version, kind))
    if custom:
        source = Path(__file__).parent / "schemas" / custom
    else:
        group, _, version = api_version.rpartition("/")
        stem = "-".join(filter(None, [kind.lower(), group.split(".")[0], version]))
        source = KUBERNETES / f"v1.{minor}.0-local-strict" / f"{stem}.json"
        if not source.is_file():
            return None
    contents = json.loads(source.read_text())
    resource = referencing.Resource.from_contents(contents)
    return Draft202012Validator(contents, registry=resource @ definitions(minor))


@functools.cache
def faults(minor: int, text: bytes) -> tuple[str, ...]:
    """Returns what is wrong with one manifest. Variants share most files, hence the cache."""
    obj = goldens.parse(text)
    validator = schema(minor, obj["apiVersion"], obj["kind"])
    if validator is None:
        return (f"no {obj['kind']} in {obj['apiVersion']}",)
    wrong = [f"{where(e.absolute_path)}: {e.message[:300]}" for e in validator.iter_errors(obj)]
    return (*wrong, *(f"{where(path)}: null says nothing" for path in nulls(obj)))


def where(path) -> str:
    return ".".join(str(step) for step in path) or "object"


def nulls(value, path=()) -> Iterator[tuple]:
    """The schemas allow null everywhere; a server drops it, so that it only looks like a value."""
    if value is None:
        yield path
    steps = value.items() if isinstance(value, dict) else ()
    steps = enumerate(value) if isinstance(value, list) else steps
    for step, inner in steps:
        yield from nulls(inner, (*path, step))


def versions(bundle: goldens.Bundle, asked: list[int]) -> list[int]:
    span = bundle.kubernetes
    ends = {max(span[0], MINORS[0]), min(span[-1], MINORS[-1])}
    return [minor for minor in MINORS if minor in span and (minor in ends or minor in asked)]


def check(asked: list[int], bundle: goldens.Bundle) -> Iterator[str]:
    if bundle.kubernetes[-1] > MINORS[-1]:
        yield f"its range ends at 1.{bundle.kubernetes[-1]}, the schemas at 1.{MINORS[-1]}"
    for minor in versions(bundle, asked):
        for manifest in bundle.manifests:
            for fault in faults(minor, manifest.text):
                yield f"{manifest.file} ({goldens.title(manifest.object)}) on 1.{minor}: {fault}"


POD = ("spec", "template", "spec")
BROKEN = [
    ("'hostNetwrk' was unexpected", but("Deployment", *POD, "hostNetwrk", True)),
    ("is not of type 'integer'", but("Deployment", "spec", "replicas", "1")),
    ("'containers' is a required property", but("Deployment", *POD, "containers", DELETE)),
    ("null says nothing", but("Deployment", *POD, "nodeSelector", None)),
    ("no Deployment in apps/v2", but("Deployment", "apiVersion", "apps/v2")),
    ("'paht' was unexpected", but("HTTPRoute", "spec", "rules", 0, "matches", 0, "paht", {})),
    ("'scrape' was unexpected", but("ServiceMonitor", "spec", "endpoints", 0, "scrape", "1s")),
    ("does not match", but("ServiceMonitor", "spec", "endpoints", 0, "interval", "30")),
    ("the schemas at", plus(kubernetes={"min": "1.25", "max": "1.99"})),
    (
        "on 1.29",
        but("Deployment", *POD, "resources", {}, kubernetes={"min": "1.29", "max": "1.30"}),
    ),
]


def main() -> int:
    parser = goldens.arguments(__doc__)
    parser.add_argument("--versions", default="1.25,1.29,1.33,1.37", help="comma-separated")
    options = parser.parse_args()
    asked = [goldens.minor(version) for version in options.versions.split(",")]
    missing = set(asked) - set(MINORS)
    if missing:
        sys.exit(f"no schemas of 1.{min(missing)}; there are 1.{MINORS[0]} to 1.{MINORS[-1]}")
    goldens.prove(functools.partial(check, asked), SOUND, BROKEN)
    bundles = list(goldens.bundles(options.root))
    total = sum(len(bundle.manifests) * len(versions(bundle, asked)) for bundle in bundles)
    used = sorted({minor for bundle in bundles for minor in versions(bundle, asked)})
    also = f", {total} validations on 1.{{{','.join(map(str, used))}}}"
    return goldens.report("schemas", bundles, functools.partial(check, asked), also)


if __name__ == "__main__":
    sys.exit(main())
