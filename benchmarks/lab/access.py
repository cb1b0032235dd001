"""Who somebody is: bearer tokens, their users, and the groups that these are in."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Mapping

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.requests import HTTPConnection

ADMIN = "lab-admin"
"""The user who may do everything."""

_OPEN_PATHS = frozenset({"/healthz", "/version"})  # a real server answers these without a token, too
_SERVICE_ACCOUNT = "system:serviceaccount:"


class BearerTokens(AuthenticationBackend):
    """Tells users by their token; a collection of tokens is one of the administrator's.

    clock  seconds, for tokens that end
    """

    def __init__(
        self, tokens: Mapping[str, str] | Collection[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        users = tokens if isinstance(tokens, Mapping) else dict.fromkeys(tokens, ADMIN)
        self._users = {token: (user, math.inf) for token, user in users.items()}
        self._clock = clock

    def issue(self, user: str, lifetime_s: float) -> str:
        """A new token for a user."""
        token = secrets.token_urlsafe()
        self._users[token] = user, self._clock() + lifetime_s
        return token

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        if conn.url.path in _OPEN_PATHS:
            return None
        scheme, _space, token = conn.headers.get("authorization", "").partition(" ")
        user, until = self._users.get(token.strip(), ("", 0.0))
        if scheme.lower() != "bearer" or not user or self._clock() >= until:
            raise AuthenticationError("Unauthorized")
        return AuthCredentials(), SimpleUser(user)


def service_account_user(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"{_SERVICE_ACCOUNT}{namespace}:{name}"


def groups_of(user: str) -> tuple[str, ...]:
    """Those that a user is in without anybody saying so."""
    everyone = ("system:authenticated",)
    if not user.startswith(_SERVICE_ACCOUNT):
        return everyone
    namespace = user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", *everyone)
