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
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from training import backend, transfer
from training.checkpoint import Checkpoints
from training.errors import DivergedError, PausedError
from training.history import Epoch, Progress, Tally, best, is_stalled
from training.measure import cross_entropy
from training.pictures import Pictures, balanced_weights, epoch_batches, steps_in_epoch
from training.predict import BATCH_SIZE, probabilities_of
from training.recipe import TrainRecipe
from training.steps import Stepper, out_of_memory_told

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
        is_interrupted: Asked after each step, and each epoch, whether to keep what is done, and
            stop.

    Raises:
        DivergedError: the loss is not a number any more; the epochs before are kept.
        PausedError: it was interrupted; all it did is kept.
    """
    training = _Training(
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
        checkpoints.restore_best(leader.epoch, training.variables)


class _Training:
    """A training under way, one step after the other."""

    def __init__(
        self,
        network: Network,
        *,
        train: Pictures,
        val: Pictures,
        recipe: TrainRecipe,
        checkpoints: Checkpoints,
        on_step: Callable[[Progress], None],
        is_interrupted: Callable[[], bool],
    ) -> None:
        classes = network.output_shape[-1]
        self.progress = checkpoints.progress()
        self._network = network
        self._train, self._val, self._recipe = train, val, recipe
        self._checkpoints = checkpoints
        self._on_step, self._is_interrupted = on_step, is_interrupted
        self._weights = (
            balanced_weights(train.labels, classes)
            if recipe.balance == "weights"
            else np.ones(classes, np.float32)
        )
        self._stepper = Stepper(network, recipe, weights=self._weights)

    @property
    def variables(self) -> list[Any]:
        """All that the network is: weights, statistics, random states."""
        variables: list[Any] = self._network.variables
        return variables

    def run(self, phase: Phase) -> Iterator[Epoch]:
        """Yield the epochs of a phase that are still to be done."""
        if self.progress.epochs >= phase.end or self._is_stalled():
            return
        if phase.learns == "head":
            yield self._head()
            self._pause_if_asked()
            return
        self._prepare(phase)
        while self.progress.epochs < phase.end and not self._is_stalled():
            yield self._epoch()
            self._pause_if_asked()

    def _is_stalled(self) -> bool:
        history, recipe = self.progress.history, self._recipe
        return is_stalled(history, recipe.monitor, patience=recipe.patience)

    def _head(self) -> Epoch:
        """Fit the head; it is done in one go, so there is nothing to go on from."""
        began_s = time.perf_counter()
        with out_of_memory_told(BATCH_SIZE, less="a smaller --enlarge, or a smaller network"):
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
        recipe, backbone = self._recipe, transfer.backbone_of(self._network)
        a_epoch = steps_in_epoch(len(self._train), recipe.batch_size)
        self._stepper.compile(
            steps=a_epoch * (phase.end - phase.first),
            steps_in_epoch=a_epoch,
            factors=transfer.rate_factors(backbone, decay=recipe.rate_decay) if backbone else {},
        )
        if self.progress != Progress():
            self._checkpoints.restore(model=self.variables)
        if self.progress.epochs > phase.first or self.progress.step:
            self._checkpoints.restore(optimizer=self._stepper.optimizer.variables)

    def _epoch(self) -> Epoch:
        """Do what is left of the epoch, validate, and keep it."""
        began_s = time.perf_counter()
        for places in self._batches()[self.progress.step :]:
            self._step(places)
        with self._divergence_dated():
            self._stepper.require_numbers()
        return self._ended(began_s)

    @contextlib.contextmanager
    def _divergence_dated(self) -> Iterator[None]:
        try:
            yield
        except DivergedError as error:
            raise DivergedError(f"in epoch {self.progress.epochs + 1} {error}") from error

    def _batches(self) -> list[NDArray[np.intp]]:
        recipe = self._recipe
        return epoch_batches(
            pictures=len(self._train),
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            epoch=self.progress.epochs,
            labels=self._train.labels if recipe.balance == "sampling" else None,
            multiple=backend.sharers(),
        )

    def _step(self, places: NDArray[np.intp]) -> None:
        progress = self.progress
        batch = self._stepper.batch(self._train, places, epoch=progress.epochs, step=progress.step)
        self._stepper.seed(epoch=progress.epochs, step=progress.step)
        with self._divergence_dated():
            loss, accuracy = self._stepper.take(batch)
        tally = progress.tally.plus(pictures=len(places), loss=loss, accuracy=accuracy)
        self.progress = replace(progress, step=progress.step + 1, tally=tally)
        self._on_step(self.progress)
        if self._is_interrupted():
            self._save()
            self._pause(f"step {self.progress.step} of epoch {self.progress.epochs + 1}")

    def _pause_if_asked(self) -> None:
        """Between epochs: to validate takes a while, too, and a head is fitted in one go."""
        if self._is_interrupted():
            self._pause(f"epoch {self.progress.epochs}")

    def _pause(self, last: str) -> NoReturn:
        raise PausedError(
            f"stopped after {last}; all of it is kept in {self._checkpoints.folder}:"
            " the same command goes on"
        )

    def _ended(self, began_s: float) -> Epoch:
        with self._stepper.averaged():
            row = self._row(began_s)
            self.progress = Progress(history=(*self.progress.history, row))
            is_best = best(self.progress.history, self._recipe.monitor) is row
            if is_best:
                self._checkpoints.save_best(row.epoch, self.variables)
        self._save()
        if is_best:
            self._checkpoints.forget_all_but(row.epoch)
        return row

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
            learning_rate=self._stepper.rate,
            duration_s=round(time.perf_counter() - began_s, 3),
        )

    def _save(self) -> None:
        made = self._stepper.optimizer
        self._checkpoints.save(
            self.progress, model=self.variables, optimizer=made.variables if made else ()
        )
