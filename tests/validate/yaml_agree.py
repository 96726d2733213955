"""Checks that independent YAML readers see the same tree in every rendered manifest.

Readers differ where YAML does: `yes`, `1_000`, `0o17`, `1e3` or `2026-01-01` without quotes are text
to one and something else to the next. Three readers are asked: PyYAML (YAML 1.1), ruamel.yaml (YAML
1.2) and kubectl itself (Go). With `--binary` the profiles are rendered too, and the readers must see
what the program says with `--json`. The files must also be of the plain form that we promise: one
document, UTF-8, LF, no anchors, aliases, tags or duplicate keys.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import ruamel.yaml
import yaml

import goldens
from control import SOUND

READER = "kubectl"


def canonical(value) -> str:
    """Returns text that differs whenever two trees do: `1`, `1.0`, `true` and `"1"` are four."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=repr)


@functools.cache
def by_pyyaml(text: bytes) -> str:
    return canonical(goldens.parse(text))


@functools.cache
def by_ruamel(text: bytes) -> str:
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    return canonical(reader.load(text.decode()))


def by_kubectl(kubectl: str, texts: Iterable[bytes]) -> dict[bytes, str]:
    """Reads all manifests with one call. An empty local patch asks no server and changes nothing."""
    texts = sorted(set(texts))
    with tempfile.TemporaryDirectory() as folder:
        for place, text in enumerate(texts):
            Path(folder, f"{place:08}.yaml").write_bytes(text)
        command = [kubectl, "patch", "--local", "--type=merge", "--patch={}", "-o=json"]
        run = subprocess.run(
            [*command, f"--filename={folder}"],
            env={"PATH": os.environ["PATH"], "HOME": folder, "KUBECONFIG": os.devnull},
            capture_output=True,
            check=False,
        )
    if run.returncode:
        sys.exit(f"kubectl: {run.stderr.decode().strip()}")
    trees, rest = [], run.stdout.decode().lstrip()
    while rest:
        tree, end = json.JSONDecoder().raw_decode(rest)
        trees.append(tree)
        rest = rest[end:].lstrip()
    if len(trees) != len(texts):
        sys.exit(f"kubectl: read {len(trees)} objects from {len(texts)} manifests")
    return dict(zip(texts, map(canonical, trees), strict=True))


@functools.cache
def form(text: bytes) -> tuple[str, ...]:
    """Returns in what a file is not of the plain form."""
    wrong = []
    if text.startswith(b"\xef\xbb\xbf") or b"\r" in text or not text.endswith(b"\n"):
        wrong.append("not plain lines that end with LF")
    documents = 0
    for event in yaml.parse(text):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if getattr(event, "anchor", None) or getattr(event, "tag", None):
            wrong.append(f"line {event.start_mark.line + 1}: an anchor, alias or tag")
    if documents != 1:
        wrong.append(f"{documents} documents")
    return tuple(wrong)


def check(kubectl: dict[bytes, str], bundle: goldens.Bundle) -> Iterator[str]:
    for manifest in bundle.manifests:
        text = manifest.text
        try:
            wrong = list(form(text))
            readers = {"PyYAML": by_pyyaml(text), "ruamel.yaml": by_ruamel(text)}
        except (ValueError, yaml.YAMLError, ruamel.yaml.YAMLError) as error:
            yield f"{manifest.file}: {' '.join(str(error).split())}"
            continue
        if text in kubectl:
            readers[READER] = kubectl[text]
        for reader, tree in readers.items():
            if tree != readers["PyYAML"]:
                wrong.append(f"{reader} reads {differing(tree, readers['PyYAML'])} by PyYAML")
        yield from (f"{manifest.file}: {sentence}" for sentence in wrong)


def differing(tree: str, other: str) -> str:
    """Shows the neighbourhood of the first difference of two trees."""
    place = len(os.path.commonprefix([tree, other]))
    start = max(0, place - 40)
    return f"`{tree[start : place + 20]}`, which is `{other[start : place + 20]}`"


def as_bundle(name: str, texts: Iterable[bytes]) -> goldens.Bundle:
    manifests = tuple(goldens.Manifest(f"{at}.yaml", text) for at, text in enumerate(texts))
    return goldens.Bundle(name, {}, manifests)


