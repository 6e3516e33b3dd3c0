"""The places in which the drawn animals are seen; no place gives a species away."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from scraper.standin.anatomy import Colour

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What lies behind an animal, and what stands before it."""

    back: Image.Image
    """RGB."""
    front: Image.Image | None
    """RGBA, drawn over the animal."""


def draw_scene(size: Size, ground_px: int, rng: Random) -> Scene:
    """A place whose ground is seen where an animal stands at `ground_px` from the top.

    It is drawn at half its size: what is not in focus has no details.
    """
    place = rng.choice(tuple(PLACES))
    half = (max(2, size[0] // 2), max(2, size[1] // 2))
    horizon = int(ground_px / 2 - half[1] * rng.uniform(0.08, 0.40))
    scene = PLACES[place](half, max(0, horizon), rng)
    return Scene(
        back=_hazy(scene.back, rng.uniform(0.35, 0.55)).resize(size, Image.Resampling.BILINEAR),
        front=scene.front and scene.front.resize(size, Image.Resampling.BILINEAR),
    )


def _meadow(size: Size, horizon: int, rng: Random) -> Scene:
    green = _near((98, 138, 62), rng, 24)
    back = _two_tones(size, horizon, (_near((150, 190, 222), rng, 22), (226, 232, 228)), green, rng)
    _hills(back, horizon, _near((88, 122, 92), rng, 18), rng)
    _blades(back, horizon, _dimmed(green, 0.8), rng, count=160)
    back = _soft(back, rng.uniform(0.2, 1.0))
    front = Image.new("RGBA", size)
    _blades(front, int(size[1] * 0.93), _dimmed(green, 0.7), rng, count=70)
    _flowers(front, rng)
    return Scene(back=back, front=front)


def _forest(size: Size, horizon: int, rng: Random) -> Scene:
    moss = _near((84, 100, 60), rng, 18)
    back = _two_tones(size, horizon, ((70, 92, 66), _near((150, 164, 116), rng, 20)), moss, rng)
    draw = ImageDraw.Draw(back)
    for _ in range(rng.randint(4, 9)):
        x, half = rng.uniform(0, size[0]), size[0] * rng.uniform(0.01, 0.045)
        foot = horizon + rng.uniform(0, size[1] * 0.08)
        draw.rectangle((x - half, 0, x + half, foot), fill=_near((78, 62, 50), rng, 18))
    _scatter(back, horizon, [(110, 112, 60), (70, 84, 48), (136, 130, 74)], rng, count=140)
    return Scene(back=_soft(back, rng.uniform(0.4, 1.5)), front=None)


def _snow(size: Size, horizon: int, rng: Random) -> Scene:
    white = _near((226, 232, 240), rng, 10)
    back = _two_tones(size, horizon, (_near((168, 188, 210), rng, 18), (222, 228, 236)), white, rng)
    _hills(back, horizon, _near((190, 204, 220), rng, 10), rng)
    front = Image.new("RGBA", size)
    draw = ImageDraw.Draw(front)
    for _ in range(rng.randint(0, 90)):
        x, y, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(0.5, 1.6)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255, 210))
    return Scene(back=_soft(back, 0.7), front=front)


def _night(size: Size, horizon: int, rng: Random) -> Scene:
    earth = _near((52, 58, 62), rng, 12)
    back = _two_tones(size, horizon, ((18, 24, 46), _near((52, 62, 92), rng, 14)), earth, rng)
    draw = ImageDraw.Draw(back)
    for _ in range(70):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, max(1, horizon))
        draw.point((x, y), fill=(220, 224, 236))
    x, y = rng.uniform(0.1, 0.9) * size[0], rng.uniform(0.1, 0.6) * max(1, horizon)
    radius = size[1] * rng.uniform(0.03, 0.07)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(236, 232, 208))
    _hills(back, horizon, (30, 36, 52), rng)
    _blades(back, horizon, (38, 52, 50), rng, count=90)
    return Scene(back=_soft(back, 0.3), front=None)


def _dunes(size: Size, horizon: int, rng: Random) -> Scene:
    sand = _near((222, 206, 152), rng, 12)
    back = _two_tones(size, horizon, (_near((142, 178, 206), rng, 20), (234, 220, 196)), sand, rng)
    _hills(back, horizon, _near((214, 190, 140), rng, 12), rng)
    _scatter(back, horizon, [(150, 128, 100), (176, 160, 140), (120, 104, 88)], rng, count=28)
    return Scene(back=_soft(back, rng.uniform(0.2, 0.9)), front=None)


def _room(size: Size, horizon: int, rng: Random) -> Scene:
    wall = _near((186, 176, 160), rng, 36)
    back = _two_tones(
        size, horizon, (wall, _dimmed(wall, 1.08)), _near((122, 134, 140), rng, 24), rng
    )
    draw = ImageDraw.Draw(back)
    for plank in range(8):
        y = horizon + (size[1] - horizon) * (plank / 8) ** 1.5
        draw.line((0, y, size[0], y), fill=(92, 102, 108))
    for _ in range(rng.randint(0, 3)):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, horizon * 0.7)
        wide, high = size[0] * rng.uniform(0.08, 0.25), size[1] * rng.uniform(0.08, 0.3)
        draw.rectangle((x, y, x + wide, y + high), fill=_near((140, 130, 130), rng, 70))
    return Scene(back=_soft(back, rng.uniform(0.7, 2.0)), front=_bars(size, rng))


