"""Connections to Services, over the kernel's own rules."""

from __future__ import annotations

import http.client
import json
import socket
from collections import Counter

import pytest

from benchmarks.lab.cluster import SERVICE_HTTP_PORT, Pod
from tests.conftest import Lab
from tests.inside import needs_kernel

pytestmark = needs_kernel


def ask(connection: http.client.HTTPConnection) -> str:
    """The name of the pod that answers."""
    connection.request("GET", "/ping")
    name = json.loads(connection.getresponse().read())["pod"]
    assert isinstance(name, str)
    return name


def connect(address: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(address, SERVICE_HTTP_PORT, timeout=10)


def ask_anew(address: str) -> str:
    connection = connect(address)
    try:
        return ask(connection)
    finally:
        connection.close()


def test_each_connection_goes_to_any_pod_and_stays_there(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    before = lab.call(lab.cluster.connections)
    answers = Counter(ask_anew(lab.service_ip) for _ in range(120))
    kept = connect(lab.service_ip)
    answers_kept = Counter(ask(kept) for _ in range(30))
    kept.close()
    after = lab.call(lab.cluster.connections)

    # The odds that one of three pods gets none of 120 connections are below 10**-20.
    assert set(answers) == {pod.name for pod in echo_pods}
    assert len(answers_kept) == 1
    assert {pod.name: after[pod.name] - before[pod.name] for pod in echo_pods} == answers + Counter(set(answers_kept))


def test_a_service_without_endpoints_rejects_at_once(lab: Lab) -> None:
    address = lab.call(lab.cluster.create_service, "unserved")
    # A time limit of seconds makes connect() non-blocking; without the rejection it would end in TimeoutError.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, SERVICE_HTTP_PORT), timeout=10)


def test_a_port_that_the_service_does_not_have_is_rejected_at_once(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.service_ip, 81), timeout=10)


def test_a_service_may_have_an_address_of_any_range(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    address = "172.30.7.7"  # as OpenShift has them

    with lab.portal.wrap_async_context_manager(lab.cluster.further_service("far", "echo", clusterIP=address)):
        assert {ask_anew(address) for _ in range(60)} == {pod.name for pod in echo_pods}

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, SERVICE_HTTP_PORT), timeout=10)


def test_new_connections_follow_the_slices_and_kept_ones_stay(lab: Lab) -> None:
    address = lab.call(lab.cluster.create_service, "moving")
    first, second = lab.call(lab.cluster.start_pods, "moving", 2, join=False)
    lab.call(lab.cluster.join, [first])
    kept = connect(address)
    assert ask(kept) == first.name

    lab.call(lab.cluster.join, [second])
    lab.call(lab.cluster.leave, [first])
    assert {ask_anew(address) for _ in range(20)} == {second.name}
    assert ask(kept) == first.name
    kept.close()

    lab.call(lab.cluster.leave, [second])
    with pytest.raises(ConnectionRefusedError):
        connect(address).connect()
    lab.call(lab.cluster.kill_pods, [first, second])


def test_a_pod_reaches_itself_through_its_service(lab: Lab) -> None:
    address = lab.call(lab.cluster.create_service, "selfish")
    (pod,) = lab.call(lab.cluster.start_pods, "selfish", 1)
    client = http.client.HTTPConnection(address, SERVICE_HTTP_PORT, timeout=10, source_address=(pod.address, 0))

    client.request("GET", "/ping")
    peer = json.loads(client.getresponse().read())["peer"]

    # As in a cluster, what comes back to where it started is masqueraded.
    assert not peer.startswith(f"{pod.address}:")
    client.close()
    lab.call(lab.cluster.kill_pods, [pod])
