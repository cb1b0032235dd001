"""The strategy `registry`: an etcd beside the client, in which the pods are that are in the Service."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from benchmarks import strategies
from benchmarks.lab import etcd
from benchmarks.lab.cluster import Pod
from benchmarks.lab.pod_settings import PodSettings
from benchmarks.strategies import Beside, Place
from discovery import registry
from discovery.testing._resolver_contract import PATIENCE_S, addresses_of, following
from tests.conftest import Lab


def test_without_an_etcd_it_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "missing", lambda: "it needs an etcd: pip install discovery-lb[etcd]")
    assert strategies.find("registry").missing() == "it needs an etcd: pip install discovery-lb[etcd]"


@pytest.mark.skipif(etcd.missing() is not None, reason=str(etcd.missing()))
def test_its_registry_has_the_pods_that_the_service_has(lab: Lab) -> None:
    lab.call(_course, lab)


async def _course(lab: Lab) -> None:
    cluster = lab.cluster
    strategy = strategies.find("registry")
    pods = await cluster.start_pods("echo", 3, PodSettings(arguments=strategy.pod_arguments), join=False)
    try:
        await cluster.join(pods[:2])
        place = Place(pods[:2])
        stage = Beside(cluster, pods[:2], place, "grpc", strategy.address("grpc", place))
        async with strategy.beside(stage) as target, following(registry.resolver(target)) as sets:
            first = await sets.next()
            assert _of(pods[:2]) <= set(addresses_of(first))
            others = set(addresses_of(first)) - _of(pods[:2])
            await cluster.join(pods[2:])
            assert set(addresses_of(await sets.next())) == _of(pods) | others
            await cluster.leave(pods[1:])
            async with asyncio.timeout(PATIENCE_S):
                while set(addresses_of(await sets.next())) != _of(pods[:1]) | others:
                    pass
            await cluster.stop_pods(pods[:1])
            assert set(addresses_of(await sets.next())) == others
    finally:
        await cluster.stop_pods([pod for pod in pods if pod is not pods[0]])


def _of(pods: Sequence[Pod]) -> set[str]:
    return {f"{pod.address}:{pod.grpc_port}" for pod in pods}
