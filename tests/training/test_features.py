"""A frozen network looks at a dataset: features in step with rows, doubts in the manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.dataset import Dataset
from tests.training.making import write_dataset
from training import backend
from training.errors import UsageError, WeightsError
from training.features import at_hand, extracted, extractor
from training.models import MODELS
from training.suspect_commands import suspect

COUNTS = {"hamster": (8, 2, 2), "mouse": (7, 2, 2)}


def small(side_px: int, classes: int, _: int | None = None) -> Any:
    return _network(side_px, classes, filters=6)


def large(side_px: int, classes: int, _: int | None = None) -> Any:
    return _network(side_px, classes, filters=9)


def _network(side_px: int, classes: int, *, filters: int) -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((side_px, side_px, 3))
    convolutions = [layers.Conv2D(filters, 5, strides=2, activation="relu") for _ in range(2)]
    backbone = keras.Sequential([keras.Input((side_px, side_px, 3)), *convolutions])
    backbone.name = "backbone"
    features = layers.Flatten()(backbone(layers.Rescaling(1 / 255)(inputs)))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(features))


ENTRY = replace(MODELS["mobilenet-v2"], name="small", builder=f"{__name__}:small", smallest_px=32)
OTHER = replace(ENTRY, name="large", builder=f"{__name__}:large")


def typed(*arguments: object) -> Any:
    return suspect.main([str(one) for one in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of a network that has seen nothing."""
    backend.start()
    import keras

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    ENTRY.build(side_px=32, classes=2).get_layer("backbone").save_weights(path)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("features") / "dataset", COUNTS)


def test_every_kept_picture_has_its_features(
    dataset: Dataset, weights: Path, tmp_path: Path
) -> None:
    network = extractor(ENTRY, weights, side_px=32)
    seen = list(extracted(dataset, network, side_px=32, cache=tmp_path))
    rows = [row for one in seen for row in one.rows]
    features = np.concatenate([one.features for one in seen])
    assert sorted(row.digest for row in rows) == sorted(r.digest for r in dataset.rows if r.kept)
    assert features.shape == (len(rows), 6)
    assert len(np.unique(features.round(4), axis=0)) == len(rows)


def test_suspect_fills_the_columns_and_leaves_the_lock_alone(
    dataset: Dataset, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, ENTRY.name, ENTRY)
    lock = dataset.lock_digest
    document, text = typed(dataset.root, "--weights", weights, "--model", ENTRY.name)
    noted = Dataset.open(dataset.root)
    kept = [row for row in noted.rows if row.kept]
    assert document["looked_at"] == len(kept)
    assert f"Looked at {len(kept)} images with {ENTRY.name}" in text
    assert all(row.outlier is not None and row.label_doubt is not None for row in kept)
    assert document["doubtful_labels"] == sum(bool(row.label_doubt) for row in kept)
    assert (noted.lock_digest, noted.verify()) == (lock, ())
    assert noted.network == f"{ENTRY.name} ({weights.name})"


def test_weights_that_do_not_fit_or_are_not_there_are_told(
    dataset: Dataset, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="does not hold the weights of large"):
        extractor(OTHER, weights, side_px=32)
    with pytest.raises(WeightsError, match="there is no file"):
        extractor(ENTRY, tmp_path / "none.h5", side_px=32)
    with pytest.raises(UsageError, match="'scratch-224' has no pre-trained weights"):
        typed(dataset.root, "--weights", weights, "--model", "scratch-224")


def test_nothing_is_downloaded_and_the_cache_is_used(tmp_path: Path) -> None:
    known, other = MODELS["mobilenet-v2"], MODELS["mobilenet-075"]
    with pytest.raises(WeightsError, match=r"no pre-trained weights, such as mobilenet_v2.*--wei"):
        at_hand(tmp_path, [known, other])
    assert known.pretrained is not None
    path = tmp_path / known.pretrained.file
    path.write_bytes(b"weights")
    assert at_hand(tmp_path, [other, known]) == (known, path)
    with pytest.raises(WeightsError, match="such as mobilenet_"):
        at_hand(tmp_path, [other])
