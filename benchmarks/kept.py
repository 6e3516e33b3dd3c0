"""Which of two copies is kept: the clean one, or the one with a mark on it?

    python benchmarks/kept.py [--photos N] [--seed N] [--half 0 or 1]

Marks are put on real photos, each time on the larger and on the smaller of two copies; and pairs
without a mark, of which the larger is to be kept, show what is given up by mistake. Others are of
one size, and the one with more bytes was ruined before. Halves of the photos are told apart by the
digest of their names. Needs BESTIARY_SHARED.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from changes import CHANGES, Change, encoded, upright
from duplicates import photos
from PIL import Image, ImageDraw, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation.findings import found
from curation.inspect import Inspected, inspect
from curation.lookalikes import Album
from curation.looking import seen_of
from curation.recipe import CurationRecipe
from curation.stars import Standing, stars

RECIPE = CurationRecipe(side_px=224, min_side_px=20)
WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (200, 30, 30), (20, 60, 160)


def printed(
    image: Image.Image, word: str, at: list[tuple[float, float]], size: float, ink: tuple[int, ...]
) -> Image.Image:
    layer = Image.new("RGBA", image.size)
    for x, y in at:
        place = (x * image.width, y * image.height)
        font_size = max(8, round(size * image.width))
        ImageDraw.Draw(layer).text(place, word, fill=ink, font_size=font_size)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def watermark(image: Image.Image, rng: random.Random) -> Image.Image:
    at = [(rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.6))]
    ink = (*rng.choice((WHITE, WHITE, WHITE, BLACK)), rng.randint(90, 200))
    return printed(image, "stock photo", at, rng.uniform(0.09, 0.15), ink)


def tiled(image: Image.Image, rng: random.Random) -> Image.Image:
    count = rng.choice((3, 4, 5))
    at = [((i + 0.1) / count, (j + 0.3) / count) for i in range(count) for j in range(count)]
    return printed(image, "photo", at, 0.05, (*WHITE, rng.randint(90, 180)))


def corner_word(image: Image.Image, rng: random.Random) -> Image.Image:
    at = [(rng.choice((0.03, 0.75)), rng.choice((0.04, 0.85)))]
    return printed(image, "LOGO", at, 0.06, (*WHITE, 230))


def corner_disc(image: Image.Image, rng: random.Random) -> Image.Image:
    layer, side = Image.new("RGBA", image.size), round(min(image.size) * 0.16)
    left, top = (
        rng.choice((round(edge * 0.03), edge - side - round(edge * 0.03))) for edge in image.size
    )
    ink = (*rng.choice((WHITE, RED, BLUE)), rng.randint(150, 255))
    ImageDraw.Draw(layer).ellipse((left, top, left + side, top + side), fill=ink)
    place = (left + side * 0.25, top + side * 0.3)
    ImageDraw.Draw(layer).text(place, "Z", fill=(*WHITE, 255), font_size=side * 0.5)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def caption(*, is_outside: bool, is_above: bool) -> Change:
    """A bar with a line of print along an edge: beyond the picture, or over it."""

    def change(image: Image.Image, rng: random.Random) -> Image.Image:
        width, height = image.size
        bar, ink = max(12, round(height * rng.uniform(0.06, 0.12))), rng.choice(("white", "black"))
        if is_outside:
            image = ImageOps.expand(image, (0, bar, 0, 0) if is_above else (0, 0, 0, bar), ink)
        else:
            image = image.copy()
            edges = (0, 0, width, bar) if is_above else (0, height - bar, width, height)
            ImageDraw.Draw(image).rectangle(edges, fill=ink)
        place = (width * 0.05, (0 if is_above else image.height - bar) + bar * 0.1)
        ImageDraw.Draw(image).text(place, "A caption of it", fill="grey", font_size=bar * 0.6)
        return image

    return change


MARKS: dict[str, Change] = {
    "watermark": watermark,
    "tiled watermark": tiled,
    "word in a corner": corner_word,
    "disc in a corner": corner_disc,
    "caption below": caption(is_outside=True, is_above=False),
    "caption above": caption(is_outside=True, is_above=True),
    "caption over the bottom": caption(is_outside=False, is_above=False),
    "caption over the top": caption(is_outside=False, is_above=True),
    "frame": CHANGES["framed"],
}
RESAVED = (("PNG", 8), ("PNG", 30), ("PNG", 60), ("BMP", 30), ("TIFF", 30))
CLEAN = (
    *("recompressed", "cropped 2-5 %", "cropped 8-15 %", "brightened", "toned"),
    *("mirrored", "turned", "grey"),
)


@dataclass(slots=True)
class Tally:
    pairs: int = 0
    linked: int = 0
    before: int = 0
    """Of those that were found to be copies: where the right one is the larger or better."""
    after: int = 0
    """Where the right one is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    of: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def add(self, name: str, right: bytes, wrong: bytes) -> None:
        """Let curation choose between two copies."""
        tally = self.of[name]
        tally.pairs += 1
        chosen = kept((right, wrong))
        if chosen is not None:
            tally.linked += 1
            tally.before += chosen[0] == 0
            tally.after += chosen[1] == 0


