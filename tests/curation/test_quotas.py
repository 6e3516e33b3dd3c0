"""What the numbers of --splits ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import SplitError, UsageError
from curation.quotas import quotas, read_splits, write_splits
from curation.recipe import CurationRecipe
from curation.split import split_to
from curation.tickets import Ticket
from tests.curation.making import digest_of


def recipe(text: str) -> CurationRecipe:
    numbers, unit = read_splits(text)
    return CurationRecipe(splits=numbers, split_unit=unit)


@pytest.mark.parametrize(
    ("text", "numbers", "unit"),
    [
        ("0.7,0.15,0.15", (0.7, 0.15, 0.15), "share"),
        ("1,0,0", (1, 0, 0), "share"),
        ("468,0,83", (468, 0, 83), "images"),
        ("rest,0,83", (0, 0, 83), "images"),
        ("rest, 1, 1", (0, 1, 1), "images"),
        ("400,100,0/species", (400, 100, 0), "images-per-species"),
        ("rest,1,1/species", (0, 1, 1), "images-per-species"),
    ],
)
def test_shares_and_counts_are_told_apart(text, numbers, unit):
    assert read_splits(text) == (numbers, unit)
    assert read_splits(write_splits(recipe(text))) == (numbers, unit)


@pytest.mark.parametrize("text", ["most", "0.5,0.5", "1,2,3,4", "0.5,rest,x", "a,b,c/species"])
def test_anything_else_is_told_with_examples(text):
    with pytest.raises(UsageError, match="rest,0,83"):
        read_splits(text)


@pytest.mark.parametrize("text", ["0.5,0.2,0.2", "10.5,2,2", "0,0.5,0.5", "-3,1,5", "nan,1,2"])
def test_numbers_that_cannot_be_meant_are_refused(text):
    with pytest.raises(UsageError, match="splits must"):
        recipe(text)


def test_counts_in_all_are_met_exactly_and_every_species_gives_in_proportion():
    images = {"hamster": 114, "mouse": 131, "rabbit": 100, "shrew": 105, "squirrel": 101}
    found = quotas(images, recipe("468,0,83"))
    assert {name: test for name, (_, _, test) in found.items()} == {
        "hamster": 17,
        "mouse": 20,
        "rabbit": 15,
        "shrew": 16,
        "squirrel": 15,
    }
    assert sum(train for train, _, _ in found.values()) == 468


@given(
    images=st.dictionaries(st.text(max_size=3), st.integers(1, 60), min_size=1, max_size=6),
    val=st.integers(0, 40),
    test=st.integers(0, 40),
)
def test_counts_in_all_sum_to_what_was_asked_or_are_an_error(images, val, test):
    asked = CurationRecipe(splits=(0, val, test), split_unit="images")
    if val + test >= sum(images.values()):
        with pytest.raises(SplitError, match="leaves train nothing"):
            quotas(images, asked)
        return
    found = quotas(images, asked)
    assert sum(part[1] for part in found.values()) == val
    assert sum(part[2] for part in found.values()) == test
    for name, count in images.items():
        assert sum(found[name]) == count
        assert min(found[name]) >= 0
        assert abs(found[name][2] - test * count / sum(images.values())) < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("468,0,80", "548 images, and 551 are kept: write --splits rest,0,80"),
        ("rest,300,251", "leaves train nothing of 551"),
        ("rest,60,60/species", "rabbit has 100"),
        ("400,100,0/species", "hamster has 114"),
        ("50,20,20/species", "leaves images over"),
    ],
)
def test_counts_that_do_not_fit_are_told_with_what_would(text, words):
    images = {"hamster": 114, "mouse": 131, "rabbit": 100, "shrew": 105, "squirrel": 101}
    with pytest.raises(SplitError, match=words):
        quotas(images, recipe(text))


def test_400_and_100_of_each_species_as_the_founding_study_had_of_cifar():
    rows = [
        Ticket(digest=digest_of(f"{name}{number}"), species=name)
        for name in "ab"
        for number in range(500)
    ]
    targets = quotas({"a": 500, "b": 500}, recipe("400,100,0/species"))
    home = split_to(rows, targets=targets, seed=0)
    for name in "ab":
        mine = [home[row.digest] for row in rows if row.species == name]
        assert (mine.count("train"), mine.count("val"), mine.count("test")) == (400, 100, 0)
