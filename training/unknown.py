"""None of these: how a network that knows five species can say that it sees none of them.

A picture whose best calibrated probability is low is called unknown (the maximum softmax
probability of Hendrycks and Gimpel 2017, arXiv 1610.02136). Where the line lies is chosen on
the validation pictures, all of which show a known species: one in twenty of them may be lost.
How much it catches can only be measured on pictures of other animals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.calibration import Calibration, calibrated, fitted_temperature
from training.intervals import Counts, Figure, Floats, nothing, percentiles, wilson

MAY_BE_LOST = 0.05

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well pictures of other animals are told from those of the known species."""

    others: str
    """Where they came from."""
    n: int
    """Pictures of other animals."""
    n_known: int
    auroc: Figure
    """How often a picture of another animal has a lower best probability than one of a known
    species: 0.5 is chance, 1 is always."""
    caught: Figure
    """Of the other animals, how many are called unknown."""
    lost: Figure
    """Of the known species' pictures, how many are called unknown as well."""
    mistaken_for: dict[str, int]
    """What the others are taken for, those that are not called unknown."""


def calibration_of(labels: NDArray[np.int32], probabilities: Probabilities) -> Calibration | None:
    """Fit temperature and threshold on validation pictures; None without any.

    Args:
        labels: What they show, shape (n,).
        probabilities: As the network gives them, shape (n, species).
    """
    if not len(labels):
        return None
    temperature = fitted_temperature(labels, probabilities)
    best = calibrated(probabilities, temperature).max(axis=1)
    threshold = threshold_of(best)
    return Calibration(
        temperature=temperature,
        n=len(labels),
        unknown_below=threshold,
        lost=float((best < threshold).mean()),
    )


def threshold_of(best: NDArray[np.float32], *, may_be_lost: float = MAY_BE_LOST) -> float:
    """The highest threshold below which at most a share of the pictures lies."""
    return float(np.sort(best)[math.floor(may_be_lost * len(best))])


def separation(
    known: Probabilities,
    others: Probabilities,
    *,
    named: str,
    species: tuple[str, ...],
    unknown_below: float,
    seed: int,
) -> Separation:
    """Measure on test pictures and on pictures of other animals what the threshold does.

    Args:
        known: Calibrated probabilities of test pictures, shape (n, species).
        others: The same of other animals' pictures.
        named: Where the others came from.
        species: The known species' names.
        unknown_below: The threshold.
        seed: Of the bootstrap.
    """
    best, best_of_others = known.max(axis=1), others.max(axis=1)
    caught = best_of_others < unknown_below
    taken = np.bincount(others[~caught].argmax(axis=1), minlength=len(species))
    return Separation(
        others=named,
        n=len(others),
        n_known=len(known),
        auroc=auroc(best, best_of_others, seed=seed),
        caught=wilson(int(caught.sum()), len(others)),
        lost=wilson(int((best < unknown_below).sum()), len(known)),
        mistaken_for={name: int(n) for name, n in zip(species, taken, strict=True) if n},
    )


def auroc(known: NDArray[np.float32], others: NDArray[np.float32], *, seed: int) -> Figure:
    """The area under the curve of true over false alarms, with a bootstrap over both sides.

    Args:
        known: Scores that should be high, shape (n,).
        others: Scores that should be low, shape (m,).
        seed: Of the bootstrap.
    """
    n, m = len(known), len(others)
    if not n or not m:
        return nothing(n + m, "bootstrap")
    higher = _shares_below(known, others)
    lower = 1 - _shares_below(others, known)
    value = float(higher.mean())
    # Hoeffding's projection: the area is, but for terms of 1 / nm, a mean over either side.
    # Each side has one score more, which tells nothing: else 5 that are all told apart would
    # prove as much as 5,000.
    rng = np.random.default_rng(seed)
    sides = (np.append(side, 0.5) - value for side in (higher, lower))
    drawn = value + sum(_drawn_means(side, rng) for side in sides)
    return percentiles(value, np.clip(drawn, 0.0, 1.0), n=n + m)


def _shares_below(scores: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
    """For each score the share of the others that is lower; equal ones count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left")
    up_to = np.searchsorted(ordered, scores, "right")
    shares: Floats = (below + up_to) / (2 * len(others))
    return shares


def _drawn_means(values: Floats, rng: np.random.Generator) -> Floats:
    """Means of as many values drawn anew, 2,000 times."""
    n = len(values)
    means = [_mean_of(rng.multinomial(n, np.full(n, 1 / n)), values) for _ in range(2000)]
    return np.array(means)


def _mean_of(counts: Counts, values: Floats) -> float:
    return float(counts @ values / len(values))
