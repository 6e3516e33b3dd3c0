"""Many digests in little memory are as good as a sorted list of them."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.digests import ByDigest, Digests

digests = st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=40)


def of_numbers(count: int) -> Iterator[str]:
    return (hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))


@given(some=digests, other=st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_digests_are_sorted_and_each_is_found_where_it_is(some, other):
    packed = Digests.of([*some, *some])
    assert list(packed) == sorted(set(some))
    assert [packed[packed.place(digest)] for digest in some] == some
    assert (other in packed) == (other in some)


@pytest.mark.parametrize("ends", [("00", "00"), ("00", "ff"), ("ff", "00"), ("0a", "01")])
def test_bytes_of_no_value_count_in_the_order_too(ends):
    first, last = ends
    some = [first + "00" * 30 + last, first + "00" * 31, "00" * 31 + last, "00" * 32]
    assert list(Digests.of(some)) == sorted(set(some))


@given(some=digests, values=st.lists(st.sampled_from(["mouse", "shrew"]), max_size=40))
def test_what_is_known_by_digest_is_as_in_a_dictionary(some, values):
    known: dict[str, str] = dict(zip(some, values, strict=False))
    packed = ByDigest[str](Digests.of(some))
    for digest, value in known.items():
        packed[digest] = value
    assert dict(packed) == known
    assert len(packed) == len(known)
    shrews = [packed.digests[place] for place in packed.places(lambda value: value == "shrew")]
    assert shrews == sorted(digest for digest, value in known.items() if value == "shrew")


def test_nothing_is_known_of_a_digest_that_is_not_there():
    packed = ByDigest[str](Digests.of(of_numbers(3)))
    with pytest.raises(KeyError):
        packed["00" * 32] = "shrew"
    assert "00" * 32 not in packed


def test_a_digest_with_what_is_known_of_it_takes_forty_bytes():
    tracemalloc.start()
    try:
        known = ByDigest[str](Digests.of(of_numbers(20_000)))
        for digest in of_numbers(20_000):
            known[digest] = "shrew"
        assert tracemalloc.get_traced_memory()[0] < 20_000 * 40
        assert tracemalloc.get_traced_memory()[1] < 20_000 * 160
    finally:
        tracemalloc.stop()
    assert len(known) == 20_000
