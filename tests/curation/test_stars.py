"""Groups are stars around the best picture, and no more is compared than they need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.lined import Lined
from curation.pairs import Pair
from curation.stars import Standing, Standings, compared, stars


def standing(name: str, pixels: int = 100, size: int = 100) -> Standing:
    return Standing(digest=name, pixels=pixels, coded_bytes=size)


def test_most_pixels_then_most_bytes_then_the_smallest_digest_is_kept():
    members = [standing("d"), standing("c", 100, 200), standing("b", 300), standing("a")]
    everything = [
        Pair(first=one, second=other, likeness=1.0) for one in range(4) for other in range(one)
    ]
    assert stars(members, everything) == [[2, 1, 3, 0]]


def test_an_enlarged_thumbnail_is_not_kept_in_place_of_what_it_was_made_of():
    small = Standing(digest="small", pixels=120 * 90, coded_bytes=9_000)
    enlarged = Standing(digest="enlarged", pixels=800 * 600, coded_bytes=90_000, is_soft=True)
    assert stars([enlarged, small], [Pair(first=0, second=1, likeness=0.95)]) == [[1, 0]]
    assert enlarged.behind(small) == "which is sharper, though smaller"
    sharp = replace(enlarged, digest="sharp", coded_bytes=9_000, is_soft=False)
    assert enlarged.behind(sharp) == "which is sharper"


def test_of_soft_pictures_the_largest_is_kept_unless_a_thumbnail_is_all_there_is():
    large = Standing(digest="a", pixels=3000 * 2000, coded_bytes=900_000, is_soft=True)
    medium = Standing(digest="b", pixels=800 * 600, coded_bytes=90_000, is_soft=True)
    tiny = Standing(digest="c", pixels=80 * 60, coded_bytes=3_000)
    assert sorted([tiny, medium, large], key=lambda one: one.rank) == [large, medium, tiny]
    assert tiny.behind(large) == "which is larger"


def test_a_chain_of_look_alikes_is_broken_where_its_ends_differ():
    members = [standing("a", 400), standing("b", 300), standing("c", 200), standing("d", 100)]
    chain = [Pair(first=n, second=n + 1, likeness=0.95) for n in range(3)]
    assert stars(members, chain) == [[0, 1], [2, 3]]


@given(
    count=st.integers(1, 12),
    edges=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
)
def test_every_member_was_verified_against_the_one_that_is_kept(count, edges):
    members = [standing(f"{number}", number % 5) for number in range(count)]
    verified = {(min(e), max(e)) for e in edges if e[0] != e[1] and max(e) < count}
    groups = stars(members, [Pair(first=a, second=b, likeness=0.9) for a, b in verified])
    assert sorted(member for group in groups for member in group) == list(range(count))
    for kept, *others in groups:
        assert all((min(kept, other), max(kept, other)) in verified for other in others)
        assert all(members[kept].rank <= members[other].rank for other in others)


class Looking:
    """Verifies suggested pairs by a list of the true ones, and counts."""

    def __init__(self, suggested, alike):
        self.suggested, self.alike, self.asked = sorted(suggested), alike, []

    def lined(self, members):
        nth = np.argsort(Standings.of(members).line)
        lined = Lined(len(members))
        for ends in self.suggested:
            lined.add(*np.sort(nth[list(ends)])[:, None])
        return lined

    def __call__(self, numbers):
        pairs = [self.suggested[number] for number in numbers.tolist()]
        self.asked += pairs
        return [Pair(first=a, second=b, likeness=0.9) for a, b in pairs if (a, b) in self.alike]


def found_by(looking, members, species):
    outcomes = list(compared(looking.lined(members), looking, members, species))
    assert sum(outcome.settled for outcome in outcomes) == len(looking.suggested)
    return [pair for outcome in outcomes for pair in outcome.pairs]


def test_copies_of_one_picture_are_compared_with_the_best_of_them_alone():
    count = 3000
    everything = {(a, b) for b in range(0, count, 7) for a in range(b)} | {
        (a, count - 1) for a in range(count - 1)
    }
    members = [standing(f"{number:04}", number) for number in range(count)]
    looking = Looking(everything, everything)
    found = found_by(looking, members, [{"shrew"}] * count)
    assert len(looking.asked) == count - 1
    assert [star[0] for star in stars(members, found)] == [count - 1]


@st.composite
def suggestions(draw):
    count = draw(st.integers(1, 14))
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    suggested = {(min(e), max(e)) for e in draw(st.sets(pair, max_size=60)) if e[0] != e[1]}
    alike = {e for e in sorted(suggested) if draw(st.booleans())}
    species = [{draw(st.sampled_from(["shrew", "mouse"]))} for _ in range(count)]
    members = [standing(f"{number:02}", draw(st.integers(0, 4))) for number in range(count)]
    return members, suggested, alike, species


@given(suggestions())
def test_the_same_pictures_are_kept_as_if_all_pairs_were_compared(case):
    members, suggested, alike, species = case
    looking = Looking(suggested, alike)
    few = stars(members, found_by(looking, members, species))
    everything = [Pair(first=a, second=b, likeness=0.9) for a, b in alike]
    assert {star[0] for star in few} == {star[0] for star in stars(members, everything)}
    assert len(looking.asked) == len(set(looking.asked))


@given(suggestions())
def test_no_two_stars_that_look_alike_under_different_species_go_untied(case):
    members, suggested, alike, species = case
    found = found_by(Looking(suggested, alike), members, species)
    home = {place: star[0] for star in stars(members, found) for place in star}
    tied = {
        frozenset((home[pair.first], home[pair.second]))
        for pair in found
        if species[pair.first] != species[pair.second]
    }
    for a, b in alike:
        if species[a] != species[b] and home[a] != home[b]:
            assert frozenset((home[a], home[b])) in tied


def test_what_is_not_kept_says_what_the_kept_one_has_before_it():
    kept = standing("a", 300, 200)
    assert standing("b", 200, 900).behind(kept) == "which is larger"
    assert standing("b", 300, 100).behind(kept) == "less compressed"
    assert standing("b", 300, 200).behind(kept) == "no better or worse"
    assert standing("b", 400, 200).behind(kept) == "which a person chose"
    grey = Standing(digest="b", pixels=400, coded_bytes=900, is_grey=True)
    assert grey.behind(kept) == "which is in colour"
    assert grey.rank > kept.rank
    assert grey.rank < standing("c", 100, 900).rank


def test_many_standings_are_the_same_as_one_by_one_and_take_a_line():
    members = [
        replace(
            standing(f"{number % 7}{number:03}", number % 5, number % 3),
            is_grey=number % 4 == 0,
            is_soft=number % 11 == 0,
        )
        for number in range(90)
    ]
    packed = Standings.of(members)
    assert list(packed) == members
    assert packed[3:5] == tuple(members[3:5])
    assert packed.line.tolist() == sorted(range(90), key=lambda place: members[place].rank)


def test_of_a_pair_that_comes_twice_the_last_likeness_holds():
    members = [standing("a", 300), standing("b", 200), standing("c", 100)]
    ends = [(0, 2, 0.9), (1, 2, 0.95), (0, 2, 0.99)]
    pairs = [Pair(first=one, second=other, likeness=likeness) for one, other, likeness in ends]
    assert stars(members, pairs) == [[0, 2], [1]]
    assert stars(members, pairs[:2]) == [[0], [1, 2]]
