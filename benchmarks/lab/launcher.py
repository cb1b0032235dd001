"""The way into the lab's namespaces, for a process that is still outside.

The command runs in a session of its own, so the terminal's Ctrl-C and a signal to our process group reach this
process alone, which hands each on exactly once, through a pipe. When this process dies, however it dies, the
pipe closes, the first process inside exits, and the kernel ends everything else in the namespaces with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from .errors import LabError

_UNSHARE: Final = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
)
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# What the data plane needs of the kernel: NAT on output, a random choice, a map, connection tracking.
_PROBE: Final = """table ip probe {
    chain output {
        type nat hook output priority -100;
        ip daddr 10.96.0.1 tcp dport 80 dnat ip addr . port to numgen random mod 1 map { 0 : 10.64.0.1 . 8081 }
    }
}"""

# Sysctls that forbid user namespaces: file, forbidding value, value that permits them.
_SYSCTLS: Final = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "15000"),
    ("user.max_net_namespaces", "0", "15000"),
)


def available() -> str | None:
    """Tell in one line why the lab's namespaces cannot be had here and what to do, or None if they can."""
    if not sys.platform.startswith("linux"):
        return f"the lab needs Linux namespaces and nftables, and this is {sys.platform}: run it on Linux"
    for program, package in (("unshare", "util-linux"), ("mount", "mount"), ("nft", "nftables")):
        if shutil.which(program, path=_environment()["PATH"]) is None:
            return f"the lab needs the program {program}: install the package {package}"
    probe = subprocess.run(
        [*_UNSHARE, "nft", "-f", "-"],
        input=_PROBE,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode == 0:
        return None
    return _explain(probe.stderr.strip().partition("\n")[0] or f"exit status {probe.returncode}")


def enter(command: Sequence[str]) -> int:
    """Run a command inside and return its exit status (128 + n if signal n ended it).

    SIGINT, SIGTERM and SIGHUP to this process reach the command; standard input, output and error are shared.
    Must be called from the main thread. Raises LabError if the namespaces cannot be had.
    """
    if reason := available():
        raise LabError(reason)
    reader, writer = os.pipe()
    try:
        with _forwarding(writer):
            inside = [sys.executable, "-m", "benchmarks.lab.inside", str(reader), *command]
            try:
                process = subprocess.Popen(
                    [*_UNSHARE, *inside], env=_environment(), pass_fds=(reader,), start_new_session=True
                )
            finally:
                # Only the inner end may stay open, or it would not matter to anyone that this process dies.
                os.close(reader)
            status = process.wait()
    finally:
        os.close(writer)
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _forwarding(writer: int) -> Iterator[None]:
    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BrokenPipeError):  # the command has ended already
            os.write(writer, bytes([number]))

    # A signal that nohup, say, has had ignored stays so, in the command too.
    wanted = [number for number in _FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, forward) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _environment() -> dict[str, str]:
    """Debian keeps `nft` in a folder that is not on an ordinary user's path."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{path}:/usr/sbin:/sbin"}


def _explain(error: str) -> str:
    for name, forbids, permits in _SYSCTLS:
        file = Path("/proc/sys", *name.split("."))
        if file.exists() and file.read_text().strip() == forbids:
            return f"user namespaces are forbidden here ({error}): run `sysctl -w {name}={permits}` as root"
    if error.startswith("unshare:"):
        return (
            f"namespaces are forbidden here ({error}): in a container, start it with "
            "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"
        )
    return (
        f"nftables does not work in a namespace here ({error}): load the kernel modules nf_tables, nft_nat, nft_numgen"
    )
