"""What `--local-pods` does not begin with is told in one line, before anything is made; and what it asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import kubeconfig
from benchmarks.lab import certificates, runs
from benchmarks.lab.errors import LabError
from benchmarks.local_pods import RIGHTS
from tests.benchmarks.local_pods.commands import (
    plug_in,
    refused,
)
from tests.benchmarks.test_compare import ROOT
from tests.inside import needs_kernel
from tests.lab.elsewhere import GUEST, Elsewhere

pytestmark = needs_kernel


def test_nobody_else_than_the_server_that_is_meant_is_trusted(there: Elsewhere, folder: Path) -> None:
    misnamed = refused("--kubeconfig", str(there.variant(folder, tls_server_name="elsewhere.example")))
    other = certificates.issue(folder, "127.0.0.1").authority
    stranger = refused(
        "--kubeconfig",
        str(there.variant(folder, certificate_authority_data=None, certificate_authority=str(other))),
    )

    server = there.content["clusters"][0]["cluster"]["server"]
    assert misnamed.startswith(f"the API server {server} of context lab cannot be reached")
    assert "elsewhere.example" in misnamed
    assert "tls-server-name in the kubeconfig" in misnamed
    assert "certificate-authority" in stranger
    assert there.left() == set()


def test_who_is_unknown_is_told_to_log_in(there: Elsewhere, folder: Path) -> None:
    line = refused("--kubeconfig", str(there.variant(folder, user={"token": "wrong"})))

    assert "refuses (401" in line
    assert "log in again" in line
    assert "wrong" not in line


def test_who_has_no_rights_is_told_which_before_anything_is_made(there: Elsewhere, folder: Path) -> None:
    line = refused("--kubeconfig", str(there.variant(folder, user={"token": GUEST})))

    assert line.startswith("you may not create namespaces, ")
    assert f"patch leases.coordination.k8s.io in {runs.LEASES}" in line
    assert "docs/comparison.md" in line
    assert there.left() == set()


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        (None, "No configuration found"),
        ("{", "gives no access to a cluster"),
        ("[]", "gives no access to a cluster"),
        ("apiVersion: v1\nkind: Config\n", "gives no access to a cluster"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_one_line(folder: Path, content: str | None, culprit: str) -> None:
    file = folder / "config"
    if content is not None:
        file.write_text(content)

    line = refused("--kubeconfig", str(file))

    assert line.startswith(str(file))
    assert culprit in line


def test_a_context_that_is_not_there_is_told_with_those_that_are(there: Elsewhere) -> None:
    line = refused("--kubeconfig", str(there.kubeconfig), "--context", "staging")

    assert "no context staging" in line
    assert "choose from lab" in line


def test_a_server_that_does_not_listen_and_one_behind_a_proxy_are_one_line(there: Elsewhere, folder: Path) -> None:
    deaf = refused("--kubeconfig", str(there.variant(folder, server="https://127.0.0.1:9")))
    proxied = refused(
        "--kubeconfig",
        str(there.variant(folder, server="https://example.invalid", proxy_url="http://me:secret@proxy.invalid:3128")),
    )

    assert "https://127.0.0.1:9 of context lab cannot be reached: Connection refused" in deaf
    assert "proxy.invalid" in proxied
    assert "proxy-url" in proxied
    assert "secret" not in proxied


def test_where_there_are_no_namespaces_it_is_told_so(there: Elsewhere) -> None:
    line = refused("--kubeconfig", str(there.kubeconfig), DISCOVERY_LAB_DATAPLANE="userspace")

    assert "namespaces" in line
    assert "DISCOVERY_LAB_DATAPLANE" in line


def test_a_plug_in_that_fails_is_told_with_what_it_said(there: Elsewhere, folder: Path) -> None:
    file = there.variant(folder, user=plug_in("echo you are logged out >&2; exit 3"))

    with pytest.raises(LabError, match="you are logged out"):
        kubeconfig.passage(file, None, "ours")


def test_the_kubeconfig_for_inside_has_what_is_in_files_and_plug_ins_and_nothing_that_is_shown(
    there: Elsewhere, folder: Path
) -> None:
    (folder / "token").write_text("a-secret")
    files = certificates.issue(folder, "127.0.0.1")
    user = {"tokenFile": "token", "client-certificate": str(files.certificate), "client-key": str(files.key)}

    passage = kubeconfig.passage(there.variant(folder, user=user, tls_server_name="api.example"), None, "ours")

    (inner,) = passage.kubeconfig["users"]
    assert inner["user"]["token"] == "a-secret"
    assert set(inner["user"]) == {"token", "client-certificate-data", "client-key-data"}
    (cluster,) = passage.kubeconfig["clusters"]
    assert cluster["cluster"]["tls-server-name"] == "api.example"
    assert cluster["cluster"]["server"] == "https://10.250.0.1:6443"
    assert "a-secret" not in repr(passage)


def test_the_rights_that_it_asks_for_are_those_of_the_documentation() -> None:
    rows = re.findall(r"^\| (\S.*?) \| .*? \| (.*?) \|$", (ROOT / "docs" / "comparison.md").read_text(), re.MULTILINE)
    told = {(what, verb) for resources, verbs in rows for what in resources.split(", ") for verb in verbs.split(", ")}

    needed = {(f"{right.kind.plural}/{right.subresource}".rstrip("/"), right.verb) for right in RIGHTS}
    assert needed <= told
    resources = {what for what, _ in needed}
    assert {each for each in told if each[0] in resources} == needed
