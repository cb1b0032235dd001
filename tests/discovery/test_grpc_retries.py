"""What becomes of gRPC calls that fail: elsewhere and unseen, or told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc import aio

from discovery import Balancing, RetryBudget
from discovery.grpc._service_config import ServiceConfig
from discovery.testing import ManualResolver
from tests.discovery.grpc_pods import Client, Pod, Request, client

ECHO = "/echo.v1.Echo/Echo"


def requests() -> Iterator[Any]:
    yield Request(message="a")
    yield Request(message="b")


async def many_requests() -> AsyncIterator[Any]:
    for request in requests():
        yield request


async def replies_of(call: Any) -> list[str]:
    if isinstance(call, aio.UnaryStreamCall | aio.StreamStreamCall):
        return [reply.message async for reply in call]
    return await asyncio.to_thread(lambda: [reply.message for reply in call])


async def reply_of(call: Any) -> str:
    if isinstance(call, aio.UnaryUnaryCall | aio.StreamUnaryCall):
        return str((await call).message)
    return str((await asyncio.to_thread(call.result)).message)


def by_method(under_test: Client, method: str) -> Any:
    """`.future` of a sync stub's method, which asyncio's is by itself."""
    made = getattr(under_test.stub, method)
    return getattr(made, "future", made)


FORMS: dict[str, Callable[[Client], Any]] = {
    "unary": lambda it: it.echo(),
    "future": lambda it: reply_of(by_method(it, "Echo")(Request(message="hi"), timeout=30)),
    "server stream": lambda it: replies_of(it.stub.EchoServerStream(Request(message="hi", replies=2), timeout=30)),
    "client stream": lambda it: reply_of(by_method(it, "EchoClientStream")(requests(), timeout=30)),
    "both streams": lambda it: replies_of(it.stub.EchoBidirectional(requests(), timeout=30)),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_call_that_never_left_goes_elsewhere_unseen(kind: str, pods: tuple[Pod, ...], form: str) -> None:
    async with client(kind, *pods, policy="round_robin") as under_test:
        await under_test.ready(3)
        for gone in pods[:2]:
            gone.stop()
            for _ in range(4):
                await FORMS[form](under_test)
        await under_test.ready(1)


@pytest.mark.parametrize("form", ["client stream", "both streams"])
async def test_requests_of_an_async_iterator_are_sent_again_from_the_first_one(
    pods: tuple[Pod, ...], form: str
) -> None:
    async with client("asyncio", *pods[:2], policy="round_robin") as under_test:
        await under_test.ready(2)
        pods[0].stop()
        for _ in range(2):
            if form == "client stream":
                assert (await under_test.stub.EchoClientStream(many_requests(), timeout=30)).message == "a+b"
            else:
                call = under_test.stub.EchoBidirectional(many_requests(), timeout=30)
                assert [reply.message async for reply in call] == ["a", "b"]


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_call_that_may_have_run_is_tried_again_only_if_it_is_idempotent(
    kind: str, pods: tuple[Pod, ...], idempotent: bool
) -> None:
    async with client(kind, *pods[:2], idempotent={ECHO} if idempotent else ()) as under_test:
        await under_test.ready(2)
        calling = asyncio.ensure_future(_in_thread(kind, under_test, "wait"))
        busy, idle = pods[:2]
        while not busy.echo.begun["wait"]:
            busy, idle = idle, busy
            await asyncio.sleep(0)
        idle.echo.go_on.set()
        busy.server.stop(0).wait()
        busy.echo.go_on.set()
        if idempotent:
            assert (await calling).pod == idle.echo.name
        else:
            with pytest.raises(grpc.RpcError):
                await calling
        assert (busy.echo.begun["wait"], idle.echo.begun["wait"]) == (1, int(idempotent))


async def _in_thread(kind: str, under_test: Client, message: str) -> Any:
    if kind == "sync":
        return await asyncio.to_thread(under_test.stub.Echo, Request(message=message), 30)
    return await under_test.echo(message)


def policy(**changed: Any) -> list[tuple[str, str]]:
    retry = {
        "maxAttempts": 3,
        "initialBackoff": "0.001s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["ABORTED"],
    }
    item = {"name": [{"service": "echo.v1.Echo"}], "retryPolicy": {**retry, **changed}}
    return [("grpc.service_config", json.dumps({"methodConfig": [item]}))]


@pytest.mark.parametrize("form", ["unary", "future", "server stream"])
async def test_each_attempt_of_a_retry_policy_goes_to_another_endpoint(
    kind: str, pods: tuple[Pod, ...], form: str
) -> None:
    for refusing in pods[:2]:
        refusing.echo.refuses = grpc.StatusCode.ABORTED
    async with client(kind, *pods, policy="round_robin", options=policy()) as under_test:
        await under_test.ready(3)
        for _ in range(3):
            await FORMS[form](under_test)
        pods[2].echo.refuses = grpc.StatusCode.ABORTED
        begun = sum(pod.echo.begun.total() for pod in pods)
        with pytest.raises(grpc.RpcError, match="not now"):
            await FORMS[form](under_test)
        assert sum(pod.echo.begun.total() for pod in pods) - begun == 3


async def test_a_status_that_no_policy_names_is_the_callers(kind: str, pods: tuple[Pod, ...]) -> None:
    pods[0].echo.refuses = grpc.StatusCode.FAILED_PRECONDITION
    async with client(kind, pods[0], options=policy()) as under_test:
        with pytest.raises(grpc.RpcError, match="not now"):
            await under_test.echo()
    assert pods[0].echo.begun.total() == 1


async def test_an_answer_ends_the_tries_of_a_stream(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, *pods[:2], options=policy(retryableStatusCodes=["UNAVAILABLE"])) as under_test:
        await under_test.ready(2)
        with pytest.raises(grpc.RpcError, match="the application says so"):
            [reply async for reply in under_test.stream("fail", replies=2)]
    assert sum(pod.echo.begun["first"] for pod in pods[:2]) == 1


async def test_without_a_budget_there_is_no_second_try(kind: str, pods: tuple[Pod, ...]) -> None:
    for pod in pods:
        pod.echo.refuses = grpc.StatusCode.ABORTED
    balancing = Balancing(retry_budget=RetryBudget(ratio=0, min_per_s=0))
    async with client(kind, *pods, options=policy(), balancing=balancing) as under_test:
        with pytest.raises(grpc.RpcError):
            await under_test.echo()
    assert sum(pod.echo.begun.total() for pod in pods) == 1


async def test_the_time_of_the_service_config_holds_over_all_tries(kind: str, pods: tuple[Pod, ...]) -> None:
    item = {"name": [{"service": "echo.v1.Echo", "method": "Echo"}], "timeout": "0.2s"}
    options = [("grpc.service_config", json.dumps({"methodConfig": [item]}))]
    async with client(kind, pods[0], options=options) as under_test:
        with pytest.raises(grpc.RpcError) as raised:
            await under_test.echo("wait", timeout=None)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    pods[0].echo.go_on.set()


async def test_who_waits_for_ready_waits_for_an_endpoint(kind: str, pods: tuple[Pod, ...]) -> None:
    resolver = ManualResolver()
    resolver.update(note="nobody is ready")
    async with client(kind, resolver=resolver) as under_test:
        with pytest.raises(grpc.RpcError) as raised:
            await under_test.echo(timeout=0.05, wait_for_ready=True)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "nobody is ready" in str(raised.value.details())
        made = under_test.stub.Echo
        call = getattr(made, "future", made)(Request(), wait_for_ready=True, timeout=30)
        resolver.update(pods[1].endpoint)
        await reply_of(call)
        pods[1].stop()
        waiting = getattr(made, "future", made)(Request(), wait_for_ready=True, timeout=30)
        again = Pod("again", port=pods[1].endpoint.port)
        try:
            await reply_of(waiting)
        finally:
            again.stop()


def test_a_future_that_waits_for_its_endpoint_holds_nobody_up_and_can_be_cancelled(pods: tuple[Pod, ...]) -> None:
    import discovery.grpc  # noqa: PLC0415
    from protos.echo_pb2_grpc import EchoStub  # noqa: PLC0415

    resolver = ManualResolver()
    with discovery.grpc.insecure_channel(resolver=resolver) as channel:
        stub: Any = EchoStub(channel)
        cancelled, kept = stub.Echo.future(Request()), stub.Echo.future(Request(message="x"))
        stream = stub.EchoServerStream(Request(message="x", replies=2))
        ended: list[Any] = []
        cancelled.add_done_callback(ended.append)
        assert (kept.done(), kept.running(), kept.is_active()) == (False, True, True)
        assert cancelled.cancel()
        assert (cancelled.cancelled(), cancelled.done(), ended) == (True, True, [cancelled])
        assert not cancelled.cancel()
        with pytest.raises(grpc.FutureCancelledError):
            cancelled.result()
        with pytest.raises(grpc.FutureTimeoutError):
            kept.result(timeout=0.01)
        resolver.update(pods[0].endpoint)
        assert kept.result().message == "x"
        assert (kept.exception(), kept.traceback(), kept.code()) == (None, None, grpc.StatusCode.OK)
        assert [reply.message for reply in stream] == ["first", "x"]
        assert stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        ({"timeout": "5"}, "timeout is '5', and not seconds like '0.5s'"),
        ({"retryPolicy": {"maxAttempts": 3}}, "a retryPolicy needs"),
        ({"retryPolicy": {"maxAttempts": 1, "backoffMultiplier": 2, "retryableStatusCodes": [14]}}, "at least 2"),
        ({"retryPolicy": {"maxAttempts": 2, "backoffMultiplier": 2, "retryableStatusCodes": ["OOPS"]}}, "'OOPS'"),
    ],
)
def test_a_service_config_that_is_none_is_refused(config: Any, says: str) -> None:
    text = config if isinstance(config, str) else json.dumps({"methodConfig": [{"name": [{}], **config}]})
    with pytest.raises(ValueError, match=says):
        ServiceConfig([("grpc.service_config", text)])


def test_a_service_config_says_the_most_of_the_method_that_it_names() -> None:
    items = [
        {"name": [{}], "timeout": "1s"},
        {"name": [{"service": "a.B"}], "timeout": "2.5s", "waitForReady": True},
        {"name": [{"service": "a.B", "method": "C"}], "timeout": "3s"},
    ]
    text = json.dumps({"methodConfig": items, "loadBalancingConfig": [{"pick_first": {}}]})
    config = ServiceConfig([("x", 1), ("grpc.service_config", text)], idempotent=lambda name: name.endswith("D"))
    assert [config.of(name).timeout_s for name in ("/a.B/C", "/a.B/D", "/e.F/G")] == [3, 2.5, 1]
    assert [config.of(name).wait_for_ready for name in ("/a.B/C", "/a.B/D")] == [False, True]
    assert [config.of(name).idempotent for name in ("/a.B/C", "/a.B/D")] == [False, True]
    options = dict(config.options)
    assert options["x"] == 1
    assert json.loads(options["grpc.service_config"]) == {"loadBalancingConfig": [{"pick_first": {}}]}


async def test_a_deadline_is_kept_through_backoffs(kind: str, pods: tuple[Pod, ...]) -> None:
    pods[0].echo.refuses = grpc.StatusCode.ABORTED
    options = policy(initialBackoff="600s", maxBackoff="600s")
    async with client(kind, pods[0], options=options) as under_test:
        began = time.monotonic()
        with pytest.raises(grpc.RpcError, match="not now"):
            await under_test.echo(timeout=60)
        assert time.monotonic() - began < 60
