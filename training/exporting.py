"""Exporting: a run in, a network in another format out, held against Keras on test pictures."""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.dataset import Dataset
from training import backend
from training.errors import ExportError
from training.export import (
    FORMATS,
    Exported,
    ExportFormat,
    latency_ms,
    measured,
    metadata_of,
    samples,
    size_of,
    with_temperature,
    write_notes,
)
from training.pictures import Pictures, load
from training.predict import probabilities_of
from training.run import Run


def exported(
    run: Run, dataset: Dataset, folder: Path, *, kind: ExportFormat, is_int8: bool
) -> tuple[Exported, Exported]:
    """Write a run's network, and measure it beside Keras' own.

    Args:
        run: Finished.
        dataset: The one that it was trained on.
        folder: Where to; made when it is not there.
        kind: The format.
        is_int8: Whether weights and values become whole numbers of 8 bits.

    Returns:
        Keras' own network, and the exported one.

    Raises:
        ExportError: what the format takes is not installed, or the conversion failed.
    """
    dealt = run.record.portion.of(dataset)
    network = run.load_network()
    if run.record.calibration is not None:
        network = with_temperature(network, run.record.calibration.temperature)
    tested = _tested(run, dealt)
    expected = probabilities_of(network, tested.pixels)
    module, file = FORMATS[kind]
    writer = importlib.import_module(module)
    path = folder / (_int8_name(file) if is_int8 else file)
    drawn = None
    if is_int8:
        train = load(dealt, "train", side_px=run.record.side_px, cache=run.cache)
        drawn = list(samples(train.pixels, seed=run.record.recipe.seed))
    short_of = _write(
        folder,
        path,
        lambda: writer.write(
            _ready(network, drawn), path, samples=drawn, notes=metadata_of(run.record)
        ),
    )
    write_notes(folder, run.record)
    name = " ".join([kind, *(["int8"] if is_int8 else []), *([short_of] if short_of else [])])
    with _quiet():
        say = writer.reader(path)
    return _keras(run, network, tested, expected), measured(
        name,
        path,
        say,
        pixels=tested.pixels,
        labels=tested.labels,
        expected=expected,
    )


def _ready(network: Any, drawn: Sequence[Any] | None) -> Any:
    """The network as it answers: converters else trace a backbone's batch norm as in training."""
    import keras

    if drawn is None:
        inputs = keras.Input(network.input_shape[1:])
        model = keras.Model(inputs, network(inputs, training=False))
    else:
        from training.quantizing import ready_for_int8

        model = ready_for_int8(network, drawn)
    model(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras exports what was called.
    return model


def _int8_name(file: str) -> str:
    stem, _, suffix = file.rpartition(".")
    return f"{stem}-int8.{suffix}"


def _tested(run: Run, dataset: Dataset) -> Pictures:
    """The test pictures, or where there are none those that chose the epoch."""
    for split in ("test", "val"):
        found = load(dataset, split, side_px=run.record.side_px, cache=run.cache)
        if len(found):
            return found
    raise ExportError(f"{dataset.root} has no test pictures to hold the export against")


def _keras(run: Run, network: Any, tested: Pictures, expected: Any) -> Exported:
    def say(pixels: Any) -> Any:
        return network.predict_on_batch(pixels)

    right = expected.argmax(axis=1) == tested.labels
    return Exported(
        name="keras",
        path=str(run.weights_path),
        bytes=size_of(run.weights_path),
        latency_ms=latency_ms(say, tested.pixels[:1].astype(np.float32)),
        agreement=1.0,
        largest_difference=0.0,
        accuracy=float(right.mean()),
        n=len(right),
    )


def _write(folder: Path, path: Path, write: Callable[[], str]) -> str:
    """Let a converter write, without its chatter; say in one sentence what went wrong."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        with _quiet():
            return write()
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error}") from error
    except ExportError:
        raise
    except Exception as error:  # Each converter has errors of its own, and they share no base.
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportError(f"the conversion to {path.name} failed: {first}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        backend.standard_error_held(),  # What their native parts write.
    ):
        warnings.simplefilter("ignore")
        yield
