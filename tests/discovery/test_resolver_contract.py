"""Every resolver keeps the contract: ours, which are found by folder, and some from outside."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

import discovery.resolvers
from discovery import Balancer, Endpoint, Resolver, Snapshot, registry
from discovery.model import split_address
from discovery.resolvers.dns import DnsResolver
from discovery.resolvers.etcd import EtcdResolver
from discovery.resolvers.file import FileResolver
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.resolvers.service import ServiceResolver
from discovery.resolvers.srv import SrvResolver
from discovery.resolvers.static import StaticResolver
from discovery.testing import FixedResolverContract, ManualResolver, ResolverContract, WatchingResolverContract
from tests.discovery.api_stand_in import OK, StandIn, event, item, listing, status
from tests.discovery.dns_stand_in import DnsStandIn
from tests.discovery.etcds import Door, Keys
from tests.discovery.outside import install


def endpoints(addresses: Sequence[str]) -> list[Endpoint]:
    return [Endpoint(*split_address(address)) for address in addresses]


class TestStatic(FixedResolverContract):
    proves: ClassVar[type[Resolver]] = StaticResolver

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        yield registry.resolver(f"static:///{','.join(self.addresses)}")


class TestStaticOfObjects(FixedResolverContract):
    addresses = ("10.0.0.2:80", "[fd00::1]:80", "10.0.0.1:80")

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        yield StaticResolver(endpoints(self.addresses))


class TestService(FixedResolverContract):
    proves: ClassVar[type[Resolver]] = ServiceResolver
    addresses = ("orders.shop.svc.cluster.local.:80",)

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        yield registry.resolver("service:///orders.shop:80")


class TestManual(WatchingResolverContract):
    """The one for tests."""

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        self.resolver = ManualResolver(*endpoints(self.addresses))
        yield self.resolver

    async def tell(self, addresses: Sequence[str]) -> None:
        self.resolver.update(*endpoints(addresses))

    async def fail(self) -> None:
        self.resolver.fail(OSError("no route"))


class Cluster(StandIn):
    """Lists its one slice and streams each change of it; broken, it cuts every stream and refuses every request."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__()
        self._version = 0
        self._broken = False
        self._changed = asyncio.Event()
        self.tell(addresses)

    def tell(self, addresses: Sequence[str]) -> None:
        self._item = item(self._version + 1, *(address.removesuffix(":80") for address in addresses))
        self._change(broken=False)

    def fail(self) -> None:
        self._change(broken=True)

    def _change(self, *, broken: bool) -> None:
        self._broken = broken
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._broken:
            writer.write(status(503, "starting"))
        elif "watch" in query:
            writer.write(OK)
            left = asyncio.ensure_future(reader.read())
            await self._stream(int(query["resourceVersion"]), left, writer)
            left.cancel()
            await asyncio.wait({left})
        else:
            writer.write(listing(self._version, self._item))

    async def _stream(self, version: int, left: asyncio.Future[bytes], writer: asyncio.StreamWriter) -> None:
        while not self._broken and not left.done():
            changed = asyncio.ensure_future(self._changed.wait())
            if self._version > version:
                version = self._version
                writer.write(event("MODIFIED", self._item))
            either: set[asyncio.Future[Any]] = {changed, left}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()


class TestKubernetes(WatchingResolverContract):
    proves: ClassVar[type[Resolver]] = KubernetesResolver

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        self.cluster = Cluster(self.addresses)
        async with self.cluster.serving() as configuration:
            yield KubernetesResolver("echo", "http", namespace="shop", config=configuration)

    async def tell(self, addresses: Sequence[str]) -> None:
        self.cluster.tell(addresses)

    async def fail(self) -> None:
        self.cluster.fail()


class TestDns(WatchingResolverContract):
    proves: ClassVar[type[Resolver]] = DnsResolver

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        async with DnsStandIn().serving() as self.server:
            await self.tell(self.addresses)
            yield DnsResolver("echo.shop.svc", 80, server=self.server.address, floor_s=0.01, hold_s=0.0)

    async def tell(self, addresses: Sequence[str]) -> None:
        hosts = [address.removesuffix(":80") for address in addresses]
        self.server.rcode = None
        self.server.records = {("echo.shop.svc.cluster.local.", "A"): hosts} if hosts else {}

    async def fail(self) -> None:
        self.server.rcode = "SERVFAIL"


