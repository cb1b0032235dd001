"""The data plane's rules, against those that a real kube-proxy 1.36 wrote."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import launcher
from benchmarks.lab.rules import TABLE, ServicePort, script, service_ports

RECORDED = (Path(__file__).parents[1] / "data/kubernetes/kube-proxy-1.36-nftables.txt").read_text()


def service(name: str, cluster_ip: str, *ports: dict[str, Any], namespace: str = "rules") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterIP": cluster_ip, "ports": list(ports)}}


def endpoint_slice(
    name: str, endpoints: list[dict[str, Any]] | None, *ports: dict[str, Any], namespace: str = "rules"
) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    metadata = {"namespace": namespace, "name": f"{name}-x7k2p", "labels": labels}
    return {"metadata": metadata, "endpoints": endpoints, "ports": list(ports) or None}


def endpoint(address: str, *, ready: bool = True, serving: bool = True, terminating: bool = False) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {"ready": ready, "serving": serving, "terminating": terminating}}


HTTP = {"name": "http", "protocol": "TCP", "port": 8081}
RECORDED_SERVICES = [
    service("kubernetes", "10.96.0.1", {"name": "https", "protocol": "TCP", "port": 443}, namespace="default"),
    service("echo", "10.96.122.216", HTTP),
    service("sticky", "10.96.239.166", HTTP),
    service("lonely", "10.96.195.8", {"name": "8081-8081", "protocol": "TCP", "port": 8081}),
    service("empty", "10.96.50.114", {"name": "8081-8081", "protocol": "TCP", "port": 8081}),
]
RECORDED_SLICES = [
    endpoint_slice(
        "kubernetes",
        [endpoint("10.250.0.1")],
        {"name": "https", "protocol": "TCP", "port": 26443},
        namespace="default",
    ),
    endpoint_slice("echo", [endpoint(f"10.64.0.{host}") for host in (3, 1, 2)], HTTP),
    endpoint_slice("sticky", [endpoint("10.66.0.1"), endpoint("10.66.0.2")], HTTP),
    endpoint_slice("lonely", [endpoint("10.64.0.9", ready=False, serving=False)], HTTP),
    endpoint_slice("empty", None),
]

Blocks = dict[str, list[str]]


def blocks(listing: str) -> Blocks:
    """What `nft list table` prints, as each chain's, set's and map's lines; the elements sorted."""
    found: Blocks = {}
    for header, body in re.findall(r"^\t((?:set|map|chain) \S+) \{\n(.*?)^\t\}$", listing, re.MULTILINE | re.DOTALL):
        definition, _, elements = body.partition("elements = {")
        lines = [line.strip() for line in definition.splitlines() if line.strip()]
        found[header] = lines + sorted(element.strip() for element in elements.rstrip("}\n\t ").split(",") if element)
    return found


Listing = Callable[..., str]


@pytest.fixture
def listing_after(capfd: pytest.CaptureFixture[str]) -> Listing:
    """What a kernel, empty at first, lists as kube-proxy's table once it has taken some scripts."""
    if reason := launcher.available():
        pytest.skip(reason)

    def load(*scripts: str) -> str:
        program = f'for script; do printf %s "$script" | nft -f -; done; nft list table {TABLE}'
        status = launcher.enter(["sh", "-ec", program, "sh", *scripts])
        captured = capfd.readouterr()
        assert status == 0, captured.err
        return captured.out

    return load


def test_the_kernel_lists_what_it_lists_after_a_real_kube_proxy(listing_after: Listing) -> None:
    ours = blocks(listing_after(script(service_ports(RECORDED_SERVICES, RECORDED_SLICES))))
    theirs = blocks(RECORDED)

    # In the lab pods of every node are this kernel's own.
    assert set(theirs.pop("set hairpin-connections")) < set(ours.pop("set hairpin-connections"))
    # Affinity is not written yet.
    sticky = "chain service-34ZZMD5J-rules/sticky/tcp/http"
    assert any("affinity" in line for line in theirs.pop(sticky))
    del ours[sticky]
    affinity = {header for header in theirs if header.startswith(("set affinity-", "chain endpoint-"))}
    assert len(affinity) == 4
    assert ours == {header: lines for header, lines in theirs.items() if header not in affinity}


