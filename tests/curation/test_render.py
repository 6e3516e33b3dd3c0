from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curation.errors import UnusableImageError
from curation.inspect import Inspected, inspect
from curation.recipe import CurationRecipe
from curation.render import render
from tests.curation.making import curated, encoded, jpeg, picture


@pytest.mark.parametrize(
    ("fit", "corner", "edge"),
    [("pad", "blue", "blue"), ("crop", "red", "red"), ("stretch", "lime", "red")],
)
def test_the_three_fits(fit, corner, edge):
    image = Image.new("RGB", (200, 100), "red")
    image.paste("lime", (0, 0, 40, 100))
    image.paste("lime", (160, 0, 200, 100))
    recipe = CurationRecipe(side_px=64, fit=fit, background=(0, 0, 255))
    values = np.asarray(render(encoded(image, "PNG"), recipe)).astype(int)
    for place, colour in ((values[1, 1], corner), (values[1, 32], edge)):
        expected = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert np.abs(place - expected).max() < 12


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_a_rendered_original_is_the_dataset_s_file_to_the_last_value(make_harvest, tmp_path, fit):
    body = jpeg(3, (500, 260))
    recipe = CurationRecipe(side_px=96, fit=fit, splits=(1.0, 0.0, 0.0))
    dataset = curated(make_harvest([("shrew", body)]), tmp_path / "dataset", recipe).dataset
    with Image.open(dataset.path(dataset.rows[0])) as image:
        assert (np.asarray(image) == np.asarray(render(body, recipe))).all()


def test_a_tiny_picture_can_be_rendered_although_it_would_not_be_kept():
    assert render(jpeg(1, (9, 7)), CurationRecipe()).size == (224, 224)


def test_bytes_without_a_picture_say_why():
    with pytest.raises(UnusableImageError, match="not an image"):
        render(b"<html>", CurationRecipe())


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_what_an_original_says_besides_its_pixels_is_not_in_the_rendered_file(fit):
    recipe = CurationRecipe(side_px=64, fit=fit)
    shot = picture(1, (96, 96))
    plain, told = (inspect(encoded(shot, **extra), recipe) for extra in ({}, {"comment": b"mine"}))
    assert isinstance(plain, Inspected)
    assert isinstance(told, Inspected)
    assert plain.jpeg == told.jpeg
