"""Which rights Roles, ClusterRoles and their bindings give a user.

The authorisation of https://kubernetes.io/docs/reference/access-authn-authz/rbac/; roles are not aggregated, and none
is there by default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .access import ADMIN, groups_of, service_account_user
from .kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Object
from .store import Store
from .store_errors import ForbiddenError, NotFoundError


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a user is about to do; an empty namespace is the whole cluster, an empty name any object."""

    user: str
    verb: str
    group: str
    plural: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def resource(self) -> str:
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule that a user has, and from where, in the words of a real server."""

    rule: Object
    source: str


def authorize(store: Store, attempt: Attempt) -> None:
    """Raises `ForbiddenError` unless `reason_for` knows why not to."""
    if reason_for(store, attempt) is not None:
        return
    qualified = f"{attempt.plural}.{attempt.group}" if attempt.group else attempt.plural
    named = f' "{attempt.name}"' if attempt.name else ""
    where = f'in the namespace "{attempt.namespace}"' if attempt.namespace else "at the cluster scope"
    raise ForbiddenError(
        f'{qualified}{named} is forbidden: User "{attempt.user}" cannot {attempt.verb} '
        f'resource "{attempt.resource}" in API group "{attempt.group}" {where}'
    )


def reason_for(store: Store, attempt: Attempt) -> str | None:
    """Why an attempt is allowed: by which binding of a role, or for being the administrator; None if it is not."""
    if attempt.user == ADMIN:
        return ""
    grants = grants_of(store, attempt.user, attempt.namespace)
    found = next((grant for grant in grants if _allows(grant.rule, attempt)), None)
    return None if found is None else f"RBAC: allowed by {found.source}"


def grants_of(store: Store, user: str, namespace: str) -> Iterator[Grant]:
    """All that a user has in a namespace; in an empty one, everywhere."""
    for binding in store.list(CLUSTER_ROLE_BINDING):
        yield from _grants(store, binding, user, "")
    for binding in store.list(ROLE_BINDING, namespace) if namespace else ():
        yield from _grants(store, binding, user, namespace)


def rules_of_role(store: Store, binding: Object, namespace: str) -> tuple[Object, ...]:
    """Those that a binding refers to; raises `NotFoundError`."""
    role = binding["roleRef"]
    kind, place = (CLUSTER_ROLE, "") if role["kind"] == CLUSTER_ROLE.name else (ROLE, namespace)
    return tuple(store.get(kind, place, role["name"]).get("rules") or ())


def _grants(store: Store, binding: Object, user: str, namespace: str) -> Iterator[Grant]:
    subjects = binding.get("subjects") or ()
    if (subject := next((each for each in subjects if _is(each, user, namespace)), None)) is None:
        return
    role, name = binding["roleRef"], binding["metadata"]["name"]
    named = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
    whose = f"/{subject.get('namespace', namespace)}" if subject["kind"] == "ServiceAccount" else ""
    source = f'{named} of {role["kind"]} "{role["name"]}" to {subject["kind"]} "{subject["name"]}{whose}"'
    try:
        rules = rules_of_role(store, binding, namespace)
    except NotFoundError:
        return  # a binding may be there before its role
    for rule in rules:
        yield Grant(rule, source)


def _is(subject: Object, user: str, namespace: str) -> bool:
    kind, name = subject["kind"], subject["name"]
    if kind == "ServiceAccount":
        return user == service_account_user(subject.get("namespace", namespace), name)
    return bool(user == name if kind == "User" else name in groups_of(user))


def _allows(rule: Object, attempt: Attempt) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        has(rule, "verbs", attempt.verb)
        and has(rule, "apiGroups", attempt.group)
        and has_resource(rule, attempt.resource)
        and (not names or attempt.name in names)
    )


def has_resource(rule: Object, resource: str) -> bool:
    """Whether a rule is about a resource, which may be a subresource: `pods/log`, say."""
    subresource = resource.partition("/")[2]
    return has(rule, "resources", resource) or bool(subresource and f"*/{subresource}" in (rule.get("resources") or ()))


def has(rule: Object, field: str, value: str) -> bool:
    """Whether a field of a rule has a value, or all."""
    values = rule.get(field) or ()
    return value in values or "*" in values
