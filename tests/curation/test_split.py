"""Laws of the split."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from curation.errors import SplitError
from curation.recipe import SPLITS
from curation.split import folds, split, torn
from curation.tickets import Ticket
from tests.curation.making import digest_of

SHARES = (0.7, 0.15, 0.15)


@st.composite
def tickets(draw: st.DrawFn) -> list[Ticket]:
    """Images of a few species, some of them in groups within their species."""
    made = []
    for species in ("mouse", "shrew", "vole")[: draw(st.integers(1, 3))]:
        count = draw(st.integers(1, 40))
        groups = draw(st.lists(st.integers(0, 60), min_size=count, max_size=count))
        for number, group in enumerate(groups):
            name = f"{species}-{group}" if group < 12 else None
            made.append(
                Ticket(digest=digest_of(f"{species}{number:03}"), species=species, group=name)
            )
    return made


def groups_of(rows: list[Ticket]) -> dict[str, list[Ticket]]:
    groups: dict[str, list[Ticket]] = {}
    for row in rows:
        groups.setdefault(row.group or row.digest, []).append(row)
    return groups


@given(rows=tickets(), seed=st.integers())
def test_look_alikes_never_face_each_other_across_a_split(rows, seed):
    home = split(rows, shares=SHARES, seed=seed)
    for group in groups_of(rows).values():
        assert len({home[row.digest] for row in group}) == 1


@given(rows=tickets(), seed=st.integers(), shuffle=st.randoms())
def test_the_order_of_the_images_changes_nothing(rows, seed, shuffle):
    mixed = list(rows)
    shuffle.shuffle(mixed)
    assert split(mixed, shares=SHARES, seed=seed) == split(rows, shares=SHARES, seed=seed)


@given(
    rows=tickets(),
    seed=st.integers(),
    shares=st.sampled_from([SHARES, (0.8, 0.2, 0.0), (0.6, 0.2, 0.2), (1.0, 0.0, 0.0)]),
)
@settings(max_examples=300)
def test_every_class_is_within_one_group_of_its_share(rows, seed, shares):
    home = split(rows, shares=shares, seed=seed)
    for species in {row.species for row in rows}:
        mine = [row for row in rows if row.species == species]
        largest = max(len(group) for group in groups_of(mine).values())
        counts = Counter(home[row.digest] for row in mine)
        for name, share in zip(SPLITS, shares, strict=True):
            assert abs(counts[name] - Fraction(str(share)) * len(mine)) < largest
        assert counts["train"] >= 1
        assert set(counts) <= {name for name, share in zip(SPLITS, shares, strict=True) if share}


@given(count=st.integers(1, 200), test=st.integers(0, 99), val=st.integers(0, 99))
@example(count=3, test=15, val=15)
@example(count=5, test=5, val=5)
@example(count=60, test=1, val=1)
def test_without_groups_a_class_of_any_size_is_within_one_image_of_its_share(count, test, val):
    assume(test + val < 100)
    shares = ((100 - test - val) / 100, val / 100, test / 100)
    rows = [Ticket(digest=digest_of(f"{number:04}"), species="shrew") for number in range(count)]
    counts = Counter(split(rows, shares=shares, seed=0).values())
    for name, share in zip(SPLITS, shares, strict=True):
        assert abs(counts[name] - share * count) < 1
    assert counts["train"] >= 1


def alone(count: int, species: str = "shrew") -> list[Ticket]:
    return [
        Ticket(digest=digest_of(f"{species}{number:04}"), species=species)
        for number in range(count)
    ]


def moved(before: dict, after: dict) -> int:
    return sum(before[digest] != after[digest] for digest in before)


@given(
    count=st.integers(1, 150),
    new=st.text("0123456789abcdef", min_size=4, max_size=4),
    seed=st.integers(0, 9),
    shares=st.sampled_from([SHARES, (0.8, 0.1, 0.1), (0.34, 0.33, 0.33), (0.8, 0.0, 0.2)]),
)
def test_an_added_image_moves_one_other_at_each_cut_at_most(count, new, seed, shares):
    rows = alone(count)
    added = Ticket(digest=digest_of(new), species="shrew")

    before = split(rows, shares=shares, seed=seed)
    after = split([*rows, added], shares=shares, seed=seed)

    assert moved(before, after) <= sum(share > 0 for share in shares) - 1


@given(
    count=st.integers(5, 150), parts=st.integers(2, 5), new=st.text(min_size=1), seed=st.integers()
)
def test_an_added_image_moves_one_other_at_each_cut_between_folds_at_most(count, parts, new, seed):
    rows = alone(count)
    before = folds(rows, count=parts, seed=seed)
    after = folds([*rows, Ticket(digest=digest_of(new), species="shrew")], count=parts, seed=seed)
    assert moved(before, after) <= parts - 1


def test_a_dataset_that_doubles_keeps_most_images_where_they_were():
    before = split(alone(200), shares=SHARES, seed=1)
    after = split(alone(400), shares=SHARES, seed=1)
    assert moved(before, after) <= 20


@given(rows=tickets(), new=tickets(), seed=st.integers())
def test_what_is_settled_stays_whatever_comes(rows, new, seed):
    before = split(rows, shares=SHARES, seed=seed)
    # New images under names of their own; some of their groups are those of earlier ones.
    added = [
        Ticket(digest=digest_of(f"new-{t.digest}"), species=t.species, group=t.group) for t in new
    ]

    after = split([*rows, *added], shares=SHARES, seed=seed + 1, settled=before)

    assert moved(before, after) == 0
    assert torn([*rows, *added], after) == ()


@given(count=st.integers(4, 100), more=st.integers(0, 100), seed=st.integers())
def test_what_comes_to_a_settled_split_goes_where_it_is_lacking(count, more, seed):
    before = split(alone(count), shares=SHARES, seed=seed)
    after = split(alone(count + more), shares=SHARES, seed=seed, settled=before)
    counts = Counter(after.values())
    for name, share in zip(SPLITS, SHARES, strict=True):
        assert abs(counts[name] - share * (count + more)) <= 1.5


def test_groups_that_were_apart_and_turn_out_to_be_one_train():
    rows = [
        Ticket(digest=digest_of(name), species="shrew", group="one") for name in ("a", "b", "c")
    ]
    settled = {digest_of("a"): "test", digest_of("b"): "val"}
    assert set(split(rows, shares=SHARES, seed=0, settled=settled).values()) == {"val"}
    settled[digest_of("c")] = "train"
    assert set(split(rows, shares=SHARES, seed=0, settled=settled).values()) == {"train"}


@given(rows=tickets(), seed=st.integers(), parts=st.integers(2, 5), shuffle=st.randoms())
@settings(max_examples=150)
def test_folds_are_whole_and_even_and_none_is_empty(rows, seed, parts, shuffle):
    by_species = {t.species: groups_of([r for r in rows if r.species == t.species]) for t in rows}
    assume(min(map(len, by_species.values())) >= parts)

    home = folds(rows, count=parts, seed=seed)

    assert torn(rows, home) == ()
    for species, groups in by_species.items():
        mine = [row for row in rows if row.species == species]
        counts = Counter(home[row.digest] for row in mine)
        assert set(counts) == set(range(parts))
        largest = max(map(len, groups.values()))
        assert all(abs(count - Fraction(len(mine), parts)) < largest for count in counts.values())
    mixed = list(rows)
    shuffle.shuffle(mixed)
    assert folds(mixed, count=parts, seed=seed) == home


def test_a_species_with_too_few_groups_for_the_folds_is_named_with_what_can_be_done():
    rows = alone(9, "mouse") + [
        Ticket(digest=digest_of(f"{number}"), species="shrew", group=f"{number % 3}")
        for number in range(9)
    ]
    with pytest.raises(SplitError, match="for 5 folds: shrew has 3;") as caught:
        folds(rows, count=5, seed=0)
    assert "--folds 3" in str(caught.value)
    assert len(set(folds(rows, count=3, seed=0).values())) == 3
    lonely = [replace(row, group="one") if row.species == "shrew" else row for row in rows]
    with pytest.raises(SplitError, match="shrew has 1;") as caught:
        folds(lonely, count=2, seed=0)
    assert "--folds" not in str(caught.value)


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_span_species_are_dealt_so_that_every_species_gets_its_share(seed):
    rng = random.Random(seed)
    rows = [
        Ticket(
            digest=digest_of(f"{number:04}"),
            species=rng.choice("abcde"),
            group=f"host{rng.randrange(80)}",
        )
        for number in range(600)
    ]
    home = split(rows, shares=SHARES, seed=seed)
    assert torn(rows, home) == ()
    for species in "abcde":
        mine = [home[row.digest] for row in rows if row.species == species]
        for name, share in zip(SPLITS, SHARES, strict=True):
            assert mine.count(name) / len(mine) == pytest.approx(share, abs=0.03)


def test_a_torn_group_is_named():
    rows = [
        Ticket(digest=digest_of(name), species="shrew", group=name[0])
        for name in ("a1", "a2", "b1")
    ]
    one, other, alone = (row.digest for row in rows)
    assert torn(rows, {one: "train", other: "test", alone: "val"}) == ("a",)
    assert torn(rows, {one: "train", alone: "val"}) == ()


def test_another_seed_is_another_split():
    rows = [
        Ticket(digest=digest_of(f"{random.Random(n).random()}"), species="shrew") for n in range(50)
    ]
    assert split(rows, shares=SHARES, seed=0) != split(rows, shares=SHARES, seed=1)
