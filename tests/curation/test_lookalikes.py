"""Copies are found, different pictures are not, and chains do not form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from curation.inspect import Inspected, inspect
from curation.lookalikes import Album
from curation.recipe import CurationRecipe
from tests.curation.making import encoded, picture

RECIPE = CurationRecipe(side_px=64)
SIZE = (240, 180)


def captioned(image: Image.Image) -> Image.Image:
    taller = ImageOps.expand(image, (0, 0, 0, 22), "white")
    ImageDraw.Draw(taller).text(
        (8, image.height + 5), "A small mammal in its habitat", fill="black"
    )
    return taller


def watermarked(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).text((60, 70), "stock photo", fill="white", font_size=26)
    return marked


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda image: image.resize((110, 83)),
    "cropped a little": lambda image: image.crop((6, 4, 233, 176)),
    "cropped": lambda image: image.crop((26, 4, 236, 162)),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "grey": lambda image: image.convert("L"),
    "watermarked": watermarked,
    "captioned": captioned,
    "framed": lambda image: ImageOps.expand(image, 12, "white"),
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
}


def album_of(bodies: list[bytes], recipe: CurationRecipe = RECIPE) -> list[tuple[int, int]]:
    with Album() as album:
        for body in bodies:
            result = inspect(body, RECIPE)
            assert isinstance(result, Inspected)
            assert result.signature is not None
            album.add(result.signature)
        return [(pair.first, pair.second) for pair in album.pairs(recipe)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change):
    original = picture(1, SIZE)
    copy = encoded(CHANGES[change](original), quality=60)
    assert album_of([encoded(original), copy]) == [(0, 1)]


def test_different_pictures_are_not_look_alikes():
    bodies = [encoded(picture(seed, SIZE)) for seed in range(60)]
    loose = CurationRecipe(side_px=64, candidate_bits=16, crop_bits=16)
    assert album_of(bodies) == album_of(bodies[:3]) == album_of(bodies, loose) == []


def test_different_subjects_before_one_backdrop_are_not_look_alikes():
    bodies = []
    for seed in range(6):
        scene = Image.new("RGB", SIZE, "white")
        subject = picture(seed, (120, 110))
        mask = Image.new("L", subject.size, 0)
        ImageDraw.Draw(mask).ellipse((0, 0, 119, 109), fill=255)
        scene.paste(subject, (60, 35), mask)
        bodies.append(encoded(scene))
    assert album_of(bodies) == []


def test_different_fillings_of_one_outline_are_not_look_alikes():
    bodies = []
    for seed in range(8):
        mask = Image.new("L", SIZE, 0)
        ImageDraw.Draw(mask).polygon([(60, 20), (180, 22), (225, 80), (150, 170), (30, 150)], 255)
        dark = ImageEnhance.Brightness(picture(seed, SIZE)).enhance(0.4)
        bodies.append(encoded(Image.composite(dark, Image.new("RGB", SIZE, "white"), mask)))
    assert album_of(bodies) == []


def test_a_sheared_scene_is_another_scene():
    original = picture(1, SIZE)
    sheared = original.transform(SIZE, Image.Transform.AFFINE, (1, 0.12, -12, 0, 1, 0))
    assert album_of([encoded(original), encoded(sheared)]) == []


def test_a_flat_picture_has_no_signature():
    result = inspect(encoded(Image.new("RGB", SIZE, "white")), RECIPE)
    assert isinstance(result, Inspected)
    assert result.signature is None
