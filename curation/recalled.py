"""Comparisons of an earlier run: what was found when the same pictures were compared before.

Where all originals were seen before, to lay them on each other is most of what a run takes. What
comes of it is a function of the pictures, of what each stands for, and of the rules, so it is kept
under the digest of all that, and another split or flag compares nothing again.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from operator import attrgetter

import numpy as np

from curation.lock import canonical
from curation.lookalikes import Album
from curation.pairs import Pair
from curation.recipe import CurationRecipe
from curation.stars import Compared, Standing
from curation.store import Store, sources

_RULES = ("candidate_bits", "crop_bits", "min_likeness")
_ROOT_MODULE = "curation.recalled"
_PAIR_BYTES = 24
_AT_ONCE = 4096
"""Pairs in one outcome."""
_STANDING = attrgetter(*(field.name for field in fields(Standing)))


def recalled(
    store: Store,
    album: Album,
    recipe: CurationRecipe,
    standings: Sequence[Standing],
    species: Sequence[AbstractSet[str]],
    *,
    apart: AbstractSet[tuple[int, int]],
) -> Iterator[Compared]:
    """`Album.star_pairs`, or at once what the store knows of it: in the end it knows all of it."""
    code = _code()
    if code is None:
        yield from album.star_pairs(recipe, standings, species, apart)
        return
    key = _key(code, recipe, standings, species, apart)
    known = store.comparison(key)
    if known is not None:
        yield from _read(known)
        return
    ends, likeness, unmarked = array("q"), array("d"), dict[int, int]()
    for outcome in album.star_pairs(recipe, standings, species, apart):
        for pair in outcome.pairs:
            ends.extend((pair.first, pair.second))
            likeness.append(pair.likeness)
        unmarked |= outcome.unmarked
        yield outcome
    head = json.dumps(sorted(unmarked.items())).encode()
    store.keep_comparison(key, b"\n".join((head, ends.tobytes() + likeness.tobytes())))


def _key(
    code: str,
    recipe: CurationRecipe,
    standings: Iterable[Standing],
    species: Iterable[AbstractSet[str]],
    apart: AbstractSet[tuple[int, int]],
) -> str:
    """Digest of what a comparison depends on: of each picture, in order, standing and species.

    The pictures themselves are a function of their digests and of the store's own key.
    """
    rules = [getattr(recipe, name) for name in _RULES]
    digest = hashlib.sha256(canonical([rules, code, sorted(apart)]).encode())
    for standing, names in zip(standings, species, strict=True):
        digest.update(canonical([*_STANDING(standing), sorted(names)]).encode())
    return digest.hexdigest()


def _read(body: bytes) -> Iterator[Compared]:
    head, _, numbers = body.partition(b"\n")
    unmarked = dict[int, int](json.loads(head))
    count = len(numbers) // _PAIR_BYTES
    ends = np.frombuffer(numbers, np.int64, 2 * count).reshape(-1, 2)
    likeness = np.frombuffer(numbers, np.float64, count, ends.nbytes)
    for start in range(0, max(1, count), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        pairs = tuple(
            Pair(first=first, second=second, likeness=alike)
            for (first, second), alike in zip(
                ends[part].tolist(), likeness[part].tolist(), strict=True
            )
        )
        yield Compared(pairs=pairs, settled=len(pairs), suggested=count, unmarked=unmarked)
        unmarked = {}


@functools.cache
def _code() -> str | None:
    """Digest of the source of all that compares and recalls, and of what it computes with.

    None where there is no source to be read.
    """
    digest = hashlib.sha256(importlib.metadata.version("scipy").encode())
    try:
        for _, source in sorted(sources(_ROOT_MODULE).items()):
            digest.update(source)
    except (OSError, SyntaxError):
        return None
    return digest.hexdigest()
