"""Steps: a network behind its augmentation and under its loss, moved one batch at a time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.augmentation import Augmentation, columns, draws
from training.errors import DivergedError, TrainingError
from training.folding import folded
from training.pictures import Pictures
from training.recipe import TrainRecipe
from training.schedule import averages, optimizer, rates

Network = Any
Batch = tuple[list[NDArray[Any]], NDArray[np.float32]]


class Stepper:
    """Trains a network step by step; it shares its weights."""

    def __init__(self, network: Network, recipe: TrainRecipe, *, weights: NDArray[np.float32]):
        """Put a network behind its augmentation.

        Args:
            network: A built Keras model; not compiled.
            recipe: How it is trained.
            weights: How much a picture of each class counts, shape (classes,).
        """
        self._network, self._recipe, self._weights = network, recipe, weights
        self._model: Network = None
        self._targets = np.eye(len(weights), dtype=np.float32)

    def compile(self, *, steps: int, steps_in_epoch: int, factors: dict[str, float]) -> None:
        """Give it an optimizer for so many steps, of what may be trained now.

        `factors` has shares of the learning rate, by the path of a variable.
        """
        self._model = _training_model(folded(self._network), self._recipe)
        recipe = replace(self._recipe, ema=min(self._recipe.ema, max(0.0, 1 - 10 / steps)))
        rate = rates(recipe, steps=steps, steps_in_epoch=steps_in_epoch)
        variables = self._model.trainable_variables
        self._model.compile(
            optimizer=optimizer(recipe, rate, variables=variables, factors=factors),
            loss=_loss(recipe, self._weights),
            metrics=[_accuracy],
        )

    @property
    def optimizer(self) -> Any:
        """None before it was compiled."""
        return None if self._model is None else self._model.optimizer

    @property
    def rate(self) -> float:
        """The learning rate of the next step; 0 where there is no optimizer."""
        return float(ops.convert_to_numpy(self.optimizer.learning_rate)) if self.optimizer else 0.0

    def batch(
        self, pictures: Pictures, places: NDArray[np.intp], *, epoch: int, step: int
    ) -> Batch:
        """What a step takes: the pictures at `places`, and how chance will vary them."""
        targets = self._targets[pictures.labels[places]]
        drawn = draws(self._recipe, epoch=epoch, step=step, places=places)
        return [pictures.pixels[places], targets, drawn], targets

    def seed(self, *, epoch: int, step: int) -> None:
        """Make what a step draws a function of seed and step: with torch, Keras' dropout draws
        from one generator for everything, which no checkpoint holds."""
        if keras.backend.backend() == "torch":
            state = np.random.SeedSequence((self._recipe.seed, epoch, step)).generate_state(1)
            keras.utils.set_random_seed(int(state[0]))

    def take(self, batch: Batch) -> tuple[float, float]:
        """Take a step; return the loss and the accuracy before it, on varied pictures.

        Raises:
            DivergedError: the loss is not a number any more.
            TrainingError: memory ran out.
        """
        with out_of_memory_told(len(batch[1]), less="a smaller --batch-size"):
            self._model.reset_metrics()
            loss, accuracy = self._model.train_on_batch(*batch)
        if not math.isfinite(loss):
            raise self._diverged("the loss is not a number any more")
        return float(loss), float(accuracy)

    def require_numbers(self) -> None:
        """Make sure that the last step left numbers behind: no step after it would tell.

        Raises:
            DivergedError: it did not.
        """
        weights = self._model.trainable_variables
        if not all(np.isfinite(ops.convert_to_numpy(one)).all() for one in weights):
            raise self._diverged("the weights are not numbers any more")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"{what}: try a smaller --learning-rate"
            f" (it was {self._recipe.learning_rate:g}), or --clip-norm 1"
        )

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network have the moving averages of its weights, where there are any."""
        moving = averages(self.optimizer) if self.optimizer else []
        trained = self._model.trainable_variables if moving else []
        # Copies, because JAX lets go of an array that a step or a prediction has used up, and
        # with it of everything that shares its memory.
        own = [np.array(variable.numpy()) for variable in trained]
        for variable, average in zip(trained, moving, strict=True):
            variable.assign(np.array(average.numpy()))
        try:
            yield
        finally:
            for variable, value in zip(trained, own, strict=True):
                variable.assign(value)


def _training_model(network: Network, recipe: TrainRecipe) -> Network:
    """Pixels, targets (n, classes) and draws in; what the network says, and what it should say,
    side by side, out: augmentation may mix what pictures show."""
    inputs = [
        keras.Input(network.input_shape[1:], dtype="uint8"),
        keras.Input(network.output_shape[1:], dtype="float32"),
        keras.Input((columns(recipe),), dtype="float32"),
    ]
    pixels, targets = Augmentation(recipe)(inputs)
    said = keras.layers.Concatenate(dtype="float32")([network(pixels), targets])
    return keras.Model(inputs, said)


def _loss(recipe: TrainRecipe, weights: NDArray[np.float32]) -> Callable[[Any, Any], Any]:
    """The loss of a training model's output; a picture weighs what its classes weigh."""
    classes = len(weights)

    def loss(_targets: Any, output: Any) -> Any:
        said, mixed = output[:, :classes], output[:, classes:]
        losses = keras.losses.categorical_crossentropy(
            mixed, said, label_smoothing=recipe.label_smoothing
        )
        return losses * ops.sum(mixed * ops.convert_to_tensor(weights), axis=-1)

    return loss


def _accuracy(targets: Any, output: Any) -> Any:
    """Whether the most probable class is what the picture showed before it was mixed."""
    said = output[:, : targets.shape[-1]]
    return ops.cast(ops.argmax(said, -1) == ops.argmax(targets, -1), "float32")


_OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}
_SAID_OF_IT = (
    "RESOURCE_EXHAUSTED",
    "Cannot parse tensor from proto",  # TensorFlow, of constants that it had no room for.
    "DefaultCPUAllocator: can't allocate memory",  # torch.
)


@contextlib.contextmanager
def out_of_memory_told(pictures: int, *, less: str) -> Iterator[None]:
    """Turn what a backend says when memory runs out into what a person can do about it.

    Args:
        pictures: How many are computed at once.
        less: What takes less memory.
    """
    try:
        yield
    except Exception as error:  # Each backend has a type of its own, and they share no base.
        words = str(error)
        if type(error).__name__ in _OUT_OF_MEMORY or any(said in words for said in _SAID_OF_IT):
            raise TrainingError(
                f"memory ran out with batches of {pictures} pictures: try {less}"
            ) from error
        raise
