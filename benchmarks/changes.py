"""What differs between two results, arm by arm, and whether it is more than noise. Pure.

The unit is the run, one number of an arm in a repeat: requests and seconds within a run share its pods, connections
and minute, and are no independent samples of anything else. Numbers are compared by their logarithms, so that a
change is a ratio. An arm has changed if its numbers did by more than 5 %, beyond the noise between repeats, beside what
happened to the other arms in the same repeats: a machine that was busier all along is none of the arm's doing. And
its own numbers must show it too, since it would also seem to change if most of the others did. What all arms had in
common is compared by itself.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import NamedTuple

from benchmarks.arm import Key
from benchmarks.metrics import METRICS, Metric
from benchmarks.result import Result, Run
from benchmarks.statistics import LEVEL, Interval, Noise, beyond, detectable, holm, interval, moderated

NEGLIGIBLE = math.log(1.05)
"""Effects under 5 % are ignored."""

NEGLIGIBLE_IN_COMMON = math.log(1.25)
"""What all arms have in common must be more: a whole command is but one sample of how fast the machine was."""

ENOUGH = 2
"""Repeats on each side, without which nothing can be said."""

SEVERAL = 3
"""Arms that are needed for something to be what all have in common."""

# No number is known better than to half a per cent: a noise of 0, of counts that came out alike, would prove anything.
_LEAST_VARIANCE = 0.005**2


@dataclass(frozen=True, slots=True)
class Change:
    """A number of an arm, before and after. `arm` is None for what all arms had in common, which is a ratio alone.

    ratio       of the values after over those before, of which each has the metric's offset
    p           of a change that is negligible, adjusted for all the comparisons
    error       standard error of the ratio's logarithm, known with so much `freedom`
    """

    arm: Key | None
    metric: Metric
    before: Interval
    after: Interval
    ratio: float
    p: float
    error: float
    freedom: float

    @property
    def beyond_noise(self) -> bool:
        return self.p <= LEVEL


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results compared.

    too_few  arms with fewer repeats on a side than it takes, with how many they have
    lost     arms that gave numbers before, and failed to after
    alone    arms that only one of the two has
    """

    changes: tuple[Change, ...]
    too_few: Mapping[Key, tuple[int, int]]
    lost: tuple[Key, ...]
    alone: tuple[Key, ...]

    def visible(self, change: Change) -> float:
        """The least ratio above 1 that would have been beyond noise in its place, were it the only change."""
        return math.exp(detectable(change.error, change.freedom, NEGLIGIBLE, LEVEL / len(self.changes)))

    @property
    def news(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.beyond_noise)


def compare(before: Result, after: Result) -> Comparison:
    """Compare two results. Raises ValueError, in one line, where they must not be compared."""
    if difference := before.environment.difference(after.environment):
        raise ValueError(f"results of different environments cannot be compared: {difference}")
    if difference := _settings(before.runs, after.runs):
        raise ValueError(f"results of different loads cannot be compared: {difference}")
    old, new = _by_arm(before.runs), _by_arm(after.runs)
    both = [key for key in old if key in new and old[key] and new[key]]
    too_few = {key: (len(old[key]), len(new[key])) for key in both if min(len(old[key]), len(new[key])) < ENOUGH}
    enough = [key for key in both if key not in too_few]
    found: list[Change] = []
    for metric in METRICS:
        found += _changes(metric, {key: (old[key], new[key]) for key in enough})
    adjusted = holm([change.p for change in found])
    return Comparison(
        changes=tuple(replace(change, p=p) for change, p in zip(found, adjusted, strict=True)),
        too_few=too_few,
        lost=tuple(key for key in old if old[key] and key in new and not new[key]),
        alone=tuple(key for key in (*old, *(key for key in new if key not in old)) if (key in old) != (key in new)),
    )


def _settings(before: Iterable[Run], after: Iterable[Run]) -> str | None:
    """What the two were told to do differently, of the arms that both have."""

    def told(runs: Iterable[Run]) -> dict[Key, dict[str, object]]:
        return {
            run.key: {
                "rate": run.offered_rps,
                "duration": run.duration_s,
                "replicas": run.replicas,
                "policy": run.policy,
                "arrivals": run.arrivals,
                "client processes": run.client_processes,
            }
            for run in runs
        }

    old, new = told(before), told(after)
    for key in old:
        for name, value in old[key].items():
            if key in new and new[key][name] != value:
                return f"{name} {_plain(value)} and {_plain(new[key][name])}"
    return None


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_arm(runs: Iterable[Run]) -> dict[Key, list[Run]]:
    """The runs that gave numbers, by arm; an arm of which none did has none. What was not applicable is left out."""
    found: dict[Key, list[Run]] = {}
    for run in runs:
        if run.applicable:
            found.setdefault(run.key, []).extend([run] if run.status == "ok" else [])
    return found


class _Side(NamedTuple):
    """Logarithms of one arm's numbers on one side, by repeat."""

    by_repeat: dict[int, float]

    @property
    def values(self) -> list[float]:
        return list(self.by_repeat.values())


_Pair = tuple[_Side, _Side]


