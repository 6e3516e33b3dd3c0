"""Of two copies the one with print on it is told, and nothing else is taken for print."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from curation import marks
from curation.inspect import Inspected, inspect
from curation.marks import differ, is_marked
from curation.recipe import CurationRecipe
from curation.signature import Signature
from tests.curation.making import ALL_TRAIN, curated, encoded, gathered, picture

RECIPE = CurationRecipe(side_px=64)
SIZE = (400, 300)
AS_IT_IS = np.eye(3)


def watermarked(image: Image.Image) -> Image.Image:
    layer = Image.new("RGBA", image.size)
    ImageDraw.Draw(layer).text((90, 110), "stock photo", fill=(255, 255, 255, 170), font_size=44)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def captioned(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).rectangle((0, 270, *SIZE), fill="black")
    ImageDraw.Draw(marked).text((20, 274), "A shrew in its habitat", fill="grey", font_size=18)
    return marked


MARKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "watermark": watermarked,
    "caption": captioned,
}
CLEAN: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda image: image.resize((200, 150)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.75),
    "grey": lambda image: image.convert("L"),
}


def signed(image: Image.Image) -> Signature:
    result = inspect(encoded(image, quality=75), RECIPE)
    assert isinstance(result, Inspected)
    assert result.signature is not None
    return result.signature


def marked(one: Image.Image, other: Image.Image, across: np.ndarray = AS_IT_IS) -> bool:
    first, second = signed(one), signed(other)
    return is_marked(first.thumb, second.thumb, across, (first.inner, second.inner))


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("change", CLEAN)
def test_the_copy_with_a_mark_is_told_from_the_clean_one(mark, change):
    original = picture(3, SIZE)
    one, other = MARKS[mark](original), CLEAN[change](original)
    assert marked(one, other)
    assert not marked(other, one)


@pytest.mark.parametrize("change", CLEAN)
def test_a_changed_copy_without_a_mark_has_none(change):
    original = picture(3, SIZE)
    assert not marked(original, CLEAN[change](original))
    assert not marked(CLEAN[change](original), original)


def test_a_mirrored_copy_is_laid_on_the_other_by_the_map():
    original = picture(3, SIZE)
    across = np.asarray([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
    assert marked(watermarked(original), ImageOps.mirror(original), across)
    assert not marked(original, ImageOps.mirror(original), across)


def test_what_two_pictures_hardly_share_tells_nothing():
    far = np.asarray([[1.0, 0, 0.9], [0, 1, 0.9], [0, 0, 1]])
    assert not marked(watermarked(picture(3, SIZE)), picture(3, SIZE), far)


def test_a_subject_elsewhere_stands_out_on_both_sides_and_a_watermark_on_one():
    scene, subject = picture(1, SIZE), picture(2, (120, 90))
    shots = []
    for place in ((40, 60), (200, 160)):
        shot = scene.copy()
        shot.paste(subject, place)
        shots.append(signed(shot))
    boxes = (shots[0].inner, shots[1].inner)
    assert differ(shots[0].thumb, shots[1].thumb, AS_IT_IS, boxes)
    for change in (watermarked, captioned):
        one, other = signed(scene), signed(change(scene))
        assert not differ(one.thumb, other.thumb, AS_IT_IS, (one.inner, other.inner))


def texture(seed: int) -> np.ndarray:
    """A small grey picture with detail all over."""
    rough = np.random.default_rng(seed).integers(40, 215, (22, 22), np.uint8)
    return np.array(Image.fromarray(rough).resize((64, 64), Image.Resampling.BICUBIC))


WHOLE = ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0))


def test_a_part_that_lies_off_makes_two_pictures_and_all_of_it_none():
    one = texture(1)
    part = one.copy()
    part[16:48, 8:56] = np.roll(one, 4, axis=1)[16:48, 8:56]
    assert differ(one, part, AS_IT_IS, WHOLE)
    for shift in (1, 2, 4):
        assert not differ(one, np.roll(one, shift, axis=1), AS_IT_IS, WHOLE)


def test_a_part_that_lies_off_between_bars_makes_two_pictures_too():
    one, other = texture(1), texture(1)
    other[16:48, 8:56] = np.roll(other, 2, axis=1)[16:48, 8:56]
    for shot, edge in ((one, slice(0, 8)), (other, slice(56, 64))):
        shot[edge] = 255
    assert differ(one, other, AS_IT_IS, WHOLE)


def test_print_on_one_side_is_no_other_subject_though_a_few_values_stand_out_on_the_other():
    printed, dotted, marked = texture(1), texture(1), texture(1)
    printed[18:46:4, 8:56] = 255
    printed[18:46, 8:56:6] = 0
    dotted[8:14, 8:56:8] = 255
    marked[16:48, 8:56:3] = 255
    assert not differ(dotted, printed, AS_IT_IS, WHOLE)
    assert differ(marked, printed, AS_IT_IS, WHOLE)


def test_a_faint_pattern_seems_to_lie_off_from_the_plain_side_alone():
    plain, printed = texture(1), texture(1)
    plain[16:48, 8:56] = printed[16:48, 8:56] = 128
    for line in range(16, 48, 4):
        printed[line : line + 2, 8:56], printed[line + 2 : line + 4, 8:56] = 132, 124
    plain[1:15:5, 4:60:7] = printed[50:62:5, 4:60:7] = 0
    for pair in ((plain, printed), (printed, plain)):
        assert not differ(*pair, AS_IT_IS, WHOLE)


def test_a_part_that_moved_a_little_makes_two_pictures_though_hardly_a_value_is_foreign(
    monkeypatch,
):
    monkeypatch.setattr(marks, "has_moved", lambda *_: False)
    rough = np.random.default_rng(3).integers(40, 215, (10, 10), np.uint8)
    one = np.array(Image.fromarray(rough).resize((64, 64), Image.Resampling.BICUBIC))
    moved = one.copy()
    moved[16:48, 8:56] = np.roll(one, 1, axis=1)[16:48, 8:56]
    assert differ(one, moved, AS_IT_IS, WHOLE)


def kept_of(tmp_path, images: list[Image.Image]) -> tuple[tuple[int, int], list[str]]:
    """Size of the kept copy, and why the others were dropped."""
    harvest = gathered(tmp_path / "h", [("shrew", encoded(image, quality=85)) for image in images])
    rows = curated(harvest, tmp_path / "d", ALL_TRAIN).dataset.rows
    (kept,) = [row for row in rows if row.kept]
    assert kept.width is not None
    assert kept.height is not None
    return (kept.width, kept.height), [row.reason for row in rows if not row.kept]


@pytest.mark.parametrize("mark", MARKS)
def test_a_smaller_clean_copy_is_kept_and_the_row_says_why(tmp_path, mark):
    original = picture(3, SIZE)
    size, why = kept_of(tmp_path, [MARKS[mark](original), original.resize((280, 210))])
    assert size == (280, 210)
    assert [reason.partition(", ")[2] for reason in why] == [
        "which has no watermark, caption or frame on it"
    ]


def test_a_clean_copy_of_less_than_a_third_of_the_pixels_is_not_kept(tmp_path):
    original = picture(3, SIZE)
    size, why = kept_of(tmp_path, [watermarked(original), original.resize((220, 165))])
    assert size == SIZE
    assert why[0].endswith("which is larger")


def test_of_clean_copies_the_larger_is_kept(tmp_path):
    original = picture(3, SIZE)
    size, why = kept_of(tmp_path, [original.resize((280, 210)), original])
    assert size == SIZE
    assert why[0].endswith("which is larger")
