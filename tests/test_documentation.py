"""The README and the documentation tell the truth: their examples run, and every public name is in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import discovery
import discovery.grpc
import discovery.http
import discovery.xds
from tests.conftest import Lab

ROOT = Path(__file__).parents[1]
ETCD = "etcd.infra:2379"
"""In whose place there is another one."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "tasks").glob("*.md"))]


def examples() -> list[object]:
    """Each Python block of each page."""
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in PAGES
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
    ]


@pytest.fixture(scope="module")
def orders(lab: Lab) -> None:
    """The Services that the examples call."""
    for name, pods in (("orders", 2), ("orders-v1", 1), ("orders-v2", 1)):
        lab.call(lab.cluster.create_service, name)
        lab.call(lab.cluster.start_pods, name, pods)


@pytest.mark.parametrize("example", examples())
def test_examples_run(
    lab: Lab, orders: None, example: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if ETCD in example:
        example = example.replace(ETCD, request.getfixturevalue("etcd"))
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_readme_has_an_example() -> None:
    assert any("README" in str(example) for example in examples())


@pytest.mark.parametrize("page", [*PAGES, ROOT / "k8s" / "README.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())
    pieces = [link.partition("#") for link in links]
    targets = [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in pieces]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [(str(target), anchor) for target, anchor in targets if anchor and anchor not in headings(target)] == []


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_task_has_an_example_and_a_link_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    tasks = sorted((ROOT / "docs" / "tasks").glob("*.md"))
    assert tasks
    for page in tasks:
        assert "```python\n" in page.read_text()
        assert f"(docs/tasks/{page.name})" in readme


def test_every_public_name_is_documented() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for module in (discovery, discovery.http, discovery.grpc, discovery.grpc.aio, discovery.xds):
        missing = [name for name in module.__all__ if not re.search(rf"\b{name}s?\b", text)]
        assert not missing, f"{module.__name__}: {missing}"


def test_importing_the_library_loads_nothing_that_it_adapts() -> None:
    program = "import sys, discovery; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"httpx", "grpc", "kubernetes", "dns", "yaml"}.isdisjoint(loaded.stdout.split())
    assert "discovery" in loaded.stdout.split()
