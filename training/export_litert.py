"""LiteRT, formerly TensorFlow Lite: runs on phones, cameras and small boards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import ExportError

Floats = NDArray[np.float32]

ENOUGH = 0.97
"""Of the training pictures, an int8 export keeps the answer of so many, or its values stay."""

_MISSING = (
    "running LiteRT takes ai-edge-litert: pip install 'bestiary[litert]', or in a clone"
    " make extra EXTRA=litert"
)


def write(
    network: Any,
    path: Path,
    *,
    samples: Sequence[Floats] | None,
    notes: Any,  # noqa: ARG001 - a LiteRT file has no room for them
) -> str:
    """Write a network; with `samples`, (1, side, side, 3), as int8, its ends in float32.

    Where whole numbers for the values between layers cost answers, as in networks that were
    made small, the weights alone become int8: as small a file, and slower.

    Returns:
        What is not as asked, for the table; empty where all is.

    Raises:
        ExportError: what it takes to try the result is not installed.
    """
    _interpreter()
    if samples is None:
        network.export(str(path), format="litert", verbose=False)
        return ""
    # Keras has loaded it as its backend; to import it is not this project's business.
    options: dict[str, Any] = {"optimizations": [sys.modules["tensorflow"].lite.Optimize.DEFAULT]}
    network.export(
        str(path),
        format="litert",
        verbose=False,
        representative_dataset=lambda: ([picture] for picture in samples),
        **options,
    )
    if _agreement(network, path, samples) >= ENOUGH:
        return ""
    network.export(str(path), format="litert", verbose=False, **options)
    return "weights"


def _agreement(network: Any, path: Path, samples: Sequence[Floats]) -> float:
    """Of how many pictures a file says what the network does."""
    say = reader(path)
    same = [
        say(picture).argmax() == np.asarray(network.predict_on_batch(picture)).argmax()
        for picture in samples
    ]
    return float(np.mean(same))


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ExportError(_MISSING) from error
    return Interpreter


def reader(path: Path) -> Any:
    """A function that asks the network in a file, one picture at a time."""
    interpreter = _interpreter()(model_path=str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(taken["index"], [1, *taken["shape"][1:]])
    interpreter.allocate_tensors()

    def say(pixels: Floats) -> Floats:
        interpreter.set_tensor(taken["index"], pixels)
        interpreter.invoke()
        said: Floats = np.array(interpreter.get_tensor(given["index"]))
        return said

    return say
