"""Pods that are halted, or cut off from the network, and what their clients notice of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from benchmarks.lab import cuts, pods
from benchmarks.lab.errors import LabError
from tests.conftest import Lab
from tests.inside import needs_kernel
from tests.lab.bare import PORT, Bare
from tests.lab.readiness import until_all_are

HOST = "10.64.9.200"
# Its own, because connection tracking still knows for minutes where the connections that hang have been sent to, and
# sends there whoever has the same port by chance.
CLUSTER_IP = "10.96.7.8"
NEVER_S = 0.3  # what never comes has not come by then
REQUEST = b"GET /ping HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"


def connect(host: str, port: int, source: str = "") -> socket.socket:
    return socket.create_connection((host, port), timeout=10, source_address=(source, 0) if source else None)


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(NEVER_S)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)
    return False


def whole_answer(client: socket.socket) -> bytes:
    said = b""
    while part := client.recv(4096):
        said += part
    return said


def test_a_frozen_pod_accepts_and_answers_when_it_is_thawed(lab: Lab) -> None:
    lab.call(lab.cluster.create_service, "halted")
    (pod,) = lab.call(lab.cluster.start_pods, "halted", 1)
    lab.call(lab.cluster.freeze_pods, [pod])
    with connect(pod.address, pod.http_port) as client:
        client.sendall(REQUEST)
        lab.call(until_all_are, lab.cluster.api, "halted", ready=False)
        assert hears_nothing(client)

        lab.call(lab.cluster.thaw_pods, [pod])
        assert json.loads(whole_answer(client).partition(b"\r\n\r\n")[2])["pod"] == pod.name
    lab.call(until_all_are, lab.cluster.api, "halted", ready=True)
    lab.call(lab.cluster.kill_pods, [pod])

    with pytest.raises(LabError, match="pod halted-0 is gone"):
        lab.call(lab.cluster.freeze_pods, [pod])


def test_a_frozen_pod_is_killed_when_its_grace_period_is_over(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.call(lab.cluster.create_service, "deaf")
    (pod,) = lab.call(lab.cluster.start_pods, "deaf", 1)
    lab.call(lab.cluster.freeze_pods, [pod])
    monkeypatch.setattr(pods, "GRACE_S", 1)
    lab.call(lab.cluster.stop_pods, [pod])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{pod.address}:{pod.http_port}/ping")


@needs_kernel
def test_a_pod_that_is_cut_off_turns_unready_until_it_is_reconnected(lab: Lab) -> None:
    address = lab.call(lab.cluster.create_service, "lonely")
    lost, other = lab.call(lab.cluster.start_pods, "lonely", 2, join=False)
    lab.call(lab.cluster.join, [lost])
    with connect(address, 80) as kept:
        lab.call(lab.cluster.cut_off_pods, [lost])
        lab.call(until_all_are, lab.cluster.api, "lonely", ready=False)
        lab.call(lab.cluster.join, [other])
        assert httpx.get(f"http://{address}/ping").json()["pod"] == other.name
        kept.sendall(REQUEST)
        assert hears_nothing(kept)

        lab.call(lab.cluster.reconnect_pods, [lost])
        assert json.loads(whole_answer(kept).partition(b"\r\n\r\n")[2])["pod"] == lost.name
    lab.call(until_all_are, lab.cluster.api, "lonely", ready=True)
    lab.call(lab.cluster.kill_pods, [lost, other])


@pytest.fixture
def listener(lab: Lab) -> Iterator[socket.socket]:
    """A server at an address that is reconnected in the end."""
    with socket.create_server((HOST, PORT)) as server:
        server.settimeout(10)
        yield server
    lab.call(cuts.heal, [HOST])


@pytest.fixture
def bare(lab: Lab) -> Iterator[Bare]:
    service = Bare(lab, CLUSTER_IP)
    service.create()
    yield service
    service.delete()


@needs_kernel
@pytest.mark.parametrize(("host", "port"), [(HOST, PORT), (CLUSTER_IP, 80)])
def test_what_it_sends_is_lost_until_it_is_sent_again(
    lab: Lab, listener: socket.socket, bare: Bare, host: str, port: int
) -> None:
    bare.serve_from([HOST])
    with connect(host, port) as client, listener.accept()[0] as server:
        lab.call(cuts.cut, [HOST])
        server.sendall(b"x")
        assert hears_nothing(client)
        lab.call(cuts.heal, [HOST])
        assert client.recv(1) == b"x"


@needs_kernel
@pytest.mark.parametrize(("host", "port"), [(HOST, PORT), (CLUSTER_IP, 80)])
def test_it_cannot_be_reached_anew_and_nothing_says_so(
    lab: Lab, listener: socket.socket, bare: Bare, host: str, port: int
) -> None:
    bare.serve_from([HOST])
    lab.call(cuts.cut, [HOST, "10.64.9.201"])
    with pytest.raises(TimeoutError):
        socket.create_connection((host, port), timeout=NEVER_S)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, PORT))
        client.send(b"x")  # no EPERM
        assert hears_nothing(client)  # and no word of the port being closed
        lab.call(cuts.heal, ["10.64.9.202", HOST])
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(1)


@needs_kernel
def test_it_reaches_nobody(lab: Lab, listener: socket.socket) -> None:
    lab.call(cuts.cut, ["10.64.9.201"])
    with pytest.raises(TimeoutError):
        socket.create_connection((HOST, PORT), timeout=NEVER_S, source_address=("10.64.9.201", 0))
    lab.call(cuts.heal, ["10.64.9.201"])
    with connect(HOST, PORT, "10.64.9.201") as client:
        assert client.getsockname()[0] == "10.64.9.201"


@pytest.mark.skipif(not needs_kernel.args[0], reason="there are namespaces here")
def test_without_a_network_nothing_can_be_cut_off(lab: Lab) -> None:
    for method in (lab.cluster.cut_off_pods, lab.cluster.reconnect_pods):
        with pytest.raises(LabError, match=r"share 127\.0\.0\.1"):
            lab.call(method, [])
