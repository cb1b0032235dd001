"""The comparison in a cluster, from end to end: the lab is the cluster, and its pods are processes."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from benchmarks.in_cluster.own import remove_leftovers
from benchmarks.in_cluster.rights import RIGHTS
from benchmarks.lab.kinds import JOB, NAMESPACE, NODE, POD, ROLE_BINDING, Kind
from benchmarks.result import Result
from tests.benchmarks.contract import check_result
from tests.benchmarks.in_cluster.rights_of import kubeconfig, token_with
from tests.benchmarks.test_compare import ROOT
from tests.conftest import Lab

BRIEF = ["--duration", "1", "--rate", "200", "--client-processes", "4", "--repeats", "1"]
"""Scenarios last as long as they have to in a real cluster, if that is longer."""


STEADY = ["--strategies", "kubernetes", "--protocols", "http", "--clients", "asyncio", "--scenarios", "steady"]


def command(lab: Lab, *arguments: str, kubeconfig: Path | None = None) -> list[str]:
    first = [sys.executable, "-m", "benchmarks.compare", "--cluster"]
    return [*first, "--kubeconfig", str(kubeconfig or lab.cluster.kubeconfig), *arguments]


def compare(lab: Lab, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(lab, *arguments, kubeconfig=kubeconfig), cwd=ROOT, capture_output=True, text=True, check=False
    )


def namespaces(lab: Lab) -> set[str]:
    async def names() -> set[str]:
        listed = await lab.cluster.api.list(NAMESPACE)
        return {each["metadata"]["name"] for each in listed.items}

    return {name for name in lab.call(names) if name.startswith("discovery-compare-")}


def test_with_its_rights_alone_four_clients_measure_a_service_that_grows_and_nothing_is_left(
    lab: Lab, folder: Path
) -> None:
    token = lab.call(token_with, lab.cluster, "comparer", RIGHTS)
    done = compare(
        lab,
        *["--strategies", "kubernetes", "--protocols", "http", "--clients", "asyncio"],
        *["--scenarios", "steady,scale-up", *BRIEF, "--output", str(folder)],
        kubeconfig=kubeconfig(lab.cluster, folder, token),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    check_result(json.loads((folder / "result.json").read_text()))
    result = Result.read(folder / "result.json")
    assert result.environment.dataplane == "cluster"
    assert result.environment.api_server.startswith("v1.")
    assert all(run.status == "ok" and run.client_processes == 4 for run in result.runs)
    watched = {run.scenario: run for run in result.runs if run.strategy == "kubernetes"}
    assert (watched["steady"].requests, watched["steady"].errors) == (1_000, 0)
    assert watched["steady"].max_over_mean is not None
    assert watched["steady"].max_over_mean < 1.1
    grown = watched["scale-up"]
    assert len(grown.by_backend or ()) == 10
    assert grown.reaction is not None
    assert grown.reaction.fair_share_ms is not None
    assert namespaces(lab) == set()


@pytest.mark.parametrize("kind", [NAMESPACE, ROLE_BINDING, POD, JOB], ids=lambda kind: kind.name)
def test_what_a_command_has_made_until_it_is_killed_the_next_one_removes(lab: Lab, folder: Path, kind: Kind) -> None:
    """However far it has come: it is killed when it has made its first object of a kind."""
    before = namespaces(lab)
    with subprocess.Popen(
        command(lab, *STEADY, *BRIEF, "--output", str(folder)), cwd=ROOT, stdout=subprocess.DEVNULL
    ) as begun:
        lab.call(until_made, lab, kind)
        begun.kill()
    (left,) = namespaces(lab) - before

    said = lab.call(next_command, lab)

    assert f"A command that was killed has left namespace {left}: it is removed." in said
    lab.call(until_gone, lab, left)


def test_a_command_that_lives_is_left_alone(lab: Lab, folder: Path) -> None:
    with subprocess.Popen(
        command(lab, *STEADY, *BRIEF, "--output", str(folder)), cwd=ROOT, stdout=subprocess.DEVNULL
    ) as begun:
        lab.call(until_made, lab, JOB)
        (own,) = namespaces(lab)
        said = lab.call(next_command, lab)
        begun.terminate()
        assert begun.wait() == 128 + signal.SIGTERM
    assert namespaces(lab) == set()
    assert f"Namespace {own} is that of a command that runs on {socket.gethostname()}: it is left alone." in said


async def next_command(lab: Lab) -> str:
    """What the next one does first, and says."""
    console = Console(file=io.StringIO(), width=1_000)
    await remove_leftovers(lab.cluster.api, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.soak
def test_ctrl_c_removes_what_was_made_and_keeps_what_was_measured(lab: Lab, folder: Path) -> None:
    arguments = [
        "--strategies",
        "kubernetes,static",
        "--protocols",
        "http",
        "--clients",
        "asyncio",
        "--scenarios",
        "steady",
    ]
    with subprocess.Popen(
        command(lab, *arguments, *BRIEF, "--output", str(folder)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if "1/2" in line:
                os.killpg(running.pid, signal.SIGINT)
    assert running.returncode == 128 + signal.SIGINT, "".join(lines)
    assert len(Result.read(folder / "result.json").runs) == 1
    assert namespaces(lab) == set()


async def until_made(lab: Lab, kind: Kind) -> None:
    """Wait until a command has made an object of a kind."""
    listed = await lab.cluster.api.list(kind)
    if any(map(_is_ours, listed.items)):
        return
    async with aclosing(lab.cluster.api.watch(kind, version=listed.version)) as events:
        async for event in events:
            if event.type == "ADDED" and _is_ours(event.object):
                return


async def until_gone(lab: Lab, namespace: str) -> None:
    """Wait until it is, and all that was in it."""
    async with aclosing(lab.cluster.api.watch(NAMESPACE, version="")) as events:
        if namespace not in {each["metadata"]["name"] for each in (await lab.cluster.api.list(NAMESPACE)).items}:
            return
        async for event in events:
            if (event.type, event.object["metadata"]["name"]) == ("DELETED", namespace):
                return


def _is_ours(obj: Mapping[str, Any]) -> bool:
    metadata = obj["metadata"]
    return str(metadata.get("namespace") or metadata["name"]).startswith("discovery-compare-")


def refused(lab: Lab, *arguments: str, kubeconfig: Path | None = None) -> str:
    """The one line that a command ends with which cannot be carried out; it leaves nothing behind."""
    done = compare(lab, *STEADY, *BRIEF, *arguments, kubeconfig=kubeconfig)
    assert done.returncode == 2, done.stdout + done.stderr
    assert namespaces(lab) == set()
    (line,) = done.stderr.splitlines()
    return line.removeprefix("benchmarks.compare: ")


def changed(lab: Lab, folder: Path, **changes: Any) -> Path:
    """The lab's kubeconfig with another cluster or user."""
    whole = yaml.safe_load(lab.cluster.kubeconfig.read_text())
    whole["clusters"][0]["cluster"] |= changes.get("cluster", {})
    whole["users"][0]["user"] = changes.get("user", whole["users"][0]["user"])
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(whole))
    return file


