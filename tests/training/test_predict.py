from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curation.render import render
from tests.training.making import Trained
from training import backend
from training.calibration import Calibration, calibrated
from training.errors import PredictionError
from training.pictures import load
from training.predict import (
    MAX_BYTES,
    Prediction,
    Unread,
    images_of,
    predict,
    probabilities_of,
    to_csv,
)
from training.run import Run


def _photo(path: Path, *, seed: int = 1) -> bytes:
    rng = np.random.default_rng(seed)
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


def test_a_picture_of_the_dataset_predicts_from_its_original_as_it_was_measured(
    trained: Trained, tmp_path: Path
) -> None:
    """What `evaluate` measured is what `predict` says of the photo before curation."""
    backend.start()
    run = Run.open(trained.root)
    network = run.load_network()
    bodies = [_photo(tmp_path / f"{n}.png", seed=n) for n in range(3)]
    rendered = [render(body, trained.dataset.recipe) for body in bodies]
    measured = probabilities_of(network, np.stack([np.asarray(one) for one in rendered]))

    found = list(predict(network, run.record, [tmp_path / f"{n}.png" for n in range(3)]))

    assert run.record.calibration is not None
    expected = calibrated(measured, run.record.calibration.temperature)
    for one, row in zip(found, expected, strict=True):
        assert isinstance(one, Prediction)
        assert [one.probabilities[name] for name in run.record.species] == pytest.approx(row)


def test_a_picture_that_shows_none_of_the_species_is_unknown(trained: Trained) -> None:
    backend.start()
    run = Run.open(trained.root)
    strict = replace(
        run.record,
        calibration=Calibration(temperature=20.0, n=9, unknown_below=1.0, lost=1.0),
    )
    file = trained.dataset.path(trained.dataset.images("test")[0])

    (found,) = predict(run.load_network(), strict, [file])

    assert isinstance(found, Prediction)
    assert found.is_unknown
    assert found.record()["unknown"] is True
    assert ": unknown (at best " in found.in_words()


def test_an_address_is_fetched_with_what_is_given_for_it_and_not_asked_otherwise(
    trained: Trained, tmp_path: Path
) -> None:
    backend.start()
    run = Run.open(trained.root)
    network, body = run.load_network(), _photo(tmp_path / "photo.png")

    def fetch(url: str) -> bytes:
        if url.endswith("gone.png"):
            raise PredictionError("gone (404)")
        return body

    images = ["https://example.org/photo.png", "http://example.org/gone.png"]
    there, gone = predict(network, run.record, images, fetch=fetch)
    refused, _ = predict(network, run.record, images)
    (from_disk,) = predict(network, run.record, [tmp_path / "photo.png"])

    assert isinstance(there, Prediction)
    assert isinstance(from_disk, Prediction)
    assert there.probabilities == from_disk.probabilities
    assert (there.image, gone) == (images[0], Unread(image=images[1], reason="gone (404)"))
    assert isinstance(refused, Unread)
    assert "download the image" in refused.reason


def test_the_table_has_a_line_for_every_image(tmp_path: Path) -> None:
    found = [
        Prediction(image="a.jpg", probabilities={"shrew": 0.75, "mouse": 0.25}),
        Prediction(image="b.jpg", probabilities={"mouse": 0.6, "shrew": 0.4}, is_unknown=True),
        Unread(image="c.jpg", reason="not an image"),
    ]

    assert to_csv(found, ("mouse", "shrew")).splitlines() == [
        "image,said,species,probability,error,mouse,shrew",
        "a.jpg,shrew,shrew,0.750000,,0.250000,0.750000",
        "b.jpg,unknown,mouse,0.600000,,0.600000,0.400000",
        "c.jpg,,,,not an image,,",
    ]
    # What a Latin-1 name on an old card is for Python.
    assert to_csv([Unread(image="\udce9.jpg", reason="-")], ()).splitlines()[1:] == [
        "\\udce9.jpg,,,,-"
    ]


def test_folders_files_and_addresses_may_be_mixed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("b.jpg", "a.jpg", ".hidden"):
        (tmp_path / "folder" / name).touch()
    folder = str(tmp_path / "folder")

    assert images_of(["x.jpg", "HTTPS://example.org/y", "ftp://example.org/z", folder]) == [
        "x.jpg",
        "HTTPS://example.org/y",
        "ftp://example.org/z",
        f"{folder}/a.jpg",
        f"{folder}/b.jpg",
    ]


def test_hidden_folders_are_not_entered_and_a_name_is_not_empty(tmp_path: Path) -> None:
    for name in (".secret/a.jpg", "open/b.jpg", "open/.c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    assert images_of([str(tmp_path)]) == [str(tmp_path / "open/b.jpg")]
    with pytest.raises(PredictionError, match="empty name"):
        images_of(["a.jpg", ""])


def test_what_is_neither_file_nor_address_is_told(trained: Trained, tmp_path: Path) -> None:
    backend.start()
    run = Run.open(trained.root)
    named = ["ftp://pictures.example/a.jpg", str(tmp_path)]

    found = list(predict(run.load_network(), run.record, named))

    assert [one.reason for one in found if isinstance(one, Unread)] == [
        "only addresses with http:// or https:// are asked",
        "it is no file",
    ]


def test_a_film_without_a_known_name_is_not_read_as_a_photo(
    trained: Trained, tmp_path: Path
) -> None:
    backend.start()
    run = Run.open(trained.root)
    with (tmp_path / "GX010042.LRV").open("wb") as film:
        film.truncate(MAX_BYTES + 1)

    (found,) = predict(run.load_network(), run.record, [tmp_path / "GX010042.LRV"])

    assert isinstance(found, Unread)
    assert found.reason == "it is larger than 500 MB, and no photo"


def test_what_is_computed_in_16_bits_is_added_up_in_32() -> None:
    backend.start()
    import keras

    network = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(1.0, dtype="bfloat16")])

    said = probabilities_of(network, np.full((4000, 1), 0.5, np.float32))

    assert said.dtype == np.float32
    assert said.mean() == pytest.approx(0.5)
