"""Fitting: from pictures and a recipe to weights, one checkpoint an epoch.

Bit for bit: batches and what augmentation does to them are functions of seed and step, the
random numbers of dropout are variables of the model, and a checkpoint holds every variable.
So on a CPU a training that is killed and started again ends with the weights of one that
never was.

The steps are taken one by one: `Model.fit` would hide where it stands, would write moving
averages over the weights at its end, and with TensorFlow its input pipeline takes seconds to
end, at worst as long as an epoch.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training import transfer
from training.augmentation import Augmentation, columns, draws
from training.checkpoint import Checkpoints
from training.errors import DivergedError, PausedError, TrainingError
from training.history import Epoch, Progress, Tally, best, is_stalled
from training.measure import cross_entropy
from training.pictures import Pictures, balanced_weights, epoch_batches, steps_in_epoch
from training.predict import probabilities_of
from training.recipe import TrainRecipe
from training.schedule import averages, optimizer, rates

Network = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of epochs in which the same part of a network learns."""

    first: int
    """Counted from 0."""
    end: int
    learns: Literal["all", "head", "thawed"]
    """All of it; the head, on frozen features, in one go; or head and freed backbone."""


def phases(recipe: TrainRecipe, *, has_backbone: bool) -> tuple[Phase, ...]:
    """The phases of a training. A head's takes one epoch, and `recipe.epochs` follow it."""
    if not has_backbone or recipe.transfer == "whole":
        return (Phase(first=0, end=recipe.epochs, learns="all"),)
    head = Phase(first=0, end=1, learns="head")
    if recipe.transfer == "frozen":
        return (head,)
    return (head, Phase(first=1, end=1 + recipe.epochs, learns="thawed"))


def fit(
    network: Network,
    *,
    train: Pictures,
    val: Pictures,
    recipe: TrainRecipe,
    checkpoints: Checkpoints,
    on_step: Callable[[Progress], None],
    is_interrupted: Callable[[], bool],
) -> Iterator[Epoch]:
    """Yield each epoch as it is done and kept; in the end `network` has the weights it chose.

    It needs no run and no dataset: any pictures will do, so folds and seeds can be fitted by
    calling it with other pictures or another recipe, and a checkpoint folder of their own.

    Args:
        network: A built Keras model; not compiled. Its layer `backbone`, if it has one, is
            frozen and freed as the recipe says.
        train: What it learns from.
        val: What chooses the best epoch; may be empty, then the last one stands.
        recipe: How.
        checkpoints: Where each epoch is kept. What lies there is gone on from.
        on_step: Told the progress after each step.
        is_interrupted: Asked after each step whether to keep what is done, and stop.

    Raises:
        DivergedError: the loss is not a number any more; the epochs before are kept.
        PausedError: it was interrupted; all it did is kept.
    """
    model = _training_model(network, recipe)
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
    backbone = transfer.backbone_of(network)
    for phase in phases(recipe, has_backbone=backbone is not None):
        if phase.learns == "head":
            transfer.freeze(backbone)
        elif phase.learns == "thawed":
            transfer.thaw(backbone, share=recipe.thawed_share)
        yield from training.run(phase)
    if leader := best(training.progress.history, recipe.monitor):
        checkpoints.restore_best(leader.epoch, model.variables)


