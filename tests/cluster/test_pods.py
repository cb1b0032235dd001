"""What the cluster's own controller makes of Services and pods, and the watch of it."""

from __future__ import annotations

import pytest

from discovery import Balancer
from tests.target import Target

from .followed import following
from .services import BySelector


@pytest.fixture
def balancer(target: Target, name: str) -> Balancer:
    return Balancer(f"kubernetes:///{name}.{target.namespace}:http")


def test_a_service_without_pods_is_told_from_none_at_all(shop: BySelector, balancer: Balancer) -> None:
    with following(balancer) as followed:
        followed.until_refused("there is no such Service")
        shop.create(http=8081)
        followed.until_refused("none of its pods is ready")
        shop.delete()
        followed.until_refused("there is no such Service")


def test_pods_that_come_and_go_are_followed(shop: BySelector, balancer: Balancer) -> None:
    shop.create(http=8081)
    with following(balancer) as followed:
        first = shop.add()
        followed.until(first.values())
        second = shop.add()
        followed.until([*first.values(), *second.values()])
        assert {each.endpoint.name for each in balancer.snapshot().endpoints} == {*first, *second}
        shop.remove(first)
        followed.until(second.values())
        shop.remove(second)
        followed.until_refused("none of its pods is ready")
        third = shop.add()
        followed.until(third.values())
        shop.delete()
        followed.until_refused("there is no such Service")


def test_a_scale_from_1_to_250_and_back_is_followed_over_several_slices(target: Target, shop: BySelector) -> None:
    name = f"kubernetes:///{shop.name}.{target.namespace}:http"
    shop.create(http=8081)
    first = shop.add()
    with following(Balancer(name)) as followed:
        followed.until(first.values())
        followed.sets.clear()
        more = shop.add(249)
        everyone = {*first.values(), *more.values()}
        followed.until(everyone)
        assert set() not in followed.sets
    assert len(shop.slices()) > 1
    with following(Balancer(name)) as followed:
        followed.until(everyone)
        # Whoever comes later knows of all at once, and never of a part.
        assert len(followed.sets[0]) == 250
        shop.remove(more)
        followed.until(first.values())
        assert set() not in followed.sets


def test_a_changed_target_port_moves_every_pod_without_a_gap(shop: BySelector, balancer: Balancer) -> None:
    shop.create(http=8081)
    pods = shop.add(150)
    with following(balancer) as followed:
        followed.until(pods.values(), port=8081)
        followed.sets.clear()
        shop.retarget(8082)
        followed.until(pods.values(), port=8082)
        assert set() not in followed.sets


def test_pods_whose_named_ports_differ_are_one_set(target: Target, shop: BySelector, balancer: Balancer) -> None:
    shop.create(http="web", grpc="rpc")
    (old,) = shop.add(web=8081, rpc=9001).values()
    (new,) = shop.add(web=8082, rpc=9002).values()
    name = f"kubernetes:///{shop.name}.{target.namespace}"
    known = r"grpc \(9001\), grpc \(9002\), http \(8081\), http \(8082\)"
    with following(balancer) as followed:
        followed.until_true(lambda: followed.addresses == {f"{old}:8081", f"{new}:8082"})
    # A number is that of the pods, and means those that have it.
    with following(Balancer(f"{name}:9002")) as followed:
        followed.until([new], port=9002)
    with following(Balancer(f"{name}:80")) as followed:
        followed.until_refused(rf"no pod has a port of the number \(the pods', not the Service's\) '80'; .* {known}")
    with following(Balancer(name)) as followed:
        followed.until_refused(rf"several ports, so the target must name one of {known}")
