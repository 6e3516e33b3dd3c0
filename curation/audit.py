"""The audit: what a manifest says about balance, sizes and losses. Pure statistics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from curation import reasons
from curation.dataset import Row, counts
from curation.recipe import SPLITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a measure is distributed: extremes and quartiles."""

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The spread of some values; None of none."""
        if not values:
            return None
        cuts = np.percentile(values, [0, 25, 50, 75, 100])
        return cls(**dict(zip(cls.__slots__, (round(float(cut), 4) for cut in cuts), strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesAudit:
    """What became of the images of one species."""

    gathered: int
    kept: int
    share: float
    """Of all that was kept."""
    width: Spread | None
    """Of the kept originals, in pixels, upright."""
    height: Spread | None
    dropped: dict[str, int]
    """By the fixed word of the reason, most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The figures of one dataset."""

    gathered: int
    kept: int
    splits: dict[str, dict[str, int]]
    """Kept images by split and species."""
    species: dict[str, SpeciesAudit]
    """Every species that was gathered, also one of which nothing was kept."""
    width: Spread | None
    height: Spread | None
    dropped: dict[str, int]

    @property
    def total(self) -> dict[str, int]:
        """Kept images by species, of those that have any."""
        return {name: one.kept for name, one in self.species.items() if one.kept}

    @property
    def imbalance_ratio(self) -> float | None:
        """Images of the most frequent species for one of the rarest; 1 is balance."""
        total = self.total.values()
        return round(max(total) / min(total), 4) if total else None

    @property
    def effective_classes(self) -> float | None:
        """How many equally frequent species would be as diverse: exp(-Σ p ln p)."""
        total = self.total.values()
        if not total:
            return None
        shares = [count / sum(total) for count in total]
        return round(math.exp(-sum(share * math.log(share) for share in shares)), 4)

    def shares(self) -> dict[str, dict[str, float]]:
        """What part of each split, and of everything, each species is."""
        tables = {**self.splits, "total": self.total}
        return {
            name: {
                species: round(count / max(1, sum(table.values())), 4)
                for species, count in table.items()
            }
            for name, table in tables.items()
        }

    def document(self) -> dict[str, object]:
        """The figures for scripts."""
        return {
            "gathered": self.gathered,
            "images": self.kept,
            "splits": self.splits,
            "total": self.total,
            "shares": self.shares(),
            "species": {name: asdict(one) for name, one in self.species.items()},
            "imbalance_ratio": self.imbalance_ratio,
            "effective_classes": self.effective_classes,
            "sizes": {
                "width": asdict(self.width) if self.width else None,
                "height": asdict(self.height) if self.height else None,
            },
            "dropped": self.dropped,
            "dropped_by_species": {
                name: one.dropped for name, one in self.species.items() if one.dropped
            },
        }


def audit(rows: Iterable[Row]) -> Audit:
    """Count what a manifest holds."""
    rows = list(rows)
    kept = [row for row in rows if row.kept]
    by_species: dict[str, list[Row]] = {}
    for row in rows:
        by_species.setdefault(row.species, []).append(row)
    return Audit(
        gathered=len(rows),
        kept=len(kept),
        splits=counts(rows),
        species={
            name: _species(by_species[name], all_kept=len(kept)) for name in sorted(by_species)
        },
        width=_spread(kept, "width"),
        height=_spread(kept, "height"),
        dropped=dropped_by_word(rows),
    )


def _species(rows: Sequence[Row], *, all_kept: int) -> SpeciesAudit:
    kept = [row for row in rows if row.kept]
    return SpeciesAudit(
        gathered=len(rows),
        kept=len(kept),
        share=round(len(kept) / max(1, all_kept), 4),
        width=_spread(kept, "width"),
        height=_spread(kept, "height"),
        dropped=dropped_by_word(rows),
    )


def _spread(rows: Iterable[Row], column: str) -> Spread | None:
    return Spread.of([value for row in rows if (value := getattr(row, column)) is not None])


def dropped_by_word(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows were dropped for each reason's fixed word, most frequent first."""
    found = Counter(reasons.word(row.reason) for row in rows if not row.kept)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def table(figures: Audit) -> str:
    """The figures as tables for a terminal."""
    return "\n\n".join(part for part in (_balance(figures), _losses(figures.dropped)) if part)


def _balance(figures: Audit) -> str:
    header = ("species", *SPLITS, "kept", "share", "dropped", "median size")
    lines = [header]
    for name, one in figures.species.items():
        per_split = (str(figures.splits[split].get(name, 0)) for split in SPLITS)
        losses = str(sum(one.dropped.values()))
        lines.append((name, *per_split, str(one.kept), f"{one.share:.1%}", losses, _size(one)))
    sums = (str(sum(figures.splits[split].values())) for split in SPLITS)
    losses = str(sum(figures.dropped.values()))
    lines.append(("all", *sums, str(figures.kept), "", losses, _size(figures)))
    ratio, effective = figures.imbalance_ratio, figures.effective_classes
    return aligned(lines, rules=(1, len(lines) - 1)) + (
        f"\n\nImbalance {ratio:.1f} : 1, effective number of classes"
        f" {effective:.2f} of {len(figures.total)}"
        if ratio is not None and effective is not None
        else ""
    )


def _size(one: SpeciesAudit | Audit) -> str:
    if one.width is None or one.height is None:
        return "–"
    return f"{one.width.median:.0f} × {one.height.median:.0f}"


def _losses(dropped: Mapping[str, int]) -> str:
    if not dropped:
        return "Nothing was dropped."
    return aligned(
        [("dropped", "images"), *((word, str(count)) for word, count in dropped.items())],
        rules=(1,),
    )


def aligned(lines: Sequence[Sequence[str]], *, rules: Iterable[int] = ()) -> str:
    """Lay out a table: the first column to the left, the others to the right.

    A rule is drawn before each line whose number is among `rules`.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    drawn = []
    for number, cells in enumerate(lines):
        if number in rules:
            drawn.append("  ".join("─" * width for width in widths))
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        drawn.append("  ".join((first, *rest)).rstrip())
    return "\n".join(drawn)
