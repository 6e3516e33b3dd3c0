from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.test_run import RECORD
from training import backend, models
from training.calibration import Calibration, calibrated
from training.errors import ExportError, UsageError
from training.export import (
    CALIBRATION_PICTURES,
    measured,
    metadata_of,
    preprocessing,
    require_parity,
    require_possible,
    samples,
    with_temperature,
    write_notes,
)
from training.predict import probabilities_of

CALIBRATED = replace(
    RECORD, calibration=Calibration(temperature=2.5, n=40, unknown_below=0.6, lost=0.05)
)


def _noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 32, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize("sureness", [1, 1500])
def test_the_temperature_in_the_weights_is_the_one_that_predict_applies(sureness: int) -> None:
    backend.start()
    import keras

    keras.utils.set_random_seed(0)
    network, pixels = models.find("cifar-vgg").build(side_px=32, classes=4), _noise(5)
    with_temperature(network, 1 / sureness)
    said = probabilities_of(network, pixels)
    assert sureness == 1 or said.min() < 1e-12
    expected = calibrated(said, 20.0)

    found = probabilities_of(with_temperature(network, 20.0), pixels)

    assert found == pytest.approx(expected, abs=1e-5)


def test_a_network_without_a_last_layer_of_logits_is_not_exported() -> None:
    backend.start()
    import keras

    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Softmax()])

    with pytest.raises(ExportError, match="does not end in a dense layer"):
        with_temperature(network, 2.0)


@pytest.mark.parametrize(
    ("kind", "is_int8", "named", "told"),
    [
        ("saved-model", True, "tensorflow", "a SavedModel has no int8"),
        ("onnx", False, "jax", "KERAS_BACKEND is jax: KERAS_BACKEND=tensorflow bestiary export"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_loaded(
    kind: Any, is_int8: bool, named: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        require_possible(kind, is_int8=is_int8, backend=named)
    require_possible("onnx", is_int8=True, backend="tensorflow")


def test_int8_learns_ranges_from_some_training_pictures_the_same_each_time() -> None:
    pixels = _noise(CALIBRATION_PICTURES + 30)

    some, again = (list(samples(pixels, seed=1)) for _ in range(2))

    assert len(some) == CALIBRATION_PICTURES
    assert all((one == other).all() for one, other in zip(some, again, strict=True))
    assert (some[0].shape, some[0].dtype) == ((1, 32, 32, 3), np.float32)


def test_an_export_is_held_against_keras_picture_by_picture(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(1234))
    expected = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    answers = {0: expected[:1], 1: expected[1:2] + 0.05, 2: np.array([[0.4, 0.6]], np.float32)}
    pixels = _noise(3)
    places = {one.astype(np.float32).tobytes(): place for place, one in enumerate(pixels)}

    found = measured(
        "onnx",
        tmp_path / "model.onnx",
        lambda picture: answers[places[picture[0].tobytes()]],
        pixels=pixels,
        labels=np.array([0, 1, 1], np.int32),
        expected=expected,
    )

    assert found.bytes == 1234
    assert found.agreement == pytest.approx(2 / 3)
    assert found.largest_difference == pytest.approx(0.2, abs=1e-6)
    assert found.accuracy == 1.0
    assert found.latency_ms > 0
    with pytest.raises(ExportError, match=r"is not what was trained: it agrees with Keras on 66"):
        require_parity(found, {})
    require_parity(replace(found, largest_difference=1e-5), {})


def test_labels_and_preprocessing_lie_beside_the_file_and_in_it(tmp_path: Path) -> None:
    given = preprocessing([CALIBRATED], CALIBRATED.calibration)
    write_notes(tmp_path, given)

    notes = json.loads((tmp_path / "preprocessing.json").read_text())
    assert notes["jpeg_quality"] == CALIBRATED.curation.jpeg_quality
    assert any("JPEG of quality 92" in step for step in notes["steps"])
    assert (tmp_path / "labels.txt").read_text() == "hamster\nmouse\n"
    assert notes["input"]["shape"] == [1, 32, 32, 3]
    assert (notes["unknown_below"], notes["fit"]) == (0.6, RECORD.curation.fit)
    assert json.loads(metadata_of(given)["preprocessing"]) == notes
    assert metadata_of(given)["labels"] == "hamster\nmouse"
