"""Portions: the parts of one dataset that cross-validation and learning curves train on.

A portion deals the pictures of a dataset anew, in memory; no file moves. What curation kept
together stays whole, look-alikes, and pages or hosts where it was told so: no picture is tested
by a network that has seen its twin. Every lot follows from the dataset and a seed alone.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from curation.dataset import Dataset, Row
from curation.grouping import tickets
from curation.recipe import GroupBy, Split
from training.errors import OtherDataError, PicturesError, UsageError

VAL_PART = 8
"""In a fold, about one in so many of the pictures that are not tested choose the epoch."""
_MOST_OF_PART = 1.5
"""A group may be so large that the part it falls into is no eighth; then another one chooses."""
DEALING = 2
"""The rules that deal now: by others the same portion would hold other pictures."""

GroupOf = Callable[[Row], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Which pictures train, choose and test; the whole dataset, as it was split, by default."""

    fold: int | None = None
    """Counted from 1: the fold that tests. Of all kept pictures, whatever their split."""
    folds: int | None = None
    share: float = 1.0
    """Of the training pictures of each species."""
    seed: int = 0
    """Of the lots; of no meaning to the whole dataset."""
    dealing: int = DEALING
    """The rules by which it was dealt; of no meaning to the whole dataset."""

    def __post_init__(self) -> None:
        if self.folds is not None and self.folds < 2:
            raise UsageError(f"cross-validation takes at least 2 folds, not {self.folds}")
        if not 0 < self.share <= 1:
            raise UsageError(f"a portion holds a share from 0 to 1, not {self.share}")

    @property
    def is_whole(self) -> bool:
        """Whether this is the dataset as it was split."""
        return self.folds is None and self.share == 1

    def in_words(self) -> str:
        """What it is, after a colon or in brackets."""
        if self.is_whole:
            return "the whole dataset"
        if self.folds is not None:
            return f"fold {self.fold} of {self.folds}"
        return f"{self.share:.0%} of the training pictures"

    def of(self, dataset: Dataset) -> Dataset:
        """The dataset as dealt by this portion.

        Raises:
            PicturesError: a species has fewer groups of pictures than there are folds.
            OtherDataError: it was dealt by rules that are no longer known.
        """
        if self.is_whole:
            return dataset
        if self.dealing != DEALING:
            raise OtherDataError(
                f"another Bestiary dealt {self.in_words()}, by other rules: which pictures were"
                " trained on is not known here, so train it anew"
            )
        rows, by = dataset.rows, dataset.recipe.group_by
        if self.folds is not None:
            splits = fold_splits(rows, self.folds, test=self.fold or 1, seed=self.seed, by=by)
        else:
            splits = shared_out(rows, self.share, seed=self.seed, by=by)
        return _Dealt.out(dataset, splits, self)


WHOLE = Portion()


class _Dealt(Dataset):
    """A dataset whose pictures were dealt anew; what it is locked by is the original."""

    _original: Dataset
    _portion: Portion

    @classmethod
    def out(cls, original: Dataset, splits: Mapping[str, Split], portion: Portion) -> _Dealt:
        rows = tuple(
            replace(row, split=splits.get(_key(row)), kept=_key(row) in splits)
            for row in original.rows
        )
        values = {field.name: getattr(original, field.name) for field in fields(Dataset)}
        dealt = cls(**{**values, "rows": rows})
        object.__setattr__(dealt, "_original", original)
        object.__setattr__(dealt, "_portion", portion)
        return dealt

    @property
    def species(self) -> tuple[str, ...]:
        """Those of the original, in its order: labels mean the same in every portion."""
        return self._original.species

    @property
    def lock_digest(self) -> str:
        """An identity of its own, so that nobody takes it for the whole dataset."""
        return dealt_digest(self._original.lock_digest, self._portion)

    def require_locked(self) -> None:
        """Ask the original: not a file was moved."""
        self._original.require_locked()


def dealt_digest(lock_digest: str, portion: Portion) -> str:
    """The identity of a portion of the dataset with this lock digest."""
    if portion.is_whole:
        return lock_digest
    dealt = f"{lock_digest} {sorted(asdict(portion).items())}"
    return hashlib.sha256(dealt.encode()).hexdigest()


def fold_splits(
    rows: Sequence[Row], folds: int, *, test: int, seed: int, by: GroupBy = "look-alikes"
) -> dict[str, Split]:
    """Deal the kept pictures: fold `test` tests, an eighth of the others chooses the epoch.

    The folds are those that curation noted, where it noted as many; else they are made here,
    stratified by species, with groups whole. A species with few groups may have none that
    chooses.

    Raises:
        PicturesError: a species has fewer groups than there are folds, or none to train on.
    """
    kept = [row for row in rows if row.kept]
    group_of = _groups_by(rows, by)
    fold_of = _noted_folds(kept, folds) or _made_folds(kept, folds, group_of, seed=seed)
    tested = {key for key, fold in fold_of.items() if fold == test}
    others = [row for row in kept if _key(row) not in tested]
    choosing = _choosing(others, group_of, seed=seed + test)
    trained = {row.species for row in others if group_of(row) not in choosing}
    for species in sorted({row.species for row in kept} - trained):
        raise PicturesError(
            f"fold {test} of {folds} leaves no picture of {species} to train on: all of them stay"
            " together with others; gather more"
        )
    return {
        _key(row): "test"
        if _key(row) in tested
        else ("val" if group_of(row) in choosing else "train")
        for row in kept
    }