def rendered(binary: str, profiles: Path) -> Iterator[tuple[goldens.Bundle, list[str]]]:
    """Renders each profile as YAML and as JSON."""
    for profile in sorted(profiles.glob("*.toml")):
        if profile.stem == "base":
            continue
        command = [binary, "render", profile.stem]
        text, data = (
            subprocess.run(argv, cwd=profiles.parent, stdout=subprocess.PIPE, check=True).stdout
            for argv in (command, [*command, "--json"])
        )
        said = json.loads(data)
        objects = said["objects"] if isinstance(said, dict) else said
        documents = [part.removeprefix(b"---\n") for part in text.split(b"\n---\n")]
        texts = [part if part.endswith(b"\n") else part + b"\n" for part in documents]
        yield as_bundle(profile.stem, texts), [canonical(obj) for obj in objects]


def agrees_with_program(binary: str, profiles: Path) -> int:
    failures = count = 0
    for bundle, said in rendered(binary, profiles):
        seen = sorted(by_pyyaml(manifest.text) for manifest in bundle.manifests)
        count += len(seen)
        if seen != sorted(said):
            failures += 1
            print(f"{bundle.name}: `render` and `render --json` differ", file=sys.stderr)
    if not count:
        failures += 1
        print(f"{profiles}: no profile was rendered", file=sys.stderr)
    print(f"yaml against --json: {count} objects: {failures} problems")
    return 1 if failures else 0


HEAD = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n"
BROKEN = [
    ("kubectl reads", b"data: {a: y}\n"),
    ("kubectl reads", b"data: {a: 0X1F}\n"),
    ("kubectl reads", b"data: {a: 2026-01-01}\n"),
    ("ruamel.yaml reads", b"data: {a: yes}\n"),
    ("ruamel.yaml reads", b"data: {on: a}\n"),
    ("ruamel.yaml reads", b"data: {a: 1e3}\n"),
    ("ruamel.yaml reads", b"data: {a: 012}\n"),
    ("ruamel.yaml reads", b"data: {a: 1:30}\n"),
    ("`a` occurs twice", b"data: {a: b, a: c}\n"),
    ("anchor, alias or tag", b"data: {a: &x b, c: *x}\n"),
    ("anchor, alias or tag", b"data: {a: !!str 1}\n"),
    ("end with LF", b"data: {a: b}\r\n"),
    ("end with LF", b"data: {a: b}"),
]


def prove(kubectl: str | None) -> None:
    """Each broken text is found by the reader that must find it."""
    sound = as_bundle("sound", [manifest.text + b"\n" for manifest in SOUND.manifests])
    broken = [
        (expected, as_bundle("broken", [HEAD + text]))
        for expected, text in BROKEN
        if kubectl or not expected.startswith(READER)
    ]
    legible = [b for wanted, b in broken if "twice" not in wanted] + [sound]
    goldens.prove(functools.partial(check, ask(kubectl, legible)), sound, broken)


def ask(kubectl: str | None, bundles: Iterable[goldens.Bundle]) -> dict[bytes, str]:
    texts = [manifest.text for bundle in bundles for manifest in bundle.manifests]
    return by_kubectl(kubectl, texts) if kubectl and texts else {}


def main() -> int:
    parser = goldens.arguments(__doc__)
    parser.add_argument("--binary", help="relay-bundle, to compare with what it says")
    parser.add_argument("--profiles", type=Path, help="the folder `profiles` that it renders")
    options = parser.parse_args()
    kubectl = shutil.which("kubectl")
    if not kubectl and os.environ.get("CI") == "true":
        sys.exit("kubectl is missing")
    prove(kubectl)
    bundles = list(goldens.bundles(options.root))
    check_all = functools.partial(check, ask(kubectl, bundles))
    readers = "PyYAML, ruamel.yaml" + (", kubectl" if kubectl else "; kubectl is missing: skipped")
    failed = goldens.report("yaml", bundles, check_all, f" by {readers}")
    if options.binary:
        binary, profiles = Path(options.binary).resolve(), options.profiles.resolve()
        failed |= agrees_with_program(str(binary), profiles)
    return failed


if __name__ == "__main__":
    sys.exit(main())
