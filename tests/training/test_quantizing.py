from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training import backend, models
from training.predict import probabilities_of

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3)).astype(np.uint8)
SAMPLES = [one[None].astype(np.float32) for one in PIXELS]


def _layers(network: Any) -> list[Any]:
    return [
        each
        for layer in network.layers
        for each in (_layers(layer) if hasattr(layer, "layers") else [layer])
    ]


def _with_statistics(network: Any) -> Any:
    """A network whose batch norms have something to do."""
    import keras

    rng = np.random.default_rng(1)
    for layer in _layers(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, shape))
            layer.moving_variance.assign(rng.uniform(0.1, 2, shape))
    return network


@pytest.mark.parametrize("name", ["cifar-vgg", "cifar-resnet", "mobilenet-v2-035"])
def test_a_network_with_its_batch_norms_folded_says_what_it_said(name: str) -> None:
    backend.start()
    import keras

    from training.quantizing import folded

    network = _with_statistics(models.find(name).build(side_px=32, classes=4))

    found = folded(network)

    assert probabilities_of(found, PIXELS) == pytest.approx(
        probabilities_of(network, PIXELS), abs=1e-5
    )
    kinds = [keras.layers.BatchNormalization, keras.layers.Dropout, keras.Model]
    assert not any(isinstance(layer, tuple(kinds)) for layer in found.layers)


def test_a_batch_norm_that_ends_a_backbone_is_folded_too() -> None:
    from tests.training import tiny

    network = _with_statistics(tiny.network())
    pixels = tiny.pictures(6).pixels
    from training.quantizing import folded

    assert probabilities_of(folded(network), pixels) == pytest.approx(
        probabilities_of(network, pixels), abs=1e-5
    )


def test_the_bias_takes_back_what_rounding_adds_to_a_channel() -> None:
    backend.start()
    import keras
    from keras import layers

    from training.quantizing import ready_for_int8

    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    seen = layers.DepthwiseConv2D(3, padding="same", depthwise_initializer="random_uniform")(inputs)
    network = keras.Model(inputs, layers.Conv2D(4, 3, padding="same")(seen))
    pictures = np.concatenate(SAMPLES)
    means = network.predict_on_batch(pictures).mean(axis=(0, 1, 2))

    found = ready_for_int8(network, SAMPLES)

    corrected = found.predict_on_batch(pictures).mean(axis=(0, 1, 2)) - means
    for layer, original in zip(found.layers[1:], network.layers[1:], strict=True):
        layer.bias.assign(original.bias.numpy())
    rounded_alone = found.predict_on_batch(pictures).mean(axis=(0, 1, 2)) - means
    assert np.abs(corrected).max() < np.abs(rounded_alone).max() / 10
    for layer in found.layers[1:]:
        kernel = layer.kernel.numpy()
        steps = kernel / (np.abs(kernel).max(axis=_others(layer), keepdims=True) / 127)
        assert steps == pytest.approx(np.round(steps), abs=1e-3)


def _others(layer: Any) -> tuple[int, ...]:
    return (0, 1, 3) if type(layer).__name__ == "DepthwiseConv2D" else (0, 1, 2)
