"""ONNX: runs with ONNX Runtime, in many languages and on many devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import ExportError

Floats = NDArray[np.float32]

_MISSING = (
    "writing ONNX takes tf2onnx and onnxruntime: pip install 'bestiary[onnx]', or in a clone"
    " make extra EXTRA=onnx"
)


def write(network: Any, path: Path, *, samples: Iterable[Floats] | None, notes: Any) -> str:
    """Write a network, with its labels and preprocessing in the file's own metadata.

    Args:
        network: As Keras has it.
        path: Where to.
        samples: Pictures, (1, side, side, 3), to learn int8 ranges from; None for float32.
        notes: Texts to carry, by name.

    Returns:
        What is not as asked: nothing.

    Raises:
        ExportError: what it takes is not installed, or the conversion failed.
    """
    try:
        import onnx
        import tf2onnx  # noqa: F401 - Keras imports it, and would tell of it less clearly.
        from onnxruntime import quantization
    except ImportError as error:
        raise ExportError(_MISSING) from error
    whole = path if samples is None else path.with_suffix(".float32.onnx")
    network.export(str(whole), format="onnx", verbose=False)
    if samples is not None:
        (graph_input,) = onnx.load(whole).graph.input
        quantization.quantize_static(
            str(whole),
            str(path),
            _Reader(graph_input.name, samples),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
        )
        whole.unlink()
    _note(onnx, path, notes)
    return ""


def _note(onnx: Any, path: Path, notes: Mapping[str, str]) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(notes))
    onnx.save(model, path)


class _Reader:
    """Hands pictures to the quantizer, which asks for one after the other, and None."""

    def __init__(self, name: str, samples: Iterable[Floats]) -> None:
        self._name = name
        self._samples: Iterator[Floats] = iter(samples)

    def get_next(self) -> dict[str, Floats] | None:
        """The next picture under the input's name."""
        sample = next(self._samples, None)
        return None if sample is None else {self._name: sample}


def reader(path: Path) -> Any:
    """A function that asks the network in a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def say(pixels: Floats) -> Floats:
        said: Floats = session.run(None, {name: pixels})[0]
        return said

    return say
