"""Exporting: a run or an ensemble in, a network in another format out, held against Keras."""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curation.dataset import Dataset
from training import backend, ensemble
from training.calibration import Calibration
from training.ensemble import Classifier
from training.errors import ExportError
from training.export import (
    FORMATS,
    Exported,
    ExportFormat,
    latency_ms,
    measured,
    metadata_of,
    preprocessing,
    samples,
    size_of,
    with_temperature,
    write_notes,
)
from training.labelled import read_npz
from training.pictures import Pictures, load
from training.predict import probabilities_of
from training.run import Run, pointed_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is exported, and the pictures that the result is held against."""

    root: Path
    runs: tuple[Run, ...]
    """One, or those that an ensemble answers with."""
    classifier: Classifier
    tested: Pictures
    drawn: Sequence[Any] | None = None
    """Training pictures to learn int8 from; None for full precision."""

    @property
    def calibration(self) -> Calibration | None:
        """Of what is written."""
        return ensemble.calibration_of(self.root, self.runs)


def of_run(run: Run, dataset: Dataset, *, is_int8: bool) -> Source:
    """A run, held against the test pictures of the dataset that it was trained on."""
    dealt = run.record.portion.of(dataset)
    drawn = None
    if is_int8:
        train = load(dealt, "train", side_px=run.record.side_px, cache=run.cache)
        drawn = list(samples(train.pixels, seed=run.record.recipe.seed))
    return Source(
        root=run.root,
        runs=(run,),
        classifier=ensemble.load(run.root),
        tested=_tested(run, dealt),
        drawn=drawn,
    )


def of_pictures(root: Path, file: Path) -> Source:
    """A run or an ensemble, held against the pictures of an .npz file."""
    runs, _ = ensemble.opened(root)
    classifier = ensemble.load(root)
    labelled = read_npz(file, species=classifier.species, side_px=classifier.side_px)
    return Source(
        root=pointed_to(root),
        runs=tuple(runs),
        classifier=classifier,
        tested=labelled.pictures(),
    )


def exported(source: Source, folder: Path, *, kind: ExportFormat) -> tuple[Exported, Exported]:
    """Write a network, and measure it beside Keras' own.

    Args:
        source: What to write.
        folder: Where to; made when it is not there.
        kind: The format.

    Returns:
        Keras' own network, and the exported one.

    Raises:
        ExportError: what the format takes is not installed, or the conversion failed.
    """
    tested, is_int8 = source.tested, source.drawn is not None
    network, expected = _network(source.classifier, tested.pixels)
    module, file = FORMATS[kind]
    writer = importlib.import_module(module)
    path = folder / (_int8_name(file) if is_int8 else file)
    records = [run.record for run in source.runs]
    notes = preprocessing(records, source.calibration, views=source.classifier.views)
    short_of = _write(
        folder,
        path,
        lambda: writer.write(
            _ready(network, source.drawn), path, samples=source.drawn, notes=metadata_of(notes)
        ),
    )
    write_notes(folder, notes)
    name = " ".join([kind, *(["int8"] if is_int8 else []), *([short_of] if short_of else [])])
    with _quiet():
        say = writer.reader(path)
    return _keras(source, network, expected), measured(
        name,
        path,
        say,
        pixels=tested.pixels,
        labels=tested.labels,
        expected=expected,
    )


def _network(classifier: Classifier, pixels: Any) -> tuple[Any, Any]:
    """All that a classifier does, as one network; and what that has to say of pictures."""
    if len(classifier.members) == 1 and classifier.views == "one":
        network = with_temperature(classifier.members[0], classifier.temperature)
        return network, probabilities_of(network, pixels)
    from training.joined import joined

    return joined(classifier), classifier.probabilities(pixels)


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


def _keras(source: Source, network: Any, expected: Any) -> Exported:
    def say(pixels: Any) -> Any:
        return network.predict_on_batch(pixels)

    tested = source.tested
    right = expected.argmax(axis=1) == tested.labels
    return Exported(
        name="keras",
        path=str(source.runs[0].weights_path if len(source.runs) == 1 else source.root),
        bytes=sum(size_of(run.weights_path) for run in source.runs),
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
