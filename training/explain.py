"""Grad-CAM: where in a picture a network saw what it said (Selvaraju et al. 2017, 1610.02391).

The map is the last one that a network computes before it forgets places, each channel
weighed by how much it speaks for the answer. Keras has no gradient that all of its backends
share, but all of them can train: so a variable of zeros is added to the map, one step of plain
gradient descent with rate 1 is taken on it alone, and what it moved by is the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BATCH_SIZE = 16
_COLOURS = 3
"""As many channels has the picture itself."""
_BY_HEIGHT = ((0.0, (0, 0, 96)), (0.5, (214, 70, 46)), (1.0, (255, 236, 120)))
"""Colours of a map's heights, RGB: dark where there is nothing, bright at the peak."""

Network = Any
Floats = NDArray[np.float32]


def grad_cams(
    network: Network, pixels: NDArray[np.uint8], labels: NDArray[np.int32]
) -> Floats | None:
    """How much each place of each picture speaks for a label.

    Args:
        network: As the registry builds it.
        pixels: Shape (n, side, side, 3).
        labels: What is to be explained: an answer for each picture, shape (n,).

    Returns:
        Shape (n, rows, columns) of the network's last map, each picture's from 0 to 1; None
        where the network has no map with more than one place that all goes through.
    """
    cut = _last_map(network)
    if cut is None or not len(pixels):
        return None
    import keras

    try:
        below, above = keras.Model(network.inputs[0], cut), keras.Model(cut, network.outputs[0])
    except ValueError:
        return None  # Something leads past the map: there is no one place to cut.
    parts = [
        _grad_cams(below, above, pixels[first : first + BATCH_SIZE], labels[first:][:BATCH_SIZE])
        for first in range(0, len(pixels), BATCH_SIZE)
    ]
    return np.concatenate(parts)


def _last_map(network: Network) -> Any | None:
    """What the last layer that still sees places is given; None where that is one place."""
    maps = [layer.input for layer in network.layers[1:] if _sees_places(layer)]
    return maps[-1] if maps else None


def _sees_places(layer: Any) -> bool:
    """Whether a layer is given one map of features, with more than one place in it."""
    if hasattr(layer, "layers"):
        return False  # A network inside the network knows only its own input, not this one's.
    shape: tuple[int, ...] = getattr(getattr(layer, "input", None), "shape", ())
    return len(shape) == 4 and min(shape[1:3]) > 1 and shape[3] > _COLOURS


def _grad_cams(
    below: Network, above: Network, pixels: NDArray[np.uint8], labels: NDArray[np.int32]
) -> Floats:
    import keras

    activations = keras.ops.convert_to_numpy(below(pixels, training=False))
    gradients = _gradients(above, activations, labels)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    maps = np.maximum((weights * activations).sum(axis=-1), 0.0)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    cams: Floats = np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)
    return cams


def _gradients(above: Network, activations: Floats, labels: NDArray[np.int32]) -> Floats:
    """Of each label's log-probability by the activations, in their shape."""
    import keras

    def upper(values: Any) -> Any:  # A closure: the network's own variables stay untouched.
        return above(values, training=False)

    class Probe(keras.Model):  # type: ignore[misc]  # Keras publishes no types.
        def __init__(self) -> None:
            super().__init__()
            self.moved = self.add_weight(
                shape=activations.shape, initializer="zeros", dtype="float32"
            )

        def call(self, values: Any) -> Any:
            return upper(values + self.moved)

    probe = Probe()
    probe.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(reduction="sum"),
        run_eagerly=True,
    )
    probe.train_on_batch(activations, labels)
    moved: Floats = keras.ops.convert_to_numpy(probe.moved)
    return moved


def overlay(picture: NDArray[np.uint8], cam: Floats) -> Image.Image:
    """The picture, grey, under its map in colour; as large as the picture."""
    grey = Image.fromarray(picture).convert("L").convert("RGB")
    heights = Image.fromarray((cam * 255).astype(np.uint8)).resize(
        grey.size, Image.Resampling.BICUBIC
    )
    colours = Image.merge("RGB", [heights.point(_curve(channel)) for channel in range(3)])
    return Image.blend(grey, colours, 0.45)


def _curve(channel: int) -> list[int]:
    places = [255 * place for place, _ in _BY_HEIGHT]
    values = [colour[channel] for _, colour in _BY_HEIGHT]
    return [round(value) for value in np.interp(range(256), places, values)]
