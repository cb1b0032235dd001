"""What is asked of DNS, what the answers mean, and when to ask again: all decisions, without I/O.

A round is one look-up of everything that a set needs: it has questions, takes answers in any order, and at last has a
`result`. `Polling` is what lasts from round to round. `_dns.py` asks.
"""

from __future__ import annotations

import collections
import ipaddress
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from discovery.model import Endpoint
from discovery.resolvers import ResolverError

T = TypeVar("T", bound=Hashable)

LONGEST_S = 300.0
"""For a record that may be kept for days: who changes one has waited long enough."""
EMPTY_S = 5.0
"""How long an answer that there is nothing is believed at most: pods that become ready are waited for."""
FAILED_S = 5.0
"""How long a server that fails is left alone at most."""
_SPREAD, _SPREAD_S = 0.1, 0.5
"""Clients that a cache has told the same end of a TTL come within a tenth of it, or half a second, after that end. Not
before: the cache would say the same again."""


class Question(NamedTuple):
    """A name, with its final dot, and the type of the records: A, AAAA or SRV."""

    name: str
    kind: str


class Srv(NamedTuple):
    """RFC 2782."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question came to.

    addresses, services  of the records, as many as there are; none where there is no such name, or nothing of the type
    ttl_s                how long that holds
    why                  in words, where there is no record
    failed               nobody knows: no answer, or none that says anything
    beside               addresses of other names that came along, as an SRV answer has them of its targets
    """

    addresses: tuple[str, ...] = ()
    services: tuple[Srv, ...] = ()
    ttl_s: float = 0.0
    why: str = ""
    failed: bool = False
    beside: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What a round came to: the members of the set in their order, or why there are none, or why nobody knows."""

    members: tuple[T, ...]
    ttl_s: float
    why: str = ""
    failed: bool = False


class Round(Protocol[T]):
    """One look-up."""

    result: Result[T] | None

    def begin(self) -> tuple[Question, ...]:
        """The first questions, to be asked at once."""

    def answered(self, question: Question, answer: Answer) -> tuple[Question, ...]:
        """Take an answer; what is to be asked now in addition. With a `result` there is nothing more to wait for."""


class Addresses:
    """A and AAAA at once, and the IPv4 addresses if there are any, else those of IPv6.

    One family, since a pod of a dual-stack Service is in both, nothing tells which two are the same, and each should
    count once. It is IPv4 as for EndpointSlices. IPv4 that failed is no reason to change to IPv6.
    """

    result: Result[str] | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._answers: dict[str, Answer] = {}

    def begin(self) -> tuple[Question, ...]:
        return Question(self._name, "A"), Question(self._name, "AAAA")

    def answered(self, question: Question, answer: Answer) -> tuple[Question, ...]:
        self._answers[question.kind] = answer
        four, six = self._answers.get("A"), self._answers.get("AAAA")
        if four and (four.addresses or four.failed):
            self.result = _result(four)
        elif four and six:
            self.result = _result(six if six.addresses or six.failed else four)
        return ()


def _result(answer: Answer) -> Result[str]:
    return Result(tuple(sorted(set(answer.addresses), key=_in_order)), answer.ttl_s, answer.why, answer.failed)


class Services:
    """SRV, and the addresses of its targets where they have not come along.

    Of the lowest priority that has an endpoint. Each target's addresses share its weight, of which 0 is the smallest,
    as 1 is. One family for all, as in `Addresses`: Kubernetes names each address of a dual-stack pod.
    """

    result: Result[Endpoint] | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._service = name.split(".", 2)[2]
        self._found = Answer()
        self._results: dict[str, Result[str]] = {}
        self._rounds: dict[str, Addresses] = {}

    def begin(self) -> tuple[Question, ...]:
        return (Question(self._name, "SRV"),)

    def answered(self, question: Question, answer: Answer) -> tuple[Question, ...]:
        more: list[Question] = []
        if question.kind == "SRV":
            self._found = answer
            # The target "." says that the service is decidedly not there.
            for target in dict.fromkeys(each.target for each in answer.services if each.target != "."):
                if along := (answer.beside or {}).get(target):
                    self._results[target] = _result(Answer(_one_family(along), ttl_s=answer.ttl_s))
                else:
                    self._rounds[target] = Addresses(target)
                    more += self._rounds[target].begin()
        else:
            addresses = self._rounds[question.name]
            addresses.answered(question, answer)
            if addresses.result is not None:
                self._results[question.name] = addresses.result
        self.result = self._decided()
        return tuple(more)

    def _decided(self) -> Result[Endpoint] | None:
        if failed := next((each for each in self._results.values() if each.failed), None):
            return Result((), failed.ttl_s, failed.why, failed=True)
        if not self._rounds.keys() <= self._results.keys():
            return None
        ttl_s = min([self._found.ttl_s, *(each.ttl_s for each in self._results.values())])
        for priority in sorted({each.priority for each in self._found.services}):
            if endpoints := self._endpoints(each for each in self._found.services if each.priority == priority):
                return Result(endpoints, ttl_s)
        why = self._found.why or f"{self._name} names no server that has an address"
        return Result((), ttl_s, why, self._found.failed)

    def _endpoints(self, services: Iterable[Srv]) -> tuple[Endpoint, ...]:
        weights = collections.Counter[tuple[str, int]]()
        names: dict[tuple[str, int], str] = {}
        for each in services:
            hosts = self._results[each.target].members if each.target in self._results else ()
            for host in hosts:
                weights[host, each.port] += max(1, round(each.weight / len(hosts)))
                names[host, each.port] = self._pod(each.target)
        hosts = _one_family(host for host, _ in weights)
        return tuple(
            Endpoint(host, port, name=names[host, port], weight=weights[host, port])
            for host, port in sorted(weights, key=lambda place: (_in_order(place[0]), place[1]))
            if host in hosts and port
        )

    def _pod(self, target: str) -> str:
        """The name of a StatefulSet's pod; "" for others, whose names are their addresses with dashes."""
        label, _, rest = target.partition(".")
        return label if rest == self._service and label.strip("0123456789abcdef-") else ""


