"""`etcd:` on a real etcd, and what may become of one."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import signal
import ssl
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from benchmarks.lab.etcd import Etcd as Server
from discovery import Balancer, InvalidTarget, NoEndpoints, State, registry
from discovery.resolvers import _etcd
from discovery.resolvers.etcd import EtcdResolver
from discovery.testing._resolver_contract import addresses_of, following
from tests.discovery.etcds import NO_ETCD, Door, Keys, base64_of

pytestmark = pytest.mark.skipif(NO_ETCD is not None, reason=str(NO_ETCD))

_numbers = itertools.count()
ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"


@pytest.fixture
def prefix() -> str:
    return f"orders-{next(_numbers)}/"


async def test_a_compacted_revision_is_answered_with_a_new_list_that_replaces_the_set_in_one_step(
    etcd: str, prefix: str
) -> None:
    keys = Keys(etcd)
    await keys.replace(prefix, [ONE, "10.0.0.3:80"])

    async def forget(request: bytes) -> None:
        if b"/v3/watch" in request:  # the set has been listed, and the watch is to go on from there
            door.before = None
            await keys.replace(prefix, [TWO, "10.0.0.3:80"])
            await keys.put("elsewhere", "x")
            await keys.compact()

    async with Door(etcd).opened() as door:
        door.before = forget
        async with following(EtcdResolver([door.address], prefix)) as sets:
            assert addresses_of(await sets.next()) == [ONE, "10.0.0.3:80"]
            assert addresses_of(await sets.next()) == [TWO, "10.0.0.3:80"]
            await keys.replace(prefix, [TWO])
            assert addresses_of(await sets.next()) == [TWO]


async def test_an_etcd_that_is_started_again_with_its_data_is_followed_again(tmp_path: Path, prefix: str) -> None:
    async with Server(tmp_path) as server:
        await Keys(server.address).replace(prefix, [ONE])
        resolver = EtcdResolver([server.address], prefix)
        async with following(resolver) as sets:
            await sets.until([ONE])
            await server.kill()
            assert "no etcd server answers" in str(await sets.error())
    async with Server(tmp_path, server.port) as server, following(resolver) as sets:
        assert addresses_of(await sets.next()) == [ONE]
        await Keys(server.address).replace(prefix, [TWO])
        await sets.until([TWO], [ONE])


async def test_an_etcd_that_has_lost_its_data_says_what_it_has_now(tmp_path: Path, prefix: str) -> None:
    """Its revisions begin at 1: a watch from ours would wait for ever."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with Server(tmp_path / "first") as server, Door(server.address).opened() as door:
        for _ in range(20):
            await Keys(server.address).replace(prefix, [ONE])
            await Keys(server.address).replace(prefix, [])
        await Keys(server.address).replace(prefix, [ONE])
        async with Balancer(resolver=EtcdResolver([door.address], prefix)) as balancer:
            await until(balancer, lambda state: endpoints(state) == {ONE})
            await door.close()
            await server.kill()
            async with Server(tmp_path / "second", server.port) as empty:
                await Keys(empty.address).replace(prefix, [TWO])
                await door.open()
                await until(balancer, lambda state: endpoints(state) == {TWO})


async def until(balancer: Balancer, holds: Callable[[State], bool]) -> None:
    """Wait for a state."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        loop.call_soon_threadsafe(changed.set)

    with balancer.listening(tell):
        balancer.start()
        while not holds(balancer.snapshot()):
            await changed.wait()
            changed.clear()


def endpoints(state: State) -> set[str]:
    return {each.endpoint.address for each in state.endpoints}


@pytest.mark.parametrize("what", ["frozen", "dead"])
async def test_of_two_servers_one_is_enough(tmp_path: Path, prefix: str, what: str) -> None:
    """They are no cluster here, and need not agree, so that their sets tell who was asked."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with Server(tmp_path / "one") as one, Server(tmp_path / "two") as two:
        await Keys(one.address).replace(prefix, [ONE])
        await Keys(two.address).replace(prefix, [TWO])
        resolver = EtcdResolver([one.address, two.address], prefix, silence_s=0.2, timeout_s=0.5)
        async with Balancer(resolver=resolver) as balancer:
            await until(balancer, lambda state: bool(state.endpoints))
            asked, other = (one, TWO) if endpoints(balancer.snapshot()) == {ONE} else (two, ONE)
            if what == "frozen":
                asked.freeze()
            else:
                await asked.kill()
            await until(balancer, lambda state: endpoints(state) == {other})
        async with Balancer(resolver=resolver) as balancer:  # whichever it begins with
            await until(balancer, lambda state: endpoints(state) == {other})


