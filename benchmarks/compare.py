"""`python -m benchmarks.compare`: the comparison, wherever it is to run."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence

from benchmarks.command_line import MODULE
from benchmarks.lab import launcher
from benchmarks.lab.errors import LabError
from benchmarks.lab.surroundings import INSIDE
from benchmarks.options import options
from benchmarks.page.redraw import asked, redraw
from benchmarks.plan import Options


def main(arguments: Sequence[str]) -> int:
    """Check the options, enter a lab, run there; returns the exit status.

    `diff A B` compares two results, and with --from nothing is run.
    """
    if arguments[:1] == ["diff"]:
        from benchmarks import diff  # noqa: PLC0415 - as below

        return diff.main(arguments[1:])
    if asked(arguments):
        return redraw(arguments)
    checked = options(arguments)
    return _carried_out(checked, arguments)


def _carried_out(checked: Options, arguments: Sequence[str]) -> int:
    typed = shlex.join(["python", "-m", MODULE, *arguments])
    if checked.cluster and checked.cluster.dry_run:
        from benchmarks.in_cluster.dry_run import text  # noqa: PLC0415 - as below

        print(text(checked), end="")
        return 0
    if checked.cluster:
        from benchmarks.in_cluster.run import run as run_in_cluster  # noqa: PLC0415 - as below

        return run_in_cluster(checked, typed)
    if INSIDE in os.environ:
        from benchmarks.run import run  # noqa: PLC0415 - half a second of imports that a wrong option need not wait for

        return run(checked, typed)
    try:
        passage = None
        if checked.local_pods:
            from benchmarks.local_pods import way_out  # noqa: PLC0415 - as above

            passage = way_out(checked.local_pods)
        return launcher.enter([sys.executable, "-m", MODULE, *arguments], passage)
    except LabError as error:
        print(f"{MODULE}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while somebody was to log in, say
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