def _changes(metric: Metric, arms: Mapping[Key, tuple[Sequence[Run], Sequence[Run]]]) -> list[Change]:
    pairs = {key: pair for key, runs in arms.items() if (pair := _logarithms(metric, runs))}
    plain = _views(pairs.values())
    beside = _views(_beside_others(pairs))
    found = [
        _change(key, metric, pairs[key], other if _agree(one, other) else max(one, other, key=lambda view: view.p))
        for key, one, other in zip(pairs, plain, beside, strict=True)
    ]
    if len(pairs) >= SEVERAL:
        common = _common(pairs)
        if min(len(side.by_repeat) for side in common) >= ENOUGH:
            (view,) = _views([common], NEGLIGIBLE_IN_COMMON)
            found.append(_change(None, metric._replace(unit="", offset=0.0), common, view))
    return found


def _logarithms(metric: Metric, runs: tuple[Sequence[Run], Sequence[Run]]) -> _Pair | None:
    def side(runs: Sequence[Run]) -> _Side:
        numbers = {run.repeat: metric.number(run) for run in runs}
        return _Side({repeat: math.log(each + metric.offset) for repeat, each in numbers.items() if each is not None})

    before, after = map(side, runs)
    return (before, after) if min(len(before.by_repeat), len(after.by_repeat)) >= ENOUGH else None


def _difference(pair: _Pair) -> float:
    return fmean(pair[1].values) - fmean(pair[0].values)


def _centred(pair: _Pair) -> _Pair:
    """Without the arm's own level, so that only what differs between sides and repeats is left."""
    level = (fmean(pair[0].values) + fmean(pair[1].values)) / 2
    before, after = (_Side({repeat: value - level for repeat, value in side.by_repeat.items()}) for side in pair)
    return (before, after)


def _common(pairs: Mapping[Key, _Pair]) -> _Pair:
    """What the arms had in common in each repeat: their median, which a few changed arms do not move."""
    centred = [_centred(pair) for pair in pairs.values()]
    before, after = (_by_repeat(pair[side] for pair in centred) for side in (0, 1))
    return (
        _Side({repeat: median(values) for repeat, values in before.items()}),
        _Side({repeat: median(values) for repeat, values in after.items()}),
    )


def _beside_others(pairs: Mapping[Key, _Pair]) -> list[_Pair]:
    """Each arm, less what the others had in common in the same repeat; as it is where it is alone."""
    centred = [_centred(pair) for pair in pairs.values()]
    before, after = (_by_repeat(pair[side] for pair in centred) for side in (0, 1))
    return [(_beside(one, before), _beside(other, after)) for one, other in centred]


def _by_repeat(sides: Iterable[_Side]) -> dict[int, list[float]]:
    """The arms' values in each repeat, in order."""
    found: dict[int, list[float]] = {}
    for side in sides:
        for repeat, value in side.by_repeat.items():
            found.setdefault(repeat, []).append(value)
    return {repeat: sorted(values) for repeat, values in found.items()}


def _beside(side: _Side, all_of_them: Mapping[int, list[float]]) -> _Side:
    return _Side(
        {repeat: value - _median_of_others(value, all_of_them[repeat]) for repeat, value in side.by_repeat.items()}
    )


def _median_of_others(value: float, ordered: list[float]) -> float:
    others = list(ordered)
    del others[bisect_left(others, value)]
    middle = len(others) // 2
    if not others:
        return 0.0
    return others[middle] if len(others) % 2 else (others[middle - 1] + others[middle]) / 2


class _View(NamedTuple):
    """One way to see an arm's change: the difference, its standard error with degrees of freedom, and the p-value."""

    difference: float
    error: float
    freedom: float
    p: float


def _views(pairs: Iterable[_Pair], negligible: float = NEGLIGIBLE) -> list[_View]:
    """Each judged by its own noise and by what the others tell of noise."""
    pairs = list(pairs)
    views = []
    for pair, noise in zip(pairs, moderated([_noise(pair) for pair in pairs]), strict=True):
        error = math.sqrt(noise.variance * sum(1 / len(side.by_repeat) for side in pair))
        difference = _difference(pair)
        views.append(_View(difference, error, noise.freedom, beyond(difference, error, noise.freedom, negligible)))
    return views


def _agree(plain: _View, beside: _View) -> bool:
    """Whether an arm itself moved, and not only the others away from it. How far is told better beside them."""
    return plain.p <= LEVEL and plain.difference * beside.difference > 0


def _noise(pair: _Pair) -> Noise:
    """That of a single run: the variance within the two sides, pooled, as they are taken to be equally noisy."""
    counts = [len(side.by_repeat) for side in pair]
    freedom = sum(counts) - len(counts)
    means = [fmean(side.values) for side in pair]
    squares = sum((value - middle) ** 2 for side, middle in zip(pair, means, strict=True) for value in side.values)
    return Noise(max(_LEAST_VARIANCE, squares / freedom), freedom)


def _change(arm: Key | None, metric: Metric, pair: _Pair, view: _View) -> Change:
    """Not adjusted yet."""
    before, after = (interval([math.exp(value) - metric.offset for value in side.values]) for side in pair)
    return Change(arm, metric, before, after, math.exp(_difference(pair)), min(1.0, view.p), view.error, view.freedom)
