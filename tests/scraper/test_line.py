from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from scraper.harvest import Candidate, Record
from scraper.line import Line


def record(number: int, *, rank: int, query: str = "q", has_thumbnail_only: bool = False) -> Record:
    url = f"http://h/{number}"
    candidate = Candidate(thumbnail_url=url) if has_thumbnail_only else Candidate(image_url=url)
    return Record(
        id=number, species="shrew", source="shelf", query=query, rank=rank, candidate=candidate
    )


def all_of(line: Line) -> list[int]:
    return [one.id for one in iter(line.next, None)]


def test_the_best_come_first_and_no_more_than_are_missing() -> None:
    line = Line(missing=2)
    line.join([record(1, rank=4), record(2, rank=0), record(3, rank=2)])

    assert all_of(line) == [2, 3]


def test_a_lost_one_is_made_up_for() -> None:
    line = Line(missing=1)
    line.join([record(1, rank=0), record(2, rank=1)])
    assert all_of(line) == [1]

    line.lost()

    assert all_of(line) == [2]


def test_who_would_give_way_to_a_search_to_come_waits_for_it() -> None:
    """Of 10, a query to come may bring 5 that go before rank 5, and 5 are asked for already."""
    line = Line(missing=10)
    line.join([record(number, rank=number) for number in range(10)])
    line.expect("later")

    assert all_of(line) == [0, 1, 2, 3, 4]

    line.expect("later", found=3)
    assert all_of(line) == [5, 6]
    line.expect_no_more("later")
    assert all_of(line) == [7, 8, 9]


def test_thumbnails_wait_until_no_search_can_bring_anything_better() -> None:
    line = Line(missing=5)
    line.join([record(1, rank=0, has_thumbnail_only=True), record(2, rank=9)])
    line.expect("later", found=50)
    assert all_of(line) == [2]

    line.expect_nothing()

    assert all_of(line) == [1]


@given(
    sizes=st.lists(st.integers(0, 15), min_size=1, max_size=4),
    missing=st.integers(0, 20),
    bad=st.sets(st.integers(0, 60)),
    small=st.sets(st.integers(0, 60)),
    chance=st.integers(0, 9**6),
)
def test_who_is_asked_does_not_depend_on_how_fast_anybody_is(
    sizes: list[int], missing: int, bad: set[int], small: set[int], chance: int
) -> None:
    """Images are asked for while the searches go on; as many as if they had all come before."""
    rng, ids = Random(chance), iter(range(100))
    lists = [
        [
            record(number, rank=rank, query=str(query), has_thumbnail_only=number in small)
            for rank, number in zip(range(size), ids, strict=False)
        ]
        for query, size in enumerate(sizes)
    ]

    assert _asked(lists, missing, bad, rng) == _asked_in_order(lists, missing, bad)


def _asked_in_order(lists: list[list[Record]], missing: int, bad: set[int]) -> set[int]:
    """All searches first, and then one image after the other."""
    places = [(not one.candidate.image_url, one.rank, one.id) for found in lists for one in found]
    asked: set[int] = set()
    for _, _, number in sorted(places):
        if missing > 0:
            asked.add(number)
            missing -= number not in bad
    return asked


def _asked(lists: list[list[Record]], missing: int, bad: set[int], rng: Random) -> set[int]:
    """Searches in pieces, with answers that come at any time."""
    line = Line(missing=missing)
    asked: set[int] = set()
    under_way: list[int] = []

    def answer(number: int) -> None:
        for _ in range(min(number, len(under_way))):
            if under_way.pop(rng.randrange(len(under_way))) in bad:
                line.lost()
            ask()

    def ask() -> None:
        begun = all_of(line)
        asked.update(begun)
        under_way.extend(begun)

    for query in range(len(lists)):
        line.expect(str(query))
    for query, found in enumerate(lists):
        begin = 0
        while begin < len(found):
            end = begin + rng.randrange(1, 6)
            line.join(found[begin:end])
            line.expect(str(query), found=end)
            begin = end
            ask()
            answer(rng.randrange(4))
        line.expect_no_more(str(query))
    ask()
    while under_way:
        answer(1)
    return asked
