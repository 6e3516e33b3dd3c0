"""The registry of networks: what can be trained, told without importing Keras."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from training.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedWeights:
    """A file of ImageNet weights in Keras' layout, without the top."""

    file: str
    """Its name in Keras' cache, `~/.keras/models`."""
    url: str
    digest: str | None = None
    """MD5 or SHA-256, as Keras publishes it; None where it publishes nothing."""
    licence: str = "Apache-2.0"
    """Of the weights at `url`, as those who made them say; an SPDX name."""
    also: str = ""
    """A pattern of other names that the file goes by in a folder of weights."""


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
    """When all of it is trained: without batch-norm statistics."""
    source: str
    builder: str
    """`module:function`; the function takes `side_px`, `classes` and `enlarge_px`."""
    pretrained: PretrainedWeights | None = None
    """Weights for the layer `backbone`."""
    smallest_px: int = 8
    """Smaller pictures tell its deeper layers nothing: five halvings leave one place of 32 px."""

    def require_backbone(self, options: Iterable[str]) -> None:
        """Make sure that options which only a backbone gives a meaning have one.

        Raises:
            UsageError: there is none; the message names the first option.
        """
        if self.pretrained is not None:
            return
        for option in options:
            raise UsageError(f"{self.name} has no backbone: leave out {option}")

    @property
    def non_trainable(self) -> int:
        """Parameters that training leaves to statistics, or as they are."""
        return self.parameters - self.trainable

    def build(
        self,
        *,
        side_px: int | None = None,
        classes: int | None = None,
        enlarge_px: int | None = None,
    ) -> Any:
        """Build the `keras.Model`, with random weights and not compiled.

        With `enlarge_px` it takes pictures of `side_px` and itself scales them to that side.
        """
        module, function = self.builder.split(":")
        build: Callable[[int, int, int | None], Any] = getattr(
            importlib.import_module(module), function
        )
        return build(side_px or self.side_px, classes or self.classes, enlarge_px)


OF_A_BACKBONE = ("transfer", "thawed_share", "rate_decay")
"""The fields of a recipe that only a backbone gives a meaning; all networks can go without."""

OF_STEPS = (
    *("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "warmup_epochs"),
    *("weight_decay", "label_smoothing", "clip_norm", "ema", "monitor", "patience"),
    *("flips", "shift", "colour", "rand_augment", "erasing", "mixup", "cutmix"),
    *("thawed_share", "rate_decay"),
)
"""The fields that say nothing where a head is fitted on a frozen backbone, without steps."""

_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications"
_IMAGENET_PX = 96
"""What networks made for 224 px need at least to see more than a blur."""

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
                digest="4d473c1dd8becc155b73f8504c6f6626",
                licence="MIT",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="scratch-224",
            side_px=224,
            classes=5,
            parameters=88_733,
            trainable=88_349,
            source="founding study, row 3: a slim network for few scraped pictures",
            builder="training.networks:scratch_224",
            smallest_px=64,
        ),
        ModelEntry(
            name="cifar-resnet",
            side_px=32,
            classes=5,
            parameters=1_352_101,
            trainable=1_349_733,
            source="ours: residual, with a stem for 32 px, for few pictures and no backbone",
            builder="training.networks:cifar_resnet",
        ),
        ModelEntry(
            name="mobilenet-v2",
            side_px=224,
            classes=5,
            parameters=2_264_389,
            trainable=2_230_277,
            source="MobileNetV2 (Sandler et al. 2018) from ImageNet under a linear head",
            builder="training.networks:mobilenet_v2",
            pretrained=PretrainedWeights(
                file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
                url=f"{_APPLICATIONS}/mobilenet_v2/"
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
                also="mobilenet_v2*1.0_224_no_top*",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="mobilenet-v2-035",
            side_px=224,
            classes=5,
            parameters=416_613,
            trainable=402_533,
            source="MobileNetV2 with 0.35 of its width, from ImageNet under a linear head",
            builder="training.networks:mobilenet_v2_035",
            pretrained=PretrainedWeights(
                file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
                url=f"{_APPLICATIONS}/mobilenet_v2/"
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
                also="mobilenet_v2*0.35_224_no_top*",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="mobilenet-075",
            side_px=224,
            classes=5,
            parameters=1_836_821,
            trainable=1_820_405,
            source="MobileNet (Howard et al. 2017) with 0.75 of its width, from ImageNet",
            builder="training.networks:mobilenet_075",
            pretrained=PretrainedWeights(
                file="mobilenet_7_5_224_tf_no_top.h5",
                url=f"{_APPLICATIONS}/mobilenet/mobilenet_7_5_224_tf_no_top.h5",
                also="mobilenet*0.75_224_no_top*",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="mobilenet-v3-large",
            side_px=224,
            classes=5,
            parameters=3_001_157,
            trainable=2_976_757,
            source="MobileNetV3 (Howard et al. 2019), large, from ImageNet under a linear head",
            builder="training.networks:mobilenet_v3_large",
            pretrained=PretrainedWeights(
                file="weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
                url=f"{_APPLICATIONS}/mobilenet_v3/"
                "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
                digest="07fb09a5933dd0c8eaafa16978110389",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="efficientnet-v2-b0",
            side_px=224,
            classes=5,
            parameters=5_925_717,
            trainable=5_865_109,
            source="EfficientNetV2-B0 (Tan and Le 2021) from ImageNet under a linear head",
            builder="training.networks:efficientnet_v2_b0",
            pretrained=PretrainedWeights(
                file="efficientnetv2-b0_notop.h5",
                url=f"{_APPLICATIONS}/efficientnet_v2/efficientnetv2-b0_notop.h5",
                digest="893217f2bb855e2983157299931e43ff",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="resnet50-linear",
            side_px=224,
            classes=5,
            parameters=23_597_957,
            trainable=23_544_837,
            source="ResNet50 (He et al. 2015) from ImageNet under a linear head",
            builder="training.networks:resnet50_linear",
            pretrained=PretrainedWeights(
                file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                url=f"{_APPLICATIONS}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                digest="4d473c1dd8becc155b73f8504c6f6626",
                licence="MIT",
            ),
            smallest_px=_IMAGENET_PX,
        ),
        ModelEntry(
            name="convnext-tiny",
            side_px=224,
            classes=5,
            parameters=27_823_973,
            trainable=27_823_973,
            source="ConvNeXt-Tiny (Liu et al. 2022) from ImageNet under a linear head",
            builder="training.networks:convnext_tiny",
            pretrained=PretrainedWeights(
                file="convnext_tiny_notop.h5",
                url=f"{_APPLICATIONS}/convnext/convnext_tiny_notop.h5",
                digest="d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
                licence="MIT",
            ),
            smallest_px=_IMAGENET_PX,
        ),
    )
}


def meaningless(model: str, transfer: object) -> tuple[str, ...]:
    """The fields of a recipe that say nothing: the network has no backbone, or keeps it frozen."""
    entry = MODELS.get(model)
    if entry is not None and entry.pretrained is None:
        return OF_A_BACKBONE
    return OF_STEPS if transfer == "frozen" else ()


def find(name: str) -> ModelEntry:
    """Look up a network.

    Raises:
        UsageError: there is none of that name; the message lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise UsageError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}") from None
