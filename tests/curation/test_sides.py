"""Rows get their split, their fold and their file; a split that there was can be kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curation.dataset import Dataset, Row
from curation.errors import SplitError, UsageError
from curation.grouping import torn_groups
from curation.recipe import CurationRecipe
from curation.sides import NONE_BEFORE, Sides, sides_of, with_sides
from tests.curation.making import curated, digest_of, encoded, gathered, jpeg, picture


def dealt(rows: list[Row], recipe: CurationRecipe, before: Sides = NONE_BEFORE) -> list[Row]:
    return list(with_sides(rows, recipe, before))


def rows(count: int, species: str = "shrew") -> list[Row]:
    return [
        Row(digest=digest_of(f"{species}{number}"), species=species, kept=True, file_sha256="f")
        for number in range(count)
    ]


def test_kept_rows_get_a_side_and_a_file_and_dropped_ones_none():
    made = dealt(
        [*rows(20), Row(digest=digest_of("z"), species="shrew", reason="blank", file_sha256="f")],
        CurationRecipe(folds=4),
    )
    assert {row.fold for row in made[:-1]} == {0, 1, 2, 3}
    assert all(row.file == f"{row.split}/shrew/{row.digest}.jpg" for row in made[:-1])
    assert (made[-1].split, made[-1].fold, made[-1].file, made[-1].file_sha256) == (None,) * 4


def test_without_keep_splits_an_earlier_split_does_not_matter():
    before = sides_of(dealt(rows(20), CurationRecipe(seed=1)))
    recipe = CurationRecipe(seed=2)
    assert dealt(rows(20), recipe, before) == dealt(rows(20), recipe)


def test_with_keep_splits_no_image_changes_its_side_or_its_fold():
    recipe = CurationRecipe(keep_splits=True, folds=3)
    before = dealt(rows(30), replace(recipe, seed=1))
    after = dealt(rows(60), replace(recipe, seed=2), sides_of(before))
    earlier = {row.digest: (row.split, row.fold) for row in before}
    assert all(
        earlier.get(row.digest, (row.split, row.fold)) == (row.split, row.fold) for row in after
    )
    assert 5 <= sum(row.split == "test" for row in after) <= 13


def test_another_number_of_folds_deals_them_anew():
    before = dealt(rows(30), CurationRecipe(folds=3))
    after = dealt(rows(30), CurationRecipe(folds=5, keep_splits=True), sides_of(before))
    assert {row.fold for row in after} == {0, 1, 2, 3, 4}


def test_what_is_left_of_more_folds_is_dealt_anew_even_if_it_is_of_as_many():
    before = Sides(folds={row.digest: (0, 1, 7)[nth % 3] for nth, row in enumerate(rows(12))})
    after = dealt(rows(30), CurationRecipe(folds=3, keep_splits=True), before)
    assert {row.fold for row in after} == {0, 1, 2}


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_a_better_copy_of_an_earlier_image_inherits_its_side(side):
    before = sides_of(
        [
            *(replace(row, split="train") for row in rows(5)),
            replace(rows(6)[5], split=side, group="g"),
        ]
    )
    old = replace(rows(6)[5], kept=False, reason="near-duplicate", group="g")
    better = Row(digest=digest_of("better"), species="shrew", kept=True, group="g")
    made = dealt([*rows(5), old, better], CurationRecipe(keep_splits=True), before)
    assert {row.digest: row.split for row in made}[better.digest] == side


def test_a_dataset_that_grows_keeps_its_splits_and_says_so_in_its_lock(tmp_path):
    bodies = [("shrew", jpeg(n)) for n in range(12)] + [("mouse", jpeg(n)) for n in range(20, 32)]
    small = gathered(tmp_path / "small", bodies)
    # More images, and a larger look-alike of one that was there.
    more = [("shrew", jpeg(n)) for n in range(40, 49)]
    larger = ("mouse", encoded(picture(25).resize((192, 144))))
    large = gathered(tmp_path / "large", [*bodies, *more, larger])
    recipe = CurationRecipe(keep_splits=True, seed=1)
    before = curated(small, tmp_path / "dataset", recipe).dataset
    after = curated(large, tmp_path / "dataset", replace(recipe, seed=5)).dataset

    splits = {row.digest: row.split for row in after.rows if row.kept}
    staying = [row for row in before.rows if row.kept and row.digest in splits]
    assert len(staying) == 23
    assert all(splits[row.digest] == row.split for row in staying)
    assert after.lock_entry["recipe"]["keep_splits"] is True
    assert torn_groups(after.rows, "look-alikes") == ()

    again = curated(large, tmp_path / "dataset", replace(recipe, seed=5)).dataset
    assert again.lock_digest == after.lock_digest


def test_pages_and_hosts_stay_whole_through_the_whole_curation(tmp_path):
    bodies = [("shrew", jpeg(n)) for n in range(12)] + [("mouse", jpeg(n)) for n in range(20, 32)]
    harvest = gathered(tmp_path / "harvest", bodies)
    with pytest.raises(SplitError, match="no group of images is left for val and test"):
        curated(harvest, tmp_path / "dataset", CurationRecipe(group_by="host"))
    made = curated(harvest, tmp_path / "dataset", CurationRecipe(group_by="page", folds=3)).dataset
    assert torn_groups(made.rows, "page") == ()
    assert {row.split for row in Dataset.open(made.root).rows} == {"train", "val", "test"}
    with pytest.raises(SplitError, match="mouse has 1, shrew has 1"):
        curated(harvest, tmp_path / "dataset", CurationRecipe(group_by="host", folds=3))
    assert Dataset.open(made.root).recipe.group_by == "page"


@pytest.mark.parametrize(
    "choice",
    [
        {"split_unit": "dozen"},
        {"split_by": "chance"},
        {"group_by": "colour"},
        {"folds": 1},
        {"folds": 101},
        {"split_by": "study"},
        {"split_by": "study", "splits": (0.85, 0.0, 0.15), "keep_splits": True},
        {"split_by": "study", "splits": (0.85, 0.0, 0.15), "group_by": "host"},
    ],
)
def test_a_split_that_cannot_be_meant_is_a_usage_error(choice):
    with pytest.raises(UsageError, match=next(iter(choice))):
        CurationRecipe(**choice)
