"""Hamming search: which of many 64-bit hashes lie within a few bits of which others.

Multi-index hashing (Norouzi, Punjani and Fleet, 2014). A hash is cut into words, each with a
number of flips, so that two hashes within the radius agree in at least one word to within its
flips: else they would differ in more bits than the radius. So each word has a table, and each
query is looked up under its own word and all words that few flips away. Few long words mean
many look-ups, many short ones many comparisons; the number of words is chosen by both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

_BITS = 64
_MAX_WORD_BITS = 22
"""A table of every such word takes 16 MB."""
_LOOK_UP_COST = 3.0
"""Of one look-up, in comparisons."""
_BLOCK = 1 << 15
"""Look-ups or comparisons made at once: bounds memory, and so they stay in caches."""
_PORTIONS = 16
"""In which words are sorted: bounds memory."""

Hashes = NDArray[np.uint64]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of queries and of targets, in step."""


def neighbours(queries: Hashes, targets: Hashes, *, max_bits: int) -> Pairs:
    """All pairs of a query and a target that differ in at most `max_bits` bits.

    Pairs are given once, by query and then by target. There may be as many as the product of
    both counts: where that is too much, collapse equal hashes and take `near` in pieces.
    """
    lone_queries, query_of = np.unique(queries, return_inverse=True)
    lone_targets, target_of = np.unique(targets, return_inverse=True)
    found = [np.empty((2, 0), np.int64)]
    blocks = near(lambda: (_Queries(lone_queries),), lone_targets, max_bits=max_bits)
    found += [np.stack((query, target)) for _, query, target, _ in blocks]
    first, second = np.concatenate(found, axis=1)
    first, second = _spread(first, second, query_of.ravel(), target_of.ravel())
    order = np.lexsort((second, first))
    return first[order], second[order]


class Asking(Protocol):
    """Whatever holds queries."""

    @property
    def hashes(self) -> Hashes:
        """The queries."""


A = TypeVar("A", bound=Asking)


@dataclass(frozen=True, slots=True)
class _Queries:
    hashes: Hashes


