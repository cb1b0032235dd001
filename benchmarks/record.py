"""What a command has measured so far, in its file after each arm, so that an interrupted one can go on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.arm import Arm
from benchmarks.result import SCHEMA, Environment, Result, Run


class Record:
    """A result that grows, run by run. Its file is there from the first run on."""

    def __init__(self, folder: Path, result: Result) -> None:
        self._folder = folder
        self._result = result

    @classmethod
    def new(cls, folder: Path, command: str, environment: Environment) -> Record:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(folder, Result(SCHEMA, environment, started, command, ()))

    @classmethod
    def resumed(cls, folder: Path, environment: Environment) -> Record:
        """That of a folder, to be added to here. Raises OSError or ValueError, in one line, where that cannot be."""
        result = Result.read(folder / "result.json")
        if difference := result.environment.difference(environment):
            raise ValueError(f"{folder} cannot be resumed here, where the environment is another one: {difference}")
        return cls(folder, result)

    @property
    def result(self) -> Result:
        return self._result

    @property
    def runs(self) -> Sequence[Run]:
        return self._result.runs

    @property
    def file(self) -> Path:
        return self._folder / "result.json"

    @property
    def go_on(self) -> str:
        """The command that runs what is missing."""
        return shlex.join(["python", "-m", "benchmarks.compare", "--resume", str(self._folder)])

    def lacks(self, arm: Arm) -> bool:
        """Whether the arm is to be run: it never was, or it failed."""
        return not any(_is_of(run, arm) and (run.status == "ok" or not run.applicable) for run in self.runs)

    def keep(self, run: Run) -> None:
        """Add a run, in place of one of the same arm that failed, and write the file."""
        runs = list(self.runs)
        places = [place for place, old in enumerate(runs) if (old.key, old.repeat) == (run.key, run.repeat)]
        if places:
            runs[places[0]] = run
        else:
            runs.append(run)
        self._result = replace(self._result, runs=tuple(runs))
        self._result.write(self._folder)


def _is_of(run: Run, arm: Arm) -> bool:
    return (run.key, run.repeat) == (arm.key, arm.repeat)
