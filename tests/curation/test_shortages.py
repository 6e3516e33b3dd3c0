"""Who has too few images for a split is named, with what can be done about it."""

from __future__ import annotations

import pytest

from curation.dataset import Row
from curation.errors import SplitError
from curation.recipe import CurationRecipe
from curation.shortages import require_all_splits, warnings
from curation.sides import with_sides
from tests.curation.making import curated, digest_of, jpeg, names_in


def dealt(recipe: CurationRecipe, *, hosts: int = 100, **species: int) -> list[Row]:
    """So many kept images of each species, from that many hosts in turn."""
    rows = [
        Row(
            digest=digest_of(f"{name} {number}"),
            species=name,
            kept=True,
            image_url=f"https://host{number % hosts}.example/{name}/{number}",
        )
        for name, count in species.items()
        for number in range(count)
    ]
    return list(with_sides(rows, recipe))


def test_a_species_with_two_images_is_named_with_what_can_be_done():
    rows = dealt(CurationRecipe(), hamster=20, squirrel=2, vole=1)
    require_all_splits(rows, CurationRecipe())
    assert list(warnings(rows, CurationRecipe())) == [
        "too few images for val: squirrel has 2, vole has 1; gather more with `bestiary scrape`,"
        " or remove species with `bestiary forget --species`",
        "too few images for test: vole has 1; gather more with `bestiary scrape`, or remove"
        " species with `bestiary forget --species`",
    ]


def test_enough_images_are_nothing_to_be_warned_of():
    rows = dealt(CurationRecipe(), hamster=20, squirrel=4)
    assert list(warnings(rows, CurationRecipe())) == []


def test_a_split_that_nobody_asked_for_lacks_nothing():
    recipe = CurationRecipe(splits=(1.0, 0.0, 0.0))
    rows = dealt(recipe, squirrel=1)
    require_all_splits(rows, recipe)
    assert list(warnings(rows, recipe)) == []


@pytest.mark.parametrize(
    ("recipe", "hosts", "words"),
    [
        (
            CurationRecipe(group_by="host"),
            1,
            "no group of images is left for val and test: hamster has 1, vole has 1;"
            " gather more with `bestiary scrape`, leave --group-by host out, or ask for none"
            " there with --splits 1,0,0",
        ),
        (CurationRecipe(group_by="host"), 3, "left for val: ham"),
        (CurationRecipe(group_by="host"), 3, "with --splits 0.85,0,0.15"),
        (
            CurationRecipe(group_by="host", splits=(0, 9, 9), split_unit="images"),
            1,
            "no group of images is left for",
        ),
    ],
)
def test_a_split_without_any_image_is_an_error(recipe, hosts, words):
    rows = dealt(recipe, hosts=hosts, hamster=20, vole=20)
    with pytest.raises(SplitError) as caught:
        require_all_splits(rows, recipe)
    assert words in str(caught.value)


def test_of_many_species_those_with_most_groups_are_named():
    recipe = CurationRecipe(group_by="host")
    rows = dealt(recipe, hosts=1, **{f"species{number:02}": 3 for number in range(30)})
    with pytest.raises(SplitError, match="species07 has 1, and 22 more species have as few;"):
        require_all_splits(rows, recipe)


def test_nothing_is_written_where_a_split_would_be_empty(make_harvest, tmp_path):
    harvest = make_harvest([("shrew", jpeg(number)) for number in range(8)])
    before = names_in(tmp_path)
    with pytest.raises(SplitError):
        curated(harvest, tmp_path / "dataset", CurationRecipe(group_by="host"))
    assert names_in(tmp_path) == before
