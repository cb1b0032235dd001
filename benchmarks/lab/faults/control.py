"""Faults over HTTP, for the administrator: what `python -m benchmarks.lab fault` asks.

GET /lab/faults lists those in force, POST /lab/faults/NAME?OPTION=VALUE starts one, DELETE /lab/faults ends all.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, get_args, get_type_hints

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..access import ADMIN
from ..errors import LabError
from .catalogue import Faults

PATH: Final = "/lab/faults"
_ON_CONNECTIONS: Final = frozenset({"close_at_once", "stop_reading"})
_OUTAGES: Final = frozenset({"kill", "stop_listening"})
_RESTARTS: Final = frozenset({"lose_versions"})
_NO_FAULTS: Final = frozenset({"attach", "around", "before", "clear", "end", "later", "start"})
NAMES: Final = tuple(
    name
    for name, _ in inspect.getmembers(Faults, inspect.isfunction)
    if not name.startswith("_") and name not in _NO_FAULTS
)
_SENT_S: Final = 0.05
"""For the answer to get out, before the server that sends it is cut off."""


def routes(faults: Faults) -> list[Route]:
    """To be put behind the authentication of the API server."""
    one = PATH + "/{name}"
    return [
        Route(PATH, partial(_list, faults), methods=["GET"]),
        Route(PATH, partial(_clear, faults), methods=["DELETE"]),
        Route(one, partial(_begin, faults), methods=["POST"]),
    ]


def options_of(name: str) -> dict[str, type]:
    """What a fault can be told, with the types of the values; a text where it is not a number."""
    known: dict[str, Any] = {}
    for option, hint in get_type_hints(getattr(Faults, name)).items():
        if option in {"when", "limits"}:
            known |= get_type_hints(get_args(hint)[0])
        elif option != "return":
            known[option] = hint
    if name in _OUTAGES:
        known["for_s"] = float
    return {option: hint if hint in {int, float} else str for option, hint in known.items()}


def required_options(name: str) -> set[str]:
    """Those without which it cannot be had."""
    parameters = inspect.signature(getattr(Faults, name)).parameters.values()
    needed = {each.name for each in parameters if each.default is each.empty and each.kind != each.VAR_KEYWORD}
    return needed - {"self"} | ({"for_s"} if name in _OUTAGES else set())


async def _list(faults: Faults, request: Request) -> Response:
    _authorize(request)
    return JSONResponse([{"name": fault.name, "of": fault.of, "met": fault.met} for fault in faults.in_force])


async def _clear(faults: Faults, request: Request) -> Response:
    _authorize(request)
    faults.clear()
    return JSONResponse([])


async def _begin(faults: Faults, request: Request) -> Response:
    _authorize(request)
    name = request.path_params["name"]
    if name not in NAMES:
        raise HTTPException(404, f"there is no fault {name!r}: there are {', '.join(NAMES)}")
    options = _options(name, request.query_params)
    if name in _ON_CONNECTIONS and not options.keys() & {"for_s", "count"}:
        raise HTTPException(
            400, f"{name} shuts you out, too: say how long with for_s=SECONDS, or how often with count=CONNECTIONS"
        )
    try:
        if name in _OUTAGES:
            faults.later(_outage(faults, name, options["for_s"]))
        elif name in _RESTARTS:
            faults.later(_after_the_answer(partial(faults.lose_versions, **options)))
        elif name in _ON_CONNECTIONS:
            faults.later(_after_the_answer(partial(getattr(faults, name), **options)))
        else:
            getattr(faults, name)(**options)
    except (LabError, TypeError) as error:
        raise HTTPException(400, str(error)) from error
    return await _list(faults, request)


async def _outage(faults: Faults, name: str, for_s: float) -> None:
    await _after_the_answer(getattr(faults, name))
    await asyncio.sleep(for_s)
    await faults.start()


async def _after_the_answer(cut: Callable[[], Any]) -> None:
    await asyncio.sleep(_SENT_S)
    done = cut()
    if inspect.isawaitable(done):
        await done


def _authorize(request: Request) -> None:
    if request.user.username != ADMIN:
        raise HTTPException(403, f'faults are forbidden: User "{request.user.username}" is not the administrator')


def _options(name: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Their values; raises `HTTPException`."""
    known = options_of(name)
    if unknown := sorted(set(given) - set(known)):
        choice = f"it has {', '.join(known)}" if known else "it has none"
        raise HTTPException(400, f"{name} has no option {unknown[0]!r}: {choice}")
    if missing := sorted(required_options(name) - set(given)):
        raise HTTPException(400, f"{name} needs {missing[0]}=VALUE")
    try:
        options = {option: known[option](text) for option, text in given.items()}
    except ValueError as error:
        raise HTTPException(400, f"{name}: {error}") from error
    for option in ("count", "for_s", "changes"):
        if not options.get(option, 1) > 0:
            raise HTTPException(400, f"{name}: {option} must be greater than 0")
    return options
