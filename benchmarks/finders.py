"""Finders: tools that look for duplicates in a folder, each by its defaults, each in one process.

    python benchmarks/finders.py NAME FOLDER

prints the pairs of file names that it takes for copies of one picture, as JSON. Run by
`benchmarks/duplicates.py`, with the Python that has the tool.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

Names = Iterable[tuple[str, str]]


def _grouped(groups: Iterable[Iterable[object]]) -> Iterator[tuple[str, str]]:
    for group in groups:
        yield from itertools.combinations(sorted(Path(str(path)).name for path in group), 2)


def bestiary(folder: Path) -> Names:
    """Every two pictures that a dataset's groups hold together, equal bytes among them."""
    import hashlib

    from curation.findings import found
    from curation.inspect import Inspected, inspect
    from curation.lookalikes import Album
    from curation.looking import seen_of
    from curation.recipe import CurationRecipe
    from curation.stars import stars

    recipe, names, standings = CurationRecipe(side_px=224, min_side_px=20), [], []
    twins: dict[str, list[str]] = {}
    album = Album()
    for path in sorted(folder.iterdir()):
        body = path.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        twins.setdefault(digest, []).append(path.name)
        result = inspect(body, recipe) if len(twins[digest]) == 1 else None
        if isinstance(result, Inspected) and result.signature is not None:
            album.add(result.signature)
            seen = seen_of(digest, body, result)
            standings.append(found(seen).standing)
            names.append(digest)
    outcomes = album.star_pairs(recipe, standings, [{""}] * len(names))
    pairs = [pair for outcome in outcomes for pair in outcome.pairs]
    groups = [[names[place] for place in star] for star in stars(standings, pairs)]
    told = {digest for group in groups for digest in group}
    lone = [[digest] for digest in twins if digest not in told]
    return _grouped(
        [[name for digest in group for name in twins[digest]] for group in (*groups, *lone)]
    )


def imagededup(folder: Path) -> Names:
    from imagededup.methods import PHash

    found = PHash(verbose=False).find_duplicates(image_dir=folder)
    return [(one, other) for one, others in found.items() for other in others]


def cleanvision(folder: Path) -> Names:
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
    return _grouped(
        group
        for kind in ("exact_duplicates", "near_duplicates")
        for group in lab.info[kind]["sets"]
    )


def difpy(folder: Path) -> Names:
    import difPy

    built = difPy.build(str(folder), show_progress=False, processes=1)
    found = difPy.search(built, similarity="similar", show_progress=False, processes=1).result
    return [
        (Path(one).name, Path(other[0]).name) for one, others in found.items() for other in others
    ]


def imagehash(folder: Path) -> Names:
    import imagehash
    from PIL import Image

    hashes = {}
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(OSError), Image.open(path) as image:
            hashes[path.name] = int(str(imagehash.phash(image)), 16)
    return [
        (one, other)
        for (one, here), (other, there) in itertools.combinations(hashes.items(), 2)
        if (here ^ there).bit_count() <= 10
    ]


def dataeval(folder: Path) -> Names:
    import numpy as np
    from dataeval.quality import Duplicates
    from PIL import Image

    names, arrays = [], []
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(OSError), Image.open(path) as image:
            arrays.append(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
            names.append(path.name)
    found = Duplicates().evaluate(arrays).items
    groups = [*(found.exact or ()), *(members for members, _ in found.near or ())]
    return _grouped([names[number] for number in group] for group in groups)


def fastdup(folder: Path) -> Names:
    import tempfile

    import fastdup

    with tempfile.TemporaryDirectory() as work:
        run = fastdup.create(work_dir=work, input_dir=str(folder))
        run.run(threshold=0.9, ccthreshold=0.9, num_threads=1, verbose=False, overwrite=True)
        frame = run.similarity()
    return [
        (Path(one).name, Path(other).name)
        for one, other, near in zip(
            frame["filename_from"], frame["filename_to"], frame["distance"], strict=True
        )
        if near >= 0.9
    ]


FINDERS = {
    "bestiary": bestiary,
    "imagededup": imagededup,
    "imagehash": imagehash,
    "cleanvision": cleanvision,
    "difpy": difpy,
    "dataeval": dataeval,
    "fastdup": fastdup,
}

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # This folder has a `curation`, too.
    with contextlib.redirect_stdout(sys.stderr):
        pairs = sorted({tuple(sorted(pair)) for pair in FINDERS[sys.argv[1]](Path(sys.argv[2]))})
    print(json.dumps(pairs))
