"""Slices: how accuracy depends on what a picture was before it was made square."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.dataset import Row
from training.intervals import Figure, wilson

_SIDES_PX = (64, 128, 256, 512, 1024)
MOST_SLICES = 12
"""Of sources: the rest is put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Pictures that have something in common, and how many of them were recognised."""

    name: str
    accuracy: Figure


def by_size(rows: Sequence[Row], right: NDArray[np.bool_]) -> list[Slice]:
    """Accuracy by the shorter side of the original, smallest first; empty slices are left out."""
    names = [_size_name(row) for row in rows]
    order = [*_size_names(), _UNKNOWN]
    return _slices(names, right, [name for name in order if name in set(names)])


_UNKNOWN = "not known"


def _size_names() -> list[str]:
    bounds = itertools.pairwise(_SIDES_PX)
    between = [f"{low} to {high - 1} px" for low, high in bounds]
    return [f"below {_SIDES_PX[0]} px", *between, f"{_SIDES_PX[-1]} px and more"]


def _size_name(row: Row) -> str:
    if row.width is None or row.height is None:
        return _UNKNOWN
    place = int(np.searchsorted(_SIDES_PX, min(row.width, row.height), "right"))
    return _size_names()[place]


def by_source(rows: Sequence[Row], right: NDArray[np.bool_]) -> list[Slice]:
    """Accuracy by where pictures were found, the most frequent source first."""
    names = [row.source or _UNKNOWN for row in rows]
    ranked = sorted(set(names), key=lambda name: (-names.count(name), name))
    few = set(ranked[MOST_SLICES:])
    order = ranked[:MOST_SLICES] + (["others"] if few else [])
    return _slices(["others" if name in few else name for name in names], right, order)


def _slices(names: Iterable[str], right: NDArray[np.bool_], order: Sequence[str]) -> list[Slice]:
    of = np.array(list(names), dtype=object)
    return [
        Slice(name=name, accuracy=wilson(int(right[of == name].sum()), int((of == name).sum())))
        for name in order
    ]
