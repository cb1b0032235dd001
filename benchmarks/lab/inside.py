"""The first process inside the lab's namespaces: `python -m benchmarks.lab.inside CONTROL_FD COMMAND...`.

It sets up what every process inside sees - network, temporary files, name resolution - and runs the command.
Being PID 1, it adopts and reaps orphans, and the kernel kills every other process inside when it exits.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import network
from .errors import LabError
from .network import NAMESERVER
from .surroundings import INSIDE

_SCRATCH: Final = Path("/dev/shm")

_FILES: Final = {
    "/etc/resolv.conf": (
        f"nameserver {NAMESERVER}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    ),
    "/etc/nsswitch.conf": "hosts: files dns\n",
}


def main(arguments: Sequence[str]) -> int:
    """Set up the namespaces, run the command and return its exit status."""
    control, *command = arguments
    os.set_inheritable(int(control), False)
    try:
        network.configure()
        _mount_private_files()
        environment = {**os.environ, INSIDE: "1", "TMPDIR": str(_SCRATCH)}
        return _run(command, environment, int(control))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2


def _mount_private_files() -> None:
    """A tmpfs for temporary files, which vanish with the namespaces, and the resolver's configuration."""
    _mount("-t", "tmpfs", "tmpfs", str(_SCRATCH))
    for name, content in _FILES.items():
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
