"""What curation takes as a harvest grows: memory, CPU and time of whole commands.

    python benchmarks/scale.py [--images 5000 50000]

Small files, so that their number weighs and not their pixels: JPEGs of 112 to 128 px, of 23 %
CIFAR pictures enlarged, 59 % tiles of web photos, 18 % recompressed copies of earlier ones;
without BESTIARY_SHARED, tiles of drawn pictures, which are harder to tell apart. `bestiary scrape`
gathers them from a folder, and `bestiary curate` runs on what it gathered: with nothing known,
again in place of the dataset that is there, the same with another threshold and split, and with
all known and no dataset to replace.

Memory is the proportional set size of the whole process tree, read twenty times a second, and of
that what lies in no file: libraries count for less where other processes have them in memory,
too. Peaks of the latter at two sizes give what an image adds. The locks of runs with one recipe
must be equal.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")).resolve()
REPOSITORY = Path(__file__).resolve().parents[1]
SPECIES = 20
CIFAR, TILES = 0.23, 0.82
"""Up to here lots are for a CIFAR picture, up to here for a tile, and then for a copy."""
TILES_OF_ONE = 8
_TICK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the corpus is made of."""

    small: list[Image.Image]
    photos: list[Path]

    @classmethod
    def found(cls, scratch: Path) -> Sources:
        """CIFAR and photos where they are at hand, else drawn pictures."""
        photos = [path for path in sorted((SHARED / "data/photos").rglob("*.*")) if _opens(path)]
        return cls(small=list(_cifar(SHARED / "data/cifar")), photos=photos or _drawn(scratch))


def _opens(path: Path) -> bool:
    try:
        with Image.open(path) as photo:
            photo.load()
    except (OSError, UnidentifiedImageError):
        return False
    return min(photo.size) >= 128


def _cifar(folder: Path) -> Iterator[Image.Image]:
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            yield from map(Image.fromarray, arrays["images"])
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".png"):
                    yield Image.open(io.BytesIO(archive.read(name))).convert("RGB")


def _drawn(scratch: Path) -> list[Path]:
    sys.path.insert(0, str(REPOSITORY))
    from scraper.standin.pictures import PictureRecipe, draw

    recipe = PictureRecipe(seed=0, per_species=25, near_duplicates=0, max_side_px=1600)
    for _ in draw(scratch / "drawn", recipe=recipe):
        pass
    return [path for path in sorted((scratch / "drawn").rglob("*.*")) if _opens(path)]


def make_corpus(folder: Path, images: int, sources: Sources) -> None:
    """Write pictures by species in folders, the same in every run; a copy is of its original's."""
    lots = random.Random(0)
    folders = [folder / f"species {number:02}" for number in range(SPECIES)]
    for one in folders:
        one.mkdir(parents=True)
    tiles = _tiles(sources.photos, lots)
    paths: list[Path] = []
    for number in range(images):
        lot, home = lots.random(), folders[number % SPECIES]
        if lot < CIFAR and sources.small:
            side = lots.randint(112, 128)
            small = sources.small[number % len(sources.small)]
            picture = small.resize((side, side), Image.Resampling.BICUBIC)
        elif lot < TILES or not paths:
            picture = next(tiles)
        else:
            original = lots.choice(paths)
            picture, home = Image.open(original).convert("RGB"), original.parent
        paths.append(home / f"{number:06}.jpg")
        picture.save(paths[-1], quality=lots.choice((70, 78, 85, 92)))


def _tiles(photos: Sequence[Path], lots: random.Random) -> Iterator[Image.Image]:
    """Parts of photos without end, some of one after the other: to decode one takes longest."""
    while True:
        with Image.open(lots.choice(photos)) as photo:
            whole = photo.convert("RGB")
        for _ in range(TILES_OF_ONE):
            side = lots.randint(112, 128)
            part = lots.uniform(side, min(whole.size))
            left, top = (lots.uniform(0, length - part) for length in whole.size)
            box = (left, top, left + part, top + part)
            yield whole.resize((side, side), Image.Resampling.BILINEAR, box=box)


