"""The lab for tests: one cluster for the whole run."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.lab import launcher
from benchmarks.lab.cluster import Cluster, Pod
from benchmarks.lab.etcd import Etcd
from benchmarks.lab.etcd import missing as no_etcd
from benchmarks.lab.surroundings import USERSPACE, WANTED, userspace_wanted
from tests.inside import why_no_cluster, why_outside

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lab:
    """A cluster that runs in a thread of its own, so that a test may use blocking clients and any loop it likes."""

    cluster: Cluster
    service_ip: str
    """The ClusterIP of Service `echo`."""
    portal: BlockingPortal

    def call(self, method: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Run one of the cluster's coroutine methods on the cluster's loop: `lab.call(lab.cluster.join, pods)`."""
        return self.portal.call(functools.partial(method, *arguments, **options))


_FOLDER = pathlib.Path(__file__).parent
_FOR_ANY_CLUSTER = {_FOLDER / "cluster", _FOLDER / "lab" / "conformance"}


class _Skipped(pytest.Directory):
    """A folder that is skipped as one."""

    def collect(self) -> NoReturn:
        pytest.skip(str(why_no_cluster()), allow_module_level=True)


def pytest_collect_directory(path: pathlib.Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Skip what needs a cluster that this run has not."""
    if path in _FOR_ANY_CLUSTER and why_no_cluster():
        return _Skipped.from_parent(parent, path=path)
    return None


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A cluster with a Service `echo`, without pods of its own."""
    if reason := why_outside():
        pytest.skip(reason)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Cluster()) as cluster:
        yield Lab(cluster, portal.call(cluster.create_service, "echo"), portal)


@pytest.fixture(scope="session")
def echo_pods(lab: Lab) -> tuple[Pod, ...]:
    """Three pods of Service `echo`, for all tests: leave them as they are."""
    return lab.call(lab.cluster.start_pods, "echo", 3)


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a real etcd, for all tests: each takes a prefix of its own."""
    if reason := no_etcd():
        pytest.skip(reason)
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        yield server.address


@pytest.fixture(params=["nftables", "userspace"])
def dataplane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The data plane that labs have which the test itself starts: the test runs with each that can be had."""
    name = str(request.param)
    if name == USERSPACE.dataplane:
        monkeypatch.setenv(WANTED, name)
    elif reason := f"{WANTED}=userspace" if userspace_wanted() else launcher.available():
        pytest.skip(reason)
    return name