def test_a_change_leaves_no_trace_of_what_was_before(listing_after: Listing) -> None:
    full = service_ports(RECORDED_SERVICES, RECORDED_SLICES)
    fewer = service_ports(RECORDED_SERVICES[1:], RECORDED_SLICES[2:])

    changed = listing_after(script(full), script(fewer, full), script(full, fewer), script(fewer, full))

    assert blocks(changed) == blocks(listing_after(script(fewer)))


def test_a_change_keeps_what_the_kernel_itself_has_entered(listing_after: Listing) -> None:
    ports = service_ports(RECORDED_SERVICES, RECORDED_SLICES)
    entered = f"""
        add set {TABLE} affinity {{ type ipv4_addr; flags dynamic, timeout; timeout 3h; }}
        add element {TABLE} affinity {{ 10.64.0.1 }}
    """

    assert "10.64.0.1 expires" in listing_after(script(ports), entered, script(ports[:2], ports))


def test_without_services_nothing_is_translated(listing_after: Listing) -> None:
    assert "numgen" not in listing_after(script(()))


def endpoints_of(*endpoints: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    (port,) = service_ports([service("echo", "10.96.0.9", HTTP)], [endpoint_slice("echo", list(endpoints), HTTP)])
    return port.endpoints


LEAVING = endpoint("10.64.0.7", ready=False, serving=True, terminating=True)
UNREADY = endpoint("10.64.0.8", ready=False, serving=False)
GONE = endpoint("10.64.0.9", ready=False, serving=False, terminating=True)


def test_ready_endpoints_are_chosen_in_the_order_of_their_addresses() -> None:
    ready = [endpoint("10.64.0.10"), endpoint("10.64.0.9")]
    assert endpoints_of(*ready, LEAVING, UNREADY) == (("10.64.0.9", 8081), ("10.64.0.10", 8081))


def test_where_none_is_ready_those_that_still_serve_while_they_leave_are_chosen() -> None:
    assert endpoints_of(LEAVING, UNREADY, GONE) == (("10.64.0.7", 8081),)


def test_a_condition_that_nobody_has_set_counts_as_ready() -> None:
    assert endpoints_of({"addresses": ["10.64.0.9"], "conditions": {}}) == (("10.64.0.9", 8081),)


def test_a_port_takes_the_endpoints_of_the_slices_that_have_its_name_and_protocol() -> None:
    dns = {"name": "dns", "protocol": "UDP", "port": 53}
    dns_tcp = {"name": "dns-tcp", "protocol": "TCP", "port": 53}
    slices = [
        endpoint_slice("dns", [endpoint("10.64.0.2")], {**dns, "port": 5353}, dns_tcp),
        endpoint_slice("dns", [endpoint("10.64.0.3")], dns),
        endpoint_slice("dns", [endpoint("10.64.0.4")], dns, namespace="other"),
    ]

    udp, tcp = service_ports([service("dns", "10.96.0.10", dns, dns_tcp)], slices)

    assert (udp.protocol, udp.endpoints) == ("udp", (("10.64.0.2", 5353), ("10.64.0.3", 53)))
    assert (tcp.protocol, tcp.endpoints) == ("tcp", (("10.64.0.2", 53),))


def test_a_headless_service_has_no_rules() -> None:
    assert service_ports([service("echo", "None", HTTP)], RECORDED_SLICES) == ()


def test_names_are_cut_where_kube_proxy_cuts_them() -> None:
    name = ServicePort("rules", "x" * 300, "http", "tcp", "10.96.0.9", 80, ()).chain
    assert len(name) == len("service-") + 240
    assert name.endswith("x...")
