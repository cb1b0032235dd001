"""The way into a lab, for a process that is still outside: into namespaces, or to do without where there are none.

The command runs in a session of its own, so the terminal's Ctrl-C and a signal to our process group reach this
process alone, which hands each on exactly once, through a pipe. When this process dies, however it dies, the
pipe closes, and the first process inside ends everything else: by its own exit, with which the kernel ends what is
in the namespaces, or without them by killing the command's process group.
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
from .passage import Passage
from .surroundings import LAUNCHER, WANTED, userspace_wanted

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
_FIRST_INSIDE: Final = (*_UNSHARE, sys.executable, "-m", "benchmarks.lab.inside")
_FIRST_OUTSIDE: Final = (sys.executable, "-m", "benchmarks.lab.keeper")
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# What the data plane needs of the kernel: connection tracking, NAT, a random choice, maps, sets that it fills, reject.
_PROBE: Final = """table ip probe {
    set clients { type ipv4_addr; flags dynamic, timeout; timeout 3h; }
    chain endpoint { update @clients { ip saddr }; meta l4proto tcp dnat to 10.64.0.1:8081; }
    chain output {
        type nat hook output priority -100;
        ip daddr 10.96.0.1 tcp dport 80 dnat ip addr . port to numgen random mod 1 map { 0 : 10.64.0.1 . 8081 }
        ip saddr @clients numgen random mod 1 vmap { 0 : goto endpoint }
    }
    chain postrouting { type nat hook postrouting priority 100; masquerade fully-random; }
    chain input { type filter hook input priority 0; ct state new ct reply ip saddr 10.64.0.1 reject; }
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


def enter(command: Sequence[str], passage: Passage | None = None) -> int:
    """Run a command inside and return its exit status (128 + n if signal n ended it).

    SIGINT, SIGTERM and SIGHUP to this process reach the command; standard input, output and error are shared.
    Without namespaces, or where the environment asks for it, the command has the userspace data plane; but not with a
    passage, which leads to an API server outside for as long as the command runs.
    Must be called from the main thread. Raises LabError if the environment asks for what does not exist.
    """
    if passage:
        require_namespaces()
    inside = passage is not None or not (userspace_wanted() or available())
    reader, writer = os.pipe()
    try:
        with _forwarding(writer), passage.opened() if passage else contextlib.nullcontext() as led_out:
            ends = [str(reader), *([str(led_out.fileno()) if led_out else "-"] if inside else [])]
            try:
                process = subprocess.Popen(
                    [*(_FIRST_INSIDE if inside else _FIRST_OUTSIDE), *ends, *command],
                    env={**_environment(), LAUNCHER: str(os.getpid())},
                    pass_fds=[int(end) for end in ends if end != "-"],
                    start_new_session=True,
                )
            finally:
                # Only the inner end may stay open, or it would not matter to anyone that a process dies.
                if led_out:
                    led_out.close()
            status = process.wait()
    finally:
        os.close(writer)
        os.close(reader)
    return status if status >= 0 else 128 - status


def require_namespaces() -> None:
    """Raises LabError where the lab's namespaces cannot be had, or are not wanted."""
    if reason := f"{WANTED} is set to userspace" if userspace_wanted() else available():
        raise LabError(f"this needs pods with addresses of their own, in the lab's namespaces: {reason}")


@contextlib.contextmanager
def _forwarding(writer: int) -> Iterator[None]:
    def nothing(_number: int, _frame: FrameType | None) -> None:
        """The byte is written already."""

    # As the signal comes, and not when Python gets to its handler: one that comes just before the wait for the process
    # goes on would not be heard until the next.
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # A signal that nohup, say, has had ignored stays so, in the command too.
    wanted = [number for number in _FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, nothing) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)


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
        f"nftables does not work in a namespace here ({error}): "
        "load the kernel modules nf_tables, nft_ct, nft_nat, nft_masq, nft_numgen, nft_reject"
    )
