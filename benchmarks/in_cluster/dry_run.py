"""What `--cluster` would apply, and the rights that it takes, without asking any API server."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import plan, scenarios
from benchmarks.client import Job
from benchmarks.frame import planned
from benchmarks.in_cluster import objects, own
from benchmarks.in_cluster.rights import RIGHTS
from benchmarks.lab.runs import new_name
from benchmarks.plan import Options
from benchmarks.playing import work
from benchmarks.strategies import Way

_RIGHTS = """\
# Rights that it takes, which it asks for before it makes anything:
{rights}
# and no more rights in that namespace than these can be given to the clients there.
#
# What it applies, the name of the namespace being new each time. Pods of the Service are set to answer as each scenario
# has it, and each arm has a Job of its own, of which this is one.
"""


def text(options: Options) -> str:
    """YAML, as `kubectl apply -f -` takes it."""
    assert options.cluster is not None
    name, image = new_name(), options.cluster.image
    control_plane = "grpc-xds" in options.strategies
    manifests = [
        objects.namespace(name, own.owner()),
        *objects.everything(name, image, options.replicas, control_plane=control_plane),
        objects.job(name, image, _first(options, name)),
        objects.word(name),
    ]
    return _RIGHTS.format(rights="\n".join(_lines())) + objects.as_yaml(manifests)


def _first(options: Options, namespace: str) -> Job:
    """The work of the first arm, whose pods have no address yet."""
    arm = planned(options)[0]
    way = Way("...", arm.mode, options.policy, namespace)
    return work(arm, plan.of_scenario(options, scenarios.find(arm.scenario)), way, kubeconfig="", live=True)


def _lines() -> Iterator[str]:
    for where, in_namespace in (("in the cluster", False), ("in its namespace", True)):
        by_resource: dict[str, list[str]] = {}
        for right in RIGHTS:
            if right.kind.namespaced == in_namespace:
                by_resource.setdefault(right.what, []).append(right.verb)
        for resource, verbs in by_resource.items():
            yield f"#   {where}: {resource}: {', '.join(verbs)}"
