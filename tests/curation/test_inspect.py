"""One look at any bytes: facts and a picture, or a reason, and never an exception."""

from __future__ import annotations

import csv
import importlib.util
import io
import struct
import sys
import zlib

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from curation import reasons
from curation.colours import srgb
from curation.inspect import Dropped, Inspected, inspect
from curation.protected import Bounds, Workers
from curation.recipe import CurationRecipe
from tests.curation.making import SHARED, encoded, jpeg, picture

RECIPE = CurationRecipe(side_px=64, min_side_px=16)


HAS_HEIC = importlib.util.find_spec("pillow_heif") is not None
NO_HEIC = f"{reasons.UNSUPPORTED}: HEIC (pip install bestiary[heic])"
BROKEN_HEIC = reasons.CORRUPT if HAS_HEIC else NO_HEIC
HAS_DEEP_JPEGS = importlib.util.find_spec("imagecodecs") is not None


def scan_of(body: bytes) -> int:
    return body.index(b"\xff\xda")


def used(body: bytes, recipe: CurationRecipe = RECIPE) -> Inspected:
    result = inspect(body, recipe)
    assert isinstance(result, Inspected), result
    return result


def dropped(body: bytes, recipe: CurationRecipe = RECIPE) -> str:
    result = inspect(body, recipe)
    assert isinstance(result, Dropped)
    return result.reason


def rendered(result: Inspected) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(result.jpeg))).astype(int)


def test_a_good_image_has_its_facts_and_a_square_jpeg():
    result = used(jpeg(1, (300, 200)))
    assert (result.header.format, result.header.width, result.header.height) == ("JPEG", 300, 200)
    assert rendered(result).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", reasons.EMPTY),
        (b"<html><body>Not found</body></html>", reasons.NOT_AN_IMAGE),
        (b"%PDF-1.4", reasons.NOT_AN_IMAGE),
        (jpeg(1)[: len(jpeg(1)) // 2], reasons.TRUNCATED),
        (encoded(picture(1), "PNG")[:2000], reasons.TRUNCATED),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 50, reasons.CORRUPT),
        (
            b"\0\0\0\x18ftypheic" + b"\0" * 40,
            BROKEN_HEIC,
        ),
        (jpeg(1)[:2000] + b"\xff\xd9", reasons.TRUNCATED),
        (jpeg(1)[:-200] + b"\xff\xd9", reasons.TRUNCATED),
        (jpeg(1)[:-2] + jpeg(1)[scan_of(jpeg(1)) :] * 300, f"{reasons.CORRUPT}: 301 scans"),
        (b"II*\0" + b"\xff" * 60, reasons.CORRUPT),
        (jpeg(1, (200, 10)), f"{reasons.TOO_SMALL}: 200 × 10 px"),
        (jpeg(1, (1200, 40)), f"{reasons.TOO_NARROW}: 1200 × 40 px"),
    ],
)
def test_what_cannot_be_used_has_a_reason(body, reason):
    assert dropped(body) == reason


def png_that_claims(width: int, height: int) -> bytes:
    return png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), zlib.compress(b"\0"))


def deep_png(width: int, height: int, depth: int) -> bytes:
    """A soft grey PNG, made a row at a time."""
    packer = zlib.compressobj(1)
    row = b"\0" + bytes(range(256)) * (width * depth // 8 // 256 + 1)
    row = row[: 1 + width * depth // 8]
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png(struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0), data)


def png(header: bytes, data: bytes, *others: bytes) -> bytes:
    chunks = (chunk(b"IHDR", header), *others, chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def chunk(name: bytes, data: bytes) -> bytes:
    whole = name + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))


def test_texts_and_profiles_that_unpack_to_gigabytes_are_not_unpacked():
    bomb = zlib.compress(b"\0" * 2**26)
    header = struct.pack(">IIBBBBB", 60, 60, 8, 0, 0, 0, 0)
    for name in (b"zTXt", b"iCCP"):
        body = png(header, zlib.compress(bytes(61 * 60)), chunk(name, b"k\0\0" + bomb))
        assert dropped(body) == reasons.CORRUPT


