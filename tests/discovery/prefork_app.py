"""A WSGI application that has balanced over a Service's pods before its server forks; for `test_prefork`.

On standard output it tells, for as long as its process lives, each set that the parent's own watch has seen.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import httpx

from discovery import Balancer, State
from discovery.http import Transport

TARGET = "kubernetes:///echo.default:http"

balancer = Balancer(TARGET)
transport = Transport(TARGET)
client = httpx.Client(transport=transport, base_url="http://echo.default", timeout=None)


def pods(state: State) -> list[str]:
    return sorted(each.endpoint.name for each in state.endpoints)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Waits until both balancers have the pods of the query, then picks with one and calls with the other."""
    wanted = parse_qs(environ["QUERY_STRING"])["pod"]
    for each in (balancer, transport._balancer):
        _until(each, wanted)
    with balancer.pick() as lease:
        picked = lease.endpoint.name
    answered = client.get("/slow").json()["pod"]
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"pid": os.getpid(), "picked": picked, "answered": answered}).encode()]


def _until(each: Balancer, wanted: list[str]) -> None:
    changed = threading.Event()
    with each.listening(changed.set):
        each.start()
        while pods(each.snapshot()) != wanted:
            changed.wait()
            changed.clear()


def _tell(state: State) -> None:
    # Not print(): a fork would copy a buffer, and its lock, in whatever state they are.
    os.write(1, json.dumps({"pid": os.getpid(), "pods": pods(state)}).encode() + b"\n")


balancer.pick().done()
client.get("/").raise_for_status()
balancer.subscribe(_tell)
