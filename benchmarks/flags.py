"""Flags on photos that were spoilt in a known way: precision and recall, beside cleanvision's.

    python benchmarks/flags.py PHOTOS [--peer PYTHON] [--each 60]

PHOTOS is a folder of class folders of photos as found. Each fault is given to --each of them;
what has no fault of ours is held to have none, though some have (grey photos, posters). PYTHON
is an interpreter with cleanvision, which then judges the very same files.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation.decode import decode
from curation.flags import FLAGS, Pictured, Thresholds, flags_of
from curation.quality import measure
from curation.recipe import CurationRecipe

Spoil = Callable[[Image.Image, random.Random], Image.Image]
WORDS = (
    "the wood mouse feeds",
    "on seeds and lives",
    "in forests",
    "of the north",
    "while shrews hunt",
)
THEIRS = {
    "dark": "dark",
    "light": "bright",
    "blurry": "blurred",
    "low_information": "low-information",
    "grayscale": "grey",
    "odd_aspect_ratio": "odd-aspect",
    "odd_size": "tiny",
}
ALBUM: list[Image.Image] = []
"""The photos that are spoilt, for what takes several."""
PEER = """
import json, sys
from cleanvision import Imagelab
import time
lab = Imagelab(data_path=sys.argv[1])
begin = time.process_time()
names = json.loads(sys.argv[2])
lab.find_issues({name: {} for name in names}, n_jobs=1, verbose=False)
spent = time.process_time() - begin
found = {
    str(path): [name for name in names if row[f"is_{name}_issue"]]
    for path, row in lab.issues.iterrows()
}
print(json.dumps({"cpu_s": spent, "found": found}))
"""


def mapped(change: Callable[[float], float]) -> Spoil:
    table = [max(0, min(255, int(change(value)))) for value in range(256)]
    return lambda photo, _: photo.point(table * 3)


def blurred(share: float) -> Spoil:
    return lambda photo, _: photo.filter(ImageFilter.GaussianBlur(share * min(photo.size)))


def enlarged(side: int) -> Spoil:
    def spoil(photo: Image.Image, _: random.Random) -> Image.Image:
        scale = side / min(photo.size)
        small = photo.resize((round(photo.width * scale), round(photo.height * scale)))
        return small.resize(photo.size, Image.Resampling.BICUBIC)

    return spoil


def moved(photo: Image.Image, _: random.Random) -> Image.Image:
    streaks = photo.resize((max(1, photo.width // 32), photo.height), Image.Resampling.BOX)
    return streaks.resize(photo.size, Image.Resampling.BILINEAR)


def page(size: tuple[int, int], rng: random.Random) -> Image.Image:
    ground = tuple(rng.choice([255, 245, 225, 40]) for _ in range(3))
    ink = (0, 0, 0) if sum(ground) > 380 else (255, 255, 255)
    image = Image.new("RGB", size, ground)
    draw, height = ImageDraw.Draw(image), rng.randint(max(9, size[1] // 40), max(10, size[1] // 14))
    font = ImageFont.load_default(height)
    for top in range(height, size[1] - 2 * height, round(1.5 * height)):
        line = ""
        while draw.textlength(line, font) < size[0] - 4 * height:
            line += rng.choice(WORDS) + " "
        draw.text((height, top), line, ink, font)
    return image


def half_print(photo: Image.Image, rng: random.Random) -> Image.Image:
    spoilt = photo.copy()
    spoilt.paste(
        page((photo.width // 2, photo.height), rng), (rng.choice([0, photo.width // 2]), 0)
    )
    return spoilt


def clip_art(photo: Image.Image, rng: random.Random) -> Image.Image:
    width, height = photo.size
    image = Image.new("RGB", (2 * width, 2 * height), rng.choice(["white", "white", "skyblue"]))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(4, 14)):
        x, y = rng.randrange(2 * width), rng.randrange(2 * height)
        a, b = rng.randrange(20, width), rng.randrange(20, height)
        colour = tuple(rng.randrange(256) for _ in range(3))
        shape = rng.choice([draw.ellipse, draw.ellipse, draw.rectangle])
        shape((x - a // 2, y - b // 2, x + a // 2, y + b // 2), colour, rng.choice([None, 0]), 6)
    return image.resize(photo.size, Image.Resampling.LANCZOS)


def outlined(photo: Image.Image, _: random.Random) -> Image.Image:
    grey = np.asarray(photo.convert("L").filter(ImageFilter.GaussianBlur(2)), np.float64)
    edges = np.hypot(*np.gradient(grey))
    lines = np.where(edges > np.percentile(edges, 88), 20, 255).astype(np.uint8)
    return Image.fromarray(lines).filter(ImageFilter.GaussianBlur(0.7))


def flat_colours(photo: Image.Image, _: random.Random) -> Image.Image:
    flat = photo.filter(ImageFilter.ModeFilter(9)).quantize(8).convert("RGB")
    return flat.filter(ImageFilter.ModeFilter(7))


def blank(photo: Image.Image, rng: random.Random) -> Image.Image:
    colour = rng.choice([(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 30)])
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 1, (*photo.size[::-1], 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def side_by_side(gap: int) -> Spoil:
    def spoil(_: Image.Image, rng: random.Random) -> Image.Image:
        columns, rows = rng.choice([(2, 1), (1, 2), (2, 2), (3, 1)])
        sheet = Image.new("RGB", (columns * (300 + gap), rows * (260 + gap)), "white")
        for place in range(columns * rows):
            part = ImageOps.fit(rng.choice(ALBUM), (300, 260))
            sheet.paste(part, (place % columns * (300 + gap), place // columns * (260 + gap)))
        return sheet

    return spoil


def cut_to(width: int, height: int) -> Spoil:
    return lambda photo, _: ImageOps.fit(photo, (width, height))


FAULTS: dict[str, tuple[str, Spoil]] = {
    "Gaussian blur, sigma 1 % of the side": ("blurred", blurred(0.01)),
    "Gaussian blur, 2 %": ("blurred", blurred(0.02)),
    "Gaussian blur, 4 %": ("blurred", blurred(0.04)),
    "moved along one axis": ("blurred", moved),
    "enlarged from 64 px": ("blurred", enlarged(64)),
    "enlarged from 100 px": ("blurred", enlarged(100)),
    "brightness x 0.06": ("dark", mapped(lambda v: v * 0.06)),
    "brightness x 0.12": ("dark", mapped(lambda v: v * 0.12)),
    "brightness x 0.2": ("dark", mapped(lambda v: v * 0.2)),
    "night (gamma 4)": ("dark", mapped(lambda v: 102 * (v / 255) ** 4)),
    "washed out to 8 %": ("bright", mapped(lambda v: 255 - (255 - v) * 0.08)),
    "washed out to 15 %": ("bright", mapped(lambda v: 255 - (255 - v) * 0.15)),
    "washed out to 25 %": ("bright", mapped(lambda v: 255 - (255 - v) * 0.25)),
    "overexposed 4 times": ("bright", mapped(lambda v: v * 4 + 60)),
    "contrast x 0.05": ("low-information", mapped(lambda v: 120 + (v - 120) * 0.05)),
    "one colour and noise": ("blank", blank),
    "grey": ("grey", lambda photo, _: photo.convert("L")),
    "clip art": ("drawing", clip_art),
    "line drawing": ("drawing", outlined),
    "flat colours": ("drawing", flat_colours),
    "page of print": ("text", lambda photo, rng: page(photo.size, rng)),
    "half print": ("text", half_print),
    "collage with gaps": ("collage", side_by_side(8)),
    "collage without": ("collage", side_by_side(0)),
    "strip 6 : 1": ("odd-aspect", cut_to(900, 150)),
    "80 x 60 px": ("tiny", cut_to(80, 60)),
}


def photos_below(folder: Path) -> Iterator[tuple[Path, Image.Image]]:
    for path in sorted(folder.glob("*/*")):
        found = decode(path.read_bytes(), CurationRecipe()) if path.is_file() else "a folder"
        if not isinstance(found, str):
            with Image.open(path) as image:
                yield path, image.convert("RGB")


def build(photos: Path, folder: Path, each: int) -> dict[str, str]:
    """Write untouched and spoilt photos into a folder; return the fault of each file's name."""
    rng = random.Random(5)
    known: dict[str, str] = {}
    usable: list[Image.Image] = []
    for number, (path, image) in enumerate(photos_below(photos)):
        name = f"clean-{number:05d}{path.suffix.lower()}"
        (folder / name).write_bytes(path.read_bytes())
        known[name] = ""
        if min(image.size) >= 200:
            image.thumbnail((1000, 1000))
            usable.append(image)
    chosen = rng.sample(usable, min(each, len(usable)))
    ALBUM[:] = chosen
    for number, (fault, (_, spoil)) in enumerate(FAULTS.items()):
        for place, photo in enumerate(chosen):
            file = io.BytesIO()
            spoil(photo, rng).convert("RGB").save(file, "JPEG", quality=85)
            name = f"fault{number:02d}-{place:05d}.jpg"
            (folder / name).write_bytes(file.getvalue())
            known[name] = fault
    return known


