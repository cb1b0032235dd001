"""What one ADS stream is to be sent, given what it asked for and what is known: the xDS protocol without any I/O.

State of the world (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol): each request names all that the
client wants of one type, and acknowledges or refuses what it got last.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from discovery.xds._resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES

ORDER = (CLUSTER, ENDPOINTS, LISTENER, ROUTES)
"""What is referred to before what refers to it, so that nothing is lost on the way."""

_COMPLETE = frozenset({LISTENER, CLUSTER})
"""Types whose responses say everything: what is left out does not exist."""

_LISTENERS_KEY = "listeners"


class View(Protocol):
    """What is known at one moment."""

    @property
    def version(self) -> str:
        """Its name."""

    def resource(self, kind: str, name: str) -> bytes | None:
        """As it is sent, the same object as long as it is the same; None: there is none, or it is not known yet."""

    def sidecar(self, kind: str, listeners: Iterable[tuple[str, str]]) -> dict[str, bytes]:
        """All resources of a type that a sidecar needs which listens so: pairs of Service and address."""


class Said(enum.Enum):
    """What a request means."""

    ASKED = "asked"
    ACK = "acknowledged"
    NACK = "refused"
    STALE = "stale"
    """It answers an older response; that to the newest is still to come."""
    UNKNOWN = "unknown"
    """It asks for a type that is not served."""


@dataclass(frozen=True, slots=True)
class Response:
    """What is to be sent: resources of a type, and what they are acknowledged by."""

    kind: str
    version: str
    nonce: str
    resources: tuple[bytes, ...]


@dataclass(slots=True)
class _Subscription:
    """One type on the stream.

    names       asked for; None is whatever there is for the node
    sent        by name, what the client has been given
    nonce       of the last response
    awaited_at  when the oldest response was sent that the client has said nothing to, None where there is none
    answered    whether the client has an answer to what it asks for
    """

    names: tuple[str, ...] | None = ()
    sent: dict[str, bytes] = field(default_factory=dict)
    nonce: str = ""
    awaited_at: float | None = None
    answered: bool = False


class Stream:
    """The state of one stream.

    node        the client's name for itself
    listeners   of a sidecar, as its node's metadata has them: `{"listeners": {"orders.shop:http": "127.0.0.1:15001"}}`
    """

    def __init__(self) -> None:
        self.node = ""
        self.listeners: tuple[tuple[str, str], ...] = ()
        self._subscriptions: dict[str, _Subscription] = {}
        self._nonces = 0

    def heard(self, request: Any) -> Said:
        """Take a DiscoveryRequest."""
        if request.HasField("node") and not self.node:
            self.node = f"{request.node.id or '(no id)'} ({request.node.user_agent_name or 'unknown client'})"
            declared = request.node.metadata.fields[_LISTENERS_KEY].struct_value.fields
            self.listeners = tuple(sorted((name, address.string_value) for name, address in declared.items()))
        if request.type_url not in ORDER:
            return Said.UNKNOWN
        now = self._subscriptions.get(request.type_url)
        if now is None:
            now = self._subscriptions[request.type_url] = _Subscription(None if _wildcard(request) else ())
        elif request.response_nonce not in {"", now.nonce}:
            return Said.STALE
        asked = not request.response_nonce or not now.nonce
        self._subscribe(now, request)
        if asked:
            return Said.ASKED
        now.awaited_at = None
        return Said.NACK if request.HasField("error_detail") else Said.ACK

    def _subscribe(self, now: _Subscription, request: Any) -> None:
        names = tuple(dict.fromkeys(request.resource_names))
        if "*" in names and request.type_url in _COMPLETE:
            names, now.names = (), None
        if now.names is None and not names:
            return
        before = now.names or ()
        now.names = names
        if not set(names) <= set(before):
            now.answered = False
        # What is no longer wanted is forgotten by the client, too, and is sent anew when it is asked for again.
        now.sent = {name: sent for name, sent in now.sent.items() if name in names}

    @property
    def services(self) -> frozenset[str]:
        """Those whose endpoints are wanted."""
        subscription = self._subscriptions.get(ENDPOINTS)
        return frozenset((subscription and subscription.names) or ())

    def due(self, view: View, now: float) -> Response | None:
        """The next response, taken as sent; None as long as the client has all that it wants."""
        for kind in ORDER:
            subscription = self._subscriptions.get(kind)
            if subscription is None:
                continue
            current = self._wanted(kind, subscription, view)
            if kind in _COMPLETE:
                if subscription.answered and subscription.sent == current:
                    continue
                changed = current
            else:
                changed = {name: new for name, new in current.items() if subscription.sent.get(name) is not new}
                if not changed:
                    continue
            self._nonces += 1
            subscription.sent = current
            subscription.nonce = str(self._nonces)
            subscription.answered = True
            if subscription.awaited_at is None:
                subscription.awaited_at = now
            return Response(kind, view.version, subscription.nonce, tuple(changed.values()))
        return None

    def _wanted(self, kind: str, subscription: _Subscription, view: View) -> dict[str, bytes]:
        if subscription.names is None:
            return view.sidecar(kind, self.listeners)
        found = ((name, view.resource(kind, name)) for name in subscription.names)
        current = {name: resource for name, resource in found if resource is not None}
        # What was known and is not now (its watch begins anew) is no reason to send anything.
        return current if kind in _COMPLETE else {**subscription.sent, **current}

    def awaited_since(self, kind: str) -> float | None:
        """When the oldest response of a type was sent that the client has said nothing to; None if there is none."""
        subscription = self._subscriptions.get(kind)
        return subscription.awaited_at if subscription else None


def _wildcard(request: Any) -> bool:
    return request.type_url in _COMPLETE and not request.resource_names
