"""LiteRT, formerly TensorFlow Lite: runs on phones, cameras and small boards."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import ExportError

Floats = NDArray[np.float32]

_MISSING = "running LiteRT takes ai-edge-litert: pip install 'bestiary[litert]'"


def write(
    network: Any,
    path: Path,
    *,
    samples: Iterable[Floats] | None,
    notes: Any,  # noqa: ARG001 - a LiteRT file has no room for them
) -> None:
    """Write a network; with `samples`, (1, side, side, 3), as int8, its ends in float32.

    Raises:
        ExportError: what it takes to try the result is not installed.
    """
    _interpreter()
    options: dict[str, Any] = {}
    if samples is not None:
        pictures = list(samples)
        options = {
            # Keras has loaded it as its backend; to import it is not this project's business.
            "optimizations": [sys.modules["tensorflow"].lite.Optimize.DEFAULT],
            "representative_dataset": lambda: ([picture] for picture in pictures),
        }
    network.export(str(path), format="litert", verbose=False, **options)


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
