"""What is compared is bounded for every picture, and holds what a group needs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import curation.candidates as candidates_module
from curation.candidates import Candidates, Known, candidates
from curation.filed import Filed

VIEWS = 14


def rows(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of pictures of which all views but the upright whole are like no other's."""
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2**64, (len(whole), 2, 8), dtype=np.uint64)
    queries = rng.integers(0, 2**64, (len(whole), VIEWS), dtype=np.uint64)
    targets[:, :, 0] = whole[:, None]
    queries[:, :2] = whole[:, None]
    return targets, queries


def searched(parts: Iterable[np.ndarray], asked: np.ndarray, *, crop_bits: int) -> Candidates:
    queries = Filed(np.uint64, VIEWS)
    queries.add(asked)
    known = Known.of(parts)
    return candidates(known, queries, candidate_bits=14, crop_bits=crop_bits)


def pairs(whole: np.ndarray) -> set[tuple[int, int]]:
    targets, asked = rows(whole)
    found = searched([targets], asked, crop_bits=0)
    ends = found.ends.ends(np.arange(len(found)))
    return set(zip(*(end.tolist() for end in ends), strict=True))


@given(picks=st.lists(st.sampled_from([0, 1, 3, 0xFF, 0xFFFFFF, 2**63]), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_few_pictures_are_paired_as_their_hashes_are_near(picks):
    whole = np.asarray(picks, np.uint64)
    near = {
        (one, other)
        for other in range(len(picks))
        for one in range(other)
        if (picks[one] ^ picks[other]).bit_count() <= 14
    }
    assert pairs(whole) == near


def test_a_thousand_copies_are_each_compared_with_a_few_and_with_the_best():
    rng = np.random.default_rng(2)
    whole = np.uint64(1) << rng.integers(0, 64, 1000, dtype=np.uint64)
    found = pairs(whole)
    assert len(found) < 1000 * 80
    worse = {other for one, other in found if one == 0}
    assert worse == set(range(1, 1000))


def test_equal_hashes_are_compared_with_the_best_that_have_them():
    found = pairs(np.zeros(500, np.uint64))
    assert all((0, other) in found for other in range(1, 500))
    assert len(found) < 500 * 80


def test_no_pictures_have_no_candidates():
    assert pairs(np.empty(0, np.uint64)) == set()


def found(whole: np.ndarray, *, crop_bits: int) -> list[tuple[int, ...]]:
    """The pairs of pictures, and their ways to match."""
    rng = np.random.default_rng(4)
    targets, asked = rows(whole)
    noise = np.uint64(1) << rng.integers(0, 64, asked.shape, dtype=np.uint64)
    asked[:, 2:] = whole[:, None] ^ noise[:, 2:]
    pairs = searched([targets], asked, crop_bits=crop_bits)
    chosen = pairs[np.arange(len(pairs))]
    return [
        (int(better), int(worse), *map(int, ways))
        for better, worse, ways in zip(chosen.better, chosen.worse, chosen.ways, strict=True)
    ]


@given(picks=st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 40), min_size=1, max_size=30))
@example(picks=list(range(40)))
@settings(max_examples=20, deadline=None)
def test_how_many_hashes_are_searched_at_once_makes_no_difference_to_few_pictures(picks):
    whole = np.asarray(picks, np.uint64)
    together = found(whole, crop_bits=8)
    for sought in (1, 4 * len(picks)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(candidates_module, "_SOUGHT", sought)
            patch.setattr(candidates_module, "_SEARCHES", 16)
            assert found(whole, crop_bits=8) == together


def peak_bytes(count: int) -> int:
    """What the search holds at most."""
    rng = np.random.default_rng(3)
    asked = rng.integers(2**63, 2**64, (count, VIEWS), dtype=np.uint64)
    queries = Filed(np.uint64, VIEWS)
    queries.add(asked)
    del asked
    parts = (
        # The highest bit of a picture's hash is nearly always set.
        np.repeat(rng.integers(2**63, 2**64, (50, 1, 8), dtype=np.uint64), 2, axis=1)
        for _ in range(count // 50)
    )
    tracemalloc.start()
    try:
        candidates(Known.of(parts), queries, candidate_bits=2, crop_bits=1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_picture_more_adds_a_few_dozen_bytes_once_hashes_are_searched_in_parts(monkeypatch):
    monkeypatch.setattr(candidates_module, "_SOUGHT", 1 << 14)
    monkeypatch.setattr(candidates_module, "_SEARCHES", 16)
    peak_bytes(1_000)  # What is imported along the way is no picture's.
    assert peak_bytes(32_000) - peak_bytes(16_000) < 16_000 * 40
