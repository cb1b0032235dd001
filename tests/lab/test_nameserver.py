"""The cluster's DNS: what the C library gets, and the messages themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from benchmarks.lab.cluster import Pod
from benchmarks.lab.kinds import ENDPOINT_SLICE, SERVICE
from benchmarks.lab.nameserver import answer, records
from tests.conftest import Lab

SERVER = "10.96.0.10"

SERVICES = [
    {
        "metadata": {"namespace": "shop", "name": "orders"},
        "spec": {"clusterIP": "10.96.0.30", "ports": [{"name": "http", "port": 80}, {"port": 9080}]},
    },
    {"metadata": {"namespace": "shop", "name": "stock"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}},
]


def stock(*endpoints: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "stock-1", "labels": {"kubernetes.io/service-name": "stock"}},
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "protocol": "TCP", "port": 8081}],
    }


def endpoint(address: str, *, ready: bool = True, **more: str) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {"ready": ready}, **more}


SLICES = [stock(endpoint("10.64.0.10"), endpoint("10.64.0.11", hostname="first"), endpoint("10.64.0.12", ready=False))]


def ask(name: str, kind: str = "A") -> dns.message.Message:
    return answer(dns.message.make_query(name, kind), records(SERVICES, SLICES))


def texts(response: dns.message.Message) -> set[str]:
    return {record.to_text() for found in response.answer for record in found}


def test_a_service_has_its_cluster_ip() -> None:
    response = ask("orders.shop.svc.cluster.local")
    assert texts(response) == {"10.96.0.30"}
    assert response.flags & dns.flags.AA


def test_a_named_port_has_a_srv_record() -> None:
    assert texts(ask("_http._tcp.orders.shop.svc.cluster.local", "SRV")) == {"0 100 80 orders.shop.svc.cluster.local."}


def test_a_headless_service_has_its_ready_endpoints() -> None:
    assert texts(ask("stock.shop.svc.cluster.local")) == {"10.64.0.10", "10.64.0.11"}
    assert texts(ask("_http._tcp.stock.shop.svc.cluster.local", "SRV")) == {
        "0 50 8081 10-64-0-10.stock.shop.svc.cluster.local.",
        "0 50 8081 first.stock.shop.svc.cluster.local.",
    }
    assert texts(ask("first.stock.shop.svc.cluster.local")) == {"10.64.0.11"}


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("orders.shop.svc.cluster.local", "AAAA", "NOERROR"),
        ("ORDERS.shop.svc.cluster.local", "AAAA", "NOERROR"),
        ("shop.svc.cluster.local", "A", "NOERROR"),
        ("nobody.shop.svc.cluster.local", "A", "NXDOMAIN"),
        ("orders.shop.svc.cluster.local.shop.svc.cluster.local", "A", "NXDOMAIN"),
        ("example.com", "A", "REFUSED"),
    ],
)
def test_a_name_or_type_that_is_not_there_is_told_apart(name: str, kind: str, code: str) -> None:
    response = ask(name, kind)
    assert dns.rcode.to_text(response.rcode()) == code
    assert response.answer == []
    # Without the zone's SOA a resolver would not know how long to remember that.
    assert [found.rdtype for found in response.authority] == ([] if code == "REFUSED" else [dns.rdatatype.SOA])


def test_a_headless_service_without_ready_endpoints_does_not_exist() -> None:
    known = records(SERVICES, [stock(endpoint("10.64.0.12", ready=False))])
    response = answer(dns.message.make_query("stock.shop.svc.cluster.local", "A"), known)
    assert response.rcode() == dns.rcode.NXDOMAIN


def test_the_c_library_finds_services_by_their_short_and_their_full_names(lab: Lab) -> None:
    before = lab.cluster.dns_queries()
    for name in ("echo", "echo.default", "echo.default.svc.cluster.local."):
        addresses = {info[4][0] for info in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
        assert addresses == {lab.service_ip}
    assert lab.cluster.dns_queries() > before


def test_what_does_not_exist_is_no_name(lab: Lab) -> None:
    with pytest.raises(socket.gaierror) as failure:
        socket.getaddrinfo("nobody.default.svc.cluster.local.", 80)
    assert failure.value.errno == socket.EAI_NONAME


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
    query = dns.message.make_query("crowd.default.svc.cluster.local.", "A")
    while (response := dns.query.udp(query, SERVER, timeout=10)).rcode() == dns.rcode.NXDOMAIN:
        pass  # the server has not heard of it yet

    assert response.flags & dns.flags.TC
    assert texts(dns.query.tcp(query, SERVER, timeout=10)) == crowd


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


def test_queries_are_counted(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    before = lab.cluster.dns_queries()
    dns.query.udp(dns.message.make_query("echo.default.svc.cluster.local.", "A"), SERVER, timeout=10)
    assert lab.cluster.dns_queries() == before + 1
