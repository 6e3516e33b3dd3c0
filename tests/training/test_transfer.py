from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.training import tiny
from training import backend
from training.errors import ModelMismatchError
from training.models import find


@pytest.fixture(scope="module")
def network() -> Any:
    """A small backbone of 32 px, enlarged to 64 in the graph."""
    backend.start()
    return find("mobilenet-v2-035").build(side_px=32, classes=3, enlarge_px=64)


def test_small_pictures_are_enlarged_inside_the_network(network: Any) -> None:
    backbone = network.get_layer("backbone")

    assert network.input_shape == (None, 32, 32, 3)
    assert backbone.input_shape == (None, 64, 64, 3)


def test_from_the_top_so_many_layers_are_freed_and_no_batch_norm(network: Any) -> None:
    import keras

    from training import transfer

    backbone = network.get_layer("backbone")
    transfer.thaw(backbone, share=0.25)

    freed = [place for place, layer in enumerate(backbone.layers) if layer.trainable_weights]
    assert min(freed) >= math.floor(0.75 * len(backbone.layers))
    assert not any(
        layer.trainable
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )


def test_lower_layers_learn_at_lower_rates(network: Any) -> None:
    from training import transfer

    backbone = network.get_layer("backbone")
    transfer.thaw(backbone, share=1.0)
    factors = transfer.rate_factors(backbone, decay=0.5)

    in_order = [factors[variable.path] for variable in backbone.trainable_variables]
    assert in_order == sorted(in_order)
    assert in_order[0] == 0.5**transfer.STAGES
    assert in_order[-1] == 0.5
    assert transfer.rate_factors(backbone, decay=1.0) == {}


def test_a_head_is_fitted_in_one_go_for_two_classes_too() -> None:
    model = tiny.network()
    from training import transfer
    from training.predict import probabilities_of

    train = tiny.pictures(30)
    said = transfer.fit_head(model, train, weights=np.ones(2, np.float32))

    assert (said.argmax(axis=1) == train.labels).mean() > 0.9
    assert said == pytest.approx(probabilities_of(model, train.pixels), abs=1e-3)


def test_a_head_of_several_layers_is_refused_with_the_way_out() -> None:
    backend.start()
    import keras

    from training import transfer

    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)], name="backbone"
    )
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            backbone,
            keras.layers.Flatten(),
            keras.layers.Dense(4, name="hidden"),
            keras.layers.Dense(2, activation="softmax", name="labels"),
        ]
    )

    with pytest.raises(ModelMismatchError, match=r"hidden.*--transfer whole"):
        transfer.fit_head(model, tiny.pictures(8), weights=np.ones(2, np.float32))
    assert transfer.backbone_of(model) is backbone
    assert (
        transfer.backbone_of(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])) is None
    )
