"""What the validators share: reading rendered bundles, and one way to run and to report.

A validator reads only what was rendered (`bundle.json` and `manifests/*.yaml`), never the program
or its profiles, so that it cannot repeat the program's mistakes. Each one is a function from a
`Bundle` to sentences about what is wrong. Before it reads anything it must find fault with each of
its broken examples and none with the sound one: a validator that accepts everything stops here.
"""

import argparse
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

# A fault of the renderer shows in every variant; a few of them tell which.
SHOWN_MAX = 40

Check = Callable[["Bundle"], Iterable[str]]


class UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads YAML as PyYAML does, but refuses a mapping that names a key twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key `{key}` occurs twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


@functools.cache
def parse(text: bytes) -> dict:
    """Returns the one object that a manifest holds. Variants share most files, hence the cache."""
    value = yaml.load(text, Loader=UniqueKeys)
    if not isinstance(value, dict) or not {"apiVersion", "kind", "metadata"} <= value.keys():
        raise ValueError("not a Kubernetes object")
    return value


@dataclass(frozen=True)
class Manifest:
    """One rendered file."""

    file: str
    text: bytes

    @property
    def object(self) -> dict:
        return parse(self.text)


@dataclass(frozen=True)
class Bundle:
    """One rendered variant: its index and its manifests in the order of their names."""

    name: str
    index: dict
    manifests: tuple[Manifest, ...]

    @property
    def objects(self) -> list[dict]:
        return [manifest.object for manifest in self.manifests]

    @property
    def kubernetes(self) -> range:
        """The minor versions of Kubernetes 1 on which this bundle must run."""
        ends = self.index["kubernetes"]
        return range(minor(ends["min"]), minor(ends["max"]) + 1)


def minor(version: str) -> int:
    match = re.fullmatch(r"1\.(\d+)", version)
    if not match:
        raise ValueError(f"`{version}` is not a Kubernetes version such as 1.29")
    return int(match[1])


def bundles(root: Path) -> Iterator[Bundle]:
    """Reads every folder below `root` that has a `bundle.json`."""
    for index in sorted(root.rglob("bundle.json")):
        folder = index.parent
        files = sorted((folder / "manifests").glob("*.yaml"))
        yield Bundle(
            name=str(folder.relative_to(root)),
            index=json.loads(index.read_bytes()),
            manifests=tuple(Manifest(f"manifests/{f.name}", f.read_bytes()) for f in files),
        )


def title(obj: dict) -> str:
    """Returns how an object is called in a message."""
    return f"{obj['kind']} `{obj['metadata'].get('name')}`"


def pod_template(obj: dict) -> dict | None:
    """Returns the pod template of a workload, nothing for other kinds."""
    if obj["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"):
        return obj["spec"]["template"]
    if obj["kind"] == "CronJob":
        return obj["spec"]["jobTemplate"]["spec"]["template"]
    return obj if obj["kind"] == "Pod" else None


def containers(pod: dict) -> Iterator[tuple[str, dict]]:
    """Yields each container of a pod's spec with the list that it is in."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(field) or []:
            yield field, container


def prove(check: Check, sound: Bundle, broken: Iterable[tuple[str, Bundle]]) -> None:
    """Stops the program unless `check` tells the broken examples from the sound one."""
    wrong = list(check(sound))
    if wrong:
        sys.exit(f"control: the sound example is refused: {wrong[0]}")
    for expected, bundle in broken:
        found = list(check(bundle))
        if not any(expected in sentence for sentence in found):
            sys.exit(f"control: nothing says `{expected}` about a broken example, but {found}")


def report(name: str, read: Iterable[Bundle], check: Check, also: str = "") -> int:
    """Applies a check to every bundle, prints what is wrong, and returns the exit code."""
    variants = objects = 0
    problems: list[str] = []
    for bundle in read:
        variants += 1
        objects += len(bundle.manifests)
        sentences = list(check(bundle)) if bundle.manifests else ["no manifests"]
        problems += [f"{bundle.name}: {sentence}" for sentence in sentences]
    if not variants:
        problems.append("no folder with a bundle.json")
    for problem in problems[:SHOWN_MAX]:
        print(problem, file=sys.stderr)
    if len(problems) > SHOWN_MAX:
        print(f"... and {len(problems) - SHOWN_MAX} more", file=sys.stderr)
    print(f"{name}: {objects} objects of {variants} variants{also}: {len(problems)} problems")
    return 1 if problems else 0


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("root", type=Path, help="folder whose sub-folders hold a bundle.json")
    return parser