@dataclass(slots=True)
class Watch:
    """The most memory that a process and all below it had at once, in MB."""

    pid: int
    peak_mb: float = 0.0
    own_mb: float = 0.0
    """Of what lies in no file."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        while not self._ended.wait(_TICK_S):
            sizes = [_pss_mb(pid) for pid in _tree(self.pid)]
            self.peak_mb = max(self.peak_mb, sum(whole for whole, _ in sizes))
            self.own_mb = max(self.own_mb, sum(own for _, own in sizes))

    def end(self) -> None:
        self._ended.set()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    children: list[str] = []
    with contextlib.suppress(OSError):  # It has ended meanwhile.
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            children += path.read_text().split()
    for child in map(int, children):
        yield from _tree(child)


def _pss_mb(pid: int) -> tuple[float, float]:
    """All that a process has in memory, and of that what lies in no file, as far as it is there."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # It has ended meanwhile.
        return 0.0, 0.0
    sizes = {line.split()[0]: int(line.split()[1]) / 1000 * 1.024 for line in lines[1:]}
    return sizes.get("Pss:", 0.0), sizes.get("Pss_Anon:", 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took."""

    peak_mb: float
    own_mb: float
    """At most, of what lies in no file."""
    cpu_s: float
    wall_s: float


def run(arguments: Sequence[object]) -> Cost:
    """Run a command of Bestiary's to its end."""
    command = [sys.executable, "-m", "bestiary", "--quiet", *map(str, arguments)]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=said, stderr=said)
        watch = Watch(process.pid)
        thread = threading.Thread(target=watch)
        thread.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.end()
        thread.join()
        if process.returncode:
            said.seek(0)
            sys.exit(f"{arguments} failed:\n{said.read()[-2000:].decode()}")
    return Cost(
        peak_mb=watch.peak_mb,
        own_mb=watch.own_mb,
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=time.monotonic() - begun,
    )


def entry(dataset: Path) -> object:
    """What the lock says of a dataset."""
    return json.loads((dataset.parent / "datasets.lock").read_text())["datasets"][dataset.name]


def measured(images: int, sources: Sources, scratch: Path) -> Iterator[tuple[str, Cost]]:
    """Scrape and curate so many files, in every way."""
    corpus, harvest, dataset = scratch / "corpus", scratch / "harvest", scratch / "dataset"
    make_corpus(corpus, images, sources)
    gather = ("scrape", "--source", "folder", "--from", corpus, "--harvest", harvest)
    yield "scrape --source folder", run(gather)
    curate = ("curate", "--harvest", harvest, "--dataset", dataset)
    yield "curate, nothing known", run(curate)
    first = entry(dataset)
    yield "curate, replacing it, same recipe", run(curate)
    if entry(dataset) != first:
        sys.exit("the second run gave another lock")
    other = ("--flag-at", "blurred=0.2", "--splits", "0.8,0.1,0.1", "--min-likeness", 0.9)
    yield "curate, replacing it, other threshold and split", run((*curate, *other))
    shutil.rmtree(dataset)
    yield "curate, all known, nothing to replace", run(curate)
    if entry(dataset) != first:
        sys.exit("the last run gave another lock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--scratch", type=Path, help="folder with room, 10 KB an image")
    chosen = parser.parse_args()
    print("of photos" if (SHARED / "data/photos").is_dir() else "of drawn pictures", flush=True)
    print(
        "| images | command | peak MB | in no file | CPU s | wall s |\n|---|---|---|---|---|---|",
        flush=True,
    )
    peaks: dict[str, list[tuple[int, float]]] = {}
    for images in chosen.images:
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as folder:
            scratch = Path(folder)
            for what, cost in measured(images, Sources.found(scratch), scratch):
                sizes = f"{cost.peak_mb:.0f} | {cost.own_mb:.0f}"
                figures = f"{sizes} | {cost.cpu_s:.0f} | {cost.wall_s:.0f}"
                print(f"| {images:,} | {what} | {figures} |", flush=True)
                peaks.setdefault(what, []).append((images, cost.own_mb))
    for what, known in peaks.items():
        for (few, less), (many, more) in itertools.pairwise(known):
            slope = 1000 * (more - less) / max(1, many - few)
            print(f"{what}: {slope:.1f} KB an image between {few:,} and {many:,}")


if __name__ == "__main__":
    main()
