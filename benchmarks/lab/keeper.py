"""The first process where there are no namespaces: `python -m benchmarks.lab.keeper CONTROL_FD COMMAND...`.

What the kernel does for a PID namespace, it does for a process group: when the command has ended, or the launcher
has, it kills whoever is left in the command's group and removes the temporary files. So no process of the command
may begin a group or session of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from .surroundings import INSIDE, USERSPACE

_REMOVAL_TRIES = 200
_REMOVAL_PAUSE_S = 0.01


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status, 128 + n if signal n ended it."""
    control, *command = arguments
    os.set_inheritable(int(control), False)
    folder = tempfile.mkdtemp(prefix="lab-")
    environment = {**os.environ, INSIDE: USERSPACE.dataplane, "TMPDIR": folder}
    try:
        process = subprocess.Popen(command, env=environment, process_group=0)
    except OSError as error:
        _remove(folder)
        print(f"lab: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 2
    threading.Thread(target=_obey, args=(int(control), process, folder), daemon=True).start()
    status = process.wait()
    _end(process, folder)
    return status if status >= 0 else 128 - status


def _obey(control: int, process: subprocess.Popen[bytes], folder: str) -> None:
    """Pass on the signals that the launcher writes; its end closes the pipe, and is the end of everything."""
    while number := os.read(control, 1):
        process.send_signal(number[0])
    _end(process, folder)
    os._exit(1)


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    # PermissionError: what macOS says of a group in which all have ended already.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    _remove(folder)


def _remove(folder: str) -> None:
    """Who is being killed may still be writing a file: try again until nothing comes anew."""
    for _ in range(_REMOVAL_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):  # noqa: PTH110 - a str, as tempfile and shutil have it
            return
        time.sleep(_REMOVAL_PAUSE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