def _lights(size: Size, horizon: int, rng: Random) -> Scene:
    tone = _near((110, 116, 106), rng, 36)
    back = _two_tones(size, horizon, (tone, _dimmed(tone, 1.15)), _dimmed(tone, 0.72), rng)
    layer = Image.new("RGBA", size)
    draw = ImageDraw.Draw(layer)
    for _ in range(rng.randint(10, 30)):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        radius = min(size) * rng.uniform(0.03, 0.11)
        colour = (*_near((190, 190, 160), rng, 60), rng.randint(40, 110))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    back.paste(layer, (0, 0), layer)
    return Scene(back=_soft(back, rng.uniform(1.0, 2.5)), front=None)


PLACES: dict[str, Callable[[Size, int, Random], Scene]] = {
    "meadow": _meadow,
    "forest": _forest,
    "snow": _snow,
    "night": _night,
    "dunes": _dunes,
    "room": _room,
    "lights": _lights,
}


def _two_tones(
    size: Size, horizon: int, sky: tuple[Colour, Colour], ground: Colour, rng: Random
) -> Image.Image:
    """A sky that changes towards the horizon above an uneven ground."""
    width, height = size
    rows = np.arange(height, dtype=np.float32)[:, None]
    share = np.clip(rows / max(1, horizon), 0, 1)
    depth = np.clip((rows - horizon) / max(1, height - horizon), 0, 1)
    above = np.asarray(sky[0], np.float32) * (1 - share) + np.asarray(sky[1], np.float32) * share
    below = np.asarray(ground, np.float32) * (1.12 - 0.3 * depth)
    column = np.where(rows < horizon, above, below)
    noise = np.random.default_rng(rng.getrandbits(64))
    coarse = noise.standard_normal((max(2, height // 5), max(2, width // 12)), np.float32) * 36
    blotches = Image.fromarray(np.clip(coarse + 128, 0, 255).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    uneven = (np.asarray(blotches, np.float32) - 128) / 128
    uneven *= np.where(rows < horizon, 8, 26)
    scene = column[:, None, :] + uneven[..., None]
    return Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))


def _hills(image: Image.Image, horizon: int, colour: Colour, rng: Random) -> None:
    width = image.width
    waves = [(rng.uniform(0.5, 2.5), rng.uniform(0, 6.3), rng.uniform(0.01, 0.06)) for _ in "abc"]
    line = [
        (
            x,
            horizon
            - sum(
                image.height * high * (1 + math.sin(phase + 6.3 * often * x / width))
                for often, phase, high in waves
            ),
        )
        for x in range(0, width + 8, 8)
    ]
    ImageDraw.Draw(image).polygon([(0, horizon), *line, (width, horizon)], fill=colour)


def _blades(image: Image.Image, top: int, colour: Colour, rng: Random, *, count: int) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(top, height * 1.05)
        tall = height * rng.uniform(0.02, 0.09)
        tip = (x + rng.uniform(-0.4, 0.4) * tall, y - tall)
        draw.polygon([(x - 1, y), tip, (x + 1, y)], fill=_near(colour, rng, 22))


def _flowers(image: Image.Image, rng: Random) -> None:
    draw = ImageDraw.Draw(image)
    colour = rng.choice([(240, 222, 90), (232, 150, 180), (244, 244, 248), (150, 140, 220)])
    for _ in range(rng.randint(0, 12)):
        x, y = rng.uniform(0, image.width), rng.uniform(image.height * 0.88, image.height)
        radius = image.height * rng.uniform(0.006, 0.014)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _scatter(
    image: Image.Image, top: int, colours: list[Colour], rng: Random, *, count: int
) -> None:
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        x, y = rng.uniform(0, image.width), rng.uniform(top, image.height)
        wide = image.width * rng.uniform(0.006, 0.022)
        high = wide * rng.uniform(0.4, 0.8)
        draw.ellipse((x - wide, y - high, x + wide, y + high), fill=rng.choice(colours))


def _bars(size: Size, rng: Random) -> Image.Image | None:
    """The bars of a cage, now and then."""
    if rng.random() < 0.7:
        return None
    layer = Image.new("RGBA", size)
    draw = ImageDraw.Draw(layer)
    gap = size[0] * rng.uniform(0.09, 0.16)
    x = rng.uniform(0, gap)
    while x < size[0]:
        draw.line((x, 0, x, size[1]), fill=(150, 150, 154, 230), width=max(1, size[0] // 160))
        x += gap
    return layer


def _hazy(image: Image.Image, share: float) -> Image.Image:
    """The picture drawn towards its own mean colour, as what is far away is."""
    mean = image.resize((1, 1), Image.Resampling.BOX).resize(image.size)
    return Image.blend(image, mean, share)


def _soft(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(1.0 + 1.5 * radius))


def _near(colour: Colour, rng: Random, spread: int) -> Colour:
    red, green, blue = (min(255, max(0, c + rng.randint(-spread, spread))) for c in colour)
    return red, green, blue


def _dimmed(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255, round(channel * light)) for channel in colour)
    return red, green, blue
