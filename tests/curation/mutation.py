"""Mutation of images: a hundred thousand broken files, and what became of each.

    python -m tests.curation.mutation --images 100000

Every image is looked at in a worker, as `bestiary curate` would. Prints how many could be used,
how many were refused for which reason, and how many ended a worker; exits with 1 if any is
unaccounted for: raised, warned, or has neither a picture nor a reason.
"""

from __future__ import annotations

import functools
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import click
from PIL import Image

from curation import reasons
from curation.inspect import Dropped, inspect
from curation.protected import GivenUp, Workers
from curation.recipe import CurationRecipe
from tests.curation.making import encoded, picture

RECIPE = CurationRecipe(side_px=32, min_side_px=1, max_aspect=1e6)
USED = "used"
RAISED = "raised"
BATCH = 100
_EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1", b"\xff\xd9", b"\x80\0")


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Small sound images of every format and mode that can be written here."""
    small = picture(1, (48, 36))
    grey, frames = small.convert("L"), [picture(seed, (24, 18)) for seed in (2, 3)]
    animated = {"save_all": True, "append_images": frames}
    deep = Image.new("I;16", (48, 36), 30_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    return (
        *(
            encoded(small),
            encoded(small, progressive=True),
            encoded(grey),
            encoded(small, exif=exif),
        ),
        *(encoded(small.convert("CMYK")), encoded(small, restart_marker_blocks=2)),
        *(encoded(small, "PNG"), encoded(small.convert("RGBA"), "PNG"), encoded(deep, "PNG")),
        *(encoded(small.convert("P"), "PNG"), encoded(frames[0], "PNG", **animated)),
        *(encoded(small, "GIF"), encoded(frames[0], "GIF", **animated)),
        *(encoded(small, "WEBP"), encoded(small.convert("RGBA"), "WEBP", lossless=True)),
        *(encoded(frames[0], "WEBP", **animated), encoded(small, "AVIF"), encoded(small, "BMP")),
        *(encoded(small, "TIFF", compression=name) for name in ("raw", "tiff_lzw", "jpeg")),
        *(encoded(deep, "TIFF"), encoded(grey.convert("1"), "TIFF", compression="group4")),
        *(encoded(small, "ICO"), encoded(small, "ICNS"), encoded(small, "JPEG2000")),
        *(encoded(small, "PPM"), encoded(small, "DIB")),
    )


def mutant(number: int) -> bytes:
    """One broken image; the same number gives the same bytes."""
    rng = random.Random(number)
    body = bytearray(rng.choice(seeds()))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        # Headers decide what is decoded, so half of all changes fall there.
        place = rng.randrange(min(len(body), 200) if rng.random() < 0.5 else len(body))
        match rng.randrange(6):
            case 0:
                body[place] ^= 1 << rng.randrange(8)
            case 1:
                body[place : place + 4] = rng.choice(_EXTREMES)
            case 2:
                body[place:place] = rng.randbytes(rng.randrange(1, 40))
            case 3:
                del body[place : place + rng.randrange(1, 40)]
            case 4:
                other = rng.choice(seeds())
                begin = rng.randrange(len(other))
                body[place:place] = other[begin : begin + 200]
            case _:
                del body[place + 20 :]
        body = body or bytearray(b"\0")
    return bytes(body)


def outcomes(numbers: Iterable[int]) -> Counter[str]:
    """What becomes of these mutants, in this process; whatever they raise is counted, too."""
    found: Counter[str] = Counter()
    for number in numbers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                result = inspect(mutant(number), RECIPE)
        except Exception as error:  # noqa: BLE001 - that nothing is raised is what is tested.
            found[f"{RAISED}: {type(error).__name__} by {number}"] += 1
        else:
            found[reasons.word(result.reason) if isinstance(result, Dropped) else USED] += 1
    return found


def outcome_of_one(number: int) -> Counter[str]:
    return outcomes([number])


def all_outcomes(first: int, images: int, threads: int) -> Iterator[Counter[str]]:
    """What becomes of many, a batch at a time; a batch that ends its worker, one by one."""

    def batch(start: int) -> Counter[str]:
        numbers = range(start, min(start + BATCH, first + images))
        found = workers.call(outcomes, numbers)
        if not isinstance(found, GivenUp):
            return found
        total: Counter[str] = Counter()
        for number in numbers:
            one = workers.call(outcome_of_one, number)
            total += Counter([f"{one.because}: {number}"]) if isinstance(one, GivenUp) else one
        return total

    with Workers() as workers, ThreadPoolExecutor(threads) as pool:
        yield from pool.map(batch, range(first, first + images, BATCH))


@click.command()
@click.option("--images", default=100_000, show_default=True)
@click.option("--first", default=0, show_default=True, help="Number of the first mutant.")
@click.option("--workers", default=2, show_default=True)
def main(images: int, first: int, workers: int) -> None:
    """Count what becomes of mutated images."""
    from tests.curation import mutation  # noqa: PLW0406 - workers cannot import `__main__`.

    total: Counter[str] = Counter()
    for found in mutation.all_outcomes(first, images, workers):
        total += found
        print(f"\r{total.total():,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for outcome, count in total.most_common():
        print(f"{count:8,}  {outcome}")
    print(f"{total.total():8,}  of {images:,}")
    is_whole = total.total() == images and not any(name.startswith(RAISED) for name in total)
    sys.exit(0 if is_whole else 1)


if __name__ == "__main__":
    main()