@pytest.mark.parametrize("side", [8_000, 11_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side):
    assert reasons.word(dropped(png_that_claims(side, side))) == reasons.TOO_LARGE


@pytest.mark.parametrize(
    ("image_format", "is_refused"), [("WEBP", True), ("AVIF", False), ("PNG", False)]
)
def test_what_its_decoder_would_keep_four_times_is_refused_by_its_header(image_format, is_refused):
    options = {"WEBP": {"method": 0}, "AVIF": {"speed": 10}}.get(image_format, {})
    body = encoded(Image.new("L", (5700, 5000), 90), image_format, **options)
    if is_refused:
        assert dropped(body) == (
            f"{reasons.TOO_LARGE}: 5700 × 5000 px of WEBP take too much memory"
        )
    else:
        assert used(body)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_the_picture_and_to_its_size(orientation, format_):
    upright = picture(4, (120, 80))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = (
        upright if LAID_DOWN[orientation] is None else upright.transpose(LAID_DOWN[orientation])
    )
    result = used(encoded(stored, format_, exif=exif))
    assert (result.header.width, result.header.height) == (120, 80)
    difference = np.abs(rendered(result) - rendered(used(encoded(upright, format_))))
    assert difference.mean() < 4


def test_exif_that_comes_after_the_picture_turns_it_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    body = encoded(picture(4, (80, 120)), "PNG")
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    end = body.index(b"IEND") - 4
    result = used(body[:end] + late + body[end:])
    assert (result.header.width, result.header.height) == (120, 80)
    assert result.header.orientation == 6


LAID_DOWN = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes of an upright picture what is stored with an EXIF orientation (JEITA CP-3451)."""


def test_transparency_is_flattened_on_the_background():
    image = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    recipe = CurationRecipe(side_px=64, background=(0, 0, 255))
    assert np.abs(rendered(used(encoded(image, "PNG"), recipe)) - (0, 0, 255)).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb_of_the_same_brightness(mode):
    grey = Image.linear_gradient("L").resize((80, 80))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.convert("RGB").convert(mode)
    body = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    assert abs(used(body).measures.brightness - 0.5) < 0.03


def test_colours_are_brought_to_srgb():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = picture(2)
    untouched = rendered(used(encoded(plain, "PNG", icc_profile=b"not a profile")))
    assert (untouched == rendered(used(encoded(plain, "PNG")))).all()
    assert used(encoded(plain, "PNG", icc_profile=profile))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("size", [(96, 72), (1000, 700)])
def test_a_profile_that_has_red_for_blue_gives_blue_for_red(size, format_):
    profile = with_red_for_blue(srgb_profile())
    body = encoded(Image.new("RGB", size, (200, 60, 20)), format_, icc_profile=profile)
    assert np.abs(rendered(used(body))[32, 32] - (20, 60, 200)).max() < 8


def test_a_profile_is_believed_by_what_it_does_and_not_by_its_name():
    body = encoded(Image.new("RGB", (96, 72), (200, 60, 20)), "PNG", icc_profile=srgb_profile())
    assert np.abs(rendered(used(body))[32, 32] - (200, 60, 20)).max() <= 3
    named = with_red_for_blue(srgb_profile())
    assert "sRGB" in ImageCms.ImageCmsProfile(io.BytesIO(named)).profile.profile_description
    body = encoded(Image.new("RGB", (96, 72), (200, 60, 20)), "PNG", icc_profile=named)
    assert np.abs(rendered(used(body))[32, 32] - (20, 60, 200)).max() < 8


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_red_for_blue(profile: bytes) -> bytes:
    """The tags that say where red and blue lie, exchanged."""
    return profile.replace(b"rXYZ", b"-XYZ").replace(b"bXYZ", b"rXYZ").replace(b"-XYZ", b"bXYZ")


@pytest.mark.parametrize("full", [1, 255, 65535])
def test_a_picture_of_fractions_is_as_bright_whatever_its_full_scale(full):
    grey = np.linspace(0, full, 80 * 80, dtype=np.float32).reshape(80, 80)
    body = encoded(Image.fromarray(grey), "TIFF")
    assert abs(used(body).measures.brightness - 0.5) < 0.03


@pytest.mark.parametrize("format_", ["WEBP", "GIF", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(format_):
    frames = [picture(seed) for seed in (1, 2, 3)]
    body = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
    result = used(body)
    assert result.header.frames == 3
    assert np.abs(rendered(result) - rendered(used(encoded(frames[0], "PNG")))).mean() < 12


@pytest.mark.parametrize("bottom", [(128, 128, 128), (127, 128, 129)])
def test_a_picture_that_is_grey_below_is_not_taken_for_a_cut_one(bottom):
    image = picture(1)
    image.paste(bottom, (0, 40, 96, 72))
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 4}):
        assert used(encoded(image, **options))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_of_four_colours_is_the_picture_it_was(options):
    image = picture(2).convert("CMYK")
    result = used(encoded(image, **options))
    difference = np.abs(rendered(result) - rendered(used(encoded(image.convert("RGB"), "PNG"))))
    assert difference.mean() < 6


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_a_large_picture_that_is_shrunk_in_bands_is_the_one_shrunk_whole(mode):
    image = wide(mode)
    whole = srgb(image, 1, (0, 0, 255)).reduce(5)
    in_bands = srgb(image, 5, (0, 0, 255))
    assert in_bands.size == whole.size == (241, 201)
    assert np.abs(np.asarray(whole).astype(int) - np.asarray(in_bands)).max() <= 2


def wide(mode: str) -> Image.Image:
    """A picture of more than one band."""
    image = picture(6, (1203, 1001))
    values = np.asarray(image.convert("L")).astype(np.uint16) * 257
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    if mode in {"LA", "RGBA", "PA"}:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    match mode:
        case "I;16":
            return Image.fromarray(values)
        case "I":
            return Image.fromarray(values.astype(np.int32))
        case "F":
            return Image.fromarray(values.astype(np.float32) / 9e4)
        case _:
            return image.convert(mode)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
def test_a_picture_of_49_megapixels_in_16_bits_is_seen_within_a_quarter_gigabyte():
    with Workers(Bounds(seconds=60, megabytes=256)) as workers:
        assert workers.call(reason_of, 7000, 7000, 16) == ""


def reason_of(width: int, height: int, depth: int) -> str:
    result = inspect(deep_png(width, height, depth), RECIPE)
    return result.reason if isinstance(result, Dropped) else ""


def test_heic_is_read_where_its_decoder_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    pillow_heif.register_heif_opener()
    result = used(encoded(picture(3), "HEIF", quality=95))
    assert result.header.format == "HEIF"
    assert np.abs(rendered(result) - rendered(used(encoded(picture(3), "PNG")))).mean() < 6


@pytest.mark.skipif(HAS_DEEP_JPEGS, reason="the extra deep-jpeg is installed")
def test_a_jpeg_of_more_than_8_bits_says_what_to_install():
    body = jpeg(1).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    assert dropped(body) == (
        f"{reasons.UNSUPPORTED}: JPEG of 12 bits a sample (pip install bestiary[deep-jpeg])"
    )


def deep_samples(mode, bits):
    """A picture in so many bits, as libjpeg has it."""
    samples = np.asarray(picture(3).convert(mode)).astype(np.uint32)
    return ((samples * (2**bits - 1) + 127) // 255).astype(np.uint16)


@pytest.mark.parametrize(
    ("mode", "bits", "is_lossless"),
    [("L", 12, False), ("RGB", 12, False), ("CMYK", 12, False), ("RGB", 10, True), ("L", 16, True)],
)
def test_jpegs_of_more_than_8_bits_are_read_where_their_decoder_is_installed(
    mode, bits, is_lossless
):
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra deep-jpeg is not installed")
    samples = deep_samples(mode, bits)
    if mode == "CMYK":
        samples = 2**bits - 1 - samples
    inks = {"colorspace": "CMYK", "outcolorspace": "CMYK"} if mode == "CMYK" else {}
    body = imagecodecs.jpeg8_encode(
        samples, level=98, bitspersample=bits, lossless=is_lossless, **inks
    )
    result = used(body)
    assert (result.header.format, result.header.width, result.header.height) == ("JPEG16", 96, 72)
    assert result.coded_bytes > 0
    shallow = encoded(picture(3).convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    assert np.abs(rendered(result) - rendered(used(shallow))).mean() < 2

    exif = Image.Exif()
    exif[0x0112] = 6
    segment = b"Exif\0\0" + exif.tobytes()
    turned = body[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + body[2:]
    assert (used(turned).header.width, used(turned).header.orientation) == (72, 6)

    assert dropped(body[:150]) in {reasons.TRUNCATED, reasons.CORRUPT}
    assert reasons.word(dropped(body, CurationRecipe(max_pixels=96))) == reasons.TOO_LARGE


def deep_jpeg(kind):
    """JPEGs whose decoder makes other things of data that is missing."""
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra deep-jpeg is not installed")
    if kind == "progressive":
        shallow = encoded(picture(3), "JPEG", progressive=True, quality=95)
        return shallow.replace(b"\xff\xc2\0\x11\x08", b"\xff\xc2\0\x11\x0c")
    inks = {"colorspace": "CMYK", "outcolorspace": kind} if kind in {"CMYK", "YCCK"} else {}
    samples = deep_samples("CMYK" if inks else "RGB", 12)
    if kind == "grey corner":
        samples[-16:, -16:] = 2048
    return imagecodecs.jpeg8_encode(
        samples, level=98, bitspersample=12, lossless=kind == "lossless", **inks
    )


DEEP_KINDS = ["plain", "progressive", "lossless", "CMYK", "YCCK", "grey corner"]


@pytest.mark.parametrize("kind", DEEP_KINDS)
def test_a_deep_jpeg_that_was_cut_is_truncated(kind):
    body = deep_jpeg(kind)
    start = body.rindex(b"\xff\xda")
    for share in (0.3, 0.5, 0.9, 0.97):
        part = body[: start + int(share * (len(body) - start))]
        assert dropped(part) == reasons.TRUNCATED
        assert dropped(part + b"\xff\xd9") == reasons.TRUNCATED


@pytest.mark.parametrize("kind", DEEP_KINDS)
def test_a_deep_jpeg_may_have_more_after_its_end(kind):
    body = deep_jpeg(kind)
    plain = used(body).jpeg
    for more in (b"\0\0", b"\n", jpeg(5)):
        assert used(body + more).jpeg == plain


@pytest.mark.parametrize("image_format", ["AVIF", *(["HEIF"] if HAS_HEIC else [])])
def test_a_picture_in_boxes_that_is_cut_off_is_truncated(image_format):
    if image_format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    whole = encoded(picture(3), image_format)
    assert used(whole + b"odd")
    for share in (0.6, 0.9, 0.999):
        assert dropped(whole[: int(share * len(whole))]) == reasons.TRUNCATED


def test_how_small_is_too_small_follows_the_size_of_the_dataset():
    small = jpeg(1, (48, 36))
    assert dropped(small, CurationRecipe(side_px=224)) == f"{reasons.TOO_SMALL}: 48 × 36 px"
    assert used(small, CurationRecipe(side_px=32))


@given(seed=st.integers(0, 500), width=st.integers(32, 400), height=st.integers(32, 400))
@settings(max_examples=25, deadline=None)
def test_the_hash_is_imagehash_s_to_within_four_bits(seed, width, height):
    image = picture(seed, (width, height))
    ours = int(used(encoded(image, "PNG")).phash, 16)
    assert (ours ^ int(str(imagehash.phash(image)), 16)).bit_count() <= 4


@given(
    body=st.sampled_from(
        [jpeg(1), *(encoded(picture(1, (40, 30)), name) for name in ("PNG", "GIF", "WEBP", "TIFF"))]
    ),
    place=st.floats(0, 1, exclude_max=True),
    junk=st.binary(min_size=1, max_size=8),
    end=st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_no_mutated_bytes_make_it_raise_or_warn(body, place, junk, end):
    at = int(place * len(body))
    mutated = (body[:at] + junk + body[at + len(junk) :])[: int(len(body) * (0.3 + 0.7 * end))]
    result = inspect(mutated, RECIPE)
    assert isinstance(result, Inspected) or result.reason


@given(body=st.binary(max_size=200))
def test_no_bytes_at_all_make_it_raise(body):
    assert isinstance(inspect(body, RECIPE), Inspected | Dropped)


NASTY = SHARED / "data/nasty"


@pytest.mark.skipif(not NASTY.is_dir(), reason=f"no odd images at {NASTY}: set BESTIARY_SHARED")
def test_the_nasty_images_are_all_accounted_for():
    recipe = CurationRecipe(min_side_px=1, max_aspect=1e6, side_px=64)
    with (NASTY / "nasty.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        result = inspect((NASTY / "files" / row["file"]).read_bytes(), recipe)
        if row["expected"] == "decodes":
            assert isinstance(result, Inspected), row["file"]
            upright = (str(result.header.width), str(result.header.height))
            assert upright == (row["upright_w"], row["upright_h"]), row["file"]
        elif not (HAS_HEIC and row["file"].startswith("heic__")):  # `nasty.csv` had Pillow alone.
            assert isinstance(result, Dropped), row["file"]
