"""`--local-pods`: the lab's pods and clients on an API server that only the passage leads to."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.lab import runs
from benchmarks.lab.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, LEASE, NAMESPACE, NODE, POD
from benchmarks.local_pods import RIGHTS
from tests.benchmarks.contract import check_result
from tests.benchmarks.local_pods.commands import (
    BRIEF,
    ONE_ARM,
    OWN_TARGETS,
    ROLLING,
    credential,
    measured,
    plug_in,
)
from tests.benchmarks.test_compare import COMPARE, ROOT, compare, environment
from tests.inside import needs_kernel
from tests.lab.elsewhere import GUEST, TOKEN, Elsewhere

pytestmark = needs_kernel


@contextmanager
def running(there: Elsewhere, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in the second of a hundred arms."""
    arguments = ["--local-pods", "--kubeconfig", str(there.kubeconfig), *ONE_ARM, "--quick", "--repeats", "100"]
    with subprocess.Popen(
        [*COMPARE, *arguments, "--duration", "1", "--output", str(folder)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert any("1/100" in line for line in process.stdout)
            yield process
        finally:
            process.kill()


def test_all_are_told_of_the_lab_s_pods_by_the_controllers_of_another_api_server(
    there: Elsewhere, folder: Path
) -> None:
    result = measured(
        there,
        folder,
        *["--strategies", "static,kubernetes,service-dns", "--clients", "asyncio", "--quick", *BRIEF],
    )

    check_result(json.loads((folder / "result.json").read_text()))
    assert result.environment.dataplane == "nftables"
    assert result.environment.api_server == "v1.36.2+lab"
    assert [run.errors for run in result.runs] == [0] * 14
    grown = [run for run in result.runs if (run.strategy, run.scenario) == ("kubernetes", "scale-up")]
    assert [len(run.by_backend or ()) for run in grown] == [10, 10]
    assert all(run.reaction and run.reaction.first_request_ms is not None for run in grown)
    by_name = [run for run in result.runs if run.strategy == "service-dns" and run.scenario == "steady"]
    assert all(run.dns_queries for run in by_name)
    assert there.left() == set()


def test_with_its_rights_alone_pods_are_replaced_without_a_failed_request(there: Elsewhere, folder: Path) -> None:
    with having_rights(there):
        file = there.variant(folder, user={"token": GUEST})
        result = measured(there, folder / "output", "--strategies", "kubernetes", *ROLLING, file=file)

    assert [(run.protocol, run.errors, len(run.by_backend or ())) for run in result.runs] == [
        ("http", 0, 6),
        ("grpc", 0, 6),
    ]
    assert there.left() == set()


@pytest.mark.soak
def test_pods_are_replaced_for_whom_nothing_is_promised_then(there: Elsewhere, folder: Path) -> None:
    result = measured(there, folder, "--strategies", "service-dns,static", *ROLLING)

    assert [run.status for run in result.runs] == ["ok"] * 5


def test_an_api_server_that_others_use_is_not_made_to_fail(there: Elsewhere, folder: Path) -> None:
    result = measured(there, folder, *ONE_ARM[:-1], "api-outage", *BRIEF)

    (run,) = result.runs
    assert (run.status, run.applicable) == ("skipped", False)
    assert run.reason is not None
    assert "the lab's own API server" in run.reason


def test_targets_without_a_namespace_a_server_without_tls_and_a_token_from_a_plug_in_will_do(
    there: Elsewhere, folder: Path
) -> None:
    file = there.variant(folder, server=there.plain_url, user=plug_in(credential(TOKEN)))

    result = measured(there, folder / "output", *OWN_TARGETS, *BRIEF, file=file)

    assert [run.errors for run in result.runs] == [0, 0]


@pytest.mark.soak
def test_the_rights_that_it_asks_for_are_enough_for_what_runs_beside_clients(there: Elsewhere, folder: Path) -> None:
    with having_rights(there):
        result = measured(
            there,
            folder / "output",
            *["--strategies", "kubernetes,registry,headless-dns", *ONE_ARM[2:], *BRIEF],
            file=there.variant(folder, user={"token": GUEST}),
        )

    assert [run.status for run in result.runs] == ["ok"] * 3
    assert there.left() == set()


@contextmanager
def having_rights(there: Elsewhere) -> Iterator[None]:
    """The guest has these for as long as the block lasts."""
    rules = [
        {
            "apiGroups": [right.kind.group],
            "resources": ["/".join(filter(None, (right.kind.plural, right.subresource)))],
            "verbs": [right.verb],
        }
        for right in RIGHTS
    ]
    group = "rbac.authorization.k8s.io"
    role = {"metadata": {"name": "compare"}, "rules": rules}
    binding = {
        "metadata": {"name": "compare"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "compare"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": GUEST}],
    }
    there.portal.call(there.store.create, CLUSTER_ROLE, "", role)
    there.portal.call(there.store.create, CLUSTER_ROLE_BINDING, "", binding)
    yield
    there.portal.call(there.store.delete, CLUSTER_ROLE_BINDING, "", "compare")
    there.portal.call(there.store.delete, CLUSTER_ROLE, "", "compare")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(there: Elsewhere, folder: Path, number: int) -> None:
    with running(there, folder) as process:
        assert [kind.name for kind in (NAMESPACE, NODE, POD, LEASE) if not there.objects(kind)] == []
        notes = [
            each["metadata"].get("annotations", {}).get("discovery-compare/process")
            for each in there.objects(NAMESPACE)
        ]
        assert str(process.pid) in notes

        process.send_signal(number)
        _, errors = process.communicate()

    assert (process.returncode, errors) == (128 + number, "")
    assert there.left() == set()


def test_what_a_killed_run_has_left_is_removed_by_the_next_one_and_what_lives_is_not(
    there: Elsewhere, folder: Path
) -> None:
    with running(there, folder / "killed") as process:
        process.kill()
        process.communicate()  # the last process inside has closed it
    (dead,) = (name.partition("/")[2] for name in there.left() if name.startswith("Namespace"))
    create, now = there.store.create, datetime.now(UTC)
    there.portal.call(create, NAMESPACE, "", runs.namespace("living", {"host": "another"}))
    node = there.portal.call(create, NODE, "", runs.node("living", "living-0", "zone-a"))
    there.portal.call(create, LEASE, runs.LEASES, runs.lease("living", node, now))
    there.portal.call(create, NAMESPACE, "", {"metadata": {"name": "unrelated"}})
    living = {"Namespace /living", "Node /living-0", f"Lease {runs.LEASES}/living-0", "Namespace /unrelated"}

    assert f"Namespace /{dead}" in run_once(there, folder / "too-early").left()

    for name in runs.nodes_of(dead):
        an_hour_ago = runs.renewal(now - timedelta(seconds=runs.DEAD_S + 1))
        there.portal.call(there.store.patch, LEASE, runs.LEASES, name, {"spec": an_hour_ago})
    done = compare("--local-pods", "--kubeconfig", str(there.kubeconfig), *ONE_ARM, *BRIEF, "--output", str(folder))

    assert done.returncode == 0, done.stderr
    assert f"Removed what a run that was killed had left: namespace {dead} and its nodes." in done.stdout
    assert there.left() == living
    for kind, place in ((NAMESPACE, ("", "living")), (NODE, ("", "living-0")), (LEASE, (runs.LEASES, "living-0"))):
        there.portal.call(there.store.delete, kind, *place)
    there.portal.call(there.store.delete, NAMESPACE, "", "unrelated")


def run_once(there: Elsewhere, folder: Path) -> Elsewhere:
    measured(there, folder, *ONE_ARM, *BRIEF)
    return there
