"""The consumer as a process, in front of real providers."""

import signal

import grpc
import httpx
import pytest
from starlette.requests import Request

import discovery.http
from services.consumer.app import call_failed
from tests.services.conftest import Spawn, StartConsumer, StartProvider


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_service_answers_which_pod_took_the_call(
    provider: StartProvider, consumer: StartConsumer, protocol: str
) -> None:
    pods = [await provider(POD_NAME=name, NODE_NAME="node-a", ZONE="zone-a") for name in ("echo-0", "echo-1")]
    addresses = ",".join(getattr(pod, protocol) for pod in pods)
    asking = await consumer("--target", f"static:///{addresses}", "--protocol", protocol, "--policy", "round_robin")

    async with httpx.AsyncClient(base_url=asking.url, timeout=60) as client:
        answers = [(await client.get("/service")).raise_for_status().json() for _ in range(6)]
        assert (await client.get("/healthz")).text == "ok"

    assert {answer["pod"] for answer in answers} == {"echo-0", "echo-1"}
    assert all(set(answer) == {"pod", "node", "zone", "peer"} for answer in answers)
    assert all(answer["peer"].startswith("127.0.0.1:") for answer in answers)

    asking.process.send_signal(signal.SIGTERM)
    _, log = await asking.process.communicate()
    assert asking.process.returncode == -signal.SIGTERM, "uvicorn drains, then ends by the signal that it got"
    assert b"Traceback" not in log


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_a_failing_provider_is_503_with_the_cause(
    provider: StartProvider, consumer: StartConsumer, protocol: str
) -> None:
    pod = await provider("--fail-ratio", "1")
    asking = await consumer("--target", f"static:///{getattr(pod, protocol)}", "--protocol", protocol)
    async with httpx.AsyncClient(base_url=asking.url, timeout=60) as client:
        answer = await client.get("/service")
    assert answer.status_code == 503
    assert "--fail-ratio" in answer.json()["error"]


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (("--target", "nowhere"), "nowhere"),
        (("--target", "static:///10.0.0.1"), "10.0.0.1"),
        (("--target", "static:///10.0.0.1:80", "--policy", "fairest"), "fairest"),
        (("--target", "static:///10.0.0.1:80", "--port", "-1"), "--port"),
        ((), "--target"),
    ],
)
async def test_what_does_not_parse_is_one_line_and_status_2(
    spawn: Spawn, arguments: tuple[str, ...], culprit: str
) -> None:
    process = await spawn("services.consumer", *arguments)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.count(b"\n") == 1
    assert culprit in errors.decode()


def rpc_error(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details, None)


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (discovery.http.NoEndpoints("echo: no endpoint"), 503, b"echo: no endpoint"),
        (discovery.http.Unresolved("echo: not resolved"), 504, b"echo: not resolved"),
        (httpx.ReadTimeout(""), 504, b"ReadTimeout"),
        (httpx.ConnectError("refused"), 502, b"refused"),
        (rpc_error(grpc.StatusCode.UNAVAILABLE, "no endpoint"), 503, b"no endpoint"),
        (rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "too late"), 504, b"too late"),
        (rpc_error(grpc.StatusCode.INTERNAL, ""), 502, b"INTERNAL"),
    ],
)
def test_each_cause_has_its_status(error: Exception, status: int, cause: bytes) -> None:
    answer = call_failed(Request({"type": "http"}), error)
    assert answer.status_code == status
    assert cause in answer.body
