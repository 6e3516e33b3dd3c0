"""Quantizing: a network made ready to be told in whole numbers of 8 bits.

Two things cost answers when a converter rounds a network as it finds it, and both are mended
here, in Keras, for every format alike:

- Batch norm that stands by itself, as after a ReLU, becomes two steps whose factors share one
  scale, and the small ones drown. It is folded into the convolution before it or, where there
  is none, becomes one of a single pixel: that has a scale for each channel.
- A rounded kernel adds up to a little more or less than the true one, and where a channel's
  values hardly vary that shifts all of them. What it is off by on training pictures is taken
  from the bias (Nagel et al. 2019, arXiv 1906.04721, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

Network = Any
Layer = Any
Floats = NDArray[np.float32]

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
_MOST = 127
"""The largest of the whole numbers that a weight becomes."""
_BATCH_SIZE = 8
"""Pictures at once: all that every layer sees of them is in memory."""


def ready_for_int8(network: Network, samples: Sequence[Floats]) -> Network:
    """The same network, its batch norms folded and the kernels of its convolutions rounded.

    Args:
        network: As the registry builds it.
        samples: Pictures such as it learnt from, each of shape (1, side, side, 3).
    """
    made = folded(network)
    rounded = {id(layer): _rounded(layer) for layer in _convolutions(made)}
    errors = [_error(layer, rounded[id(layer)]) for layer in _convolutions(made)]
    for layer, shift in zip(_convolutions(made), _shifts(made, errors, samples), strict=True):
        layer.kernel.assign(rounded[id(layer)])
        layer.bias.assign(layer.bias.numpy() + shift)
    return made


def folded(network: Network) -> Network:
    """The network as it answers, without batch norm, dropout and networks inside of it that have
    weights."""
    inputs = keras.Input(network.input_shape[1:])
    return keras.Model(inputs, _folded(network, inputs), name=network.name)


def _folded(network: Network, inputs: Any) -> Any:
    whole = keras.Model(network.inputs[0], network.outputs[0])
    norms = _norms_by_source(whole)
    originals: dict[int, Layer] = {}
    answers: list[Any] = []

    def anew(layer: Layer) -> Layer:
        if not isinstance(layer, layers.Layer) or hasattr(layer, "layers"):
            return layer
        made = _made_anew(layer, is_folded=any(layer is norm for norm in norms.values()))
        originals[id(made)] = layer
        return made

    def call(layer: Layer, *given: Any, **_mask: Any) -> Any:
        if hasattr(layer, "layers"):
            return _folded(layer, given[0]) if layer.weights else layer(given[0])
        original = originals.get(id(layer))
        if isinstance(layer, layers.Identity):
            answer = given[0]
        else:
            answer = layer(*given)
            if original is not None:
                _hand_on(original, layer, norms.get(id(original)))
        if original is not None and original.output is whole.outputs[0]:
            answers.append(answer)
        return answer

    # Its own answer hangs on copies of `inputs` where these are another layer's.
    keras.models.clone_model(whole, input_tensors=inputs, clone_function=anew, call_function=call)
    return answers[0]


def _norms_by_source(network: Network) -> dict[int, Layer]:
    """The batch norms that fold into a convolution, by the identity of that."""
    found = {}
    for norm in _of(network, layers.BatchNormalization):
        for layer in network.layers:
            if _is_linear(layer) and layer.output is norm.input and _consumers(network, layer) == 1:
                found[id(layer)] = norm
    return found


def _of(network: Network, kind: Any) -> list[Layer]:
    return [layer for layer in network.layers if isinstance(layer, kind)]


def _is_linear(layer: Layer) -> bool:
    return isinstance(layer, _CONVOLUTIONS) and layer.activation is keras.activations.linear


def _consumers(network: Network, layer: Layer) -> int:
    taken = [keras.tree.flatten(other.input) for other in network.operations if other is not layer]
    return sum(one is layer.output for some in taken for one in some)


def _made_anew(layer: Layer, *, is_folded: bool) -> Layer:
    config = layer.get_config()
    if isinstance(layer, layers.Dropout) or is_folded:
        return layers.Identity(name=layer.name)
    if isinstance(layer, layers.BatchNormalization) and len(layer.input.shape) == 4:
        return layers.DepthwiseConv2D(1, name=layer.name)
    if isinstance(layer, _CONVOLUTIONS):
        config["use_bias"] = True
    return type(layer).from_config(config)


def _hand_on(original: Layer, made: Layer, norm: Layer | None) -> None:
    """Give a layer what its original knows, and what the batch norm after that does."""
    if isinstance(original, layers.BatchNormalization) and _is_depthwise(made):
        scale, offset = _scale_and_offset(original)
        made.set_weights([scale.reshape(1, 1, -1, 1), offset])
        return
    weights = original.get_weights()
    if isinstance(made, _CONVOLUTIONS):
        kernel, bias = [*weights, np.zeros(made.bias.shape, np.float32)][:2]
        if norm is not None:
            scale, offset = _scale_and_offset(norm)
            # A depthwise kernel ends in (channels, 1), others in (..., channels).
            kernel = kernel * (scale[:, None] if _is_depthwise(made) else scale)
            bias = bias * scale + offset
        weights = [kernel, bias]
    made.set_weights(weights)


def _scale_and_offset(norm: Layer) -> tuple[Floats, Floats]:
    deviation = np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    scale = (norm.gamma.numpy() if norm.scale else 1.0) / deviation
    offset = (norm.beta.numpy() if norm.center else 0.0) - norm.moving_mean.numpy() * scale
    return scale.astype(np.float32), offset.astype(np.float32)


def _is_depthwise(layer: Layer) -> bool:
    return isinstance(layer, layers.DepthwiseConv2D)


def _convolutions(network: Network) -> list[Layer]:
    return _of(network, _CONVOLUTIONS)


def _rounded(layer: Layer) -> Floats:
    """A kernel of so many whole steps a channel, as a converter will find it."""
    kernel: Floats = layer.kernel.numpy()
    axis = (0, 1, 3) if _is_depthwise(layer) else (0, 1, 2)
    step = np.abs(kernel).max(axis=axis, keepdims=True) / _MOST
    whole: Floats = (
        np.round(np.divide(kernel, step, out=np.zeros_like(kernel), where=step > 0)) * step
    )
    return whole


def _error(layer: Layer, rounded: Floats) -> Layer:
    """A layer that gives what rounding takes away."""
    made = type(layer).from_config(
        {**layer.get_config(), "use_bias": False, "activation": "linear"}
    )
    made.build(layer.input.shape)
    made.set_weights([layer.kernel.numpy() - rounded])
    return made


def _shifts(network: Network, errors: Sequence[Layer], samples: Sequence[Floats]) -> list[Floats]:
    """By how much rounding lowers the mean of each channel, of each convolution."""
    seen = keras.Model(network.inputs[0], [layer.input for layer in _convolutions(network)])
    sums = [np.zeros(1)] * len(errors)
    for pictures in _batches(samples):
        values = seen(pictures, training=False)
        for place, (error, value) in enumerate(zip(errors, values, strict=True)):
            means = keras.ops.convert_to_numpy(error(value)).mean(axis=(1, 2))
            sums[place] = sums[place] + means.sum(axis=0)
    return [(one / len(samples)).astype(np.float32) for one in sums]


def _batches(samples: Sequence[Floats]) -> Iterator[Floats]:
    for first in range(0, len(samples), _BATCH_SIZE):
        yield np.concatenate(samples[first : first + _BATCH_SIZE])
