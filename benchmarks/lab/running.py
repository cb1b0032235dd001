"""The lab that `python -m benchmarks.lab up` runs, as seen from another terminal.

It is found among the processes, so that nothing has to be written down, and nothing is left where it was killed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from .errors import LabError
from .surroundings import INSIDE, USERSPACE

_PROCESSES: Final = Path("/proc")
_SIGN: Final = ["-m", "benchmarks.lab", "up"]


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A lab's own process, and what is in its environment."""

    pid: int
    environment: dict[str, str]

    @property
    def kubeconfig(self) -> Path:
        """Its path as seen inside; raises LabError while there is none yet."""
        root = _PROCESSES / str(self.pid) / "root"
        folder = self.environment["TMPDIR"]
        for found in (root / folder.lstrip("/")).glob("lab-*/kubeconfig"):
            return Path("/", found.relative_to(root))
        raise LabError("the lab is just starting: try again when it says that it is up")


def find() -> RunningLab:
    """The youngest lab of this user; raises LabError if none runs."""
    if not (_PROCESSES / "self").exists():
        raise LabError("there is no /proc here to find the lab by: set KUBECONFIG to the path that `up` prints instead")
    labs = list(_labs())
    if not labs:
        raise LabError("no lab runs: start one in another terminal with `python -m benchmarks.lab up`")
    return max(labs, key=lambda lab: (_PROCESSES / str(lab.pid)).stat().st_ctime_ns)


def execute(command: Sequence[str]) -> NoReturn:
    """Become the command, inside the running lab; raises LabError if that is not possible."""
    if INSIDE in os.environ:
        raise LabError("this is inside a lab already: run the command itself")
    lab = find()
    wanted = {name: lab.environment[name] for name in (INSIDE, "TMPDIR", "PATH") if name in lab.environment}
    environment = os.environ | wanted | {"KUBECONFIG": str(lab.kubeconfig)}
    if lab.environment[INSIDE] == USERSPACE.dataplane:
        _become(command, environment)
    if shutil.which("nsenter") is None:
        raise LabError("exec needs the program nsenter: install the package util-linux")
    # Without --preserve-credentials it sets the groups, which an ordinary user's namespace does not permit.
    entering = ["nsenter", "--target", str(lab.pid), "--user", "--mount", "--net", "--pid", "--preserve-credentials"]
    _become([*entering, f"--wd={Path.cwd()}", "--", *command], environment)


def _become(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
    try:
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        raise LabError(f"cannot run {command[0]}: {error.strerror}") from None


def _labs() -> Iterator[RunningLab]:
    for folder in _PROCESSES.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            if words[1 : 1 + len(_SIGN)] != _SIGN:
                continue
            pairs = (folder / "environ").read_text().split("\0")
        except OSError:  # it has just ended, or is another user's
            continue
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if environment.get(INSIDE) in {"1", USERSPACE.dataplane}:
            yield RunningLab(int(folder.name), environment)
