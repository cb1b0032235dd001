"""The data plane's rules, against those that a real kube-proxy 1.36 wrote."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import launcher
from benchmarks.lab.empty_table import TABLE
from benchmarks.lab.rules import START, ServicePort, script, service_ports

RECORDED = (Path(__file__).parents[1] / "data/kubernetes/kube-proxy-1.36-nftables.txt").read_text()


def service(
    name: str, cluster_ip: str, *ports: dict[str, Any], namespace: str = "rules", **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": cluster_ip, "ports": list(ports), **spec},
    }


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
    service("sticky", "10.96.239.166", HTTP, sessionAffinity="ClientIP"),
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
    """What a kernel lists as kube-proxy's table once that has been made and has taken some scripts."""
    if reason := launcher.available():
        pytest.skip(reason)

    def load(*scripts: str) -> str:
        program = f'for script; do printf %s "$script" | nft -f -; done; nft list table {TABLE}'
        status = launcher.enter(["sh", "-ec", program, "sh", START, *scripts])
        captured = capfd.readouterr()
        assert status == 0, captured.err
        return captured.out

    return load


def test_the_kernel_lists_what_it_lists_after_a_real_kube_proxy(listing_after: Listing) -> None:
    ours = blocks(listing_after(script(service_ports(RECORDED_SERVICES, RECORDED_SLICES))))
    theirs = blocks(RECORDED)

    # In the lab pods of every node are this kernel's own.
    assert set(theirs.pop("set hairpin-connections")) < set(ours.pop("set hairpin-connections"))
    assert "chain endpoint-NJRJP4M7-rules/sticky/tcp/http__10.66.0.2/8081" in ours
    assert ours == theirs


def test_a_change_leaves_no_trace_of_what_was_before(listing_after: Listing) -> None:
    full = service_ports(RECORDED_SERVICES, RECORDED_SLICES)
    fewer = service_ports(RECORDED_SERVICES[1:], RECORDED_SLICES[2:])

    changed = listing_after(script(full), script(fewer, full), script(full, fewer), script(fewer, full))

    assert blocks(changed) == blocks(listing_after(script(fewer)))


def test_a_change_touches_only_what_differs() -> None:
    before = service_ports(RECORDED_SERVICES, RECORDED_SLICES)
    served = endpoint_slice("lonely", [endpoint("10.64.0.9")], {**HTTP, "name": "8081-8081"})
    after = service_ports(
        RECORDED_SERVICES, [served if piece is RECORDED_SLICES[3] else piece for piece in RECORDED_SLICES]
    )

    lines = script(after, before).splitlines()

    assert all("lonely" in line or "10.96.195.8" in line or "10.64.0.9" in line for line in lines)
    assert sorted(line.split()[0] for line in lines) == ["add", "add", "delete", "table"]
    assert script(after, after).strip() == ""


def test_an_affinity_set_keeps_its_clients_when_other_endpoints_change(listing_after: Listing) -> None:
    def sticky(*hosts: str) -> tuple[ServicePort, ...]:
        slices = [endpoint_slice("sticky", [endpoint(host) for host in hosts], HTTP)]
        return service_ports([RECORDED_SERVICES[2]], slices)

    before = sticky("10.66.0.1", "10.66.0.2")
    remembered = "".join(
        f"add element {TABLE} affinity-{name} {{ {client} }}\n"
        for name, client in (
            ("3M3QGYEW-rules/sticky/tcp/http__10.66.0.1/8081", "10.64.0.1"),
            ("NJRJP4M7-rules/sticky/tcp/http__10.66.0.2/8081", "10.64.0.2"),
        )
    )
    after = sticky("10.66.0.2", "10.66.0.3")

    listing = listing_after(script(before), remembered, script(after, before))

    assert re.findall(r"(\S+) expires", listing) == ["10.64.0.2"]
    assert "10.66.0.1" not in listing


def test_affinity_lasts_as_long_as_the_service_says(listing_after: Listing) -> None:
    config = {"clientIP": {"timeoutSeconds": 90}}
    sticky = service("sticky", "10.96.239.166", HTTP, sessionAffinity="ClientIP", sessionAffinityConfig=config)
    listing = listing_after(script(service_ports([sticky], RECORDED_SLICES)))
    assert re.findall(r"timeout (\w+)$", listing, re.MULTILINE) == ["1m30s", "1m30s"]


def test_a_service_that_is_sticky_no_more_leaves_no_trace_of_it(listing_after: Listing) -> None:
    sticky = service_ports(RECORDED_SERVICES, RECORDED_SLICES)
    plain = service_ports([service("sticky", "10.96.239.166", HTTP)], RECORDED_SLICES)
    assert blocks(listing_after(script(sticky), script(plain, sticky))) == blocks(listing_after(script(plain)))


def test_a_node_port_leads_to_the_service_or_to_the_rejection(listing_after: Listing) -> None:
    port = {**HTTP, "nodePort": 30080}
    unserved = {"name": "admin", "protocol": "TCP", "port": 9000, "nodePort": 30090}
    exposed = service_ports([service("echo", "10.96.122.216", port, unserved, type="NodePort")], RECORDED_SLICES)

    found = blocks(listing_after(script(exposed)))

    assert "tcp . 30080 : goto external-6E2BTRQ6-rules/echo/tcp/http" in found["map service-nodeports"]
    assert found["chain external-6E2BTRQ6-rules/echo/tcp/http"] == [
        "meta mark set meta mark | 0x00004000",
        "goto service-6E2BTRQ6-rules/echo/tcp/http",
    ]
    rejection = 'tcp . 30090 comment "rules/echo:admin" : goto reject-chain'
    assert rejection in found["map no-endpoint-nodeports"]
    bare = service_ports([service("echo", "10.96.122.216", HTTP)], RECORDED_SLICES)
    assert blocks(listing_after(script(exposed), script(bare, exposed))) == blocks(listing_after(script(bare)))


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


@pytest.mark.parametrize(
    ("cluster_ip", "kind"), [("None", "ClusterIP"), ("", "ExternalName"), ("10.96.0.9", "ExternalName")]
)
def test_headless_services_and_aliases_have_no_rules(cluster_ip: str, kind: str) -> None:
    assert service_ports([service("echo", cluster_ip, HTTP, type=kind)], RECORDED_SLICES) == ()


def test_endpoints_of_another_family_have_no_rules() -> None:
    other = {**endpoint_slice("echo", [endpoint("fd00::1")], HTTP), "addressType": "IPv6"}
    (port,) = service_ports([service("echo", "10.96.0.9", HTTP)], [*RECORDED_SLICES, other])
    assert [host for host, _ in port.endpoints] == ["10.64.0.1", "10.64.0.2", "10.64.0.3"]


def test_names_are_cut_where_kube_proxy_cuts_them() -> None:
    name = ServicePort("rules", "x" * 300, "http", "tcp", "10.96.0.9", 80, ()).chain
    assert len(name) == len("service-") + 240
    assert name.endswith("x...")
