"""The recipe: every choice that decides what a dataset holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, Self, get_args

from curation.errors import DatasetError, UsageError
from curation.flags import Thresholds, require_flags

Fit = Literal["pad", "crop", "stretch"]
"""How a picture becomes square: whole on a background, its middle, or distorted."""

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

SplitUnit = Literal["share", "images", "images-per-species"]
"""What the numbers of `splits` count."""

SplitBy = Literal["lots", "study"]
"""Who deals: `curation.split`, or scikit-learn as in the founding study."""

STUDY_SPLITS = (0.85, 0.0, 0.15)
"""Of the founding study: 83 of 551 images test."""

GroupBy = Literal["look-alikes", "page", "host"]
"""What stays together in the split: look-alikes alone, or also what one page or host has."""

_PILLOW_LIMIT_PX = 178_956_970
"""Pillow itself refuses to open anything larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurationRecipe:
    """What is kept, how it is rendered and how it is split.

    The number of workers is no part of it: it changes nothing but the time.
    """

    side_px: int = 224
    fit: Fit = "pad"
    background: tuple[int, int, int] = (255, 255, 255)
    """RGB, 0-255: under transparent pixels, and around a padded picture."""
    jpeg_quality: int = 92
    splits: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """For train, val and test. Shares sum to 1, and that of train is not 0. Counts are whole; a
    count of 0 for train is what val and test leave."""
    split_unit: SplitUnit = "share"
    split_by: SplitBy = "lots"
    group_by: GroupBy = "look-alikes"
    folds: int = 0
    """Equal parts for a cross-validation, over all that is kept; 0 for none."""
    keep_splits: bool = False
    """Whether images that the dataset had before keep their split and fold; then those are
    what the manifest says, and no function of the seed alone."""
    seed: int = 0
    min_side_px: int = None  # type: ignore[assignment] # A number once born.
    """Of the shorter side, upright; a quarter of `side_px` unless given, since what has to be
    enlarged more than fourfold shows nothing."""
    max_pixels: int = 50_000_000
    """Larger pictures are refused by their header, before anything is decoded."""
    max_aspect: float = 20.0
    """Longer side over shorter side."""
    candidate_bits: int = 14
    """Pictures whose perceptual hashes differ in at most this many of 64 bits are compared."""
    crop_bits: int = 10
    """The same for the hash of a part of one picture and the hash of another."""
    min_likeness: float = 0.88
    """From which two pictures count as look-alikes, once aligned; 0 to 1."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """From where on a picture is flagged."""
    drop: tuple[str, ...] = ()
    """The flags with which a picture is dropped, sorted; with others it is kept."""

    def __post_init__(self) -> None:
        self._check_rendering()
        self._check_splits()
        require_flags(self.drop)
        object.__setattr__(self, "drop", tuple(sorted(set(self.drop))))
        object.__setattr__(self, "min_side_px", _or_quarter(self.min_side_px, self.side_px))
        _require(self.min_side_px >= 1, "min_side_px must be at least 1", self.min_side_px)
        _require(
            1 <= self.max_pixels <= _PILLOW_LIMIT_PX,
            f"max_pixels must lie in 1 to {_PILLOW_LIMIT_PX}",
            self.max_pixels,
        )
        _require(self.max_aspect >= 1, "max_aspect must be at least 1", self.max_aspect)
        for name in ("candidate_bits", "crop_bits"):
            bits = getattr(self, name)
            _require(0 <= bits <= 16, f"{name} must lie in 0 to 16", bits)
        _require(0 < self.min_likeness <= 1, "min_likeness must lie in 0 to 1", self.min_likeness)

    def _check_rendering(self) -> None:
        _require(8 <= self.side_px <= 4096, "side_px must lie in 8 to 4096", self.side_px)
        _require(
            self.fit in get_args(Fit), f"fit must be one of {', '.join(get_args(Fit))}", self.fit
        )
        _require(
            len(self.background) == 3 and all(0 <= value <= 255 for value in self.background),
            "background must be three numbers from 0 to 255",
            self.background,
        )
        _require(
            1 <= self.jpeg_quality <= 100, "jpeg_quality must lie in 1 to 100", self.jpeg_quality
        )

    def _check_splits(self) -> None:
        for name, kind in (("split_unit", SplitUnit), ("split_by", SplitBy), ("group_by", GroupBy)):
            value = getattr(self, name)
            _require(
                value in get_args(kind), f"{name} must be of {', '.join(get_args(kind))}", value
            )
        _require(
            len(self.splits) == 3 and all(0 <= number < math.inf for number in self.splits),
            "splits must be three numbers from 0 up, for train, val and test",
            self.splits,
        )
        if self.split_unit == "share":
            _require(abs(sum(self.splits) - 1) < 1e-6, "splits must sum to 1", self.splits)
            _require(self.splits[0] > 0, "splits must leave train more than 0", self.splits)
        else:
            is_whole = all(number == int(number) for number in self.splits)
            _require(is_whole, "splits must be whole numbers, or shares", self.splits)
        _require(
            self.folds == 0 or 2 <= self.folds <= 100, "folds must lie in 2 to 100", self.folds
        )
        if self.split_by == "study":
            self._check_study()

    def _check_study(self) -> None:
        """The founding study had no validation set, knew no groups and began anew each time."""
        _require(self.splits[1] == 0, "split_by study has no val: splits must say 0", self.splits)
        if self.group_by != "look-alikes" or self.keep_splits:
            raise UsageError("split_by study takes no group_by and no keep_splits: leave them out")

    def record(self) -> dict[str, object]:
        """The recipe as JSON can hold it; `from_record` reads it back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Self:
        """Read what `record` wrote.

        Raises:
            DatasetError: another version of Bestiary wrote it.
        """
        strange = set(record) ^ {field.name for field in fields(cls)}
        if strange:
            raise DatasetError(
                f"the dataset's recipe is of another Bestiary ({', '.join(sorted(strange))}):"
                " run `bestiary curate` again"
            )
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in record.items()
        }
        values["thresholds"] = Thresholds.from_record(record["thresholds"])
        return cls(**values)  # type: ignore[arg-type]


def _or_quarter(given: int | None, side_px: int) -> int:
    return side_px // 4 if given is None else given


def _require(holds: bool, law: str, value: object) -> None:
    if not holds:
        raise UsageError(f"{law}, not {value}")
