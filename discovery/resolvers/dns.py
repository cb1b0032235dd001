"""`dns:///orders.shop.svc.cluster.local:8080`: the addresses of a name, looked up again when their TTL is over.

For a headless Service these are its ready pods. A Service with an address of its own has that one alone.
"""

from __future__ import annotations

from typing import Self

from discovery.model import Endpoint, Target, port_number
from discovery.resolvers._dns import Polled
from discovery.resolvers._dns_name import absolute, called
from discovery.resolvers._dns_rounds import Addresses


class DnsResolver(Polled[str]):
    """Asks for A and AAAA at once, and follows the IPv4 addresses if there are any, else those of IPv6.

        Transport(resolver=DnsResolver("orders.shop.svc.cluster.local", 8080, server="10.96.0.10"))

    host         a DNS name, which is absolute: no search list is tried. Two short forms mean a Service: `orders`, of
                 a pod's own namespace, and `orders.shop.svc`
    port         that of the servers; of a headless Service, the pods'
    server       `ADDRESS[:PORT]`; "" is those of /etc/resolv.conf
    floor_s      not more often than this, however short the TTL
    hold_s       how long the last set outlives the answer that there is none, which Kubernetes gives while no pod is
                 ready
    max_stale_s  how long it is served while no server answers; None is for as long as it takes

    Raises ValueError for what is no name, port or server.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        server: str = "",
        floor_s: float = 1.0,
        hold_s: float = 30.0,
        max_stale_s: float | None = 3600.0,
    ) -> None:
        super().__init__(absolute(host), server=server, floor_s=floor_s, hold_s=hold_s, max_stale_s=max_stale_s)
        self._port = port_number(str(port))
        self.names = called(self._name)

    @classmethod
    def from_target(cls, target: Target) -> Self:
        host, colon, port = target.path.rpartition(":")
        if not colon:
            raise target.invalid("it needs the servers' port, since DNS tells only addresses")
        try:
            return cls(host, port_number(port), server=target.authority)
        except ValueError as error:
            raise target.invalid(str(error)) from None

    def _round(self) -> Addresses:
        return Addresses(self._name)

    def _endpoint(self, member: str) -> Endpoint:
        return Endpoint(member, self._port)

    def __repr__(self) -> str:
        return f"dns {self._name}:{self._port}"
