"""Does the input ever starve the device? Real batches beside one batch held in memory.

    python benchmarks/input.py [--model cifar-vgg] [--steps 40] [--rounds 5]

The two are taken in turns, a few steps each, so that a busy machine slows both alike. The bar
is a ratio of at most 1.05, in wall time and in CPU time: what the real input adds is to find,
map and copy the pictures of a batch out of a memory-mapped file of decoded ones.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from training import backend, presets
from training.models import find
from training.pictures import Pictures, epoch_batches
from training.recipe import TrainRecipe
from training.train import fresh_network

PICTURES = {"cifar-vgg": 2_500, "mobilenet-v2": 600}
SIDES = {"cifar-vgg": 32, "mobilenet-v2": 224}


def mapped(folder: Path, count: int, side_px: int) -> Pictures:
    """Decoded pictures in a memory-mapped file, as training has them."""
    path = folder / "pictures.npy"
    shape = (count, side_px, side_px, 3)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    rng = np.random.default_rng(0)
    for place in range(count):
        pixels[place] = rng.integers(0, 256, shape[1:], np.uint8)
    pixels.flush()
    return Pictures(
        pixels=np.load(path, mmap_mode="r"),
        labels=(np.arange(count) % 5).astype(np.int32),
        rows=(),
    )


class Steps:
    """One step of a training at a time, with batches from anywhere."""

    def __init__(self, model: str, recipe: TrainRecipe, pictures: Pictures, side_px: int) -> None:
        from training.steps import Stepper

        network = fresh_network(find(model), recipe, side_px=side_px, classes=5, first_weights=None)
        self._stepper = Stepper(network, recipe, weights=np.ones(5, np.float32))
        self._stepper.compile(steps=1000, steps_in_epoch=100, factors={})
        self._pictures, self._recipe = pictures, recipe

    def real(self) -> Iterator[None]:
        """Steps on the batches that training would take."""
        for epoch in itertools.count():
            for step, places in enumerate(self._batches(epoch)):
                batch = self._stepper.batch(self._pictures, places, epoch=epoch, step=step)
                self._stepper.take(batch)
                yield

    def held(self) -> Iterator[None]:
        """Steps on one batch that lies in memory, ready."""
        batch = self._stepper.batch(self._pictures, self._batches(0)[0], epoch=0, step=0)
        while True:
            self._stepper.take(batch)
            yield

    def _batches(self, epoch: int) -> list[NDArray[np.intp]]:
        return epoch_batches(
            pictures=len(self._pictures),
            batch_size=self._recipe.batch_size,
            seed=0,
            epoch=epoch,
        )


def timed(steps: Iterator[None], count: int) -> tuple[float, float]:
    """Wall and CPU seconds of so many steps."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in itertools.islice(steps, count):
        pass
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def measure(model: str, *, steps: int, rounds: int) -> dict[str, Any]:
    """The ratios of real to held steps: the medians over the rounds."""
    backend.start()
    side_px = SIDES[model]
    recipe = presets.fitted_to(presets.recipe("strong", find(model)), side_px=side_px)
    with tempfile.TemporaryDirectory() as folder:
        pictures = mapped(Path(folder), PICTURES[model], side_px)
        both = Steps(model, recipe, pictures, side_px)
        real, held = both.real(), both.held()
        timed(real, 3)
        timed(held, 3)
        pairs = [(timed(real, steps), timed(held, steps)) for _ in range(rounds)]
    return {
        "model": model,
        "batch": recipe.batch_size,
        "wall_ratio": statistics.median(one[0] / other[0] for one, other in pairs),
        "cpu_ratio": statistics.median(one[1] / other[1] for one, other in pairs),
        "cpu_ms_a_step": 1000 * statistics.median(one[1] for one, _ in pairs) / steps,
    }


def main() -> None:
    """Measure, and print a line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", choices=list(SIDES), action="append")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    for model in given.model or SIDES:
        found = measure(model, steps=given.steps, rounds=given.rounds)
        print(
            f"{found['model']}, batches of {found['batch']}: real / held in memory"
            f" {found['wall_ratio']:.3f} wall, {found['cpu_ratio']:.3f} CPU"
            f" ({found['cpu_ms_a_step']:.0f} CPU ms a step)"
        )


if __name__ == "__main__":
    main()
