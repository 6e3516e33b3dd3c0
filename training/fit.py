"""Fitting: from pictures and a recipe to weights, one checkpoint an epoch.

Bit for bit: the batches are a function of seed and epoch, the random numbers of dropout and
augmentation are variables of the model, and a checkpoint holds every variable. So on a CPU a
training that is killed and started again ends with the weights of one that never was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training import history as histories
from training.checkpoint import Checkpoints
from training.errors import DivergedError, PausedError, TrainingError
from training.history import Epoch, History
from training.pictures import Pictures, balanced_weights, batches, steps_in_epoch
from training.recipe import TrainRecipe

Network = Any

Batch = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of epochs with one optimizer."""

    first: int
    """Counted from 0."""
    end: int
    learning_rate: float
    thaws: bool = False
    """Whether the backbone is trained from here on."""


def phases(recipe: TrainRecipe, *, is_frozen: bool) -> tuple[Phase, ...]:
    """The phases of a training; a frozen backbone may be freed for the second."""
    thaw = recipe.frozen_epochs
    if not is_frozen or thaw is None or thaw >= recipe.epochs:
        return (Phase(first=0, end=recipe.epochs, learning_rate=recipe.learning_rate),)
    frozen = Phase(first=0, end=thaw, learning_rate=recipe.learning_rate)
    thawed = Phase(
        first=thaw, end=recipe.epochs, learning_rate=recipe.thawed_learning_rate, thaws=True
    )
    return (frozen, thawed) if thaw else (thawed,)


def fit(
    network: Network,
    *,
    train: Pictures,
    val: Pictures,
    recipe: TrainRecipe,
    is_frozen: bool,
    checkpoints: Checkpoints,
    on_step: Callable[[int], None],
    on_epoch: Callable[[Epoch, History], None],
) -> History:
    """Fit `network` and leave it with the weights of its best epoch.

    Args:
        network: A built Keras model; not compiled.
        train: What it learns from.
        val: What chooses the best epoch; may be empty, then the last one stands.
        recipe: How.
        is_frozen: Whether it has a backbone that stands still at first.
        checkpoints: Where each epoch is kept. What lies there is gone on from.
        on_step: Told the epoch, counted from 0, after each of its steps.
        on_epoch: Told each epoch, and the history up to it.

    Raises:
        DivergedError: the loss is not a number any more; the epochs before are kept.
        PausedError: the user interrupted; the epochs before are kept.
    """
    model = _with_augmentation(network, recipe)
    keeper = _Keeper(recipe, checkpoints, on_step, on_epoch)
    if keeper.history:
        checkpoints.restore(model=model.variables)
    for phase in phases(recipe, is_frozen=is_frozen):
        if phase.thaws:
            _thaw(network)
        if len(keeper.history) < phase.end and not keeper.is_stalled:
            _fit_phase(model, phase, train=train, val=val, recipe=recipe, keeper=keeper)
    if leader := histories.best(keeper.history, recipe.monitor):
        checkpoints.restore_best(leader.epoch, model.variables)
    return keeper.history


def _with_augmentation(network: Network, recipe: TrainRecipe) -> Network:
    """The network behind layers that flip and shift at random; it shares its weights."""
    moves = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(recipe.shift, recipe.shift, fill_mode="reflect"),
    ]
    return keras.Sequential(
        [keras.Input(network.input_shape[1:]), *(moves if recipe.augments else []), network]
    )


