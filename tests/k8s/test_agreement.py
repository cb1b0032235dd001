"""What the manifests say of the services is what the services say of themselves: options, ports, probes, times."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.util
from typing import Any

import pytest

from discovery import Balancing, registry
from protos import echo_pb2
from services.consumer.app import consumer_app
from services.provider.http_app import http_app
from services.provider.identity import Identity
from services.provider.work import Work

from .built import OVERLAYS, Object, build, container, of_kind, pods

XDS = "discovery.xds"


def options(pod: Object) -> argparse.Namespace:
    """A container's arguments, as the module that it runs parses them."""
    program = container(pod)
    python, dash_m, module = program["command"]
    assert (python, dash_m) == ("python", "-m")
    if module == XDS and importlib.util.find_spec(XDS) is None:
        pytest.skip("there is no discovery.xds here")
    parsed: argparse.Namespace = importlib.import_module(f"{module}.__main__").parse(program["args"])
    return parsed


def ports(pod: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(pod)["ports"]}


def probes(pod: Object) -> list[tuple[str, Object]]:
    """What is asked how, for each probe."""
    kinds = ("grpc", "httpGet", "tcpSocket")
    found = (container(pod).get(f"{name}Probe", {}) for name in ("startup", "readiness", "liveness"))
    return [(kind, probe[kind]) for probe in found for kind in kinds if kind in probe]


def environment(pod: Object) -> dict[str, str]:
    """Each variable with a value that tells where it comes from."""
    return {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container(pod)["env"]}


@pytest.fixture(params=["base", *OVERLAYS])
def overlay(request: pytest.FixtureRequest) -> dict[str, Object]:
    return pods(build(str(request.param)))


def test_the_ports_are_those_that_are_listened_on(overlay: dict[str, Object]) -> None:
    provider, consumer = options(overlay["echo"]), options(overlay["consumer"])
    assert ports(overlay["echo"]) == {"http": provider.http_port, "grpc": provider.grpc_port}
    assert ports(overlay["consumer"]) == {"http": consumer.port}
    assert provider.host == consumer.host == "0.0.0.0"


def test_the_control_plane_listens_on_its_port_of_every_address() -> None:
    pod = pods(build("base"))["xds"]
    assert options(pod).listen == f"0.0.0.0:{ports(pod)['xds']}"


def test_probes_ask_what_is_served(overlay: dict[str, Object]) -> None:
    echo, consumer = overlay["echo"], overlay["consumer"]
    provider = http_app(Identity("", "", ""), Work(), asyncio.Event())
    served: dict[str, Any] = {"echo": provider.routes, "consumer": consumer_app(contextlib.nullcontext()).routes}  # type: ignore[arg-type]  # never entered
    for name in ("echo", "consumer"):
        for kind, probe in probes(overlay[name]):
            if kind == "httpGet":
                assert probe["port"] == "http"
                assert probe["path"] in {route.path for route in served[name]}
    service = echo_pb2.DESCRIPTOR.services_by_name["Echo"].full_name
    over_grpc = {"port": ports(echo)["grpc"], "service": service}
    http = {"path": "/healthz", "port": "http"}
    assert probes(echo) == [("grpc", over_grpc), ("httpGet", http), ("grpc", over_grpc)]
    assert probes(consumer) == [("httpGet", http), ("httpGet", http)]
    assert probes(overlay["xds"]) == [("tcpSocket", {"port": "xds"})] * 2


def test_a_pod_that_drains_is_left_the_time_that_it_takes(overlay: dict[str, Object]) -> None:
    echo = overlay["echo"]
    provider, liveness = options(echo), container(echo)["livenessProbe"]
    pause_s = container(echo)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace_s = echo["spec"]["terminationGracePeriodSeconds"]
    assert pause_s + provider.lame_duck_s + provider.grace_s < grace_s
    assert liveness["periodSeconds"] * liveness["failureThreshold"] > grace_s


def test_the_pods_are_told_who_and_where_they_are(overlay: dict[str, Object], monkeypatch: pytest.MonkeyPatch) -> None:
    zone = "metadata.labels['topology.kubernetes.io/zone']"
    told = Identity.from_environment(environment(overlay["echo"]))
    assert told == Identity(pod="metadata.name", node="spec.nodeName", zone=zone)
    for name, value in environment(overlay["consumer"]).items():
        monkeypatch.setenv(name, value)
    assert (Balancing().our_node, Balancing().our_zone) == ("spec.nodeName", zone)


@pytest.mark.parametrize(
    ("name", "target", "protocol"),
    [
        ("base", "kubernetes:///echo:http", "http"),
        ("kind", "kubernetes:///echo:http", "http"),
        ("kind-two", "kubernetes:///echo:http", "http"),
        ("kind-grpc-service", "service:///echo:9080", "grpc"),
        ("kind-grpc-watched", "kubernetes:///echo:grpc", "grpc"),
    ],
)
def test_the_consumer_calls_a_port_that_the_service_has(name: str, target: str, protocol: str) -> None:
    objects = build(name)
    given = options(pods(objects)["consumer"])
    assert (given.target, given.protocol) == (target, protocol)
    registry.resolver(given.target)
    service, _, port = given.target.rpartition("/")[2].partition(":")
    found = {str(each["port"]): each["name"] for each in of_kind(objects, "Service")[service]["spec"]["ports"]}
    assert found.get(port, port) == protocol
    assert protocol in found.values()
