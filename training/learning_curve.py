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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.comparison import SIGNIFICANCE, Comparison, compared
from training.intervals import Figure, wilson
from training.predictions import Predictions
from training.series import Trial
from training.wording import p_in_words, percent, points

HALF, ALL = 0.5, 1.0


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
    done: Sequence[tuple[Trial, Mapping[str, Any]]], said: Sequence[Predictions]
) -> LearningCurve:
    """Draw the curve; of several seeds, a picture counts as right if most recognise it.

    Args:
        done: The trials, with their metrics.
        said: What each said of the same pictures, in the same order.
    """
    shares = sorted({trial.portion.share for trial, _ in done})
    names = tuple(done[0][1]["species"])
    labels = said[0].labels
    right = {
        share: _mostly_right(
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
        accuracies=tuple(_share_right(right[share]) for share in shares),
        gain=compared(right[ALL], right[HALF]),
        species=species,
        advice=advice(species),
    )


def _mostly_right(said: Sequence[Predictions]) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = np.mean([one.right for one in said], axis=0) >= 0.5
    return right


def _share_right(right: NDArray[np.bool_]) -> Figure:
    return wilson(int(right.sum()), len(right))


def _species_curve(
    name: str, right: Sequence[NDArray[np.bool_]], shares: Sequence[float]
) -> SpeciesCurve:
    return SpeciesCurve(
        species=name,
        recalls=tuple(_share_right(one) for one in right),
        gain=compared(right[shares.index(ALL)], right[shares.index(HALF)]),
    )


def advice(species: Sequence[SpeciesCurve]) -> str:
    """Which species to gather more pictures of, by the rule above."""
    measured = [one for one in species if one.gain.n]
    if not measured:
        return "No species has test pictures, so nothing can be said about gathering more."
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
        "These test pictures cannot tell of any species that it gained by the second half of the"
        f" training pictures. {weakest.species} is recognised least"
        f" ({percent(weakest.recalls[-1].value)} of {weakest.gain.n}): to begin there is a guess."
    )


def _is_gaining(gain: Comparison, *, of: int) -> bool:
    return gain.only_first > gain.only_second and gain.p_value < SIGNIFICANCE / of


def in_lines(curve: LearningCurve) -> list[str]:
    """The curve on the terminal."""
    lines = [
        f"{share:5.0%} of the training pictures: accuracy {percent(accuracy.value)}"
        for share, accuracy in zip(curve.shares, curve.accuracies, strict=True)
    ]
    lines += [
        f"  {one.species:24} recognised "
        + " → ".join(percent(recall.value) for recall in one.recalls)
        for one in curve.species
    ]
    return [*lines, curve.advice]
