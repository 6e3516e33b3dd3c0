"""Calibration: a probability of 80 % should be right four times in five.

Networks claim too much, or after strong augmentation too little. One number mends most of
it: the temperature that the logits are divided by (Guo et al. 2017, arXiv 1706.04599), fitted
on the validation pictures, kept with the model, and applied wherever a probability is shown.
It changes no answer, only how sure it sounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.intervals import RESAMPLES, Figure, Floats, nothing, over_pictures, wilson

BINS = 15
"""Of equal width, as in Guo et al."""

_MOST_TIMES = 64
_HALVINGS = 20
"""Enough for the last of 2,000 draws."""

_LOG_TEMPERATURES = (-3.0, 3.0)
"""From a twentieth to twenty."""
HIGHEST = float(np.exp(_LOG_TEMPERATURES[1]))
"""Temperature that is tried: a network that wants a higher one says next to nothing."""
LEAST = float(np.finfo(np.float32).tiny)
"""Probability: any larger one would say of a network that is all too sure something else than its
logits do."""

Probabilities = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the validation pictures say of a network's probabilities; kept in `run.json`."""

    temperature: float
    n: int
    """Validation pictures that it was fitted on."""
    unknown_below: float
    """A picture whose best probability is lower is called unknown."""
    lost: float
    """The share of the validation pictures, which do show a known species, that this costs."""

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not np.isfinite(self.temperature):
            raise ValueError(f"a temperature is a number above 0, not {self.temperature}")
        if not 0 <= self.unknown_below <= 1:
            raise ValueError(f"unknown_below is a probability, not {self.unknown_below}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The pictures whose best probability lies from `low` to `high`."""

    low: float
    high: float
    confidence: float
    """Their mean best probability."""
    accuracy: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How far probabilities hold what they say."""

    ece: Figure
    """Expected calibration error: the mean distance of confidence and accuracy over the bins."""
    brier: Figure
    """Mean squared distance of the probabilities from the truth, 0 to 2."""
    mean_confidence: float | None
    bins: tuple[ReliabilityBin, ...]
    """Those with pictures in them."""


def calibrated(probabilities: Probabilities, temperature: float) -> Probabilities:
    """The probabilities after their logits were divided by a temperature, shape (n, classes)."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), LEAST)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    shares: Probabilities = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def fitted_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """The temperature that makes the labels most likely; 1 of no pictures.

    As after Platt (1999) the truth is held to be a little uncertain, by Laplace's rule: else
    ten validation pictures without a mistake would let the network be sure of everything.
    """
    from scipy.optimize import minimize_scalar

    n, classes = probabilities.shape
    if n == 0:
        return 1.0
    targets = np.full((n, classes), 1 / (n + classes))
    targets[np.arange(n), labels] = (n + 1) / (n + classes)
    logits = np.log(np.maximum(probabilities.astype(np.float64), LEAST))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        top = scaled.max(axis=1, keepdims=True)
        log_sums = top + np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))
        return float((targets * (log_sums - scaled)).sum())

    found = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))


def reliability(labels: Labels, probabilities: Probabilities, *, seed: int) -> Reliability:
    """Measure how far probabilities, shape (n, classes), hold what they say."""
    n = len(labels)
    confidence = probabilities.max(axis=1, initial=0.0).astype(np.float64)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    squares = _squares(labels, probabilities)
    return Reliability(
        ece=_ece(confidence, right, places, seed=seed),
        brier=over_pictures(
            lambda draws: draws @ squares / n,
            n=n,
            seed=seed,
            value=float(squares.mean()) if n else np.nan,
        ),
        mean_confidence=float(confidence.mean()) if n else None,
        bins=tuple(_bin(place, confidence, right, places) for place in np.unique(places)),
    )


def _squares(labels: Labels, probabilities: Probabilities) -> Floats:
    off = probabilities.astype(np.float64)
    off[np.arange(len(labels)), labels] -= 1
    squares: Floats = (off**2).sum(axis=1)
    return squares


def _ece(confidence: Floats, right: Floats, places: NDArray[np.int_], *, seed: int) -> Figure:
    """The error of n pictures, and which true errors go with it.

    Measured errors are larger than true ones, since chance, too, moves bins away from the line; so
    are those of a bootstrap, once more. Instead it is asked of which true errors chance would make
    more than this one in 97.5 % of cases, or less: from below of multiples of the bins' gaps, from
    above of multiples of gaps that chance may have hidden, when half a picture more is no more.
    """
    n = len(confidence)
    if n == 0:
        return nothing(0, "inversion")
    count, hits, sure = (
        np.bincount(places, weights, BINS) for weights in (np.ones(n), right, confidence)
    )
    gaps = (sure - hits) / n
    share = (hits + 1) / (count + 2)  # Three of three right do not mean that chance plays no part.
    noise = np.sqrt(count * share * (1 - share)) / n
    draws = np.random.default_rng(seed).standard_normal((RESAMPLES, BINS)) * noise
    value = float(np.abs(gaps).sum())
    spread = np.sqrt(np.count_nonzero(count))  # Chance in many bins cannot hide that much in each.
    hidden = np.copysign(np.hypot(gaps, noise / spread), gaps)
    half = 0.5 * spread / n
    low = _largest(gaps, draws, up_to=value, in_more_than=0.975)
    high = _largest(hidden, draws, up_to=value + half, in_more_than=0.025)
    return Figure(
        value=value, low=min(low, value), high=min(max(high, value), 1.0), n=n, interval="inversion"
    )


def _largest(gaps: Floats, draws: Floats, *, up_to: float, in_more_than: float) -> float:
    """The largest error, of multiples of these gaps, that chance leaves small often enough."""

    def share(times: float) -> float:
        return float((np.abs(times * gaps + draws).sum(axis=1) <= up_to).mean())

    low, high = 0.0, 1.0
    if share(low) <= in_more_than:
        return low
    while share(high) > in_more_than and high < _MOST_TIMES:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) > in_more_than else (low, middle)
    return float(np.abs(gaps).sum()) * high


def _bin(place: int, confidence: Floats, right: Floats, places: NDArray[np.int_]) -> ReliabilityBin:
    inside = places == place
    return ReliabilityBin(
        low=int(place) / BINS,
        high=(int(place) + 1) / BINS,
        confidence=float(confidence[inside].mean()),
        accuracy=wilson(int(right[inside].sum()), int(inside.sum())),
    )
