from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scraper.sniff import image_type, other_kind, pixel_size


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("PPM", "image/x-portable-anymap"),
        ("ICO", "image/x-icon"),
        ("AVIF", "image/avif"),
        ("JPEG2000", "image/jp2"),
    ],
)
def test_images_are_known_by_their_bytes(name: str, kind: str) -> None:
    file = BytesIO()
    Image.new("RGB", (32, 32), "brown").save(file, name)

    assert image_type(file.getvalue()) == kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf\n<!doctype html><p>", "HTML"),
        (b"<HTML>", "HTML"),
        (b"<script>location='/'</script>", "HTML"),
        (b"<svg viewBox='0 0 1 1'/>", "SVG"),
        (b"<?xml version='1.0'?><svg xmlns='x'></svg>", "SVG"),
        (b"<?xml version='1.0'?><Error/>", "XML"),
        ("<html>".encode("utf-16"), "HTML"),
        (b' [{"a": 1}]', "JSON"),
        (b"Not found\n", "text"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"\0\0\0\x18ftypmp42", "video or sound"),
        (b"RIFF\0\0\0\0WAVE", "video or sound"),
        (bytes(range(1, 9)) * 9, "unknown bytes"),
        (b"BM is a text, too, and long enough", "text"),
    ],
)
def test_what_is_no_image_has_a_name(body: bytes, kind: str) -> None:
    assert image_type(body) is None
    assert other_kind(body) == kind


@given(st.binary())
def test_any_bytes_have_a_name(body: bytes) -> None:
    assert image_type(body) or other_kind(body)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
@given(width=st.integers(1, 300), height=st.integers(1, 300), is_lossless=st.booleans())
@settings(deadline=None, max_examples=12)
def test_the_size_in_a_header_is_the_size_that_decoding_gives(
    name: str, width: int, height: int, is_lossless: bool
) -> None:
    file = BytesIO()
    options = {"lossless": is_lossless} if name == "WEBP" else {}
    Image.new("RGB", (width, height), "brown").save(file, name, **options)

    assert pixel_size(file.getvalue()) == (width, height)


def test_the_size_of_a_photo_is_found_behind_its_exif() -> None:
    file = BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "x" * 20_000
    Image.new("RGB", (70, 50)).save(file, "JPEG", exif=exif, progressive=True)

    assert pixel_size(file.getvalue()) == (70, 50)
    assert pixel_size(file.getvalue()[:1024]) is None


@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.builds(
            bytes.__add__,
            st.sampled_from([b"\xff\xd8\xff", b"RIFF....WEBPVP8", b"II*\0", b"BM", b"8BPS"]),
            st.binary(max_size=80),
        ),
    )
)
def test_any_bytes_have_a_size_or_none(body: bytes) -> None:
    size = pixel_size(body)

    assert size is None or min(size) >= 0
