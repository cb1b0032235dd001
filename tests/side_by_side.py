"""`python -m tests.side_by_side`: the suite in three parts at the same time, each in a lab of its own.

Most tests wait: for processes that start, and for time that passes. What is given is passed on to all parts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent
COMPARISON = ("benchmarks", "lab")
ALONE = ("benchmarks/in_cluster", "benchmarks/local_pods", "benchmarks/page")
"""The folders of the second part, and those in them that are the third, so that all take about as long."""
NONE_COLLECTED = 5


def main(arguments: Sequence[str]) -> int:
    """Run all; returns the exit status of the first that failed, or 0."""
    others = sorted(path for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("test_*.py")))
    others += sorted(ROOT.glob("test_*.py"))
    first = [str(part) for part in others if part.name not in COMPARISON]
    second = [str(ROOT / part) for part in COMPARISON] + [f"--ignore={ROOT / part}" for part in ALONE]
    third = [str(ROOT / part) for part in ALONE]
    pytest = [sys.executable, "-m", "pytest", *arguments]
    with ExitStack() as stack:
        beside = [_begun([*pytest, "-p", "no:cacheprovider", *part], stack) for part in (second, third)]
        try:
            statuses = [subprocess.call([*pytest, *first]), *(process.wait() for process, _ in beside)]
        except KeyboardInterrupt:
            statuses = [130]
        finally:
            for process, output in beside:
                process.wait()
                output.seek(0)
                sys.stdout.buffer.write(output.read())
    return next((status for status in statuses if status not in {0, NONE_COLLECTED}), 0)


def _begun(command: Sequence[str], stack: ExitStack) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """A part, and what it prints. Several that wrote the same cache would each forget what the others have found."""
    output = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    return subprocess.Popen(command, stdout=output, stderr=output), output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
