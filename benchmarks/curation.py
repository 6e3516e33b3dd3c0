"""What one pass over web-size photos costs: ours, a bare Pillow loop, and the peers.

    python benchmarks/curation.py [--images N] [--peers PYTHON] [--rounds N] [--slow-images N]

The corpus is made of the photos in BESTIARY_SHARED: distinct crops, enlarged or shrunk to
250-3500 px, with a camera's noise, as JPEGs of the qualities and kinds that the web has. Each
way runs as a command of its own over one part of the corpus after the other, in turns, so that
a busy machine is unfair to none. CPU time is that of the command and all its children: whole,
and net of the same command with next to nothing to do. Peers that are many times slower get
fewer photos, the first of the same. PYTHON is the interpreter of an environment with the peers:

    pip install imagehash imagededup cleanvision difPy fastdup dataeval
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")).resolve()
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)  # This script has the name of the package that it measures.

LOOP = """
import sys
from pathlib import Path
import imagehash
import scipy.fftpack  # Which imagehash imports with the first hash.
from PIL import Image
for path in Path(sys.argv[1]).iterdir():
    with Image.open(path) as image:
        {reduce}
        imagehash.phash(image)
"""

BARE = LOOP.format(reduce='image.draft("RGB", (224, 224)); image = image.resize((224, 224))')
IMAGEHASH = LOOP.format(reduce="pass")

ONE_PASS = """
import sys
from pathlib import Path
from curation.recipe import CurationRecipe
from curation.seeing import Eyes, seen_by
from curation.store import Store
from scraper.harvest import Harvest
with Harvest.open(Path(sys.argv[1])) as harvest, Store(Path(sys.argv[2])) as store:
    digests = sorted(record.sha256 for record in harvest.records("kept"))
    for seen in seen_by(Eyes(count=2), digests, store, CurationRecipe(), harvest.path):
        assert not seen.reason, seen
"""

BUSY = """
import os, sys, time
from pathlib import Path
from curation.recipe import CurationRecipe
from curation.seeing import Eyes, seen_by
from curation.store import Store
from scraper.harvest import Harvest
def spent():
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    workers = {pid for task in tasks for pid in task.read_text().split()}
    assert len(workers) == 2, workers
    times = [Path(f"/proc/{pid}/schedstat").read_text().split()[:2] for pid in workers]
    running, ready = (sum(map(int, column)) / 1e9 for column in zip(*times))
    return time.monotonic(), running, ready, time.process_time()
with Harvest.open(Path(sys.argv[1])) as harvest, Store(Path(sys.argv[2])) as store:
    digests = sorted(record.sha256 for record in harvest.records("kept"))
    for number, seen in enumerate(
        seen_by(Eyes(count=2), digests, store, CurationRecipe(), harvest.path)
    ):
        if number == 50:
            before = spent()
        if number == len(digests) - 50:
            after = spent()
wall, running, ready, parent = (end - start for start, end in zip(before, after))
print(f"{wall} {running} {ready} {parent}")
"""

PLAIN = """
import sys
from pathlib import Path
from curation.inspect import inspect
from curation.recipe import CurationRecipe
recipe = CurationRecipe()
for path in Path(sys.argv[1]).iterdir():
    inspect(path.read_bytes(), recipe)
"""

IMAGEDEDUP = """
import sys
from imagededup.methods import PHash
hasher = PHash(verbose=False)
codes = hasher.encode_images(sys.argv[1], num_enc_workers=0)
codes and hasher.find_duplicates(encoding_map=codes, num_dist_workers=0)
"""

CLEANVISION = """
import sys
from pathlib import Path
from cleanvision import Imagelab
any(Path(sys.argv[1]).iterdir()) and Imagelab(data_path=sys.argv[1]).find_issues(n_jobs=1)
"""

DIFPY = """
import sys
from pathlib import Path
import difPy
if any(Path(sys.argv[1]).iterdir()):
    built = difPy.build(sys.argv[1], show_progress=False, processes=1)
    difPy.search(built, similarity="similar", show_progress=False, processes=1)
"""

FASTDUP = """
import sys
from pathlib import Path
import fastdup
if any(Path(sys.argv[1]).iterdir()):
    fastdup.create(sys.argv[2], sys.argv[1]).run(overwrite=True, num_threads=1)
"""

DATAEVAL = """
import sys
from pathlib import Path
import numpy as np
from dataeval.quality import Duplicates
from PIL import Image
class Photos:
    metadata = {"id": "photos"}
    paths = sorted(Path(sys.argv[1]).iterdir())
    def __len__(self):
        return len(self.paths)
    def __getitem__(self, index):
        return np.asarray(Image.open(self.paths[index]).convert("RGB")).transpose(2, 0, 1)
Photos.paths and Duplicates().evaluate(Photos())
"""

BAR = "bare Pillow loop: draft, 224 px, imagehash pHash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A program that is run on a folder of photos; `{}` stands for a scratch folder."""

    program: tuple[str, ...]
    is_peer: bool = False
    is_slow: bool = False
    takes_harvest: bool = False


