from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training import backend, models
from training.explain import BATCH_SIZE, grad_cams, overlay


def _network(*layers_on_top: str) -> Any:
    """A convolution whose maps are pooled into a linear head, or flattened at once."""
    backend.start()
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 5, activation="relu"),
            *(getattr(layers, name)() for name in layers_on_top),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax", name="labels"),
        ]
    )


def _pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 12, 12, 3)).astype(np.uint8)


def test_over_a_linear_head_it_is_the_map_that_can_be_written_down() -> None:
    import keras

    network, pixels = _network("GlobalAveragePooling2D"), _pixels(5)
    labels = np.array([0, 1, 2, 0, 1], np.int32)
    maps = keras.Model(network.inputs[0], network.layers[1].output)(pixels)
    activations = keras.ops.convert_to_numpy(maps)
    kernel = keras.ops.convert_to_numpy(network.get_layer("labels").kernel)
    said = keras.ops.convert_to_numpy(network(pixels))
    # The derivative of a log-probability by a channel's mean.
    slopes = kernel[:, labels].T - said @ kernel.T
    expected = np.maximum(np.einsum("nrck,nk->nrc", activations, slopes), 0)
    peaks = expected.max(axis=(1, 2), keepdims=True)

    found = grad_cams(network, pixels, labels)

    assert found is not None
    assert found == pytest.approx(expected / np.where(peaks > 0, peaks, 1), abs=1e-3)


def test_it_leaves_the_network_as_it_was_and_takes_any_number_of_pictures() -> None:
    network, pixels = _network("Flatten"), _pixels(BATCH_SIZE + 1)
    before = [weight.numpy().copy() for weight in network.weights]
    labels = np.zeros(len(pixels), np.int32)

    found = grad_cams(network, pixels, labels)
    again = grad_cams(network, pixels[-1:], labels[-1:])

    assert found is not None
    assert again is not None
    assert found.shape == (BATCH_SIZE + 1, 8, 8)
    assert 0 <= found.min() <= found.max() <= 1
    assert again[0] == pytest.approx(found[-1], abs=1e-5)
    assert all(
        (weight.numpy() == old).all() for weight, old in zip(network.weights, before, strict=True)
    )
    assert network.trainable
    assert len(network.trainable_weights) == 4


@pytest.mark.parametrize("name", ["mobilenet-v2-035", "cifar-resnet", "cifar-cnn"])
def test_networks_of_the_registry_are_explained_also_through_a_backbone(name: str) -> None:
    backend.start()
    network = models.find(name).build(side_px=64, classes=3)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)

    found = grad_cams(network, pixels, np.array([0, 2], np.int32))

    assert found is not None
    assert min(found.shape[1:]) > 1


def test_a_network_without_a_map_explains_nothing() -> None:
    backend.start()
    import keras
    from keras import layers

    network = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )

    assert grad_cams(network, _pixels(1), np.zeros(1, np.int32)) is None
    assert grad_cams(_network("Flatten"), _pixels(0), np.zeros(0, np.int32)) is None


def test_an_overlay_is_bright_where_the_map_is_high() -> None:
    cam = np.zeros((4, 4), np.float32)
    cam[0, 0] = 1.0

    picture = np.asarray(overlay(np.full((32, 32, 3), 128, np.uint8), cam), int)

    assert picture.shape == (32, 32, 3)
    assert picture[2, 2].sum() > picture[28, 28].sum() + 150
