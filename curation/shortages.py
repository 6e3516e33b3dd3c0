"""Shortages: splits that were asked for, and in which a species, or every one, has no image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from curation.dataset import Row, counts
from curation.errors import SplitError
from curation.grouping import tickets
from curation.recipe import SPLITS, CurationRecipe

_NAMED = 8
"""Species that a message names."""


def require_all_splits(rows: Sequence[Row], recipe: CurationRecipe) -> None:
    """Do nothing if every split that the recipe asks for has an image.

    Raises:
        SplitError: one has none; the message says how many groups each species has.
    """
    kept = counts(rows)
    empty = [name for name in _asked(recipe) if not any(kept[name].values())]
    if empty:
        what = "group of images" if _is_grouped(recipe) else "image"
        raise SplitError(
            f"no {what} is left for {' and '.join(empty)}: {_listed(_sizes(rows, recipe))};"
            f" {_remedy(recipe)}, or ask for {_none_in(empty, recipe)}"
        )


def warnings(rows: Sequence[Row], recipe: CurationRecipe) -> Iterator[str]:
    """Which species has no image in a split, and what can be done about it."""
    kept = counts(rows)
    sizes: Mapping[str, int] = {}
    for name in _asked(recipe):
        lacking = [species for species, images in kept[name].items() if not images]
        if lacking:
            sizes = sizes or _sizes(rows, recipe)
            few = _listed({species: sizes[species] for species in lacking})
            what = "groups of images" if _is_grouped(recipe) else "images"
            yield (
                f"too few {what} for {name}: {few}; {_remedy(recipe)}, or remove species with"
                " `bestiary forget --species`"
            )


def _asked(recipe: CurationRecipe) -> list[str]:
    """The splits that are to have images: train always, even where it gets what others leave."""
    wanted = zip(SPLITS, recipe.splits, strict=True)
    return [name for name, share in wanted if share > 0 or name == "train"]


def _sizes(rows: Sequence[Row], recipe: CurationRecipe) -> dict[str, int]:
    """How many groups each species has that may be apart, an image on its own being one."""
    groups: dict[str, set[str]] = {}
    for ticket in tickets(rows, recipe.group_by):
        groups.setdefault(ticket.species, set()).add(ticket.group or ticket.digest)
    return {species: len(of_one) for species, of_one in sorted(groups.items())}


def _is_grouped(recipe: CurationRecipe) -> bool:
    return recipe.group_by != "look-alikes"


def _none_in(empty: Sequence[str], recipe: CurationRecipe) -> str:
    if recipe.split_unit != "share":
        return "less with --splits"
    parts = {
        name: 0.0 if name in empty else share
        for name, share in zip(SPLITS, recipe.splits, strict=True)
    }
    parts["train"] = 1 - parts["val"] - parts["test"]
    return f"none there with --splits {','.join(f'{share:g}' for share in parts.values())}"


def _listed(sizes: Mapping[str, int]) -> str:
    """The species with their groups, those with most first."""
    ordered = sorted(sizes, key=lambda species: -sizes[species])
    named = ", ".join(f"{species} has {sizes[species]}" for species in ordered[:_NAMED])
    more = len(ordered) - _NAMED
    return f"{named}, and {more} more species have as few" if more > 0 else named


def _remedy(recipe: CurationRecipe) -> str:
    apart = f", leave --group-by {recipe.group_by} out" if _is_grouped(recipe) else ""
    return f"gather more with `bestiary scrape`{apart}"
