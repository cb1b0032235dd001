"""The consumer's HTTP side: `GET /service` asks a provider, `GET /healthz` answers by itself."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import discovery
from services.consumer.calls import Call


def consumer_app(opening: AbstractAsyncContextManager[Call]) -> Starlette:
    """Make the ASGI app; the way to call a provider is opened when the app starts, and closed when it ends."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Call]]:
        async with opening as call:
            yield {"call": call}

    return Starlette(
        routes=[Route("/service", service), Route("/healthz", healthz)],
        exception_handlers={httpx.HTTPError: call_failed, grpc.RpcError: call_failed},
        lifespan=lifespan,
    )


async def service(request: Request) -> Response:
    """Answer which pod took the call: {"pod", "node", "zone", "peer"}."""
    return JSONResponse(await request.state.call())


async def healthz(_request: Request) -> Response:
    """Answer for this process alone: without providers a consumer is as healthy as with them."""
    return PlainTextResponse("ok")


def call_failed(_request: Request, error: Exception) -> Response:
    """Answer {"error": cause}: 503 where no provider takes calls, 504 where one took too long, else 502."""
    status, cause = 502, str(error).partition("\n")[0]
    match error:
        case grpc.aio.AioRpcError():
            by_code = {grpc.StatusCode.UNAVAILABLE: 503, grpc.StatusCode.DEADLINE_EXCEEDED: 504}
            status, cause = by_code.get(error.code(), 502), error.details() or error.code().name
        case httpx.TimeoutException():
            status = 504
        case discovery.NoEndpoints():
            status = 503
        case httpx.HTTPStatusError(response=response):
            status = 503 if response.status_code == 503 else 502
            cause = f"the provider answered {response.status_code}: {response.text}"
    return JSONResponse({"error": cause or type(error).__name__}, status)
