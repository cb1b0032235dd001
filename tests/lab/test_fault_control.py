"""Faults by HTTP and by command."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from benchmarks.lab.api import ApiServer
from benchmarks.lab.errors import LabError
from benchmarks.lab.faults import Faults
from benchmarks.lab.faults.command import faults_command
from benchmarks.lab.faults.control import NAMES, options_of
from benchmarks.lab.kinds import POD
from benchmarks.lab.manifests import kubeconfig
from benchmarks.lab.store import Store

TOKEN = "letmein"
PODS = POD.path("default")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def server(store: Store, faults: Faults) -> AsyncIterator[ApiServer]:
    tokens = {TOKEN: "lab-admin", "other": "system:serviceaccount:default:other"}
    async with ApiServer(store, host="127.0.0.1", port=0, tokens=tokens, faults=faults) as running:
        yield running


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=30) as connected:
        yield connected


async def test_faults_begin_are_listed_and_end(http: httpx.AsyncClient) -> None:
    begun = await http.post("/lab/faults/internal_error", params={"of": "lists", "count": "3"})
    assert (begun.status_code, begun.json()) == (200, [{"name": "internal_error", "of": "lists", "met": 0}])
    await http.post("/lab/faults/never_answer", params={"of": "watches"})
    assert (await http.get(PODS)).status_code == 500
    # No fault of requests shuts its own end out.
    await http.post("/lab/faults/garbage")
    listed = (await http.get("/lab/faults")).json()
    assert {fault["name"]: fault["met"] for fault in listed} == {"internal_error": 1, "never_answer": 0, "garbage": 0}
    assert (await http.delete("/lab/faults")).json() == []
    assert (await http.get(PODS)).status_code == 200


async def test_only_the_administrator_may(server: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as stranger:
        for token, code in (("wrong", 401), ("other", 403)):
            headers = {"authorization": f"Bearer {token}"}
            for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/internal_error")):
                answer = await stranger.request(method, f"/lab/faults{path}", headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (code, code)


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ("nonsense", 404, "there is no fault 'nonsense': there are cl"),
        ("attach", 404, "there is no fault 'attach'"),
        ("internal_error?events=3", 400, "internal_error has no option 'events': it has count, for_s, of"),
        ("end_watches?count=3", 400, "end_watches has no option 'count': it has none"),
        ("internal_error?count=x", 400, "internal_error: invalid literal"),
        ("internal_error?count=0", 400, "count must be greater than 0"),
        ("internal_error?of=writes", 400, "take one of all, lists, watches"),
        ("lose_versions", 400, "lose_versions needs changes=VALUE"),
        ("close_at_once", 400, "close_at_once shuts you out, too: say how long with for_s=SECONDS"),
        ("kill", 400, "kill needs for_s=VALUE"),
    ],
)
async def test_a_mistake_is_said_and_changes_nothing(
    http: httpx.AsyncClient, faults: Faults, asked: str, code: int, says: str
) -> None:
    answer = await http.post(f"/lab/faults/{asked}")
    assert answer.status_code == code
    assert says in answer.json()["message"]
    assert faults.in_force == ()


async def gone(http: httpx.AsyncClient) -> None:
    """Wait until the server does not answer."""
    with contextlib.suppress(httpx.TransportError):
        while True:
            await http.get("/version", headers={"connection": "close"})


async def returned(http: httpx.AsyncClient) -> None:
    """Wait until the server has been away and is back."""
    await gone(http)
    while True:
        with contextlib.suppress(httpx.TransportError):
            await http.get("/version")
            return


@pytest.mark.parametrize("name", ["kill", "stop_listening", "close_at_once"])
async def test_a_server_that_cannot_be_asked_comes_back_by_itself(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.post(f"/lab/faults/{name}", params={"for_s": "0.5"})
    assert answer.status_code == 200
    await returned(http)
    assert (await http.get(PODS)).status_code == 200


async def test_versions_are_lost_by_request(http: httpx.AsyncClient, store: Store) -> None:
    before = store.version
    store.create(POD, "default", {"metadata": {"name": "a"}})
    assert (await http.post("/lab/faults/lose_versions?changes=1")).status_code == 200
    await returned(http)
    assert store.version == before


async def test_an_outage_that_is_not_over_does_not_outlive_the_server(store: Store, faults: Faults) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN], faults=faults) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as http,
    ):
        await http.post("/lab/faults/kill?for_s=1000000")
        await gone(http)
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"fault", "api-server"})


@pytest.fixture
def named(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `up` and a user's shell name the server."""
    content = kubeconfig(server.url, TOKEN, b"")
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


async def test_the_command(
    named: None, http: httpx.AsyncClient, faults: Faults, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(*arguments: str) -> str:
        assert await asyncio.to_thread(faults_command, arguments) == 0
        return capsys.readouterr().out

    assert await run("too_many_requests", "count=2", "of=lists", "retry_after_s=7") == (
        "too_many_requests  of lists  met 0\n"
    )
    assert (await http.get(PODS)).headers["retry-after"] == "7"
    assert await run("list") == "too_many_requests  of lists  met 1\n"
    assert await run("clear") == ""
    assert faults.in_force == ()
    with pytest.raises(LabError, match=r"^kill needs for_s=VALUE$"):
        await run("kill")
    with pytest.raises(LabError, match=r"^'3' is not an option"):
        await run("forbidden", "3")


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(LabError, match="KUBECONFIG is not set"):
        faults_command(["list"])
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(LabError, match=r"none is not a kubeconfig of the lab: .*No such file"):
        faults_command(["list"])
    (tmp_path / "gone").write_text(json.dumps(kubeconfig("http://127.0.0.1:1", TOKEN, b"")))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    with pytest.raises(LabError, match=r"no answer from http://127\.0\.0\.1:1"):
        faults_command(["list"])


def test_its_help_describes_each_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        faults_command(["--help"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    for name in NAMES:
        assert f"  {name}" in printed
        assert (inspect.getdoc(getattr(Faults, name)) or "").partition("\n")[0] in printed
    assert options_of("delay") == {"response_s": float, "event_s": float, "count": int, "for_s": float, "of": str}