async def test_a_frozen_etcd_is_an_error_and_no_empty_set(tmp_path: Path, prefix: str) -> None:
    async with Server(tmp_path) as server:
        await Keys(server.address).replace(prefix, [ONE])
        resolver = EtcdResolver([server.address], prefix, silence_s=0.2, timeout_s=0.5)
        async with Balancer(resolver=resolver) as balancer:
            await until(balancer, lambda state: state.source == "ok")
            server.freeze()
            await until(balancer, lambda state: state.source == "failing")
            state = balancer.snapshot()
            assert endpoints(state) == {ONE}
            assert server.address in str(state.error)
            server.thaw()
            await until(balancer, lambda state: state.source == "ok")


async def test_a_watch_that_has_gone_deaf_is_noticed(etcd: str, prefix: str) -> None:
    keys = Keys(etcd)
    await keys.replace(prefix, [ONE])
    async with Door(etcd).opened() as door, following(EtcdResolver([door.address], prefix, silence_s=0.2)) as sets:
        assert addresses_of(await sets.next()) == [ONE]
        await keys.replace(prefix, [TWO])
        assert addresses_of(await sets.next()) == [TWO]
        door.deaf = True
        await keys.replace(prefix, [])
        assert addresses_of(await sets.next()) == []


async def test_a_silent_watch_is_left_as_it_is(etcd: str, prefix: str) -> None:
    """It is asked whether it is alive, many times, and answers."""
    asked, watched = asyncio.Semaphore(0), 0

    async def count(request: bytes) -> None:
        nonlocal watched
        watched += request.count(b"/v3/watch")
        if b"min_mod_revision" in request:
            asked.release()

    await Keys(etcd).replace(prefix, [ONE])
    async with Door(etcd).opened() as door:
        door.before = count
        async with following(EtcdResolver([door.address], prefix, silence_s=0.1)) as sets:
            await sets.until([ONE])
            for _ in range(5):
                await asyncio.wait_for(asked.acquire(), 30)
            await Keys(etcd).replace(prefix, [TWO])
            assert addresses_of(await sets.next()) == [TWO]
        assert watched == 1


REGISTERED = """
import sys, threading, discovery
with discovery.register(sys.argv[1], "10.0.0.1:80", ttl_s=2) as registration:
    registration.wait(60)
    print("registered", flush=True)
    threading.Event().wait()
"""


async def test_a_provider_that_is_killed_is_gone_when_its_lease_ends(etcd: str, prefix: str) -> None:
    await Keys(etcd).replace(prefix, [TWO])
    target = f"etcd://{etcd}/{prefix}"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", REGISTERED, target, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"registered\n"
    async with following(registry.resolver(target)) as sets:
        assert addresses_of(await sets.next()) == [ONE, TWO]
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        assert addresses_of(await sets.next()) == [TWO]


async def test_thousands_of_providers_are_listed_page_by_page_and_followed(etcd: str, prefix: str) -> None:
    keys = Keys(etcd)
    addresses = [f"10.{number // 250}.{number % 250}.1:80" for number in range(3_000)]
    await keys.replace(prefix, addresses)
    async with following(EtcdResolver([etcd], prefix)) as sets:
        assert set(addresses_of(await sets.next())) == set(addresses)
        await keys.put(f"{prefix}new", '{"address": "10.99.0.1:80"}')
        assert set(addresses_of(await sets.next())) == {*addresses, "10.99.0.1:80"}


