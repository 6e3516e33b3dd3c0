"""Fitting: from pictures and a recipe to weights, one checkpoint an epoch.

Bit for bit: the batches are a function of seed and epoch, the random numbers of dropout and
augmentation are variables of the model, and a checkpoint holds every variable. So on a CPU a
training that is killed and started again ends with the weights of one that never was.

The steps are taken one by one: `Model.fit` would hide where it stands, and with TensorFlow
its input pipeline takes seconds to end, at worst as long as an epoch.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import keras
import numpy as np
from numpy.typing import NDArray

from training.checkpoint import Checkpoints
from training.errors import DivergedError, PausedError, TrainingError
from training.history import Epoch, Progress, best, is_stalled
from training.measure import cross_entropy
from training.pictures import Pictures, balanced_weights, epoch_batches
from training.predict import probabilities_of
from training.recipe import TrainRecipe

Network = Any


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
    on_step: Callable[[Progress], None],
    is_interrupted: Callable[[], bool],
) -> Iterator[Epoch]:
    """Yield each epoch as it is done and kept; in the end `network` has its best weights.

    Args:
        network: A built Keras model; not compiled.
        train: What it learns from.
        val: What chooses the best epoch; may be empty, then the last one stands.
        recipe: How.
        is_frozen: Whether it has a backbone that stands still at first.
        checkpoints: Where each epoch is kept. What lies there is gone on from.
        on_step: Told the progress after each step.
        is_interrupted: Asked after each step whether to keep what is done, and stop.

    Raises:
        DivergedError: the loss is not a number any more; the epochs before are kept.
        PausedError: it was interrupted; all it did is kept.
    """
    model = _with_augmentation(network, recipe)
    training = _Training(
        model,
        network,
        train=train,
        val=val,
        recipe=recipe,
        checkpoints=checkpoints,
        on_step=on_step,
        is_interrupted=is_interrupted,
    )
    for phase in phases(recipe, is_frozen=is_frozen):
        if phase.thaws:
            _thaw(network)
        yield from training.run(phase)
    if leader := best(training.progress.history, recipe.monitor):
        checkpoints.restore_best(leader.epoch, model.variables)


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


class _Training:
    """A training under way, one step after the other."""

    def __init__(
        self,
        model: Network,
        network: Network,
        *,
        train: Pictures,
        val: Pictures,
        recipe: TrainRecipe,
        checkpoints: Checkpoints,
        on_step: Callable[[Progress], None],
        is_interrupted: Callable[[], bool],
    ) -> None:
        self.progress = checkpoints.progress()
        self._model, self._network = model, network
        self._train, self._val, self._recipe = train, val, recipe
        self._checkpoints = checkpoints
        self._on_step, self._is_interrupted = on_step, is_interrupted
        self._weights = (
            balanced_weights(train.labels, model.output_shape[-1])
            if recipe.balances_classes
            else np.ones(model.output_shape[-1], np.float32)
        )

    def run(self, phase: Phase) -> Iterator[Epoch]:
        """Yield the epochs of a phase that are still to be done."""
        if self.progress.epochs >= phase.end or self._is_stalled():
            return
        self._prepare(phase)
        while self.progress.epochs < phase.end and not self._is_stalled():
            yield self._epoch()

    def _is_stalled(self) -> bool:
        history, recipe = self.progress.history, self._recipe
        return is_stalled(history, recipe.monitor, patience=recipe.patience)

    def _prepare(self, phase: Phase) -> None:
        """Give the phase its optimizer; go on with the variables of the checkpoint, if any."""
        self._model.compile(
            optimizer=_OPTIMIZERS[self._recipe.optimizer](phase.learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        self._model.optimizer.build(self._model.trainable_variables)
        if self.progress != Progress():
            self._checkpoints.restore(model=self._model.variables)
        if self.progress.epochs > phase.first or self.progress.step:
            self._checkpoints.restore(optimizer=self._model.optimizer.variables)

    def _epoch(self) -> Epoch:
        """Do what is left of the epoch, validate, and keep it."""
        began_s = time.perf_counter()
        for places in self._batches()[self.progress.step :]:
            self._step(places)
        row = self._row(began_s)
        self.progress = Progress(history=(*self.progress.history, row))
        self._keep(row)
        return row

    def _batches(self) -> list[NDArray[np.intp]]:
        return epoch_batches(
            pictures=len(self._train),
            batch_size=self._recipe.batch_size,
            seed=self._recipe.seed,
            epoch=self.progress.epochs,
        )

    def _step(self, places: NDArray[np.intp]) -> None:
        labels = self._train.labels[places]
        with _out_of_memory_told(self._recipe):
            self._model.reset_metrics()
            loss, accuracy = self._model.train_on_batch(
                self._train.pixels[places], labels, self._weights[labels]
            )
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is not a number any more in epoch {self.progress.epochs + 1}:"
                f" try a smaller --learning-rate (it was {self._recipe.learning_rate:g})"
            )
        self.progress = replace(
            self.progress,
            step=self.progress.step + 1,
            tally=self.progress.tally.plus(
                pictures=len(places), loss=float(loss), accuracy=float(accuracy)
            ),
        )
        self._on_step(self.progress)
        if self._is_interrupted():
            self._pause()

    def _pause(self) -> NoReturn:
        self._save()
        raise PausedError(
            f"stopped after step {self.progress.step} of epoch {self.progress.epochs + 1};"
            f" all of it is kept in {self._checkpoints.folder}: the same command goes on"
        )

    def _row(self, began_s: float) -> Epoch:
        tally = self.progress.tally
        said = probabilities_of(self._network, self._val.pixels)
        right = said.argmax(axis=1) == self._val.labels
        return Epoch(
            epoch=self.progress.epochs + 1,
            loss=tally.loss / tally.pictures,
            accuracy=tally.right / tally.pictures,
            val_loss=cross_entropy(self._val.labels, said),
            val_accuracy=float(right.mean()) if len(right) else None,
            learning_rate=float(self._model.optimizer.learning_rate.numpy()),
            duration_s=round(time.perf_counter() - began_s, 3),
        )

    def _keep(self, row: Epoch) -> None:
        is_best = best(self.progress.history, self._recipe.monitor) is row
        if is_best:
            self._checkpoints.save_best(row.epoch, self._model.variables)
        self._save()
        if is_best:
            self._checkpoints.forget_all_but(row.epoch)

    def _save(self) -> None:
        self._checkpoints.save(
            self.progress,
            model=self._model.variables,
            optimizer=self._model.optimizer.variables,
        )


_OPTIMIZERS: dict[str, Callable[[float], Any]] = {
    "adam": keras.optimizers.Adam,
    "adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.01),
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
}

_OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}


@contextlib.contextmanager
def _out_of_memory_told(recipe: TrainRecipe) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Each backend has a type of its own, and they share no base.
        if type(error).__name__ in _OUT_OF_MEMORY or "RESOURCE_EXHAUSTED" in str(error):
            raise TrainingError(
                f"memory ran out with batches of {recipe.batch_size} pictures:"
                " try a smaller --batch-size"
            ) from error
        raise
