"""SavedModel: runs with TensorFlow and TensorFlow Serving, without Keras."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def write(
    network: Any,
    path: Path,
    *,
    samples: Iterable[Floats] | None,  # noqa: ARG001 - it has no int8
    notes: Any,  # noqa: ARG001 - and no room for notes
) -> str:
    """Write a network as a folder; return what is not as asked: nothing.

    Not by `network.export`, which with Keras 3.15 writes every weight twice.
    """
    import keras

    def say(pixels: Any) -> Any:
        return network(pixels, training=False)

    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serve", say, [keras.InputSpec(shape=network.input_shape, dtype="float32")]
    )
    archive.write_out(str(path), verbose=False)
    return ""


def reader(path: Path) -> Any:
    """A function that asks the network in a folder that was just written."""
    import keras

    layer = keras.layers.TFSMLayer(str(path), call_endpoint="serve")

    def say(pixels: Floats) -> Floats:
        said: Floats = keras.ops.convert_to_numpy(layer(pixels))
        return said

    return say
