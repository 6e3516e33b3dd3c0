"""How well copies are told from other pictures: precision and recall of pairs, per change.

    python benchmarks/duplicates.py [--originals N] [--seed N] [--show] [--peers PYTHON ...]

One corpus is as a crawl brings it home, 15 % copies among real photos, catalogues and series
of one scene; every finder that a given Python has (`benchmarks/finders.py`) searches it by its
defaults, beside ours. The others ask more of ours: every change of some pictures, things of one
cut, published collections of known duplicates, the small images of CIFAR. Without
BESTIARY_SHARED, which has the real photos, drawn pictures stand in for them.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from catalogue import garment, product, series
from changes import KINDS, ORIGINAL, Item, as_gathered, encoded, every_change
from finders import FINDERS
from PIL import Image, ImageOps, UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation.split import split
from curation.tickets import Ticket
from scraper.standin.pictures import PictureRecipe, draw

SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")).resolve()
OURS = "bestiary"
Pairs = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a finder found in a corpus, by the numbers of its items, and CPU seconds."""

    pairs: Pairs
    seconds: float


def drawn(count: int, seed: int) -> Iterator[Item]:
    """What Bestiary draws, with a fifth near-duplicates of its own making."""
    recipe = PictureRecipe(seed=seed, per_species=count, near_duplicates=0.2, max_side_px=1600)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in draw(folder, recipe=recipe):
            pass
        with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["kind"] != "duplicate"]
        of = {row["file"]: row["of"] for row in rows}
        for row in rows:
            origin = of[row["file"]] or row["file"]
            yield Item(origin=origin, change=row["kind"], body=(folder / row["file"]).read_bytes())


_TWINS = (
    *(("ape/ape (56).png", "ape/ape (67).png"), ("cat/cat (49).png", "cat/cat (72).png")),
    *(("dog/dog (53).png", "dog/dog (71).png"), ("horse/horse (26).png", "horse/horse (46).png")),
    *(("lion/lion (11).png", "lion/lion (24).png"), ("lion/lion (31).png", "lion/lion (83).png")),
    ("lion/lion (3).png", "lion/lion (49).png"),
    *(
        ("raccoon/raccoon-21.jpg", "raccoon/raccoon-45.jpg"),
        ("kangaroo/00101.jpg", "kangaroo/00118.jpg"),
    ),
    *(
        ("raccoon/raccoon-51.jpg", "raccoon/raccoon-85.jpg"),
        ("raccoon/raccoon-52.jpg", "raccoon/raccoon-50.jpg"),
    ),
)
"""Photos that are one picture to the eye, though not in bytes; one of them edited by half.

Only pairs that a search of ours had found were looked at, so twins that it misses count nowhere.
"""

_RELATED = {
    "alpha_channel_image": "ukbench00120",
    "image_408": "image_103",
    "image_236": "image_142",
}
"""The same among the published sets, beyond what their names tell."""


def photos() -> list[tuple[str, bytes]]:
    """Real photos; those that are one picture have one origin."""
    folder, truth = SHARED / "data/photos", _byte_twins()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    origins = {name: truth.get(f"photos/{name}", name) for name in names}
    merged = {origins.get(other, other): origins.get(one, one) for one, other in _TWINS}
    return [
        (merged.get(origins[name], origins[name]), path.read_bytes())
        for name, path in zip(names, files, strict=True)
    ]


