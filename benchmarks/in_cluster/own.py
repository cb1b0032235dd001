"""The namespace of one command: made, kept as its own while it lives, and removed; those of dead commands, too."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import httpx
from rich.console import Console

from benchmarks.in_cluster import objects
from benchmarks.in_cluster.objects import OURS
from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.errors import LabError
from benchmarks.lab.kinds import LEASE, NAMESPACE, Object
from benchmarks.lab.runs import PREFIX, renewal

HOST, PROCESS = f"{PREFIX}/host", f"{PREFIX}/process"
"""Annotations of the namespace: who runs it. The process is its number, and when it began, since numbers come again."""

RENEW_S = 10.0
DEAD_S = 120.0
"""A command that has not renewed its Lease for so long is dead; clocks of different machines differ by less."""

_LEASE = "command"
_GONE_S = 180.0
_ASK_S = 0.5


def owner() -> dict[str, str]:
    """This process, as annotations."""
    return {HOST: socket.gethostname(), PROCESS: _process(os.getpid())}


@asynccontextmanager
async def own_namespace(api: ApiClient, name: str, console: Console) -> AsyncIterator[None]:
    """It is there for as long as the block lasts, and its removal is waited for."""
    await api.create(NAMESPACE, "", objects.namespace(name, owner()))
    try:
        await api.create(LEASE, name, _lease(name))
        renewing = asyncio.create_task(_renew(api, name), name="lease")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
    finally:
        await asyncio.shield(_remove(api, name, console))


async def remove_leftovers(api: ApiClient, console: Console) -> None:
    """Remove the namespaces of commands that were killed; those of commands that live elsewhere stay."""
    selector = ",".join(f"{label}={value}" for label, value in OURS.items())
    listed = await api.list(NAMESPACE, selector=selector)
    for namespace in listed.items:
        name = namespace["metadata"]["name"]
        if "deletionTimestamp" in namespace["metadata"]:
            continue
        if await _is_dead(api, namespace):
            console.print(f"A command that was killed has left namespace {name}: it is removed.", highlight=False)
            await _remove(api, name, console, wait=False)
        else:
            host = _annotations(namespace).get(HOST, "an unknown host")
            console.print(f"Namespace {name} is that of a command that runs on {host}: it is left alone.")


async def _is_dead(api: ApiClient, namespace: Object) -> bool:
    told = _annotations(namespace)
    if told.get(HOST) == socket.gethostname() and PROCESS in told:
        return not _lives(told[PROCESS])
    try:
        lease = await api.get(LEASE, namespace["metadata"]["name"], _LEASE)
        seen = str(lease["spec"]["renewTime"])
    except ApiError as error:
        if error.code != 404:
            raise
        seen = str(namespace["metadata"]["creationTimestamp"])
    return datetime.now(UTC) - datetime.fromisoformat(seen) > timedelta(seconds=DEAD_S)


async def _renew(api: ApiClient, name: str) -> NoReturn:
    while True:
        await asyncio.sleep(RENEW_S)
        # Several in a row may fail before anyone takes us for dead.
        with contextlib.suppress(ApiError, httpx.TransportError):
            await api.patch(LEASE, name, _LEASE, {"spec": renewal(datetime.now(UTC))})


async def _remove(api: ApiClient, name: str, console: Console, *, wait: bool = True) -> None:
    try:
        await api.delete(NAMESPACE, "", name)
        if not wait:
            return
        console.print(f"Removing namespace {name} ...", highlight=False)
        async with asyncio.timeout(_GONE_S):
            while True:
                await api.get(NAMESPACE, "", name)
                await asyncio.sleep(_ASK_S)
    except ApiError as error:
        if error.code != 404:
            raise LabError(_by_hand(name, str(error))) from None
    except httpx.TransportError as error:
        raise LabError(_by_hand(name, f"the API server cannot be reached: {error}")) from None
    except TimeoutError:
        console.print(f"Namespace {name} is still being removed: kubectl get namespace {name}", highlight=False)


def _by_hand(name: str, why: str) -> str:
    return f"namespace {name} was not removed ({why}): kubectl delete namespace {name}"


def _lease(name: str) -> objects.Manifest:
    spec = {"holderIdentity": name, "leaseDurationSeconds": round(DEAD_S)} | renewal(datetime.now(UTC))
    return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": {"name": _LEASE}, "spec": spec}


def _annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})


def _process(number: int) -> str:
    """A process, so that it is told from a later one of its number: proc(5), field 22 of stat."""
    return " ".join([str(number), *_began(number)])


def _lives(process: str) -> bool:
    number, _, began = process.partition(" ")
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not began or [began] == list(_began(int(number)))


def _began(number: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
