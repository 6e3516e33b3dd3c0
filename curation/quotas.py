"""Quotas: how many images of each species train, validate and test, as the recipe asks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from curation.errors import SplitError, UsageError
from curation.recipe import CurationRecipe, SplitUnit

Quotas = dict[str, tuple[Fraction, Fraction, Fraction]]

REST = 0
"""Of train, instead of a count of images: what val and test leave."""
_EACH = "/species"


def read_splits(text: str) -> tuple[tuple[float, float, float], SplitUnit]:
    """Read `0.7,0.15,0.15`, `rest,100,100` (images in all) or `rest,20,20/species`.

    Raises:
        UsageError: it is none of these.
    """
    numbers = text.removesuffix(_EACH)
    try:
        parts = [REST if part.strip() == "rest" else float(part) for part in numbers.split(",")]
        train, val, test = parts
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no split: write three shares (0.7,0.15,0.15), three counts of images"
            " (468,0,83, or rest,0,83), or counts of each species (rest,20,20/species)"
        ) from error
    if numbers == text and "rest" not in text and not max(parts) > 1:
        return (train, val, test), "share"
    if all(math.isfinite(part) and part == int(part) for part in parts):
        train, val, test = map(int, parts)
    return (train, val, test), "images" if numbers == text else "images-per-species"


def write_splits(recipe: CurationRecipe) -> str:
    """The splits of a recipe as `read_splits` reads them."""
    if recipe.split_unit == "share":
        return ",".join(f"{share:g}" for share in recipe.splits)
    train, val, test = recipe.splits
    each = _EACH if recipe.split_unit == "images-per-species" else ""
    return f"{f'{train:g}' if train else 'rest'},{val:g},{test:g}{each}"


def quotas(images: Mapping[str, int], recipe: CurationRecipe) -> Quotas:
    """By species, how many of its images train, val and test should get.

    Args:
        images: how many there are of each species.
        recipe: asks for shares, for counts in all, or for counts of each species.

    Raises:
        SplitError: there are fewer images than counts ask for, or not as many as they sum to.
    """
    if recipe.split_unit == "share":
        return _by_share(images, recipe.splits)
    if recipe.split_unit == "images":
        return _in_all(images, recipe)
    return _of_each(images, recipe)


def _by_share(images: Mapping[str, int], shares: Sequence[float]) -> Quotas:
    val, test = (Fraction(share).limit_denominator(10**6) for share in shares[1:])
    return {
        name: (count * (1 - val - test), count * val, count * test)
        for name, count in images.items()
    }


def _in_all(images: Mapping[str, int], recipe: CurationRecipe) -> Quotas:
    """Whole numbers, in proportion to the species; over all species they sum to the counts."""
    train, val, test = (int(count) for count in recipe.splits)
    total = sum(images.values())
    if train != REST and train + val + test != total:
        raise SplitError(
            f"--splits {write_splits(recipe)} is {train + val + test} images, and {total} are"
            f" kept: write --splits rest,{val},{test}"
        )
    if val + test >= total:
        raise SplitError(
            f"--splits {write_splits(recipe)} leaves train nothing of {total} images:"
            " gather more with `bestiary scrape`, or ask for less"
        )
    tests = _apportioned(images, test)
    vals = _apportioned({name: count - tests[name] for name, count in images.items()}, val)
    return {
        name: _whole(count - vals[name] - tests[name], vals[name], tests[name])
        for name, count in images.items()
    }


def _whole(train: int, val: int, test: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(train), Fraction(val), Fraction(test)


def _apportioned(images: Mapping[str, int], count: int) -> dict[str, int]:
    """Whole parts of `count`, each within one of its share, by largest remainder."""
    total = sum(images.values())
    exact = {name: Fraction(number * count, total) for name, number in images.items()}
    parts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in by_remainder[: count - sum(parts.values())]:
        parts[name] += 1
    return parts


def _of_each(images: Mapping[str, int], recipe: CurationRecipe) -> Quotas:
    train, val, test = (int(count) for count in recipe.splits)
    few = {name: count for name, count in images.items() if count < max(train, 1) + val + test}
    if few:
        listed = ", ".join(f"{name} has {count}" for name, count in few.items())
        raise SplitError(
            f"too few images for --splits {write_splits(recipe)}: {listed}; gather more with"
            " `bestiary scrape`, or ask for less"
        )
    more = {name: count for name, count in images.items() if count != train + val + test}
    if train != REST and more:
        listed = ", ".join(f"{name} has {count}" for name, count in more.items())
        raise SplitError(
            f"--splits {write_splits(recipe)} leaves images over: {listed};"
            f" write --splits rest,{val},{test}{_EACH}"
        )
    return {name: _whole(count - val - test, val, test) for name, count in images.items()}