def kept(bodies: tuple[bytes, bytes]) -> tuple[int, int] | None:
    """Which of two is the better by size and bytes, and which is kept; None if not alike."""
    standings: list[Standing] = []
    album = Album()
    for body in bodies:
        result = inspect(body, RECIPE)
        if not isinstance(result, Inspected) or result.signature is None:
            return None
        album.add(result.signature)
        seen = seen_of(hashlib.sha256(body).hexdigest(), body, result)
        standings.append(found(seen).standing)
    outcomes = list(album.star_pairs(RECIPE, standings, [{""}] * 2))
    groups = stars(standings, [pair for outcome in outcomes for pair in outcome.pairs])
    if len(groups) > 1:
        return None
    middle = groups[0][0]
    return middle, outcomes[-1].unmarked.get(middle, middle)


def scaled(image: Image.Image, factor: float) -> Image.Image:
    width, height = (max(40, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def planted(image: Image.Image, rng: random.Random) -> Iterator[tuple[str, bytes, bytes]]:
    """What was done, the copy to be kept, and the other."""
    for name, change in MARKS.items():
        for larger in ("larger", "smaller"):
            factor, marked, clean = rng.uniform(0.62, 0.9), change(image, rng), image
            if larger == "larger":
                clean = scaled(clean, factor)
            else:
                marked = scaled(marked, factor)
            bodies = (encoded(copy, quality=rng.randint(60, 90)) for copy in (clean, marked))
            yield (f"{name}, on the {larger}", *bodies)
    for name in CLEAN:
        smaller = scaled(CHANGES[name](image, rng), rng.uniform(0.5, 0.9))
        bodies = (encoded(copy, quality=rng.randint(60, 90)) for copy in (image, smaller))
        yield (f"no mark, {name}", *bodies)
    yield from resaved(image, rng)


def resaved(image: Image.Image, rng: random.Random) -> Iterator[tuple[str, bytes, bytes]]:
    """A fair JPEG, and what has more bytes, of the same size, and shows less."""
    for form, quality in RESAVED:
        ruined = Image.open(io.BytesIO(encoded(image, quality=quality)))
        good = encoded(image, quality=rng.randint(75, 92))
        yield (f"JPEG {quality} saved as {form}", good, encoded(ruined, form))
    frames = [image.convert("RGB").rotate(nth).quantize(256) for nth in range(6)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield ("a GIF of six frames", encoded(image, quality=rng.randint(75, 92)), moving)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--half", type=int, choices=(0, 1), default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    found = [
        body
        for name, body in photos()
        if hashlib.sha256(name.encode()).digest()[0] % 2 == options.half
    ]
    rng.shuffle(found)
    tallies = Tallies()
    for body in found[: options.photos]:
        if (image := upright(body)) is not None:
            for case in planted(image, rng):
                tallies.add(*case)
    print(f"{'':36} pairs  copies  right one is larger  right one is kept")
    for name, tally in tallies.of.items():
        print(f"{name:36} {tally.pairs:5} {tally.linked:7} {tally.before:20} {tally.after:18}")


if __name__ == "__main__":
    main()
