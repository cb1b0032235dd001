"""`python -m tests.side_by_side`: the suite in two halves at the same time, each in a lab of its own.

Most tests wait: for processes that start, and for time that passes. What is given is passed on to both halves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent
COMPARISON = ("benchmarks", "lab")
"""The folders of the second half, which takes about as long as all others."""
NONE_COLLECTED = 5


def main(arguments: Sequence[str]) -> int:
    """Run both; returns the exit status of the first that failed, or 0."""
    parts = sorted(path for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("test_*.py")))
    parts += sorted(ROOT.glob("test_*.py"))
    first = [str(part) for part in parts if part.name not in COMPARISON]
    second = [str(part) for part in parts if part.name in COMPARISON]
    pytest = [sys.executable, "-m", "pytest", *arguments]
    with tempfile.TemporaryFile() as output:
        # Two that write the same cache would each forget what the other has found.
        beside = subprocess.Popen([*pytest, "-p", "no:cacheprovider", *second], stdout=output, stderr=output)
        try:
            statuses = [subprocess.call([*pytest, *first]), beside.wait()]
        except KeyboardInterrupt:
            statuses = [130]
        finally:
            beside.wait()
            output.seek(0)
            sys.stdout.buffer.write(output.read())
    return next((status for status in statuses if status not in {0, NONE_COLLECTED}), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
