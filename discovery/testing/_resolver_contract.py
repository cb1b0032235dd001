"""What every resolver must keep, wherever it has its endpoints from."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from discovery.model import Endpoint, Snapshot
from discovery.resolvers import Resolver

PATIENCE_S = 30.0
"""How long to wait for what must come. None waits so long but for a resolver that breaks its contract."""


class Sets:
    """What a watch has said, in its order; each set is looked at as it comes."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[Snapshot | BaseException | None] = asyncio.Queue()

    async def follow(self, resolver: Resolver) -> None:
        """Iterate it as the runtime does, until it ends, fails or is cancelled."""
        try:
            async for snapshot in resolver.watch():
                check(snapshot)
                self._told.put_nowait(snapshot)
        except BaseException as error:
            self._told.put_nowait(error)
            raise
        self._told.put_nowait(None)

    async def next(self) -> Snapshot:
        """The next set; raises what the watch raised."""
        told = await self._next("set")
        if told is None:
            raise AssertionError("the watch has ended")
        if isinstance(told, BaseException):
            raise told
        return told

    async def until(self, addresses: Sequence[str], before: Sequence[str] = ()) -> Snapshot:
        """The set of exactly these; what comes before it has no others than they and those that were there before."""
        while True:
            snapshot = await self.next()
            found = set(addresses_of(snapshot))
            if found == set(addresses):
                return snapshot
            assert found <= {*before, *addresses}, f"{found} are neither of the old set nor of the new one"
            missing = (set(before) & set(addresses)) - found
            assert not missing, f"{missing} did not change, and are missing: a set is complete, and no delta"

    async def end(self) -> None:
        """Nothing but the end is to come."""
        told = await self._next("end")
        assert told is None, f"the watch was to end, and there was {told!r}"

    async def error(self) -> BaseException:
        """What the watch raises, after any number of sets."""
        while not isinstance(told := await self._next("error"), BaseException):
            assert told is not None, "the watch was to fail, and it ended"
        return told

    async def _next(self, what: str) -> Snapshot | BaseException | None:
        try:
            return await asyncio.wait_for(self._told.get(), PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"no {what} within {PATIENCE_S:g} s") from None


