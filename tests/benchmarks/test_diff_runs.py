"""Real runs compared: two of the same code, and one in which one arm takes 5 ms more. It takes some minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.test_compare import ROOT, compare
from tests.inside import why_outside

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

ARMS = ["--strategies", "kubernetes,static", "--protocols", "http", "--clients", "asyncio"]
LOAD = ["--scenarios", "steady", "--rate", "100", "--duration", "2", "--repeats", "5"]

# Python imports this at its start. It has clients of one strategy wait before each request, wherever they are made.
SLOWER = """
import asyncio
import importlib.util
import sys

NAME = "benchmarks.strategies.kubernetes"


class Finder:
    def find_spec(self, name, path, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        usual = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (usual(module), slow_down(module.Kubernetes))
        return spec


def slow_down(strategy):
    usual = strategy.asyncio_client

    def client(self, way):
        made = usual(self, way)
        made.event_hooks = {"request": [wait]}
        return made

    strategy.asyncio_client = client


async def wait(request):
    await asyncio.sleep(0.005)


sys.meta_path.insert(0, Finder())
"""


def measured(folder: Path, **variables: str) -> Path:
    done = compare(*ARMS, *LOAD, "--output", str(folder), **variables)
    assert done.returncode == 0, done.stderr
    return folder


def diff(before: Path, after: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", "diff", str(before), str(after)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_same_code_is_the_same_and_five_milliseconds_are_found(folder: Path) -> None:
    if reason := why_outside():
        pytest.skip(reason)
    (folder / "slower").mkdir()
    (folder / "slower" / "sitecustomize.py").write_text(SLOWER)

    before, again = measured(folder / "before"), measured(folder / "again")
    slower = measured(folder / "after", PYTHONPATH=str(folder / "slower"))

    same = diff(before, again)
    assert (same.returncode, same.stderr) == (0, ""), same.stdout
    changed = diff(before, slower)
    assert changed.returncode == 1, changed.stdout
    (line,) = (line for line in changed.stdout.splitlines() if line.startswith("● ") and ": p10 " in line)
    assert line.startswith("● steady: kubernetes http asyncio: p10 ")