WAYS = {
    BAR: Way(program=("-c", BARE)),
    "ours: inspect() alone, one process": Way(program=("-c", PLAIN)),
    "ours: the pass, rendered and kept, 2 workers": Way(
        program=("-c", ONE_PASS), takes_harvest=True
    ),
    "ours: `bestiary curate`, whole": Way(
        program=("-m", "bestiary", "--quiet", "curate", "--harvest"), takes_harvest=True
    ),
    "imagehash.phash loop": Way(program=("-c", IMAGEHASH)),
    "difPy, similar": Way(program=("-c", DIFPY), is_peer=True),
    "imagededup pHash, with search": Way(program=("-c", IMAGEDEDUP), is_peer=True),
    "fastdup": Way(program=("-c", FASTDUP), is_peer=True, is_slow=True),
    "cleanvision, default": Way(program=("-c", CLEANVISION), is_peer=True, is_slow=True),
    "DataEval Duplicates": Way(program=("-c", DATAEVAL), is_peer=True, is_slow=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took."""

    cpu_s: float
    wall_s: float


def make_corpus(folder: Path, images: int, seed: int = 0) -> None:
    """Distinct photos of web sizes: a mean of about 1.2 megapixels and 280 KB."""
    sources = [path for path in sorted((SHARED / "data/photos").rglob("*.*")) if _opens(path)]
    if not sources:
        sys.exit(f"no photos at {SHARED}/data/photos: set BESTIARY_SHARED")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        path = folder / f"{number:05d}.jpg"
        if not path.exists():
            rng = random.Random(f"{seed} {number}")
            with Image.open(rng.choice(sources)) as photo:
                _save(_variant(photo.convert("RGB"), rng), path, rng)


def _opens(path: Path) -> bool:
    try:
        with Image.open(path) as photo:
            photo.load()
    except (OSError, UnidentifiedImageError):
        return False
    return min(photo.size) >= 80


def _variant(photo: Image.Image, rng: random.Random) -> Image.Image:
    share = rng.uniform(0.5, 0.95)
    left, top = (rng.uniform(0, (1 - share) * side) for side in photo.size)
    box = (left, top, left + share * photo.width, top + share * photo.height)
    longer = min(3500.0, max(250.0, rng.lognormvariate(math.log(1000), 0.55)))
    scale = longer / max(photo.size)
    size = (max(100, round(photo.width * scale)), max(100, round(photo.height * scale)))
    large = photo.resize(size, Image.Resampling.BICUBIC, box=box)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(3, 9), size[::-1])
    values = np.asarray(large, np.float32) + noise[..., None].astype(np.float32)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _save(photo: Image.Image, path: Path, rng: random.Random) -> None:
    quality = rng.choice((72, 78, 82, 85, 88, 92))
    subsampling, progressive = rng.choice((2, 2, 2, 0)), rng.random() < 0.25
    photo.save(path, quality=quality, subsampling=subsampling, progressive=progressive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the corpus: a folder, and the same as a harvest."""

    photos: Path
    harvest: Path
    images: int


def part_of(files: list[Path], name: str, scratch: Path) -> Part:
    part, harvest = scratch / name, scratch / f"{name}-harvest"
    (part / "photo").mkdir(parents=True)
    for path in files:
        (part / "photo" / path.name).hardlink_to(path)
    scrape = ("--quiet", "scrape", "--source", "folder", "--from", part, "--harvest", harvest)
    run([sys.executable, "-m", "bestiary", *map(str, scrape)], scratch)
    return Part(photos=part / "photo", harvest=harvest, images=len(files))


def least(scratch: Path) -> Part:
    """Next to nothing to do, but for as many workers as there are: 16 pictures of 64 px."""
    folder = scratch / "tiny"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(16):
        noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.jpg")
    return part_of(sorted(folder.iterdir()), "least", scratch)


def run(command: list[str], scratch: Path) -> Cost:
    """Run a command to its end, and say what it took."""
    begun = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (scratch / "output").open("w") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:3]} failed:\n{(scratch / 'output').read_text()[-2000:]}")
    return Cost(cpu_s=usage.ru_utime + usage.ru_stime, wall_s=time.monotonic() - begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a way took for all the photos that it got."""

    images: int
    runs: tuple[Cost, ...]
    start_s: float
    """CPU seconds of a run with next to nothing to do."""

    @property
    def net_ms(self) -> float:
        """CPU milliseconds an image."""
        spent = sum(run.cpu_s for run in self.runs) - len(self.runs) * self.start_s
        return 1000 * spent / self.images

    @property
    def whole_ms(self) -> float:
        """The same of one run over all of them, start-up included."""
        return self.net_ms + 1000 * self.start_s / self.images

    @property
    def cores(self) -> float:
        return sum(run.cpu_s for run in self.runs) / sum(run.wall_s for run in self.runs)


def spent(way: Way, part: Part, peers: str, scratch: Path) -> Cost:
    where = str(part.harvest if way.takes_harvest else part.photos)
    passing = tempfile.mkdtemp(dir=scratch)
    python = peers if way.is_peer else sys.executable
    to = ("--dataset", f"{passing}/dataset") if way.program[0] == "-m" else (passing,)
    return run([python, *way.program, where, *to], scratch)


def measured(
    ways: dict[str, Way], parts: list[Part], small: Part, peers: str, scratch: Path
) -> dict[str, Costs]:
    """Each way over every part, in turns; slow ones over the small part alone."""
    nothing = least(scratch)
    start = {name: spent(way, nothing, peers, scratch).cpu_s for name, way in ways.items()}
    runs: dict[str, list[Cost]] = defaultdict(list)
    for part in parts:
        for name, way in ways.items():
            if not way.is_slow or part is parts[0]:
                runs[name].append(spent(way, small if way.is_slow else part, peers, scratch))
                print(f"{name}: {runs[name][-1].cpu_s:.1f} CPU s", file=sys.stderr, flush=True)
    total = sum(part.images for part in parts)
    return {
        name: Costs(
            images=small.images if ways[name].is_slow else total,
            runs=tuple(found),
            start_s=start[name],
        )
        for name, found in runs.items()
    }


def busy(part: Part, scratch: Path) -> str:
    """How much of two cores the pass uses, its beginning and end left out.

    Where other work shares the cores, time that a worker waits for one is time that it would
    have used; only what it waits for its next images, or for the disk, is lost.
    """
    run([sys.executable, "-c", BUSY, str(part.harvest), tempfile.mkdtemp(dir=scratch)], scratch)
    wall, running, ready, parent = map(float, (scratch / "output").read_text().split())
    return (
        f"the pass over {part.images} photos: workers were running or ready to run"
        f" {(running + ready) / (2 * wall):.1%} of the time; with whoever fed them, they had"
        f" {(running + parent) / (2 * wall):.1%} of two cores"
    )


def table(costs: dict[str, Costs]) -> str:
    """Per image, start-up included and without, and both in those of the bare loop."""
    bar = costs[BAR]
    lines = [
        "| way | photos | CPU ms an image, whole | times the bare loop"
        " | net of start-up | times the bare loop | start-up, CPU s | cores |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, cost in costs.items():
        lines.append(
            f"| {name} | {cost.images} | {cost.whole_ms:.1f} | {cost.whole_ms / bar.whole_ms:.2f}"
            f" | {cost.net_ms:.1f} | {cost.net_ms / bar.net_ms:.2f} | {cost.start_s:.1f}"
            f" | {cost.cores:.2f} |"
        )
    return "\n".join(lines)


def fidelity(corpus: Path, images: int) -> str:
    """How near rendered pictures are to a full decode and LANCZOS: PSNR in dB."""
    from curation.recipe import CurationRecipe
    from curation.render import fitted_size, render

    recipe, found = CurationRecipe(), []
    for path in sorted(corpus.glob("*.jpg"))[:images]:
        with Image.open(path) as photo:
            size = fitted_size(photo.size, recipe)
            ideal = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        left, top = ((recipe.side_px - side) // 2 for side in size)
        ours = render(path.read_bytes(), recipe)
        ours = ours.crop((left, top, left + size[0], top + size[1]))
        error = np.mean((np.asarray(ours, float) - np.asarray(ideal, float)) ** 2)
        found.append(10 * math.log10(255**2 / max(error, 1e-9)))
    low, middle = np.percentile(found, [10, 50])
    return f"PSNR of {len(found)} rendered pictures, 10 % / median: {low:.1f} / {middle:.1f} dB"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-images", type=int, default=300, help="for the slow peers")
    parser.add_argument("--peers", help="interpreter that has the peers")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "web-photos")
    choices = parser.parse_args()
    make_corpus(choices.corpus, choices.images)
    files = sorted(choices.corpus.glob("*.jpg"))[: choices.images]
    mean_kb = sum(path.stat().st_size for path in files) / len(files) / 1000
    digest = hashlib.sha256(b"".join(path.read_bytes()[-999:] for path in files)).hexdigest()
    print(f"{len(files)} photos, {mean_kb:.0f} KB each, {digest[:12]}")
    ways = {name: way for name, way in WAYS.items() if choices.peers or not way.is_peer}
    with tempfile.TemporaryDirectory(dir=choices.corpus.parent) as folder:
        scratch = Path(folder)
        parts = [
            part_of(files[number :: choices.rounds], f"part{number}", scratch)
            for number in range(choices.rounds)
        ]
        print(busy(parts[0], scratch), flush=True)
        small = part_of(files[: choices.slow_images], "small", scratch)
        print(table(measured(ways, parts, small, choices.peers, scratch)))
    print(fidelity(choices.corpus, 300))


if __name__ == "__main__":
    main()
