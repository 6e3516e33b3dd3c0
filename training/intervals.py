"""Figures with their 95 % intervals: how far what was measured on n pictures can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""Two-sided 95 % of a normal distribution."""

RESAMPLES = 2000
_DRAWN_AT_ONCE = 2**22
"""Of a bootstrap over pictures: about so many draws are in memory."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
IntervalKind = Literal["wilson", "bootstrap", "agresti-min", "student", "inversion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value with its 95 % interval; all three None where nothing was measured."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """What it was measured on: pictures, or those that bear on it; of `student`, runs."""
    interval: IntervalKind


def nothing(n: int, interval: IntervalKind) -> Figure:
    """The figure of what cannot be measured."""
    return Figure(value=None, low=None, high=None, n=n, interval=interval)


def wider(middle: Figure, other: Figure) -> Figure:
    """The first figure, its interval widened to hold that of the second, too: with kind and `n`
    of the wider of the two."""
    if middle.low is None or middle.high is None or other.low is None or other.high is None:
        known = middle if other.low is None else other
        return replace(known, value=middle.value)
    is_other = other.high - other.low > middle.high - middle.low
    return replace(
        other if is_other else middle,
        value=middle.value,
        low=min(middle.low, other.low),
        high=max(middle.high, other.high),
    )


def wilson(successes: int, n: int) -> Figure:
    """A proportion with Wilson's score interval, which holds for few and for extreme counts."""
    if n == 0:
        return nothing(0, "wilson")
    share = successes / n
    width = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / width
    reach = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n)) / width
    return Figure(
        value=share,
        low=0.0 if successes == 0 else max(0.0, centre - reach),
        high=1.0 if successes == n else min(1.0, centre + reach),
        n=n,
        interval="wilson",
    )


def student(shares: Floats) -> Figure:
    """The mean of independent runs' shares with Student's interval.

    One run has none, and neither have runs that all came out alike: by chance, so that no
    interval of no width could be trusted.
    """
    from scipy.stats import t

    n = len(shares)
    if n == 0:
        return nothing(0, "student")
    mean = float(shares.mean())
    if n == 1 or np.allclose(shares, mean, rtol=0, atol=1e-9):
        return Figure(value=mean, low=None, high=None, n=n, interval="student")
    reach = float(t.ppf(0.975, n - 1) * shares.std(ddof=1) / math.sqrt(n))
    low, high = max(0.0, mean - reach), min(1.0, mean + reach)
    return Figure(value=mean, low=low, high=high, n=n, interval="student")


def percentiles(value: float, drawn: Floats, *, n: int) -> Figure:
    """A value with the bootstrap's interval: the middle 95 % of what resamples gave."""
    drawn = drawn[np.isfinite(drawn)]
    if n == 0 or math.isnan(value) or not len(drawn):
        return nothing(n, "bootstrap")
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Figure(
        value=value,
        low=min(float(low), value),
        high=max(float(high), value),
        n=n,
        interval="bootstrap",
    )


def over_pictures(
    statistic: Callable[[Counts], Floats], *, n: int, seed: int, value: float
) -> Figure:
    """A value with the interval of a bootstrap over n pictures.

    Args:
        statistic: Of how often each picture was drawn, shape (resamples, n), the value that
            each resample gives, shape (resamples,).
        n: Pictures.
        seed: Of the draws.
        value: What the pictures themselves gave.
    """
    drawn = [statistic(draws) for draws in _draws(n, seed)] if n else []
    return percentiles(value, np.concatenate(drawn) if drawn else np.empty(0), n=n)


def _draws(n: int, seed: int) -> Iterator[Counts]:
    rng = np.random.default_rng(seed)
    at_once = max(1, min(RESAMPLES, _DRAWN_AT_ONCE // n))
    for first in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - first)
        yield rng.multinomial(n, np.full(n, 1 / n), size=size)
