"""How a network is fitted: every choice in one frozen value, recorded in `run.json`.

A default stands here and nowhere else; what suits a network stands in `training.presets`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from training.errors import UsageError

Monitor = Literal["accuracy", "loss", "none"]
Optimizer = Literal["adam", "adamw", "sgd", "muon"]
Schedule = Literal["constant", "cosine", "one-cycle"]
Precision = Literal["float32", "mixed_bfloat16"]
Balance = Literal["weights", "sampling", "none"]
Flips = Literal["random", "alternate", "none"]
Transfer = Literal["frozen", "two-phase", "whole"]
ImageFit = Literal["exact", "resize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """How a network is fitted; checked at birth."""

    preset: str = ""
    """The name of the preset that it began from; its values stand in the fields below."""

    epochs: int = 100
    batch_size: int = 32
    """At most; all batches have one size, so that no tiny one is left over."""
    optimizer: Optimizer = "adam"
    """`muon`: see `training.muon`; what is no convolution learns by AdamW then."""
    learning_rate: float = 1e-3
    """The largest: see `schedule`."""
    schedule: Schedule = "constant"
    """`cosine`: up for the warm-up, then down to 0 along a cosine; `one-cycle`: up for the
    warm-up, then straight down to 0."""
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    """Decoupled, each step, times the learning rate; of kernels, not of biases and norms."""
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    """Gradients together are never longer than this; 0: as long as they are."""
    ema: float = 0.0
    """What is measured and kept is a moving average of the weights with this decay a step;
    0: the weights themselves. Short trainings take less: it looks back on a tenth at most."""
    precision: Precision = "float32"

    monitor: Monitor = "accuracy"
    """What chooses the best epoch on the validation pictures; the other one breaks ties.
    `none`: nothing chooses, and the last epoch's weights stand."""
    patience: int = 20
    """Epochs without a better one until training stops; 0 never stops early."""
    balance: Balance = "weights"
    """For rare species: more weight in the loss, more turns in an epoch, or neither."""

    flips: Flips = "random"
    """`alternate`: by lot in the first epoch, then in turns, so that each pair of epochs shows
    both sides (Jordan 2024, arXiv 2404.00498)."""
    shift: float = 0.125
    """Largest shift as a share of the side: 4 of 32 px, 28 of 224; what is missing at the edge
    is mirrored."""
    colour: float = 0.0
    """Largest change of brightness, contrast and saturation, as a share."""
    rand_augment: int = 0
    """So many operations are drawn for each picture (Cubuk et al. 2019, arXiv 1909.13719)."""
    erasing: float = 0.0
    """Share of the pictures in which a box is painted over (Zhong et al. 2017, 1708.04896)."""
    mixup: float = 0.0
    """Share of the batches that are mixed by MixUp (Zhang et al. 2017, arXiv 1710.09412)."""
    cutmix: float = 0.0
    """Share of the batches that are mixed by CutMix (Yun et al. 2019, arXiv 1905.04899)."""

    transfer: Transfer = "whole"
    """How a network with a backbone is fitted: a head on its frozen features; the same and then
    the backbone from the top; or everything at once. Of no meaning without a backbone."""
    thawed_share: float = 1.0
    """Share of the backbone's layers, from the top, that the second phase trains."""
    rate_decay: float = 1.0
    """Each fifth of the backbone's layers learns at this times the rate of the one above."""
    weights: str = "imagenet"
    """`imagenet`, `none`, or a file; of no meaning to a network without a backbone."""
    image_fit: ImageFit = "exact"
    """Whether the dataset's pictures are scaled in memory to the network's side."""
    enlarge_px: int | None = None
    """The side to which the network itself scales its pictures, at most; None: it does not."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UsageError(f"{_spoken(name)} must be at least {least}, not {value}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(
                    f"{_spoken(name)} must be a share from 0 to 1, not {getattr(self, name)}"
                )
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{_spoken(name)} must be one of {', '.join(choices)}")
        self._require_sense()

    def _require_sense(self) -> None:
        """Refuse values that are possible each, and mean nothing."""
        if not 0 < self.learning_rate < 10:
            raise UsageError("learning rate must lie between 0 and 10, and 0.001 is usual")
        for name in ("shift", "label_smoothing", "ema"):
            if getattr(self, name) == 1:
                raise UsageError(f"{_spoken(name)} must be a share from 0 to 1, and less than 1")
        if self.mixup + self.cutmix > 1:
            raise UsageError("mixup and cutmix are shares of the batches, and together at most 1")
        if self.monitor == "none" and self.patience:
            raise UsageError(
                "without a monitor nothing can run out of patience: take --monitor accuracy,"
                " or --patience 0"
            )
        if self.seed >= 2**32:
            raise UsageError("seed must be below 4294967296")

    def identity(self) -> dict[str, object]:
        """What a run cannot change when it goes on.

        It may be given more time, unless its rates or its average depend on how much it has.
        Nor does it matter where its first weights lie now, or what the recipe was called: the
        run knows the digest of the one and the values of the other.
        """
        free = {"patience", "weights", "preset"}
        if self.schedule == "constant" and not self.ema:
            free.add("epochs")
        return {name: value for name, value in asdict(self).items() if name not in free}


CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
    "monitor": get_args(Monitor),
    "balance": get_args(Balance),
    "flips": get_args(Flips),
    "transfer": get_args(Transfer),
    "image_fit": get_args(ImageFit),
}
"""What the fields that are words can be."""

_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "patience": 0,
    "seed": 0,
    "rand_augment": 0,
    "enlarge_px": 8,
    "warmup_epochs": 0,
    "weight_decay": 0,
    "clip_norm": 0,
}
_SHARES = (
    "label_smoothing",
    "ema",
    "shift",
    "colour",
    "erasing",
    "mixup",
    "cutmix",
    "thawed_share",
    "rate_decay",
)


def _spoken(name: str) -> str:
    return name.replace("_", " ")
