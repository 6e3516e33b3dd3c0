"""Frozen batch norms, folded into the convolutions before them for as long as a network trains.

A batch norm whose statistics and scales stay as they are is a factor and an offset for each
channel. The factor goes to the kernel, the offset becomes a bias: the same function of the same
variables with the same gradients, and two passes over each map fewer, which the backend then
adds and rectifies in one go (figures: benchmarks/RESULTS.md).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from training.transfer import backbone_of

Network = Any
Layer = Any
Tensor = Any


def folded(network: Network) -> Network:
    """A network with the same variables, whose backbone has its frozen batch norms folded.

    The network itself, where it has no backbone, or one without such batch norms. Those that
    are frozen or freed afterwards are not noticed.
    """
    backbone = backbone_of(network)
    if backbone is None or not _may_be_walked(backbone):
        return network
    norms = _frozen_norms(backbone)
    if not norms:
        return network
    place = network.layers.index(backbone)
    below = keras.Model(network.inputs[0], network.layers[place - 1].output)
    above = keras.Model(network.layers[place + 1].input, network.outputs[0])
    pixels = keras.Input(network.input_shape[1:])
    return keras.Model(pixels, above(Folded(backbone, norms)(below(pixels))))


class Folded(layers.Layer):  # type: ignore[misc]
    """A backbone, gone through layer by layer, but for what is folded."""

    def __init__(self, backbone: Network, norms: dict[str, Layer]) -> None:
        super().__init__(name="folded_backbone")
        self.backbone, self._norms = backbone, norms
        self.built = True

    def call(self, features: Tensor) -> Tensor:
        """As the backbone."""
        norms = self._norms
        behind = {norm.name for norm in norms.values()}
        values = {id(self.backbone.input): features}
        for layer in self.backbone.layers[1:]:
            seen = keras.tree.map_structure(lambda one: values[id(one)], layer.input)
            if layer.name in norms:
                seen = _normed(layer, norms[layer.name], seen)
            elif layer.name not in behind:
                seen = layer(seen)
            values[id(layer.output)] = seen
        return values[id(self.backbone.output)]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """As Keras asks for it."""
        return self.backbone.compute_output_shape(input_shape)


def _may_be_walked(backbone: Network) -> bool:
    """Whether it is a graph of layers that take tensors alone, one after the other."""
    return (
        not isinstance(backbone, keras.Sequential)
        and list(backbone.operations) == list(backbone.layers)
        and isinstance(backbone.layers[0], layers.InputLayer)
        and not any(hasattr(layer, "layers") for layer in backbone.layers)
    )


def _frozen_norms(backbone: Network) -> dict[str, Layer]:
    """The frozen batch norms behind convolutions that nothing else listens to, by their names."""
    listeners: dict[int, list[Layer]] = {}
    for layer in backbone.layers[1:]:
        for one in keras.tree.flatten(layer.input):
            listeners.setdefault(id(one), []).append(layer)
    found = {}
    for layer in backbone.layers:
        behind = listeners.get(id(layer.output), [])
        if _is_linear(layer) and len(behind) == 1 and _is_frozen_norm(behind[0]):
            found[layer.name] = behind[0]
    return found


def _is_linear(layer: Layer) -> bool:
    return (
        isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
        and layer.activation is keras.activations.linear
        and layer.data_format == "channels_last"
    )


def _is_frozen_norm(layer: Layer) -> bool:
    return (
        isinstance(layer, layers.BatchNormalization)
        and not layer.trainable
        and layer.axis in {-1, 3}
    )


def _normed(layer: Layer, norm: Layer, features: Tensor) -> Tensor:
    """What a convolution and the batch norm behind it make of features."""
    factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
    factor = factor * norm.gamma if norm.scale else factor
    offset = -norm.moving_mean * factor
    offset = offset + norm.beta if norm.center else offset
    if layer.use_bias:
        offset = offset + layer.bias * factor
    is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
    kernel = layer.kernel * (
        ops.reshape(factor, layer.kernel.shape[2:]) if is_depthwise else factor
    )
    features, kernel, offset = (
        ops.cast(one, layer.compute_dtype) for one in (features, kernel, offset)
    )
    if is_depthwise:
        answer = ops.depthwise_conv(
            features,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
        )
    else:
        answer = layer.convolution_op(features, kernel)
    # Not with `+`, behind which TensorFlow does not see a bias.
    return ops.add(answer, offset)
