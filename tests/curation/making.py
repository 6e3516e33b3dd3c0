"""Small pictures and small harvests, made on the spot."""

from __future__ import annotations

import atexit
import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from curation.curate import Curated, curate
from curation.protected import Workers
from curation.recipe import CurationRecipe
from curation.seeing import Eyes
from scraper.harvest import Candidate, Harvest

WORKERS = Workers()
"""Started once for all tests: a worker takes a third of a second to start."""
atexit.register(WORKERS.close)

ALL_TRAIN = CurationRecipe(splits=(1.0, 0.0, 0.0))
"""For a handful of images, which are too few for three splits."""

SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")).resolve()


def digest_of(name: str) -> str:
    """The digest of an image that only a test knows."""
    return hashlib.sha256(name.encode()).hexdigest()


def picture(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A picture like no other: soft coloured blobs and some fine texture."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, (7, 8, 3), np.uint8))
    soft = np.asarray(blobs.resize(size, Image.Resampling.BICUBIC), np.int16)
    fine = rng.integers(0, 256, (size[1] // 3, size[0] // 3), np.uint8)
    texture = np.asarray(Image.fromarray(fine).resize(size, Image.Resampling.BILINEAR), np.int16)
    return Image.fromarray(np.clip(soft + (texture[..., None] - 128) // 4, 0, 255).astype(np.uint8))


def grainy(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """A picture with the grain of a photo."""
    values = np.asarray(picture(seed, size)).astype(np.int64)
    grain = np.random.default_rng(seed).normal(0, 6, (*values.shape[:2], 1))
    return Image.fromarray(np.clip(values + grain, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:  # noqa: A002
    """The bytes of a picture."""
    file = io.BytesIO()
    if format == "JPEG":
        options = {"quality": 92, **options}
    image.save(file, format, **options)
    return file.getvalue()


def jpeg(seed: int, size: tuple[int, int] = (96, 72)) -> bytes:
    return encoded(picture(seed, size))


EIGHT_OF_EACH = [
    *(("mouse", jpeg(number)) for number in range(8)),
    *(("shrew", jpeg(number)) for number in range(20, 28)),
]
"""Enough for three splits."""


def gathered(root: Path, images: Iterable[tuple[str, bytes]]) -> Path:
    """A harvest with these images of these species, in this order."""
    with Harvest.create(root) as harvest:
        for number, (species, body) in enumerate(images):
            address = f"https://pictures.example/{species}/{number}"
            candidate = Candidate(image_url=address, page_url=f"{address}.html", licence="CC0")
            harvest.add([candidate], species=species, source="urls", query="", first_rank=number)
            (record,) = harvest.records("pending")
            harvest.keep(record, body, content_type="image/jpeg", fetched_at="2026-01-01T00:00:00Z")
    return root


def curated(
    harvest: Path, root: Path, recipe: CurationRecipe | None = None, workers: int = 1
) -> Curated:
    """Curate to the end."""
    with Harvest.open(harvest) as opened:
        eyes = Eyes(count=workers, workers=WORKERS)
        *_, last = curate(opened, root, recipe=recipe or CurationRecipe(), workers=eyes)
    assert isinstance(last, Curated)
    return last


def tree(root: Path) -> dict[str, str]:
    """Every file below a folder, and the digest of its bytes; what a store keeps is left out."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.endswith(".inspected") for part in path.parts)
    }


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, but for the stores of its datasets."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".inspected"))


def nearing(backdrop: int, widths: tuple[int, ...] = (200, 240)) -> list[Image.Image]:
    """Two shots of one scene; in the second the subject is nearer."""
    scene, shots = picture(backdrop, (480, 360)), []
    for width in widths:
        height = width * 9 // 10
        mask = Image.new("L", (width, height), 0)
        ImageDraw.Draw(mask).ellipse((0, 0, width - 1, height - 1), fill=255)
        shot = scene.copy()
        subject = picture(2, (200, 180)).resize((width, height))
        shot.paste(subject, (240 - width // 2, 180 - height // 2), mask)
        shots.append(shot)
    return shots


def scene(step: int) -> Image.Image:
    """A subject before a backdrop, both with detail all over, so many pixels to the right."""
    backdrop, subject = (
        Image.fromarray(
            np.random.default_rng(seed).integers(40, 215, (26, 26, 3), np.uint8)
        ).resize((512, 512), Image.Resampling.BICUBIC)
        for seed in (1, 2)
    )
    backdrop.paste(subject.crop((150, 150, 350, 350)), (150 + step, 150))
    return backdrop
