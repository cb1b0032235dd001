"""Transports for httpx that balance every request over the endpoints of one target.

httpx.Client(transport=Transport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")
httpx.AsyncClient(transport=AsyncTransport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")
"""

from discovery.http._asyncio import AsyncTransport
from discovery.http._rules import NoEndpoints, Overloaded, Unresolved, outcome
from discovery.http._split import AsyncSplitTransport, SplitTransport
from discovery.http._sync import Transport

__all__ = [
    "AsyncSplitTransport",
    "AsyncTransport",
    "NoEndpoints",
    "Overloaded",
    "SplitTransport",
    "Transport",
    "Unresolved",
    "outcome",
]
