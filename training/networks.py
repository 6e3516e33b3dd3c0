"""The networks, layer for layer; `training.models` lists them by name.

Every network takes RGB pictures with values 0-255, (n, side_px, side_px, 3), brings them into
the range it was made for without a parameter of its own, and gives one probability a class.
With `enlarge_px` it scales them first, so that whoever uses it need not know.
The first four are those of the founding study, whose tables leave activations and dropout
rates open: what stands here learns from few images.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

Network = Any
"""A `keras.Model`; Keras publishes no types."""


def cifar_cnn(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """Three convolutions and a wide dense layer: it learns 2,000 images by heart."""
    return keras.Sequential(
        [
            *_entrance(side_px, enlarge_px),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            _labels(classes),
        ],
        name="cifar-cnn",
    )


def cifar_vgg(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """Three blocks of two convolutions, after VGG, with batch normalisation."""
    blocks = [layer for filters in (32, 64, 128) for layer in _vgg_block(filters)]
    return keras.Sequential(
        [
            *_entrance(side_px, enlarge_px),
            layers.Rescaling(1 / 255),
            *blocks,
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(1024, activation="relu"),
            layers.Dropout(0.5),
            _labels(classes),
        ],
        name="cifar-vgg",
    )


def _vgg_block(filters: int) -> list[Any]:
    return [
        layers.Conv2D(filters, 3, padding="same", activation="relu"),
        layers.BatchNormalization(momentum=0.9),
        layers.Conv2D(filters, 3, padding="same", activation="relu"),
        layers.BatchNormalization(momentum=0.9),
        layers.MaxPooling2D(2),
    ]


def scratch_224(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """A slim network for a few hundred scraped pictures; its dense layers work per place.

    ELU, because eight rectified channels lose too much: on 277 photos of five species it is
    right for 52 % after 12 epochs, with ReLU for 44 %. A dropout of 0 stands where the table
    has one and it only slowed learning.
    """
    return keras.Sequential(
        [
            *_entrance(side_px, enlarge_px),
            layers.Rescaling(1 / 255),
            layers.Activation("relu"),
            layers.Conv2D(128, 3, strides=2, padding="same"),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("elu"),
            layers.Dropout(0.0),
            layers.MaxPooling2D(2),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, strides=2, padding="same"),
            layers.Dropout(0.0),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("elu"),
            layers.Dropout(0.1),
            layers.Dense(32, activation="elu"),
            layers.Dropout(0.1),
            layers.Dense(16, activation="elu"),
            layers.Dropout(0.0),
            layers.Dense(8, activation="elu"),
            layers.Flatten(),
            _labels(classes),
        ],
        name="scratch-224",
    )


def cifar_resnet(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """Three residual stages behind a stem that keeps every pixel of a small picture.

    After the ResNet-9 of Page (2018) and He et al. (2015, section 4.2), a little over half as
    wide: with 500 pictures a class more width is only learnt by heart.
    """
    pixels = layers.Rescaling(1 / 64, offset=-1.9)
    inputs, *before = _entrance(side_px, enlarge_px)
    features = pixels(_through(before, inputs))
    features = _convolved(features, 32)
    for filters in (64, 128, 192):
        features = _convolved(features, filters)
        features = layers.MaxPooling2D(2)(features)
        bypass = _convolved(_convolved(features, filters), filters)
        features = layers.Add()([features, bypass])
    features = layers.GlobalMaxPooling2D()(features)
    features = layers.Dropout(0.2)(features)
    outputs = _labels(classes)(features)
    return keras.Model(inputs, outputs, name="cifar-resnet")


def _convolved(features: Any, filters: int) -> Any:
    features = layers.Conv2D(
        filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(features)
    features = layers.BatchNormalization(momentum=0.9)(features)
    return layers.Activation("relu")(features)


def resnet50(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """ResNet50 with the study's small head; every layer of it is trained."""
    inputs, features = _backbone(keras.applications.ResNet50, _blue_first, side_px, enlarge_px)
    features = layers.MaxPooling2D(features.shape[1])(features)
    features = layers.Dropout(0.3)(features)
    features = layers.Flatten()(features)
    features = layers.Dense(16, activation="relu")(features)
    return keras.Model(inputs, _labels(classes)(features), name="resnet50")


