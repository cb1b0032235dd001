"""One request from its first pick to the end of its answer: all that is decided about it, without I/O."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

import httpx

from discovery.balancer import Balancer
from discovery.errors import DiscoveryError
from discovery.http import _rules as rules
from discovery.http._way import Way
from discovery.model import Endpoint, Outcome
from discovery.node import Lease
from discovery.retries import Ran, Tries

CONNECT_S = 1.0
"""No try has less than this to connect, as long as that much is left (Linkerd's limit for connecting at all)."""


class Wishes(NamedTuple):
    """What a request may ask for, as `extensions={"discovery": {...}}`.

    key         for policies that hash
    avoid       endpoints not to take if there is another
    idempotent  whether it may be carried out twice; None: as its method says
    replayable  its body, though a stream, can be iterated anew
    tries       at most so many for this one, the first included
    """

    key: str | None = None
    avoid: Collection[Endpoint] = ()
    idempotent: bool | None = None
    replayable: bool = False
    tries: int | None = None

    @classmethod
    def of(cls, request: httpx.Request) -> Wishes:
        """Raises `TypeError` and `ValueError` for what cannot be wished."""
        asked = request.extensions.get("discovery")
        if asked is None:
            return _NONE
        if unknown := set(asked).difference(cls._fields):
            names = ", ".join(sorted(unknown))
            raise TypeError(f"a request's extension 'discovery' has no {names}; it has {', '.join(cls._fields)}")
        wishes = cls(**asked)
        if not isinstance(wishes.key, str | None):
            raise TypeError(f"a request's extension 'discovery': key is text, and not {wishes.key!r}")
        if not all(isinstance(each, Endpoint) for each in wishes.avoid):
            raise TypeError(
                f"a request's extension 'discovery': avoid is a collection of Endpoints, not {wishes.avoid!r}"
            )
        if wishes.tries is not None and wishes.tries < 1:
            raise ValueError(f"a request's extension 'discovery': tries is {wishes.tries}, and must be at least 1")
        return wishes


_NONE = Wishes()


class Exchanges:
    """What the requests of one transport have in common.

    judge  what an answer or an error says about its endpoint
    clock  seconds, monotonic
    """

    def __init__(
        self, balancer: Balancer, host: str | None, judge: rules.Judge, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.balancer = balancer
        self.judge = judge
        self.clock = clock
        self._host = rules.Host(balancer.resolver.names, host)

    def begin(self, request: httpx.Request) -> Exchange:
        """Raises `httpx.UnsupportedProtocol` for another host than the one served."""
        if not isinstance(request, httpx.Request):
            raise rules.not_a_request(request)
        self._host.check(request)
        self.balancer.retry_budget.request()
        return Exchange(self, request)


class Exchange:
    """One request. The transport picks, sends what `addressed` says, and asks after each try how it goes on.

    The limits of the caller's timeout hold over all tries: `connect` is shared out over them, and one that fails in the
    middle leaves the next what it has not used of `read`. So no request takes longer than a single try might.

    lease  on the endpoint of the newest try
    """

    __slots__ = (
        "_began",
        "_common",
        "_connecting_s",
        "_held",
        "_limits",
        "_outcome",
        "_request",
        "_sends",
        "_sent_s",
        "_tries",
        "lease",
        "wishes",
    )

    lease: Lease

    def __init__(self, common: Exchanges, request: httpx.Request) -> None:
        self._held = False
        self.wishes = Wishes.of(request)
        self._common = common
        self._request = request
        self._began = common.clock()
        self._connecting_s = self._sent_s = 0.0
        self._limits: dict[str, Any] = {}
        self._sends = 0
        self._tries: Tries | None = None
        self._outcome = Outcome.SUCCESS

    # The first pick

    def picked(self) -> bool:
        """Whether there is an endpoint at once; raises httpx's errors."""
        try:
            lease = self._common.balancer.pick_nowait(self.wishes.key, self.wishes.avoid)
        except DiscoveryError as error:
            raise rules.told(error, self._request) from error
        if lease is None:
            return False
        self.hold(lease)
        return True

    @contextlib.contextmanager
    def waiting(self) -> Iterator[float | None]:
        """While the block waits for one: for how long it may, and its errors are httpx's."""
        pending = not self._common.balancer.snapshot().endpoints
        try:
            yield self._limit("connect" if pending else "pool")
        except DiscoveryError as error:
            raise rules.told(error, self._request) from error
        taken_s = self._taken_s()
        if pending:
            self._connecting_s = taken_s

    def hold(self, lease: Lease) -> None:
        """The next try goes there."""
        self.lease, self._held = lease, True
        self._sends += 1

    # A try

    def addressed(self, way: Way) -> httpx.Request:
        """The request of the next try, with its limits; TLS is to verify the Service's name."""
        url, extensions = self._request.url, dict(self._request.extensions)
        if timeout := extensions.get("timeout"):
            extensions["timeout"] = self._limits = self._shared_out(timeout)
        if url.scheme == "https":
            extensions.setdefault("sni_hostname", url.host)
        return way.request(self._request, extensions)

    def goes_on(self, error: BaseException) -> bool:
        """The try failed: whether there is another one, on a new lease. If not, the error is the caller's."""
        self._end(self._common.judge(error))
        ran = rules.ran(error)
        if ran is not None and self._has_time(ran) and (lease := self._elsewhere(ran)):
            self.hold(lease)
            return True
        self._explain(error)
        return False

    def accepts(self, response: httpx.Response) -> bool:
        """There is a head: whether it is the answer. If not, the response is to be closed, and there is another try."""
        self.lease.answered()
        outcome = self._common.judge(response)
        if outcome is Outcome.FAILURE and self._is_refused(response):
            return False
        if self._sent_s:
            self._limits["read"] = self._limit("read")  # for each part of the body it is the caller's own again
        self._outcome = outcome
        response.extensions["discovery"] = {"endpoint": self.lease.endpoint, "tries": self._sends}
        return True

    # The end

    def ended(self) -> None:
        """The answer was read to the end, or closed."""
        self._end(self._outcome)

    def broke(self, error: BaseException) -> None:
        """Its body ended with an error."""
        self._end(self._common.judge(error))
        self._explain(error)

    def __del__(self) -> None:
        # The response was dropped, or the caller was interrupted.
        if self._held:
            self.lease.done(Outcome.CANCELLED)

    def _end(self, outcome: Outcome) -> None:
        if self._held:
            self._held = False
            self.lease.done(outcome)

    def _explain(self, error: BaseException) -> None:
        """Have the error say where it happened."""
        if isinstance(error, httpx.TransportError):
            balancer = self._common.balancer
            what = str(error) or type(error).__name__
            tries = f"{self._sends} tries; " if self._sends > 1 else ""
            error.args = (f"{balancer.label}: {self.lease.endpoint}: {what}; {tries}{balancer.snapshot()}",)

    # Tries after the first

    def _is_refused(self, response: httpx.Response) -> bool:
        """Whether to send to another endpoint what this one will not do, and on which there is a lease then."""
        if response.status_code not in rules.REFUSALS or not self._may_repeat() or not self._has_time(Ran.MAYBE):
            return False
        other = self._elsewhere(Ran.MAYBE)
        if other is None:
            return False
        if self._tries is not None and other.endpoint in self._tries.failed:
            other.done(Outcome.CANCELLED)
            return False
        self._end(Outcome.FAILURE)
        self.hold(other)
        return True

    def _elsewhere(self, ran: Ran) -> Lease | None:
        """A lease for another try, if there may be one; it is not waited for."""
        balancer = self._common.balancer
        self._tries = tries = self._tries or Tries(balancer.retry_budget, self._most())
        if not tries.again(self.lease.endpoint, ran, idempotent=self._may_repeat()):
            return None
        try:
            return balancer.pick_nowait(self.wishes.key, {*self.wishes.avoid, *tries.failed})
        except DiscoveryError:
            return None

    def _may_repeat(self) -> bool:
        """Whether it may be carried out twice, and its body sent twice."""
        idempotent = self.wishes.idempotent
        if idempotent is None:
            idempotent = self._request.method in rules.IDEMPOTENT
        return idempotent and (self.wishes.replayable or isinstance(self._request.stream, httpx.ByteStream))

    def _most(self) -> int:
        return self.wishes.tries or self._common.balancer.balancing.tries

    # Time

    def _has_time(self, ran: Ran) -> bool:
        """A try failed, before or after the request was sent: whether that limit leaves time for another."""
        taken_s = self._taken_s()
        if ran is Ran.NO:
            self._connecting_s += taken_s
            limit_s, spent_s = self._limit("connect"), self._connecting_s
        else:
            self._sent_s += taken_s
            limit_s, spent_s = self._limit("read"), self._sent_s
        return limit_s is None or spent_s < limit_s

    def _taken_s(self) -> float:
        began, self._began = self._began, self._common.clock()
        return self._began - began

    def _limit(self, name: str) -> float | None:
        limit_s: float | None = self._request.extensions.get("timeout", {}).get(name)
        return limit_s

    def _shared_out(self, timeout: Mapping[str, float | None]) -> dict[str, float | None]:
        """The limits of the next try."""
        limits = dict(timeout)
        if (connect_s := timeout.get("connect")) is not None:
            left_s = connect_s - self._connecting_s
            share_s = left_s / (self._most() - self._sends + 1)
            limits["connect"] = max(share_s, min(left_s, CONNECT_S), _NO_TIME_S)
        if self._sent_s and (read_s := timeout.get("read")) is not None:
            limits["read"] = max(read_s - self._sent_s, _NO_TIME_S)
        return limits


_NO_TIME_S = 0.001  # as a socket's timeout, 0 would mean not to block
