"""Whether a proxy is to be used for a server, by the rules of NO_PROXY that Kubernetes' own clients follow."""

from __future__ import annotations

import ipaddress

import httpx


def proxy_for(url: str, proxy: str | None, no_proxy: str | None) -> str | None:
    """The proxy for this URL, or None: of the rules of Go's `httpproxy`, which kubectl and client-go follow.

    no_proxy  comma-separated: `*`, a domain (with what is below it), `.domain` (only what is below it), an address or
              a CIDR, each with `:port` where it is to hold for that port alone

    Loopback addresses are never reached through a proxy. (httpx ignores CIDRs, so this is not left to it.)
    """
    parsed = httpx.URL(url)
    host, port = parsed.host.rstrip("."), parsed.port or {"https": 443}.get(parsed.scheme, 80)
    if not proxy or host == "localhost" or _in(host, "127.0.0.0/8") or _in(host, "::1"):
        return None
    entries = (entry.strip().lower() for entry in (no_proxy or "").split(","))
    return None if any(entry and _matches(entry, host, port) for entry in entries) else proxy


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if _is_network(entry):
        return _in(host, entry)
    name, colon, only_port = entry.rpartition(":")
    if colon and only_port.isdigit():
        if int(only_port) != port:
            return False
        entry = name.strip("[]")
    if _is_network(entry):
        return _in(host, entry)
    return host.endswith(entry if entry.startswith(".") else f".{entry}") or host == entry


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
