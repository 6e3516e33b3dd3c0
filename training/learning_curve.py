"""The learning curve: what more pictures would bring, and of which species.

The same network is trained on a quarter, a half, three quarters and all of the training
pictures and asked about the same test pictures, which choose nothing. The rule for advice: a
species still gains if significantly more of its test pictures are recognised by the network
trained on all pictures than by the one trained on half of them (McNemar's exact test, at 5 %
shared among the species, so that one of many is not named by luck). Where that can be told of
no species, the curve says so, and names the one that is recognised least, which is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.comparison import SIGNIFICANCE, Comparison, compared
from training.intervals import Figure, Floats, over_pictures, wilson
from training.predictions import Predictions
from training.series import Trial
from training.wording import in_words, p_in_words, percent, points

HALF, ALL = 0.5, 1.0
_MOSTLY = 0.5
"""More than this share of the seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesCurve:
    """How one species fares with more pictures."""

    species: str
    recalls: tuple[Figure, ...]
    """At each share."""
    gain: Comparison
    """All training pictures against half of them, on its test pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Accuracy over the share of the training pictures, and advice."""

    shares: tuple[float, ...]
    accuracies: tuple[Figure, ...]
    gain: Comparison
    """All training pictures against half of them."""
    species: tuple[SpeciesCurve, ...]
    advice: str


def drawn(
    done: Sequence[tuple[Trial, Mapping[str, Any]]],
    said: Sequence[Predictions],
    *,
    split: str = "test",
) -> LearningCurve:
    """Draw the curve; of several seeds it has the means.

    Whether a species gained is tested by pictures: of several seeds, one is recognised where more
    than half of them recognise it.

    Args:
        done: The trials, with their metrics.
        said: What each said of the same pictures, in the same order.
        split: Where these pictures are.
    """
    shares = sorted({trial.portion.share for trial, _ in done})
    names = tuple(done[0][1]["species"])
    labels = said[0].labels
    right = {
        share: _shares_right(
            [
                one
                for (trial, _), one in zip(done, said, strict=True)
                if trial.portion.share == share
            ]
        )
        for share in shares
    }
    species = tuple(
        _species_curve(name, [right[share][labels == label] for share in shares], shares)
        for label, name in enumerate(names)
    )
    return LearningCurve(
        shares=tuple(shares),
        accuracies=tuple(_mean_right(right[share]) for share in shares),
        gain=_gained(right[ALL], right[HALF]),
        species=species,
        advice=advice(species, split),
    )


def _shares_right(said: Sequence[Predictions]) -> Floats:
    """Of each picture, the share of the seeds that recognise it."""
    shares: Floats = np.mean([one.right for one in said], axis=0)
    return shares


def _mean_right(right: Floats) -> Figure:
    """The accuracy, over all seeds; of one alone with Wilson's interval."""
    n = len(right)
    if not n or not right.std() or set(np.unique(right)) <= {0.0, 1.0}:
        return replace(wilson(round(right.sum()), n), value=float(right.mean()) if n else None)
    return over_pictures(lambda draws: draws @ right / n, n=n, seed=0, value=float(right.mean()))


def _gained(all_: Floats, half: Floats) -> Comparison:
    """McNemar's test of what most seeds recognise, with the difference of the seeds' means."""
    found, n = compared(all_ > _MOSTLY, half > _MOSTLY), len(all_)
    if not n or set(np.unique([all_, half])) <= {0.0, 1.0}:
        return found
    more = all_ - half
    mean = over_pictures(lambda draws: draws @ more / n, n=n, seed=0, value=float(more.mean()))
    return replace(found, difference=mean)


def _species_curve(name: str, right: Sequence[Floats], shares: Sequence[float]) -> SpeciesCurve:
    return SpeciesCurve(
        species=name,
        recalls=tuple(_mean_right(one) for one in right),
        gain=_gained(right[shares.index(ALL)], right[shares.index(HALF)]),
    )


def advice(species: Sequence[SpeciesCurve], split: str) -> str:
    """Which species to gather more pictures of, by the rule above."""
    measured = [one for one in species if one.gain.n]
    if not measured:
        return f"No species has {split} pictures, so nothing can be said about gathering more."
    gaining = sorted(
        (one for one in measured if _is_gaining(one.gain, of=len(measured))),
        key=lambda one: -(one.gain.difference.value or 0.0),
    )
    if gaining:
        told = "; ".join(
            f"{one.species} ({points(one.gain.difference.value or 0.0)} points from half to all"
            f" of its pictures, {p_in_words(one.gain.p_value)})"
            for one in gaining
        )
        return f"More pictures would likely help most with {told}."
    weakest = min(measured, key=lambda one: one.recalls[-1].value or 0.0)
    return (
        f"These {split} pictures cannot tell of any species that it gained by the second half of"
        f" the training pictures. {weakest.species} is recognised least"
        f" ({percent(weakest.recalls[-1].value)} of {weakest.gain.n}): to begin there is a guess."
    )


def _is_gaining(gain: Comparison, *, of: int) -> bool:
    return gain.only_first > gain.only_second and gain.p_value < SIGNIFICANCE / of


def in_lines(curve: LearningCurve) -> list[str]:
    """The curve on the terminal."""
    lines = [
        f"{share:5.0%} of the training pictures: accuracy {in_words(accuracy)}"
        for share, accuracy in zip(curve.shares, curve.accuracies, strict=True)
    ]
    lines += [
        f"  {one.species:24} recognised "
        + " → ".join(percent(recall.value) for recall in one.recalls)
        for one in curve.species
    ]
    return [*lines, curve.advice]
