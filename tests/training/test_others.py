from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.test_run import RECORD
from training import others
from training.errors import PicturesError


def _picture(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_pictures_are_read_from_a_zip_file_or_a_folder_alike(tmp_path: Path) -> None:
    folder = tmp_path / "foxes"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "foxes.zip", "w") as archive:
        for number in range(3):
            (folder / f"{number}.png").write_bytes(_picture(50 * number))
            archive.writestr(f"train/fox/{number}.png", _picture(50 * number))
        archive.writestr("train/fox/broken.png", b"no picture")
        archive.writestr("readme.txt", b"text")

    packed = others.read(tmp_path / "foxes.zip", RECORD)
    unpacked = others.read(folder, RECORD)

    assert packed.pixels.shape == (3, 32, 32, 3)
    assert (packed.pixels == unpacked.pixels).all()
    assert (packed.unread, unpacked.unread) == (("train/fox/broken.png",), ())
    assert packed.in_words == "foxes.zip, of 4 files 1 could not be read"
    assert unpacked.in_words == "foxes"


def test_what_unpacks_to_more_than_a_picture_can_be_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", _picture(9))
        archive.writestr("b.png", bytes(others.MAX_BYTES + 1))

    found = others.read(path, RECORD)

    assert (len(found.pixels), found.unread) == (1, ("b.png",))


def test_of_very_many_pictures_as_many_as_said_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2 * others.MOST + 1):
            archive.writestr(f"{number:05}.txt", b"")
            archive.writestr(f"{number:05}.png", b"" if number else _picture(9))

    found = others.read(path, RECORD)

    assert (len(found.pixels), found.found) == (1, 4001)
    assert found.in_words == (
        "many.zip, of 4001 files 1999 could not be read and 2001 were passed over, as 2000 are"
        " enough"
    )


def _damaged() -> bytes:
    """A zip file whose packed data is none."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(range(256)) * 9)
    body = bytearray(packed.getvalue())
    body[40:60] = b"\xff" * 20
    return bytes(body)


@pytest.mark.parametrize("body", [None, b"no zip file", _damaged()])
def test_what_holds_no_pictures_is_told(tmp_path: Path, body: bytes | None) -> None:
    path = tmp_path / "foxes.zip"
    if body is not None:
        path.write_bytes(body)

    with pytest.raises(PicturesError, match="name a folder or a zip file with pictures"):
        others.read(path, RECORD)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PicturesError, match="holds no pictures"):
        others.read(tmp_path / "empty", RECORD)
