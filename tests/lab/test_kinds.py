"""Every object of the manifests can be kept, by HTTP and with kubectl."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest

from benchmarks.lab import certificates, manifests
from benchmarks.lab.api import ApiServer
from benchmarks.lab.kinds import KINDS, NAMESPACE
from benchmarks.lab.store import Store
from tests.k8s.built import FOLDER, build
from tests.kubectl import kubectl

from .served import TOKEN, serving

BY_NAME = {kind.name: kind for kind in KINDS}
OURS = "discovery-demo"


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def http(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        serving(store) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as connected,
    ):
        yield connected


async def test_every_object_of_the_base_is_kept_and_deleted(http: httpx.AsyncClient, store: Store) -> None:
    objects = build("base")
    for each in objects:
        kind = BY_NAME[each["kind"]]
        answer = await http.post(kind.path(OURS), json=each)
        assert answer.status_code == 201, answer.text
        assert answer.json()["metadata"]["uid"]
    for each in reversed(objects):
        kind = BY_NAME[each["kind"]]
        answer = await http.delete(kind.path(OURS, each["metadata"]["name"]))
        assert answer.status_code == 200, answer.text
    assert {obj["metadata"]["name"] for obj in store.list(NAMESPACE)}.isdisjoint({OURS})
    assert [obj for kind in KINDS for obj in store.list(kind, OURS)] == []


async def test_kubectl_applies_the_base_and_deletes_it(store: Store, tmp_path: Path) -> None:
    files = certificates.issue(tmp_path, "127.0.0.1")
    tls = files.certificate, files.key
    async with ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN], tls=tls) as server:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(manifests.kubeconfig(server.url, TOKEN, files.authority.read_bytes())))
        command = [kubectl(), "--kubeconfig", str(kubeconfig), "--cache-dir", str(tmp_path)]

        async def run(*arguments: str) -> str:
            done = await anyio.run_process([*command, *arguments], check=False)
            assert done.returncode == 0, done.stderr.decode()
            return done.stdout.decode()

        applied = await run("apply", "-k", str(FOLDER / "base"))
        assert len(applied.splitlines()) == len(build("base"))
        assert "poddisruptionbudget.policy/echo created" in applied.splitlines()
        again = await run("apply", "-k", str(FOLDER / "base"))
        # kubectl replaces the selector of a budget, whether it has changed or not.
        changed = [line for line in again.splitlines() if not line.endswith(" unchanged")]
        assert {line.partition("/")[0] for line in changed} <= {"poddisruptionbudget.policy"}
        listed = await run("get", "netpol,pdb,cm", "-n", OURS, "-o", "name")
        kept = [each for each in build("base") if each["kind"] in {"NetworkPolicy", "PodDisruptionBudget"}]
        assert len(listed.splitlines()) == len(kept)
        await run("delete", "-k", str(FOLDER / "base"), "--ignore-not-found")  # the namespace takes the rest along
    assert [obj for kind in KINDS for obj in store.list(kind, OURS)] == []


def test_kinds_are_told_apart_by_their_paths() -> None:
    paths = [kind.path("x", "y") for kind in KINDS]
    assert len(set(paths)) == len(KINDS)
