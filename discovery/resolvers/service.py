"""`service:///orders.shop:80`: the Service's DNS name as the one endpoint; the server side balances."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from discovery.model import Endpoint, Snapshot, Target, port_number
from discovery.resolvers import Resolver
from discovery.resolvers._service_name import ServiceName


class ServiceResolver(Resolver):
    """One virtual endpoint, so that kube-proxy picks, once per connection.

    name  the Service
    port  the Service's own port, which is often not that of its pods
    """

    def __init__(self, name: ServiceName, port: int) -> None:
        self.names = name.names
        # With its final dot the name is absolute: one query, and not one for each entry of the search list.
        host = f"{self.names[0]}." if "." in self.names[0] else self.names[0]
        self._snapshot = Snapshot((Endpoint(host, port, name=name.service),))

    @classmethod
    def from_target(cls, target: Target) -> Self:
        name, port = ServiceName.parse(target)
        if not port:
            raise target.invalid("it needs the Service's port, since a DNS name has none")
        try:
            return cls(name, port_number(port))
        except ValueError as error:
            raise target.invalid(f"{error}; DNS knows a Service's ports by number alone") from None

    async def watch(self) -> AsyncIterator[Snapshot]:
        yield self._snapshot

    def __repr__(self) -> str:
        return f"service {self._snapshot.endpoints[0].address}"
