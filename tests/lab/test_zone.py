"""What the cluster's DNS answers, message by message."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from benchmarks.lab.zone import answer, records

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
        ("example.com", "A", "NXDOMAIN"),
        ("orders", "A", "NXDOMAIN"),
    ],
)
def test_a_name_or_type_that_is_not_there_is_told_apart(name: str, kind: str, code: str) -> None:
    response = ask(name, kind)
    assert dns.rcode.to_text(response.rcode()) == code
    assert response.answer == []
    # Without the zone's SOA a resolver would not know how long to remember that.
    inside = name.endswith(".cluster.local")
    assert [found.rdtype for found in response.authority] == ([dns.rdatatype.SOA] if inside else [])
    assert bool(response.flags & dns.flags.AA) == inside


def test_a_headless_service_without_ready_endpoints_does_not_exist() -> None:
    known = records(SERVICES, [stock(endpoint("10.64.0.12", ready=False))])
    response = answer(dns.message.make_query("stock.shop.svc.cluster.local", "A"), known)
    assert response.rcode() == dns.rcode.NXDOMAIN


def test_an_endpoint_that_is_published_unready_is_told() -> None:
    conditions = {"ready": True, "serving": False, "terminating": False}
    known = records(SERVICES, [stock({"addresses": ["10.64.0.12"], "conditions": conditions})])
    query = dns.message.make_query("stock.shop.svc.cluster.local", "A")
    assert texts(answer(query, known)) == {"10.64.0.12"}


def test_srv_records_come_with_the_addresses_of_their_names() -> None:
    response = ask("_http._tcp.stock.shop.svc.cluster.local", "SRV")
    assert {found.to_text() for found in response.additional} == {
        "10-64-0-10.stock.shop.svc.cluster.local. 30 IN A 10.64.0.10",
        "first.stock.shop.svc.cluster.local. 30 IN A 10.64.0.11",
    }


def test_answers_and_what_does_not_exist_are_remembered_for_30_s() -> None:
    assert [found.ttl for found in ask("orders.shop.svc.cluster.local").answer] == [30]
    (soa,) = ask("nobody.shop.svc.cluster.local").authority
    assert (soa.name.to_text(), soa.ttl, soa[0].minimum) == ("cluster.local.", 30, 30)


def test_they_may_be_remembered_for_less() -> None:
    known = records(SERVICES, SLICES, 1)
    query = dns.message.make_query("orders.shop.svc.cluster.local.", "A")
    assert [found.ttl for found in answer(query, known).answer] == [1]


def test_a_service_and_pods_of_two_families_have_both_addresses() -> None:
    dual = {"metadata": {"namespace": "shop", "name": "dual"}, "spec": {"clusterIP": "10.96.0.31"}}
    dual["spec"]["clusterIPs"] = ["10.96.0.31", "fd00::31"]  # type: ignore[assignment]
    known = records([dual, *SERVICES], [*SLICES, stock(endpoint("fd00::12"))])
    for name, kind, address in (
        ("dual", "A", "10.96.0.31"),
        ("dual", "AAAA", "fd00::31"),
        ("stock", "AAAA", "fd00::12"),
        ("fd00--12.stock", "AAAA", "fd00::12"),
    ):
        query = dns.message.make_query(f"{name}.shop.svc.cluster.local", kind)
        assert texts(answer(query, known)) == {address}


def alias(name: str, target: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"type": "ExternalName", "externalName": target}}


@pytest.mark.parametrize(
    ("target", "kind", "code", "answers"),
    [
        ("example.com", "A", "NOERROR", ["example.com."]),
        ("example.com.", "CNAME", "NOERROR", ["example.com."]),
        ("orders.shop.svc.cluster.local", "A", "NOERROR", ["orders.shop.svc.cluster.local.", "10.96.0.30"]),
        ("orders.shop.svc.cluster.local", "AAAA", "NOERROR", ["orders.shop.svc.cluster.local."]),
        ("nobody.shop.svc.cluster.local", "A", "NXDOMAIN", ["nobody.shop.svc.cluster.local."]),
        ("bank.shop.svc.cluster.local", "A", "NOERROR", ["bank.shop.svc.cluster.local."] * 8),
    ],
)
def test_an_external_name_is_an_alias(target: str, kind: str, code: str, answers: list[str]) -> None:
    known = records([*SERVICES, alias("bank", target)], SLICES)
    response = answer(dns.message.make_query("bank.shop.svc.cluster.local", kind), known)
    assert [record.to_text() for found in response.answer for record in found] == answers
    assert dns.rcode.to_text(response.rcode()) == code


def test_a_query_of_another_kind_is_not_understood() -> None:
    query = dns.message.make_query("orders.shop.svc.cluster.local", "A")
    query.set_opcode(dns.opcode.UPDATE)
    assert answer(query, records(SERVICES, SLICES)).rcode() == dns.rcode.NOTIMP
    chaos = dns.message.make_query("orders.shop.svc.cluster.local", "A", "CH")
    assert answer(chaos, records(SERVICES, SLICES)).rcode() == dns.rcode.REFUSED
