"""The first process inside the lab's namespaces: `python -m benchmarks.lab.inside CONTROL_FD PASSAGE_FD COMMAND...`.

It sets up what every process inside sees - network, temporary files, name resolution - and runs the command.
PASSAGE_FD is `-` where nothing leads out.
Being PID 1, it adopts and reaps orphans, and the kernel kills every other process inside when it exits.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import network
from .errors import LabError
from .manifests import NAMESPACE
from .network import DNS_POD, NAMESERVER
from .surroundings import INSIDE, KUBECONFIG, NAMESPACES

_SCRATCH: Final = Path("/dev/shm")
_BUFFER_BYTES: Final = 65536

_RESOLV_CONF: Final = """\
nameserver {nameserver}
search {namespace}.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""


def main(arguments: Sequence[str]) -> int:
    """Set up the namespaces, run the command and return its exit status."""
    control, passage, *command = arguments
    os.set_inheritable(int(control), False)
    # No proxy is in between in here.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {INSIDE: "1", "TMPDIR": str(_SCRATCH)}
    try:
        network.configure()
        _mount("-t", "tmpfs", "tmpfs", str(_SCRATCH))
        if passage == "-":
            _resolve_by(NAMESERVER, NAMESPACE)
        else:
            environment[KUBECONFIG] = str(_SCRATCH / "kubeconfig")
            namespace = _lead_out(int(passage), Path(environment[KUBECONFIG]))
            # An API server outside has a kube-dns of its own, and no Service of it leads to the lab's.
            _resolve_by(DNS_POD, namespace)
        return _run(command, environment, int(control))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2


def _resolve_by(nameserver: str, namespace: str) -> None:
    """Have names be resolved as in a pod of a namespace."""
    files = {
        "/etc/resolv.conf": _RESOLV_CONF.format(nameserver=nameserver, namespace=namespace),
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }
    for name, content in files.items():
        # A mount on a symbolic link fails where the link leads nowhere, as in some containers.
        target = Path(os.path.realpath(name))
        if not target.is_file():
            raise LabError(f"{name} leads to {target}, which does not exist: create it, if only as an empty file")
        source = _SCRATCH / target.name
        source.write_text(content)
        _mount("--bind", str(source), str(target))


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"`mount {shlex.join(arguments)}` failed: {done.stderr.strip()}")


def _lead_out(passage: int, kubeconfig: Path) -> str:
    """Have the launcher pass on what comes to the API server's address, see `Passage`; it gives the kubeconfig.

    Returns the namespace of the context that is in there.
    The descriptor stays open for as long as this process lives, and with it the passage.
    """
    os.set_inheritable(passage, False)
    address = (NAMESPACES.api_host, NAMESPACES.api_port)
    with socket.create_server(address) as listener, socket.socket(fileno=os.dup(passage)) as pair:
        socket.send_fds(pair, [b"."], [listener.fileno()])
        kubeconfig.touch(0o600, exist_ok=False)
        with kubeconfig.open("wb") as file:
            while data := pair.recv(_BUFFER_BYTES):
                file.write(data)
    (context,) = json.loads(kubeconfig.read_text())["contexts"]
    return str(context["context"]["namespace"])


def _run(command: list[str], environment: dict[str, str], control: int) -> int:
    try:
        # The two signals that Python itself ignores would stay ignored in the command.
        child = os.posix_spawnp(command[0], command, environment, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ))
    except OSError as error:
        raise LabError(f"cannot run {command[0]}: {error.strerror}") from None
    # A pidfd, because the number of a process that has just been reaped may belong to another one.
    handle = os.pidfd_open(child)
    threading.Thread(target=_obey, args=(control, handle), daemon=True).start()
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _obey(control: int, child: int) -> None:
    """Pass on the signals that the launcher writes; its end closes the pipe, and that is the end in here too."""
    while number := os.read(control, 1):
        try:
            signal.pidfd_send_signal(child, number[0])
        except ProcessLookupError:
            return
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
