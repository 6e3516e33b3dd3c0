"""The networks, layer for layer; `training.models` lists them by name.

Every network takes RGB pictures with values 0-255, (n, side_px, side_px, 3), brings them into
the range it was made for without a parameter of its own, and gives one probability a class.
The first four are those of the founding study, whose tables leave activations and dropout
rates open: what stands here learns from few images.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

Network = Any
"""A `keras.Model`; Keras publishes no types."""


def cifar_cnn(side_px: int, classes: int) -> Network:
    """Three convolutions and a wide dense layer: it learns 2,000 images by heart."""
    return keras.Sequential(
        [
            keras.Input((side_px, side_px, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(classes, activation="softmax", name="labels"),
        ],
        name="cifar-cnn",
    )


def cifar_vgg(side_px: int, classes: int) -> Network:
    """Three blocks of two convolutions, after VGG, with batch normalisation."""
    blocks = [layer for filters in (32, 64, 128) for layer in _vgg_block(filters)]
    return keras.Sequential(
        [
            keras.Input((side_px, side_px, 3)),
            layers.Rescaling(1 / 255),
            *blocks,
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(1024, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax", name="labels"),
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


def scratch_224(side_px: int, classes: int) -> Network:
    """A slim network for a few hundred scraped pictures; its dense layers work per place.

    ELU, because eight rectified channels lose too much: on 277 photos of five species it is
    right for 52 % after 12 epochs, with ReLU for 44 %. A dropout of 0 stands where the table
    has one and it only slowed learning.
    """
    return keras.Sequential(
        [
            keras.Input((side_px, side_px, 3)),
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
            layers.Dense(classes, activation="softmax", name="labels"),
        ],
        name="scratch-224",
    )


def resnet50(side_px: int, classes: int) -> Network:
    """ResNet50 with the study's small head; every layer of it is trained."""
    inputs = keras.Input((side_px, side_px, 3))
    # What its ImageNet weights expect: blue first, each channel's ImageNet mean taken off.
    pixels = keras.ops.flip(inputs, axis=-1)
    pixels = layers.Rescaling(1.0, offset=(-103.939, -116.779, -123.68))(pixels)
    backbone = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(side_px, side_px, 3), name="backbone"
    )
    features = backbone(pixels)
    features = layers.MaxPooling2D(features.shape[1])(features)
    features = layers.Dropout(0.3)(features)
    features = layers.Flatten()(features)
    features = layers.Dense(16, activation="relu")(features)
    outputs = layers.Dense(classes, activation="softmax", name="labels")(features)
    return keras.Model(inputs, outputs, name="resnet50")


def mobilenet_v2(side_px: int, classes: int) -> Network:
    """MobileNetV2, frozen, under a linear head: the transfer that pays with few images."""
    inputs = keras.Input((side_px, side_px, 3))
    pixels = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    backbone = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(side_px, side_px, 3), name="backbone"
    )
    backbone.trainable = False
    features = layers.GlobalAveragePooling2D()(backbone(pixels))
    features = layers.Dropout(0.2)(features)
    outputs = layers.Dense(classes, activation="softmax", name="labels")(features)
    return keras.Model(inputs, outputs, name="mobilenet-v2")
