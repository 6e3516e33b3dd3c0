"""A tiny network and its training, also as a program that kills itself at a chosen moment.

python tiny.py CHECKPOINT_FOLDER step N     dies after step N, without a word
python tiny.py CHECKPOINT_FOLDER write N    dies in the midst of writing its Nth file
python tiny.py CHECKPOINT_FOLDER rename N   dies when its Nth file is written, and has no name yet
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

RECIPE = TrainRecipe(
    epochs=4,
    batch_size=4,
    optimizer="muon",
    learning_rate=0.01,
    schedule="one-cycle",
    warmup_epochs=1,
    weight_decay=0.01,
    label_smoothing=0.1,
    clip_norm=1.0,
    ema=0.8,
    seed=3,
    patience=0,
    balance="sampling",
    flips="alternate",
    colour=0.2,
    rand_augment=1,
    erasing=0.5,
    mixup=0.3,
    cutmix=0.3,
)
"""All that there is, so that there is a state to lose; the head learns by AdamW."""


def network() -> Any:
    """Dropout and batch norm, so that there is a state to lose."""
    backend.start()
    import keras
    from keras import layers

    keras.utils.set_random_seed(RECIPE.seed)
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(momentum=0.9)],
        name="backbone",
    )
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            backbone,
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(2, activation="softmax", name="labels"),
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
        checkpoints=checkpoints,
        on_step=on_step,
        is_interrupted=is_interrupted,
    )
    return model, list(epochs)


def sha256(model: Any) -> str:
    """Of every variable of a network, bit for bit."""
    return hashlib.sha256(b"".join(each.numpy().tobytes() for each in model.variables)).hexdigest()


class DyingCheckpoints(Checkpoints):
    """Kills its process in the midst of writing the file of a number, or just afterwards."""

    def __init__(self, folder: Path, *, at: int, has_written: bool) -> None:
        super().__init__(folder)
        self._at, self._has_written, self._files = at, has_written, itertools.count(1)

    def _write(self, name: str, arrays: dict[str, Any]) -> None:
        if next(self._files) == self._at:
            self.folder.mkdir(exist_ok=True)
            if self._has_written:
                super()._write(f"almost-{name}", arrays)
            else:
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
        train(DyingCheckpoints(Path(folder), at=int(number), has_written=moment == "rename"))


if __name__ == "__main__":
    main(*sys.argv[1:])
