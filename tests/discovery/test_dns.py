"""Look-ups in DNS over real sockets: on time that is skipped, but for what the kernel and the cluster do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from discovery import Balancer, InvalidTarget, NoEndpoints, registry
from discovery.model import Snapshot
from discovery.resolvers import Resolver, _service_name
from discovery.resolvers._dns import LIFETIME_S
from discovery.resolvers.dns import DnsResolver
from discovery.resolvers.srv import SrvResolver
from discovery.runtime import Watch
from tests.discovery.dns_stand_in import Asked, DnsStandIn
from tests.discovery.skipped_time import runtime_on_this_loop, without_waiting

NAME = "echo.shop.svc.cluster.local."


class Seen:
    """What a watch delivers, each with its time."""

    def __init__(self) -> None:
        self.sets: list[tuple[float, list[str]]] = []
        self.notes: list[str] = []
        self.failures: list[tuple[float, str]] = []
        self.expired: list[tuple[float, str]] = []
        self._changed = asyncio.Event()
        self._now_s = asyncio.get_running_loop().time

    def update(self, snapshot: Snapshot) -> None:
        self.sets.append((self._now_s(), [each.address for each in snapshot.endpoints]))
        self.notes.append(snapshot.note)
        self._changed.set()

    def fail(self, why: str) -> None:
        self.failures.append((self._now_s(), why))
        self._changed.set()

    def expire(self, why: str) -> None:
        self.expired.append((self._now_s(), why))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> float:
        """Wait for it, an hour at most; the time by then."""
        async with asyncio.timeout(3600):
            while not holds():
                self._changed.clear()
                await self._changed.wait()
        return self._now_s()


@contextlib.asynccontextmanager
async def watching(resolver: Resolver) -> AsyncIterator[Seen]:
    seen = Seen()
    with runtime_on_this_loop():
        watch = Watch(resolver, seen, clock=asyncio.get_running_loop().time)
    yield seen
    watch.close()


@without_waiting
async def test_a_change_is_seen_when_the_ttl_is_over() -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    server.ttl_s = 30
    async with server.serving(), watching(DnsResolver("echo.shop.svc", 80, server=server.address)) as seen:
        began = await seen.until(lambda: len(seen.sets) == 1)
        server.records[NAME, "A"] = ["10.0.0.2", "10.0.0.1"]
        ended = await seen.until(lambda: len(seen.sets) == 2)
    assert [hosts for _, hosts in seen.sets] == [["10.0.0.1:80"], ["10.0.0.1:80", "10.0.0.2:80"]]
    assert 30 <= ended - began <= 36
    assert {(each.name, each.kind) for each in server.asked} == {(NAME, "A"), (NAME, "AAAA")}
    assert {each.payload for each in server.asked} == {1232}


@without_waiting
async def test_what_has_no_room_in_a_datagram_comes_over_tcp() -> None:
    hosts = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(1000)]
    server = DnsStandIn({(NAME, "A"): hosts})
    server.small = True
    async with server.serving(), watching(DnsResolver("echo.shop.svc", 80, server=server.address)) as seen:
        await seen.until(lambda: len(seen.sets) == 1)
    assert seen.sets[0][1] == [f"{host}:80" for host in hosts]
    assert Asked(NAME, "A", "tcp", 1232) in server.asked


@without_waiting
async def test_an_answer_for_ipv6_that_never_comes_holds_up_nobody() -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    server.silent = {"AAAA"}
    async with server.serving(), watching(DnsResolver("echo.shop.svc", 80, server=server.address)) as seen:
        assert await seen.until(lambda: len(seen.sets) == 1) < LIFETIME_S


@without_waiting
async def test_while_no_pod_is_ready_the_last_ones_are_kept_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    async with server.serving(), watching(DnsResolver("echo.shop.svc", 80, server=server.address)) as seen:
        await seen.until(lambda: len(seen.sets) == 1)
        server.records.clear()
        await seen.until(lambda: len(seen.sets) == 2)
        server.records[NAME, "A"] = ["10.0.0.3"]
        await seen.until(lambda: len(seen.sets) == 3)
    (first, _), (emptied, none), (_, new) = seen.sets
    assert (none, new) == ([], ["10.0.0.3:80"])
    assert 30 <= emptied - first <= 40
    assert seen.notes[1] == f"DNS has no {NAME}"
    told = [record.getMessage() for record in caplog.records if record.name == "discovery"]
    assert told == [f"dns {NAME}:80: DNS has no {NAME}; the last set is kept for a while"]


@pytest.mark.parametrize("trouble", ["SERVFAIL", "REFUSED", "silence"])
@without_waiting
async def test_while_dns_fails_the_last_set_is_served_and_no_longer_than_it_may(trouble: str) -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    async with server.serving():
        resolver = DnsResolver("echo.shop.svc", 80, server=server.address, max_stale_s=60.0)
        async with watching(resolver) as seen:
            await seen.until(lambda: len(seen.sets) == 1)
            if trouble == "silence":
                server.silent = {"A", "AAAA"}
            else:
                server.rcode = trouble
            await seen.until(lambda: bool(seen.expired))
            server.silent, server.rcode = set(), None
            ended = await seen.until(lambda: len(seen.sets) == 2)
    failed_at, why = seen.failures[0]
    assert len({each for _, each in seen.failures}) == 1, "the same trouble is one, and logged once"
    assert "echo.shop.svc" in why
    assert server.address.partition(":")[0] in why
    assert ("does not answer" if trouble == "silence" else trouble) in why
    assert seen.expired[0][0] - failed_at == pytest.approx(60, abs=6)
    assert ended - seen.expired[0][0] <= 11
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(seen.failures)]
    assert max(gaps) <= 5 + 5.01


@without_waiting
async def test_kept_pods_are_kept_through_a_server_that_fails_in_between() -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    async with server.serving(), watching(DnsResolver("echo.shop.svc", 80, server=server.address)) as seen:
        await seen.until(lambda: len(seen.sets) == 1)
        server.rcode = "SERVFAIL"
        await seen.until(lambda: len(seen.failures) == 2)
        server.rcode = None
        server.records.clear()
        await seen.until(lambda: seen.sets[-1][1] == [])
    assert [hosts for _, hosts in seen.sets] == [["10.0.0.1:80"], ["10.0.0.1:80"], []]


@without_waiting
async def test_resolvers_of_one_name_share_the_look_ups() -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    server.ttl_s = 30
    async with server.serving():
        resolvers = [
            DnsResolver(name, port, server=server.address) for name, port in (("echo.shop.svc", 80), (NAME, 81))
        ]
        async with watching(resolvers[0]) as one, watching(resolvers[1]) as other:
            await one.until(lambda: len(one.sets) == 1)
            await other.until(lambda: len(other.sets) == 1)
            await asyncio.sleep(300)
    assert (one.sets[0][1], other.sets[0][1]) == (["10.0.0.1:80"], ["10.0.0.1:81"])
    assert 10 * 2 <= len(server.asked) <= 15 * 2, "each would ask ten times by itself"


@without_waiting
async def test_many_targets_are_asked_for_and_nothing_is_left_out() -> None:
    hosts = {f"t{number}.example.": f"10.0.{number // 250}.{number % 250 + 1}" for number in range(60)}
    server = DnsStandIn({(target, "A"): [host] for target, host in hosts.items()})
    server.records["_http._tcp.example.", "SRV"] = [f"0 0 80 {target}" for target in hosts]
    server.beside = False
    async with server.serving(), watching(SrvResolver("_http._tcp.example.", server=server.address)) as seen:
        await seen.until(lambda: len(seen.sets) == 1)
    assert seen.sets[0][1] == [f"{host}:80" for host in hosts.values()]


@without_waiting
async def test_a_name_that_leads_to_another_is_followed_for_as_long_as_either_holds() -> None:
    server = DnsStandIn({(NAME, "A"): ["10.0.0.1"]})
    server.aliases["alias.example."] = (7, NAME)
    server.ttl_s = 30
    async with server.serving(), watching(DnsResolver("alias.example", 80, server=server.address)) as seen:
        began = await seen.until(lambda: len(seen.sets) == 1)
        server.records[NAME, "A"] = ["10.0.0.2"]
        ended = await seen.until(lambda: len(seen.sets) == 2)
    assert [hosts for _, hosts in seen.sets] == [["10.0.0.1:80"], ["10.0.0.2:80"]]
    assert 7 <= ended - began <= 13


@pytest.fixture
def in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 10.96.0.10\nsearch shop.svc.k8s.example svc.k8s.example k8s.example\n")
    monkeypatch.setattr(_service_name, "_RESOLV_CONF", path)


@pytest.mark.parametrize(
    ("target", "name", "called"),
    [
        ("dns:///orders:80", "orders.shop.svc.k8s.example.", "orders"),
        ("dns:///orders.other.svc:80", "orders.other.svc.k8s.example.", "orders.other"),
        ("dns:///Orders.other.SVC.k8s.example.:80", "orders.other.svc.k8s.example.", "orders.other.svc"),
        ("dns:///orders.other:80", "orders.other.", "orders.other"),
        ("dns:///orders.:80", "orders.", "orders"),
        ("dns:///web-0.orders.shop.svc:80", "web-0.orders.shop.svc.k8s.example.", "web-0.orders.shop.svc.k8s.example"),
        ("srv:///_http._tcp.orders.shop.svc", "_http._tcp.orders.shop.svc.k8s.example.", "orders"),
        ("srv:///_Sip._udp.example.org", "_sip._udp.example.org.", "example.org"),
    ],
)
def test_names_are_absolute_and_two_short_forms_mean_a_service(
    in_a_pod: None, target: str, name: str, called: str
) -> None:
    resolver = registry.resolver(target)
    assert f" {name}" in repr(resolver)
    assert called in resolver.names


def test_outside_of_a_pod_a_short_name_is_absolute_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_service_name, "_RESOLV_CONF", tmp_path / "none")
    assert repr(registry.resolver("dns:///localhost:80")) == "dns localhost.:80"


@pytest.mark.parametrize(
    ("target", "culprit"),
    [
        ("dns:///orders.shop", "it needs the servers' port"),
        ("dns:///orders.shop:http", "port 'http'"),
        ("dns:///orders..shop:80", "'orders..shop' is not a DNS name"),
        (f"dns:///{'a' * 64}.shop:80", "is not a DNS name"),
        (f"dns:///{'.'.join(['a' * 50] * 6)}:80", "is not a DNS name"),
        ("dns:///10.0.0.1:80", "use static:"),
        ("dns:///[::1]:80", "'[::1]' is not a DNS name"),
        ("dns://kube-dns/orders.shop:80", "the DNS server 'kube-dns'"),
        ("dns://10.0.0.1:dns/orders.shop:80", "port 'dns'"),
        ("dns://fd00::1/orders.shop:80", "IPv6 in brackets"),
        ("srv:///orders.shop.svc", "_PORT._PROTO.NAME"),
        ("srv:///_http._tcp.", "_PORT._PROTO.NAME"),
        ("srv:///_http._tcp.a..b", "is not a DNS name"),
        ("srv://x/_http._tcp.orders.shop.svc", "the DNS server 'x'"),
    ],
)
def test_what_cannot_be_asked_is_said_at_construction(target: str, culprit: str) -> None:
    with pytest.raises(InvalidTarget) as raised:
        registry.resolver(target)
    assert culprit in str(raised.value)
    assert f"for example, {target[:3]}:///" in str(raised.value)


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.1:53", "[fd00::1]", "[fd00::1]:53"])
def test_a_server_is_an_address_and_may_have_a_port(text: str) -> None:
    assert DnsResolver("orders.shop", 80, server=text).names == ("orders.shop",)


@pytest.mark.parametrize("target", ["dns:///orders.shop.svc:80", "srv:///_http._tcp.orders.shop.svc"])
def test_without_dnspython_the_extra_is_named(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dns"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("_dns", "dns", "srv"):
        monkeypatch.delitem(sys.modules, f"discovery.resolvers.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "dns", None)
    with pytest.raises(InvalidTarget, match=r"needs the package dns.*: pip install discovery-lb\[dns\]"):
        registry.resolver(target)


async def test_a_balancer_without_an_answer_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "discovery")
    async with DnsStandIn().serving() as server, Balancer(f"dns://{server.address}/echo.shop.svc:80") as balancer:
        with pytest.raises(NoEndpoints, match=f"DNS has no {NAME}"):
            await balancer.pick_async(timeout_s=30)