class ResolverContract:
    """Courses of events for any resolver; to be subclassed through one of the two below, with `resolving`.

    addresses  that the source has at first, as `host:port`, in the resolver's order
    """

    addresses: Sequence[str] = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")

    def resolving(self) -> AbstractAsyncContextManager[Resolver]:
        """A resolver whose source has `addresses`; the source is there until the block ends."""
        raise NotImplementedError

    def test_the_first_set_is_complete_and_in_order(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver, following(resolver) as sets:
                assert addresses_of(await sets.next()) == list(self.addresses)

        asyncio.run(course())

    def test_a_second_watch_says_the_same_at_the_same_time_and_later(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver:
                async with nothing_left(), followed(resolver) as one, followed(resolver) as other:
                    first = await one.next()
                    assert (await other.next()).endpoints == first.endpoints
                async with following(resolver) as later:
                    assert (await later.next()).endpoints == first.endpoints

        asyncio.run(course())

    def test_a_watch_that_is_cancelled_before_its_first_set_leaves_nothing(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver:
                for turns in range(8):
                    async with following(resolver):
                        for _ in range(turns):
                            await asyncio.sleep(0)
                async with following(resolver) as sets:
                    assert addresses_of(await sets.next()) == list(self.addresses)

        asyncio.run(course())

    def test_a_watch_that_is_closed_by_who_iterates_it_leaves_nothing(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver:
                for _ in range(2):
                    async with nothing_left():
                        watch = resolver.watch()
                        check(await anext(watch))
                        await asyncio.sleep(0)
                        if (close := getattr(watch, "aclose", None)) is not None:
                            await close()
                        del watch

        asyncio.run(course())

    def test_it_says_what_it_is(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver:
                assert " object at 0x" not in repr(resolver), "log records and errors name a resolver by its repr"
                assert isinstance(resolver.names, tuple)
                assert resolver.max_stale_s is None or resolver.max_stale_s >= 0

        asyncio.run(course())


class FixedResolverContract(ResolverContract):
    """For a resolver whose set never changes."""

    def test_the_watch_ends_when_all_is_said(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver, following(resolver) as sets:
                await sets.next()
                await sets.end()

        asyncio.run(course())


class WatchingResolverContract(ResolverContract):
    """For a resolver whose set may change; with `tell` and `fail` in addition."""

    async def tell(self, addresses: Sequence[str]) -> None:
        """The source has these from now on."""
        raise NotImplementedError

    async def fail(self) -> None:
        """The source cannot be asked any more, until the next `tell`."""
        raise NotImplementedError

    def test_each_change_is_a_complete_set_and_the_watch_goes_on(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver, following(resolver) as sets:
                before: Sequence[str] = self.addresses
                await sets.until(before)
                first, *rest = self.addresses
                for addresses in ([first, *rest, "10.0.9.9:80"], rest, [], [first], ["10.0.9.9:80"], self.addresses):
                    await self.tell(addresses)
                    await sets.until(addresses, before)
                    before = addresses

        asyncio.run(course())

    def test_the_order_does_not_depend_on_what_was_there_before(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver, following(resolver) as sets:
                first = await sets.until(self.addresses)
                await self.tell(self.addresses[1:])
                await sets.until(self.addresses[1:], self.addresses)
                await self.tell(self.addresses)
                assert (await sets.until(self.addresses, self.addresses)).endpoints == first.endpoints

        asyncio.run(course())

    def test_a_set_that_was_given_out_does_not_change(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver, following(resolver) as sets:
                first = await sets.until(self.addresses)
                copy = Snapshot(tuple(replace(each) for each in first.endpoints), first.version, first.note)
                await self.tell([])
                await sets.until([], self.addresses)
                assert first == copy

        asyncio.run(course())

    def test_an_error_is_an_ordinary_exception_and_a_new_watch_goes_on(self) -> None:
        async def course() -> None:
            async with self.resolving() as resolver:
                for number in range(2):
                    async with following(resolver) as sets:
                        await sets.next()
                        await self.fail()
                        error = await sets.error()
                        assert isinstance(error, Exception), f"{error!r} would end more than the watch"
                        assert str(error), f"{error!r} says nothing"
                    async with following(resolver) as sets:
                        assert isinstance(await sets.error(), Exception)
                    await self.tell([f"10.0.8.{number}:80"])
                    async with following(resolver) as sets:
                        await sets.until([f"10.0.8.{number}:80"])

        asyncio.run(course())


@contextlib.asynccontextmanager
async def following(resolver: Resolver) -> AsyncIterator[Sets]:
    """A watch in a task of its own that is cancelled in the end; asserts that nothing of it is left then."""
    async with nothing_left(), followed(resolver) as sets:
        yield sets


@contextlib.asynccontextmanager
async def followed(resolver: Resolver) -> AsyncIterator[Sets]:
    """The same without a look at what is left."""
    sets = Sets()
    task = asyncio.create_task(sets.follow(resolver))
    try:
        yield sets
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # what it raised, it has told


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Asserts that tasks which were started in the block end by themselves after it."""
    before = asyncio.all_tasks()
    yield
    # A task may start others as it ends, so they are looked for until there is none.
    while left := asyncio.all_tasks() - before:
        _, pending = await asyncio.wait(left, timeout=PATIENCE_S)
        assert not pending, f"the watch left {pending} behind"


def check(snapshot: Snapshot) -> None:
    """Assert of a set that it is one."""
    assert isinstance(snapshot, Snapshot), f"{snapshot!r} is no Snapshot"
    assert isinstance(snapshot.endpoints, tuple), f"{snapshot.endpoints!r} can be changed"
    assert all(isinstance(each, Endpoint) for each in snapshot.endpoints)
    hash(snapshot)  # raises TypeError where something in it can be changed
    addresses = [(each.host, each.port) for each in snapshot.endpoints]
    assert len(set(addresses)) == len(addresses), f"an address is there twice: {addresses}"
    assert all(1 <= each.port <= 65535 and each.weight >= 1 for each in snapshot.endpoints)


def addresses_of(snapshot: Snapshot) -> list[str]:
    """As `host:port`, in their order."""
    return [each.address for each in snapshot.endpoints]
