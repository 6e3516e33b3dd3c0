"""Does the input ever starve the device? Real batches beside one batch held in memory.

    python benchmarks/input.py --dataset DATASET [--model cifar-vgg] [--steps 3] [--rounds 3]
    python benchmarks/input.py [--model cifar-vgg] [--steps 40] [--rounds 5]

With a dataset, a round is a whole epoch over its training pictures, as training loads them, and
as many steps on one batch; the system is told to forget what it has of the mapped file before.
Else some steps on drawn noise. The two are taken in turns, a few steps each, so that a busy
machine slows both alike. The bar is a ratio of at most 1.05, in wall time and in CPU time: what
the real input adds is to find, map and copy the pictures of a batch.
"""

from __future__ import annotations

import argparse
import itertools
import math
import mmap
import os
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

from curation.dataset import Dataset
from training import backend, presets
from training.models import find
from training.pictures import Pictures, epoch_batches, load
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

    def __init__(self, model: str, recipe: TrainRecipe, pictures: Pictures) -> None:
        from training.steps import Stepper

        side_px, classes = pictures.pixels.shape[1], int(pictures.labels.max()) + 1
        network = fresh_network(
            find(model), recipe, side_px=side_px, classes=classes, first_weights=None
        )
        self._stepper = Stepper(network, recipe, weights=np.ones(classes, np.float32))
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

    @property
    def in_epoch(self) -> int:
        """Steps over all pictures once."""
        return len(self._batches(0))

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


def in_turns(both: Steps, *, steps: int, count: int) -> Iterator[tuple[float, ...]]:
    """Wall and CPU seconds of real steps and then of held ones, some at a time, `count` in all."""
    real, held = both.real(), both.held()
    for begun in itertools.cycle(range(0, count, steps)):
        some = min(steps, count - begun)
        yield (*timed(real, some), *timed(held, some))


def forget(pixels: NDArray[np.uint8]) -> None:
    """Have what lies in a mapped file read from the disk again, where the system can be told."""
    mapped = getattr(pixels, "_mmap", None)
    if mapped is None or not hasattr(os, "posix_fadvise"):
        return
    mapped.madvise(mmap.MADV_DONTNEED)  # What a process has in its map stays in memory.
    with Path(str(pixels.filename)).open("rb") as file:  # type: ignore[attr-defined]
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(model: str, dataset: Path | None, *, steps: int, rounds: int) -> dict[str, Any]:
    """The ratios of real to held steps: the medians over the rounds."""
    backend.start()
    side_px = SIDES[model]
    recipe = presets.fitted_to(presets.recipe("strong", find(model)), side_px=side_px, given=())
    with tempfile.TemporaryDirectory() as folder:
        if dataset:
            opened = Dataset.open(dataset)
            pictures = load(opened, "train", side_px=side_px, cache=Path(folder))
        else:
            pictures = mapped(Path(folder), PICTURES[model], side_px)
        both = Steps(model, recipe, pictures)
        whole = both.in_epoch if dataset else steps
        turns = in_turns(both, steps=steps, count=whole)
        next(in_turns(both, steps=3, count=3))
        pairs = []
        for _ in range(rounds):
            forget(pictures.pixels)
            parts = list(itertools.islice(turns, math.ceil(whole / steps)))
            sums = [sum(part) for part in zip(*parts, strict=True)]
            pairs.append((sums[:2], sums[2:]))
    return {
        "pictures": len(pictures),
        "steps": whole,
        "model": model,
        "batch": recipe.batch_size,
        "wall_ratio": statistics.median(one[0] / other[0] for one, other in pairs),
        "cpu_ratio": statistics.median(one[1] / other[1] for one, other in pairs),
        "cpu_ms_a_step": 1000 * statistics.median(one[1] for one, _ in pairs) / whole,
    }


def main() -> None:
    """Measure, and print a line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", choices=list(SIDES), action="append")
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    for model in given.model or SIDES:
        found = measure(model, given.dataset, steps=given.steps, rounds=given.rounds)
        print(
            f"{found['model']}, {found['pictures']} pictures, {found['steps']} steps a round,"
            f" batches of {found['batch']}: real / held in memory"
            f" {found['wall_ratio']:.3f} wall, {found['cpu_ratio']:.3f} CPU"
            f" ({found['cpu_ms_a_step']:.0f} CPU ms a step)"
        )


if __name__ == "__main__":
    main()
