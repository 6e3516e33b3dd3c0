"""Hard negatives: pictures that differ although outline, backdrop or scene are the same.

A shop's catalogue shows many things of one cut before one wall: shirts, trousers, dresses,
shoes, bags, each with other folds, colours and prints, some small, some grey. A series of
photos shows one scene with other subjects, or with the same one elsewhere. To hashes they
are alike; to a person who gathers photos they are different pictures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Outline = tuple[tuple[float, float], ...]

CUTS: dict[str, Outline] = {
    "shirt": (
        *((36, 12), (43, 17), (57, 17), (64, 12), (80, 20), (92, 42), (80, 47)),
        *((75, 38), (75, 90), (25, 90), (25, 38), (20, 47), (8, 42), (20, 20)),
    ),
    "pullover": (
        *((38, 10), (50, 14), (62, 10), (78, 18), (90, 82), (79, 85), (72, 44)),
        *((72, 88), (28, 88), (28, 44), (21, 85), (10, 82), (22, 18)),
    ),
    "trousers": (
        *((32, 6), (68, 6), (74, 50), (78, 94), (60, 95), (51, 40), (49, 40)),
        *((40, 95), (22, 94), (26, 50)),
    ),
    "dress": (
        *((38, 5), (44, 12), (56, 12), (62, 5), (66, 24), (61, 40), (80, 94)),
        *((20, 94), (39, 40), (34, 24)),
    ),
    "shoe": (
        *((8, 66), (10, 44), (22, 40), (30, 46), (46, 52), (66, 60), (88, 66)),
        *((95, 74), (94, 80), (8, 80)),
    ),
    "boot": (
        *((28, 8), (54, 8), (54, 56), (70, 66), (88, 72), (92, 88), (30, 88), (27, 60)),
    ),
    "bag": (
        *((14, 40), (32, 40), (36, 18), (50, 12), (64, 18), (68, 40), (86, 40)),
        *((90, 90), (10, 90)),
    ),
}  # fmt: skip
"""Outlines, in percent of the side."""

SIZES = ((60, 80), (96, 128), (240, 320), (400, 400), (450, 600))
"""Thumbnails of a catalogue, and larger ones."""

Cloth = Callable[[Image.Image, random.Random], None]


def _plain(_: Image.Image, __: random.Random) -> None:
    """Nothing but its colour."""


def _striped(cloth: Image.Image, rng: random.Random) -> None:
    ink, width, gap = _ink(rng), rng.uniform(0.01, 0.06), rng.uniform(0.05, 0.16)
    side, at, is_upright = max(cloth.size), rng.uniform(0, 0.1), rng.random() < 0.4
    while at < 1:
        low, high = at * side, (at + width) * side
        box = (low, 0, high, side) if is_upright else (0, low, side, high)
        ImageDraw.Draw(cloth).rectangle(box, fill=ink)
        at += gap


def _checked(cloth: Image.Image, rng: random.Random) -> None:
    state = rng.getstate()
    _striped(cloth, rng)
    rng.setstate(state)
    turned = cloth.transpose(Image.Transpose.TRANSPOSE).resize(cloth.size)
    cloth.paste(Image.blend(cloth, turned, 0.5))


def _dotted(cloth: Image.Image, rng: random.Random) -> None:
    ink, side = _ink(rng), max(cloth.size)
    for _ in range(rng.randint(20, 90)):
        x, y, r = rng.random() * side, rng.random() * side, rng.uniform(0.008, 0.03) * side
        ImageDraw.Draw(cloth).ellipse((x - r, y - r, x + r, y + r), fill=ink)


def _lettered(cloth: Image.Image, rng: random.Random) -> None:
    width, height = cloth.size
    word = rng.choice(("HELLO", "TIGERS", "1984", "surf", "LOVE", "NYC", "No. 7", "wild"))
    place = (rng.uniform(0.3, 0.4) * width, rng.uniform(0.3, 0.55) * height)
    size = max(6, round(rng.uniform(0.08, 0.18) * width))
    ImageDraw.Draw(cloth).text(place, word, fill=_ink(rng), font_size=size)


def _printed(cloth: Image.Image, rng: random.Random) -> None:
    noise = np.random.default_rng(rng.randrange(2**32))
    cells = rng.randint(3, 9)
    motif = Image.fromarray(noise.integers(0, 256, (cells, cells, 3), np.uint8))
    width, height = cloth.size
    size = (max(4, round(width * rng.uniform(0.15, 0.3))),) * 2
    place = (round(width * rng.uniform(0.35, 0.5)), round(height * rng.uniform(0.3, 0.5)))
    cloth.paste(motif.resize(size, Image.Resampling.BICUBIC), place)


CLOTHS: tuple[Cloth, ...] = (
    *(_plain, _plain, _plain, _plain, _striped, _checked, _dotted, _lettered, _printed),
)


def product(seed: int) -> Image.Image:
    """One thing of a catalogue before a bright wall; a third of them grey."""
    rng = random.Random(f"product:{seed}")
    size = rng.choice(SIZES)
    drawn = _dressed(rng.choice(tuple(CUTS.values())), rng, jitter=rng.choice((0.004, 0.01, 0.025)))
    if rng.random() < 0.35:
        drawn = drawn.convert("L").convert("RGB")
    if rng.random() < 0.4:  # Cut close, as catalogues do.
        drawn = drawn.crop(_close(drawn, rng.uniform(0.0, 0.04)))
    return drawn.resize(size, Image.Resampling.LANCZOS)


def garment(seed: int, side: int = 400) -> Image.Image:
    """A shirt of one cut, the size and colour of all the others."""
    return _dressed(CUTS["shirt"], random.Random(f"garment:{seed}"), jitter=0.008, side=side)


def _dressed(
    outline: Outline, rng: random.Random, *, jitter: float, side: int = 480
) -> Image.Image:
    noise = np.random.default_rng(rng.randrange(2**32))
    base = rng.choice((rng.randint(15, 60), rng.randint(60, 200), rng.randint(200, 245)))
    tint = [min(250, max(8, base + rng.randint(-40, 40))) for _ in "RGB"]
    cloth = Image.new("RGB", (side, side), tuple(tint))
    rng.choice(CLOTHS)(cloth, rng)
    shade = np.ones((side, side), np.float32)
    for cells, depth in ((rng.randint(4, 9), 0.3), (rng.randint(12, 28), rng.uniform(0.03, 0.15))):
        folds = Image.fromarray(noise.integers(0, 255, (cells, cells), np.uint8))
        soft = np.asarray(folds.resize((side, side), Image.Resampling.BICUBIC), np.float32)
        shade *= 1 - depth / 2 + depth * soft / 255
    values = np.asarray(cloth) * shade[..., None] + noise.normal(0, 2.5, (side, side, 1))
    thing = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    mask = Image.new("L", (side, side), 0)
    points = [tuple((edge / 100 + rng.gauss(0, jitter)) * side for edge in at) for at in outline]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(1))
    return Image.composite(thing, _wall(mask, rng), mask)


def _wall(mask: Image.Image, rng: random.Random) -> Image.Image:
    """White, or nearly, in part with the shadow of the thing."""
    wall = Image.new("L", mask.size, rng.choice((255, 255, 248, 235)))
    if rng.random() < 0.4:
        shadow = ImageChops.offset(mask, 6, 8).filter(ImageFilter.GaussianBlur(8))
        dark = ImageOps.invert(shadow.point([value // 4 for value in range(256)]))
        wall = ImageChops.multiply(wall, dark)
    return wall.convert("RGB")


def _close(drawn: Image.Image, margin: float) -> tuple[int, int, int, int]:
    dark = drawn.convert("L").point([255 * (value < 215) for value in range(256)])
    left, top, right, bottom = dark.getbbox() or (0, 0, *drawn.size)
    room = round(margin * drawn.width)
    return (
        *(max(0, left - room), max(0, top - room)),
        *(min(drawn.width, right + room), min(drawn.height, bottom + room)),
    )


def _ink(rng: random.Random) -> tuple[int, ...]:
    return tuple(rng.randint(0, 255) for _ in "RGB")


def series(backdrop: Image.Image, subjects: Sequence[Image.Image], seed: int) -> list[Image.Image]:
    """Photos of one scene: each subject in turn, and the first also elsewhere."""
    rng = random.Random(f"series:{seed}")
    scene = ImageOps.fit(backdrop, (480, 360))
    shots = []
    for subject in (*subjects, subjects[0]):
        width = round(scene.width * rng.uniform(0.42, 0.6))
        height = round(scene.height * rng.uniform(0.5, 0.75))
        cut = ImageOps.fit(subject, (width, height))
        mask = Image.new("L", cut.size, 0)
        ImageDraw.Draw(mask).ellipse((0, 0, width - 1, height - 1), fill=255)
        place = (
            rng.randint(0, scene.width - width),
            rng.randint(scene.height // 6, scene.height - height),
        )
        shot = scene.copy()
        shot.paste(cut, place, mask.filter(ImageFilter.GaussianBlur(3)))
        shots.append(shot)
    return shots
