"""Measures: how well a classifier does, and how far to trust the figure.

Proportions carry Wilson's interval, and so does F1, which is one in disguise; means over
species carry a bootstrap's. All of it follows from labels and probabilities alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.calibration import Reliability, reliability
from training.comparison import Comparison, compared
from training.intervals import RESAMPLES, Counts, Figure, Floats, percentiles, wilson

BaselineKind = Literal["majority", "patches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesMeasures:
    """How one species fares."""

    species: str
    n: int
    """Pictures of it."""
    precision: Figure
    """Of the pictures said to show it, how many do."""
    recall: Figure
    """Of the pictures that show it, how many were recognised."""
    f1: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How a classifier fares on one split."""

    split: str
    n: int
    accuracy: Figure
    balanced_accuracy: Figure
    """Mean recall of the species that occur."""
    macro_f1: Figure
    """Mean F1 of the species that occur."""
    top_2: Figure
    loss: float | None
    """Mean cross-entropy."""
    reliability: Reliability
    """Of the probabilities as `predict` shows them."""
    baselines: tuple[Baseline, ...]
    """`majority` first."""
    species: tuple[SpeciesMeasures, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: what a picture shows; columns: what was said."""

    def record(self) -> dict[str, Any]:
        """The measures as `metrics.json` holds them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What can be had without a network, on the same pictures."""

    kind: BaselineKind
    """`majority` always names the commonest training species; for `patches` see
    `training.baselines`."""
    says: str
    """What it does, in words."""
    accuracy: Figure
    network: Comparison
    """The network against it."""


def measure(
    labels: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    *,
    split: str,
    species: Sequence[str],
    commonest: int,
    seed: int,
    patches_said: NDArray[np.int32] | None = None,
) -> Measures:
    """Measure one split.

    Args:
        labels: What the pictures show, shape (n,).
        probabilities: What was said of them, calibrated, shape (n, species).
        split: Its name.
        species: Their names, in the order of the labels.
        commonest: The label that is commonest among the training pictures.
        seed: Of the bootstrap.
        patches_said: What the baseline without a network said, shape (n,).
    """
    said = probabilities.argmax(axis=1)
    confusion = confusion_of(labels, said, len(species))
    n, right = len(labels), int(np.trace(confusion))
    resamples = resampled(confusion, seed=seed)
    answers = {"majority": np.full(n, commonest, np.int32), "patches": patches_said}
    return Measures(
        split=split,
        n=n,
        accuracy=wilson(right, n),
        balanced_accuracy=_bootstrap(confusion, resamples, balanced_accuracy_of, n=n),
        macro_f1=_bootstrap(confusion, resamples, macro_f1_of, n=n),
        top_2=wilson(_in_top_2(labels, probabilities), n),
        loss=cross_entropy(labels, probabilities),
        reliability=reliability(labels, probabilities, seed=seed),
        baselines=_baselines(labels, said == labels, answers, commonest=species[commonest]),
        species=tuple(
            _species_measures(name, label, confusion) for label, name in enumerate(species)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_of(labels: NDArray[np.int32], predicted: NDArray[np.intp], species: int) -> Counts:
    """Count what was said (columns) of what was shown (rows), shape (species, species)."""
    cells = labels.astype(np.int64) * species + predicted
    return np.bincount(cells, minlength=species * species).reshape(species, species)


def resampled(confusion: Counts, *, seed: int) -> Counts:
    """Confusion matrices of as many pictures drawn anew, shape (RESAMPLES, species, species).

    Drawing pictures with replacement is drawing the cells they fall in. Each row that has a
    picture has half a one more, spread over its cells: else no resample of a faultless result
    has a fault, and 5 pictures would prove as much as 5,000. What does not occur stays away.
    """
    n = int(confusion.sum())
    occurs = confusion.sum(axis=1, keepdims=True) > 0
    smooth = np.where(occurs | (n == 0), confusion + 0.5 / len(confusion), 0)
    shares = (smooth / smooth.sum()).ravel()
    draws = (
        np.random.default_rng(seed).multinomial(n, shares, size=RESAMPLES)
        if n
        else (np.zeros((RESAMPLES, confusion.size), np.int64))
    )
    return draws.reshape(RESAMPLES, *confusion.shape)


def recalls_of(confusion: Counts) -> Floats:
    """Recall of each species, NaN where it does not occur; shape (…, species)."""
    return _ratio(_diagonal(confusion), confusion.sum(axis=-1))


def f1s_of(confusion: Counts) -> Floats:
    """F1 of each species, NaN where it neither occurs nor was said; shape (…, species)."""
    return _ratio(2 * _diagonal(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def balanced_accuracy_of(confusion: Counts) -> Floats:
    """Mean recall of the species that occur; shape (…)."""
    return _mean_where(recalls_of(confusion), confusion.sum(axis=-1) > 0)


def macro_f1_of(confusion: Counts) -> Floats:
    """Mean F1 of the species that occur; shape (…)."""
    return _mean_where(f1s_of(confusion), confusion.sum(axis=-1) > 0)


def _diagonal(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(parts: Counts | Floats, wholes: Counts) -> Floats:
    ratios: Floats = np.full(wholes.shape, np.nan)
    return np.divide(parts, wholes, out=ratios, where=wholes > 0)


def _mean_where(values: Floats, present: NDArray[np.bool_]) -> Floats:
    sums: Floats = np.where(present, np.nan_to_num(values), 0.0).sum(axis=-1)
    counts: Counts = present.sum(axis=-1)
    return _ratio(sums, counts)


def _bootstrap(
    confusion: Counts, resamples: Counts, statistic: Callable[[Counts], Floats], *, n: int
) -> Figure:
    return percentiles(float(statistic(confusion)), statistic(resamples), n=n)


def _species_measures(name: str, label: int, confusion: Counts) -> SpeciesMeasures:
    right = int(confusion[label, label])
    shown, said = int(confusion[label].sum()), int(confusion[:, label].sum())
    return SpeciesMeasures(
        species=name,
        n=shown,
        precision=wilson(right, said),
        recall=wilson(right, shown),
        f1=_f1(right, shown + said - right),
    )


def _f1(right: int, shown_or_said: int) -> Figure:
    """F1 is 2s / (1 + s), with s the share of right ones among all pictures shown or said."""
    share = wilson(right, shown_or_said)

    def f1(value: float | None) -> float | None:
        return None if value is None else 2 * value / (1 + value)

    return replace(share, value=f1(share.value), low=f1(share.low), high=f1(share.high))


def _in_top_2(labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> int:
    two = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    return int((two == labels[:, None]).any(axis=1).sum())


def cross_entropy(labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> float | None:
    """Mean cross-entropy in nats; None of no pictures."""
    if not len(labels):
        return None
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_truth, 1e-7, 1.0)).mean())


def _baselines(
    labels: NDArray[np.int32],
    right: NDArray[np.bool_],
    answers: Mapping[str, NDArray[np.int32] | None],
    *,
    commonest: str,
) -> tuple[Baseline, ...]:
    words: dict[BaselineKind, str] = {
        "majority": f"always saying {commonest}",
        "patches": "whitened patches and a ridge classifier, no network at all,",
    }
    return tuple(
        Baseline(
            kind=kind,
            says=words[kind],
            accuracy=wilson(int((said == labels).sum()), len(labels)),
            network=compared(right, said == labels),
        )
        for kind in words
        if (said := answers[kind]) is not None
    )
