"""The learning curve: what more pictures would bring, and of which species.

The same network is trained on a quarter, a half, three quarters and all of the training
pictures and asked about the same test pictures, which choose nothing. The rule for advice: a
species still gains if significantly more of its test pictures are recognised by the network
trained on all pictures than by the one trained on half of them (McNemar's exact test, at 5 %
shared among the species, so that one of many is not named by luck), and if the former also is
right more often, of all test pictures, about whether they show it (the same test): to name a
species more often recognises more of its pictures, and proves nothing. Where that can be told
of no species, the curve says so, and names the one that is recognised least, which is a guess.
Of a network that all pictures taught no more than to name one species, nothing is advised, nor
where the test pictures are too few to tell it from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.comparison import SIGNIFICANCE, Comparison, against_one_answer, compared
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
    told_apart: Comparison
    """The same on all test pictures, where right is to say of one that it shows the species if
    it does, and another species if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Accuracy over the share of the training pictures, and advice."""

    shares: tuple[float, ...]
    accuracies: tuple[Figure, ...]
    gain: Comparison
    """All training pictures against half of them."""
    against_majority: Comparison
    """All training pictures, of several seeds the one in the middle, against naming the commonest
    species of the test pictures always."""
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
    by_share = {
        share: [
            one for (trial, _), one in zip(done, said, strict=True) if trial.portion.share == share
        ]
        for share in shares
    }
    right = {share: _shares_right(some) for share, some in by_share.items()}
    species = tuple(
        SpeciesCurve(
            species=name,
            recalls=tuple(_mean_right(right[share][labels == label]) for share in shares),
            gain=_gained(right[ALL][labels == label], right[HALF][labels == label]),
            told_apart=_gained(*(_shares_apart(by_share[share], label) for share in (ALL, HALF))),
        )
        for label, name in enumerate(names)
    )
    against_majority = _against_majority(by_share[ALL])
    return LearningCurve(
        shares=tuple(shares),
        accuracies=tuple(_mean_right(right[share]) for share in shares),
        gain=_gained(right[ALL], right[HALF]),
        against_majority=against_majority,
        species=species,
        advice=advice(species, against_majority, split),
    )


def _shares_right(said: Sequence[Predictions]) -> Floats:
    """Of each picture, the share of the seeds that recognise it."""
    shares: Floats = np.mean([one.right for one in said], axis=0)
    return shares


def _shares_apart(said: Sequence[Predictions], label: int) -> Floats:
    """Of each picture, the share of the seeds that are right about whether it shows a species."""
    named = [one.probabilities.argmax(axis=1) == label for one in said]
    shares: Floats = np.mean(np.array(named) == (said[0].labels == label), axis=0)
    return shares


def _against_majority(said: Sequence[Predictions]) -> Comparison:
    """Of several seeds, the one in the middle: to want most of them right asks more of a network
    than of a baseline."""
    middle = sorted(said, key=lambda one: int(one.right.sum()))[(len(said) - 1) // 2]
    return against_one_answer(middle.right, middle.labels)


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


def advice(species: Sequence[SpeciesCurve], against_majority: Comparison, split: str) -> str:
    """Which species to gather more pictures of, by the rule above."""
    measured = [one for one in species if one.gain.n]
    if not measured:
        return f"No species has {split} pictures, so nothing can be said about gathering more."
    if against_majority.only_first <= against_majority.only_second:
        return (
            f"After training on all of the pictures, the network is right for no more {split}"
            " pictures than naming one species always: it learnt too little to advise which species"
            " to gather more of. Train it longer, or another one, first."
        )
    if against_majority.verdict == "cannot tell":
        return (
            f"These {split} pictures are too few to tell the network, after training on all of the"
            " pictures, from naming one species always: which species to gather more of, they"
            " cannot tell either."
        )
    gaining = sorted(
        (one for one in measured if _is_gaining(one, of=len(measured))),
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


def _is_gaining(one: SpeciesCurve, *, of: int) -> bool:
    return all(
        gain.only_first > gain.only_second and gain.p_value < SIGNIFICANCE / of
        for gain in (one.gain, one.told_apart)
    )


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
