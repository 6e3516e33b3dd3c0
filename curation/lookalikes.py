"""Look-alikes: which pictures are copies of one picture.

Candidates come from a Hamming search over hashes of several views (`curation.candidates`);
each is then verified by aligning the two thumbnails (`curation.alignment`), where
`curation.stars` asks for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from curation.alignment import Frames, Suggestions, by_map
from curation.candidates import Candidates, Known, Match, Queries, candidates
from curation.filed import Filed
from curation.lined import Lined
from curation.marks import is_marked
from curation.memory import give_back
from curation.pairs import Numbers, Pair, PairEnds, Places
from curation.parting import LOSS, STILL, both_ways, have_stepped, parted
from curation.recipe import CurationRecipe
from curation.signature import (
    COLOUR_PX,
    CROPS,
    FRAMINGS,
    THUMB_PX,
    Signature,
    hashed_views,
    views_of,
)
from curation.stars import Compared, Path, Standing, Standings, compared

_AT_ONCE = 64
"""Pictures that are hashed together: some 10 MB."""
_PATHS = 1024
"""Paths that are gone through together: bounds memory."""
_MOST_TRIED = 8
"""Members of a star, the best first, that may be kept in place of its middle."""
_BRIDGED = 0.12
"""How much less alike two pictures may be that others have shown how to lay on each other."""


class Album:
    """The signatures of many pictures: 5 KB each in nameless files, 0.1 KB in memory."""

    def __init__(self) -> None:
        self._inner, self._aspect = array("f"), array("f")
        self._thumbs = Filed(np.uint8, THUMB_PX**2)
        self._colours = Filed(np.uint8, 3 * COLOUR_PX**2)

    def __len__(self) -> int:
        return len(self._aspect)

    def __getitem__(self, places: Numbers) -> NDArray[np.uint8]:
        """The thumbnails at these places; shape (n, 64, 64)."""
        return self._thumbs[places].reshape(-1, THUMB_PX, THUMB_PX)

    def colours(self, places: Numbers) -> NDArray[np.uint8]:
        """The pictures at these places in colour; shape (n, 16, 16, 3)."""
        return self._colours[places].reshape(-1, COLOUR_PX, COLOUR_PX, 3)

    def add(self, signature: Signature) -> int:
        """Take a picture in; return its place."""
        self._inner.extend(signature.inner)
        self._aspect.append(signature.aspect)
        self._thumbs.add(signature.thumb)
        self._colours.add(signature.colours)
        return len(self) - 1

    def pairs(self, recipe: CurationRecipe) -> list[Pair]:
        """Every two pictures that look alike, verified, once each, in order of place.

        Of many copies of one picture, pairs of some with some: see `curation.candidates`.
        """
        suggested = self._suggested(recipe, np.arange(len(self), dtype=np.int32))
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
        standings = Standings.of(standings)
        suggested = self._suggested(recipe, standings.line)

        def together(pairs: Iterable[Pair]) -> list[Pair]:
            return [pair for pair in pairs if (pair.first, pair.second) not in apart]

        yield from compared(
            suggested.ends,
            lambda numbers: together(suggested.verified(numbers)),
            standings,
            species,
            lambda paths: map(together, suggested.bridged(paths)),
            unmarked=lambda star: suggested.unmarked(star, standings),
        )

    def _suggested(self, recipe: CurationRecipe, line: Places) -> Suggested:
        """What is worth comparing; `line` has the places of all pictures, the best first."""
        frames = Frames(
            inner=np.frombuffer(self._inner, np.float32).reshape(-1, 4),
            aspect=np.frombuffer(self._aspect, np.float32),
        )
        queries = Filed(np.uint64, FRAMINGS + len(CROPS))
        found = candidates(
            Known.of(self._hashed(line, frames.inner, queries)),
            queries,
            candidate_bits=recipe.candidate_bits,
            crop_bits=recipe.crop_bits,
        )
        give_back()
        return Suggested(self, frames, found, line, min_likeness=recipe.min_likeness)

    def _hashed(
        self, line: Places, inner: NDArray[np.float32], queries: Queries
    ) -> Iterator[NDArray[np.uint64]]:
        """The hashes by which pictures are found, in parts; those that they ask with go along."""
        for start in range(0, len(line), _AT_ONCE):
            part = line[start : start + _AT_ONCE].astype(np.int64)
            targets, asked = hashed_views(self[part], inner[part])
            queries.add(asked)
            yield targets


class Suggested:
    """Pairs that hashes suggest, numbered, to be verified when asked for."""

    def __init__(
        self,
        album: Album,
        frames: Frames,
        found: Candidates,
        line: Places,
        *,
        min_likeness: float,
    ) -> None:
        self._album, self._frames, self._found, self._line = album, frames, found, line
        self._min_likeness = min_likeness
        self._maps = _Maps()

    def __len__(self) -> int:
        return len(self._found)

    @property
    def ends(self) -> Lined:
        """The two pictures of every pair, by place in line."""
        return self._found.ends

    def verified(self, numbers: Numbers) -> list[Pair]:
        """Those of the pairs with these numbers that look alike.

        The first way to match that leaves no doubt decides, or else the best of all.
        """
        least, sure, count = self._min_likeness, self._min_likeness + LOSS, len(numbers)
        best, is_alike = np.full(count, -1.0, np.float32), np.zeros(count, bool)
        ends, maps = np.zeros((count, 2), np.int64), np.zeros((count, 3, 3), np.float32)
        left, places, nth = self._found[numbers], np.arange(count), 0
        while len(left):
            way = self._way(left.match(nth))
            scores, across, is_apart = parted(
                self._album, self._frames, way, min_likeness=least, sure=sure
            )
            better = (scores >= least) & (scores > best[places])
            at = places[better]
            best[at], is_alike[at], maps[at] = scores[better], ~is_apart[better], across[better]
            ends[at] = np.stack([way.first[better], way.second[better]], axis=1)
            nth += 1
            is_open = (scores < sure) & left.has(nth)
            left, places = left.part(is_open), places[is_open]
        self._maps.note(ends[is_alike, 0], ends[is_alike, 1], maps[is_alike])
        return list(_pairs(ends[is_alike], best[is_alike]))

    def bridged(self, paths: Iterable[Path]) -> Iterator[list[Pair]]:
        """The ends of those paths that look alike, laid on each other by way of the others.

        Those are left out between which a subject took a step.

        Some paths at a time. Their maps are noted after the last: a path may go by the ends of
        another, and how many are gone through at once must not matter.
        """
        paths, found = iter(paths), []
        while some := list(islice(paths, _PATHS)):
            maps = np.stack([self._along(path) for path in some])
            ends = np.asarray([(path[0], path[-1]) for path in some], np.int64)
            ways = by_map(ends[:, 0], ends[:, 1], maps)
            least = self._min_likeness - _BRIDGED
            scores, maps = both_ways(
                self._album, self._frames, ways, min_likeness=least, sure=least + LOSS
            )
            alike = scores >= least
            asked = alike & (scores < STILL)
            alike &= ~have_stepped(self._album, self._frames, ways, maps, asked)
            found.append((ways.first[alike], ways.second[alike], maps[alike]))
            yield list(_pairs(ends[alike], scores[alike]))
        for ends_and_maps in found:
            self._maps.note(*ends_and_maps)

    def unmarked(self, star: Sequence[int], standings: Sequence[Standing]) -> int | None:
        """The member to keep in place of a star's middle; None where that has no mark on it.

        Best first, each is held against the one to be kept so far, and takes its place if that
        one has a mark on it that this has not.
        """
        middle, *others = star
        kept = middle
        for other in others[:_MOST_TRIED]:
            path = (kept, other) if kept == middle else (kept, middle, other)
            if standings[other].may_replace(standings[kept]) and self._is_marked(path):
                kept = other
        return None if kept == middle else kept

    def _is_marked(self, path: Path) -> bool:
        """Whether the first picture of a path has a mark on it that the last has not."""
        ends = path[0], path[-1]
        return is_marked(*self._copies(*ends), self._along(path), self._frames.boxes(*ends))

    def _copies(self, one: int, other: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        thumb, fellow = self._album[np.asarray((one, other))]
        return thumb, fellow

    def _along(self, path: Path) -> NDArray[np.float32]:
        """The map from the first to the last picture of a path."""
        whole: NDArray[np.floating] = np.eye(3, dtype=np.float32)
        for one, other in pairwise(path):
            whole = self._maps.between(one, other) @ whole
        return whole.astype(np.float32)

    def _way(self, match: Match) -> Suggestions:
        """A way to match of each pair, the asker first."""
        ends = [self._line[end].astype(np.int64) for end in (match.better, match.worse)]
        asker = np.where(match.is_better_asking, *ends)
        other = np.where(match.is_better_asking, *ends[::-1])
        nth_pair = np.arange(len(asker))
        return Suggestions(
            first=asker,
            second=other,
            first_box=self._views(asker)[nth_pair, match.view],
            second_box=self._views(other)[nth_pair, match.framing],
            orientation=match.orientation,
        )

    def _views(self, places: Numbers) -> NDArray[np.float32]:
        return views_of(self._frames.inner[places]).astype(np.float32)


class _Maps:
    """How pictures lie on each other: maps from one to the other, which lie in a nameless file."""

    def __init__(self) -> None:
        self._ends, self._maps = PairEnds(), Filed(np.float32, 9)

    def note(self, first: Numbers, second: Numbers, maps: NDArray[np.float32]) -> None:
        """Take in the maps of some pairs, in place of what they had before."""
        self._ends.extend(first, second)
        self._maps.add(maps)

    def between(self, one: int, other: int) -> NDArray[np.floating]:
        """The map from one picture to another, of which there is one in this direction or back."""
        known = self._ends.last(one, other)
        if known is not None:
            return self._at(known)
        back = self._ends.last(other, one)
        assert back is not None
        return np.asarray(np.linalg.inv(self._at(back)))

    def _at(self, number: int) -> NDArray[np.float32]:
        return self._maps[np.array([number])].reshape(3, 3)


def _pairs(ends: Numbers, scores: NDArray[np.float32]) -> Iterator[Pair]:
    for (one, other), score in zip(ends.tolist(), scores.tolist(), strict=True):
        yield Pair(first=min(one, other), second=max(one, other), likeness=score)
