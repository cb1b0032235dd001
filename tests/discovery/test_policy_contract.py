"""Every policy keeps the contract: ours, which are found by folder, and some from outside."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

import discovery.policies
from discovery import Balancer, Endpoint, InvalidTarget, Node, Picker, Policy, registry
from discovery.testing import PolicyContract
from tests.discovery.outside import install

(FOLDER,) = discovery.policies.__path__
FILES = sorted(path.stem for path in Path(FOLDER).glob("*.py") if not path.stem.startswith("_"))


def policies_of(file: str) -> list[type[Policy]]:
    """The policies that a file of ours defines."""
    module = importlib.import_module(f"discovery.policies.{file}")
    return [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Policy) and each.__module__ == module.__name__
    ]


@pytest.mark.parametrize("file", FILES)
class TestOurs(PolicyContract):
    @pytest.fixture(autouse=True)
    def _of_file(self, file: str) -> None:
        (self.policy,) = policies_of(file)

    def make(self) -> Policy:
        return self.policy()


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_registered_under_its_name_and_has_tests_of_its_own(file: str) -> None:
    (policy,) = policies_of(file)
    reference = f"{policy.__module__}:{policy.__qualname__}"
    names = [name for name, registered in registry.POLICIES.items() if registered == reference]
    assert names, f"{reference} is not in registry.POLICIES"
    assert all(f"`{name}`" in str(importlib.import_module(policy.__module__).__doc__) for name in names)
    assert type(registry.policy(names[0])) is policy
    tests = Path(__file__).parent / "policies" / f"test_{file}.py"
    assert tests.exists(), f"{tests} is missing: what the policy prefers is to be proven there"
    assert policy.__name__ in tests.read_text()


def test_all_that_is_registered_is_in_the_folder() -> None:
    assert {reference.partition(":")[0] for reference in registry.POLICIES.values()} == {
        f"discovery.policies.{file}" for file in FILES
    }


class Fullest(Policy):
    """A policy from outside, as an object: one endpoint is filled before the next."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _FullestPicker(nodes)


class _FullestPicker(Picker):
    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        return max(self._nodes, key=lambda node: (node.endpoint not in avoid, len(node.leases) % 10))


class TestFullest(PolicyContract):
    def make(self) -> Policy:
        return Fullest()


OUTSIDE = """
from discovery import Picker, Policy
from discovery.policies import without


class Last(Policy):
    def picker(self, nodes):
        return LastPicker(nodes)


class LastPicker(Picker):
    def __init__(self, nodes):
        self._nodes = nodes

    def pick(self, key, avoid):
        return without(self._nodes, avoid)[-1]
"""


@pytest.fixture
def last_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that makes a policy known."""
    install(tmp_path, monkeypatch, "outside_policy", OUTSIDE, "discovery.policies", "last", "Last")


@pytest.mark.usefixtures("last_from_outside")
class TestFromAnEntryPoint(PolicyContract):
    def make(self) -> Policy:
        return registry.policy("last")


@pytest.mark.usefixtures("last_from_outside")
def test_a_policy_of_an_entry_point_has_a_name_like_any_other() -> None:
    with Balancer("static:///10.0.0.1:80,10.0.0.2:80", policy="last") as balancer:
        assert {balancer.pick(timeout_s=30).endpoint.host for _ in range(5)} == {"10.0.0.2"}
    with pytest.raises(InvalidTarget, match="there are first, last, least_request, "):
        registry.policy("nonsense")


class _Clinging(Policy):
    """Never lets go of the first node that it saw."""

    def __init__(self) -> None:
        self._seen: list[Node] = []

    def picker(self, nodes: Sequence[Node]) -> Picker:
        self._seen += nodes
        return _FullestPicker(self._seen[:1])


class _Heedless(Policy):
    """Picks what is to be avoided."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        class Any(Picker):
            def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
                return nodes[0]

        return Any()


class _Forgetful(Policy):
    """Its pickers use the newest nodes, whichever they were made for."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        self.nodes = nodes
        policy = self

        class Newest(Picker):
            def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
                return policy.nodes[0]

        return Newest()


class _Keyed(Policy):
    """Wants a key that is a number."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        class ByNumber(Picker):
            def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
                return nodes[int(key or "0") % len(nodes)]

        return ByNumber()


@pytest.mark.parametrize(
    ("broken", "test", "complaint"),
    [
        (_Clinging, "test_a_deploy_replaces_the_endpoints_one_by_one", "none of the candidates"),
        (_Heedless, "test_what_is_to_be_avoided_is_avoided_while_there_is_another", "was to be avoided"),
        (_Forgetful, "test_a_picker_keeps_to_its_nodes_when_there_is_a_newer_one_and_changes_none", "own nodes"),
        (_Keyed, "test_any_key_will_do", "invalid literal"),
    ],
)
def test_the_contract_finds_what_breaks_it(broken: type[Policy], test: str, complaint: str) -> None:
    class Broken(PolicyContract):
        def make(self) -> Policy:
            return broken()

    with pytest.raises((AssertionError, ValueError), match=complaint):
        getattr(Broken(), test)()
