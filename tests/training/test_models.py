from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from training import backend
from training.errors import UsageError
from training.models import MODELS, find

STUDY = ["cifar-cnn", "cifar-vgg", "resnet50", "scratch-224"]

LAYERS: dict[str, list[tuple[str, tuple[int, ...], int]]] = {
    "cifar-cnn": [
        ("Rescaling", (32, 32, 3), 0),
        ("Conv2D", (32, 32, 16), 448),
        ("Conv2D", (32, 32, 32), 4_640),
        ("Conv2D", (30, 30, 64), 18_496),
        ("Flatten", (57_600,), 0),
        ("Dense", (256,), 14_745_856),
        ("Dense", (10,), 2_570),
    ],
    "cifar-vgg": [
        ("Rescaling", (32, 32, 3), 0),
        ("Conv2D", (32, 32, 32), 896),
        ("BatchNormalization", (32, 32, 32), 128),
        ("Conv2D", (32, 32, 32), 9_248),
        ("BatchNormalization", (32, 32, 32), 128),
        ("MaxPooling2D", (16, 16, 32), 0),
        ("Conv2D", (16, 16, 64), 18_496),
        ("BatchNormalization", (16, 16, 64), 256),
        ("Conv2D", (16, 16, 64), 36_928),
        ("BatchNormalization", (16, 16, 64), 256),
        ("MaxPooling2D", (8, 8, 64), 0),
        ("Conv2D", (8, 8, 128), 73_856),
        ("BatchNormalization", (8, 8, 128), 512),
        ("Conv2D", (8, 8, 128), 147_584),
        ("BatchNormalization", (8, 8, 128), 512),
        ("MaxPooling2D", (4, 4, 128), 0),
        ("Flatten", (2_048,), 0),
        ("Dropout", (2_048,), 0),
        ("Dense", (1_024,), 2_098_176),
        ("Dropout", (1_024,), 0),
        ("Dense", (5,), 5_125),
    ],
    "resnet50": [
        ("Functional", (1, 1, 2_048), 23_587_712),
        ("MaxPooling2D", (1, 1, 2_048), 0),
        ("Dropout", (1, 1, 2_048), 0),
        ("Flatten", (2_048,), 0),
        ("Dense", (16,), 32_784),
        ("Dense", (10,), 170),
    ],
    "scratch-224": [
        ("Rescaling", (224, 224, 3), 0),
        ("Activation", (224, 224, 3), 0),
        ("Conv2D", (112, 112, 128), 3_584),
        ("BatchNormalization", (112, 112, 128), 512),
        ("Activation", (112, 112, 128), 0),
        ("Dropout", (112, 112, 128), 0),
        ("MaxPooling2D", (56, 56, 128), 0),
        ("MaxPooling2D", (28, 28, 128), 0),
        ("Conv2D", (14, 14, 64), 73_792),
        ("Dropout", (14, 14, 64), 0),
        ("BatchNormalization", (14, 14, 64), 256),
        ("Activation", (14, 14, 64), 0),
        ("Dropout", (14, 14, 64), 0),
        ("Dense", (14, 14, 32), 2_080),
        ("Dropout", (14, 14, 32), 0),
        ("Dense", (14, 14, 16), 528),
        ("Dropout", (14, 14, 16), 0),
        ("Dense", (14, 14, 8), 136),
        ("Flatten", (1_568,), 0),
        ("Dense", (5,), 7_845),
    ],
}
"""The tables of the founding study, with the rescaling that brings pixels into range."""


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    backend.start()
    return {name: entry.build() for name, entry in MODELS.items()}


def _sizes(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize("name", MODELS)
def test_the_registry_tells_the_parameters_that_the_network_has(
    built: dict[str, Any], name: str
) -> None:
    entry, network = MODELS[name], built[name]

    assert network.count_params() == entry.parameters
    assert _sizes(network.trainable_weights) == entry.trainable
    assert _sizes(network.non_trainable_weights) == entry.non_trainable
    assert network.input_shape == (None, entry.side_px, entry.side_px, 3)
    assert network.output_shape == (None, entry.classes)


@pytest.mark.parametrize("name", STUDY)
def test_a_network_of_the_study_is_the_study_s_layer_for_layer(
    built: dict[str, Any], name: str
) -> None:
    layers = [
        (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in built[name].layers
    ]

    assert layers[-len(LAYERS[name]) :] == LAYERS[name]
    assert sum(parameters for _, _, parameters in layers) == MODELS[name].parameters


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cifar-cnn", 14_772_010),
        ("cifar-vgg", 2_392_101),
        ("resnet50", 23_620_666),
        ("scratch-224", 88_733),
    ],
)
def test_the_study_s_totals_are_in_the_registry(name: str, parameters: int) -> None:
    assert MODELS[name].parameters == parameters


def test_the_number_of_species_changes_nothing_but_the_last_layer() -> None:
    backend.start()

    network = MODELS["cifar-vgg"].build(classes=7)

    assert network.output_shape == (None, 7)
    assert network.count_params() == 2_392_101 + 2 * (1_024 + 1)


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no model 'vgg': choose one of cifar-cnn, cifar-vgg"):
        find("vgg")


def test_listing_the_models_imports_neither_keras_nor_numpy() -> None:
    check = (
        "import sys, training.commands, training.models\n"
        "sys.exit(bool({'keras', 'tensorflow', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
