"""Pairs in arrays are as good as a list of them, and of one that comes twice the last holds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.pairs import Pair, PairEnds, Pairs

pictures = st.integers(0, 6)
many = st.lists(
    st.builds(Pair, first=pictures, second=pictures, likeness=st.floats(0, 1)), max_size=40
)


@given(many)
def test_pairs_come_out_as_they_went_in(some):
    packed = Pairs(some)
    assert list(packed) == some
    assert len(packed) == len(some)
    assert packed[1:] == tuple(some[1:])
    first, second, likeness = (column.tolist() for column in packed.columns)
    assert [(pair.first, pair.second, pair.likeness) for pair in some] == list(
        zip(first, second, likeness, strict=True)
    )


@given(many, pictures, pictures)
def test_two_pictures_are_as_alike_as_was_said_last(some, one, other):
    said = [pair.likeness for pair in some if {pair.first, pair.second} == {one, other}]
    assert Pairs(some).likeness(one, other) == (said[-1] if said else None)


@given(many, many)
def test_ends_are_found_in_their_direction_also_when_more_have_come(some, more):
    ends, numbers = PairEnds(), {}
    for number, pair in enumerate([*some, *more]):
        ends.append(pair.first, pair.second)
        numbers[pair.first, pair.second] = number
        if number in {0, len(some)}:
            assert ends.last(pair.first, pair.second) == number
    assert all(ends.last(*two) == number for two, number in numbers.items())
    assert ends.last(7, 7) is None


@given(many)
def test_pairs_go_by_the_numbers_of_their_pictures_among_those_that_have_some(some):
    places = np.unique([place for pair in some for place in (pair.first, pair.second)])
    renumbered = Pairs(some).among(places)
    named = [
        Pair(first=places[pair.first], second=places[pair.second], likeness=pair.likeness)
        for pair in renumbered
    ]
    assert named == some
