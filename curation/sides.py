"""Sides: every kept row gets its split, its fold and its file's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from curation.dataset import Row, file_name
from curation.grouping import tickets
from curation.quotas import quotas
from curation.recipe import SPLITS, CurationRecipe, Split
from curation.split import folds, images, split_to
from curation.study_split import study_split
from curation.tickets import Tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Where images were in a dataset before: by digest, dropped look-alikes included."""

    splits: Mapping[str, Split] = field(default_factory=dict)
    folds: Mapping[str, int] = field(default_factory=dict)


NONE_BEFORE = Sides()


def sides_of(rows: Sequence[Row]) -> Sides:
    """Where the images of a manifest are; a dropped look-alike is where the kept one is."""
    leaders = {row.group: (row.split, row.fold) for row in rows if row.kept and row.group}
    places = {row.digest: leaders[row.group] for row in rows if row.group in leaders}
    places |= {row.digest: (row.split, row.fold) for row in rows if row.kept}
    return Sides(
        splits={digest: split for digest, (split, _) in places.items() if split is not None},
        folds={digest: fold for digest, (_, fold) in places.items() if fold is not None},
    )


def with_sides(
    rows: Sequence[Row], recipe: CurationRecipe, before: Sides = NONE_BEFORE
) -> Iterator[Row]:
    """Deal the kept rows to the splits, and to folds where the recipe has some.

    Args:
        rows: judged, in the manifest's order.
        recipe: says how.
        before: counts where the recipe says that splits are kept.

    Raises:
        SplitError: there are too few images for what the recipe asks.
    """
    dealt = tickets(rows, recipe.group_by)
    known = _settled(rows, before) if recipe.keep_splits else NONE_BEFORE
    home = _splits(dealt, recipe, known.splits)
    fold: Mapping[str, int] = {}
    if recipe.folds:
        is_same = set(known.folds.values()) == set(range(recipe.folds))
        settled = known.folds if is_same else {}
        fold = folds(dealt, count=recipe.folds, seed=recipe.seed, settled=settled)
    return (
        replace(
            row,
            split=home[row.digest],
            fold=fold.get(row.digest),
            file=file_name(row, home[row.digest]),
        )
        if row.kept
        else replace(row, file_sha256=None)
        for row in rows
    )


def _splits(
    dealt: Tickets, recipe: CurationRecipe, settled: Mapping[str, Split]
) -> Mapping[str, Split]:
    if not len(dealt):
        return {}
    targets = quotas(images(dealt), recipe)
    if recipe.split_by == "study":
        return study_split(dealt, recipe)
    return split_to(dealt, targets=targets, seed=recipe.seed, settled=settled)


def _settled(rows: Sequence[Row], before: Sides) -> Sides:
    """What the kept rows inherit: from themselves, or from a look-alike that was kept before."""
    heirs = {row.group: row.digest for row in rows if row.kept and row.group is not None}
    splits: dict[str, Split] = {}
    places: dict[str, int] = {}
    for row in rows:
        heir = row.digest if row.kept else heirs.get(row.group or "")
        if heir is None:
            continue
        if row.digest in before.splits:
            inherited = (before.splits[row.digest], splits.get(heir, "test"))
            splits[heir] = min(inherited, key=SPLITS.index)  # What once trained is not tested.
        if row.digest in before.folds:
            places[heir] = before.folds[row.digest]
    return Sides(splits=splits, folds=places)
