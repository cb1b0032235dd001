"""The cluster's DNS server: what the C library gets of it, how it misbehaves, and what it counts."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from benchmarks.lab.kinds import ENDPOINT_SLICE, SERVICE
from benchmarks.lab.nameserver import Query
from tests.conftest import Lab
from tests.inside import needs_kernel
from tests.lab.test_zone import endpoint, texts

pytestmark = needs_kernel

SERVER = "10.96.0.10"
ECHO = "echo.default.svc.cluster.local"


def ask(
    name: str = ECHO, *, payload: int | None = None, timeout: float = 10, source: str | None = None
) -> dns.message.Message:
    """Over UDP; raises dns.exception.Timeout."""
    query = dns.message.make_query(f"{name}.", "A", payload=payload)
    return dns.query.udp(query, SERVER, timeout=timeout, source=source)


def asked(lab: Lab, before: Counter[Query]) -> dict[str, int]:
    """What has been asked since, by name."""
    since = Counter(lab.cluster.nameserver.queries) - before
    return {query.name: count for query, count in since.items()}


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("echo", [ECHO]),
        ("echo.default", ["echo.default.default.svc.cluster.local", ECHO]),
        (
            "echo.default.svc",
            [f"echo.default.svc.{suffix}.cluster.local" for suffix in ("default.svc", "svc")] + [ECHO],
        ),
        (f"{ECHO}.", [ECHO]),
    ],
)
def test_the_c_library_searches_as_in_a_pod(lab: Lab, name: str, names: list[str]) -> None:
    before = Counter(lab.cluster.nameserver.queries)
    ((*_, address),) = socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)
    assert address == (lab.service_ip, 80)
    assert asked(lab, before) == dict.fromkeys(names, 1)


@pytest.mark.parametrize("name", ["nobody", "nobody.default", "nobody.default.svc.cluster.local."])
def test_what_does_not_exist_is_no_name(lab: Lab, name: str) -> None:
    with pytest.raises(socket.gaierror) as failure:
        socket.getaddrinfo(name, 80)
    assert failure.value.errno == socket.EAI_NONAME


def test_an_external_name_leads_to_where_it_points(lab: Lab) -> None:
    service = {"metadata": {"name": "bank"}, "spec": {"type": "ExternalName", "externalName": ECHO}}
    lab.call(lab.cluster.api.create, SERVICE, "default", service)
    while ask("bank.default.svc.cluster.local").rcode() == dns.rcode.NXDOMAIN:
        pass  # the server has not heard of it yet
    ((*_, canonical, address),) = socket.getaddrinfo(
        "bank", 80, socket.AF_INET, socket.SOCK_STREAM, flags=socket.AI_CANONNAME
    )
    assert (canonical, address) == (ECHO, (lab.service_ip, 80))
    lab.call(lab.cluster.api.delete, SERVICE, "default", "bank")


@pytest.fixture
def crowd(lab: Lab) -> Iterator[set[str]]:
    """The addresses of a headless Service that has more pods than a datagram of 512 bytes can tell."""
    addresses = {f"10.64.9.{host}" for host in range(60)}
    service = {"metadata": {"name": "crowd"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}
    piece = {
        "metadata": {"name": "crowd-1", "labels": {"kubernetes.io/service-name": "crowd"}},
        "addressType": "IPv4",
        "endpoints": [endpoint(address) for address in sorted(addresses)],
        "ports": [{"name": "", "protocol": "TCP", "port": 8081}],
    }
    lab.call(lab.cluster.api.create, SERVICE, "default", service)
    lab.call(lab.cluster.api.create, ENDPOINT_SLICE, "default", piece)
    yield addresses
    lab.call(lab.cluster.api.delete, ENDPOINT_SLICE, "default", "crowd-1")
    lab.call(lab.cluster.api.delete, SERVICE, "default", "crowd")


def test_an_answer_too_long_for_a_datagram_comes_over_tcp(lab: Lab, crowd: set[str]) -> None:
    name = "crowd.default.svc.cluster.local"
    while ask(name).rcode() == dns.rcode.NXDOMAIN:
        pass  # the server has not heard of it yet

    # 60 addresses take 16 bytes each.
    for payload, fits in ((None, False), (400, False), (900, False), (1232, True)):
        response = ask(name, payload=payload)
        assert bool(response.flags & dns.flags.TC) != fits
        assert (texts(response) == crowd) == fits
    assert texts(dns.query.tcp(dns.message.make_query(f"{name}.", "A"), SERVER, timeout=10)) == crowd
    assert {info[4][0] for info in socket.getaddrinfo("crowd", 80, type=socket.SOCK_STREAM)} == crowd


def test_a_connection_carries_several_queries(lab: Lab) -> None:
    with socket.create_connection((SERVER, 53), timeout=10) as connection:
        connection.setblocking(False)
        for name, address in (("echo.default", lab.service_ip), ("kube-dns.kube-system", SERVER)):
            query = dns.message.make_query(f"{name}.svc.cluster.local.", "A")
            assert texts(dns.query.tcp(query, SERVER, timeout=10, sock=connection)) == {address}


def test_what_is_no_dns_message_is_not_answered(lab: Lab) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((SERVER, 53))
        client.settimeout(10)
        client.send(b"\x00")
        query = dns.message.make_query("echo.default.svc.cluster.local.", "A")
        client.send(query.to_wire())
        assert dns.message.from_wire(client.recv(512)).id == query.id


def test_queries_are_counted_by_client_and_name(lab: Lab) -> None:
    before, before_all = Counter(lab.cluster.nameserver.queries), lab.cluster.dns_queries()
    ask()
    ask(source="10.64.9.250")
    ask(source="10.64.9.250")
    assert Counter(lab.cluster.nameserver.queries) - before == {
        Query("10.64.0.1", ECHO): 1,
        Query("10.64.9.250", ECHO): 2,
    }
    assert lab.cluster.dns_queries() == before_all + 3


def test_it_fails_on_demand(lab: Lab) -> None:
    server = lab.cluster.nameserver
    query = dns.message.make_query(f"{ECHO}.", "A")
    with server.fail_with():
        assert ask().rcode() == dns.rcode.SERVFAIL
        with server.fail_with("REFUSED"):
            assert dns.query.tcp(query, SERVER, timeout=10).rcode() == dns.rcode.REFUSED
        with pytest.raises(socket.gaierror) as failure:
            socket.getaddrinfo("echo", 80)
    assert failure.value.errno == socket.EAI_AGAIN
    assert texts(ask()) == {lab.service_ip}


def test_it_is_silent_on_demand(lab: Lab) -> None:
    query = dns.message.make_query(f"{ECHO}.", "A")
    before = lab.cluster.dns_queries()
    with lab.cluster.nameserver.silence():
        with pytest.raises(dns.exception.Timeout):
            ask(timeout=0.2)
        with socket.create_connection((SERVER, 53), timeout=10) as connection:
            connection.setblocking(False)
            with pytest.raises(dns.exception.Timeout):
                dns.query.tcp(query, SERVER, timeout=0.2, sock=connection)
            assert lab.cluster.dns_queries() == before + 2
            with pytest.raises(BlockingIOError):
                connection.recv(1)  # it has not hung up
    assert texts(ask()) == {lab.service_ip}


def test_it_is_late_on_demand(lab: Lab) -> None:
    query = dns.message.make_query(f"{ECHO}.", "A")
    with lab.cluster.nameserver.delay(0.2):
        for send in (dns.query.udp, dns.query.tcp):
            begin = time.monotonic()
            assert texts(send(query, SERVER, timeout=10)) == {lab.service_ip}
            assert time.monotonic() - begin >= 0.2
