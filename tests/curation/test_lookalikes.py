"""Copies are found, different pictures are not, and chains do not form."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from curation import lookalikes, parting
from curation.inspect import Inspected, inspect
from curation.lookalikes import Album
from curation.pairs import Pair
from curation.recipe import CurationRecipe
from curation.stars import Standing, stars
from tests.curation.making import ALL_TRAIN, curated, encoded, gathered, nearing, picture, scene

RECIPE = CurationRecipe(side_px=64)
SIZE = (240, 180)


def captioned(image: Image.Image, height: int = 22) -> Image.Image:
    taller = ImageOps.expand(image, (0, 0, 0, height), "white")
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
    return [(pair.first, pair.second) for pair in pairs_of(bodies, recipe)]


def pairs_of(bodies: list[bytes], recipe: CurationRecipe = RECIPE) -> list[Pair]:
    album = Album()
    for body in bodies:
        result = inspect(body, RECIPE)
        assert isinstance(result, Inspected)
        assert result.signature is not None
        album.add(result.signature)
    return album.pairs(recipe)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change):
    original = picture(1, SIZE)
    copy = encoded(CHANGES[change](original), quality=60)
    assert album_of([encoded(original), copy]) == [(0, 1)]


@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize("size", [(240, 160), (160, 240), (240, 120), (200, 180)])
def test_a_picture_that_bars_make_a_square_is_found_as_it_is_and_turned(size, colour):
    original = picture(1, size)
    square = ImageOps.pad(original, (240, 240), color=colour)
    for copy in (square, square.transpose(Image.Transpose.ROTATE_90)):
        assert album_of([encoded(original), encoded(copy, quality=85)]) == [(0, 1)]


@pytest.mark.parametrize("size", [(240, 120), (140, 200)])
def test_a_picture_that_was_distorted_to_fit_is_found(size):
    original = picture(1, SIZE)
    assert album_of([encoded(original), encoded(original.resize(size))]) == [(0, 1)]


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


@pytest.mark.parametrize("backdrop", range(1, 9))
@pytest.mark.parametrize("widths", [(200, 240), (170, 205), (210, 240)])
def test_a_subject_that_came_nearer_makes_another_picture(backdrop, widths):
    shots = [encoded(shot, quality=85) for shot in nearing(backdrop, widths)]
    assert album_of(shots) == album_of(shots[::-1]) == []


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


def starred(bodies: list[bytes]) -> list[list[int]]:
    """The groups of pictures, each with its kept one first."""
    standings = []
    album = Album()
    for number, body in enumerate(bodies):
        result = inspect(body, RECIPE)
        assert isinstance(result, Inspected)
        assert result.signature is not None
        album.add(result.signature)
        pixels = result.header.width * result.header.height
        standings.append(Standing(digest=f"{number:04}", pixels=pixels, coded_bytes=len(body)))
    outcomes = album.star_pairs(RECIPE, standings, [{"shrew"}] * len(bodies))
    return stars(standings, [pair for outcome in outcomes for pair in outcome.pairs])


def test_a_walk_along_a_scene_is_cut_where_its_pictures_share_too_little():
    scene = picture(5, (720, 240))
    steps = [scene.crop((left, 0, left + 240, 240)) for left in range(0, 481, 30)]
    groups = starred([encoded(step) for step in steps])
    reach = [max(abs(step - kept) for step in others) for kept, *others in groups if others]
    assert reach
    assert max(reach) * 30 <= 240 * 0.4
    assert len(groups) >= 3


def test_copies_that_only_a_third_ties_to_the_kept_one_are_one_group():
    original = picture(1, (400, 300))
    captioned_copy = captioned(original.resize((480, 360)))
    bodies = [
        encoded(captioned_copy),
        encoded(original),
        encoded(original.crop((40, 20, 390, 270)), quality=60),
        encoded(ImageOps.mirror(original.crop((10, 30, 360, 290))), quality=60),
        encoded(ImageEnhance.Brightness(original).enhance(0.8).resize((200, 150))),
    ]
    assert [sorted(group) for group in starred(bodies)] == [[0, 1, 2, 3, 4]]


def likeness_within(album: Album, standings: list[Standing]) -> dict[tuple[int, int], float]:
    """Of the pairs that make the groups."""
    told = album.star_pairs(RECIPE, standings, [frozenset({"shrew"})] * len(album))
    pairs = [pair for outcome in told for pair in outcome.pairs]
    return {(pair.first, pair.second): pair.likeness for pair in pairs}


def test_what_a_third_ties_stays_whole_whatever_each_shows(monkeypatch):
    album, standings = bridging_album()
    monkeypatch.setattr(parting, "differ", lambda *_: True)
    sure = RECIPE.min_likeness + parting.LOSS
    assert any(likeness < sure for likeness in likeness_within(album, standings).values())


def test_a_third_does_not_tie_what_shows_a_step(monkeypatch):
    album, standings = bridging_album()
    everything = likeness_within(album, standings)
    monkeypatch.setattr(
        lookalikes, "have_stepped", lambda *arguments: np.ones(len(arguments[3]), bool)
    )
    assert 0 < len(likeness_within(album, standings)) < len(everything)


def bridging_album() -> tuple[Album, list[Standing]]:
    """Pictures with captions and crops of them, of which some are found by way of others alone."""
    lots = random.Random(1)
    album, standings = Album(), []
    for seed in range(12):
        original = picture(seed, (400, 300))
        left, top = lots.randint(0, 60), lots.randint(0, 50)
        inner = original.crop((left, top, 400 - lots.randint(0, 60), 300 - lots.randint(0, 50)))
        enlarged = inner.resize((2 * inner.width, 2 * inner.height))
        pictures = [captioned(enlarged, height=lots.randint(60, 160)), original]
        for nth in range(14):
            whole, most = (inner, 8) if nth % 2 else (original, 20)
            box = [lots.randint(0, most) for _ in range(4)]
            part = whole.crop((*box[:2], whole.width - box[2], whole.height - box[3]))
            smaller = lots.uniform(0.5, 0.9)
            pictures.append(part.resize((int(part.width * smaller), int(part.height * smaller))))
        for one in pictures:
            result = inspect(body := encoded(one, quality=80), RECIPE)
            assert isinstance(result, Inspected)
            assert result.signature is not None
            place = album.add(result.signature)
            digest, pixels = f"{place:064x}", one.width * one.height
            standings.append(Standing(digest=digest, pixels=pixels, coded_bytes=len(body)))
    return album, standings


def test_how_many_paths_are_gone_through_at_once_does_not_matter(monkeypatch):
    album, standings = bridging_album()
    species = [frozenset({"shrew"})] * len(album)

    def pairs() -> list[Pair]:
        outcomes = album.star_pairs(RECIPE, standings, species)
        return [pair for outcome in outcomes for pair in outcome.pairs]

    at_once = pairs()
    for number in (1, 3):
        monkeypatch.setattr(lookalikes, "_PATHS", number)
        assert pairs() == at_once


def test_noisy_copies_of_one_picture_are_one_group():
    rng, original = np.random.default_rng(3), np.asarray(picture(2, SIZE), np.int16)
    noisy = [
        encoded(
            Image.fromarray(
                np.clip(original + rng.normal(0, 4, original.shape), 0, 255).astype(np.uint8)
            )
        )
        for _ in range(60)
    ]
    assert [len(group) for group in starred(noisy)] == [60]


def test_an_enlarged_thumbnail_gives_way_to_what_it_was_made_of(tmp_path):
    small = picture(5, size=(400, 300)).resize((100, 75))
    enlarged = small.resize((600, 450), Image.Resampling.BICUBIC)
    harvest = gathered(tmp_path / "h", [("shrew", encoded(shot)) for shot in (small, enlarged)])
    kept, dropped = sorted(
        curated(harvest, tmp_path / "d", ALL_TRAIN).dataset.rows, key=lambda row: row.width
    )
    assert kept.kept
    assert dropped.reason == (
        f"near-duplicate: of {kept.digest[:12]}, which is sharper, though smaller"
    )


def test_of_copies_the_one_in_colour_is_kept_unless_the_grey_one_shows_far_more(tmp_path):
    shot = picture(5, size=(400, 300))
    for width, reason in ((250, "which is in colour"), (200, "which is larger")):
        colour = shot.resize((width, width * 3 // 4))
        bodies = [encoded(shot.convert("L"), "PNG"), encoded(colour, quality=85)]
        harvest = gathered(tmp_path / f"h{width}", [("shrew", body) for body in bodies])
        rows = curated(harvest, tmp_path / f"d{width}", ALL_TRAIN).dataset.rows
        (kept,) = (row for row in rows if row.kept)
        (dropped,) = (row for row in rows if not row.kept)
        assert kept.format == ("JPEG" if width == 250 else "PNG")
        assert dropped.reason == f"near-duplicate: of {kept.digest[:12]}, {reason}"


def test_plain_things_of_one_outline_are_not_look_alikes():
    bodies = []
    for seed in range(12):
        folds = picture(seed, SIZE).convert("L").point([40 + value // 6 for value in range(256)])
        mask = Image.new("L", SIZE, 0)
        outline = [(80, 20), (160, 20), (190, 50), (170, 80), (170, 165), (70, 165), (50, 50)]
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        bodies.append(encoded(Image.composite(folds, Image.new("L", SIZE, 255), mask)))
    assert album_of(bodies) == []


def test_a_copy_of_a_plain_thing_counts_as_a_little_less_like_it():
    likeness = {}
    for name, shot in (
        ("plain", plain_thing((13, 43, 68), OUTLINES[0])),
        ("full", picture(1, SIZE)),
    ):
        album = Album()
        for quality in (95, 85):
            result = inspect(encoded(shot, quality=quality), RECIPE)
            assert isinstance(result, Inspected)
            assert result.signature is not None
            album.add(result.signature)
        (pair,) = album.pairs(RECIPE)
        likeness[name] = pair.likeness
    assert 0.97 < likeness["plain"] < 0.985 < likeness["full"]


def test_a_plain_thing_that_was_squeezed_with_its_frame_counts_as_less_like_it():
    lost = {}
    for name, shot in (
        ("plain", plain_thing((13, 43, 68), OUTLINES[0])),
        ("full", picture(1, SIZE)),
    ):
        (kept,), (squeezed,) = (
            pairs_of([encoded(shot), encoded(shot.resize(size))])
            for size in ((210, 158), (180, 180))
        )
        lost[name] = kept.likeness - squeezed.likeness
    assert 0.004 < lost["plain"] < 0.03
    assert abs(lost["full"]) < 0.002


Ink = tuple[int, int, int]
OUTLINES = (
    [(80, 20), (160, 20), (190, 50), (170, 80), (170, 165), (70, 165), (50, 50)],
    [(70, 14), (130, 14), (130, 104), (170, 124), (212, 134), (220, 164), (75, 164), (66, 110)],
)


def plain_thing(ink: Ink, outline: list[tuple[int, int]]) -> Image.Image:
    shot = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(shot).polygon(outline, ink)
    return shot


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_duotone_is_a_copy_as_a_grey_picture_is(seed):
    original = picture(seed, SIZE)
    duotone = ImageOps.colorize(original.convert("L"), "#201408", "#fff0d0")
    (pair,) = pairs_of([encoded(original, quality=85), encoded(duotone, quality=85)])
    assert pair.likeness > 0.95


@pytest.mark.parametrize("outline", OUTLINES)
def test_plain_things_of_one_outline_in_other_colours_are_not_look_alikes(outline):
    inks = ((13, 43, 68), (51, 21, 18), (40, 80, 20))
    shots = [plain_thing(ink, outline) for ink in inks]
    assert album_of([encoded(shot, quality=85) for shot in shots]) == []


@pytest.mark.parametrize("grey", [40, 50])
def test_a_plain_thing_in_grey_is_no_copy_of_a_darker_one_in_colour(grey):
    shots = [plain_thing(ink, OUTLINES[0]) for ink in ((13, 43, 68), (grey, grey, grey))]
    assert album_of([encoded(shot, quality=85) for shot in shots]) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda shot: ImageEnhance.Color(shot).enhance(0.6),
        lambda shot: ImageEnhance.Brightness(shot).enhance(0.8),
        lambda shot: shot.convert("RGB", (1.1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.9, 0)),
        lambda shot: shot.convert("L"),
    ],
    ids=["paler", "darker", "another white balance", "grey"],
)
def test_a_toned_copy_of_a_plain_thing_is_found(change):
    shot = plain_thing((13, 43, 68), OUTLINES[1])
    copy = encoded(change(shot), quality=85)
    assert album_of([encoded(shot, quality=85), copy]) == [(0, 1)]


def checked_cloth(ink: tuple[float, float], grain: int) -> Image.Image:
    """A patterned cloth in checks of a colour, red and blue beside green, and of its opposite."""
    red, blue = ink
    opposite = np.array([red, -(0.299 * red + 0.114 * blue) / 0.587, blue])  # As bright as grey.
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    sign = 1 - 2 * ((x // 40 + y // 30) % 2)
    light = 60 + np.asarray(picture(1, SIZE).convert("L"), float) / 2
    light += np.random.default_rng(grain).normal(0, 14, light.shape)
    cloth = light[..., None] + sign[..., None] * opposite
    return Image.fromarray(np.clip(cloth, 0, 255).astype(np.uint8))


def test_cloths_alike_in_all_but_their_colours_are_not_look_alikes_whatever_their_texture():
    shots = [checked_cloth((50, 0), 1), checked_cloth((50, 0), 2), checked_cloth((-20, 50), 3)]
    assert album_of([encoded(shot, quality=85) for shot in shots]) == [(0, 1)]


def test_a_grey_cloth_is_a_little_less_like_one_in_colour_whatever_their_texture():
    shot, other = checked_cloth((50, 0), 1), checked_cloth((50, 0), 2)
    likeness = [
        pairs_of([encoded(shot, quality=85), encoded(copy, quality=85)])[0].likeness
        for copy in (other, other.convert("L"))
    ]
    assert likeness[0] - likeness[1] == pytest.approx(0.03, abs=0.01)


@pytest.mark.parametrize("step", [7, 10])
def test_a_subject_that_took_a_step_makes_another_picture_however_alike_all_is(step):
    assert album_of([encoded(scene(0), quality=90), encoded(scene(step), quality=90)]) == []
    assert album_of([encoded(scene(step), quality=90), encoded(scene(step), quality=60)]) != []
