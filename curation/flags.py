"""Flags: what may be wrong with a picture that can be used, each one word.

A flag is a measure on the wrong side of its threshold. Flagged pictures stay in the dataset
unless the recipe drops that flag: a dark photo of a nocturnal animal is no fault. An issue of
more than half of all pictures is taken as a trait of the dataset, not as a fault of each
(`traits`), after the `max_prevalence` of cleanvision (https://github.com/cleanlab/cleanvision).
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Self

from curation import reasons
from curation.errors import DatasetError, UsageError
from curation.spool import Selection

if TYPE_CHECKING:
    from curation.dataset import Row
    from curation.quality import Measures

MAX_PREVALENCE: Final = 0.5
"""A flag on a larger share of the pictures is a trait of the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on each flag is raised; the names are the flags', with `_` for `-`.

    The defaults were chosen on 1,011 photos as found on the web, so that each flags hardly any
    that is not so, and on changed copies of them (`benchmarks/flags.py`).
    """

    blank: float = 0.005
    """At most this contrast: nothing is to be seen."""
    dark: float = 0.36
    """Not even the brightest hundredth of the picture is brighter than this."""
    bright: float = 0.75
    """Only a twentieth of the picture is darker than this: overexposed, or washed out."""
    blurred: float = 0.22
    """At most this sharpness: out of focus, moved, or enlarged from a thumbnail."""
    low_information: float = 3.6
    """At most so many bits of entropy."""
    grey: float = 0.04
    """At most this much colour."""
    odd_aspect: float = 3.0
    """The longer side is at least so many times the shorter one."""
    tiny: float = 112
    """The shorter side has fewer pixels."""
    thumbnail: float = 51_000
    """At most so many pixels in all: search engines' previews have 50,000."""
    drawing: float = -0.2
    """At least this drawn: a drawing, clip art, a logo, a chart; not painted with many tones."""
    text: float = 0.23
    """At least this share is print: posters, pages, screenshots."""
    collage: float = 0.95
    """At least this much of a straight line across is an edge: two pictures, or a banner."""
    placeholder: float = 3
    """Gathered from at least so many addresses, or for two species, and hardly a photo."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise UsageError(f"the threshold of {_flag(field.name)} is no number: {value}")
            object.__setattr__(self, field.name, float(value))

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read what `dataclasses.asdict` made of one.

        Raises:
            DatasetError: another version of Bestiary wrote it.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(record, dict) or set(record) != known:
            raise DatasetError(
                "the dataset's thresholds are of another Bestiary: run `bestiary curate` again"
            )
        return cls(**record)


def _flag(name: str) -> str:
    return name.replace("_", "-")


FLAGS: Final = tuple(_flag(field.name) for field in fields(Thresholds))
"""Every flag, in the order in which they are explained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """What flags are raised for."""

    measures: Measures
    width: int
    """Of the original, in pixels, upright."""
    height: int
    addresses: int = 1
    """From how many addresses the very same bytes were gathered,"""
    species: int = 1
    """and for how many species."""


_Rule = Callable[[Pictured, float], bool]

_RULES: Final[Mapping[str, _Rule]] = {
    reasons.BLANK: lambda of, least: of.measures.contrast <= least,
    reasons.DARK: lambda of, least: of.measures.brightest <= least,
    reasons.BRIGHT: lambda of, most: of.measures.darkest >= most,
    reasons.BLURRED: lambda of, least: of.measures.sharpness <= least,
    reasons.LOW_INFORMATION: lambda of, least: of.measures.entropy <= least,
    reasons.GREY: lambda of, least: of.measures.colour <= least,
    reasons.ODD_ASPECT: lambda of, most: (
        max(of.width, of.height) >= most * max(1, min(of.width, of.height))
    ),
    reasons.TINY: lambda of, least: min(of.width, of.height) < least,
    reasons.THUMBNAIL: lambda of, least: of.width * of.height <= least,
    reasons.DRAWING: lambda of, most: of.measures.drawn >= most,
    reasons.TEXT: lambda of, most: of.measures.text >= most,
    reasons.COLLAGE: lambda of, most: of.measures.seam >= most,
}
_NO_PHOTO = frozenset({reasons.BLANK, reasons.LOW_INFORMATION, reasons.DRAWING, reasons.TEXT})
_OF_WHAT_IS_SEEN = frozenset(
    {reasons.BLURRED, reasons.GREY, reasons.DRAWING, reasons.TEXT, reasons.COLLAGE}
)
"""Flags that say nothing of a picture on which nothing is to be seen."""


