"""Look-alikes: which pictures are copies of one picture.

Candidates come from a Hamming search over hashes of several views; each is then verified by
aligning the two thumbnails (`curation.alignment`), where `curation.stars` asks for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curation.alignment import Suggestions, likeness
from curation.hamming import neighbours
from curation.recipe import CurationRecipe
from curation.signature import CROPS, ORIENTATIONS, THUMB_PX, WHOLE, Box, Signature, within
from curation.stars import Compared, Pair, Standing, compared

_FRAMINGS = 2
"""The first views of every picture, which are targets too: the whole, and the inner part."""
_WAYS = 3
"""Ways in which two pictures may match that are tried, nearest hashes first."""


class Album:
    """The signatures of many pictures: 4 KB each in a nameless file, 0.5 KB in memory."""

    def __init__(self) -> None:
        self._signatures: list[tuple[Box, NDArray[np.uint64], NDArray[np.uint64]]] = []
        self._thumbs = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._thumbs.close()

    def __len__(self) -> int:
        return len(self._signatures)

    def add(self, signature: Signature) -> int:
        """Take a picture in; return its place."""
        self._signatures.append((signature.inner, signature.targets, signature.queries))
        self._thumbs.write(signature.thumb.tobytes())
        return len(self) - 1

    def pairs(self, recipe: CurationRecipe) -> list[Pair]:
        """Every two pictures that look alike, verified, once each, in order of place."""
        suggested = self._suggested(recipe)
        return sorted(
            suggested.verified(np.arange(len(suggested))),
            key=lambda pair: (pair.first, pair.second),
        )

    def star_pairs(
        self,
        recipe: CurationRecipe,
        standings: Sequence[Standing],
        species: Sequence[AbstractSet[str]],
        apart: AbstractSet[tuple[int, int]] = frozenset(),
    ) -> Iterator[Compared]:
        """The pairs that `stars` and conflicts between species need, and no others.

        A thousand copies of one picture are a thousand comparisons with the best of them
        and not half a million with each other. Pairs in `apart`, the smaller place first,
        are no look-alikes, whatever the comparison says.
        """
        suggested = self._suggested(recipe)

        def verified(numbers: NDArray[np.int64]) -> list[Pair]:
            found = suggested.verified(numbers)
            return [pair for pair in found if (pair.first, pair.second) not in apart]

        yield from compared(suggested.ends, verified, standings, species)

    def _all_thumbs(self) -> NDArray[np.uint8]:
        self._thumbs.flush()
        return np.memmap(self._thumbs, np.uint8, "r", shape=(len(self), THUMB_PX, THUMB_PX))

    def _suggested(self, recipe: CurationRecipe) -> Suggested:
        ways = list(self._suggestions(recipe)) if len(self) > 1 else []
        inner = self._boxes()[:, 1] if ways else np.empty((0, 4), np.float32)
        thumbs = self._all_thumbs() if ways else np.empty((0, THUMB_PX, THUMB_PX), np.uint8)
        return Suggested(ways, thumbs, inner, min_likeness=recipe.min_likeness)

    def _suggestions(self, recipe: CurationRecipe) -> Iterator[Suggestions]:
        """Pairs to compare: first all in their nearest way to match, then in the next."""
        queries = np.stack([queries for _, _, queries in self._signatures])
        targets = np.stack([targets for _, targets, _ in self._signatures]).reshape(len(self), -1)
        view, first, turned, second = _matches(queries, targets, recipe)
        bits = np.bitwise_count(queries[first, view] ^ targets[second, turned])
        framing, orientation = np.divmod(turned, ORIENTATIONS)
        boxes = self._boxes()
        for chosen in _ways(first, second, bits):
            yield Suggestions(
                first=first[chosen],
                second=second[chosen],
                first_box=boxes[first[chosen], view[chosen]],
                second_box=boxes[second[chosen], framing[chosen]],
                orientation=orientation[chosen],
            )

    def _boxes(self) -> NDArray[np.float32]:
        """The box of every view of every picture; shape (pictures, views, 4)."""
        return np.asarray(
            [
                [WHOLE, inner, *(within(crop, inner) for crop in CROPS)]
                for inner, _, _ in self._signatures
            ],
            np.float32,
        )


class Suggested:
    """Pairs that hashes suggest, numbered in order of place, to be verified when asked for."""

    def __init__(
        self,
        ways: Sequence[Suggestions],
        thumbs: NDArray[np.uint8],
        inner: NDArray[np.float32],
        *,
        min_likeness: float,
    ) -> None:
        self._ways, self._thumbs, self._inner = ways, thumbs, inner
        self._min_likeness, self._pictures = min_likeness, len(thumbs)
        self._keys = [self._key(way) for way in ways]

    def __len__(self) -> int:
        return len(self._keys[0]) if self._keys else 0

    @property
    def ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The two pictures of every pair, the smaller place first."""
        if not self._keys:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.divmod(self._keys[0], self._pictures)

    def verified(self, numbers: NDArray[np.int64]) -> list[Pair]:
        """Those of the pairs with these numbers that look alike."""
        if not self._keys:
            return []
        open_ = self._keys[0][numbers]
        found: list[Pair] = []
        for way, keys in zip(self._ways, self._keys, strict=True):
            open_ = np.intersect1d(open_, keys, assume_unique=True)  # A way in fewer pairs each.
            spots = np.searchsorted(keys, open_)
            scores = likeness(self._thumbs, self._inner, way.part(spots))
            alike = scores >= self._min_likeness
            found += [
                Pair(first=key // self._pictures, second=key % self._pictures, likeness=score)
                for key, score in zip(open_[alike].tolist(), scores[alike].tolist(), strict=True)
            ]
            open_ = open_[~alike]
        return found

    def _key(self, way: Suggestions) -> NDArray[np.int64]:
        low, high = np.minimum(way.first, way.second), np.maximum(way.first, way.second)
        return low * self._pictures + high


def _matches(
    queries: NDArray[np.uint64], targets: NDArray[np.uint64], recipe: CurationRecipe
) -> tuple[NDArray[np.int64], ...]:
    """Views that are near targets: view, its picture, target, its picture, in step."""
    found = []
    for views, max_bits in (
        (range(_FRAMINGS), recipe.candidate_bits),
        (range(_FRAMINGS, queries.shape[1]), recipe.crop_bits),
    ):
        query, target = neighbours(queries[:, views].ravel(), targets.ravel(), max_bits=max_bits)
        first, view = np.divmod(query, len(views))
        second, turned = np.divmod(target, targets.shape[1])
        found.append(np.stack([view + views.start, first, turned, second]))
    return tuple(np.concatenate(found, axis=1))


def _ways(
    first: NDArray[np.int64], second: NDArray[np.int64], bits: NDArray[np.uint8]
) -> Iterator[NDArray[np.int64]]:
    """Indices of the nearest way to match each pair of pictures, then of the next, …"""
    apart = np.flatnonzero(first != second)
    low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
    order = np.lexsort((bits[apart], high, low))
    low, high = low[order], high[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    begins = np.flatnonzero(is_new)
    nth = np.arange(len(order)) - np.repeat(begins, np.diff([*begins, len(order)]))
    for way in range(_WAYS):
        yield apart[order[nth == way]]
