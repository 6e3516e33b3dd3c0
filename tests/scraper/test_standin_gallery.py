from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from scraper.errors import UsageError
from scraper.standin.gallery import THUMBNAIL_SIDE_PX, Gallery


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header tells of a huge picture."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dog").mkdir()
    return tmp_path


def only_photo(folder, body: bytes, name: str = "1.jpg") -> tuple[Gallery, object]:
    (folder / "dog" / name).write_bytes(body)
    gallery = Gallery(folder)
    (photo,) = gallery.photos("dog")
    return gallery, photo


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"\x07" * 200,
        b"GIF89a\x01",
        png_that_claims(60_000, 60_000),
    ],
)
def test_a_broken_file_gets_a_placeholder(folder, body):
    gallery, photo = only_photo(folder, body)
    thumbnail = gallery.thumbnail(photo)
    assert gallery.size(photo) == (640, 480)
    with Image.open(io.BytesIO(thumbnail.jpeg)) as image:
        assert image.size == (thumbnail.width, thumbnail.height) == (256, 192)


def test_a_turned_photo_is_measured_and_shown_upright(folder):
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (800, 400), "tan").save(buffer, "JPEG", exif=exif)
    gallery, photo = only_photo(folder, buffer.getvalue())
    thumbnail = gallery.thumbnail(photo)
    assert gallery.size(photo) == (400, 800)
    assert (thumbnail.width, thumbnail.height) == (128, 256)


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA", "1", "CMYK", "I;16"])
def test_every_kind_of_picture_has_a_thumbnail(folder, mode):
    buffer = io.BytesIO()
    form = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (600, 300)).save(buffer, form)
    gallery, photo = only_photo(folder, buffer.getvalue())
    thumbnail = gallery.thumbnail(photo)
    assert (thumbnail.width, thumbnail.height) == (THUMBNAIL_SIDE_PX, 128)


def test_transparent_parts_are_white_in_the_thumbnail(folder):
    buffer = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(buffer, "PNG")
    gallery, photo = only_photo(folder, buffer.getvalue(), "1.png")
    with Image.open(io.BytesIO(gallery.thumbnail(photo).jpeg)) as image:
        assert image.getpixel((25, 25)) == (255, 255, 255)


def test_no_more_thumbnails_are_kept_than_allowed(folder):
    for number in range(6):
        Image.new("RGB", (9, 9)).save(folder / "dog" / f"{number}.png")
    gallery = Gallery(folder, cached_thumbnails=4)
    for photo in gallery.photos():
        gallery.thumbnail(photo)
    assert gallery.thumbnail.cache_info().currsize == 4


def test_the_order_of_results_is_not_that_of_the_names_but_stays(folder):
    for number in range(50):
        (folder / "dog" / f"{number:02}.jpg").write_bytes(b"")
    names = [photo.name for photo in Gallery(folder).search("dog")]
    assert names != sorted(names)
    assert names == [photo.name for photo in Gallery(folder).search("a DOG, please")]
    assert sorted(names) == [f"{number:02}.jpg" for number in range(50)]


def test_files_beside_class_folders_and_hidden_ones_are_not_served(folder):
    (folder / "truth.csv").write_text("")
    (folder / ".cache").mkdir()
    (folder / "dog" / ".DS_Store").write_text("")
    (folder / "dog" / "nested").mkdir()
    gallery = Gallery(folder)
    assert gallery.species == ("dog",)
    assert len(gallery) == 0
    assert gallery.search("dog") == []


def test_a_file_instead_of_a_folder_is_a_clear_error(folder):
    (folder / "truth.csv").write_text("")
    with pytest.raises(UsageError, match=r"truth.csv: Not a directory"):
        Gallery(folder / "truth.csv")


def test_a_class_folder_without_a_plain_name_is_a_clear_error(folder):
    (folder / "cat\n").mkdir()
    with pytest.raises(UsageError, match="give it a plain name"):
        Gallery(folder)
