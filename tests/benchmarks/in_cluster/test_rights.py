"""What a command in a cluster is not allowed is told by name. (That they are enough, test_runs.py shows.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.in_cluster import rights
from benchmarks.in_cluster.rights import RIGHTS
from benchmarks.kubeconfig import door
from benchmarks.lab.errors import LabError
from benchmarks.rights import Right
from tests.benchmarks.in_cluster.rights_of import kubeconfig, token_with
from tests.conftest import Lab


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda right: str(right).replace("/", "-"))
def test_a_right_that_is_missing_is_named_before_anything_is_made(lab: Lab, folder: Path, missing: Right) -> None:
    name = f"without-{RIGHTS.index(missing)}"
    token = lab.call(token_with, lab.cluster, name, [right for right in RIGHTS if right != missing])

    async def check() -> None:
        async with door(kubeconfig(lab.cluster, folder, token), None).client as api:
            await rights.check(api, "discovery-compare-x")

    with pytest.raises(LabError) as refused:
        lab.call(check)

    assert str(refused.value).startswith(f"you may not {missing}: the cluster's administrator can allow it")
