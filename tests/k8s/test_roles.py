"""The roles are enough and no more: the API server enforces them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal
from kubernetes.client import ApiClient, Configuration

from benchmarks.lab.api import ApiServer
from benchmarks.lab.faults import Faults
from benchmarks.lab.store import Store
from discovery import Balancer
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.runtime import Backoff
from tests.cluster.followed import following
from tests.cluster.services import READY, ByHand
from tests.target import Target

from .built import build, of_kind

ONE, OTHER = "198.19.1.1", "198.19.1.2"
RULES = [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]

STREAMS, PAGES = "streams lists", "lists by pages"

with_streams = pytest.mark.parametrize("target", [STREAMS], indirect=True)
without_streams = pytest.mark.parametrize("target", [PAGES], indirect=True)


@pytest.fixture(params=[STREAMS, PAGES])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """An API server whose watches can begin with a list, and one before 1.32."""
    faults = Faults()
    server = ApiServer(Store(), host="127.0.0.1", port=0, tokens=["letmein"], faults=faults)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        if request.param == PAGES:
            portal.call(faults.no_streamed_lists)
        configuration = Configuration(host=server.url)
        configuration.api_key = {"authorization": "Bearer letmein"}
        with ApiClient(configuration) as client:
            found = Target("", "discovery-demo", client, lambda: None)
            found.core.create_namespace({"metadata": {"name": found.namespace}})
            yield found


def lacking(verb: str) -> str:
    return f"cannot {verb} endpointslices.* 403 .*needs a Role with list and watch on endpointslices in .*discovery"


def resolver(target: Target, name: str, verbs: list[str]) -> KubernetesResolver:
    """That of a service account with the Role and the RoleBinding of the manifests, less some of the verbs."""
    objects = build("base")
    role, binding = of_kind(objects, "Role")[name], of_kind(objects, "RoleBinding")[name]
    (subject,) = binding["subjects"]
    (rule,) = role["rules"]
    access = target.account(subject["name"])
    target.rbac.create_namespaced_role(target.namespace, {**role, "rules": [{**rule, "verbs": verbs}]})
    target.rbac.create_namespaced_role_binding(target.namespace, binding)
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


@pytest.mark.parametrize("name", ["consumer", "xds"])
def test_with_it_the_resolver_works(target: Target, name: str, caplog: pytest.LogCaptureFixture) -> None:
    echo = ByHand(target, "echo")
    echo.write({ONE: READY})
    with following(Balancer(resolver=resolver(target, name, RULES[0]["verbs"]))) as followed:
        followed.until([ONE])
        echo.write({ONE: READY, OTHER: READY})
        followed.until([ONE, OTHER])
    assert [record.getMessage() for record in caplog.records if record.name == "discovery"] == []


@without_streams
def test_without_list_the_error_names_it(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "FIRST_S", 0.02)
    ByHand(target, "echo").write({ONE: READY})
    with following(Balancer(resolver=resolver(target, "consumer", ["watch"]))) as followed:
        followed.until_refused(lacking("list"))


def test_without_watch_the_error_names_it(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "FIRST_S", 0.02)
    ByHand(target, "echo").write({ONE: READY})
    with following(Balancer(resolver=resolver(target, "consumer", ["list"]))) as followed:
        followed.until_failing(lacking("watch"))


@with_streams
def test_a_watch_that_begins_with_a_list_needs_no_right_to_list(target: Target) -> None:
    ByHand(target, "echo").write({ONE: READY})
    with following(Balancer(resolver=resolver(target, "consumer", ["watch"]))) as followed:
        followed.until([ONE])
