"""The spool: what was put in comes out, and in the same order, from memory or from a file."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import spool
from curation.dataset import Row
from curation.spool import Lines, Selection, Spool, by, where


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    of: str
    worth: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    number: int
    inner: Inner | None = None


values = st.lists(
    st.builds(
        Outer,
        name=st.text(max_size=30),
        number=st.integers(0, 5),
        inner=st.none()
        | st.builds(Inner, of=st.text(max_size=5), worth=st.none() | st.floats(0, 1)),
    ),
    max_size=30,
)


@given(put=values, more=values)
def test_what_was_put_in_comes_out(put: list[Outer], more: list[Outer]) -> None:
    held = Spool.of(Outer, put)
    held.extend(more)
    every = put + more
    assert list(held) == every
    assert held == every
    assert [held[place] for place in range(len(held))] == every
    assert held[1:20:3] == tuple(every[1:20:3])
    assert held[-1:] == tuple(every[-1:])


@given(put=values, wanted=st.integers(0, 5))
def test_a_selection_is_what_a_list_would_be(put: list[Outer], wanted: int) -> None:
    for whole in (Spool.of(Outer, put), put):
        some = where(whole, lambda value: value.number >= wanted)
        plain = [value for value in put if value.number >= wanted]
        assert some == plain
        assert where(some, lambda value: value.name) == [one for one in plain if one.name]
        assert list(some[1:]) == plain[1:]
        assert {name: list(of) for name, of in by(whole, lambda value: value.name).items()} == {
            value.name: [one for one in put if one.name == value.name] for value in put
        }


def test_many_values_lie_on_the_disk_and_are_read_far_apart_and_backwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)
    rows = [Row(digest=f"{number:064x}", species="shrew", rank=number) for number in range(2000)]
    held = Spool.of(Row, rows)
    assert [row.rank for row in held.at(range(0, 2000, 500))] == [0, 500, 1000, 1500]
    assert [row.rank for row in held.at(reversed(range(700)))] == list(reversed(range(700)))
    assert list(Selection(held, [1999, 3])) == [rows[1999], rows[3]]


def test_two_may_read_while_one_more_is_put_in() -> None:
    held = Spool.of(Outer, [Outer(name=str(number), number=number) for number in range(600)])
    first, second = iter(held), iter(held)
    seen = []
    for one, other in zip(first, second, strict=True):
        assert one == other
        seen.append(one.number)
        if one.number == 300:
            held.extend([Outer(name="late", number=600)])
    assert seen == list(range(600))
    assert held[600].name == "late"


def test_a_place_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        Spool.of(Outer, [])[0]


def test_what_is_not_equal_is_not_equal() -> None:
    held = Spool.of(Outer, [Outer(name="a", number=1)])
    assert held != [Outer(name="b", number=1)]
    assert held != "a"
    assert held != []


def test_a_spool_that_nobody_has_leaves_no_file_open(tmp_path: Path) -> None:
    held = Spool.of(Outer, [Outer(name="a" * 100, number=number) for number in range(20_000)])
    file = held._file
    assert not file.closed
    del held
    gc.collect()
    assert file.closed


def test_values_with_one_field_come_out_whole() -> None:
    @dataclass(frozen=True, slots=True)
    class Word:
        text: str

    assert list(Spool.of(Word, [Word("shrew"), Word("")])) == [Word("shrew"), Word("")]


BEGINNINGS = st.sampled_from(["", "a" * 14, "é" * 9, "\0"])
"""Of lines that begin alike, so that their order shows behind what they are sorted by first."""


@given(lines=st.lists(st.builds(str.__add__, BEGINNINGS, st.text("ab\0\né\U0001f400", max_size=6))))
def test_lines_come_in_the_order_of_their_characters(lines: list[str]) -> None:
    made = Lines(lines)
    assert list(made.in_order()) == sorted(lines)
    for line in lines:
        made.add(line)
    assert list(made.in_order()) == sorted(lines * 2)
