from __future__ import annotations

import numpy as np
import pytest

from training import backend
from training.recipe import TrainRecipe


@pytest.fixture(autouse=True)
def _keras() -> None:
    backend.start()


@pytest.mark.parametrize("shape", [(27, 8), (8, 27), (16, 16)])
def test_singular_values_become_about_one_and_directions_stay(shape: tuple[int, int]) -> None:
    from keras import ops

    from training.muon import orthogonalised

    left, values, right = np.linalg.svd(np.random.default_rng(0).normal(size=shape), False)
    matrix = (left * np.geomspace(1, 1e-2, len(values))) @ right

    found = ops.convert_to_numpy(orthogonalised(ops.convert_to_tensor(matrix, "float32")))

    sizes = np.diag(left.T @ found @ right.T)
    assert found == pytest.approx((left * sizes) @ right, abs=1e-3)
    assert ((sizes > 0.5) & (sizes < 1.3)).all()


def test_nothing_stays_nothing() -> None:
    from keras import ops

    from training.muon import orthogonalised

    assert not ops.convert_to_numpy(orthogonalised(ops.zeros((6, 3)))).any()


def _steps(shape: tuple[int, ...], gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a step of Muon's, and one of AdamW's, takes off a variable."""
    import keras

    from training.schedule import optimizer

    taken = []
    for kind in ("muon", "adamw"):
        variable = keras.Variable(np.zeros(shape, np.float32))
        recipe = TrainRecipe(optimizer=kind, learning_rate=0.01)  # type: ignore[arg-type]
        # With torch Keras cannot decay nothing at all, so something decays beside it.
        beside = keras.Variable(np.zeros((1, 1), np.float32))
        made = optimizer(recipe, 0.01, variables=[variable, beside])
        made.apply(
            [keras.ops.convert_to_tensor(gradient, "float32"), keras.ops.zeros((1, 1))],
            [variable, beside],
        )
        taken.append(-keras.ops.convert_to_numpy(variable))
    return taken[0], taken[1]


def test_a_step_along_a_convolution_is_as_large_as_the_rate_says_whatever_the_gradient() -> None:
    gradient = np.random.default_rng(1).normal(size=(3, 3, 8, 16)) * 1e-4

    step, of_adam = _steps((3, 3, 8, 16), gradient)

    assert np.sqrt((step**2).mean()) == pytest.approx(0.5 * 0.01, rel=0.3)
    assert (step * gradient).sum() > 0
    assert step != pytest.approx(of_adam, rel=0.1)


@pytest.mark.parametrize("shape", [(8, 16), (16,), (3, 3, 8, 1)])
def test_what_mixes_no_channels_or_is_dense_learns_as_with_adamw(shape: tuple[int, ...]) -> None:
    gradient = np.random.default_rng(1).normal(size=shape)

    step, of_adam = _steps(shape, gradient)

    assert step == pytest.approx(of_adam)
