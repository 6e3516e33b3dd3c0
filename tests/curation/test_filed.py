"""Numbers come back from the file as they went in."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curation.lined as lined_module
from curation.filed import Filed
from curation.lined import Lined


@given(
    parts=st.lists(st.integers(0, 30), max_size=4),
    wanted=st.lists(st.integers(0, 10_000), max_size=40),
    at_once=st.integers(1, 50),
)
@settings(max_examples=50, deadline=None)
def test_rows_are_found_by_number_in_whatever_order(parts, wanted, at_once):
    table, rows = Filed(np.int32, 3), np.arange(3 * sum(parts), dtype=np.int32).reshape(-1, 3)
    start = 0
    for count in parts:
        table.add(rows[start : start + count])
        numbers = np.asarray([number % (start + count) for number in wanted if start + count], int)
        assert (table[numbers] == rows[numbers]).all()  # Read between writes.
        start += count
    assert len(table) == len(rows)
    assert [row for part in table.parts(at_once) for row in part.tolist()] == rows.tolist()


def test_rows_that_are_not_there_are_refused():
    table = Filed(np.int32, 1)
    table.add(np.arange(5, dtype=np.int32))
    with pytest.raises(IndexError, match="among 5"):
        table[np.asarray([3, 7])]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
def test_a_full_disk_is_told_once():
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "import numpy as np; from curation.filed import Filed;"
        "table = Filed(np.int64, 1); table.add(np.arange(10_000))"
    )
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert said.strip().splitlines()[-1].startswith("OSError")
    assert said.count("Traceback") == 1, said


def test_a_table_closes_its_file_when_it_is_gone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = Filed(np.int64, 1)
        table.add(np.arange(5))
        del table
        gc.collect()


@given(
    pairs=st.sets(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=60),
    pictures=st.lists(st.integers(0, 20), max_size=25),
    at_once=st.integers(1, 9),
    sorted_at_once=st.integers(1, 10),
)
@settings(max_examples=60, deadline=None)
def test_pairs_are_found_by_number_and_by_their_better_picture(
    pairs, pictures, at_once, sorted_at_once
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lined_module, "_AT_ONCE", sorted_at_once)
        check_pairs(pairs, pictures, at_once)


def check_pairs(pairs, pictures, at_once):
    ends = [(one, other) for one, other in pairs if one < other]
    lined = Lined(21)
    for pair in ends:
        lined.add(*np.asarray(pair)[:, None])
    better, worse = lined.ends(np.arange(len(ends)))
    assert list(zip(better.tolist(), worse.tolist(), strict=True)) == ends

    found = list(lined.below(np.asarray(pictures, np.int64), at_once=at_once))
    assert all(len(numbers) == at_once for numbers, _ in found[:-1])
    assert [number for numbers, _ in found for number in numbers.tolist()] == [
        number
        for picture in pictures
        for _, number in sorted(
            (ends[nth][1], nth) for nth in range(len(ends)) if ends[nth][0] == picture
        )
    ]
    assert [ends[number][1] for numbers, _ in found for number in numbers.tolist()] == [
        other for _, others in found for other in others.tolist()
    ]


def test_more_pairs_take_no_more_memory():
    def peak_bytes(pairs: int) -> int:
        lined, rng = Lined(1_000), np.random.default_rng(0)
        tracemalloc.start()
        try:
            for _ in range(0, pairs, 1_000):
                better = rng.integers(0, 999, 1_000)
                lined.add(better, better + 1)
            for numbers, _ in lined.below(np.arange(1_000), at_once=100):
                assert len(numbers) <= 100
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak_bytes(200_000), peak_bytes(1_000_000)
    assert many < few + 4_000_000, (few, many)
