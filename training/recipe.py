"""How a network is fitted: every choice in one frozen value, recorded in `run.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from training.errors import UsageError

Monitor = Literal["accuracy", "loss"]
Optimizer = Literal["adam", "adamw", "sgd"]
ImageFit = Literal["exact", "resize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """How a network is fitted; checked at birth."""

    epochs: int = 100
    batch_size: int = 32
    """At most; all batches have one size, so that no tiny one is left over."""
    learning_rate: float = 1e-3
    optimizer: Optimizer = "adam"
    monitor: Monitor = "accuracy"
    """What chooses the best epoch on the validation pictures; the other one breaks ties."""
    patience: int = 20
    """Epochs without a better one until training stops; 0 never stops early."""
    balances_classes: bool = True
    """Whether a picture of a rare species weighs more in the loss."""
    augments: bool = True
    """Whether pictures are flipped and shifted at random while training."""
    shift: float = 0.125
    """Largest shift as a share of the side: 4 of 32 px, 28 of 224."""
    frozen_epochs: int | None = None
    """Epochs before a frozen backbone is trained too; None: it stays frozen."""
    thawed_learning_rate: float = 1e-4
    """The rate from then on."""
    weights: str = "imagenet"
    """`imagenet`, `none`, or a file; of no meaning to a network without a backbone."""
    image_fit: ImageFit = "exact"
    """Whether the dataset's pictures are scaled in memory to the network's side."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            _require(name, getattr(self, name), at_least=1)
        for name in ("patience", "seed"):
            _require(name, getattr(self, name), at_least=0)
        _require("frozen epochs", self.frozen_epochs or 0, at_least=0)
        for name in ("learning_rate", "thawed_learning_rate"):
            if not 0 < getattr(self, name) < 10:
                raise UsageError(f"{_spoken(name)} must lie between 0 and 10, and 0.001 is usual")
        if not 0 <= self.shift < 1:
            raise UsageError(f"shift must be a share of the side below 1, not {self.shift}")
        if self.seed >= 2**32:
            raise UsageError("seed must be below 4294967296")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{_spoken(name)} must be one of {', '.join(choices)}")

    def identity(self) -> dict[str, object]:
        """What a run cannot change when it goes on; it may be given more time.

        Nor does it matter where its first weights lie now: the run knows their digest.
        """
        free = {"epochs", "patience", "weights"}
        return {name: value for name, value in asdict(self).items() if name not in free}


_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "monitor": get_args(Monitor),
    "image_fit": get_args(ImageFit),
}


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _require(name: str, value: int, *, at_least: int) -> None:
    if value < at_least:
        raise UsageError(f"{_spoken(name)} must be at least {at_least}, not {value}")
