from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curation.render import render
from tests.training.making import Trained
from training import backend
from training.calibration import calibrated
from training.pictures import load
from training.predict import Prediction, predict, probabilities_of
from training.run import Run


def _photo(path: Path) -> bytes:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (9, 7, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((280, 360)).save(file, "PNG")
    path.write_bytes(file.getvalue())
    return file.getvalue()


def test_a_photo_is_judged_as_the_dataset_s_picture_of_it_would_be(
    trained: Trained, tmp_path: Path
) -> None:
    backend.start()
    run = Run.open(trained.root)
    network = run.load_network()
    body = _photo(tmp_path / "photo.png")
    rendered = np.asarray(render(body, trained.dataset.recipe))

    (found,) = predict(network, run.record, [tmp_path / "photo.png"])

    assert isinstance(found, Prediction)
    assert run.record.calibration is not None
    raw = probabilities_of(network, rendered[None])
    said = calibrated(raw, run.record.calibration.temperature)[0]
    assert [found.probabilities[name] for name in run.record.species] == pytest.approx(said)
    assert list(found.probabilities.values()) == sorted(found.probabilities.values(), reverse=True)


def test_the_size_of_a_batch_does_not_matter(trained: Trained, tmp_path: Path) -> None:
    backend.start()
    network = Run.open(trained.root).load_network()
    pixels = load(trained.dataset, "test", side_px=32, cache=tmp_path).pixels

    whole = probabilities_of(network, pixels)

    assert whole.shape == (14, 3)
    assert probabilities_of(network, pixels, batch_size=4) == pytest.approx(whole, abs=1e-5)
    assert probabilities_of(network, pixels[:0]).shape == (0, 3)
