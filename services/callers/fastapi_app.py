"""A FastAPI service that calls another: `uvicorn services.callers.fastapi_app:app`.

The client lives as long as the service, on its event loop: the lifespan opens and closes it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from discovery.http import AsyncTransport

TARGET = os.environ.get("ECHO_TARGET", "kubernetes:///echo:http")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    transport = AsyncTransport(TARGET, host="echo")
    async with httpx.AsyncClient(transport=transport, base_url="http://echo", timeout=5.0) as echo:
        yield {"echo": echo}


def client(request: Request) -> httpx.AsyncClient:
    echo: httpx.AsyncClient = request.state.echo
    return echo


app = FastAPI(lifespan=lifespan)


@app.get("/service")
async def service(echo: Annotated[httpx.AsyncClient, Depends(client)]) -> Any:
    """Answer which pod took the call."""
    response = await echo.get("/ping")
    return response.raise_for_status().json()


@app.exception_handler(httpx.HTTPError)
async def call_failed(_request: Request, error: Exception) -> JSONResponse:
    """Whatever went wrong is an error of httpx's, and its text says where."""
    return JSONResponse({"error": str(error)}, status_code=502)