def _thaw(network: Network) -> None:
    """Free the backbone, except its batch-norm statistics: few pictures would ruin them."""
    backbone = network.get_layer("backbone")
    backbone.trainable = True
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _fit_phase(
    model: Network,
    phase: Phase,
    *,
    train: Pictures,
    val: Pictures,
    recipe: TrainRecipe,
    keeper: _Keeper,
) -> None:
    """Train through one phase in a single call: a second one would end it another way."""
    done = len(keeper.history)
    model.compile(
        optimizer=_OPTIMIZERS[recipe.optimizer](phase.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    if done > phase.first:
        keeper.checkpoints.restore(model=model.variables, optimizer=model.optimizer.variables)
    try:
        model.fit(
            _training_batches(
                train, recipe, classes=model.output_shape[-1], done=done, phase=phase
            ),
            steps_per_epoch=steps_in_epoch(len(train), recipe.batch_size),
            shuffle=False,  # The batches come in an order of their own.
            initial_epoch=done,
            epochs=phase.end,
            validation_data=_InOrder(val, recipe.batch_size) if len(val) else None,
            callbacks=[keeper],
            verbose=0,
        )
    except KeyboardInterrupt:
        raise PausedError(_how_to_go_on(keeper)) from None
    except MemoryError as error:
        raise TrainingError(
            f"memory ran out with batches of {recipe.batch_size}: try a smaller --batch-size"
        ) from error


_OPTIMIZERS: dict[str, Callable[[float], Any]] = {
    "adam": keras.optimizers.Adam,
    "adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.01),
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
}


def _training_batches(
    train: Pictures, recipe: TrainRecipe, *, classes: int, done: int, phase: Phase
) -> Iterator[Batch]:
    weights = (
        balanced_weights(train.labels, classes)
        if recipe.balances_classes
        else np.ones(classes, np.float32)
    )
    return batches(
        train,
        weights=weights,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        first_epoch=done,
        epochs=phase.end,
    )


def _how_to_go_on(keeper: _Keeper) -> str:
    done = len(keeper.history)
    if not done:
        return "stopped before the first epoch was complete: nothing is kept, begin again"
    return (
        f"stopped in epoch {done + 1}; the {done} before it are kept in"
        f" {keeper.checkpoints.folder.parent}: the same command with --run"
        f" {keeper.checkpoints.folder.parent} goes on from there"
    )


class _InOrder(keras.utils.PyDataset):  # type: ignore[misc]  # Keras publishes no types.
    """The pictures of a split as they come, for validation."""

    def __init__(self, pictures: Pictures, batch_size: int) -> None:
        super().__init__()
        self._pictures, self._batch_size = pictures, batch_size

    def __len__(self) -> int:
        return steps_in_epoch(len(self._pictures), self._batch_size)

    def __getitem__(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        part = slice(step * self._batch_size, (step + 1) * self._batch_size)
        return self._pictures.pixels[part], self._pictures.labels[part]


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types.
    """Keeps each epoch, tells of it, and stops when no better one comes."""

    def __init__(
        self,
        recipe: TrainRecipe,
        checkpoints: Checkpoints,
        on_step: Callable[[int], None],
        on_epoch: Callable[[Epoch, History], None],
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.history: History = checkpoints.history()
        self._recipe, self._on_step, self._on_epoch = recipe, on_step, on_epoch
        self._began_s = 0.0

    @property
    def is_stalled(self) -> bool:
        """Whether the recipe's patience is at an end."""
        recipe = self._recipe
        return histories.is_stalled(self.history, recipe.monitor, patience=recipe.patience)

    def on_epoch_begin(self, _epoch: int, logs: object = None) -> None:  # noqa: ARG002
        """Start the clock."""
        self._began_s = time.perf_counter()

    def on_train_batch_end(self, _batch: int, logs: object = None) -> None:  # noqa: ARG002
        """Tell of a step."""
        self._on_step(len(self.history))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the epoch, its variables, and whether it is the best."""
        row = self._row(epoch + 1, logs or {})
        self.history = (*self.history, row)
        leader = histories.best(self.history, self._recipe.monitor)
        if leader is row:
            self.checkpoints.save_best(row.epoch, self.model.variables)
        self.checkpoints.save(
            self.history, model=self.model.variables, optimizer=self.model.optimizer.variables
        )
        if leader is row:
            self.checkpoints.forget_all_but(row.epoch)
        self._on_epoch(row, self.history)
        self.model.stop_training = self.is_stalled

    def _row(self, epoch: int, logs: dict[str, float]) -> Epoch:
        figures = {name: float(logs[name]) for name in _FIGURES if name in logs}
        if not all(math.isfinite(value) for value in figures.values()):
            raise DivergedError(
                f"the loss is not a number any more after epoch {epoch}: try a smaller"
                f" --learning-rate (it was {self._recipe.learning_rate:g})"
            )
        return Epoch(
            epoch=epoch,
            **figures,
            learning_rate=float(self.model.optimizer.learning_rate.numpy()),
            duration_s=round(time.perf_counter() - self._began_s, 3),
        )


_FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
