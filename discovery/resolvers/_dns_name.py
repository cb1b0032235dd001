"""What is asked for in DNS: absolute names, and the server that is asked."""

from __future__ import annotations

import ipaddress
import re

from discovery.model import port_number
from discovery.resolvers._service_name import ServiceName

_LABEL = re.compile(  # RFC 1035, and the underscore of RFC 2782
    r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?"
)
_PORT = 53


def absolute(host: str) -> str:
    """The name in lower case and with its final dot, so that it is asked for as it stands: no search list is tried.

    Two short forms mean a Service, as in Kubernetes: `orders` that of our own namespace, where a pod's resolv.conf
    tells it, and `orders.shop.svc` one of the cluster's domain. Raises ValueError for what is no DNS name.
    """
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if not all(map(_LABEL.fullmatch, labels)) or len(name) > 253:
        raise ValueError(f"{host!r} is not a DNS name (labels of at most 63 letters, digits, - and _)")
    if labels[-1].isdigit():
        raise ValueError(f"{host!r} is no name, and needs no DNS: use static: for addresses")
    here = ServiceName.here(labels[0], "")
    if not host.endswith("."):
        if len(labels) == 1 and here.own:
            name = here.names[0]
        elif len(labels) > 2 and labels[-1] == "svc":
            name = f"{name}.{here.domain}"
    return f"{name}."


def called(name: str) -> tuple[str, ...]:
    """Every name by which the one that `absolute` has made may be called, the fullest first."""
    name = name.removesuffix(".")
    service, _, rest = name.partition(".")
    namespace, _, end = rest.partition(".")
    if end == f"svc.{ServiceName.here(service, namespace).domain}":
        return ServiceName.here(service, namespace).names
    return (name,)


def server(text: str) -> tuple[str, int] | None:
    """`ADDRESS[:PORT]` of a DNS server, IPv6 in brackets; None for "", which is the system's. Raises ValueError."""
    if not text:
        return None
    match = re.fullmatch(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:]*))(?::(?P<port>.*))?", text)
    try:
        address = ipaddress.ip_address((match["v6"] or match["v4"]) if match else text)
    except ValueError:
        raise ValueError(f"the DNS server {text!r} is not ADDRESS[:PORT], with IPv6 in brackets") from None
    port = match["port"] if match else None
    return str(address), _PORT if port is None else port_number(port)
