"""Who may do what: bearer tokens of users, and the rights that Role and RoleBinding objects give them.

The authorisation of https://kubernetes.io/docs/reference/access-authn-authz/rbac/, for namespaced roles.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.requests import HTTPConnection

from .kinds import ROLE, ROLE_BINDING, Kind, Object
from .store import Store
from .store_errors import ForbiddenError, NotFoundError

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a user is about to do; an empty namespace is the whole cluster, an empty name any object."""

    user: str
    verb: str
    kind: Kind
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def authorize(store: Store, attempt: Attempt) -> None:
    """Raises `ForbiddenError` unless the user is the administrator or a role that is bound to them allows it."""
    if attempt.user == ADMIN or any(_allows(rule, attempt) for rule in _rules(store, attempt)):
        return
    named = f' "{attempt.name}"' if attempt.name else ""
    where = f'in the namespace "{attempt.namespace}"' if attempt.namespace else "at the cluster scope"
    raise ForbiddenError(
        f'{attempt.kind.qualified}{named} is forbidden: User "{attempt.user}" cannot {attempt.verb} '
        f'resource "{attempt.resource}" in API group "{attempt.kind.group}" {where}'
    )


def _rules(store: Store, attempt: Attempt) -> Iterable[Object]:
    if not attempt.namespace:
        return
    for binding in store.list(ROLE_BINDING, attempt.namespace):
        role = binding["roleRef"]
        subjects = binding.get("subjects") or ()
        if role["kind"] != ROLE.name or not any(_is(subject, attempt) for subject in subjects):
            continue
        try:
            yield from store.get(ROLE, attempt.namespace, role["name"]).get("rules") or ()
        except NotFoundError:
            continue  # a binding may be there before its role


def _is(subject: Object, attempt: Attempt) -> bool:
    kind, name = subject["kind"], subject["name"]
    if kind == "ServiceAccount":
        return attempt.user == service_account_user(subject.get("namespace", attempt.namespace), name)
    if kind == "User":
        return bool(attempt.user == name)
    return name in _groups(attempt.user)


def _groups(user: str) -> tuple[str, ...]:
    everyone = ("system:authenticated",)
    if not user.startswith(_SERVICE_ACCOUNT):
        return everyone
    namespace = user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
    return (*everyone, "system:serviceaccounts", f"system:serviceaccounts:{namespace}")


def _allows(rule: Object, attempt: Attempt) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        _has(rule, "verbs", attempt.verb)
        and _has(rule, "apiGroups", attempt.kind.group)
        and (_has(rule, "resources", attempt.resource) or f"*/{attempt.subresource}" in rule["resources"])
        and (not names or attempt.name in names)
    )


def _has(rule: Object, field: str, value: str) -> bool:
    values = rule.get(field) or ()
    return value in values or "*" in values
