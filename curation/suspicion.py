"""Suspicion: one figure that says which images a person should look at first, and why.

Every reason has a weight, roughly the chance that an image with it does not belong; reasons
are taken as independent (a noisy or), so the figure grows with each and stays below 1. It
decides nothing: no image is dropped for it, and the lock does not cover it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from curation import reasons
from curation.dataset import Dataset, Row
from curation.flags import is_usable, words
from curation.spool import Selection

CONFLICT_WEIGHT: Final = 0.95
OUTLIER_WEIGHT: Final = 0.5
LABEL_WEIGHT: Final = 0.9
WEIGHTS: Final[Mapping[str, float]] = {
    reasons.BLANK: 0.9,
    reasons.PLACEHOLDER: 0.9,
    reasons.DRAWING: 0.7,
    reasons.TEXT: 0.6,
    reasons.COLLAGE: 0.4,
    reasons.LOW_INFORMATION: 0.4,
    reasons.BLURRED: 0.35,
    reasons.DARK: 0.3,
    reasons.BRIGHT: 0.3,
    reasons.TINY: 0.2,
    reasons.ODD_ASPECT: 0.15,
    reasons.GREY: 0.1,
    reasons.THUMBNAIL: 0.05,
}
"""Of each flag; a trait of the dataset weighs nothing."""

_MIN_TOLD = 0.05
"""What weighs less is no reason to name."""


def with_suspicion(rows: Iterable[Row], usual: Collection[str]) -> Iterator[Row]:
    """Give every row that shows a picture of its own its suspicion; others have none.

    A person's `keep` or `move` settles the matter: nothing is suspicious any more. `usual` are
    the dataset's traits (`curation.flags.traits`).
    """
    return (_judged(row, usual) for row in rows)


def _judged(row: Row, usual: Collection[str]) -> Row:
    if not is_usable(row) or reasons.word(row.reason) == reasons.REVIEWED:
        return replace(row, suspicion=None, suspicion_reasons="")
    if row.kept and _is_settled(row):
        return replace(row, suspicion=0.0, suspicion_reasons="")
    found = sorted(_reasons(row, usual), key=lambda found: (-found[0], found[1]))
    innocent = math.prod(1 - weight for weight, _ in found)
    told = [reason for weight, reason in found if weight >= _MIN_TOLD]
    return replace(row, suspicion=round(1 - innocent, 4), suspicion_reasons=", ".join(told))


def _is_settled(row: Row) -> bool:
    """Whether a person looked at what it shows, and not only at what it resembles."""
    return any(mark.startswith(("keep", "move")) for mark in row.review.split("; "))


def _reasons(row: Row, usual: Collection[str]) -> Iterator[tuple[float, str]]:
    """What speaks against an image, and how much, 0 to 1."""
    if reasons.word(row.reason) == reasons.CONFLICT:
        yield CONFLICT_WEIGHT, row.reason.replace(",", " and")
    if row.label_doubt:
        yield LABEL_WEIGHT * row.label_doubt, f"looks like {row.likely_species}"
    if row.outlier:
        yield OUTLIER_WEIGHT * row.outlier, "unlike the others"
    yield from ((WEIGHTS[flag], flag) for flag in words(row) if flag not in usual)


def suspects(rows: Sequence[Row], *, at_least: float = 0.3) -> Sequence[Row]:
    """The rows worth a look, worst first, each image of a species once."""
    first: dict[tuple[str, str], tuple[float, str, int]] = {}
    for place, row in enumerate(rows):
        if row.suspicion and row.suspicion >= at_least:
            order = -row.suspicion, row.group or row.digest, place
            first.setdefault((row.digest, row.species), order)
    return Selection(rows, (place for _, _, place in sorted(first.values())))


def looked_at(rows: Iterable[Row]) -> tuple[int, int]:
    """At how many pictures a network looked for outliers and wrong labels, of how many kept."""
    looked = kept = 0
    for row in rows:
        looked += row.outlier is not None
        kept += row.kept
    return looked, kept


def who_looked(dataset: Dataset) -> str:
    """Which network looked at how many of the pictures for outliers and wrong labels."""
    looked, kept = looked_at(dataset.rows)
    if not looked:
        return (
            "No network has looked at these pictures for outliers and wrong labels:"
            " bestiary suspect does, with pre-trained weights that are at hand."
        )
    told = (
        f"{dataset.network or 'A network that is not named'} has looked at {looked:,} of these"
        f" {kept:,} pictures for outliers and wrong labels."
    )
    if looked == kept:
        return told
    return f"{told} The others came later, or could not be read: bestiary suspect looks at all."
