"""Changes: what becomes of a picture on its way through the web, on purpose."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageEnhance, ImageOps, UnidentifiedImageError

ORIGINAL = "original"
Change = Callable[[Image.Image, random.Random], Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A picture of a corpus; those of one `origin` are copies of each other."""

    origin: str
    change: str
    body: bytes


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def resized(image: Image.Image, rng: random.Random) -> Image.Image:
    factor = rng.uniform(0.3, 0.8)
    width, height = (max(60, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, rng: random.Random, low: float, high: float) -> Image.Image:
    """Take away a share of each axis, from both its ends in any proportion."""
    box = []
    for side in image.size:
        lost, before = rng.uniform(low, high) * side, rng.random()
        box.append((round(lost * before), round(side - lost * (1 - before))))
    (left, right), (top, bottom) = box
    return image.crop((left, top, right, bottom))


def brightened(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(rng.choice((0.75, 0.85, 1.15, 1.3)))


def toned(image: Image.Image, rng: random.Random) -> Image.Image:
    """Another contrast, saturation and white balance."""
    image = ImageEnhance.Contrast(image).enhance(rng.choice((0.75, 1.25)))
    image = ImageEnhance.Color(image).enhance(rng.choice((0.6, 1.4)))
    gains = [rng.uniform(0.88, 1.12) for _ in "RGB"]
    return Image.merge(
        "RGB",
        [
            band.point([min(255, round(value * gain)) for value in range(256)])
            for band, gain in zip(image.split(), gains, strict=True)
        ],
    )


def watermarked(image: Image.Image, rng: random.Random) -> Image.Image:
    layer = Image.new("RGBA", image.size)
    lines, size = rng.choice((1, 2, 4)), max(10, image.width // rng.randint(7, 12))
    for line in range(lines):
        place = (image.width * rng.uniform(0.1, 0.4), image.height * (line + 0.4) / lines)
        ink = (255, 255, 255, rng.randint(90, 200))
        ImageDraw.Draw(layer).text(place, "stock photo", fill=ink, font_size=size)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def captioned(image: Image.Image, rng: random.Random) -> Image.Image:
    width, height = image.size
    bar = max(12, round(height * rng.uniform(0.06, 0.12)))
    if rng.random() < 0.5:
        image = ImageOps.expand(image, (0, 0, 0, bar), rng.choice(("white", "black")))
    else:
        image = image.copy()
        ImageDraw.Draw(image).rectangle((0, height - bar, width, height), fill="black")
    place = (width * 0.05, image.height - bar * 0.9)
    ImageDraw.Draw(image).text(place, "A caption", fill="grey", font_size=bar * 0.6)
    return image


def framed(image: Image.Image, rng: random.Random) -> Image.Image:
    across, down = (round(min(image.size) * rng.uniform(0.03, 0.12)) for _ in range(2))
    sides = rng.choice(((across, across), (across, down), (0, down)))
    return ImageOps.expand(image, sides, rng.choice(("white", "black", "#d0d0c0")))


def turned(image: Image.Image, rng: random.Random) -> Image.Image:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return image.transpose(rng.choice(turns))


def everything(image: Image.Image, rng: random.Random) -> Image.Image:
    return resized(brightened(cropped(image, rng, 0.02, 0.05), rng), rng)


CHANGES: dict[str, Change] = {
    "resized": resized,
    "recompressed": lambda image, _: image,
    "cropped 2-5 %": lambda image, rng: cropped(image, rng, 0.02, 0.05),
    "cropped 8-15 %": lambda image, rng: cropped(image, rng, 0.08, 0.15),
    "brightened": brightened,
    "toned": toned,
    "watermarked": watermarked,
    "captioned": captioned,
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "turned": turned,
    "grey": lambda image, _: image.convert("L"),
    "framed": framed,
    "EXIF-turned": lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
    "several": everything,
}


EXACT, PIXELS, EXIF, AGAIN = "same bytes", "same pixels", "EXIF-turned", "copy of a copy"
KINDS = (EXACT, PIXELS, *CHANGES, AGAIN)


def changed(body: bytes, kind: str, rng: random.Random) -> bytes | None:
    """Make a copy of one kind; None of what Pillow cannot open."""
    if kind == EXACT:
        return body
    if kind == AGAIN:
        once = changed(body, rng.choice(tuple(CHANGES)), rng)
        return once and changed(once, rng.choice(tuple(CHANGES)), rng)
    image = upright(body)
    if image is None:
        return None
    if kind == PIXELS:
        return encoded(image, form="PNG")
    quality = rng.randint(15, 45) if kind == "recompressed" else rng.randint(60, 90)
    exif = Image.Exif()
    if kind == EXIF:
        exif[0x0112] = 6
    return encoded(CHANGES[kind](image, rng), quality=quality, exif=exif)


def upright(body: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(body)) as stored:
            whole = ImageOps.exif_transpose(stored).convert("RGBA")
    except (UnidentifiedImageError, OSError):
        return None
    image = Image.new("RGB", whole.size, "white")
    image.paste(whole, (0, 0), whole)
    return image


def copies(body: bytes, origin: str, rng: random.Random) -> Iterator[Item]:
    """Every change of one picture."""
    for kind in CHANGES:
        if copy := changed(body, kind, rng):
            yield Item(origin=origin, change=kind, body=copy)


def every_change(originals: Sequence[tuple[str, bytes]], count: int, seed: int) -> Iterator[Item]:
    """All originals, and every change of `count` of them."""
    rng = random.Random(seed)
    for origin, body in originals:
        yield Item(origin=origin, change=ORIGINAL, body=body)
    for origin, body in rng.sample(originals, min(count, len(originals))):
        yield from copies(body, origin, rng)


def as_gathered(originals: Sequence[tuple[str, bytes]], share: float, seed: int) -> Iterator[Item]:
    """All originals, and copies, each of any of them, that make up this share of the whole."""
    rng = random.Random(seed)
    for origin, body in originals:
        yield Item(origin=origin, change=ORIGINAL, body=body)
    for number in range(round(len(originals) * share / (1 - share))):
        origin, body = rng.choice(originals)
        kind = KINDS[number % len(KINDS)]
        if copy := changed(body, kind, rng):
            yield Item(origin=origin, change=kind, body=copy)
