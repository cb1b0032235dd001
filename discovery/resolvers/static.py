"""`static:///10.0.0.1:8080,10.0.0.2:8080;weight=3`: a list that never changes."""

from __future__ import annotations

import collections
from collections.abc import AsyncIterator, Iterable
from typing import Self

from discovery.model import Endpoint, Snapshot, Target, split_address
from discovery.resolvers import Resolver


class StaticResolver(Resolver):
    """Always the same endpoints, in the order given. Raises `ValueError` where an address is there twice."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._snapshot = Snapshot(tuple(endpoints))
        addresses = [endpoint.address for endpoint in self._snapshot.endpoints]
        for address, count in collections.Counter(addresses).items():
            if count > 1:
                raise ValueError(f"{address} is there twice; give it a `;weight=2` instead")

    @classmethod
    def from_target(cls, target: Target) -> Self:
        if target.authority:
            raise target.invalid("addresses belong after the third slash")
        try:
            return cls(_endpoint(item.strip()) for item in target.path.split(","))
        except ValueError as error:
            raise target.invalid(str(error)) from None

    async def watch(self) -> AsyncIterator[Snapshot]:
        yield self._snapshot

    def __repr__(self) -> str:
        return f"static ({len(self._snapshot.endpoints)} endpoints)"


def _endpoint(text: str) -> Endpoint:
    address, *parameters = text.split(";")
    host, port = split_address(address)
    weight = 1
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name != "weight" or not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= 1_000_000:
            raise ValueError(f"{parameter!r} is not `weight=N` with N from 1 to 1000000")
        weight = int(value[:9])
    return Endpoint(host, port, weight=weight)
