"""The roles are enough and no more: the API server enforces them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from discovery import Balancer
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.runtime import Backoff
from tests.cluster.followed import following
from tests.cluster.services import READY, ByHand
from tests.target import Target, cluster

from .built import build, of_kind

ONE, OTHER = "198.19.1.1", "198.19.1.2"
RULES = [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]

each_watcher = pytest.mark.parametrize("name", ["consumer", "xds"])


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with cluster(tmp_path) as found:
        yield found


def resolver(target: Target, name: str, verbs: list[str]) -> KubernetesResolver:
    """That of a service account with the Role and the RoleBinding of the manifests, less some of the verbs."""
    objects = build("base")
    role, binding = of_kind(objects, "Role")[name], of_kind(objects, "RoleBinding")[name]
    (subject,) = binding["subjects"]
    (rule,) = role["rules"]
    access = target.account(subject["name"])
    target.rbac.create_namespaced_role(
        target.namespace, {**role, "metadata": {"name": name}, "rules": [{**rule, "verbs": verbs}]}
    )
    target.rbac.create_namespaced_role_binding(
        target.namespace,
        {**binding, "metadata": {"name": name}, "subjects": [{**subject, "namespace": target.namespace}]},
    )
    return KubernetesResolver("echo", "http", config=access, namespace=target.namespace)


def test_they_are_list_and_watch_on_endpointslices_in_the_namespace_and_nothing_else() -> None:
    objects = build("examples")
    assert {name: role["rules"] for name, role in of_kind(objects, "Role").items()} == {"consumer": RULES, "xds": RULES}
    assert not [each for each in objects if each["kind"].startswith("ClusterRole")]
    bound = {
        (binding["roleRef"]["kind"], binding["roleRef"]["name"], subject["kind"], subject["name"])
        for binding in of_kind(objects, "RoleBinding").values()
        for subject in binding["subjects"]
    }
    assert bound == {("Role", name, "ServiceAccount", name) for name in ("consumer", "xds")}


@each_watcher
def test_with_it_the_resolver_works(target: Target, name: str, caplog: pytest.LogCaptureFixture) -> None:
    echo = ByHand(target, "echo")
    echo.write({ONE: READY})
    with following(Balancer(resolver=resolver(target, name, RULES[0]["verbs"]))) as followed:
        followed.until([ONE])
        echo.write({ONE: READY, OTHER: READY})
        followed.until([ONE, OTHER])
    assert [record.getMessage() for record in caplog.records if record.name == "discovery"] == []


@each_watcher
@pytest.mark.parametrize(("verbs", "missing"), [(["watch"], "list"), (["list"], "watch")])
def test_with_either_verb_missing_the_error_names_it(
    target: Target, name: str, verbs: list[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "FIRST_S", 0.02)
    ByHand(target, "echo").write({ONE: READY})
    why = f"cannot {missing} endpointslices.*403 .*needs a Role with list and watch .*'{target.namespace}'"
    with following(Balancer(resolver=resolver(target, name, verbs))) as followed:
        # Who cannot list never has a set, and each pick says why; who cannot watch is served what was listed.
        (followed.until_refused if missing == "list" else followed.until_failing)(why)
