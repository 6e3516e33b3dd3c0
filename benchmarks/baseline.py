"""What the baseline without a network gets, and what it costs.

python benchmarks/baseline.py FILE.npz [--train 2000] [--seed 0]

The file has `images`, (n, side, side, 3) uint8, and `fine_labels`; 500 pictures drawn at random
are asked about, and some of the others are learnt from.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from training.baselines import PatchClassifier, filter_count
from training.intervals import wilson
from training.wording import in_words

TESTED = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with np.load(asked.file, allow_pickle=False) as arrays:
        pixels, codes = arrays["images"], arrays["fine_labels"]
    labels = np.unique(codes, return_inverse=True)[1].astype(np.int32)
    order = np.random.default_rng(asked.seed).permutation(len(labels))
    train, test = order[:-TESTED][: asked.train], order[-TESTED:]
    began_s = time.process_time()
    classifier = PatchClassifier.fitted(pixels[train], labels[train], seed=asked.seed)
    fitted_s = time.process_time()
    right = int((classifier.say(pixels[test]) == labels[test]).sum())
    ended_s = time.process_time()
    print(
        f"{len(train)} training pictures, {filter_count(len(train))} filters:"
        f" {in_words(wilson(right, TESTED))}; fitted in {fitted_s - began_s:.1f} CPU s,"
        f" {1000 * (ended_s - fitted_s) / TESTED:.1f} CPU ms a picture asked"
    )


if __name__ == "__main__":
    main()
