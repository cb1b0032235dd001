"""Who may do what by roles of the cluster, and that nobody can give away more than they have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from benchmarks.lab.api import ApiServer
from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ENDPOINT_SLICE,
    NAMESPACE,
    NODE,
    POD,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Kind,
)
from benchmarks.lab.store import Store
from tests.conftest import Lab
from tests.kubectl import kubectl

TOKENS = {"root": "lab-admin", "a": "alice", "b": "bob"}
RBAC = "rbac.authorization.k8s.io"


class Users:
    """Clients of one server: the administrator, and two who have nothing yet."""

    def __init__(self, root: ApiClient, alice: ApiClient) -> None:
        self.root = root
        self.alice = alice

    async def grant(self, kind: Kind, *rules: dict[str, Any], bound_by: Kind | None = None, to: str = "alice") -> None:
        """Give a user a new role; a ClusterRole by a ClusterRoleBinding unless told otherwise."""
        place = "shop" if kind == ROLE else ""
        made = await self.root.create(kind, place, {"metadata": {"generateName": "r-"}, "rules": rules})
        binding = bound_by or (ROLE_BINDING if kind == ROLE else CLUSTER_ROLE_BINDING)
        await self.root.create(binding, "shop", bound(made["metadata"]["name"], kind, to))


def bound(role: str, kind: Kind = ROLE, user: str = "bob", name: str = "") -> dict[str, Any]:
    """A binding of a role to a user."""
    subject = {"apiGroup": RBAC, "kind": "User", "name": user}
    reference = {"apiGroup": RBAC, "kind": kind.name, "name": role}
    metadata = {"name": name} if name else {"generateName": "b-"}
    return {"metadata": metadata, "roleRef": reference, "subjects": [subject]}


def rule(resources: str, verbs: str, group: str = "", names: Sequence[str] = ()) -> dict[str, Any]:
    given = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**given, "resourceNames": list(names)} if names else given


SLICES = rule("endpointslices", "list watch", "discovery.k8s.io")
ROLES = rule("roles rolebindings clusterroles clusterrolebindings", "create update patch get", RBAC)


@pytest.fixture
async def users() -> AsyncIterator[Users]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ApiServer(Store(), host="127.0.0.1", port=0, tokens=TOKENS))
        root, alice = [await stack.enter_async_context(ApiClient(server.url, token)) for token in ("root", "a")]
        await root.create(NAMESPACE, "", {"metadata": {"name": "shop"}})
        yield Users(root, alice)


async def test_a_cluster_role_gives_what_it_says_everywhere(users: Users) -> None:
    with pytest.raises(ApiError, match=r'nodes is forbidden: User "alice" cannot list .* at the cluster scope'):
        await users.alice.list(NODE)
    await users.grant(CLUSTER_ROLE, rule("nodes", "list"), SLICES)
    await users.alice.list(NODE)
    await users.alice.list(ENDPOINT_SLICE)
    await users.alice.list(ENDPOINT_SLICE, "kube-system")
    with pytest.raises(ApiError, match="cannot list"):
        await users.alice.list(POD)


async def test_a_cluster_role_that_is_bound_in_a_namespace_gives_it_there(users: Users) -> None:
    await users.grant(CLUSTER_ROLE, rule("nodes", "list"), SLICES, bound_by=ROLE_BINDING)
    await users.alice.list(ENDPOINT_SLICE, "shop")
    for kind, place in ((ENDPOINT_SLICE, None), (ENDPOINT_SLICE, "kube-system"), (NODE, None)):
        with pytest.raises(ApiError) as refused:
            await users.alice.list(kind, place)
        assert refused.value.code == 403


async def test_a_rule_without_resources_gives_none(users: Users) -> None:
    await users.grant(CLUSTER_ROLE, {"nonResourceURLs": ["/metrics"], "verbs": ["get"]})
    with pytest.raises(ApiError, match="cannot list"):
        await users.alice.list(NODE)


async def test_who_may_write_roles_cannot_grant_more_than_they_have(users: Users) -> None:
    await users.grant(ROLE, ROLES, rule("pods", "get list"), rule("pods/log", "*"), SLICES)
    more = {"metadata": {"name": "more"}, "rules": [rule("pods secrets", "get delete list"), rule("pods/log", "get")]}
    with pytest.raises(ApiError) as refused:
        await users.alice.create(ROLE, "shop", more)
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert str(refused.value) == (
        f'roles.{RBAC} "more" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC '
        "permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete" "list"]}'
    )

    await users.alice.create(ROLE, "shop", {"metadata": {"name": "less"}, "rules": [rule("pods", "get"), SLICES]})
    with pytest.raises(ApiError, match="attempting to grant RBAC permissions not currently held"):
        await users.alice.patch(ROLE, "shop", "less", {"rules": [rule("*", "get")]})
    with pytest.raises(ApiError, match="not currently held"):
        await users.alice.create(ROLE, "shop", {"metadata": {"name": "any"}, "rules": [rule("pods", "*")]})
    # What they have in a namespace they have not everywhere.
    await users.grant(CLUSTER_ROLE, ROLES)
    with pytest.raises(ApiError, match="not currently held"):
        await users.alice.create(CLUSTER_ROLE, "", {"metadata": {"name": "wide"}, "rules": [rule("pods", "get")]})


async def test_a_right_to_some_objects_covers_no_others(users: Users) -> None:
    await users.grant(ROLE, ROLES, rule("pods", "get", names=["a", "b"]))
    await users.alice.create(ROLE, "shop", {"metadata": {"name": "one"}, "rules": [rule("pods", "get", names=["b"])]})
    for names in ([], ["b", "c"]):
        made = {"metadata": {"name": "others"}, "rules": [rule("pods", "get", names=names)]}
        with pytest.raises(ApiError, match="not currently held") as refused:
            await users.alice.create(ROLE, "shop", made)
    assert '{APIGroups:[""], Resources:["pods"], ResourceNames:["c"], Verbs:["get"]}' in str(refused.value)


async def test_who_has_escalate_may(users: Users) -> None:
    await users.grant(ROLE, ROLES, rule("roles", "escalate", RBAC, names=["mine"]))
    await users.alice.create(ROLE, "shop", {"metadata": {"name": "mine"}, "rules": [rule("secrets", "*")]})
    with pytest.raises(ApiError, match="not currently held"):
        await users.alice.create(ROLE, "shop", {"metadata": {"name": "other"}, "rules": [rule("secrets", "*")]})


async def test_who_binds_a_role_has_it_or_may_bind_it(users: Users) -> None:
    await users.root.create(CLUSTER_ROLE, "", {"metadata": {"name": "wide"}, "rules": [rule("secrets", "get")]})
    await users.root.create(ROLE, "shop", {"metadata": {"name": "slices"}, "rules": [SLICES]})
    await users.grant(ROLE, ROLES, SLICES)
    await users.alice.create(ROLE_BINDING, "shop", bound("slices"))
    with pytest.raises(ApiError, match=r'rolebindings\..* "mine" is forbidden: user "alice" .* not currently held'):
        await users.alice.create(ROLE_BINDING, "shop", bound("wide", CLUSTER_ROLE, name="mine"))
    with pytest.raises(ApiError, match=f'roles.{RBAC} "nowhere" not found'):
        await users.alice.create(ROLE_BINDING, "shop", bound("nowhere"))

    await users.grant(ROLE, rule("clusterroles", "bind", RBAC, names=["wide"]))
    await users.alice.create(ROLE_BINDING, "shop", bound("wide", CLUSTER_ROLE))
    await users.grant(CLUSTER_ROLE, ROLES)
    with pytest.raises(ApiError, match="not currently held"):
        await users.alice.create(CLUSTER_ROLE_BINDING, "", bound("wide", CLUSTER_ROLE))
    await users.grant(CLUSTER_ROLE, rule("clusterroles", "bind", RBAC, names=["wide"]))
    await users.alice.create(CLUSTER_ROLE_BINDING, "", bound("wide", CLUSTER_ROLE))


@pytest.mark.parametrize(
    ("kind", "content", "fault"),
    [
        (ROLE, {"rules": [{"resources": ["pods"]}]}, "rules[0].verbs: Required value"),
        (ROLE, {"rules": [{"verbs": "get"}]}, "rules[0].verbs: Invalid value: must be a list of strings"),
        (ROLE_BINDING, {"roleRef": {"kind": "User", "name": "x"}}, "roleRef.kind: Unsupported value"),
        (ROLE_BINDING, {"roleRef": {"kind": "Role"}}, "roleRef.name: Required value"),
        (
            ROLE_BINDING,
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "Pod"}]},
            "subjects[0].kind: Unsupported value",
        ),
    ],
)
async def test_what_authorises_nobody_is_refused(users: Users, kind: Kind, content: dict[str, Any], fault: str) -> None:
    with pytest.raises(ApiError) as refused:
        await users.root.create(kind, "shop", {"metadata": {"name": "x"}, **content})
    assert (refused.value.code, fault in str(refused.value)) == (422, True), refused.value


def test_an_account_with_few_rights_is_told_of_them_by_the_cluster_itself(lab: Lab, tmp_path: Path) -> None:
    """With a kubeconfig of its own, as who uses the cluster without being its administrator has it."""

    async def account() -> str:
        api = lab.cluster.api
        await api.create(NAMESPACE, "", {"metadata": {"name": "clerks"}})
        await api.create(SERVICE_ACCOUNT, "clerks", {"metadata": {"name": "clerk"}})
        await api.create(ROLE, "clerks", {"metadata": {"name": "slices"}, "rules": [SLICES]})
        subject = {"kind": "ServiceAccount", "name": "clerk", "namespace": "clerks"}
        binding = {**bound("slices", name="clerk"), "subjects": [subject]}
        await api.create(ROLE_BINDING, "clerks", binding)
        return await api.token("clerks", "clerk", 600)

    token = lab.call(account)
    theirs = json.loads(lab.cluster.kubeconfig.read_text())
    theirs["users"][0]["user"] = {"token": token}
    theirs["contexts"][0]["context"]["namespace"] = "clerks"
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(theirs))
    command = [kubectl(), "--kubeconfig", str(file), "--cache-dir", str(tmp_path)]

    def ask(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    try:
        assert ask("get", "endpointslices")[0] == 0
        status, said = ask("get", "endpointslices", "-A")
        assert (status, "at the cluster scope" in said) == (1, True)
        slices = {"group": "discovery.k8s.io", "resource": "endpointslices", "namespace": "clerks"}
        assert review(file, verb="watch", **slices) == {
            "allowed": True,
            "reason": 'RBAC: allowed by RoleBinding "clerk/clerks" of Role "slices" to ServiceAccount "clerk/clerks"',
        }
        assert review(file, verb="delete", **slices) == {"allowed": False}
        assert review(file, verb="get", resource="pods", subresource="log") == {"allowed": False}
    finally:
        lab.call(lab.cluster.api.delete, NAMESPACE, "", "clerks")


def review(kubeconfig: Path, **attributes: str) -> Any:
    with kubernetes.config.new_client_from_config(str(kubeconfig)) as client:
        authorization: Any = kubernetes.client.AuthorizationV1Api(client)
        asked = {"spec": {"resourceAttributes": attributes}}
        status = authorization.create_self_subject_access_review(asked).status
        return {field: value for field, value in status.to_dict().items() if value is not None}