def test_a_context_that_there_is_not_is_named(lab: Lab) -> None:
    assert refused(lab, "--context", "nowhere").endswith("there is no context nowhere: choose from lab")


def test_a_server_that_is_away_is_named(lab: Lab, folder: Path) -> None:
    told = refused(lab, kubeconfig=changed(lab, folder, cluster={"server": "https://127.0.0.1:1"}))
    assert told.startswith("the API server https://127.0.0.1:1 of context lab cannot be reached (")


def test_who_is_nobody_there_is_told_so_without_the_token(lab: Lab, folder: Path) -> None:
    told = refused(lab, kubeconfig=changed(lab, folder, user={"token": "secret-of-somebody"}))
    assert "refuses (401 Unauthorized): log in again" in told
    assert "secret-of-somebody" not in told


def test_an_image_that_cannot_be_had_is_told_at_once(lab: Lab) -> None:
    told = refused(lab, "--image", "registry.invalid/demo:1")
    assert "cannot get its image registry.invalid/demo:1 (ImagePullBackOff" in told
    assert "--image" in told


@pytest.fixture
def cordoned(lab: Lab) -> Iterator[None]:
    """No node takes pods."""

    async def cordon(on: bool) -> None:
        for node in (await lab.cluster.api.list(NODE)).items:
            await lab.cluster.api.patch(NODE, "", node["metadata"]["name"], {"spec": {"unschedulable": on or None}})

    lab.call(cordon, True)
    yield
    lab.call(cordon, False)


def test_pods_that_stay_pending_are_told_in_the_schedulers_words(lab: Lab, cordoned: None) -> None:
    told = refused(lab, "--pending-s", "1")
    assert "stays pending, as no node takes it: 0/3 nodes are available" in told


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("wire", ["http", "grpc"])
def test_pods_are_replaced_and_killed_while_four_clients_call(lab: Lab, folder: Path, wire: str) -> None:
    done = compare(
        lab,
        *["--strategies", "kubernetes", "--protocols", wire, "--clients", "asyncio"],
        *["--scenarios", "rolling-restart,pod-kill", *BRIEF, "--output", str(folder)],
    )

    assert done.returncode == 0, done.stdout + done.stderr
    replaced, killed = Result.read(folder / "result.json").runs
    assert replaced.errors == 0
    assert [event.what for event in replaced.events].count("joined") == 3
    assert [event.what for event in replaced.events].count("left") == 3
    assert [event.what for event in killed.events] == ["killed", "joined"]
    assert namespaces(lab) == set()