def _groups_by(rows: Sequence[Row], by: GroupBy) -> GroupOf:
    """The group that each kept picture stays with; alone, it is one by itself."""
    if by == "look-alikes":
        return lambda row: row.group or row.digest
    linked = {one.digest: one.group or one.digest for one in tickets(rows, by)}
    return lambda row: linked[row.digest]


def _choosing(rows: Sequence[Row], group_of: GroupOf, *, seed: int) -> set[str]:
    """The groups that choose: about one in `VAL_PART`, and none that a species trains on alone."""
    most = max((len(groups) for groups in _groups(rows, group_of).values()), default=0)
    if most < 2:
        return set()
    parts = min(VAL_PART, most)
    dealt = _dealt(rows, parts, group_of, seed=seed)
    sizes = Counter(dealt.values())
    fitting = [part for part in sorted(sizes) if sizes[part] <= _MOST_OF_PART * len(rows) / parts]
    part = fitting[0] if fitting else min(sizes, key=lambda one: (sizes[one], one))
    chosen = {group_of(row) for row in rows if dealt[_key(row)] == part}
    for groups in _groups(rows, group_of).values():
        if groups <= chosen:
            chosen.discard(min(groups))
    return chosen


def _noted_folds(rows: Sequence[Row], folds: int) -> dict[str, int] | None:
    noted = {_key(row): getattr(row, "fold", None) for row in rows}
    known = {fold for fold in noted.values() if fold is not None}
    if len(known) != folds or None in noted.values():
        return None
    places = {fold: place for place, fold in enumerate(sorted(known), start=1)}
    return {key: places[fold] for key, fold in noted.items() if fold is not None}


def _made_folds(rows: Sequence[Row], folds: int, group_of: GroupOf, *, seed: int) -> dict[str, int]:
    _require_groups(rows, folds, group_of)
    return _dealt(rows, folds, group_of, seed=seed)


def _dealt(rows: Sequence[Row], folds: int, group_of: GroupOf, *, seed: int) -> dict[str, int]:
    from sklearn.model_selection import StratifiedGroupKFold

    names, groups = [row.species for row in rows], [group_of(row) for row in rows]
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        # Scikit-learn counts pictures where we have counted groups, and warns of less.
        warnings.simplefilter("ignore", UserWarning)
        dealt = list(dealer.split(np.zeros(len(rows)), names, groups))
    return {
        _key(rows[place]): fold
        for fold, (_, places) in enumerate(dealt, start=1)
        for place in places
    }


def _require_groups(rows: Sequence[Row], folds: int, group_of: GroupOf) -> None:
    counted = sorted((len(groups), species) for species, groups in _groups(rows, group_of).items())
    for fewest, species in counted[:1]:
        if fewest < folds:
            fewer = f", or take --folds {fewest}" if fewest > 1 else ""
            raise PicturesError(
                f"{species} has only {fewest} groups of pictures that stay together, too few for"
                f" {folds} folds: gather more{fewer}"
            )


def _groups(rows: Sequence[Row], group_of: GroupOf) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.species].add(group_of(row))
    return found


def shared_out(
    rows: Sequence[Row], share: float, *, seed: int, by: GroupBy = "look-alikes"
) -> dict[str, Split]:
    """Keep a share of each species' training pictures, groups whole; leave the others as dealt.

    A larger share holds all that a smaller one does, and every species keeps a picture.
    """
    kept = [row for row in rows if row.kept and row.split is not None]
    trained = [row for row in kept if row.split == "train"]
    group_of = _groups_by(rows, by)
    chosen = {_key(row) for row in _first_of_each(trained, share, group_of, seed)}
    return {
        _key(row): row.split
        for row in kept
        if row.split is not None and (row.split != "train" or _key(row) in chosen)
    }


def _first_of_each(
    rows: Sequence[Row], share: float, group_of: GroupOf, seed: int
) -> Iterator[Row]:
    wanted = {
        species: math.ceil(share * count - 1e-9)
        for species, count in Counter(row.species for row in rows).items()
    }
    taken: Counter[str] = Counter()
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.species, group_of(row)].append(row)
    for (species, _), group in sorted(groups.items(), key=lambda one: _lot(one[0][1], seed)):
        if taken[species] < wanted[species]:
            taken[species] += len(group)
            yield from group


def _lot(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def _key(row: Row) -> str:
    """Kept pictures differ in their digests; of dropped ones, none is dealt."""
    return row.digest if row.kept else ""
