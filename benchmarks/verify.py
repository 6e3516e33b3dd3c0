"""`bestiary verify` beside `sha256sum` over the same files.

    python benchmarks/verify.py [--images 10000] [--side 224] [--workers 2]

Makes a dataset of drawn noise at typical sizes of rendered pictures, without curating it, and
reads it again, both ways, a few times in turn, so that all files are in the page cache.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation import lock
from curation.dataset import MANIFEST, Dataset, Row, file_name, identity, write_manifest
from curation.recipe import CurationRecipe
from curation.verification import verified


def make(root: Path, *, images: int, side: int) -> Dataset:
    """A locked dataset of so many pictures, all different."""
    recipe = CurationRecipe(side_px=side)
    rng = np.random.default_rng(0)
    soft = Image.fromarray(rng.integers(0, 256, (side // 8, side // 8, 3), np.uint8))
    file = io.BytesIO()
    soft.resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
    body = file.getvalue()
    rows = []
    for number in range(images):
        mine = body + number.to_bytes(4, "big")
        digest = hashlib.sha256(number.to_bytes(4, "big")).hexdigest()
        row = Row(digest=digest, species=f"species{number % 5}", split="train", kept=True)
        place = file_name(row, "train")
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(mine)
        sha256 = hashlib.sha256(mine).hexdigest()
        rows.append(Row(**{**_values(row), "file": place, "file_sha256": sha256}))
    write_manifest(root / MANIFEST, rows, recipe)
    lock.write_entry(lock.lock_path(root), root.name, identity(rows, recipe))
    return Dataset.open(root)


def _values(row: Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in Row.__dataclass_fields__}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds, those of child processes included."""
    before = _cpu_s()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, _cpu_s() - before


def _cpu_s() -> float:
    used = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        dataset = make(root, images=options.images, side=options.side)
        size = sum(path.stat().st_size for path in root.rglob("*.jpg"))

        def ours(workers: int) -> None:
            found = [
                one for check in verified(dataset, workers=workers) for one in check.differences
            ]
            assert not found, found[:3]

        def theirs() -> None:
            command = f"find {root} -name '*.jpg' -print0 | xargs -0 sha256sum > /dev/null"
            subprocess.run(["sh", "-c", command], check=True)

        kinds: dict[str, Callable[[], object]] = {
            "sha256sum, 1 process": theirs,
            "verify, 1 worker": lambda: ours(1),
            f"verify, {options.workers} workers": lambda: ours(options.workers),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for _ in range(5):
            for name, work in kinds.items():
                times[name].append(timed(work))
        print(f"{options.images} files, {size / 1e6:.0f} MB, median of 5 rounds\n")
        print("| | wall s | CPU s | files per CPU s | MB per CPU s |\n|---|---|---|---|---|")
        for name, all_times in times.items():
            wall, cpu = (median(column) for column in zip(*all_times, strict=True))
            files, bytes_ = options.images / cpu, size / cpu / 1e6
            print(f"| {name} | {wall:.2f} | {cpu:.2f} | {files:,.0f} | {bytes_:,.0f} |")


if __name__ == "__main__":
    main()