def _one_family(addresses: Iterable[str]) -> tuple[str, ...]:
    addresses = tuple(addresses)
    return tuple(each for each in addresses if ":" not in each) or addresses


def _in_order(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """The set, as whoever follows it is to see it; `note` says why it is empty."""

    members: tuple[T, ...]
    note: str = ""


class Polling(Generic[T]):
    """From round to round: what the set is now, and when to ask again.

    That there is no such name is what Kubernetes also says while no pod is ready. So the last set outlives that answer
    for a while, and a round that failed for as long as the runtime serves it.

    floor_s  not more often than this
    hold_s   how long the last set outlives the answer that there is none
    wait_s   until the next round
    holding  the set is such a last one
    """

    def __init__(self, *, floor_s: float, hold_s: float, random: Callable[[], float]) -> None:
        self.wait_s = 0.0
        self.holding = False
        self._floor_s = floor_s
        self._hold_s = hold_s
        self._random = random
        self._known: tuple[T, ...] = ()
        self._none_since: float | None = None

    def take(self, result: Result[T], now_s: float) -> Told[T]:
        """The set after a round; raises `ResolverError` where the round failed."""
        if result.failed:
            raise ResolverError(result.why, retry_within_s=FAILED_S)
        self.holding = False
        if result.members:
            self._known, self._none_since = result.members, None
            self.wait_s = self._spread(min(result.ttl_s, LONGEST_S))
            return Told(self._known)
        self.wait_s = self._spread(min(result.ttl_s, EMPTY_S))
        if self._none_since is None:
            self._none_since = now_s
        left_s = self._none_since + self._hold_s - now_s
        if self._known and left_s > 0:
            self.holding = True
            self.wait_s = min(self.wait_s, left_s)
            return Told(self._known)
        self._known = ()
        return Told((), result.why)

    def _spread(self, ttl_s: float) -> float:
        at_least_s = max(ttl_s, self._floor_s)
        return at_least_s + self._random() * min(at_least_s * _SPREAD, _SPREAD_S)
