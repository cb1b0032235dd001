"""Nobody gives away more rights than they have.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from .access import ADMIN, groups_of
from .kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind, Object
from .rbac import Attempt, grants_of, has, has_resource, reason_for, rules_of_role
from .store import Store
from .store_errors import ForbiddenError

_ROLES: Final = frozenset({ROLE, CLUSTER_ROLE})
_BINDINGS: Final = frozenset({ROLE_BINDING, CLUSTER_ROLE_BINDING})

_Right = tuple[str, str, str, str]
"""API group, resource, name of an object or "" for any, verb."""


def confirm(store: Store, user: str, kind: Kind, namespace: str, obj: Object) -> None:
    """Raises `ForbiddenError` where a role, or a binding of one, would give rights that the user has not.

    Who has the verb `escalate` on the role, or `bind` on what is bound, may.
    """
    if user == ADMIN or kind not in _ROLES | _BINDINGS:
        return
    name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
    if kind in _ROLES:
        about, verb, named = kind, "escalate", name
    else:
        role = obj["roleRef"]
        about, verb, named = (CLUSTER_ROLE if role["kind"] == CLUSTER_ROLE.name else ROLE), "bind", role["name"]
    if reason_for(store, Attempt(user, verb, about.group, about.plural, "", namespace, named)) is not None:
        return
    rules = (obj.get("rules") or ()) if kind in _ROLES else rules_of_role(store, obj, namespace)
    held = [grant.rule for grant in grants_of(store, user, namespace)]
    if missing := [
        right for rule in rules for right in _rights(rule) if not any(_covers(each, right) for each in held)
    ]:
        groups = " ".join(map(json.dumps, groups_of(user)))
        raise ForbiddenError(
            f'{kind.qualified} "{name}" is forbidden: user "{user}" (groups=[{groups}]) is attempting to grant RBAC '
            f"permissions not currently held:\n" + "\n".join(sorted(_descriptions(missing)))
        )


def _rights(rule: Object) -> Iterator[_Right]:
    """A rule, taken apart."""
    fields = (rule.get(field) or () for field in ("apiGroups", "resources"))
    yield from product(*fields, rule.get("resourceNames") or ("",), rule.get("verbs") or ())


def _covers(rule: Object, right: _Right) -> bool:
    group, resource, name, verb = right
    names = rule.get("resourceNames") or ()
    return (
        has(rule, "verbs", verb)
        and has(rule, "apiGroups", group)
        and has_resource(rule, resource)
        and (not names or name in names)
    )


def _descriptions(missing: Iterable[_Right]) -> Iterator[str]:
    """As a real server puts them together: the verbs of one resource, or of one object, on a line."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for group, resource, name, verb in missing:
        verbs.setdefault((group, resource, name), []).append(verb)
    for (group, resource, name), which in verbs.items():
        names = f", ResourceNames:[{json.dumps(name)}]" if name else ""
        listed = " ".join(map(json.dumps, dict.fromkeys(which)))
        yield f"{{APIGroups:[{json.dumps(group)}], Resources:[{json.dumps(resource)}]{names}, Verbs:[{listed}]}}"