class TestDnsOfIPv6(ResolverContract):
    addresses = ("[fd00::2]:80", "[fd00::10]:80", "[fd00:1::]:80")

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        hosts = [split_address(address)[0] for address in reversed(self.addresses)]
        async with DnsStandIn({("echo.shop.svc.cluster.local.", "AAAA"): hosts}).serving() as server:
            yield DnsResolver("echo.shop.svc", 80, server=server.address)


class TestSrv(WatchingResolverContract):
    proves: ClassVar[type[Resolver]] = SrvResolver
    beside = True

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        async with DnsStandIn().serving() as self.server:
            self.server.beside = self.beside
            await self.tell(self.addresses)
            yield SrvResolver("_http._tcp.echo.shop.svc", server=self.server.address, floor_s=0.01, hold_s=0.0)

    async def tell(self, addresses: Sequence[str]) -> None:
        name = "echo.shop.svc.cluster.local."
        hosts = {f"{address.removesuffix(':80').replace('.', '-')}.{name}": address for address in addresses}
        records = {(target, "A"): [address.removesuffix(":80")] for target, address in hosts.items()}
        if hosts:
            records[f"_http._tcp.{name}", "SRV"] = [f"0 33 80 {target}" for target in hosts]
        self.server.rcode, self.server.records = None, records

    async def fail(self) -> None:
        self.server.rcode = "SERVFAIL"


class TestSrvWithoutAdditionalRecords(TestSrv):
    beside = False


class TestFile(WatchingResolverContract):
    proves: ClassVar[type[Resolver]] = FileResolver
    suffix = ".yaml"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / f"servers{self.suffix}"

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        await self.tell(self.addresses)
        yield FileResolver(self.path, interval_s=0.01)

    async def tell(self, addresses: Sequence[str]) -> None:
        self._replace(json.dumps(list(addresses)))

    async def fail(self) -> None:
        self._replace("[")

    def _replace(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)


class TestFileOfJson(TestFile):
    suffix = ".json"


class TestEtcd(WatchingResolverContract):
    proves: ClassVar[type[Resolver]] = EtcdResolver

    @pytest.fixture(autouse=True)
    def _etcd(self, etcd: str, request: pytest.FixtureRequest) -> None:
        self.keys, self.door, self.prefix = Keys(etcd), Door(etcd), f"{request.node.name}/"

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        await self.keys.replace(self.prefix, self.addresses)
        async with self.door.opened():
            yield registry.resolver(f"etcd://{self.door.address}/{self.prefix}")

    async def tell(self, addresses: Sequence[str]) -> None:
        await self.keys.replace(self.prefix, addresses)
        await self.door.open()

    async def fail(self) -> None:
        await self.door.close()


OUTSIDE = '''
import json
import pathlib

from discovery import Endpoint, Resolver, Snapshot


class FromFile(Resolver):
    """Addresses in a file, read once."""

    def __init__(self, path):
        self._path = path

    @classmethod
    def from_target(cls, target):
        return cls(pathlib.Path("/" + target.path))

    async def watch(self):
        addresses = json.loads(self._path.read_text())
        yield Snapshot(tuple(Endpoint(host, port) for host, port in addresses))

    def __repr__(self):
        return f"from {self._path}"
'''


