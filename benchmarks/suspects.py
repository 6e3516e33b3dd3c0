"""Planted wrong labels: how many are among the most doubtful images.

    python benchmarks/suspects.py DATASET --weights FILE [--model mobilenet-v2] [--share 0.05]

Of a curated dataset a share of the kept images is given the name of another species, in memory,
with three seeds. Labels that are wrong as found count as right, so precision is understated.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation.dataset import Dataset, Row
from curation.suspects import FOLDS, doubts
from training import backend
from training.features import extracted, extractor
from training.models import MODELS


def looked_at(dataset: Dataset, model: str, weights: Path) -> tuple[list[Row], np.ndarray]:
    entry = MODELS[model]
    side_px = max(dataset.recipe.side_px, entry.smallest_px)
    network = extractor(entry, weights, side_px=side_px)
    with tempfile.TemporaryDirectory() as cache:
        seen = list(extracted(dataset, network, side_px=side_px, cache=Path(cache)))
    return [row for one in seen for row in one.rows], np.concatenate([s.features for s in seen])


def planted(rows: list[Row], share: float, seed: int) -> tuple[list[Row], np.ndarray]:
    rng = random.Random(seed)
    names = sorted({row.species for row in rows})
    wrong = set(rng.sample(range(len(rows)), round(share * len(rows))))
    changed = [
        replace(row, species=rng.choice([name for name in names if name != row.species]))
        if place in wrong
        else row
        for place, row in enumerate(rows)
    ]
    return changed, np.array([place in wrong for place in range(len(rows))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", default="mobilenet-v2")
    parser.add_argument("--share", type=float, default=0.05)
    given = parser.parse_args()
    backend.start()
    begin = time.process_time()
    rows, features = looked_at(Dataset.open(given.dataset), given.model, given.weights)
    print(f"{len(rows)} pictures, {time.process_time() - begin:.0f} CPU-s for features")
    sizes = {name: sum(row.species == name for row in rows) for name in {r.species for r in rows}}
    enough = [place for place, row in enumerate(rows) if sizes[row.species] >= 2 * FOLDS]
    rows, features = [rows[place] for place in enough], features[enough]
    print("| seed | planted (k) | precision at k | recall at 2k | average precision |")
    print("|---|---|---|---|---|")
    for seed in range(3):
        changed, is_wrong = planted(rows, given.share, seed)
        scores = np.array([one.label_doubt or 0.0 for one in doubts(changed, features)])
        k, order = int(is_wrong.sum()), np.argsort(-scores, kind="stable")
        at_k, at_2k = is_wrong[order[:k]].mean(), is_wrong[order[: 2 * k]].sum() / k
        average = average_precision_score(is_wrong, scores)
        print(f"| {seed} | {k} | {at_k:.2f} | {at_2k:.2f} | {average:.2f} |")


if __name__ == "__main__":
    main()
