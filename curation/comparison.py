"""Two datasets side by side: what they hold, what they share, and where that does harm.

A model that was trained on one dataset and is measured on the other must not know its test
pictures. So pictures are compared across the two, by their originals and by their looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from curation.audit import Audit, audit
from curation.dataset import Dataset, Row
from curation.leaks import Near, Seen, Shelf, across
from curation.recipe import SPLITS

_TOLD = 200
"""Look-alikes that are listed one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two datasets."""

    name: str
    dataset: Dataset
    figures: Audit
    seen: tuple[Seen, ...]
    """Its files, as they lie there."""

    @classmethod
    def of(cls, dataset: Dataset, seen: Iterable[Seen], *, name: str) -> Side:
        """Count what a dataset holds."""
        return cls(name=name, dataset=dataset, figures=audit(dataset.rows), seen=tuple(seen))

    @property
    def kept(self) -> dict[str, Row]:
        """Its kept rows by the digest of their originals."""
        return {row.digest: row for row in self.dataset.rows if row.kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two datasets have in common, and what only one has."""

    first: Side
    second: Side
    shared: Mapping[tuple[str, str], int]
    """The same originals, by their split in the first and in the second."""
    relabelled: tuple[tuple[Row, Row], ...]
    """The same originals under different species."""
    alike: tuple[Near, ...]
    """Look-alikes of different originals, the most alike first; files of first and second."""
    pairs: int
    """So many pairs were compared by their looks."""
    recipe: Mapping[str, tuple[object, object]]
    """What the recipes say differently."""

    @property
    def harm(self) -> dict[str, int]:
        """How many test pictures of each dataset the other trains on, or trains on a look-alike."""
        there, back = ("train", "test"), ("test", "train")
        return {
            self.second.name: self.shared.get(there, 0) + len(self._alike_files(there)),
            self.first.name: self.shared.get(back, 0) + len(self._alike_files(back)),
        }

    def _alike_files(self, splits: tuple[str, str]) -> set[str]:
        """The test pictures among look-alikes in these splits, once each."""
        tested = splits.index("test")
        return {
            (near.first, near.second)[tested]
            for near in self.alike
            if (_split(near.first), _split(near.second)) == splits
        }

    @property
    def alike_by_splits(self) -> Counter[tuple[str, str]]:
        """Pairs of look-alikes by their splits in the first and in the second."""
        return Counter((_split(near.first), _split(near.second)) for near in self.alike)

    @property
    def species(self) -> dict[str, tuple[int, int, int]]:
        """Kept images of each species: in the first, in the second, and in both."""
        one, other = self.first.figures.total, self.second.figures.total
        here, there = self.first.kept, self.second.kept
        both = Counter(here[digest].species for digest in here.keys() & there.keys())
        return {
            name: (one.get(name, 0), other.get(name, 0), both[name])
            for name in sorted({*one, *other})
        }

    def document(self) -> dict[str, Any]:
        """The comparison for scripts."""
        return {
            "shared": _nested(self.shared),
            "alike": _nested(self.alike_by_splits),
            "harm": self.harm,
            "pairs": self.pairs,
            "look_alikes": [asdict(near) for near in self.alike[:_TOLD]],
            "relabelled": [
                {"digest": one.digest, "species": [one.species, other.species]}
                for one, other in self.relabelled
            ],
            "species": {name: list(counts) for name, counts in self.species.items()},
            "recipe": {name: list(values) for name, values in self.recipe.items()},
        }


def _nested(found: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    return {one: {other: found.get((one, other), 0) for other in SPLITS} for one in SPLITS}


def _split(file: str) -> str:
    return file.partition("/")[0]


def compare(first: Side, second: Side) -> Comparison:
    """Compare two datasets, by their manifests and by the looks of their files."""
    here, there = first.kept, second.kept
    both = sorted(here.keys() & there.keys())
    shared = Counter((str(here[digest].split), str(there[digest].split)) for digest in both)
    alike, pairs = _look_alikes(first, second, set(both))
    return Comparison(
        first=first,
        second=second,
        shared=shared,
        relabelled=tuple(
            (here[digest], there[digest])
            for digest in both
            if here[digest].species != there[digest].species
        ),
        alike=tuple(alike),
        pairs=pairs,
        recipe=_differing(first.dataset.recipe.record(), second.dataset.recipe.record()),
    )


def _look_alikes(first: Side, second: Side, both: set[str]) -> tuple[list[Near], int]:
    """Look-alikes that are not the same original; what is shared is known and not searched."""
    known, new = _parted(first, both)
    others_known, others_new = _parted(second, both)
    recipe = first.dataset.recipe
    threshold = min(recipe.min_likeness, second.dataset.recipe.min_likeness)
    found: list[Near] = []
    pairs = 0
    for one, other in ((new, others_new), (new, others_known), (known, others_new)):
        near, _ = across(one, other, recipe)
        found += [pair for pair in near if pair.likeness >= threshold]
        pairs += one.pictures * other.pictures
    return sorted(found, key=lambda near: (-near.likeness, near.first, near.second)), pairs


def _parted(side: Side, both: set[str]) -> tuple[Shelf, Shelf]:
    """The files whose originals both datasets have, and the others."""
    shared = {row.file for digest, row in side.kept.items() if digest in both}
    return (
        Shelf.of(one for one in side.seen if one.file in shared),
        Shelf.of(one for one in side.seen if one.file not in shared),
    )


def _differing(
    one: Mapping[str, object], other: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    names = sorted({*one, *other})
    return {
        name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)
    }


def verdict(comparison: Comparison) -> str:
    """What the comparison means for a model that is trained on one and measured on the other."""
    harmed = [
        f"{count} test pictures of {name}" for name, count in comparison.harm.items() if count
    ]
    if not harmed:
        return "Neither dataset trains on a test picture of the other."
    return (
        f"The other dataset trains on {' and on '.join(harmed)}, or on look-alikes of them:"
        " do not measure a model of one on the other."
    )


def lines(sides: Sequence[Side]) -> dict[str, tuple[str, ...]]:
    """The figures of both, line by line."""
    measures: dict[str, Callable[[Audit], object]] = {
        "images": lambda figures: figures.kept,
        "train": lambda figures: sum(figures.splits["train"].values()),
        "val": lambda figures: sum(figures.splits["val"].values()),
        "test": lambda figures: sum(figures.splits["test"].values()),
        "species": lambda figures: len(figures.total),
        "gathered": lambda figures: figures.gathered,
        "dropped": lambda figures: figures.gathered - figures.kept,
        "most to least frequent": lambda figures: figures.imbalance_ratio,
        "effective classes": lambda figures: figures.effective_classes,
        "median width, px": lambda figures: figures.width and round(figures.width.median),
        "median height, px": lambda figures: figures.height and round(figures.height.median),
        "groups of look-alikes": lambda figures: figures.look_alikes.groups,
    }
    return {
        name: tuple(_shown(measure(side.figures)) for side in sides)
        for name, measure in measures.items()
    }


def _shown(value: object) -> str:
    return "–" if value is None else str(value)
