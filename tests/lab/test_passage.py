"""A passage leads from the closed network of a lab to one address outside, for as long as the command runs."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from benchmarks.lab import launcher
from benchmarks.lab.errors import LabError
from benchmarks.lab.passage import Passage
from tests.inside import needs_kernel

KUBECONFIG = {"contexts": [{"context": {"namespace": "ours"}}], "users": [{"user": {"token": "a-secret"}}]}

ASK = """\
import socket
with socket.create_connection(("10.250.0.1", 6443)) as server:
    server.sendall(b"from inside")
    server.shutdown(socket.SHUT_WR)
    print(server.makefile().read())
"""


@pytest.fixture
def passage() -> Iterator[Passage]:
    """To a server that says what it is told."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as said:
                connection.sendall(b"you said: " + said.read())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        yield Passage("127.0.0.1", listener.getsockname()[1], KUBECONFIG)
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()


@needs_kernel
def test_what_is_outside_can_be_reached_from_inside(passage: Passage, capfd: pytest.CaptureFixture[str]) -> None:
    assert launcher.enter([sys.executable, "-c", ASK], passage) == 0
    assert capfd.readouterr().out == "you said: from inside\n"


@needs_kernel
def test_the_kubeconfig_is_nobody_else_s_and_names_are_those_of_its_namespace(
    passage: Passage, capfd: pytest.CaptureFixture[str]
) -> None:
    program = 'stat -c %a "$DISCOVERY_LAB_KUBECONFIG"; cat "$DISCOVERY_LAB_KUBECONFIG"; grep search /etc/resolv.conf'

    assert launcher.enter(["sh", "-ec", program], passage) == 0

    mode, content, search = capfd.readouterr().out.replace("search", "\nsearch").split("\n", 2)
    assert mode == "600"
    assert '"token": "a-secret"' in content
    assert search.strip() == "search ours.svc.cluster.local svc.cluster.local cluster.local"


@needs_kernel
def test_nothing_of_the_kubeconfig_is_in_an_argument_or_a_variable(
    passage: Passage, capfd: pytest.CaptureFixture[str]
) -> None:
    program = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | grep -c --text a-secre[t]; :"

    assert launcher.enter(["sh", "-c", program], passage) == 0
    assert capfd.readouterr().out == "0\n"


@needs_kernel
def test_without_a_passage_nothing_leads_out(passage: Passage, capfd: pytest.CaptureFixture[str]) -> None:
    reach = f"import socket; socket.create_connection(('127.0.0.1', {passage.port}))"

    assert launcher.enter([sys.executable, "-c", reach]) == 1
    assert "ConnectionRefusedError" in capfd.readouterr().err


def test_where_there_are_no_namespaces_there_is_none(passage: Passage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCOVERY_LAB_DATAPLANE", "userspace")

    with pytest.raises(LabError, match="namespaces: DISCOVERY_LAB_DATAPLANE is set"):
        launcher.enter(["true"], passage)
