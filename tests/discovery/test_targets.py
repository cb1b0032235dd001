"""Targets: what parses, what does not, and what the error says."""

from pathlib import Path

import pytest

from discovery import registry
from discovery.errors import DiscoveryError, InvalidTarget
from discovery.model import Endpoint, Target, split_address
from discovery.policies import Policy
from discovery.policies.round_robin import RoundRobin
from discovery.resolvers import _service_name
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.resolvers.service import ServiceResolver
from discovery.resolvers.static import StaticResolver


async def endpoints(target: str) -> tuple[Endpoint, ...]:
    resolver = registry.resolver(target)
    return [snapshot.endpoints async for snapshot in resolver.watch()][-1]


async def test_a_static_list_keeps_its_order() -> None:
    assert await endpoints("static:///10.0.0.2:80,[::1]:81;weight=3, example.org:82") == (
        Endpoint("10.0.0.2", 80),
        Endpoint("::1", 81, weight=3),
        Endpoint("example.org", 82),
    )


@pytest.mark.parametrize(
    ("target", "culprit"),
    [
        ("10.0.0.1:80", "no `scheme://authority/path`"),
        ("static://10.0.0.1:80", "no `scheme://authority/path`"),
        ("static:///", "nothing after the third slash"),
        ("static:///10.0.0.1", "'10.0.0.1' has no `:port`"),
        ("static:///10.0.0.1:http", "port 'http'"),
        ("static:///10.0.0.1:0", "port '0'"),
        ("static:///10.0.0.1:" + "9" * 5000, "is not a number from 1 to 65535"),
        ("static:///::1:80", "IPv6 address without brackets"),
        ("static:///10.0.0.1:80,,", "'' has no `:port`"),
        ("static:///10.0.0.1:80,10.0.0.1:80", "10.0.0.1:80 is there twice"),
        ("static:///10.0.0.1:80;weight=0", "'weight=0'"),
        ("static:///10.0.0.1:80;zone=a", "'zone=a'"),
        ("static://shop/10.0.0.1:80", "after the third slash"),
        ("kubernetes:///Orders", "'Orders' is not the name of a Service"),
        ("kubernetes:///orders.Shop", "'Shop' is not the name of a namespace"),
        ("kubernetes:///orders.shop.svc:80", "'shop.svc' is not the name of a namespace"),
        ("kubernetes://shop/orders.shop", "two namespaces, 'shop' and 'shop'"),
        ("kubernetes:///orders:", "no port after the colon"),
        ("kubernetes:///orders:70000", "port '70000'"),
        ("kubernetes:///orders:h_t", "'h_t'"),
        ("service:///orders.shop", "it needs the Service's port"),
        ("service:///orders.shop:http", "port 'http'"),
        (
            "consul:///orders",
            "there is no scheme 'consul'; there are dns:, etcd:, file:, kubernetes:, service:, srv:, static:",
        ),
    ],
)
def test_the_error_names_the_culprit_and_a_correct_example(target: str, culprit: str) -> None:
    with pytest.raises(InvalidTarget) as raised:
        registry.resolver(target)
    assert culprit in str(raised.value)
    assert isinstance(raised.value, DiscoveryError)
    assert isinstance(raised.value, ValueError)
    if "consul" not in target:
        assert "for example" in str(raised.value)


def test_a_list_of_objects_has_each_address_once_too() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1:80 is there twice"):
        StaticResolver([Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80), Endpoint("10.0.0.1", 80, name="pod")])


def test_a_target_is_printed_as_it_was_written() -> None:
    assert str(Target.parse("kubernetes://shop/orders:http")) == "kubernetes://shop/orders:http"


@pytest.fixture
def resolv_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "resolv.conf"
    monkeypatch.setattr(_service_name, "_RESOLV_CONF", path)
    return path


async def test_outside_a_cluster_a_service_is_named_in_the_usual_domain(resolv_conf: Path) -> None:
    assert await endpoints("service:///orders.shop:80") == (
        Endpoint("orders.shop.svc.cluster.local.", 80, name="orders"),
    )
    assert await endpoints("service:///orders:80") == (Endpoint("orders", 80, name="orders"),)


def test_in_a_pod_names_follow_its_search_list(resolv_conf: Path) -> None:
    resolv_conf.write_text("nameserver 10.96.0.10\nsearch shop.svc.k8s.example svc.k8s.example k8s.example\n")
    assert "orders.shop.svc.k8s.example.:80" in repr(registry.resolver("service:///orders:80"))
    own = ("orders.shop.svc.k8s.example", "orders.shop.svc", "orders.shop", "orders")
    assert registry.resolver("kubernetes:///orders:http").names == own
    assert registry.resolver("kubernetes:///orders.shop:http").names == own
    # `orders` alone would be the Service of our own namespace, not this one.
    assert "orders" not in registry.resolver("kubernetes:///orders.other:http").names


def test_both_forms_of_a_kubernetes_target_mean_the_same(resolv_conf: Path) -> None:
    resolvers = [registry.resolver(f"kubernetes://{text}:http") for text in ("/orders.shop", "shop/orders")]
    assert repr(resolvers[0]) == repr(resolvers[1])
    assert resolvers[0].names == resolvers[1].names
    assert isinstance(resolvers[0], KubernetesResolver)
    assert isinstance(registry.resolver("service://shop/orders:80"), ServiceResolver)


def test_policies_by_name() -> None:
    assert isinstance(registry.policy("round_robin"), RoundRobin)
    assert isinstance(registry.policy("least_request"), Policy)
    with pytest.raises(InvalidTarget, match="there is no policy 'rr'; there are first, least_request, peak_ewma"):
        registry.policy("rr")


@pytest.mark.parametrize("text", ["10.0.0.1:80", "[::1]:80", "example.org:65535"])
def test_an_address_survives_the_way_there_and_back(text: str) -> None:
    assert Endpoint(*split_address(text)).address == text


def test_a_package_that_is_missing_is_named_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidTarget, match=r"needs the package kubernetes: pip install discovery-lb\[kubernetes\]"):
        registry.resolver("kubernetes:///orders:http")
