"""The network policies let through what the services need, and nothing else."""

from __future__ import annotations

import pytest

from .built import build, pods
from .network import Peer, allowed

DNS = Peer(labels={"k8s-app": "kube-dns"}, namespace="kube-system")
NODE_LOCAL_DNS = Peer(address="169.254.20.10")
ELSEWHERE = Peer(address="198.51.100.7")
"""Where the API server may be, as far as a policy can know."""

CALLS = {("consumer", "echo", 8081), ("consumer", "echo", 8082), ("consumer", "xds", 18000)}


def test_who_may_call_whom() -> None:
    objects = build("base")
    templates = pods(objects)
    through = {
        (caller, called, number)
        for caller, sending in templates.items()
        for called, taking in templates.items()
        for number in (80, 8080, 8081, 8082, 9080, 18000)
        if allowed(objects, sending, "Egress", Peer(labels=taking["metadata"]["labels"]), number)
        and allowed(objects, taking, "Ingress", Peer(labels=sending["metadata"]["labels"]), number)
    }
    assert through == CALLS


@pytest.mark.parametrize(("name", "may"), [("consumer", True), ("xds", True), ("echo", False)])
def test_who_watches_reaches_dns_and_the_api_server(name: str, may: bool) -> None:
    objects = build("base")
    pod = pods(objects)[name]
    for peer in (DNS, NODE_LOCAL_DNS):
        for protocol in ("UDP", "TCP"):
            assert allowed(objects, pod, "Egress", peer, 53, protocol) is may
    for number in (443, 6443):
        assert allowed(objects, pod, "Egress", ELSEWHERE, number) is may


def test_nothing_else_is_let_through() -> None:
    objects = build("base")
    stranger = Peer(labels={"app.kubernetes.io/component": "client"}, namespace="default")
    for pod in pods(objects).values():
        for number in (53, 80, 8080, 8081, 8082, 18000):
            assert not allowed(objects, pod, "Egress", ELSEWHERE, number)
            assert not allowed(objects, pod, "Ingress", ELSEWHERE, number)
            assert not allowed(objects, pod, "Ingress", stranger, number)


def test_a_node_port_lets_anybody_call_the_providers_and_no_other() -> None:
    objects = build("kind")
    let_in = {
        (name, number)
        for name, pod in pods(objects).items()
        for number in (8080, 8081, 8082, 18000)
        if allowed(objects, pod, "Ingress", ELSEWHERE, number)
    }
    assert let_in == {("echo", 8081), ("echo", 8082)}
