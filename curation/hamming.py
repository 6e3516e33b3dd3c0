"""Hamming search: which of many 64-bit hashes lie within a few bits of which others.

Multi-index hashing. A hash is cut into four words of 16 bits; two hashes that differ in at
most r bits agree in one word to within r // 4 bits. So each word has a table, and each
query is looked up under its own word and all words that few flips away.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_WORDS = 4
_WORD_BITS = 16
_BLOCK = 1 << 21
"""Comparisons made at once: bounds memory, some 50 MB."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of queries and of targets, in step."""


def neighbours(queries: NDArray[np.uint64], targets: NDArray[np.uint64], *, max_bits: int) -> Pairs:
    """All pairs of a query and a target that differ in at most `max_bits` bits.

    Equal hashes are collapsed for the search, so a picture that occurs a thousand times
    costs one look-up; pairs are given once, by query and then by target.
    """
    lone_queries, query_of = np.unique(queries, return_inverse=True)
    lone_targets, target_of = np.unique(targets, return_inverse=True)
    found = [
        pair
        for word in range(_WORDS)
        for pair in _pairs_by_word(lone_queries, lone_targets, word, max_bits)
    ]
    keys = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    width = max(1, len(lone_targets))
    return _spread(keys // width, keys % width, query_of.ravel(), target_of.ravel())


def _pairs_by_word(
    queries: NDArray[np.uint64], targets: NDArray[np.uint64], word: int, max_bits: int
) -> Iterator[NDArray[np.int64]]:
    """Pairs that nearly agree in one word, as keys: query × number of targets + target."""
    shift = np.uint64(_WORD_BITS * word)
    words = (targets >> shift).astype(np.uint16)
    order = np.argsort(words, kind="stable")
    starts = np.searchsorted(words[order], np.arange((1 << _WORD_BITS) + 1))
    asked = (queries >> shift).astype(np.uint16)
    for mask in _masks(max_bits // _WORDS):
        looked_up = asked ^ np.uint16(mask)
        first, last = starts[looked_up], starts[looked_up + np.int64(1)]
        for query, slot in _expanded(first, last - first):
            target = order[slot]
            near = np.bitwise_count(queries[query] ^ targets[target]) <= max_bits
            yield query[near] * len(targets) + target[near]


def _masks(max_flips: int) -> Iterator[int]:
    """Every 16-bit word with at most so many bits set."""
    for flips in range(max_flips + 1):
        for bits in itertools.combinations(range(_WORD_BITS), flips):
            yield sum(1 << bit for bit in bits)


def _expanded(first: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[Pairs]:
    """Write ranges out: for each i, i with every number from first[i], counts[i] of them."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, side="right")))
        some = counts[start:stop]
        owner = np.repeat(np.arange(start, stop), some)
        nth = np.arange(len(owner)) - np.repeat(ends[start:stop] - some - before, some)
        yield owner, first[owner] + nth
        start = stop


def _spread(
    queries: NDArray[np.int64],
    targets: NDArray[np.int64],
    query_of: NDArray[np.intp],
    target_of: NDArray[np.intp],
) -> Pairs:
    """Give pairs of distinct hashes back as pairs of all that have these hashes."""
    by_target, target_starts = _by_value(target_of)
    by_query, query_starts = _by_value(query_of)
    counts = query_starts[queries + 1] - query_starts[queries]
    pair, nth = _flat(counts)
    owners = by_query[query_starts[queries[pair]] + nth]
    fellows = targets[pair]
    more, nth = _flat(target_starts[fellows + 1] - target_starts[fellows])
    return owners[more], by_target[target_starts[fellows[more]] + nth]


def _by_value(values: NDArray[np.intp]) -> Pairs:
    order = np.argsort(values, kind="stable").astype(np.int64)
    count = int(values.max()) + 1 if len(values) else 0
    return order, np.searchsorted(values[order], np.arange(count + 1)).astype(np.int64)


def _flat(counts: NDArray[np.int64]) -> Pairs:
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
