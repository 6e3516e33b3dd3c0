"""Portions: the parts of one dataset that cross-validation and learning curves train on.

A portion deals the pictures of a dataset anew, in memory; no file moves. Look-alike groups
stay whole, so that no picture is tested by one that has seen its twin, and every lot follows
from the dataset and a seed alone.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from curation.dataset import Dataset, Row
from curation.recipe import Split
from training.errors import PicturesError, UsageError

VAL_PART = 8
"""In a fold, about one in so many of the pictures that are not tested choose the epoch."""


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
        """
        if self.is_whole:
            return dataset
        if self.folds is not None:
            splits = fold_splits(dataset.rows, self.folds, test=self.fold or 1, seed=self.seed)
        else:
            splits = shared_out(dataset.rows, self.share, seed=self.seed)
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
    return hashlib.sha256(f"{lock_digest} {sorted(asdict(portion).items())}".encode()).hexdigest()


def fold_splits(rows: Sequence[Row], folds: int, *, test: int, seed: int) -> dict[str, Split]:
    """Deal the kept pictures: fold `test` tests, an eighth of the others chooses the epoch.

    The folds are those that curation noted, where it noted as many; else they are made here,
    stratified by species, with look-alike groups whole.

    Raises:
        PicturesError: a species has fewer groups than there are folds.
    """
    kept = [row for row in rows if row.kept]
    fold_of = _noted_folds(kept, folds) or _made_folds(kept, folds, seed=seed)
    tested = {key for key, fold in fold_of.items() if fold == test}
    others = [row for row in kept if _key(row) not in tested]
    choosing = _made_folds(others, min(VAL_PART, _fewest_groups(others)), seed=seed + test)
    return {
        _key(row): "test"
        if _key(row) in tested
        else ("val" if choosing[_key(row)] == 1 else "train")
        for row in kept
    }


def _noted_folds(rows: Sequence[Row], folds: int) -> dict[str, int] | None:
    noted = {_key(row): getattr(row, "fold", None) for row in rows}
    known = {fold for fold in noted.values() if fold is not None}
    if len(known) != folds or None in noted.values():
        return None
    places = {fold: place for place, fold in enumerate(sorted(known), start=1)}
    return {key: places[fold] for key, fold in noted.items() if fold is not None}


def _made_folds(rows: Sequence[Row], folds: int, *, seed: int) -> dict[str, int]:
    from sklearn.model_selection import StratifiedGroupKFold

    _require_groups(rows, folds)
    if folds < 2:
        return dict.fromkeys(map(_key, rows), 0)
    names, groups = [row.species for row in rows], [_group(row) for row in rows]
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


def _require_groups(rows: Sequence[Row], folds: int) -> None:
    counted = sorted((len(groups), species) for species, groups in _groups(rows).items())
    for fewest, species in counted[:1]:
        if fewest < folds:
            fewer = f", or take --folds {fewest}" if fewest > 1 else ""
            raise PicturesError(
                f"{species} has only {fewest} groups of pictures that are not alike, too few"
                f" for {folds} folds: gather more{fewer}"
            )


def _fewest_groups(rows: Sequence[Row]) -> int:
    return min((len(groups) for groups in _groups(rows).values()), default=0)


def _groups(rows: Sequence[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.species].add(_group(row))
    return found


def shared_out(rows: Sequence[Row], share: float, *, seed: int) -> dict[str, Split]:
    """Keep a share of each species' training pictures, groups whole; leave the others as dealt.

    A larger share holds all that a smaller one does, and every species keeps a picture.
    """
    kept = [row for row in rows if row.kept and row.split is not None]
    trained = [row for row in kept if row.split == "train"]
    chosen = {_key(row) for row in _first_of_each(trained, share, seed)}
    return {
        _key(row): row.split
        for row in kept
        if row.split is not None and (row.split != "train" or _key(row) in chosen)
    }


def _first_of_each(rows: Sequence[Row], share: float, seed: int) -> Iterator[Row]:
    wanted = {
        species: math.ceil(share * count - 1e-9)
        for species, count in Counter(row.species for row in rows).items()
    }
    taken: Counter[str] = Counter()
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.species, _group(row)].append(row)
    for (species, _), group in sorted(groups.items(), key=lambda one: _lot(one[0][1], seed)):
        if taken[species] < wanted[species]:
            taken[species] += len(group)
            yield from group


def _lot(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def _group(row: Row) -> str:
    return row.group or row.digest


def _key(row: Row) -> str:
    """Kept pictures differ in their digests; of dropped ones, none is dealt."""
    return row.digest if row.kept else ""