def _byte_twins() -> dict[str, str]:
    with (SHARED / "data/duplicates/truth.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["group"] for row in csv.DictReader(file)}


def known_duplicates() -> Iterator[Item]:
    """Published sets of duplicates, whose files' names begin with what they show."""
    for path in sorted((SHARED / "data/duplicates").rglob("*.*")):
        if path.is_file() and path.suffix != ".csv":
            shown = path.stem if path.stem.startswith("image") else path.stem.partition("_")[0]
            origin = _RELATED.get(path.stem, shown)
            yield Item(origin=origin, change=ORIGINAL, body=path.read_bytes())


def cifar() -> Iterator[Item]:
    path = SHARED / "data/cifar/cifar100_small_mammals_train.npz"
    with np.load(path) as stored:
        for number, values in enumerate(stored["images"]):
            file = io.BytesIO()
            Image.fromarray(values).save(file, "PNG")
            yield Item(origin=f"{number}", change=ORIGINAL, body=file.getvalue())


def catalogue(count: int, seed: int) -> list[tuple[str, bytes]]:
    rng = random.Random(seed)
    return [
        (f"product {seed}-{n}", encoded(product(seed * 10_000 + n), quality=rng.randint(70, 95)))
        for n in range(count)
    ]


def garments(count: int, seed: int) -> list[tuple[str, bytes]]:
    shirts = (garment(seed * 10_000 + n) for n in range(count))
    return [(f"garment {seed}-{n}", encoded(shirt, quality=90)) for n, shirt in enumerate(shirts)]


def scenes(
    originals: Sequence[tuple[str, bytes]], count: int, seed: int
) -> list[tuple[str, bytes]]:
    """Series of photos of one scene each, made of real ones."""
    rng = random.Random(seed)
    shots = []
    for number in range(count):
        backdrop, *subjects = itertools.islice(_pictures(originals, rng), 3)
        for nth, shot in enumerate(series(backdrop, subjects, seed * 100 + number)):
            shots.append((f"scene {seed}-{number}-{nth}", encoded(shot, quality=85)))
    return shots


def _pictures(originals: Sequence[tuple[str, bytes]], rng: random.Random) -> Iterator[Image.Image]:
    while True:
        try:
            yield Image.open(io.BytesIO(rng.choice(originals)[1])).convert("RGB")
        except (UnidentifiedImageError, OSError):
            continue


def padded(originals: Sequence[tuple[str, bytes]], count: int, seed: int) -> Iterator[Item]:
    """Photos of many shapes, and each once more with bars that make it a square."""
    rng = random.Random(seed)
    sound = {origin: body for origin, body in originals if _is_whole(body)}
    for origin in rng.sample(sorted(sound), count):
        whole = Image.open(io.BytesIO(sound[origin])).convert("RGB")
        aspect = rng.choice((1.2, 4 / 3, 3 / 2, 16 / 9, 2))
        size = min((whole.width, whole.width / aspect), (whole.height * aspect, whole.height))
        photo = ImageOps.fit(whole, (round(size[0]), round(size[1])))
        photo = photo if rng.random() < 0.5 else photo.transpose(Image.Transpose.ROTATE_90)
        square = (round(max(photo.size) * rng.uniform(0.6, 1)),) * 2
        for change, shot in (
            (ORIGINAL, photo),
            ("barred", ImageOps.pad(photo, square, color=rng.choice(("white", "black")))),
        ):
            body = encoded(shot, quality=rng.randint(70, 95))
            yield Item(origin=origin, change=change, body=body)


def gathered(count: int, seed: int) -> Iterator[Item]:
    """As a crawl brings it home: 15 % copies, and many pictures that only resemble others."""
    found = photos() if (SHARED / "data").is_dir() else _drawn_originals(count, seed)
    found = [(origin, body) for origin, body in found if _is_whole(body)]  # Some peers crash.
    random.Random(seed).shuffle(found)
    staged, found = found[: 2 * count], found[2 * count :]
    shown = {origin for origin, _ in staged}  # An edited photo is no other photo, nor its twin.
    originals = [
        *(photo for photo in found if photo[0] not in shown),
        *catalogue(5 * count, seed),
        *garments(count, seed),
        *scenes(staged, count // 2, seed),
    ]
    yield from as_gathered(originals, 0.15, seed)


def _is_whole(body: bytes) -> bool:
    try:
        Image.open(io.BytesIO(body)).load()
    except (UnidentifiedImageError, OSError):
        return False
    return True


def _drawn_originals(count: int, seed: int) -> list[tuple[str, bytes]]:
    items = drawn(2 * count, seed)
    return [(item.origin, item.body) for item in items if item.change == ORIGINAL]


def write(items: Sequence[Item], folder: Path) -> None:
    """Write a corpus so that names sort by number and tell nothing."""
    for number, item in enumerate(items):
        form = "png" if item.body.startswith(b"\x89PNG") else "jpg"
        (folder / f"{number:06}.{form}").write_bytes(item.body)


def run(finder: str, folder: Path, python: str) -> Search | None:
    """Let a finder search a folder in a process of its own; None where `python` lacks it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = Path(__file__).with_name("finders.py")
    done = subprocess.run(
        [python, str(script), finder, str(folder)], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        if "ModuleNotFoundError" not in done.stderr:
            print(f"{finder} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    names = json.loads(done.stdout.splitlines()[-1])
    numbers = (sorted(int(Path(name).stem) for name in pair) for pair in names)
    return Search(
        pairs=frozenset((one, other) for one, other in numbers),
        seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


def true_pairs(items: Sequence[Item]) -> Pairs:
    members = defaultdict(list)
    for number, item in enumerate(items):
        members[item.origin].append(number)
    return frozenset(
        pair for group in members.values() for pair in itertools.combinations(group, 2)
    )


def told(name: str, items: Sequence[Item], search: Search) -> str:
    """One line of a table."""
    true = true_pairs(items)
    hits = len(true & search.pairs)
    precision = f"{hits / max(1, len(search.pairs)):.4f}" if true else "unknown"
    recall = f"{hits / len(true):.4f}" if true else "unknown"
    return (
        f"{name:24} {len(items):6} pictures {len(true):6} true {len(search.pairs):6} found"
        f"  precision {precision}  recall {recall}  {search.seconds:7.1f} CPU s"
    )


def recalls(items: Sequence[Item], pairs: Pairs) -> dict[str, tuple[int, int]]:
    """By change: pairs found, and pairs there are."""
    hits, wanted = Counter[str](), Counter[str]()
    for pair in true_pairs(items):
        change = _change(*(items[number].change for number in pair))
        wanted[change] += 1
        hits[change] += pair in pairs
    return {change: (hits[change], wanted[change]) for change in sorted(wanted)}


def _change(one: str, other: str) -> str:
    changes = [change for change in (one, other) if change != ORIGINAL]
    return "copy and copy" if len(changes) == 2 else changes[0] if changes else "as found"


def leaks(items: Sequence[Item], pairs: Pairs, seed: int) -> tuple[float, float]:
    """Shares of test pictures with a copy in train: by lot, and by groups of which one is kept."""
    group = list(range(len(items)))
    for one, other in sorted(pairs):  # Pairs come from groups: the smallest number names one.
        group[other] = min(group[other], group[one])
    kept = [number for number in range(len(items)) if group[number] == number]
    shares = (0.8, 0.0, 0.2)
    results = []
    for numbers in (range(len(items)), kept):
        digests = {number: f"{number:064x}" for number in numbers}
        tickets = [Ticket(digest=digest, species="all") for digest in digests.values()]
        home = split(tickets, shares=shares, seed=seed)
        trained = {items[number].origin for number in numbers if home[digests[number]] == "train"}
        tested = [items[number].origin for number in numbers if home[digests[number]] == "test"]
        results.append(sum(origin in trained for origin in tested) / max(1, len(tested)))
    return results[0], results[1]


def compare(items: Sequence[Item], pythons: Iterable[str], seed: int, *, show: bool) -> None:
    """Run every finder that there is over one corpus, and print what each found."""
    searches: dict[str, Search] = {}
    with tempfile.TemporaryDirectory() as name:
        write(items, Path(name))
        for finder in FINDERS:
            for python in (sys.executable,) if finder == OURS else pythons:
                if finder not in searches and (search := run(finder, Path(name), python)):
                    searches[finder] = search
                    print(told(f"gathered: {finder}", items, search), flush=True)
    found = {finder: recalls(items, search.pairs) for finder, search in searches.items()}
    print("recall of" + " " * 18 + "".join(f"{finder:>13}" for finder in found))
    for change in (*KINDS, "copy and copy", "as found"):
        if change in found[OURS]:
            cells = (f"{hits}/{all_}" for hits, all_ in (table[change] for table in found.values()))
            print(f"  {change:25}" + "".join(f"{cell:>13}" for cell in cells))
    by_lot, ours = leaks(items, searches[OURS].pairs, seed)
    print(f"test pictures with a copy in train: {by_lot:.1%} by lot, {ours:.1%} as we split")
    if show:
        _show_false(items, searches[OURS].pairs)


def score(name: str, items: Sequence[Item], *, show: bool) -> None:
    """Print what ours finds in one corpus, and where it misses something."""
    with tempfile.TemporaryDirectory() as folder:
        write(items, Path(folder))
        search = run(OURS, Path(folder), sys.executable)
    if search is None:
        raise SystemExit("our own search failed: see above")
    print(told(name, items, search), flush=True)
    missed = [
        f"{change} {hits}/{all_}"
        for change, (hits, all_) in recalls(items, search.pairs).items()
        if hits < all_
    ]
    print("    " + (", ".join(missed) or "nothing missed"))
    if show:
        _show_false(items, search.pairs)


def _show_false(items: Sequence[Item], pairs: Pairs) -> None:
    for first, second in sorted(pairs - true_pairs(items)):
        print(f"    false: {items[first].origin}  {items[second].origin}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--originals", type=int, default=60, help="of which copies are planted")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--show", action="store_true", help="name the false pairs")
    parser.add_argument("--peers", nargs="*", default=[], metavar="PYTHON", help="that have peers")
    parser.add_argument("--only", help="one corpus, by its name")
    options = parser.parse_args()
    count, seed = options.originals, options.seed
    corpora: dict[str, Callable[[], Iterable[Item]]] = {
        "drawn": lambda: drawn(2 * count, seed),
        "catalogue": lambda: every_change(catalogue(6 * count, seed), count // 4, seed),
        "garments of one cut": lambda: every_change(garments(2 * count, seed), count // 4, seed),
    }
    if (SHARED / "data").is_dir():
        corpora["photos"] = lambda: every_change(photos(), count, seed)
        corpora["padded"] = lambda: padded(photos(), count, seed)
        corpora["scenes"] = lambda: every_change(scenes(photos(), count, seed), count // 4, seed)
        corpora["published duplicates"] = known_duplicates
        corpora["CIFAR, as found"] = cifar
    if options.only in (None, "gathered"):
        compare(list(gathered(count, seed)), options.peers, seed, show=options.show)
    for name, corpus in corpora.items():
        if options.only in (None, name):
            score(name, list(corpus()), show=options.show)


if __name__ == "__main__":
    main()
