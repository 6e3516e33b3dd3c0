from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.hamming import neighbours, pairs_within

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=40)


@given(values=hashes, flips=st.lists(st.integers(0, 63), max_size=12), bits=st.integers(0, 15))
@settings(max_examples=60, deadline=None)
def test_exactly_the_pairs_within_the_radius_are_found(values, flips, bits):
    mask = 0
    for flip in flips:
        mask ^= 1 << flip
    queries = np.asarray(values, np.uint64)
    targets = np.asarray([value ^ mask for value in values] + values[:3] * 2, np.uint64)
    pairs = neighbours(queries, targets, max_bits=bits)
    found = list(zip(*(side.tolist() for side in pairs), strict=True))
    expected = [
        (one, other)
        for one, query in enumerate(queries.tolist())
        for other, target in enumerate(targets.tolist())
        if (query ^ target).bit_count() <= bits
    ]
    assert sorted(found) == expected


def test_many_equal_hashes_are_all_paired():
    first, second = neighbours(np.zeros(50, np.uint64), np.zeros(60, np.uint64), max_bits=8)
    assert len(first) == len(second) == 3000


@given(values=hashes, flips=st.lists(st.integers(0, 63), max_size=8), bits=st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_a_row_of_hashes_meets_itself_once_a_pair(values, flips, bits):
    mask = 0
    for flip in flips:
        mask ^= 1 << flip
    row = np.unique(np.asarray(values + [value ^ mask for value in values], np.uint64))
    found = [
        (min(pair), max(pair))
        for block in pairs_within(row, max_bits=bits)
        for pair in zip(*(side.tolist() for side in block), strict=True)
    ]
    expected = [
        (one, other)
        for one in range(len(row))
        for other in range(one + 1, len(row))
        if int(row[one] ^ row[other]).bit_count() <= bits
    ]
    assert sorted(found) == expected


def test_hashes_that_share_a_word_are_found_however_many():
    row = np.arange(3000, dtype=np.uint64)  # All but the lowest bits are the same.
    found = sum(len(first) for first, _ in pairs_within(row, max_bits=1))
    assert found == sum(
        (one ^ 1 << bit) < 3000 and one < one ^ 1 << bit for one in range(3000) for bit in range(12)
    )
