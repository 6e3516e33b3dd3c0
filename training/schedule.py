"""Learning rates over the steps of a training, and the optimizers that follow them."""

from __future__ import annotations

import math
from typing import Any

import keras

from training.muon import Muon
from training.recipe import Schedule, TrainRecipe

Variable = Any


def rate_at(share: float, *, schedule: Schedule, warmup: float) -> float:
    """The learning rate as a share of the largest, when `share` of all steps are done.

    `warmup` is the share of the steps in which the rate climbs from near 0.
    """
    if warmup and share < warmup:
        return share / warmup
    if schedule == "constant":
        return 1.0
    left = (1 - share) / (1 - warmup) if warmup < 1 else 0.0
    return left if schedule == "one-cycle" else (1 - math.cos(math.pi * left)) / 2


@keras.saving.register_keras_serializable("bestiary")
class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rate of each step from a table, which every backend reads alike to the last bit."""

    def __init__(self, table: list[float]) -> None:
        self.table = table

    def __call__(self, step: Any) -> Any:
        """The rate of a step counted from 0; after the last one, that of the last one."""
        place = keras.ops.minimum(keras.ops.cast(step, "int32"), len(self.table) - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.table, "float32"), place)

    def get_config(self) -> dict[str, Any]:
        """As Keras asks for it."""
        return {"table": self.table}


def rates(recipe: TrainRecipe, *, steps: int, steps_in_epoch: int) -> float | Rates:
    """What the optimizer is to be told: a number, or the rate of each step.

    Args:
        recipe: With the largest rate, the schedule and the warm-up.
        steps: Of the whole phase.
        steps_in_epoch: What the warm-up is measured in.
    """
    warmup = min(1.0, recipe.warmup_epochs * steps_in_epoch / steps)
    if recipe.schedule == "constant" and not warmup:
        return recipe.learning_rate
    shares = ((step + 0.5) / steps for step in range(steps))
    return Rates(
        [
            recipe.learning_rate * rate_at(share, schedule=recipe.schedule, warmup=warmup)
            for share in shares
        ]
    )


class _Layerwise:
    """Lets an optimizer move some variables more slowly than others."""

    factors: list[float]
    """Of each variable, in the order in which it was built for them."""

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Take the optimizer's own step, at a share of the rate."""
        factor = self.factors[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        super().update_step(gradient, variable, learning_rate * factor)  # type: ignore[misc]


_OPTIMIZERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (keras.optimizers.AdamW, {}),
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
    "muon": (Muon, {}),
}
_DECAYING = frozenset({"adamw", "muon"})
"""Whose own default is not 0."""
_LAYERWISE = {name: type(name, (_Layerwise, kind), {}) for name, (kind, _) in _OPTIMIZERS.items()}
"""Apart, because with torch Keras has a faster step for its own types alone."""


def optimizer(
    recipe: TrainRecipe,
    rate: float | Rates,
    *,
    variables: list[Variable],
    factors: dict[str, float] | None = None,
) -> Any:
    """The recipe's Keras optimizer, built for `variables`.

    `factors` has shares of the learning rate, by the path of a variable. Weight decay leaves
    alone what has one dimension: biases, and the scales of norms.
    """
    kind, own = _OPTIMIZERS[recipe.optimizer]
    made = (_LAYERWISE[recipe.optimizer] if factors else kind)(
        learning_rate=rate,
        **own,
        weight_decay=recipe.weight_decay or (0.0 if recipe.optimizer in _DECAYING else None),
        global_clipnorm=recipe.clip_norm or None,
        use_ema=bool(recipe.ema),
        # Keras wants a decay above 0 even where it is not used.
        ema_momentum=recipe.ema or 0.99,
        # Never into the weights that are trained: `averages` has them when they are wanted.
        ema_overwrite_frequency=None,
    )
    if factors:
        made.factors = [factors.get(each.path, 1.0) for each in variables]
    made.exclude_from_weight_decay([each for each in variables if len(each.shape) < 2])
    made.build(variables)
    return made


def averages(made: Any) -> list[Any]:
    """The moving averages of an optimizer's variables, in their order; empty without EMA."""
    return list(made._model_variables_moving_average) if made.use_ema else []