@pytest.fixture
def from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that makes a resolver known; the path of a list of addresses."""
    install(tmp_path, monkeypatch, "outside_resolver", OUTSIDE, "discovery.resolvers", "listed", "FromFile")
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps([["10.0.0.1", 80], ["10.0.0.2", 80]]))
    return path


class TestFromAnEntryPoint(FixedResolverContract):
    addresses = ("10.0.0.1:80", "10.0.0.2:80")

    @pytest.fixture(autouse=True)
    def _install(self, from_outside: Path) -> None:
        self.path = from_outside

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        yield registry.resolver(f"listed://{self.path}")


def test_a_resolver_of_an_entry_point_is_a_scheme_like_any_other(from_outside: Path) -> None:
    with Balancer(f"listed://{from_outside}", policy="round_robin") as balancer:
        assert {balancer.pick(timeout_s=30).endpoint.host for _ in range(2)} == {"10.0.0.1", "10.0.0.2"}
    with pytest.raises(discovery.InvalidTarget, match=r"there are .*kubernetes:, listed:, "):
        registry.resolver("nonsense:///x")


class TestOwn(FixedResolverContract):
    """A resolver from outside, as an object."""

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncIterator[Resolver]:
        addresses = self.addresses

        class Own(Resolver):
            async def watch(self) -> AsyncIterator[Snapshot]:
                yield Snapshot(tuple(endpoints(addresses)))

            def __repr__(self) -> str:
                return "own"

        yield Own()


def test_every_resolver_of_ours_is_registered_and_put_to_its_contract() -> None:
    (folder,) = discovery.resolvers.__path__
    files = {path.stem for path in Path(folder).glob("*.py") if not path.stem.startswith("_")}
    proven = {
        contract.proves.__module__
        for contract in globals().values()
        if isinstance(contract, type) and issubclass(contract, ResolverContract) and hasattr(contract, "proves")
    }
    for name in sorted(files):
        assert f"discovery.resolvers.{name}" in proven, f"resolvers/{name}.py: no class here has its contract"
        module = importlib.import_module(f"discovery.resolvers.{name}")
        registered = [each for each in registry.RESOLVERS.values() if each.startswith(f"{module.__name__}:")]
        assert registered, f"resolvers/{name}.py is not in registry.RESOLVERS"
        for each in registered:
            assert issubclass(getattr(module, each.partition(":")[2]), Resolver)


class _Delta(ManualResolver):
    """Says what is new, and no more."""

    async def watch(self) -> AsyncIterator[Snapshot]:
        known: set[Endpoint] = set()
        async for snapshot in super().watch():
            yield Snapshot(tuple(each for each in snapshot.endpoints if each not in known))
            known |= set(snapshot.endpoints)


class _Leaking(ManualResolver):
    """Starts a task that outlives the watch."""

    tasks: ClassVar[list[asyncio.Task[None]]] = []

    async def watch(self) -> AsyncIterator[Snapshot]:
        self.tasks.append(asyncio.create_task(asyncio.sleep(3600)))
        async for snapshot in super().watch():
            yield snapshot


class _Twice(ManualResolver):
    """Has each address twice."""

    async def watch(self) -> AsyncIterator[Snapshot]:
        async for snapshot in super().watch():
            yield Snapshot(snapshot.endpoints * 2)


class _Cancelling(ManualResolver):
    """Fails with what is no error."""

    async def watch(self) -> AsyncIterator[Snapshot]:
        try:
            async for snapshot in super().watch():
                yield snapshot
        except OSError:
            raise asyncio.CancelledError("lost") from None


@pytest.mark.parametrize(
    ("broken", "test", "complaint"),
    [
        (_Delta, "test_each_change_is_a_complete_set_and_the_watch_goes_on", "and no delta"),
        (_Leaking, "test_a_watch_that_is_cancelled_before_its_first_set_leaves_nothing", "behind"),
        (_Twice, "test_the_first_set_is_complete_and_in_order", "twice"),
        (_Cancelling, "test_an_error_is_an_ordinary_exception_and_a_new_watch_goes_on", "more than the watch"),
    ],
)
def test_the_contract_finds_what_breaks_it(
    broken: type[ManualResolver], test: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(TestManual):
        @contextlib.asynccontextmanager
        async def resolving(self) -> AsyncIterator[Resolver]:
            self.resolver = broken(*endpoints(self.addresses))
            yield self.resolver

    monkeypatch.setattr("discovery.testing._resolver_contract.PATIENCE_S", 0.05)
    with pytest.raises(AssertionError, match=complaint):
        getattr(Broken(), test)()
