"""The provider over HTTP/1.1: `GET /ping` tells who answered, `GET /healthz` whether to send more.

Where it may be told so, `PUT /registration` has it register where the body says, `etcd://HOST:PORT/PREFIX`, and nowhere
where that is empty.
"""

import asyncio
import dataclasses

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from discovery import Unresolved
from services.provider.entry import Entry
from services.provider.identity import Identity
from services.provider.work import Work, WorkFailedError

_REGISTER_S = 5.0


def http_app(identity: Identity, work: Work, stopping: asyncio.Event, entry: Entry | None = None) -> Starlette:
    """Make the ASGI app; it says that it is ready until `stopping` is set. `entry` is what it may be told to move."""
    who = dataclasses.asdict(identity)

    async def ping(request: Request) -> Response:
        try:
            await work.do()
        except WorkFailedError as error:
            return JSONResponse({**who, "error": str(error)}, 503)
        return JSONResponse({**who, "peer": _peer(request)})

    async def healthz(_request: Request) -> Response:
        if stopping.is_set():
            return PlainTextResponse("not ready", 503)
        return PlainTextResponse("ok")

    async def registration(request: Request) -> Response:
        assert entry is not None
        if stopping.is_set():
            return PlainTextResponse("it is leaving", 409)
        try:
            await entry.hold(entry.at((await request.body()).decode()), _REGISTER_S)
        except Unresolved as error:
            return PlainTextResponse(str(error), 504)
        except ValueError as error:
            return PlainTextResponse(str(error), 400)
        return Response(status_code=204)

    routes = [Route("/ping", ping), Route("/healthz", healthz)]
    if entry is not None:
        routes.append(Route("/registration", registration, methods=["PUT"]))
    return Starlette(routes=routes)


def _peer(request: Request) -> str:
    if request.client is None:
        return ""
    host, port = request.client
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
