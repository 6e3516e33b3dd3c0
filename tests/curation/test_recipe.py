from __future__ import annotations

import json

import pytest

from curation.errors import DatasetError, UsageError
from curation.recipe import CurationRecipe


@pytest.mark.parametrize(
    "choice",
    [
        {"side_px": 0},
        {"fit": "squeeze"},
        {"background": (0, 0, 256)},
        {"splits": (0.5, 0.5)},
        {"splits": (0.5, 0.2, 0.2)},
        {"splits": (0.0, 0.5, 0.5)},
        {"splits": (1.2, -0.1, -0.1)},
        {"min_side_px": 0},
        {"max_pixels": 10**9},
        {"max_aspect": 0.5},
        {"candidate_bits": 40},
        {"min_likeness": 0.0},
        {"jpeg_quality": 0},
        {"splits": (float("nan"), 0.5, 0.5)},
    ],
)
def test_a_choice_that_cannot_be_meant_is_a_usage_error(choice):
    (name,) = choice
    with pytest.raises(UsageError, match=name.split("_")[0]):
        CurationRecipe(**choice)


@pytest.mark.parametrize(("side_px", "least"), [(224, 56), (32, 8), (30, 7)])
def test_what_must_be_enlarged_more_than_fourfold_is_too_small_unless_said_otherwise(
    side_px, least
):
    assert CurationRecipe(side_px=side_px).record()["min_side_px"] == least
    assert CurationRecipe(side_px=side_px, min_side_px=40).min_side_px == 40


def test_a_recipe_survives_json():
    recipe = CurationRecipe(fit="crop", splits=(0.8, 0.1, 0.1), background=(1, 2, 3))
    assert CurationRecipe.from_record(json.loads(json.dumps(recipe.record()))) == recipe


def test_a_recipe_of_another_version_says_what_to_do():
    with pytest.raises(DatasetError, match="curate"):
        CurationRecipe.from_record({**CurationRecipe().record(), "novelty": 1})
