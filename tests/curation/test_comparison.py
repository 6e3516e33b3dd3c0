"""Two datasets side by side: counts, what is shared, and what harms."""

from __future__ import annotations

import json

import pytest

from curation.comparison import Comparison, Side, compare, verdict
from curation.dataset import Dataset, rendered_files
from curation.leaks import look_at_all
from curation.recipe import CurationRecipe
from curation.report import comparison_page
from curation.tables import side_by_side
from tests.curation.making import ALL_TRAIN, curated, encoded, gathered, jpeg, picture
from tests.curation.test_report import Page

SIZE = (120, 90)


def side(dataset: Dataset, name: str) -> Side:
    seen = look_at_all(dataset.root, sorted(rendered_files(dataset.root)), workers=1)
    return Side.of(dataset, seen, name=name)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Comparison:
    """Ten images that both have, some of them only one has, and a copy of one in the other."""
    folder = tmp_path_factory.mktemp("two")
    shared = [("shrew", jpeg(seed, SIZE)) for seed in range(10)]
    smaller = encoded(picture(30, SIZE).resize((100, 75)), quality=70)
    one = [*shared, *(("mouse", jpeg(seed, SIZE)) for seed in range(30, 36))]
    other = [*shared, ("mouse", smaller), *(("vole", jpeg(seed, SIZE)) for seed in range(40, 44))]
    first = curated(gathered(folder / "a", one), folder / "old").dataset
    recipe = CurationRecipe(seed=5, side_px=128)
    second = curated(gathered(folder / "b", other), folder / "new", recipe).dataset
    return compare(side(first, "old"), side(second, "new"))


def test_what_both_have_is_counted_by_split(comparison):
    assert sum(comparison.shared.values()) == 10
    assert comparison.species == {"mouse": (6, 1, 0), "shrew": (10, 10, 10), "vole": (0, 4, 0)}


def test_a_look_alike_of_another_original_is_found_across_datasets(comparison):
    (near,) = comparison.alike
    assert "/mouse/" in near.first
    assert "/mouse/" in near.second
    assert near.likeness > 0.86


def test_only_what_differs_between_the_recipes_is_told(comparison):
    assert comparison.recipe["seed"] == (0, 5)
    assert comparison.recipe["side_px"] == (224, 128)
    assert "fit" not in comparison.recipe


def test_test_pictures_that_the_other_trains_on_are_counted_as_harm(comparison):
    crossing = comparison.shared
    alike = comparison.alike_by_splits
    harm = ("train", "test")
    assert comparison.harm["new"] == crossing[harm] + alike[harm]
    assert comparison.harm["old"] == crossing[harm[::-1]] + alike[harm[::-1]]
    assert any(comparison.harm.values())
    assert "do not measure" in verdict(comparison)


def test_a_dataset_beside_itself_is_the_same(comparison):
    same = compare(comparison.first, comparison.first)
    assert same.recipe == {}
    assert same.alike == ()
    assert same.pairs == 0
    assert {one == other for one, other in same.shared} == {True}
    assert "Neither" in verdict(same)


def test_the_same_image_under_two_species_is_told(tmp_path):
    bodies = [jpeg(seed, SIZE) for seed in range(4)]
    one = gathered(tmp_path / "a", [("shrew", body) for body in bodies])
    other = gathered(
        tmp_path / "b", [("mouse" if not n else "shrew", b) for n, b in enumerate(bodies)]
    )
    found = compare(
        side(curated(one, tmp_path / "one", ALL_TRAIN).dataset, "one"),
        side(curated(other, tmp_path / "two", ALL_TRAIN).dataset, "two"),
    )
    assert [(a.species, b.species) for a, b in found.relabelled] == [("shrew", "mouse")]


def test_it_is_told_as_text_as_json_and_as_a_page(comparison):
    text = side_by_side(comparison)
    assert "train of old" in text
    assert "seed" in text
    document = json.loads(json.dumps(comparison.document()))
    assert document["harm"] == comparison.harm
    assert document["recipe"]["seed"] == [0, 5]
    page = "".join(comparison_page(comparison))
    read = Page(page)
    assert all(address.startswith("data:image/webp;base64,") for address in read.loads)
    assert "Two datasets side by side" in read.text
    assert page.count("data:image/webp") == 2
