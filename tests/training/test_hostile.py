"""A run folder from a stranger: whatever its files hold, loading it runs no code of theirs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.making import run_command
from tests.training.test_run import RECORD
from training import backend
from training.errors import RunError, TrainingError
from training.run import Run


class _Mischief:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self._path,))


def _run(root: Path, weights: bytes) -> Run:
    """A run that vouches for the weights that lie in it."""
    run = Run.begin(root, RECORD)
    run.weights_path.write_bytes(weights)
    record = json.loads((root / "run.json").read_text())
    digest = hashlib.sha256(weights).hexdigest()
    (root / "run.json").write_text(json.dumps(record | {"weights_sha256": digest, "state": "done"}))
    return Run.open(root)


def _pickled(folder: Path) -> bytes:
    return pickle.dumps(_Mischief(folder / "harm"))


def _pickled_array(folder: Path) -> bytes:
    path = folder / "array.npz"
    np.savez(path, weights=np.array([_Mischief(folder / "harm")], object))
    return path.read_bytes()


def _lambda_model(folder: Path) -> bytes:
    import keras

    def harm(values: Any) -> Any:
        (folder / "harm").touch()
        return values

    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Lambda(harm)])
    (folder / "harm").unlink(missing_ok=True)
    model.save(folder / "lambda.keras")
    return (folder / "lambda.keras").read_bytes()


def _linked(folder: Path) -> bytes:
    """HDF5 whose every dataset lies in another file."""
    import h5py

    with h5py.File(folder / "linked.h5", "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
    return (folder / "linked.h5").read_bytes()


def _huge(folder: Path) -> bytes:
    """HDF5 that promises a terabyte of weights in a few bytes."""
    import h5py

    with h5py.File(folder / "huge.h5", "w") as file:
        for name in ("conv2d", "dense"):
            vars_of = file.create_group(f"layers/{name}/vars")
            vars_of.create_dataset("0", (1000, 1000, 250_000), "f4", chunks=True)
    return (folder / "huge.h5").read_bytes()


@pytest.mark.parametrize(
    "made",
    [
        _pickled,
        _pickled_array,
        _lambda_model,
        _linked,
        _huge,
        lambda _: b"",
        lambda _: b"\x89HDF\r\n\x1a\n" + bytes(900),
    ],
)
def test_weights_that_are_none_end_in_one_sentence_and_run_nothing(
    tmp_path: Path, made: Callable[[Path], bytes]
) -> None:
    backend.start()
    run = _run(tmp_path / "run", made(tmp_path))

    with pytest.raises(RunError, match="does not fit cifar-vgg as this Bestiary builds it"):
        run.load_network()
    assert not (tmp_path / "harm").exists()


def test_bytes_changed_anywhere_in_the_weights_never_end_in_another_error(
    tmp_path: Path,
) -> None:
    backend.start()
    run = Run.begin(tmp_path / "made", RECORD)
    from training import models

    run.finish(models.find("cifar-vgg").build(side_px=32, classes=2), epochs=1, best_epoch=1)
    whole = run.weights_path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(6):
        body = bytearray(whole[: len(whole) if number % 2 else rng.integers(1, len(whole))])
        for place in rng.integers(0, min(4000, len(body)), 40):
            body[place] = rng.integers(0, 256)
        with contextlib.suppress(RunError):  # Where numbers alone were hit, it may load.
            _run(tmp_path / str(number), bytes(body)).load_network()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "os:system"},
        {"model": "../../etc/passwd"},
        {"model": {"class_name": "Lambda"}},
        {"side_px": 10**9},
        {"side_px": -3},
        {"side_px": "32"},
        {"species": []},
        {"species": [["mouse"]]},
        {"recipe": {"__class__": "x"}},
        {"curation": None},
        {"calibration": {"temperature": 0}},
        {"calibration": {"temperature": 0, "n": 1, "unknown_below": 0, "lost": 0}},
        {"portion": {"folds": -1}},
    ],
)
def test_a_record_that_lies_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = _run(tmp_path / "run", b"weights")
    record = json.loads((run.root / "run.json").read_text())
    (run.root / "run.json").write_text(json.dumps(record | changes))
    (tmp_path / "a.jpg").write_bytes(b"no picture")

    with pytest.raises(TrainingError) as caught:
        run_command("predict", run.root, tmp_path / "a.jpg")
    assert "\n" not in str(caught.value)


def test_a_model_file_from_elsewhere_is_not_loaded_at_all(tmp_path: Path) -> None:
    backend.start()
    (tmp_path / "foreign.keras").write_bytes(_lambda_model(tmp_path))

    with pytest.raises(RunError, match="is a file, and no run: a model file from elsewhere could"):
        run_command("predict", tmp_path / "foreign.keras", tmp_path / "a.jpg")
    assert not (tmp_path / "harm").exists()


def test_the_weights_file_of_a_run_holds_numbers_and_nothing_else(tmp_path: Path) -> None:
    backend.start()
    import h5py

    from training import models

    run = Run.begin(tmp_path / "run", RECORD)
    run.finish(models.find("cifar-vgg").build(side_px=32, classes=2), epochs=1, best_epoch=1)

    assert not zipfile.is_zipfile(run.weights_path)
    kinds = set()
    with h5py.File(run.weights_path) as file:
        file.visititems(lambda _, one: kinds.add(getattr(one, "dtype", None)))
    assert kinds == {None, np.dtype("float32")}