def near(
    parts: Callable[[], Iterable[A]], targets: Hashes, *, max_bits: int
) -> Iterator[tuple[A, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """The pairs of a query and a target within `max_bits`, each once, in blocks of no order.

    With each pair goes by how many bits they differ. Queries come in parts, of which one at a
    time is in memory; with each block goes the part whose queries are in it. `parts` is called
    for each table of the targets.
    """
    words = _words(len(targets), max_bits)
    for nth, word in enumerate(words):
        table = _Table.of(targets, word)
        for part in parts():
            # Neighbours in a table go together, in the same order on every machine.
            order = np.argsort(word.of(part.hashes), kind="stable")
            for start in range(0, len(order), _BLOCK):
                some = part.hashes[order[start : start + _BLOCK]]
                own = word.of(some)
                for mask in word.masks():
                    looked_up = own ^ mask
                    first, last = table.starts[looked_up], table.starts[looked_up + 1]
                    for query, slot in _expanded(first, last - first):
                        apart = some[query] ^ table.hashes[slot]
                        new = _new(apart, words[:nth], max_bits)
                        asker, found = order[start + query[new]], table.was_at(slot[new])
                        bits = np.bitwise_count(apart[new]).astype(np.int64)
                        yield part, asker, found, bits


def pairs_within(hashes: Hashes, *, max_bits: int) -> Iterator[Pairs]:
    """The pairs of different hashes within `max_bits` of each other, each once, in blocks.

    The hashes must be distinct. A million of them and 8 bits take some 200 MB.
    """
    words = _words(len(hashes), max_bits)
    for nth, word in enumerate(words):
        table = _Table.of(hashes, word)
        own = word.of(table.hashes)
        for mask in word.masks():
            for query, slot in _met(table, own, mask):
                new = _new(table.hashes[query] ^ table.hashes[slot], words[:nth], max_bits)
                yield table.was_at(query[new]), table.was_at(slot[new])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """Some bits of a hash in a row, and how many of them may differ."""

    shift: int
    bits: int
    flips: int

    def of(self, hashes: Hashes) -> NDArray[np.int64]:
        words = hashes >> np.uint64(self.shift)
        words &= np.uint64((1 << self.bits) - 1)
        return words.view(np.int64)

    def masks(self) -> Iterator[int]:
        """Every word with at most so many bits set."""
        for flips in range(self.flips + 1):
            for bits in itertools.combinations(range(self.bits), flips):
                yield sum(1 << bit for bit in bits)

    def cost(self, targets: int) -> float:
        """Of one query: its look-ups and the comparisons that follow if words are spread evenly."""
        look_ups = sum(math.comb(self.bits, flips) for flips in range(self.flips + 1))
        return look_ups * (_LOOK_UP_COST + targets / 2.0**self.bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Hashes sorted by one of their words."""

    hashes: Hashes
    order: NDArray[np.int32]
    """Where each stood before."""
    starts: NDArray[np.int32]
    """Where the hashes with each word begin."""

    @classmethod
    def of(cls, targets: Hashes, word: _Word) -> _Table:
        kind: type[np.unsignedinteger] = np.uint16 if word.bits <= 16 else np.uint32
        words = np.empty(len(targets), kind)  # Short ones are sorted sooner.
        for start in range(0, len(targets), _BLOCK):
            words[start : start + _BLOCK] = word.of(targets[start : start + _BLOCK])
        counts = np.zeros(1 << word.bits, np.int32)
        at_once = max(_BLOCK, len(counts))
        for start in range(0, len(targets), at_once):
            counts += np.bincount(words[start : start + at_once], minlength=len(counts))
        starts = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=starts[1:])
        order = _in_order(words, starts)
        return cls(hashes=targets[order], order=order, starts=starts)

    def was_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the hashes at these places stood before."""
        return self.order[places].astype(np.int64)


def _in_order(words: NDArray[np.unsignedinteger], starts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Where the words stand from the lowest to the highest, of which each begins at its start.

    Some words at a time, because `argsort` takes eight bytes for each, and its work as much.
    """
    order = np.empty(len(words), np.int32)
    step = -(-(len(starts) - 1) // _PORTIONS)
    for lowest in range(0, len(starts) - 1, step):
        past = min(lowest + step, len(starts) - 1)
        some = np.flatnonzero((words >= lowest) & (words < past))
        order[starts[lowest] : starts[past]] = some[np.argsort(words[some], kind="stable")]
    return order


def _words(targets: int, max_bits: int) -> tuple[_Word, ...]:
    """The cheapest way to cut hashes into words for a search among so many targets."""
    fewest = math.ceil(_BITS / _MAX_WORD_BITS)
    cuts = [_cut(count, max_bits) for count in range(fewest, 9)]
    return min(cuts, key=lambda words: sum(word.cost(targets) for word in words))


def _cut(count: int, max_bits: int) -> tuple[_Word, ...]:
    """So many words of about one length, whose flips, one more each, are one more than the radius.

    A word without room for even no flips is left out: the others suffice.
    """
    edges = [nth * _BITS // count for nth in range(count + 1)]
    allowed = [(max_bits + 1 + nth) // count - 1 for nth in range(count)]
    return tuple(
        _Word(shift=start, bits=end - start, flips=min(flips, end - start))
        for start, end, flips in zip(edges[:-1], edges[1:], allowed, strict=True)
        if flips >= 0
    )


def _met(table: _Table, own: NDArray[np.int64], mask: int) -> Iterator[Pairs]:
    """Places in a table whose words differ by the mask, each two once."""
    for start in range(0, len(own), _BLOCK):
        if mask:
            some = start + np.flatnonzero((own[start : start + _BLOCK] & _highest(mask)) == 0)
            looked_up = own[some] ^ mask
            first = table.starts[looked_up]
        else:
            some = np.arange(start, min(len(own), start + _BLOCK))
            looked_up, first = own[some], some + 1
        for query, slot in _expanded(first, table.starts[looked_up + 1] - first):
            yield some[query], slot


def _highest(mask: int) -> int:
    return 1 << (mask.bit_length() - 1)


def _new(apart: Hashes, before: tuple[_Word, ...], max_bits: int) -> NDArray[np.int64]:
    """Places of the differences that are small, and were not met by an earlier word."""
    new = np.flatnonzero(np.bitwise_count(apart) <= max_bits)
    for word in before:
        new = new[np.bitwise_count(word.of(apart[new])) > word.flips]
    return new


def _expanded(
    first: NDArray[np.integer], counts: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Write ranges out: for each i, i with every number from first[i], counts[i] of them."""
    filled = np.flatnonzero(counts)
    first, counts = first[filled], counts[filled].astype(np.int64)
    ends = np.cumsum(counts)
    start = 0
    while start < len(filled):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, side="right")))
        some = counts[start:stop]
        owner = np.repeat(np.arange(start, stop), some)
        nth = np.arange(len(owner)) - np.repeat(ends[start:stop] - some - before, some)
        yield filled[owner], first[owner] + nth
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
