"""`srv:///_http._tcp.orders.shop.svc.cluster.local`: servers, ports, weights and priorities, as SRV records have them.

Kubernetes has such records for each named port of a headless Service, a target for each ready pod.
"""

from __future__ import annotations

import re
from typing import Self

from discovery.model import Endpoint, Target
from discovery.resolvers._dns import Polled
from discovery.resolvers._dns_name import absolute, called
from discovery.resolvers._dns_rounds import Services

_NAME = re.compile(r"_[a-z0-9][-a-z0-9]*\._[a-z]+\..+", re.IGNORECASE)


class SrvResolver(Polled[Endpoint]):
    """Follows the SRV records of a name: the servers of the lowest priority that has any.

    name  `_PORT._PROTO.` and a DNS name, which is absolute, or ends in `.svc`; the rest is as for `DnsResolver`

    Raises ValueError for what is no such name, or no server.
    """

    def __init__(
        self,
        name: str,
        *,
        server: str = "",
        floor_s: float = 1.0,
        hold_s: float = 30.0,
        max_stale_s: float | None = 3600.0,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not _PORT._PROTO.NAME, with the name of a port and tcp or udp")
        super().__init__(absolute(name), server=server, floor_s=floor_s, hold_s=hold_s, max_stale_s=max_stale_s)
        self.names = called(self._name.split(".", 2)[2])

    @classmethod
    def from_target(cls, target: Target) -> Self:
        try:
            return cls(target.path, server=target.authority)
        except ValueError as error:
            raise target.invalid(str(error)) from None

    def _round(self) -> Services:
        return Services(self._name)

    def _endpoint(self, member: Endpoint) -> Endpoint:
        return member

    def __repr__(self) -> str:
        return f"srv {self._name}"
