from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import backend
from training.recipe import Schedule, TrainRecipe

SCHEDULES: list[Schedule] = ["constant", "cosine", "one-cycle"]


@given(
    share=st.floats(0, 1),
    schedule=st.sampled_from(SCHEDULES),
    warmup=st.floats(0, 1),
)
def test_no_rate_is_below_0_or_above_the_largest(
    share: float, schedule: Schedule, warmup: float
) -> None:
    backend.start()
    from training.schedule import rate_at

    assert 0 <= rate_at(share, schedule=schedule, warmup=warmup) <= 1


def test_a_rate_climbs_for_the_warm_up_and_comes_down_to_almost_nothing() -> None:
    backend.start()
    import keras

    from training.schedule import Rates, rates

    recipe = TrainRecipe(schedule="cosine", warmup_epochs=2, learning_rate=0.1)
    found = rates(recipe, steps=100, steps_in_epoch=10)

    assert isinstance(found, Rates)
    values = [float(keras.ops.convert_to_numpy(found(step))) for step in (0, 19, 20, 60, 99, 500)]
    assert values[0] < 0.01
    assert values[1] == pytest.approx(0.1, rel=0.05)
    assert values[2] > values[3] > values[4] > 0
    assert values[4] == values[5], "after the last step nothing moves"


def test_a_constant_rate_is_a_number() -> None:
    backend.start()
    from training.schedule import rates

    assert rates(TrainRecipe(), steps=10, steps_in_epoch=5) == 1e-3


def _moved(recipe: TrainRecipe, factors: dict[str, float]) -> list[float]:
    """How far two weights go in one step, with gradients of 1."""
    import keras

    from training.schedule import optimizer

    variables: list[Any] = [keras.Variable(np.ones((1, 1), np.float32)) for _ in range(2)]
    named = {variables[int(place)].path: factor for place, factor in factors.items()}
    made = optimizer(recipe, recipe.learning_rate, variables=variables, factors=named)
    made.apply([keras.ops.ones((1, 1)) for _ in variables], variables)
    return [1 - float(each.numpy().item()) for each in variables]


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "muon"])
def test_lower_layers_move_by_their_share_of_the_rate(kind: str) -> None:
    backend.start()
    recipe = replace(TrainRecipe(learning_rate=0.01), optimizer=kind)

    whole, tenth = _moved(recipe, {"1": 0.1})

    assert tenth == pytest.approx(whole / 10, rel=1e-3)
    assert _moved(recipe, {})[0] == pytest.approx(whole, rel=1e-3)


def test_weight_decay_leaves_biases_alone() -> None:
    backend.start()
    import keras

    from training.schedule import optimizer

    kernel, bias = keras.Variable(np.ones((2, 2))), keras.Variable(np.ones(2))
    recipe = TrainRecipe(optimizer="adamw", weight_decay=0.5, learning_rate=0.1)
    made = optimizer(recipe, 0.1, variables=[kernel, bias])

    made.apply([keras.ops.zeros((2, 2)), keras.ops.zeros(2)], [kernel, bias])

    assert kernel.numpy() == pytest.approx(0.95)
    assert bias.numpy() == pytest.approx(1.0)


def test_the_moving_average_follows_the_weights_and_never_overwrites_them() -> None:
    backend.start()
    import keras

    from training.schedule import averages, optimizer

    weight = keras.Variable(np.zeros((1, 1), np.float32))
    made = optimizer(
        TrainRecipe(optimizer="sgd", ema=0.5, learning_rate=1.0), 1.0, variables=[weight]
    )
    seen = []
    for _ in range(3):
        made.apply([keras.ops.ones((1, 1))], [weight])
        seen.append(float(weight.numpy().item()))

    average = float(averages(made)[0].numpy().item())
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < average < seen[0]
