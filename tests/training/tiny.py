"""A tiny network and its training, also as a program that kills itself at a chosen moment.

python tiny.py CHECKPOINT_FOLDER step N     dies after step N, without a word
python tiny.py CHECKPOINT_FOLDER write N    dies in the midst of writing its Nth file
"""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from training import backend
from training.checkpoint import Checkpoints
from training.history import Epoch, Progress
from training.pictures import Pictures
from training.recipe import TrainRecipe

RECIPE = TrainRecipe(epochs=4, batch_size=4, learning_rate=0.01, seed=3, patience=0)


def network(*, is_frozen: bool = False) -> Any:
    """Dropout and batch norm, so that there is a state to lose."""
    backend.start()
    import keras
    from keras import layers

    keras.utils.set_random_seed(RECIPE.seed)
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(momentum=0.9)],
        name="backbone",
    )
    backbone.trainable = not is_frozen
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            backbone,
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def pictures(count: int, *, seed: int = 0) -> Pictures:
    """Noise, brighter where the label is 1."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int32)
    pixels = rng.integers(0, 156, (count, 8, 8, 3)) + 80 * labels[:, None, None, None]
    return Pictures(pixels=pixels.astype(np.uint8), labels=labels, rows=())


def train(
    checkpoints: Checkpoints,
    *,
    recipe: TrainRecipe = RECIPE,
    val: int = 6,
    on_step: Callable[[Progress], None] = lambda _: None,
    is_interrupted: Callable[[], bool] = lambda: False,
    model: Any = None,
) -> tuple[Any, list[Epoch]]:
    """Train to the end; return the network and the epochs that this call did."""
    model = model or network()
    from training.fit import fit

    epochs = fit(
        model,
        train=pictures(18),
        val=pictures(val, seed=1),
        recipe=recipe,
        is_frozen=False,
        checkpoints=checkpoints,
        on_step=on_step,
        is_interrupted=is_interrupted,
    )
    return model, list(epochs)


def sha256(model: Any) -> str:
    """Of every variable of a network, bit for bit."""
    return hashlib.sha256(b"".join(each.numpy().tobytes() for each in model.variables)).hexdigest()


class DyingCheckpoints(Checkpoints):
    """Kills its process in the midst of writing the file of a number."""

    def __init__(self, folder: Path, *, at: int) -> None:
        super().__init__(folder)
        self._at, self._written = at, itertools.count(1)

    def _write(self, name: str, arrays: dict[str, Any]) -> None:
        if next(self._written) == self._at:
            (self.folder / f".{name}").write_bytes(b"PK half a file")
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write(name, arrays)


def main(folder: str, moment: str, number: str) -> None:
    """Train until death."""
    steps = itertools.count(1)

    def die(_: Progress) -> None:
        if next(steps) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    if moment == "step":
        train(Checkpoints(Path(folder)), on_step=die)
    else:
        train(DyingCheckpoints(Path(folder), at=int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
