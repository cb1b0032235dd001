"""To which endpoint the kernel's rules send new connections, with bare TCP servers for pods."""

from __future__ import annotations

import math
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks.lab.network import NODE
from tests.conftest import Lab
from tests.inside import needs_kernel
from tests.lab.bare import CLUSTER_IP, NODE_PORT, PORT, Bare

pytestmark = needs_kernel

OTHER_CLIENT = "10.64.7.200"
HOSTS = tuple(f"10.64.7.{number}" for number in range(10))


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    """One at each of the addresses, which tells whoever connects its own address and the client's, and hangs up."""
    with selectors.DefaultSelector() as selector:
        listeners = [socket.create_server((host, PORT), backlog=128) for host in HOSTS]
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ)
        wake, woken = socket.socketpair()
        selector.register(woken, selectors.EVENT_READ)
        thread = threading.Thread(target=serve, args=(selector, woken))
        thread.start()
        yield
        wake.close()
        thread.join()
        for each in (*listeners, woken):
            each.close()


def serve(selector: selectors.BaseSelector, end: socket.socket) -> None:
    while True:
        for key, _ in selector.select():
            listener = key.fileobj
            assert isinstance(listener, socket.socket)
            if listener is end:
                return
            connection, (client, _port) = listener.accept()
            with connection:
                connection.sendall(f"{listener.getsockname()[0]} {client}".encode())


@pytest.fixture
def bare(lab: Lab) -> Iterator[Bare]:
    service = Bare(lab)
    yield service
    service.delete()


def connect(to: str = CLUSTER_IP, port: int = 80, source: str = "") -> tuple[str, str]:
    """The address that has answered, and that of the client in its eyes."""
    with socket.create_connection((to, port), timeout=10, source_address=(source, 0) if source else None) as client:
        said = b""
        while part := client.recv(100):
            said += part
    host, seen = said.decode().split()
    return host, seen


def p_value(chi_square: float, freedom: int) -> float:
    """The upper tail of the chi-square distribution, in closed form: Abramowitz and Stegun, 26.4.4 and 26.4.5."""
    half = chi_square / 2
    if freedom % 2 == 0:
        return math.exp(-half) * sum(math.pow(half, power) / math.factorial(power) for power in range(freedom // 2))
    powers = [number + 0.5 for number in range(freedom // 2)]
    return math.erfc(math.sqrt(half)) + math.exp(-half) * sum(
        math.pow(half, power) / math.gamma(power + 1) for power in powers
    )


# Critical values for 0.001, from the NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4.
@pytest.mark.parametrize(("freedom", "critical"), [(1, 10.828), (2, 13.816), (3, 16.266), (9, 27.877), (10, 29.588)])
def test_the_formula_gives_what_tables_give(freedom: int, critical: float) -> None:
    assert p_value(critical, freedom) == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("pods", [3, 10])
def test_connections_are_spread_evenly(bare: Bare, pods: int) -> None:
    bare.create()
    bare.serve_from(HOSTS[:pods])
    counts = Counter(connect()[0] for _ in range(3000))
    assert set(counts) == set(HOSTS[:pods])
    fair = 3000 / pods
    chi_square = sum((count - fair) ** 2 / fair for count in counts.values())
    assert p_value(chi_square, pods - 1) > 0.0001, counts


def test_an_endpoint_that_leaves_gets_no_new_connection_while_others_are_ready(bare: Bare) -> None:
    bare.create()
    bare.serve_from(HOSTS[:2], leaving=HOSTS[2:3])
    assert {connect()[0] for _ in range(100)} == set(HOSTS[:2])

    bare.serve_from((), leaving=HOSTS[2:3])
    assert connect()[0] == HOSTS[2]

    bare.serve_from(())
    with pytest.raises(ConnectionRefusedError):
        connect()


def test_a_client_stays_with_its_pod_for_as_long_as_that_is_there(bare: Bare) -> None:
    bare.create(sessionAffinity="ClientIP")
    bare.serve_from(HOSTS[:3])
    mine, _ = connect()
    # Of ten pods, others come and go.
    for hosts in (HOSTS[:3], HOSTS, sorted({mine, *HOSTS[5:]}, key=HOSTS.index)):
        bare.serve_from(hosts)
        assert {connect()[0] for _ in range(30)} == {mine}

    bare.serve_from(others := [host for host in HOSTS if host != mine])
    after = {connect()[0] for _ in range(30)}
    assert len(after) == 1
    assert after < set(others)


def test_each_client_has_a_pod_of_its_own(bare: Bare) -> None:
    bare.create(sessionAffinity="ClientIP")
    bare.serve_from(HOSTS)
    clients = [f"10.64.8.{number}" for number in range(40)]
    first = {client: connect(source=client) for client in clients}
    assert {client: connect(source=client) for client in clients} == first
    # The odds that 40 clients all meet the same pod of ten are 10**-39.
    assert len({host for host, _ in first.values()}) > 1
    assert {seen for _, seen in first.values()} == set(clients)


def test_a_node_port_leads_to_the_pods_and_hides_the_client(bare: Bare) -> None:
    bare.create()
    node = str(NODE.ip)
    bare.serve_from(HOSTS[:3])
    answers = [connect(node, NODE_PORT, OTHER_CLIENT) for _ in range(60)]
    # The odds that one of three gets none of 60 are below 10**-10.
    assert {host for host, _ in answers} == set(HOSTS[:3])
    # As in a cluster with externalTrafficPolicy Cluster.
    assert OTHER_CLIENT not in {seen for _, seen in answers}

    bare.serve_from(())
    with pytest.raises(ConnectionRefusedError):
        connect(node, NODE_PORT)
