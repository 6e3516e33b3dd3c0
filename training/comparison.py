"""Two classifiers on the same pictures: which one is better, or whether that cannot be told.

Pictures that both get right, or both wrong, say nothing about the difference; McNemar's exact
test (McNemar 1947) asks of the others whether they fall to both sides alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.intervals import Z_95, Figure, nothing

Verdict = Literal["better", "worse", "cannot tell"]

SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The first of two classifiers, seen from the second, on n pictures."""

    n: int
    only_first: int
    """Pictures that the first alone gets right."""
    only_second: int
    difference: Figure
    """Accuracy of the first less that of the second."""
    p_value: float
    """Of McNemar's exact two-sided test."""
    verdict: Verdict
    """The first against the second, at 5 %."""
    pictures_needed: int | None
    """About how many would tell a difference as large as this one four times in five."""


def compared(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Comparison:
    """Compare two classifiers by which pictures each got right, shape (n,) both."""
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    n = len(first_right)
    p_value = mcnemar(only_first, only_second)
    better: Verdict = "better" if only_first > only_second else "worse"
    return Comparison(
        n=n,
        only_first=only_first,
        only_second=only_second,
        difference=paired_difference(only_first, only_second, n),
        p_value=p_value,
        verdict=better if p_value < SIGNIFICANCE else "cannot tell",
        pictures_needed=pictures_needed(only_first, only_second, n),
    )


def against_one_answer(right: NDArray[np.bool_], labels: NDArray[np.int32]) -> Comparison:
    """Compare a classifier to always naming the species that is commonest among these pictures.

    Args:
        right: Which pictures it got right, shape (n,).
        labels: What they show, shape (n,).
    """
    commonest = np.bincount(labels).argmax() if len(labels) else 0
    return compared(right, labels == commonest)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact two-sided test; 1 where nothing differs."""
    from scipy.stats import binomtest

    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


def paired_difference(only_first: int, only_second: int, n: int) -> Figure:
    """The difference of two paired proportions, with the interval of Agresti and Min (2005).

    It is Wald's after half a picture was added to each cell of the table, and holds for few
    pictures, too.
    """
    if n == 0:
        return nothing(0, "agresti-min")
    first, second, total = only_first + 0.5, only_second + 0.5, n + 2
    centre = (first - second) / total
    reach = Z_95 * math.sqrt(first + second - (first - second) ** 2 / total) / total
    value = (only_first - only_second) / n
    return Figure(
        value=value,
        low=max(-1.0, min(centre - reach, value)),
        high=min(1.0, max(centre + reach, value)),
        n=n,
        interval="agresti-min",
    )


def pictures_needed(only_first: int, only_second: int, n: int) -> int | None:
    """Pictures that would tell such a difference with a power of 0.8 (Connor 1987).

    None where there is no difference to tell.
    """
    if only_first == only_second:
        return None
    differing, difference = (only_first + only_second) / n, (only_first - only_second) / n
    spread = Z_95 * math.sqrt(differing) + 0.8416 * math.sqrt(max(differing - difference**2, 0.0))
    return math.ceil((spread / difference) ** 2)
