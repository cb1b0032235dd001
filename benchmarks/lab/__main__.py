"""`python -m benchmarks.lab`: run the embedded cluster for its own sake, and commands in it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from services.options import Parser, between

from . import launcher, running
from .errors import LabError
from .surroundings import INSIDE

MODULE = "benchmarks.lab"

DESCRIPTION = """\
A small Kubernetes cluster on this machine, without root: an API server that kubectl talks to, controllers, pods that
are real processes, DNS and kube-proxy's kernel rules, in namespaces of their own. It vanishes with the command.
"""

EXAMPLES = """\
in one terminal
  python -m benchmarks.lab up --pods 3

in others, each of them inside the running cluster, where alone its addresses and names exist
  python -m benchmarks.lab exec kubectl get endpointslices -w
  python -m benchmarks.lab exec kubectl scale deployment echo --replicas 6
  python -m benchmarks.lab exec                                             a shell
  python -m benchmarks.lab fault too_many_requests count=3                  the API server misbehaves

exit status
  of exec, that of its command; 0 ended by Ctrl-C or SIGTERM; 2 wrong options, no lab here, or none that runs
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a mistake ends the process with status 2 and one line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=MODULE, description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(dest="verb", metavar="up|exec|fault", required=True)
    up = commands.add_parser(
        "up",
        help="run a cluster with a Deployment and a Service echo until Ctrl-C",
        description="Run a cluster with a Deployment and a Service echo, namespace default, until Ctrl-C.",
    )
    up.add_argument("--pods", type=between(0, 100), default=3, help="replicas of the Deployment (%(default)s)")
    inner = commands.add_parser(
        "exec",
        help="run a command in the cluster that `up` runs; without one, a shell",
        description="Run a command in the cluster that `up` runs in another terminal, of several the youngest, with "
        "its network, its names and its KUBECONFIG. Without a command: a shell.",
    )
    inner.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...", help="the command, with its options")
    commands.add_parser("fault", add_help=False, help="have the API server of the cluster that `up` runs misbehave")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Carry out a command line; returns the exit status."""
    try:
        if arguments[:1] == ["fault"]:
            return _fault(arguments)
        options = parse(arguments)
        if options.verb == "exec":
            command = options.command[1:] if options.command[:1] == ["--"] else options.command
            running.execute(command or [os.environ.get("SHELL") or "/bin/sh"])
        if INSIDE not in os.environ:
            return launcher.enter([sys.executable, "-m", MODULE, *arguments])
        from .up import run  # noqa: PLC0415 - half a second of imports that a wrong option need not wait for

        return run(options.pods)
    except LabError as error:
        print(f"{MODULE}: {error}", file=sys.stderr)
        return 2


def _fault(arguments: Sequence[str]) -> int:
    from .faults import command  # noqa: PLC0415 - as above

    command.parse(arguments[1:])  # neither a mistake nor --help needs a cluster
    if INSIDE not in os.environ:
        running.execute([sys.executable, "-m", MODULE, *arguments])
    return command.faults_command(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
