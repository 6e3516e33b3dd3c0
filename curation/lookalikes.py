"""Look-alikes: which pictures are copies of one picture, and which of them is kept.

Candidates come from a Hamming search over hashes of several views; each is then verified by
aligning the two thumbnails (`curation.alignment`). Groups are stars, not chains: a picture
joins a group only if it was verified against the very picture that the group keeps, so a
row of small changes cannot tie two different pictures together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curation.alignment import Suggestions, likeness
from curation.hamming import neighbours
from curation.recipe import CurationRecipe
from curation.signature import CROPS, ORIENTATIONS, THUMB_PX, WHOLE, Box, Signature, within

_FRAMINGS = 2
"""The first views of every picture, which are targets too: the whole, and the inner part."""
_WAYS = 3
"""Ways in which two pictures may match that are tried, nearest hashes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures that were verified to look alike, by their place in the album."""

    first: int
    second: int
    likeness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides which picture of a group is kept."""

    digest: str
    pixels: int
    """Upright, without a uniform border."""
    bytes: int

    @property
    def rank(self) -> tuple[int, int, str]:
        """The smallest is kept: most pixels, then least compressed, then smallest digest."""
        return (-self.pixels, -self.bytes, self.digest)


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
        if len(self) < 2:
            return []
        best: dict[tuple[int, int], float] = {}
        inner = self._boxes()[:, 1]
        for suggestions in self._suggestions(recipe):
            keys = [
                (min(pair), max(pair))
                for pair in zip(
                    suggestions.first.tolist(), suggestions.second.tolist(), strict=True
                )
            ]
            open_ = [n for n, key in enumerate(keys) if best.get(key, -1.0) < recipe.min_likeness]
            scores = likeness(self._all_thumbs(), inner, suggestions.part(np.asarray(open_, int)))
            for n, score in zip(open_, scores.tolist(), strict=True):
                best[keys[n]] = max(score, best.get(keys[n], -1.0))
        return [
            Pair(first=first, second=second, likeness=score)
            for (first, second), score in sorted(best.items())
            if score >= recipe.min_likeness
        ]

    def _all_thumbs(self) -> NDArray[np.uint8]:
        self._thumbs.flush()
        return np.memmap(self._thumbs, np.uint8, "r", shape=(len(self), THUMB_PX, THUMB_PX))

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


def stars(standings: Sequence[Standing], pairs: Iterable[Pair]) -> list[list[int]]:
    """Group pictures around the best of them; each list begins with the one to keep.

    Best first, a picture joins the star whose middle it is most like, among those it was
    verified against, or else begins a star of its own.
    """
    alike: dict[int, dict[int, float]] = {}
    for pair in pairs:
        alike.setdefault(pair.first, {})[pair.second] = pair.likeness
        alike.setdefault(pair.second, {})[pair.first] = pair.likeness
    groups: dict[int, list[int]] = {}
    for place in sorted(range(len(standings)), key=lambda place: standings[place].rank):
        middle = _middle(alike.get(place, {}), groups, standings)
        groups.setdefault(place if middle is None else middle, []).append(place)
    return list(groups.values())


def _middle(
    alike: Mapping[int, float], groups: Mapping[int, object], standings: Sequence[Standing]
) -> int | None:
    middles = [place for place in alike if place in groups]
    if not middles:
        return None
    return min(middles, key=lambda place: (-alike[place], standings[place].digest))
