"""The registry of networks: what can be trained, told without importing Keras."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedWeights:
    """A file of ImageNet weights in Keras' layout, without the top."""

    file: str
    """Its name in Keras' cache, `~/.keras/models`."""
    url: str
    md5: str | None = None
    """What Keras publishes for it; None where it publishes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """What is known of a network before it is built."""

    name: str
    side_px: int
    """Its pictures are squares of this side."""
    classes: int
    """As in its table row; `train` takes as many as the dataset has species."""
    parameters: int
    trainable: int
    """As first trained: without a frozen backbone's, and without batch-norm statistics."""
    source: str
    builder: str
    """`module:function`; the function takes `side_px` and `classes`."""
    pretrained: PretrainedWeights | None = None
    """Weights for the layer `backbone`."""
    suited: Mapping[str, Any] = field(default_factory=dict)
    """What suits it in a `TrainRecipe`, where that is not the recipe's own default."""
    is_frozen: bool = False
    """Whether the backbone stands still until the recipe frees it."""

    @property
    def non_trainable(self) -> int:
        """Parameters that the first epoch leaves to statistics, or as they are."""
        return self.parameters - self.trainable

    def build(self, *, side_px: int | None = None, classes: int | None = None) -> Any:
        """Build the `keras.Model`, with random weights and not compiled."""
        module, function = self.builder.split(":")
        build: Callable[[int, int], Any] = getattr(importlib.import_module(module), function)
        return build(side_px or self.side_px, classes or self.classes)


_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications"

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="cifar-cnn",
            side_px=32,
            classes=10,
            parameters=14_772_010,
            trainable=14_772_010,
            source="founding study, row 0: three convolutions and a wide dense layer",
            builder="training.networks:cifar_cnn",
        ),
        ModelEntry(
            name="cifar-vgg",
            side_px=32,
            classes=5,
            parameters=2_392_101,
            trainable=2_391_205,
            source="founding study, row 1: three VGG blocks with batch normalisation",
            builder="training.networks:cifar_vgg",
        ),
        ModelEntry(
            name="resnet50",
            side_px=32,
            classes=10,
            parameters=23_620_666,
            trainable=23_567_546,
            source="founding study, row 2: ResNet50 from ImageNet, all of it trained",
            builder="training.networks:resnet50",
            pretrained=PretrainedWeights(
                file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                url=f"{_APPLICATIONS}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                md5="4d473c1dd8becc155b73f8504c6f6626",
            ),
        ),
        ModelEntry(
            name="scratch-224",
            side_px=224,
            classes=5,
            parameters=88_733,
            trainable=88_349,
            source="founding study, row 3: a slim network for few scraped pictures",
            builder="training.networks:scratch_224",
            suited={"batch_size": 16, "shift": 0.05},
        ),
        ModelEntry(
            name="mobilenet-v2",
            side_px=224,
            classes=5,
            parameters=2_264_389,
            trainable=6_405,
            source="MobileNetV2 (Sandler et al. 2018) from ImageNet, frozen under a linear head",
            builder="training.networks:mobilenet_v2",
            pretrained=PretrainedWeights(
                file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
                url=f"{_APPLICATIONS}/mobilenet_v2/"
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            ),
            is_frozen=True,
        ),
    )
}


def find(name: str) -> ModelEntry:
    """Look up a network.

    Raises:
        UsageError: there is none of that name; the message lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise UsageError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}") from None
