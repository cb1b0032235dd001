"""gRPC in forked children: what works, works; what cannot, says so. Never a crash or a hang.

Each parent is a process of its own, since a fork takes the parent's state with it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.discovery.grpc_pods import Pod

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PARENT = """
import asyncio, os, sys
import grpc
import discovery.grpc
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub

target, parent, child = sys.argv[1:]

def sync(channel=None):
    with channel or discovery.grpc.insecure_channel(target) as channel:
        for _ in range(5):
            EchoStub(channel).Echo(EchoRequest(message="hi"), timeout=30)

async def with_aio(channel=None):
    async with channel or discovery.grpc.aio.insecure_channel(target) as channel:
        for _ in range(5):
            await EchoStub(channel).Echo(EchoRequest(message="hi"), timeout=30)

def run(what, channel=None):
    if what == "sync":
        sync(channel)
    elif what == "aio":
        asyncio.run(with_aio(channel))
    elif what.startswith("refused"):
        try:
            (discovery.grpc.aio if what == "refused" else discovery.grpc).insecure_channel(target)
        except RuntimeError as error:
            assert "after the fork" in str(error), error
        else:
            raise AssertionError("the channel was made")

kept, loop = None, None
if parent == "aio kept":  # an asyncio channel that is open at the fork, and works in the parent afterwards
    loop = asyncio.new_event_loop()
    async def use(channel):
        await EchoStub(channel).Echo(EchoRequest(message="hi"), timeout=30)
    async def make():
        return discovery.grpc.aio.insecure_channel(target)
    open_channel = loop.run_until_complete(make())
    loop.run_until_complete(use(open_channel))
elif parent == "kept":  # a sync channel that is used before the fork, and after it on both sides
    kept = discovery.grpc.insecure_channel(target)
    EchoStub(kept).Echo(EchoRequest(message="hi"), timeout=30)
else:
    run(parent)
process = os.fork()
if process == 0:
    status = 1
    try:
        run(child, kept)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)
_, status = os.waitpid(process, 0)
if kept is not None:
    sync(kept)
if loop is not None:
    loop.run_until_complete(use(open_channel))
    loop.run_until_complete(open_channel.close())
    loop.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("nothing", "sync"),
        ("nothing", "aio"),
        ("sync", "sync"),
        ("kept", "sync"),
        ("aio", "sync"),
        ("aio", "refused"),
        ("aio kept", "refused"),
        ("aio kept", "refused, sync too"),
    ],
)
def test_a_child_works_or_is_told_why_not(pods: tuple[Pod, ...], parent: str, child: str) -> None:
    target = "static:///" + ",".join(pod.endpoint.address for pod in pods)
    command = [sys.executable, "-c", PARENT, target, parent, child]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