def mobilenet_v2(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """MobileNetV2 under a linear head."""
    return _transferred(
        "mobilenet-v2",
        _backbone(keras.applications.MobileNetV2, _to_one, side_px, enlarge_px),
        classes,
    )


def mobilenet_v2_035(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """MobileNetV2 with 0.35 of its width: for small machines."""
    application = functools.partial(keras.applications.MobileNetV2, alpha=0.35)
    return _transferred(
        "mobilenet-v2-035", _backbone(application, _to_one, side_px, enlarge_px), classes
    )


def mobilenet_075(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """MobileNet with 0.75 of its width."""
    application = functools.partial(keras.applications.MobileNet, alpha=0.75)
    return _transferred(
        "mobilenet-075", _backbone(application, _to_one, side_px, enlarge_px), classes
    )


def mobilenet_v3_large(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """MobileNetV3, large, under a linear head."""
    application = functools.partial(
        keras.applications.MobileNetV3Large, include_preprocessing=False
    )
    return _transferred(
        "mobilenet-v3-large", _backbone(application, _to_one, side_px, enlarge_px), classes
    )


def efficientnet_v2_b0(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """EfficientNetV2-B0 under a linear head."""
    application = functools.partial(
        keras.applications.EfficientNetV2B0, include_preprocessing=False
    )
    return _transferred(
        "efficientnet-v2-b0", _backbone(application, _standardised, side_px, enlarge_px), classes
    )


def resnet50_linear(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """ResNet50 under a linear head."""
    return _transferred(
        "resnet50-linear",
        _backbone(keras.applications.ResNet50, _blue_first, side_px, enlarge_px),
        classes,
    )


def convnext_tiny(side_px: int, classes: int, enlarge_px: int | None = None) -> Network:
    """ConvNeXt-Tiny under a linear head: slow on a CPU."""
    application = functools.partial(keras.applications.ConvNeXtTiny, include_preprocessing=False)
    return _transferred(
        "convnext-tiny", _backbone(application, _standardised, side_px, enlarge_px), classes
    )


Preprocessing = Callable[[Any], Any]
"""What each application's ImageNet weights expect is made of values 0-255 by these."""


def _to_one(pixels: Any) -> Any:
    return layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)  # From -1 to 1.


def _standardised(pixels: Any) -> Any:
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return layers.Rescaling(
        [1 / 255 / one for one in deviation],
        offset=[-middle / one for middle, one in zip(mean, deviation, strict=True)],
    )(pixels)


def _blue_first(pixels: Any) -> Any:
    pixels = keras.ops.flip(pixels, axis=-1)
    return layers.Rescaling(1.0, offset=(-103.939, -116.779, -123.68))(pixels)


def _transferred(name: str, seen: tuple[Any, Any], classes: int) -> Network:
    """Pictures and what a backbone made of them, under a linear head."""
    inputs, features = seen
    features = layers.GlobalAveragePooling2D()(features)
    features = layers.Dropout(0.2)(features)
    return keras.Model(inputs, _labels(classes)(features), name=name)


def _backbone(
    application: Callable[..., Network],
    preprocessing: Preprocessing,
    side_px: int,
    enlarge_px: int | None,
) -> tuple[Any, Any]:
    """Pictures, and what the layer `backbone`, an application's convolutions, makes of them."""
    inputs, *before = _entrance(side_px, enlarge_px)
    seen_px = enlarge_px or side_px
    backbone = application(include_top=False, weights=None, input_shape=(seen_px, seen_px, 3))
    backbone.name = "backbone"  # Afterwards, because some applications read their own name.
    return inputs, backbone(preprocessing(_through(before, inputs)))


def _entrance(side_px: int, enlarge_px: int | None) -> list[Any]:
    """The first of a network's layers: its pictures, and what brings them to another side."""
    inputs = keras.Input((side_px, side_px, 3))
    if enlarge_px in {None, side_px}:
        return [inputs]
    return [inputs, _scaling(side_px, enlarge_px)]


def _scaling(side_px: int, to_px: int) -> Network:
    """Brings pictures to another side, bicubic: bilinear ones are softer than any photo, and a
    frozen backbone tells up to three in a hundred less of them apart (benchmarks/RESULTS.md).

    Two products with a constant matrix, because every backend computes and every format holds
    those alike, which cannot be said of a bicubic layer.
    """
    weights = _cubic_weights(side_px, to_px)
    pixels = keras.Input((side_px, side_px, 3))
    bands = keras.ops.transpose(pixels, (0, 3, 1, 2))
    scaled = keras.ops.matmul(keras.ops.matmul(weights, bands), weights.T)
    return keras.Model(pixels, keras.ops.transpose(scaled, (0, 2, 3, 1)), name="scaling")


def _cubic_weights(side_px: int, to_px: int) -> NDArray[np.float32]:
    """What each of `side_px` pixels in a row gives to each of `to_px`: (to_px, side_px).

    Keys' cubic (1981, doi:10.1109/TASSP.1981.1163711), as wide as a pixel of the coarser side;
    what would lie outside the row is left out.
    """
    width = max(1.0, side_px / to_px)
    places = (np.arange(to_px) + 0.5) * side_px / to_px - 0.5
    far = np.abs(places[:, None] - np.arange(side_px)) / width
    near = (1.5 * far - 2.5) * far**2 + 1
    rim = ((-0.5 * far + 2.5) * far - 4) * far + 2
    weights = np.where(far < 1, near, np.where(far < 2, rim, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _through(some: list[Any], features: Any) -> Any:
    for layer in some:
        features = layer(features)
    return features


def _labels(classes: int) -> Any:
    """Probabilities; in 32 bits whatever the precision of the rest."""
    return layers.Dense(classes, activation="softmax", dtype="float32", name="labels")
