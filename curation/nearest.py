"""The nearest pictures of two collections: every pair compared, the likeliest ones aligned.

Curation finds look-alikes through hashes; what its hashes miss, the same hashes would miss
again. Here every picture of one collection is compared with every one of the other, in all
eight orientations, by the correlation of small grey pictures: a search that skips nothing.
Hashes, at a looser radius, add what was cropped. The likeliest pairs by either are then laid
on each other as curation does it (`curation.parting`), so that likeness means the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.alignment import Frames, Suggestions
from curation.hamming import neighbours
from curation.parting import LOSS, parted
from curation.recipe import CurationRecipe
from curation.signature import ORIENTATIONS, THUMB_PX, Signature, hashed_views, views_of

_SMALL_PX = 16
"""Side of the grey pictures that are correlated."""
_LOOSER_BITS = 2
"""By how much the radius of the hash search is larger than the recipe's."""
_MOST_ALIGNED = 4_000
"""Ways to match, the likeliest by each of the two searches, that are tried: bounds the time."""
_BLOCK, _OTHERS = 256, 8192
"""So many pictures are correlated with so many others at once: bounds memory, some 100 MB."""
_HASHED = 64
"""Pictures that are hashed at once: some 10 MB."""
_FEW = 1 << 26
"""Pairs of hashes up to which each is compared with each."""
_UNLIKE = 0.001
"""By how much less alike than copies pictures are told to be that show what makes them none."""
_FRAMINGS = 2
"""The first views of every picture, which are targets too: the whole, and the inner part."""

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pile:
    """Small pictures as signatures have them; nothing is copied."""

    signatures: tuple[Signature, ...]

    def __getitem__(self, places: Numbers) -> NDArray[np.uint8]:
        """Those at these places, in grey; shape (n, 64, 64)."""
        chosen = [self.signatures[place].thumb for place in places.tolist()]
        return np.stack(chosen) if chosen else np.empty((0, THUMB_PX, THUMB_PX), np.uint8)

    def colours(self, places: Numbers) -> NDArray[np.uint8]:
        """Those at these places, in colour; shape (n, 16, 16, 3)."""
        return np.stack([self.signatures[place].colours for place in places.tolist()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Many pictures, as the search wants them: in step, n of them."""

    pile: Pile
    inner: Floats
    """Shape (n, 4): the pictures without their borders."""
    aspect: Floats
    """Shape (n,): width over height."""
    boxes: Floats
    """Shape (n, views, 4): the box of every view."""
    targets: NDArray[np.uint64]
    """Shape (n, 16): the hashes of the whole and the inner picture in every orientation."""
    queries: NDArray[np.uint64]
    """Shape (n, views): the hashes of every view, upright."""

    @classmethod
    def of(cls, signatures: Sequence[Signature]) -> Self:
        """Hash the views of pictures."""
        pile = Pile(tuple(signatures))
        inner = np.asarray([one.inner for one in signatures], np.float64).reshape(-1, 4)
        parts = [
            np.arange(start, min(len(inner), start + _HASHED))
            for start in range(0, max(1, len(inner)), _HASHED)
        ]
        hashed = [hashed_views(pile[part], inner[part]) for part in parts]
        targets, queries = (np.concatenate(hashes) for hashes in zip(*hashed, strict=True))
        return cls(
            pile=pile,
            inner=inner.astype(np.float32),
            aspect=np.asarray([one.aspect for one in signatures], np.float32),
            boxes=views_of(inner).astype(np.float32),
            targets=targets.reshape(len(inner), _FRAMINGS * ORIENTATIONS),
            queries=queries,
        )

    def __len__(self) -> int:
        return len(self.inner)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPair:
    """A picture of the first collection and one of the second, by their places there."""

    first: int
    second: int
    likeness: float
    """Once aligned, above 0 and up to 1; the recipe says from where two are look-alikes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """What a search found."""

    compared: int
    """Pairs: every picture of one collection with every one of the other."""
    aligned: int
    """Of these, the likeliest ones, which were laid on each other."""
    pairs: tuple[NearPair, ...]
    """The pairs that are alike at all, the most alike first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """Ways in which pairs may match, in step; a pair can occur more than once."""

    pairs: Suggestions
    badness: NDArray[np.floating] | NDArray[np.integer]
    """The lower, the likelier; comparable within one search alone."""

    def likeliest(self) -> _Ways:
        order = np.argsort(self.badness, kind="stable")[:_MOST_ALIGNED]
        return _Ways(pairs=self.pairs.part(order), badness=self.badness[order])


def nearest(first: Collection, second: Collection, recipe: CurationRecipe) -> Nearest:
    """Find the most alike pairs of a picture of `first` and one of `second`."""
    if not len(first) or not len(second):
        return Nearest(compared=0, aligned=0, pairs=())
    found: dict[tuple[int, int], tuple[float, bool]] = {}
    for ways in (_correlated(first, second), _hashed(first, second, recipe)):
        aligned = _aligned(first, second, ways.likeliest().pairs, recipe.min_likeness)
        for one, other, score, is_apart in aligned:
            known = found.get((one, other), (-1.0, False))
            found[one, other] = max((score, is_apart), known)
    less = recipe.min_likeness - _UNLIKE
    scores = {
        pair: min(score - LOSS, less) if is_apart else score
        for pair, (score, is_apart) in found.items()
    }
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return Nearest(
        compared=len(first) * len(second),
        aligned=len(found),
        pairs=tuple(
            NearPair(first=one, second=other, likeness=round(min(score, 1.0), 4))
            for (one, other), score in ordered
            if score > 0
        ),
    )


def _aligned(
    first: Collection, second: Collection, pairs: Suggestions, min_likeness: float
) -> Iterator[tuple[int, int, float, bool]]:
    pile = Pile(first.pile.signatures + second.pile.signatures)
    frames = Frames(
        inner=np.concatenate([first.inner, second.inner]),
        aspect=np.concatenate([first.aspect, second.aspect]),
    )
    moved = replace(pairs, second=pairs.second + len(first))
    sure = min_likeness + LOSS
    scores, _, is_apart = parted(pile, frames, moved, min_likeness=min_likeness, sure=sure)
    columns = (pairs.first, pairs.second, scores, is_apart)
    yield from zip(*(column.tolist() for column in columns), strict=True)


def _correlated(first: Collection, second: Collection) -> _Ways:
    """The pairs that correlate best, of all there are, each in its best orientation."""
    here, others = _small(first).reshape(len(first), -1), _small(second)
    best = np.empty((4, 0))
    floor = -np.inf
    for offset in range(0, len(second), _OTHERS):
        there = _turned(others[offset : offset + _OTHERS]).transpose(0, 2, 1)
        for start in range(0, len(first), _BLOCK):
            highest, turns = _best_turned(here[start : start + _BLOCK], there)
            one, other = np.unravel_index(_top(highest.ravel(), floor), highest.shape)
            found = (highest[one, other], one + start, other + offset, turns[one, other])
            best = np.hstack([best, found])
            if best.shape[1] > _MOST_ALIGNED:
                best = best[:, np.argsort(-best[0], kind="stable")[:_MOST_ALIGNED]]
                floor = best[0, -1]
    places = best[1:].astype(np.int64)
    return _Ways(
        pairs=Suggestions(
            first=places[0],
            second=places[1],
            first_box=first.inner[places[0]],
            second_box=second.inner[places[1]],
            orientation=places[2],
        ),
        badness=-best[0],
    )


def _best_turned(here: Floats, there: Floats) -> tuple[Floats, NDArray[np.int8]]:
    """The correlation of every two pictures in their best orientation, and which that is."""
    highest = here @ there[0]
    turns = np.zeros(highest.shape, np.int8)
    for orientation in range(1, ORIENTATIONS):
        scores = here @ there[orientation]
        turns[scores > highest] = orientation
        np.maximum(highest, scores, out=highest)
    return highest, turns


def _top(values: Floats, floor: float) -> NDArray[np.intp]:
    """Where the highest values above a floor are, so many as are aligned at most."""
    above = np.flatnonzero(values > floor)
    if len(above) <= _MOST_ALIGNED:
        return above
    return above[np.argpartition(-values[above], _MOST_ALIGNED)[:_MOST_ALIGNED]]


def _small(pictures: Collection) -> Floats:
    """The inner pictures, squeezed, with mean 0 and length 1; shape (n, 16, 16)."""
    values = np.stack(
        [
            _squeezed(one.thumb, box)
            for one, box in zip(pictures.pile.signatures, pictures.inner.tolist(), strict=True)
        ]
    )
    values -= values.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((values**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(values / np.maximum(length, 1e-3), np.float32)


def _squeezed(thumb: NDArray[np.uint8], inner: Sequence[float]) -> Floats:
    left, top, right, bottom = (THUMB_PX * edge for edge in inner)
    small = Image.fromarray(thumb).resize(
        (_SMALL_PX, _SMALL_PX), Image.Resampling.BOX, box=(left, top, right, bottom)
    )
    return np.asarray(small, np.float32)


def _turned(small: Floats) -> Floats:
    """Pictures in every orientation; shape (8, n, pixels)."""
    turned = []
    for orientation in range(ORIENTATIONS):
        seen = small.transpose(0, 2, 1) if orientation & 4 else small
        seen = seen[:, :, ::-1] if orientation & 1 else seen
        seen = seen[:, ::-1] if orientation & 2 else seen
        turned.append(seen.reshape(len(small), -1))
    return np.stack(turned)


def _hashed(first: Collection, second: Collection, recipe: CurationRecipe) -> _Ways:
    """The pairs with the nearest hashes: parts of either picture against the other's whole."""
    there = _views_near(first, second, recipe)
    back = _views_near(second, first, recipe)
    return _Ways(
        pairs=Suggestions(
            first=np.concatenate([there.pairs.first, back.pairs.second]),
            second=np.concatenate([there.pairs.second, back.pairs.first]),
            first_box=np.concatenate([there.pairs.first_box, back.pairs.second_box]),
            second_box=np.concatenate([there.pairs.second_box, back.pairs.first_box]),
            orientation=np.concatenate([there.pairs.orientation, _undone(back.pairs.orientation)]),
        ),
        badness=np.concatenate([there.badness, back.badness]),
    )


def _undone(orientation: Numbers) -> Numbers:
    """The orientations that undo others: of a transposed one, the two mirrorings change places."""
    swapped = 4 | (orientation & 1) << 1 | (orientation & 2) >> 1
    return np.where(orientation & 4, swapped, orientation)


def _views_near(askers: Collection, asked: Collection, recipe: CurationRecipe) -> _Ways:
    """Views of the askers whose hashes are near those of what is asked, whole or inner."""
    whole, parts = askers.queries[:, :_FRAMINGS], askers.queries[:, _FRAMINGS:]
    found = [
        _near(queries, asked.targets, bits + _LOOSER_BITS)
        for queries, bits in ((whole, recipe.candidate_bits), (parts, recipe.crop_bits))
    ]
    found[1][1] += _FRAMINGS
    first, view, second, target, bits = _likeliest(np.concatenate(found, axis=1))
    framing, orientation = np.divmod(target, ORIENTATIONS)
    return _Ways(
        pairs=Suggestions(
            first=first,
            second=second,
            first_box=askers.boxes[first, view],
            second_box=asked.boxes[second, framing],
            orientation=orientation,
        ),
        badness=bits,
    )


def _likeliest(found: Numbers) -> Numbers:
    """Of what `_near` found, as much as is aligned at most: the nearest hashes."""
    return found[:, np.argsort(found[4], kind="stable")[:_MOST_ALIGNED]]


def _near(queries: NDArray[np.uint64], targets: NDArray[np.uint64], max_bits: int) -> Numbers:
    """Near hashes: asker, its view, asked, its target and bits between; shape (5, n)."""
    search = _all_compared if queries.size * targets.size <= _FEW else neighbours
    query, target = search(queries.ravel(), targets.ravel(), max_bits=max_bits)
    bits = np.bitwise_count(queries.ravel()[query] ^ targets.ravel()[target])
    return np.stack(
        [
            *np.divmod(query, queries.shape[1]),
            *np.divmod(target, targets.shape[1]),
            bits.astype(np.int64),
        ]
    )


def _all_compared(
    queries: NDArray[np.uint64], targets: NDArray[np.uint64], *, max_bits: int
) -> tuple[Numbers, Numbers]:
    """What `neighbours` finds, for few hashes, where its tables would cost more."""
    at_once = max(1, _FEW // 32 // max(1, len(targets)))
    found = [
        np.argwhere(np.bitwise_count(queries[start : start + at_once, None] ^ targets) <= max_bits)
        + np.array((start, 0))
        for start in range(0, len(queries), at_once)
    ]
    query, target = np.concatenate(found).T
    return query, target