def flags_of(of: Pictured, thresholds: Thresholds) -> tuple[str, ...]:
    """The flags of one picture, sorted.

    Whole numbers and rounded measures are compared, so every machine that decodes the same
    pixels raises the same flags.
    """
    raised = {flag for flag, is_so in _RULES.items() if is_so(of, threshold_of(flag, thresholds))}
    if reasons.BLANK in raised:
        raised -= _OF_WHAT_IS_SEEN
    if raised & _NO_PHOTO and (of.addresses >= thresholds.placeholder or of.species > 1):
        raised.add(reasons.PLACEHOLDER)
    return tuple(sorted(raised))


def threshold_of(flag: str, thresholds: Thresholds) -> float:
    """From where on a flag is raised."""
    value: float = getattr(thresholds, flag.replace("-", "_"))
    return value


def require_flags(names: Iterable[str]) -> None:
    """Do nothing if all of these are flags.

    Raises:
        UsageError: one is not; the message lists those that there are.
    """
    for name in names:
        if name not in FLAGS:
            raise UsageError(f"{name!r} is no flag: choose among {', '.join(FLAGS)}")


def words(row: Row) -> tuple[str, ...]:
    """The flags of a row."""
    return tuple(row.flags.split(",")) if row.flags else ()


def is_usable(row: Row) -> bool:
    """Whether a row shows a picture of its own: kept, or dropped for a flag or a conflict."""
    word = reasons.word(row.reason)
    return word in {"", reasons.CONFLICT, reasons.REVIEWED} or word in FLAGS


def prevalence(rows: Iterable[Row]) -> dict[str, float]:
    """The share of usable rows that each flag is on, most frequent first."""
    usable, found = 0, Counter[str]()
    for row in filter(is_usable, rows):
        usable += 1
        found.update(words(row))
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return {flag: count / usable for flag, count in ordered}


def traits(rows: Iterable[Row]) -> tuple[str, ...]:
    """The flags that are the dataset's nature rather than faults, most frequent first."""
    return tuple(flag for flag, share in prevalence(rows).items() if share > MAX_PREVALENCE)


def flagged(rows: Sequence[Row]) -> dict[str, Sequence[Row]]:
    """The usable rows of each flag that is no trait, as ordered; most frequent flag first."""
    shares = prevalence(rows)
    places = {flag: array("I") for flag, share in shares.items() if share <= MAX_PREVALENCE}
    for place, row in enumerate(rows):
        if is_usable(row):
            for flag in words(row):
                if flag in places:
                    places[flag].append(place)
    return {flag: Selection(rows, some) for flag, some in places.items()}


def told(rows: Sequence[Row]) -> list[str]:
    """What was flagged, in lines for a person; none where nothing was."""
    shares = prevalence(rows)
    kept = Counter(flag for row in rows if row.kept for flag in words(row))
    listed = ", ".join(
        f"{kept[flag]} {flag}"
        for flag, share in shares.items()
        if share <= MAX_PREVALENCE and kept[flag]
    )
    lines = [f"Flagged and kept: {listed} (--drop FLAG,… drops them)."] if listed else []
    for flag, share in shares.items():
        if share > MAX_PREVALENCE and kept[flag]:
            told = f"{share:.0%} are {flag}"
            lines.append(f"{told}: taken as a trait of the dataset, not as a fault.")
    return lines
