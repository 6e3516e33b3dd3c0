"""How hard a picture was compressed, whatever it was saved as since."""

from __future__ import annotations

import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from curation.coding import coded_bytes
from curation.findings import found
from curation.inspect import Inspected, inspect
from curation.jpegs import coded_bytes as coded_bytes_of_jpeg
from curation.looking import seen_of
from curation.recipe import CurationRecipe
from curation.stars import Standing
from tests.curation.making import encoded, grainy

RECIPE = CurationRecipe(side_px=64)


def standing(body: bytes) -> Standing:
    result = inspect(body, RECIPE)
    assert isinstance(result, Inspected)
    seen = seen_of(hashlib.sha256(body).hexdigest(), body, result)
    return found(seen).standing


def ruined(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(BytesIO(encoded(image, quality=quality)))


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("quality", [8, 20, 40])
def test_what_was_ruined_before_it_was_saved_without_loss_is_compressed_more(
    seed, format_, quality
):
    good = encoded(grainy(seed), quality=85)
    bad = encoded(ruined(grainy(seed), quality), format_)
    assert len(bad) > len(good)
    kept, other = sorted(map(standing, (bad, good)), key=lambda one: one.rank)
    assert kept == standing(good)
    assert other.behind(kept) == "less compressed"


@pytest.mark.parametrize("seed", range(1, 5))
def test_what_was_never_compressed_is_kept(seed):
    untouched = encoded(grainy(seed), "PNG")
    for quality in (50, 75, 90):
        assert standing(untouched).rank < standing(encoded(grainy(seed), quality=quality)).rank


@pytest.mark.parametrize("frames", [1, 14])
def test_what_has_lost_its_colours_gives_way_to_what_has_them(frames):
    good = encoded(grainy(1), quality=80)
    shot = grainy(1).quantize(256)
    others = [shot.rotate(nth) for nth in range(1, frames)]
    moving = encoded(shot, "GIF", save_all=True, append_images=others)
    assert len(moving) > len(good)
    kept, other = sorted(map(standing, (moving, good)), key=lambda one: one.rank)
    assert kept == standing(good)
    assert other.behind(kept) == "which has more colours"


def test_pages_that_follow_and_what_lies_around_a_picture_count_for_nothing():
    shot = grainy(1)
    one = encoded(shot, "TIFF")
    two = encoded(shot, "TIFF", save_all=True, append_images=[grainy(2)])
    assert standing(one).coded_bytes == standing(two).coded_bytes
    plain = encoded(shot)
    exif = Image.Exif()
    exif[0x010E] = "a long story " * 2000
    assert coded_bytes_of_jpeg(encoded(shot, exif=exif)) == coded_bytes_of_jpeg(plain)
    assert coded_bytes_of_jpeg(plain + bytes(50_000)) == coded_bytes_of_jpeg(plain)
    assert coded_bytes_of_jpeg(b"\xff\xd8\xff\xd9") == 0


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB", "P"])
def test_bands_of_a_large_picture_tell_what_all_of_it_takes(mode):
    shot = grainy(3, (1203, 1001))
    whole = coded_bytes_of_jpeg(encoded(shot, quality=90))
    assert 0.5 * whole < coded_bytes(in_mode(shot, mode), b"", (255, 255, 255)) < 2 * whole


def in_mode(shot: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return ImageCms.profileToProfile(
            shot, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    values = np.asarray(shot.convert("L"))
    if mode == "I;16":
        return Image.fromarray(values.astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(values.astype(np.float32))
    return shot.convert(mode)


@pytest.mark.parametrize("size", [(7, 300), (300, 7), (1, 1), (8, 8), (70_000, 20)])
def test_pictures_of_any_shape_take_something_or_nothing(size):
    assert coded_bytes(Image.new("RGB", size, (9, 90, 200)), b"", (255, 255, 255)) == 0


@pytest.mark.parametrize("format_", ["WEBP", "AVIF"])
def test_what_other_codecs_lost_their_bytes_tell(format_):
    good = encoded(grainy(2), quality=85)
    for quality in (10, 30):
        assert standing(good).rank < standing(encoded(grainy(2), format_, quality=quality)).rank
    untouched = encoded(grainy(2), "WEBP", lossless=True)
    assert standing(untouched).rank < standing(good).rank