def _training_model(network: Network, recipe: TrainRecipe) -> Network:
    """The network behind its augmentation; it shares its weights.

    Pixels, targets (n, classes) and draws in; what the network says and what it should have
    said, side by side, out: augmentation may mix what pictures show.
    """
    inputs = [
        keras.Input(network.input_shape[1:], dtype="uint8"),
        keras.Input(network.output_shape[1:], dtype="float32"),
        keras.Input((columns(recipe),), dtype="float32"),
    ]
    pixels, targets = Augmentation(recipe)(inputs)
    said = keras.layers.Concatenate(dtype="float32")([network(pixels), targets])
    return keras.Model(inputs, said)


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
        self._classes = network.output_shape[-1]
        self._targets = np.eye(self._classes, dtype=np.float32)
        self._weights = (
            balanced_weights(train.labels, self._classes)
            if recipe.balance == "weights"
            else np.ones(self._classes, np.float32)
        )

    def run(self, phase: Phase) -> Iterator[Epoch]:
        """Yield the epochs of a phase that are still to be done."""
        if self.progress.epochs >= phase.end or self._is_stalled():
            return
        if phase.learns == "head":
            yield self._head()
            return
        self._prepare(phase)
        while self.progress.epochs < phase.end and not self._is_stalled():
            yield self._epoch()

    def _is_stalled(self) -> bool:
        history, recipe = self.progress.history, self._recipe
        return is_stalled(history, recipe.monitor, patience=recipe.patience)

    def _head(self) -> Epoch:
        """Fit the head; it is done in one go, so there is nothing to go on from."""
        began_s = time.perf_counter()
        with _out_of_memory_told(self._recipe):
            said = transfer.fit_head(self._network, self._train, weights=self._weights)
        right = said.argmax(axis=1) == self._train.labels
        tally = Tally(
            pictures=len(self._train),
            loss=len(self._train) * (cross_entropy(self._train.labels, said) or 0.0),
            right=float(right.sum()),
        )
        self.progress = replace(self.progress, tally=tally)
        return self._ended(began_s)

    def _prepare(self, phase: Phase) -> None:
        """Give the phase its optimizer; go on with the variables of the checkpoint, if any."""
        model, recipe = self._model, self._recipe
        backbone = transfer.backbone_of(self._network)
        a_epoch = steps_in_epoch(len(self._train), recipe.batch_size)
        made = optimizer(
            recipe,
            rates(recipe, steps=a_epoch * (phase.end - phase.first), steps_in_epoch=a_epoch),
            variables=model.trainable_variables,
            factors=transfer.rate_factors(backbone, decay=recipe.rate_decay) if backbone else {},
        )
        model.compile(
            optimizer=made,
            loss=_loss(recipe, self._weights),
            metrics=[_accuracy],
        )
        if self.progress != Progress():
            self._checkpoints.restore(model=model.variables)
        if self.progress.epochs > phase.first or self.progress.step:
            self._checkpoints.restore(optimizer=model.optimizer.variables)

    def _epoch(self) -> Epoch:
        """Do what is left of the epoch, validate, and keep it."""
        began_s = time.perf_counter()
        for places in self._batches()[self.progress.step :]:
            self._step(places)
        return self._ended(began_s)

    def _ended(self, began_s: float) -> Epoch:
        with self._averaged():
            row = self._row(began_s)
            self.progress = Progress(history=(*self.progress.history, row))
            is_best = best(self.progress.history, self._recipe.monitor) is row
            if is_best:
                self._checkpoints.save_best(row.epoch, self._model.variables)
        self._save()
        if is_best:
            self._checkpoints.forget_all_but(row.epoch)
        return row

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Let the model have the moving averages of its weights, where there are any."""
        made = self._model.optimizer if self._model.compiled else None
        moving = averages(made) if made else []
        own = [variable.numpy() for variable in self._model.trainable_variables] if moving else []
        for variable, average in zip(self._model.trainable_variables, moving, strict=False):
            variable.assign(average)
        yield
        for variable, value in zip(self._model.trainable_variables, own, strict=False):
            variable.assign(value)

    def _batches(self) -> list[NDArray[np.intp]]:
        recipe = self._recipe
        return epoch_batches(
            pictures=len(self._train),
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            epoch=self.progress.epochs,
            labels=self._train.labels if recipe.balance == "sampling" else None,
        )

    def _step(self, places: NDArray[np.intp]) -> None:
        targets = self._targets[self._train.labels[places]]
        drawn = draws(
            self._recipe, epoch=self.progress.epochs, step=self.progress.step, places=places
        )
        with _out_of_memory_told(self._recipe):
            self._model.reset_metrics()
            loss, accuracy = self._model.train_on_batch(
                [self._train.pixels[places], targets, drawn], targets
            )
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is not a number any more in epoch {self.progress.epochs + 1}:"
                f" try a smaller --learning-rate (it was {self._recipe.learning_rate:g}),"
                " or --clip-norm 1"
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
            learning_rate=self._rate(),
            duration_s=round(time.perf_counter() - began_s, 3),
        )

    def _rate(self) -> float:
        if not self._model.compiled:
            return 0.0
        return float(ops.convert_to_numpy(self._model.optimizer.learning_rate))

    def _save(self) -> None:
        model = self._model
        self._checkpoints.save(
            self.progress,
            model=model.variables,
            optimizer=model.optimizer.variables if model.compiled else (),
        )


def _loss(recipe: TrainRecipe, weights: NDArray[np.float32]) -> Callable[[Any, Any], Any]:
    """The loss of a training model's output; a picture weighs what its classes weigh."""
    classes = len(weights)

    def loss(_targets: Any, output: Any) -> Any:
        said, mixed = output[:, :classes], output[:, classes:]
        losses = keras.losses.categorical_crossentropy(
            mixed, said, label_smoothing=recipe.label_smoothing
        )
        return losses * ops.sum(mixed * weights, axis=-1)

    return loss


def _accuracy(targets: Any, output: Any) -> Any:
    """Whether the most probable class is what the picture showed before it was mixed."""
    said = output[:, : targets.shape[-1]]
    return ops.cast(ops.argmax(said, -1) == ops.argmax(targets, -1), "float32")


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
