"""What repeats of a measurement allow to say. Pure arithmetic, from the books that are cited, so that no seed decides.

Medians have intervals of order statistics. Means of few repeats are told apart by Student's t, with variances
moderated by those of the other arms (Smyth 2004, "Linear models and empirical Bayes methods", as limma does):
three repeats say little about the noise of their own arm, but thirty arms much about noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LEVEL = 0.05
_TINY = 1e-300
_SERIES_FROM = 6.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A median, and order statistics that hold the true one with this confidence, if the repeats are independent."""

    median: float
    low: float
    high: float
    confidence: float


def interval(values: Sequence[float]) -> Interval:
    """The narrowest that has 95 %; with fewer than six values none has, and it is the range, with what that has.

    The interval of the sign test: Conover, "Practical Nonparametric Statistics", 3.2; Le Boudec, "Performance
    Evaluation of Computer and Communication Systems", theorem 2.1. It asks nothing of the noise's distribution.
    """
    ordered = sorted(values)
    outside, doubt = 0, 2.0 ** (1 - len(ordered))
    while outside + 1 < len(ordered) // 2 and (more := doubt + _binomial(len(ordered), outside + 1)) <= LEVEL:
        outside, doubt = outside + 1, more
    return Interval(median(ordered), ordered[outside], ordered[-1 - outside], 1 - doubt)


def _binomial(count: int, below: int) -> float:
    return float(2 * math.comb(count, below) * 0.5**count)


@dataclass(frozen=True, slots=True)
class Noise:
    """A variance, and the degrees of freedom with which it is known."""

    variance: float
    freedom: float


def moderated(noises: Sequence[Noise]) -> tuple[Noise, ...]:
    """The same noises, each known better for what the others are like; none is taken for smaller than it looks.

    The variances are seen as draws from a scaled inverse chi-square distribution, whose two parameters come from the
    mean and the spread of their logarithms (Smyth 2004, section 6.2). Where they differ much, little is borrowed.
    The original shrinks large ones too; here they stay, since an arm may well be noisier than all others.
    """
    if len(noises) < 3:
        return tuple(noises)
    logs = [math.log(noise.variance) - _digamma(noise.freedom / 2) + math.log(noise.freedom / 2) for noise in noises]
    middle = sum(logs) / len(logs)
    spread = sum((each - middle) ** 2 for each in logs) / (len(logs) - 1)
    beyond = spread - sum(_trigamma(noise.freedom / 2) for noise in noises) / len(noises)
    most = sum(noise.freedom for noise in noises)
    freedom = min(most, 2 * _inverse_trigamma(beyond)) if beyond > 0 else most
    usual = math.exp(middle + _digamma(freedom / 2) - math.log(freedom / 2))
    return tuple(
        Noise(
            max(noise.variance, (freedom * usual + noise.freedom * noise.variance) / (freedom + noise.freedom)),
            min(most, freedom + noise.freedom),
        )
        for noise in noises
    )


def beyond(difference: float, error: float, freedom: float, negligible: float) -> float:
    """The p-value of a true difference that is no larger than `negligible`, either way; `error` is the standard error.

    A test of a minimum effect (Murphy and Myors 1999), not of none at all: what is known ever so well is no news if
    it is small. It takes the true difference to be `negligible`, which of all allowed ones is the hardest to tell.
    """
    near, far = abs(difference) - negligible, abs(difference) + negligible
    return student_above(near / error, freedom) + student_above(far / error, freedom)


def detectable(error: float, freedom: float, negligible: float, level: float) -> float:
    """The least difference whose p-value is at most `level`."""
    low, high = negligible, negligible + error
    while beyond(high, error, freedom, negligible) > level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle, error, freedom, negligible) > level else (low, middle)
    return high


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values: those at most 0.05 hold together, the chance that any of them is false being 0.05 at most.

    Holm 1979, "A simple sequentially rejective multiple test procedure". It bounds the chance of a single false alarm,
    whatever depends on what; Benjamini and Hochberg's bounds the share of false ones among many, which is nothing to
    rest an exit status on.
    """
    adjusted = [1.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return tuple(adjusted)


def student_above(t: float, freedom: float) -> float:
    """The chance that Student's t is above this: NIST's Handbook of Mathematical Functions, 26.5.27 and 26.7.1."""
    both = _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
    return both / 2 if t > 0 else 1 - both / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), by its continued fraction: https://dlmf.nist.gov/8.17.E22"""
    if x in {0.0, 1.0}:
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    # Lentz's way to go through a continued fraction from its front.
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _not_zero(1 + term * d), _not_zero(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * fraction


def _not_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY


def _digamma(x: float) -> float:
    """https://dlmf.nist.gov/5.11.E2, for x > 0, from where its series is good; below by the recurrence 5.5.E2."""
    if x < _SERIES_FROM:
        return _digamma(x + 1) - 1 / x
    square = 1 / (x * x)
    return math.log(x) - 1 / (2 * x) - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))


def _trigamma(x: float) -> float:
    """Its derivative, likewise."""
    if x < _SERIES_FROM:
        return _trigamma(x + 1) + 1 / (x * x)
    square = 1 / (x * x)
    return 1 / x + square / 2 + square / x * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30)))


def _inverse_trigamma(y: float) -> float:
    """Where trigamma, which falls from infinity to 0, is y > 0."""
    low, high = 1e-8, 1e8
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _trigamma(middle) > y else (low, middle)
    return high
