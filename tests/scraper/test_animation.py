from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scraper.animation import is_animated

NASTY = Path(os.environ.get("BESTIARY_SHARED", "../shared")) / "data" / "nasty" / "files"
MOVING = ("GIF", "PNG", "WEBP", "AVIF")


def picture(name: str, *, frames: int) -> bytes:
    images = [Image.new("RGB", (24, 24), (90 * number, 80, 40)) for number in range(frames)]
    file = BytesIO()
    if frames == 1:
        images[0].save(file, name)
    else:
        images[0].save(file, name, save_all=True, append_images=images[1:], duration=80)
    return file.getvalue()


@pytest.mark.parametrize("name", MOVING)
def test_an_animation_is_known_by_its_frames(name: str) -> None:
    assert is_animated(picture(name, frames=3))
    assert not is_animated(picture(name, frames=1))


def test_comments_before_the_first_frame_are_no_frames() -> None:
    file = BytesIO()
    Image.new("P", (9, 9)).save(file, "GIF", comment=b"," * 600, loop=0, duration=10)

    assert not is_animated(file.getvalue())


@pytest.mark.parametrize("name", ["JPEG", "BMP", "TIFF"])
def test_other_formats_do_not_move(name: str) -> None:
    assert not is_animated(picture(name, frames=1))


@pytest.mark.parametrize("frames", [1, 3])
def test_an_animation_that_is_cut_has_the_frames_that_are_there(frames: int) -> None:
    body = picture("GIF", frames=frames)

    assert not is_animated(body[:60])
    assert is_animated(body[:-1]) == (frames > 1)


@given(
    name=st.sampled_from(MOVING),
    cut=st.integers(0, 400),
    place=st.integers(0, 400),
    byte=st.binary(),
)
@settings(max_examples=200)
def test_broken_bytes_are_no_error(name: str, cut: int, place: int, byte: bytes) -> None:
    body = picture(name, frames=2)

    assert is_animated(body[:place] + byte + body[place + len(byte) : -cut or None]) in {
        True,
        False,
    }


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what is broken in them.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.skipif(not NASTY.is_dir(), reason="the collection of difficult files is not here")
def test_pillow_agrees_on_files_from_elsewhere() -> None:
    differ = [
        path.name
        for path in sorted(NASTY.iterdir())
        if path.suffix in {".gif", ".png", ".webp", ".avif"} and not _agrees(path)
    ]

    # One frame, and beside it a picture for those who show no animations: Pillow counts both.
    assert differ in ([], ["animated__Pillow__chunk_no_fctl.png"])


def _agrees(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return True  # What cannot be opened, nobody can ask.
    return is_animated(path.read_bytes()) == (frames > 1)
