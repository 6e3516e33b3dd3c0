"""A third signal for look-alikes: what a frozen network's embedding would add to what there is.

    python benchmarks/embedding.py --weights FILE [--model mobilenet-v2] [--seeds 9001 9002]

Of corpora with known truth (`duplicates.py`) it takes the true pairs that curation misses, and asks
how alike their embeddings are: the cosine of the features, pooled over places, of both pictures
made square, the larger of that and of one with the other's mirror image. Beside them stand all
pairs that are no copies, which a signal that finds the missed ones would let in, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.
sys.path.insert(1, str(Path(__file__).parent))

import duplicates
import finders

from curation.recipe import CurationRecipe
from curation.render import render
from training import backend
from training.features import BATCH, extractor
from training.models import MODELS

RECIPE = CurationRecipe(side_px=224, min_side_px=20, fit="stretch")
_SHARES = (0.25, 0.5, 1.0)
"""Of the missed pairs, that are to be found."""


def main() -> None:
    """Print a row for every corpus."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", default="mobilenet-v2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[9001, 9002])
    parser.add_argument("--originals", type=int, default=60)
    given = parser.parse_args()
    backend.start()
    network = extractor(MODELS[given.model], given.weights, side_px=224)
    print(
        "| seed | true pairs | missed | as alike as the most alike others"
        " | others as alike as a quarter, half, all of the missed |\n|---|---|---|---|---|"
    )
    for seed in given.seeds:
        print(row(seed, list(duplicates.gathered(given.originals, seed)), network), flush=True)


def row(seed: int, items: list[duplicates.Item], network: Any) -> str:
    """What the embedding of one corpus says of the pairs that are missed in it."""
    with tempfile.TemporaryDirectory() as folder:
        duplicates.write(items, Path(folder))
        names = finders.bestiary(Path(folder))
        found = {tuple(sorted((number(one), number(other)))) for one, other in names}
    true = duplicates.true_pairs(items)
    missed = sorted(true - found)
    alike = likeness(np.stack([picture(item.body) for item in items]), network)
    others = np.triu(np.ones(alike.shape, bool), 1)
    others[tuple(np.array(sorted(true)).T)] = False
    strangers = np.sort(alike[others])
    ours = np.sort([alike[pair] for pair in missed])[::-1]
    above = int((ours > strangers[-1]).sum())
    let_in = [
        len(strangers) - int(np.searchsorted(strangers, ours[max(0, round(share * len(ours)) - 1)]))
        for share in _SHARES
    ]
    return f"| {seed} | {len(true)} | {len(missed)} | {above} | {', '.join(map(str, let_in))} |"


def number(name: str) -> int:
    """The place of a file in its corpus."""
    return int(Path(name).stem)


def picture(body: bytes) -> NDArray[np.uint8]:
    """Of the side that the network takes, without bars."""
    return np.asarray(render(body, RECIPE))


def likeness(pictures: NDArray[np.uint8], network: Any) -> NDArray[np.float32]:
    """The cosine of every two; of one and the other's mirror image where that is larger."""
    plain, mirrored = (embedded(part, network) for part in (pictures, pictures[:, :, ::-1]))
    return np.maximum(plain @ plain.T, plain @ mirrored.T)


def embedded(pictures: NDArray[np.uint8], network: Any) -> NDArray[np.float32]:
    """Features of length 1."""
    parts = range(0, len(pictures), BATCH)
    said = np.concatenate(
        [network.predict_on_batch(pictures[at : at + BATCH].astype(np.float32)) for at in parts]
    )
    return said / np.linalg.norm(said, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
