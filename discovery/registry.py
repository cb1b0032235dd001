"""Names to objects: `"kubernetes:///orders:http"` to a resolver, `"least_request"` to a policy.

What is ours is imported when it is first asked for; what others install is found by the entry points
`discovery.resolvers` (a subclass of `Resolver`, named by its scheme) and `discovery.policies`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from discovery.errors import InvalidTarget
from discovery.model import Target
from discovery.policies import Policy
from discovery.resolvers import Resolver

RESOLVERS = {
    "dns": "discovery.resolvers.dns:DnsResolver",
    "etcd": "discovery.resolvers.etcd:EtcdResolver",
    "file": "discovery.resolvers.file:FileResolver",
    "kubernetes": "discovery.resolvers.kubernetes:KubernetesResolver",
    "service": "discovery.resolvers.service:ServiceResolver",
    "srv": "discovery.resolvers.srv:SrvResolver",
    "static": "discovery.resolvers.static:StaticResolver",
}
EXTRAS = {"srv": "dns"}
"""Of schemes whose extra is not named as they are."""
POLICIES = {
    "first": "discovery.policies.first:First",
    "least_request": "discovery.policies.least_request:LeastRequest",
    "peak_ewma": "discovery.policies.peak_ewma:PeakEwma",
    "random": "discovery.policies.random_choice:Random",
    "ring_hash": "discovery.policies.ring_hash:RingHash",
    "round_robin": "discovery.policies.round_robin:RoundRobin",
    "weighted_round_robin": "discovery.policies.weighted_round_robin:WeightedRoundRobin",
}


def resolver(target: str | Target) -> Resolver:
    """The resolver that a target means; raises `InvalidTarget`."""
    if isinstance(target, str):
        target = Target.parse(target)
    try:
        found = _find(target.scheme, RESOLVERS, "discovery.resolvers")
        if found is None:
            known = ", ".join(f"{name}:" for name in _names(RESOLVERS, "discovery.resolvers"))
            raise InvalidTarget(f"target {str(target)!r}: there is no scheme {target.scheme!r}; there are {known}")
        made: Resolver = found.from_target(target)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(target.scheme, target.scheme)
        advice = f": pip install discovery-lb[{extra}]" if target.scheme in RESOLVERS else ""
        raise InvalidTarget(f"target {str(target)!r} needs the package {error.name}{advice}") from error
    return made


def policy(name: str) -> Policy:
    """A new instance of the policy of that name; raises `InvalidTarget`."""
    found = _find(name, POLICIES, "discovery.policies")
    if found is None:
        raise InvalidTarget(
            f"there is no policy {name!r}; there are {', '.join(_names(POLICIES, 'discovery.policies'))}"
        )
    made: Policy = found()
    return made


def _find(name: str, ours: dict[str, str], group: str) -> Any:
    if name in ours:
        module, _, attribute = ours[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    return next((entry.load() for entry in entry_points(group=group, name=name)), None)


def _names(ours: dict[str, str], group: str) -> list[str]:
    return sorted({*ours, *(entry.name for entry in entry_points(group=group))})
