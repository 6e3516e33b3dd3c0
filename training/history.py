"""The history of a training: one row per epoch, and what follows from the rows alone.

Which epoch is the best and when to stop are functions of the rows, so a training that goes
on after a kill needs to remember nothing else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from training.recipe import Monitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch brought; losses and accuracies are means over its pictures."""

    epoch: int
    """Counted from 1."""
    loss: float
    accuracy: float
    """On the pictures as trained on: shifted, flipped, with dropout."""
    val_loss: float | None = None
    """None where there are no validation pictures."""
    val_accuracy: float | None = None
    learning_rate: float = 0.0
    duration_s: float = 0.0
    """Of what was done of it in one go."""


History = tuple[Epoch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sums over the pictures of an epoch under way."""

    pictures: int = 0
    loss: float = 0.0
    right: float = 0.0

    def plus(self, *, pictures: int, loss: float, accuracy: float) -> Tally:
        """The tally after a batch with these means."""
        return Tally(
            pictures=self.pictures + pictures,
            loss=self.loss + loss * pictures,
            right=self.right + accuracy * pictures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands: between two steps."""

    history: History = ()
    step: int = 0
    """Steps done in the epoch under way."""
    tally: Tally = Tally()

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history)


def best(history: History, monitor: Monitor) -> Epoch | None:
    """The best epoch on the validation pictures; the earliest of equals, None before the first.

    Where there are no validation pictures, or the monitor is `none`, nothing chooses, and the
    last epoch stands.
    """
    if not history or history[-1].val_loss is None or monitor == "none":
        return history[-1] if history else None
    return max(history, key=lambda epoch: (*_merit(epoch, monitor), -epoch.epoch))


def _merit(epoch: Epoch, monitor: Monitor) -> tuple[float, float]:
    accuracy = epoch.val_accuracy or 0.0
    loss = float("inf") if epoch.val_loss is None else epoch.val_loss
    return (accuracy, -loss) if monitor == "accuracy" else (-loss, accuracy)


def is_stalled(history: History, monitor: Monitor, *, patience: int) -> bool:
    """Whether `patience` epochs have passed without a better one; never with patience 0."""
    leader = best(history, monitor)
    return bool(patience and leader and history[-1].epoch - leader.epoch >= patience)


def to_csv(history: Sequence[Epoch]) -> str:
    """The history as `history.csv` holds it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    return text.getvalue()
