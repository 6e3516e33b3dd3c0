"""What does it save to fold frozen batch norms while a backbone is trained?

    python benchmarks/folding.py [--side 128] [--rounds 7] [MODEL …]

Steps on one batch, with and without, in turns, so that a busy machine slows both alike; the
least CPU time of each is compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from training import backend, presets, transfer
from training.models import find
from training.pictures import Pictures
from training.train import fresh_network

BATCH = 32


def stepper(model: str, side_px: int, *, is_folded: bool) -> Any:
    """What trains a network of 32 px, enlarged to `side_px`."""
    from training import steps

    recipe = presets.recipe("strong", find(model), enlarge_px=side_px, batch_size=BATCH)
    network = fresh_network(find(model), recipe, side_px=32, classes=5, first_weights=None)
    transfer.thaw(transfer.backbone_of(network), share=1.0)
    made = steps.Stepper(network, recipe, weights=np.ones(5, np.float32))
    with mock.patch.object(steps, "folded", steps.folded if is_folded else lambda one: one):
        made.compile(steps=1000, steps_in_epoch=100, factors={})
    return made


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["mobilenet-v2"])
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    backend.start()
    rng = np.random.default_rng(0)
    pictures = Pictures(
        pixels=rng.integers(0, 256, (BATCH, 32, 32, 3), np.uint8),
        labels=(np.arange(BATCH) % 5).astype(np.int32),
        rows=(),
    )
    print("| network | side | CPU ms a picture, as it is | folded | ratio |\n|---|---|---|---|---|")
    for model in given.models:
        ways = [stepper(model, given.side, is_folded=is_folded) for is_folded in (False, True)]
        spent_s: list[list[float]] = [[], []]
        for round_ in range(2 + given.rounds):
            for way, times in zip(ways, spent_s, strict=True):
                batch = way.batch(pictures, np.arange(BATCH), epoch=0, step=round_)
                began_s = time.process_time()
                way.take(batch)
                times.append(time.process_time() - began_s)
        plain, cheap = (1000 * min(times[2:]) / BATCH for times in spent_s)
        print(f"| `{model}` | {given.side} | {plain:.1f} | {cheap:.1f} | {cheap / plain:.2f} |")


if __name__ == "__main__":
    main()
