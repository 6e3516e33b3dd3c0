"""Measures: how well a classifier does, and how far to trust the figure.

Proportions carry Wilson's interval, and so does F1, which is one in disguise; means over
species carry a bootstrap's. All of it follows from labels and probabilities alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.calibration import LEAST, Reliability, reliability
from training.comparison import Comparison, compared
from training.intervals import RESAMPLES, Counts, Figure, Floats, nothing, percentiles, wilson

BaselineKind = Literal["majority", "patches"]
Statistic = Callable[[Counts | Floats], Floats]
"""Of confusion matrices, shape (…, species, species), one value each."""

_MORE = 4
"""Pictures that a bootstrap draws from besides those there are."""
_CELLS_AT_ONCE = 2**22
"""Of resamples, so many are in memory."""


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

    @property
    def has_top_2(self) -> bool:
        """Whether it says anything to be among the first two: of two species all are."""
        return len(self.species) > 2

    @property
    def left_out(self) -> tuple[str, ...]:
        """Species without a picture here, which means over species leave out."""
        return tuple(row.species for row in self.species if not row.n) if self.n else ()

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
    balanced, macro_f1 = bootstrapped(confusion, (balanced_accuracy_of, macro_f1_of), seed=seed)
    answers = {"majority": np.full(n, commonest, np.int32), "patches": patches_said}
    return Measures(
        split=split,
        n=n,
        accuracy=wilson(right, n),
        balanced_accuracy=balanced,
        macro_f1=macro_f1,
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


def recalls_of(confusion: Counts | Floats) -> Floats:
    """Recall of each species, NaN where it does not occur; shape (…, species)."""
    return _ratio(_diagonal(confusion), confusion.sum(axis=-1))


def f1s_of(confusion: Counts | Floats) -> Floats:
    """F1 of each species, NaN where it neither occurs nor was said; shape (…, species)."""
    return _ratio(2 * _diagonal(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def balanced_accuracy_of(confusion: Counts | Floats) -> Floats:
    """Mean recall of the species that occur; shape (…)."""
    return _mean_where(recalls_of(confusion), confusion.sum(axis=-1) > 0)


def macro_f1_of(confusion: Counts | Floats) -> Floats:
    """Mean F1 of the species that occur; shape (…)."""
    return _mean_where(f1s_of(confusion), confusion.sum(axis=-1) > 0)


def _diagonal(confusion: Counts | Floats) -> Counts | Floats:
    species = np.arange(confusion.shape[-1])
    return confusion[..., species, species]


def _ratio(parts: Counts | Floats, wholes: Counts | Floats) -> Floats:
    ratios: Floats = np.full(wholes.shape, np.nan)
    return np.divide(parts, wholes, out=ratios, where=wholes > 0)


def _mean_where(values: Floats, present: NDArray[np.bool_]) -> Floats:
    sums: Floats = np.where(present, np.nan_to_num(values), 0.0).sum(axis=-1)
    counts: Counts = present.sum(axis=-1)
    return _ratio(sums, counts)


def bootstrapped(
    confusion: Counts, statistics: Sequence[Statistic], *, seed: int
) -> tuple[Figure, ...]:
    """Statistics of a confusion matrix, with the intervals of as many pictures drawn anew.

    Drawing pictures with replacement is drawing the cells they fall in. Four pictures more are
    spread over the rows that have any, and over their cells (after Agresti and Coull 1998): else
    no resample of a faultless result has a fault, and 5 pictures would prove as much as 5,000.
    What they do to the statistic itself, the more the more species there are, is taken off again,
    and so is what drawing does to it: of few pictures, F1 comes out too low.
    """
    n = int(confusion.sum())
    if not n:
        return tuple(nothing(0, "bootstrap") for _ in statistics)
    occurs = confusion.sum(axis=1, keepdims=True) > 0
    more = _MORE / (int(occurs.sum()) * len(confusion))
    smooth: Floats = np.where(occurs, confusion + more, 0.0)
    drawn = [[statistic(some) for statistic in statistics] for some in _resamples(smooth, n, seed)]
    return tuple(
        _moved(np.concatenate(found), float(of(confusion)), float(of(smooth)), n=n)
        for of, found in zip(statistics, zip(*drawn, strict=True), strict=True)
    )


def _moved(drawn: Floats, value: float, smooth: float, *, n: int) -> Figure:
    middle = float(np.nanmean(drawn))
    truth = value - (middle - smooth)
    return percentiles(value, np.clip(drawn - middle + truth, 0.0, 1.0), n=n)


def _resamples(smooth: Floats, n: int, seed: int) -> Iterator[Counts]:
    """Confusion matrices of n pictures each, shape (…, species, species), `RESAMPLES` in all."""
    rng, shares = np.random.default_rng(seed), (smooth / smooth.sum()).ravel()
    at_once = max(1, _CELLS_AT_ONCE // smooth.size)
    for first in range(0, RESAMPLES, at_once):
        draws = rng.multinomial(n, shares, size=min(at_once, RESAMPLES - first))
        yield draws.reshape(-1, *smooth.shape)


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
    return float(-np.log(np.maximum(of_truth, LEAST)).mean())


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
