"""Targets are judged by medians of ratios, and that of throughput less the noise."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.overheads import grpc_ways, http_ways
from benchmarks.overheads.bursts import Burst
from benchmarks.overheads.comparison import Comparison
from benchmarks.overheads.rounds import CELLS, Cell
from benchmarks.overheads.targets import Verdict, judge, targets
from benchmarks.overheads.ways import AGAIN


def rounds(*cpu_us: float, p99_us: float = 200.0) -> list[Burst]:
    """Bursts in which the client alone costs time."""
    return [Burst(1000, 0, each / 1000, each / 1000, 100.0, p99_us) for each in cpu_us]


def verdicts(cell: Cell, bursts: Mapping[str, list[Burst]]) -> dict[tuple[str, str], Verdict]:
    return {(each.target.arm, each.target.measure): each for each in judge(Comparison(cell, dict(bursts)))}


def test_every_target_is_about_arms_of_its_cell() -> None:
    for cells in CELLS.values():
        for cell in cells:
            assert {name for target in targets(cell) for name in (target.arm, target.against)} <= set(cell.arms)
        assert any(targets(cell) for cell in cells)


def test_throughput_may_be_lower_by_the_noise_and_no_more() -> None:
    arms = {
        grpc_ways.NATIVE: rounds(100.0, 100.0, 100.0),
        AGAIN: rounds(96.0, 100.0, 104.0),
        grpc_ways.ROUND_ROBIN: rounds(103.0, 103.0, 103.0),
        grpc_ways.LEAST_REQUEST: rounds(106.0, 106.0, 106.0, p99_us=230.0),
    }

    judged = verdicts(CELLS["grpc"][0], arms)

    assert [key for key, verdict in judged.items() if not verdict.met] == [
        (grpc_ways.LEAST_REQUEST, "throughput"),
        (grpc_ways.LEAST_REQUEST, "cpu_us"),
        (grpc_ways.LEAST_REQUEST, "p99_us"),
    ]
    assert "not at least" in str(judged[grpc_ways.LEAST_REQUEST, "throughput"])


def test_what_is_compared_with_differs_between_targets() -> None:
    arms = {
        http_ways.ONE: rounds(9000.0),
        http_ways.OURS: rounds(1000.0),
        http_ways.OURS_AIOHTTP: rounds(400.0),
        http_ways.ALL: rounds(2900.0),
        http_ways.AIOHTTP: rounds(120.0),
    }

    judged = verdicts(CELLS["http"][-1], arms)

    assert not judged[http_ways.OURS, "cpu_us"].met
    assert judged[http_ways.OURS_AIOHTTP, "cpu_us"].met


def test_arms_whose_calls_failed_are_told() -> None:
    failed = Burst(1000, 7, 1.0, 1.0, 100.0, 200.0)

    (line,) = Comparison(CELLS["http"][0], {http_ways.ONE: rounds(100.0), http_ways.OURS: [failed, failed]}).failures()

    assert "14 of 2000 calls of discovery" in line
