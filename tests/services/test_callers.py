"""The examples of services that call another, as processes in front of real providers."""

import asyncio
import re
import signal

import httpx
import pytest

from tests.services.conftest import Provider, Spawn, StartProvider

SERVERS = {
    "fastapi_app": ("uvicorn", "--host", "127.0.0.1", "--port", "0"),
    "flask_app": ("gunicorn", "--bind", "127.0.0.1:0", "--preload", "--workers", "2", "--threads", "4"),
}


async def url(process: asyncio.subprocess.Process) -> str:
    """Where it serves, as its log says."""
    assert process.stderr is not None
    log = b""
    while line := await process.stderr.readline():
        log += line
        if serving := re.search(rb"(?:running on|Listening at:) (http://\S+)", line):
            return serving[1].decode()
    raise AssertionError(log.decode())


@pytest.mark.parametrize("app", SERVERS)
async def test_a_caller_balances_its_calls_and_says_what_fails(provider: StartProvider, spawn: Spawn, app: str) -> None:
    pods: list[Provider] = [await provider(POD_NAME=name) for name in ("echo-0", "echo-1")]
    target = "static:///" + ",".join(pod.http for pod in pods)
    module, *arguments = SERVERS[app]
    process = await spawn(module, *arguments, f"services.callers.{app}:app", ECHO_TARGET=target)
    async with httpx.AsyncClient(base_url=await url(process), timeout=60) as client:
        answers = [(await client.get("/service")).raise_for_status().json() for _ in range(20)]
        assert {answer["pod"] for answer in answers} == {"echo-0", "echo-1"}
        for pod in pods:
            pod.process.kill()
            await pod.process.wait()
        failed = await client.get("/service")
        assert failed.status_code == 502
        assert target in failed.json()["error"]
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    assert b"Traceback" not in log, log.decode()
