"""What is measured of a picture, and that every fault moves its measure."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from curation.quality import Measures, measure
from tests.curation.making import picture


def scene(seed: int = 1, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with soft ground and hard outlines, as a photo has."""
    image = picture(seed, size)
    draw = ImageDraw.Draw(image)
    for number in range(6):
        x, y = 20 + 45 * number, 30 + (number * 67) % 150
        draw.ellipse((x, y, x + 60, y + 40), fill=(40 * number, 90, 200 - 30 * number))
    return image


def clip_art() -> Image.Image:
    image = Image.new("RGB", (300, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, 260, 260), fill="gold", outline="black", width=5)
    draw.ellipse((90, 100, 130, 150), fill="black")
    draw.ellipse((170, 100, 210, 150), fill="black")
    return image


def printed(lines: int = 14) -> Image.Image:
    image = Image.new("RGB", (320, 320), "white")
    draw = ImageDraw.Draw(image)
    for line in range(lines):
        draw.text((10, 10 + 22 * line), "The wood mouse feeds on seeds", "black", font_size=16)
    return image


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left)
    both.paste(right, (left.width, 0))
    return both


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    kind=st.sampled_from(["noise", "flat", "ramp"]),
)
def test_every_picture_has_measures_within_their_ranges(width, height, kind):
    pixels = np.zeros((height, width, 3), np.uint8)
    if kind == "noise":
        pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    elif kind == "ramp":
        pixels[:] = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    found = measure(Image.fromarray(pixels))
    for name in ("brightness", "darkest", "brightest", "colour", "text", "seam"):
        assert 0 <= getattr(found, name) <= 1
    assert 0 <= found.contrast <= 0.5
    assert 0 <= found.sharpness <= 2
    assert 0 <= found.entropy <= 8
    assert -1.5 <= found.drawn <= 1
    assert all(value == round(value, 4) for value in asdict(found).values())


def test_measures_are_those_of_their_definitions():
    pixels = np.asarray(scene(3, (120, 90)).convert("L"), np.float64)
    found = measure(scene(3, (120, 90)))
    assert found.brightness == pytest.approx(pixels.mean() / 255, abs=1e-4)
    assert found.contrast == pytest.approx(pixels.std() / 255, abs=1e-4)
    assert found.darkest == pytest.approx(np.percentile(pixels, 5) / 255, abs=0.005)
    ratios = []
    for axis in (0, 1):
        one = np.diff(pixels, axis=axis)
        two = pixels[2:] - pixels[:-2] if axis == 0 else pixels[:, 2:] - pixels[:, :-2]
        ratios.append(np.sqrt((two**2).mean() / (one**2).mean()))
    assert found.sharpness == pytest.approx(2 - max(ratios), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_blur_lowers_sharpness_whatever_the_size_and_the_exposure(seed):
    for image in (scene(seed), scene(seed, (1280, 960)), scene(seed).point(lambda v: v // 3)):
        blurred = image.filter(ImageFilter.GaussianBlur(0.02 * image.height))
        assert measure(blurred).sharpness < 0.22 < measure(image).sharpness


def test_a_picture_moved_along_one_axis_is_blurred_too():
    image = scene(2)
    moved = image.resize((10, image.height), Image.Resampling.BOX).resize(image.size)
    assert measure(moved).sharpness < 0.22


def test_a_thumbnail_that_was_enlarged_is_blurred():
    image = scene(1, (640, 480))
    assert measure(image.resize((64, 48)).resize(image.size)).sharpness < 0.22


def test_dark_and_bright_pictures_differ_at_their_far_ends():
    image = scene()
    assert measure(image.point(lambda v: v // 6)).brightest < 0.2
    assert measure(image.point(lambda v: 215 + v // 7)).darkest > 0.8


def test_a_white_animal_at_night_is_not_dark():
    image = Image.new("RGB", (200, 200), (8, 8, 10))
    image.paste(scene(4, (50, 50)), (80, 80))
    found = measure(image)
    assert found.brightness < 0.15
    assert found.brightest > 0.4


def test_colour_is_told_from_grey_whatever_the_exposure():
    image = scene()
    assert measure(image.convert("L").convert("RGB")).colour == 0
    assert measure(image.point(lambda v: v // 8)).colour > 0.2


def test_drawings_are_more_drawn_than_photos_and_print_has_text():
    photo, drawing, page = measure(scene()), measure(clip_art()), measure(printed())
    assert drawing.drawn > -0.2 > photo.drawn
    assert page.text > 0.4 > 0.23 > max(photo.text, drawing.text)


def test_a_seam_is_where_two_pictures_meet_and_a_letterbox_has_none():
    one, other = scene(1, (200, 240)), scene(2, (200, 240)).point(lambda v: v // 3)
    assert measure(beside(one, other)).seam > 0.9
    boxed = Image.new("RGB", (320, 320))
    boxed.paste(scene(5), (0, 40))
    assert measure(boxed).seam < 0.9


def test_the_same_pixels_give_the_same_measures_whatever_holds_them():
    image = scene()
    again = Image.fromarray(np.asfortranarray(np.asarray(image)))
    assert measure(again) == measure(image)
    assert isinstance(measure(image), Measures)