async def test_a_registration_that_cannot_be_read_is_skipped_with_one_warning(
    etcd: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(etcd)
    await keys.replace(prefix, [ONE])
    await keys.put(f"{prefix}broken", "no json")
    resolver = EtcdResolver([etcd], prefix)
    with caplog.at_level(logging.WARNING, "discovery"):
        for _ in range(2):
            async with following(resolver) as sets:
                await sets.until([ONE])
                await keys.replace(prefix, [ONE, TWO, "broken"])
                await keys.put(f"{prefix}broken", "no json")
                await sets.until([ONE, TWO], [ONE])
                await keys.replace(prefix, [ONE, "broken"])
                await sets.until([ONE], [ONE, TWO])
    (record,) = (each for each in caplog.records if "skipped" in each.message)
    assert "broken" in record.message
    assert prefix in record.message


async def test_more_than_a_client_can_hold_is_an_error(etcd: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await Keys(etcd).replace(prefix, [ONE, TWO])
    monkeypatch.setattr(_etcd, "MOST_KEYS", 1)
    async with following(EtcdResolver([etcd], prefix)) as sets:
        assert "more than 1 keys" in str(await sets.error())
    monkeypatch.setattr(_etcd, "LARGEST_ANSWER", 64)
    async with following(EtcdResolver([etcd], prefix)) as sets:
        assert "more than 64 bytes" in str(await sets.error())


async def test_an_etcd_that_wants_a_user_and_one_that_forbids(tmp_path: Path, prefix: str) -> None:
    async with Server(tmp_path) as server:
        keys = Keys(server.address)
        await keys.replace(prefix, [ONE])
        await keys.replace("secret/", [TWO])
        token = await protect(keys, prefix)
        for user, password, path, why in [
            ("", "", prefix, "give user= and password="),
            ("orders", "wrong word", prefix, "invalid user ID or password"),
            ("orders", "pass word", "secret/", "the user's role needs to read the prefix"),
        ]:
            resolver = EtcdResolver([server.address], path, user=user, password=password)
            async with following(resolver) as sets:
                error = str(await sets.error())
                assert why in error
                assert "word" not in error.replace("password", ""), "a secret"
            assert "word" not in repr(resolver)
        async with following(EtcdResolver([server.address], prefix, user="orders", password="pass word")) as sets:
            assert addresses_of(await sets.next()) == [ONE]
            new = {"key": "b3JkZXJz", "value": ""}
            await keys.post("/v3/kv/put", new, token)  # another key, which is none of its business
            # Every change of rights makes all tokens old.
            await keys.post("/v3/auth/role/add", {"name": "other"}, token)
            await server.kill()
        resolver = EtcdResolver([server.address], prefix, user="orders", password="pass word")
        async with Server(tmp_path, server.port), following(resolver) as sets:
            assert addresses_of(await sets.next()) == [ONE]


async def protect(keys: Keys, prefix: str) -> str:
    """Turn on authentication, with a user `orders` who may read the prefix; returns root's token."""
    await keys.post("/v3/auth/user/add", {"name": "root", "password": "root"})
    await keys.post("/v3/auth/user/grant", {"user": "root", "role": "root"})
    await keys.post("/v3/auth/user/add", {"name": "orders", "password": "pass word"})
    await keys.post("/v3/auth/role/add", {"name": "orders"})
    await keys.post("/v3/auth/user/grant", {"user": "orders", "role": "orders"})
    permission = {"permType": "READ", "key": base64_of(prefix), "range_end": base64_of(prefix[:-1] + "0")}
    await keys.post("/v3/auth/role/grant", {"name": "orders", "perm": permission})
    await keys.post("/v3/auth/enable", {})
    answer = await keys.post("/v3/auth/authenticate", {"name": "root", "password": "root"})
    return str(answer["token"])


async def test_with_a_context_tls_is_spoken(etcd: str, prefix: str) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    await Keys(etcd).replace(prefix, [ONE])
    async with Door(etcd).opened(server) as door:
        async with following(EtcdResolver([door.address], prefix, tls=client)) as sets:
            assert addresses_of(await sets.next()) == [ONE]
        async with following(EtcdResolver([door.address], prefix, tls=ssl.create_default_context())) as sets:
            assert "CERTIFICATE_VERIFY_FAILED" in str(await sets.error())


async def test_a_server_that_is_no_etcd_is_said_to_be_none() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with following(EtcdResolver([host], "orders")) as sets:
            assert "another server's port" in str(await sets.error())


async def test_nobody_registered_is_an_empty_set_that_says_so(etcd: str, prefix: str) -> None:
    async with Balancer(f"etcd://{etcd}/{prefix}") as balancer:
        with pytest.raises(NoEndpoints, match=f"nobody is registered below '{prefix}'"):
            await balancer.pick_async(timeout_s=30)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("etcd:///orders", "no HOST:PORT of an etcd server"),
        ("etcd://etcd/orders", "'etcd' has no `:port`"),
        ("etcd://etcd:x/orders", "port 'x' is not a number"),
        ("etcd://a:1,/orders", "'' has no `:port`"),
        ("etcd://us er:1/orders", "is not the HOST:PORT"),
        ("etcd://etcd:2379//", "'/' is no prefix"),
    ],
)
def test_a_target_that_is_wrong_is_an_error_that_says_where(target: str, why: str) -> None:
    with pytest.raises(InvalidTarget, match=why) as caught:
        registry.resolver(target)
    assert re.search("etcd://etcd-0:2379", str(caught.value))


def test_a_target_that_holds_a_password_is_refused_without_saying_it() -> None:
    with pytest.raises(InvalidTarget, match=r"user= and password=") as caught:
        registry.resolver("etcd://orders:hunter2@etcd:2379/orders")
    assert "hunter2" not in str(caught.value)


def test_half_a_user_is_an_error() -> None:
    with pytest.raises(ValueError, match="a user and a password are needed"):
        EtcdResolver(["etcd:2379"], "orders", user="orders")
