"""Exports: a trained network in a format that runs without Bestiary, and proof that it is the same.

The temperature of the calibration goes into the last layer's weights, so an exported network
gives the probabilities that `predict` shows. Each export is asked about the test pictures and
held against Keras; size and time of one picture on the CPU stand beside.

    EXPORT/model.onnx | model.tflite | saved-model/
    EXPORT/labels.txt           the species, one a line, in the order of the outputs
    EXPORT/preprocessing.json   how a photo becomes the input, and below what it is unknown
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curation.render import REDUCING_GAP
from training.calibration import Calibration
from training.errors import ExportError, UsageError
from training.run import RunRecord

ExportFormat = Literal["onnx", "litert", "saved-model"]
Floats = NDArray[np.float32]
Say = Callable[[Floats], Floats]
"""Probabilities, (n, species), of pictures, (n, side, side, 3), float32, 0-255."""

CALIBRATION_PICTURES = 200
"""Training pictures from which int8 learns the ranges of values."""
LATENCY_RUNS = 30
MOST_APART = 1e-3
"""Probabilities of an export in full precision differ by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One exported network beside Keras' own."""

    name: str
    path: str
    bytes: int
    latency_ms: float
    """Median time of one picture on this CPU."""
    agreement: float
    """Share of the pictures of which both say the same species."""
    largest_difference: float
    """Of any probability."""
    accuracy: float
    n: int


FORMATS: dict[str, tuple[str, str]] = {
    "onnx": ("training.export_onnx", "model.onnx"),
    "litert": ("training.export_litert", "model.tflite"),
    "saved-model": ("training.export_saved_model", "saved-model"),
}
"""Each format's module, with `write`, `quantize` or None, and `reader`; and its file."""


def with_temperature(network: Any, temperature: float) -> Any:
    """The network with calibrated outputs: its last layer's logits divided by a temperature.

    Raises:
        ExportError: its last layer is none that gives logits.
    """
    last = network.layers[-1]
    if last.name != "labels" or len(last.weights) != 2:
        raise ExportError(f"{network.name} does not end in a dense layer `labels`: train again")
    for variable in last.weights:
        variable.assign(variable / temperature)
    return network


def require_possible(kind: ExportFormat, *, is_int8: bool, backend: str) -> None:
    """Make sure that a format can be had at all, before anything is loaded.

    Raises:
        UsageError: it has no int8, or this backend of Keras cannot write it.
    """
    if kind == "saved-model" and is_int8:
        raise UsageError("a SavedModel has no int8: take --format litert or onnx")
    if backend != "tensorflow":
        raise UsageError(
            f"exports are written with TensorFlow, and KERAS_BACKEND is {backend}:"
            f" KERAS_BACKEND=tensorflow bestiary export … (a run can be exported with any)"
        )


def samples(pixels: NDArray[np.uint8], *, seed: int) -> Iterator[Floats]:
    """Training pictures, one at a time and drawn at random, from which int8 learns ranges."""
    places = np.random.default_rng(seed).permutation(len(pixels))[:CALIBRATION_PICTURES]
    for place in np.sort(places):
        yield pixels[place][None].astype(np.float32)


def measured(
    name: str,
    path: Path,
    say: Say,
    *,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int32],
    expected: Floats,
) -> Exported:
    """Ask an exported network about pictures one at a time, and hold it against Keras.

    Args:
        name: What it is called in the table.
        path: Its file or folder.
        say: Asks it.
        pixels: Shape (n, side, side, 3).
        labels: What they show, shape (n,).
        expected: What Keras says of them, shape (n, species).
    """
    said = np.concatenate([say(one[None].astype(np.float32)) for one in pixels])
    same = said.argmax(axis=1) == expected.argmax(axis=1)
    return Exported(
        name=name,
        path=str(path),
        bytes=size_of(path),
        latency_ms=latency_ms(say, pixels[:1].astype(np.float32)),
        agreement=float(same.mean()),
        largest_difference=float(np.abs(said - expected).max()),
        accuracy=float((said.argmax(axis=1) == labels).mean()),
        n=len(labels),
    )


