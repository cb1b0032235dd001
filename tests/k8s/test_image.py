"""The image has what its entry points need, of the versions that everything else is tested with."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .built import FOLDER, build, container, pods

ROOT = FOLDER.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIED = re.findall(r"^COPY ([^-]\S*) ", DOCKERFILE, re.MULTILINE)
MODULES = (
    "services.provider.__main__",
    "services.consumer.__main__",
    "benchmarks.compare",
    "benchmarks.in_cluster.client",
    "benchmarks.strategies.kubernetes",
    "benchmarks.strategies.service_dns",
    "benchmarks.strategies.static",
    "discovery.resolvers.kubernetes",
)

ONLY = """
import importlib, importlib.abc, importlib.metadata, re, sys
name = lambda text: re.sub(r"[-_.]+", "-", text).lower()
here = importlib.metadata.packages_distributions()
there = {name(each) for each in sys.argv[1].split()}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        top = fullname.partition(".")[0]
        if top in here and there.isdisjoint(map(name, here[top])) and top not in sys.argv[2].split():
            raise ModuleNotFoundError(f"{fullname} is not in the image", name=fullname)

sys.meta_path.insert(0, Absent())
for module in sys.argv[3:]:
    importlib.import_module(module)
"""


def pins(lock: Path) -> dict[str, set[str]]:
    """The hashes of each package with its version."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in lock.read_text().splitlines():
        if match := re.match(r"([a-z0-9._-]+==\S+)", line):
            current = match[1]
            found[current] = set()
        elif match := re.search(r"--hash=(sha256:[0-9a-f]{64})", line):
            found[current].add(match[1])
    return found


def import_only(*modules: str) -> subprocess.CompletedProcess[str]:
    """Import modules with nothing but what the image has."""
    packages = " ".join(each.partition("==")[0] for each in pins(FOLDER / "image.lock"))
    command = [sys.executable, "-c", ONLY, packages, " ".join(COPIED), *modules]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_its_packages_are_those_that_are_tested() -> None:
    everywhere, image = pins(ROOT / "requirements.lock"), pins(FOLDER / "image.lock")
    assert image
    assert all(image.values())
    assert not [each for each, hashes in image.items() if not hashes <= everywhere.get(each, set())]


def test_its_packages_are_enough() -> None:
    done = import_only(*MODULES)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_that_is_missing_would_be_found() -> None:
    assert "pytest is not in the image" in import_only("pytest").stderr


def test_it_has_the_modules_that_the_manifests_run() -> None:
    for pod in pods(build("examples")).values():
        *_, module = container(pod)["command"]
        assert module.partition(".")[0] in COPIED
    assert re.search(r'^ENTRYPOINT \["python", "-m"\]$', DOCKERFILE, re.MULTILINE)


def test_it_runs_as_the_user_that_the_manifests_name() -> None:
    (user,) = re.findall(r"^USER (\d+:\d+)$", DOCKERFILE, re.MULTILINE)
    for pod in pods(build("base")).values():
        context = pod["spec"]["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


def test_what_is_copied_is_there_and_not_ignored() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == {*COPIED}
    assert all((ROOT / each).exists() for each in COPIED)
    assert not [each for each in COPIED if fnmatch.fnmatch(each, "*__pycache__*")]


def test_no_base_is_named_by_a_tag_that_moves() -> None:
    bases = re.findall(r"^ARG \w+=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-\S+", base) for base in bases)
    assert all(each.startswith("${") for each in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))


@pytest.mark.parametrize(
    ("goal", "there", "line"),
    [
        ("image", {}, "make image: there is no docker on PATH: see https://docs.docker.com/"),
        ("image", {"docker": 1}, "make image: docker's daemon does not answer: start it"),
        ("kind-up", {}, "make kind-up: there is no kind on PATH: see https://kind.sigs.k8s.io/"),
        ("kind-up", {"kind": 0}, "make kind-up: there is no kubectl on PATH: see https://kubernetes.io/"),
        ("kind-up", {"kind": 0, "kubectl": 0}, "make image: there is no docker on PATH"),
        ("kind-compare", {}, "make kind-compare: there is no kubectl on PATH"),
        ("kind-compare", {"kubectl": 1}, "make kind-compare: no cluster answers as kind-discovery: make kind-up"),
        ("kind-down", {}, "make kind-down: there is no kind on PATH"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path: Path, goal: str, there: dict[str, int], line: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not on PATH")
    for program in ("sh", "make"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    for program, status in there.items():
        (tmp_path / program).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / program).chmod(0o755)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"PATH": str(tmp_path)}
    done = subprocess.run([make, goal], cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first.startswith(line)
    assert all(each.startswith("make") for each in rest), done.stderr
