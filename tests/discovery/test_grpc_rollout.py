"""Every pod is replaced under load, by a rolling restart: no call of a gRPC client fails."""

from __future__ import annotations

import asyncio
import collections
import itertools
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.conftest import Lab
from tests.discovery.grpc_pods import Request, client
from tests.discovery.rollouts import Rolled, offered


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_rolling_restarts_cost_no_call(
    lab: Lab, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    rolled = Rolled(lab, ["--latency-ms", "20"])
    try:
        await rolled.complete()
        answered: collections.Counter[str] = collections.Counter()
        errors: list[str] = []
        async with client(kind, target=f"kubernetes:///{rolled.name}:grpc") as under_test:
            await under_test.ready(3)
            stub, numbers = under_test.stub, itertools.count()
            loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(32)

            def blocking(*, stream: bool) -> str:
                if stream:
                    return str([each.pod for each in stub.EchoServerStream(Request(replies=3), timeout=10)][-1])
                return str(stub.Echo(Request(message="hi"), timeout=10).pod)

            async def call() -> None:
                stream = next(numbers) % 4 == 0
                try:
                    if kind == "sync":
                        pod = await loop.run_in_executor(threads, lambda: blocking(stream=stream))
                    elif stream:
                        pod = [each.pod async for each in stub.EchoServerStream(Request(replies=3), timeout=10)][-1]
                    else:
                        pod = (await stub.Echo(Request(message="hi"), timeout=10)).pod
                except grpc.RpcError as error:
                    errors.append(str(error))
                else:
                    answered[pod] += 1

            async with offered(200, call):
                for number in range(3):
                    await rolled.restart(number)
                await asyncio.sleep(2.5)  # the last of the old pods are lame ducks for 2 s
            threads.shutdown()
        with capsys.disabled():
            print(f"\n{kind}: {answered.total()} calls over {len(answered)} pods, {len(errors)} failed {errors[:2]}")
        assert errors == []
        assert len(answered) == 12
    finally:
        rolled.delete()
