"""From the command line to what is asked for, checked, with what is meant by options that are not given."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, get_args

from benchmarks import plan, scenarios, strategies
from benchmarks.arm import Client, Wire
from benchmarks.command_line import IMAGE, IN_CLUSTER, MODULE, PENDING_S, parser
from benchmarks.plan import Options
from discovery import registry
from discovery.errors import InvalidTarget
from services.options import Parser

_SCRATCH = Path("/dev/shm")
"""The lab puts a file system of its own here, which vanishes with it."""

_BESIDE = {"resume", "json_lines"}
"""Options that say nothing of what is measured."""


def options(arguments: Sequence[str]) -> Options:
    """Read and check the command line; a mistake ends the process with status 2 and one line."""
    reader = parser()
    given = reader.parse_args(arguments)
    if given.resume:
        return _resumed(reader, given)
    return _checked(reader, given)


def _resumed(parser: Parser, given: argparse.Namespace) -> Options:
    """The options of the command that wrote the folder, which any others that are given must agree with."""
    from benchmarks.result import Result  # noqa: PLC0415 - what others need not wait for

    file = given.resume / "result.json"
    try:
        command = shlex.split(Result.read(file).command)
    except OSError as error:
        parser.error(f"argument --resume: {error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(f"argument --resume: {error}")
    if command[:3] != ["python", "-m", MODULE]:
        parser.error(f"argument --resume: {file} was not written by {MODULE}")
    before = _checked(parser, parser.parse_args(command[3:]), resumed=True)
    if given.output:
        parser.error("argument --output: what is resumed stays in its folder: leave out --output")
    if any(value != parser.get_default(name) for name, value in vars(given).items() if name not in _BESIDE):
        now = _checked(parser, given, resumed=True)
        differing = [each.name for each in fields(now) if each.compare and each.name != "output"]
        differing = [name for name in differing if getattr(now, name) != getattr(before, name)]
        if differing:
            names = ", ".join(differing)
            parser.error(f"argument --resume: it was begun with another {names}: leave the other options out")
    return replace(before, output=given.resume, json_lines=given.json_lines, resume=True)


def _checked(parser: Parser, given: argparse.Namespace, *, resumed: bool = False) -> Options:
    chosen = bool(given.strategies or given.protocols or given.clients or given.scenarios)
    tier = _tier(given, chosen=chosen)
    wanted = given.strategies or tier.strategies
    wires = given.protocols or get_args(Wire)
    try:
        registry.policy(given.policy)
        for strategy in wanted:
            if "://" in strategy:
                registry.resolver(strategy)
    except InvalidTarget as error:
        parser.error(str(error))
    if len(wires) > 1 and any("://" in strategy for strategy in wanted):
        parser.error("a target names the port of one protocol: add --protocols http or --protocols grpc")
    output = given.output or Path("results", datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S"))
    if not resumed and (trouble := _unwritable(output)):
        parser.error(f"argument --output: {trouble}; give a folder that can be written")
    return Options(
        strategies=wanted,
        wires=wires,
        clients=given.clients or get_args(Client),
        scenarios=given.scenarios or tier.scenarios,
        policy=given.policy,
        replicas=given.replicas,
        rate_rps=given.rate,
        warmup_s=tier.warmup_s,
        duration_s=given.duration or tier.duration_s,
        repeats=given.repeats or tier.repeats,
        output=output,
        quick=given.quick,
        arrivals=given.arrivals,
        client_processes=given.client_processes or (IN_CLUSTER if given.cluster else 1),
        cluster=_cluster(parser, given),
        local_pods=plan.LocalPods(given.kubeconfig, given.context) if given.local_pods else None,
        brief=not (chosen or given.quick or given.full),
        json_lines=given.json_lines,
    )


def _cluster(parser: Parser, given: argparse.Namespace) -> plan.InCluster | None:
    if given.cluster:
        longest_s = max(given.duration or 0.0, 60.0)
        each = given.rate * longest_s / (given.client_processes or IN_CLUSTER)
        if each > plan.MAX_REQUESTS:
            parser.error(
                f"argument --rate: each client would send {each:.0f} requests, and can tell of {plan.MAX_REQUESTS} in "
                "its log: give more --client-processes, or a shorter --duration"
            )
        return plan.InCluster(
            given.kubeconfig, given.context, given.image or IMAGE, given.pending_s or PENDING_S, given.dry_run
        )
    of_pods_there = ("image", "pending_s", "dry_run")
    for name in of_pods_there if given.local_pods else ("kubeconfig", "context", *of_pods_there):
        if getattr(given, name):
            either = "" if name in of_pods_there else " or --local-pods"
            option = name.replace("_", "-")
            parser.error(f"argument --{option}: it says something of a real cluster: add --cluster{either}")
    return None


class _Tier(NamedTuple):
    """What is meant by options that are not given."""

    strategies: tuple[str, ...]
    scenarios: tuple[str, ...]
    warmup_s: float
    duration_s: float
    repeats: int


def _tier(given: argparse.Namespace, *, chosen: bool) -> _Tier:
    every = (strategies.names(), scenarios.names())
    first = tuple(name for name in plan.FIRST_SCENARIOS if name in scenarios.names())
    if given.full:
        return _Tier(*every, 1.0, 5.0, 5)
    if given.quick:
        return _Tier(plan.FIRST_STRATEGIES, plan.QUICK_SCENARIOS, 0.25, 1.7, 1)
    return _Tier(*every, 1.0, 5.0, 1) if chosen else _Tier(plan.FIRST_STRATEGIES, first, 0.5, 2.0, 3)


def _unwritable(folder: Path) -> str | None:
    """Why the folder cannot be made or written, or None if it can."""
    if folder.resolve().is_relative_to(_SCRATCH):
        return f"{_SCRATCH} is a file system of the lab's own, which vanishes with it"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        return f"{existing} is a file"
    return None if os.access(existing, os.W_OK | os.X_OK) else f"{existing} cannot be written"
