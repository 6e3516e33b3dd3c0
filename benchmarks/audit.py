"""The audit: how long it takes, what it holds in memory, and how large its page becomes.

    python benchmarks/audit.py --photos DIR
    python benchmarks/audit.py --photos DIR --images 1000
    python benchmarks/audit.py --dataset DATASET            one that is there; its page is replaced

A dataset of so many pictures is made of the photos in DIR: each is a patch of one photo laid
over a patch of another, so no two are alike and all look like photos. Then the page is
written as `bestiary curate` does it, and audited as `bestiary audit` does it; CPU seconds are
those of all threads, and memory is that of a process which did nothing else. Where Chromium is,
the page is opened too.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from curation import lock
from curation.dataset import (
    MANIFEST,
    REPORT,
    Dataset,
    Row,
    identity,
    rendered_files,
    write_manifest,
)
from curation.leaks import check, look_at_all
from curation.recipe import CurationRecipe
from curation.report import write_report

SPECIES = 20
SIZE_BAR = 10_000_000


def patches(photos: list[Image.Image], rng: Random, side_px: int) -> Iterator[Image.Image]:
    """Pictures without end, each of two photos."""
    while True:
        pair = []
        for photo in rng.sample(photos, 2):
            side = rng.uniform(0.5, 0.95) * min(photo.size)
            left, top = (rng.uniform(0, length - side) for length in photo.size)
            box = (left, top, left + side, top + side)
            pair.append(photo.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box))
        yield Image.blend(*pair, rng.uniform(0.35, 0.65))


def made(root: Path, pictures: Iterator[Image.Image], images: int, rng: Random) -> None:
    """A dataset of that many pictures, its lock beside it."""
    recipe = CurationRecipe()
    rows = []
    for number in range(images):
        file = io.BytesIO()
        next(pictures).save(file, "JPEG", quality=recipe.jpeg_quality)
        body = file.getvalue()
        digest = hashlib.sha256(body).hexdigest()
        species = f"species {number % SPECIES:02}"
        split = rng.choices(("train", "val", "test"), recipe.splits)[0]
        path = f"{split}/{species}/{digest}.jpg"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
        size = (round(rng.lognormvariate(6.5, 0.6)), round(rng.lognormvariate(6.3, 0.6)))
        page = f"https://site{rng.randrange(400)}.example/gallery/{species}/{number}.html"
        rows.append(
            Row(
                digest=digest, species=species, split=split, kept=True, width=size[0],
                height=size[1], format="JPEG", bytes=len(body), frames=1, file=path,
                file_sha256=digest, source="google", image_url=f"{page}.jpg", page_url=page,
                title=f"A {species} by the water, photographed at dawn, no. {number}",
            )
        )  # fmt: skip
    rows.sort(key=lambda row: (row.species, row.digest))
    write_manifest(root / MANIFEST, rows, recipe)
    lock.write_entry(lock.lock_path(root), root.name, {**identity(rows, recipe), "libraries": {}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--photos", type=Path)
    what.add_argument("--dataset", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    chosen = parser.parse_args()
    if chosen.dataset:
        measure(Dataset.open(chosen.dataset))
        return
    rng = Random(0)
    files = sorted(path for path in chosen.photos.rglob("*") if path.suffix in {".jpg", ".png"})
    photos = [Image.open(path).convert("RGB") for path in files[:: max(1, len(files) // 500)]
              if path.stat().st_size > 20_000 and "00090" not in path.name]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        root.mkdir()
        made(root, patches(photos, rng, CurationRecipe().side_px), chosen.images, rng)
        subprocess.run([sys.executable, __file__, "--dataset", root], check=True)


def measure(dataset: Dataset) -> None:
    """Write the page and search for leaks; print what each cost."""
    start = time.process_time()
    path = write_report(dataset, name="dataset", lock_digest=dataset.lock_digest)
    told("page written by curate", start)
    start = time.process_time()
    seen = list(look_at_all(dataset.root, sorted(rendered_files(dataset.root)), workers=2))
    told("every file read and signed", start)
    start = time.process_time()
    leaks = check(seen, dataset.recipe)
    told("every pair across splits compared", start)
    print(f"  {leaks.statement}")
    start = time.process_time()
    write_report(dataset, name="dataset", lock_digest=dataset.lock_digest, leaks=leaks)
    told("page written by audit", start)
    size = path.stat().st_size
    text = path.read_text()
    print(f"page: {size:,} bytes (bar {SIZE_BAR:,}), {text.count('<img src'):,} pictures")
    opened(dataset.root / REPORT)


def told(what: str, start: float) -> None:
    spent = time.process_time() - start
    print(f"{what}: {spent:.1f} CPU s, {peak_mb():.0f} MB at most so far", flush=True)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def opened(path: Path) -> None:
    """Say how long Chromium takes to load the page."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        return
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        start = time.monotonic()
        window.get(path.as_uri())
        print(f"loaded by Chromium: {time.monotonic() - start:.1f} s")
    finally:
        window.quit()


if __name__ == "__main__":
    main()