def latency_ms(say: Say, picture: Floats) -> float:
    """Median time of one picture, after three that warm up."""
    for _ in range(3):
        say(picture)
    times_s = []
    for _ in range(LATENCY_RUNS):
        began_s = time.perf_counter()
        say(picture)
        times_s.append(time.perf_counter() - began_s)
    return 1000 * statistics.median(times_s)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)


def preprocessing(
    records: Sequence[RunRecord], calibration: Calibration | None, *, views: str = "one"
) -> dict[str, Any]:
    """What whoever runs the network has to know: how a photo becomes its input.

    Args:
        records: Of the run, or of those that an ensemble answers with.
        calibration: Of what they say together.
        views: What they look at.
    """
    record = records[0]
    hashes = [one.weights_sha256 for one in records]
    locks = sorted({one.lock_digest for one in records})
    return {
        "input": {
            "shape": [1, record.side_px, record.side_px, 3],
            "dtype": "float32",
            "range": [0, 255],
            "colour": "RGB",
            "layout": "NHWC",
        },
        "steps": [
            "turn upright as EXIF says; first frame of an animation",
            f"transparent pixels on RGB {list(record.curation.background)}",
            f"square of {record.curation.side_px} px: {record.curation.fit}, bicubic (Pillow's"
            f" resize with reducing_gap={REDUCING_GAP})",
            *_through_jpeg(record),
            *_rescaled(record),
        ],
        "fit": record.curation.fit,
        "jpeg_quality": record.curation.jpeg_quality if record.through_jpeg else None,
        "background": list(record.curation.background),
        "species": list(record.species),
        "networks": len(records),
        "views": views if views == "one" else f"{views}: the network makes them itself",
        "unknown_below": None if calibration is None else calibration.unknown_below,
        "temperature": "none" if calibration is None else "is in the weights",
        "weights_sha256": hashes[0] if len(hashes) == 1 else hashes,
        "lock_digest": locks[0] if len(locks) == 1 else locks,
    }


def _through_jpeg(record: RunRecord) -> list[str]:
    if not record.through_jpeg:
        return []
    return [
        f"through a JPEG of quality {record.curation.jpeg_quality} without chroma subsampling,"
        " as the training pictures went: without it answers differ a little"
    ]


def _rescaled(record: RunRecord) -> list[str]:
    if record.side_px == record.curation.side_px:
        return []
    return [f"scale to {record.side_px} px, bicubic"]


def write_notes(folder: Path, notes: Mapping[str, Any]) -> None:
    """Write labels and preprocessing beside the exported network."""
    text = json.dumps(notes, indent=2, ensure_ascii=False) + "\n"
    (folder / "preprocessing.json").write_text(text, "utf-8")
    labels = "".join(f"{name}\n" for name in notes["species"])
    (folder / "labels.txt").write_text(labels, "utf-8")


def in_table(found: Sequence[Exported]) -> str:
    """The exports side by side, for the terminal."""
    head = f"{'format':20} {'MB':>8} {'ms/picture':>11} {'agrees':>8} {'differs by':>11}  accuracy"
    rows = [
        f"{one.name:20} {one.bytes / 1e6:8.2f} {one.latency_ms:11.2f} {one.agreement:8.1%}"
        f" {one.largest_difference:11.1e}  {one.accuracy:.1%}"
        for one in found
    ]
    return "\n".join([head, *rows])


def require_parity(found: Exported, document: Mapping[str, Any]) -> None:
    """Make sure that an export in full precision says what Keras says.

    Raises:
        ExportError: it does not, so the conversion is wrong; it carries `document`.
    """
    if found.largest_difference > MOST_APART:
        raise ExportError(
            f"{found.path} is not what was trained: it agrees with Keras on"
            f" {found.agreement:.1%} of {found.n} pictures and differs by up to"
            f" {found.largest_difference:.2g}; do not use it, and try another --format",
            document=document,
        )


def metadata_of(notes: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels and preprocessing as texts, for formats that carry such."""
    return {
        "labels": "\n".join(notes["species"]),
        "preprocessing": json.dumps(notes, ensure_ascii=False),
    }