def ours(folder: Path) -> tuple[dict[str, set[str]], float]:
    """Flags by file, and CPU milliseconds a picture for measuring and flagging."""
    found, spent = {}, 0.0
    for path in sorted(folder.iterdir()):
        decoded = decode(path.read_bytes(), CurationRecipe())
        assert not isinstance(decoded, str)
        begin = time.process_time()
        pictured = Pictured(
            measures=measure(decoded.picture),
            width=decoded.header.width,
            height=decoded.header.height,
        )
        found[path.name] = set(flags_of(pictured, Thresholds()))
        spent += time.process_time() - begin
    return found, 1000 * spent / len(found)


def theirs(folder: Path, python: str) -> tuple[dict[str, set[str]], float]:
    command = [python, "-c", PEER, str(folder), json.dumps(list(THEIRS))]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    record = json.loads(answer.splitlines()[-1])
    found = {
        Path(path).name: {THEIRS[name] for name in names} for path, names in record["found"].items()
    }
    return found, 1000 * record["cpu_s"] / len(found)


def shown(known: dict[str, str], systems: dict[str, dict[str, set[str]]]) -> None:
    counts = Counter(known.values())
    print("| fault (flag) | " + " | ".join(f"recall, {name}" for name in systems) + " |")
    print("|---" * (1 + len(systems)) + "|")
    for fault, (flag, _) in FAULTS.items():
        cells = []
        for found in systems.values():
            hits = sum(flag in found.get(name, ()) for name, what in known.items() if what == fault)
            cells.append(
                f"{hits / counts[fault]:.2f}" if any(flag in one for one in found.values()) else "-"
            )
        print(f"| {fault} ({flag}) | " + " | ".join(cells) + " |")
    print("\n| flag | " + " | ".join(f"precision, {n} | untouched flagged" for n in systems) + " |")
    print("|---" * (1 + 2 * len(systems)) + "|")
    for flag in FLAGS:
        wanted = {fault for fault, (meant, _) in FAULTS.items() if meant == flag}
        if not wanted:
            continue
        cells = []
        for found in systems.values():
            right = sum(flag in found.get(n, ()) for n, what in known.items() if what in wanted)
            wrong = sum(flag in found.get(n, ()) for n, what in known.items() if not what)
            cells += [f"{right / (right + wrong):.2f}" if right + wrong else "-", str(wrong)]
        print(f"| {flag} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--peer", help="an interpreter with cleanvision")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = build(given.photos, folder, given.each)
        found, cpu_ms = ours(folder)
        systems = {"bestiary": found}
        print(f"{len(known)} pictures, {Counter(known.values())['']} of them untouched")
        print(f"bestiary {cpu_ms:.2f} CPU-ms a picture (decoding not counted)")
        if given.peer:
            systems["cleanvision"], cpu_ms = theirs(folder, given.peer)
            print(f"cleanvision {cpu_ms:.2f} CPU-ms a picture (decoding counted)")
        print()
        shown(known, systems)


if __name__ == "__main__":
    main()
