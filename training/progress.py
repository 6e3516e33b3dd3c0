"""What a person sees of a training: one line an epoch, at a terminal a live one."""

from __future__ import annotations

import time
from collections.abc import Callable

from training.history import Epoch, Progress, best
from training.recipe import TrainRecipe

BAR_WIDTH = 20
LEAST_WIDTH = 5
"""A shorter bar says nothing, and is left out."""


class Line:
    """Tells of one training as it goes."""

    def __init__(
        self,
        recipe: TrainRecipe,
        progress: Progress,
        *,
        pictures: int,
        epochs: int,
        tell: Callable[[str], None],
        rewrite: Callable[[str], None] | None,
        columns: int = 120,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to tell.

        Args:
            recipe: How it is trained.
            progress: Where it goes on from.
            pictures: Of an epoch.
            epochs: At most.
            tell: Writes a line.
            rewrite: Writes over the line; None where nothing is live.
            columns: Of the terminal: a longer line could not be written over.
            now_s: The clock.
        """
        self._monitor, self._pictures, self._epochs = recipe.monitor, pictures, epochs
        self._history, self._tell, self._rewrite = progress.history, tell, rewrite
        self._columns, self._is_live = columns, False
        self._now_s, self._began_s, self._first = now_s, now_s(), progress.tally.pictures
        if progress.epochs or progress.step:
            tell(f"Going on after epoch {progress.epochs}, step {progress.step}.")

    def on_step(self, progress: Progress) -> None:
        """Rewrite the line: a bar, the rate, the time left, the losses and the best so far."""
        if self._rewrite is None:
            return
        tally = progress.tally
        share = min(1.0, tally.pictures / self._pictures)
        rate = (tally.pictures - self._first) / max(self._now_s() - self._began_s, 1e-3)
        left = self._pictures * (self._epochs - progress.epochs) - tally.pictures
        count = self._count(progress.epochs + 1)
        figures = (
            f"loss {tally.loss / tally.pictures:.3f}  accuracy"
            f" {tally.right / tally.pictures:.3f}  {rate:.0f} pictures/s"
            f"  {duration(max(0.0, left / max(rate, 1e-3)))} left{self._best_so_far()}"
        )
        room = min(BAR_WIDTH, self._columns - len(f"{count}  []  {figures} "))
        bar = f"[{('#' * round(room * share)).ljust(room, '-')}]  " if room >= LEAST_WIDTH else ""
        self._is_live = True
        self._rewrite(f"{count}  {bar}{figures}"[: self._columns - 1])

    def close(self) -> None:
        """Wipe a line that is half an epoch's, so that what follows has one of its own."""
        if self._rewrite is not None and self._is_live:
            self._rewrite("")
        self._is_live = False

    def on_epoch(self, epoch: Epoch) -> None:
        """Put the epoch's figures in its place."""
        self._history = (*self._history, epoch)
        self.close()
        self._tell(self._figures(epoch))
        self._began_s, self._first = self._now_s(), 0

    def _count(self, epoch: int) -> str:
        return f"epoch {epoch:>3}/{self._epochs}"

    def _best_so_far(self) -> str:
        leader = best(self._history, self._monitor)
        if leader is None or leader.val_accuracy is None:
            return ""
        said = "best" if self._monitor != "none" else "last"
        return f"  {said} val {leader.val_accuracy:.3f}"

    def _figures(self, epoch: Epoch) -> str:
        parts = [self._count(epoch.epoch), f"loss {epoch.loss:.3f}"]
        parts.append(f"accuracy {epoch.accuracy:.3f}")
        if epoch.val_loss is not None:
            parts += [f"val loss {epoch.val_loss:.3f}", f"val accuracy {epoch.val_accuracy:.3f}"]
        parts.append(f"{self._pictures / max(epoch.duration_s, 1e-3):.0f} pictures/s")
        left_s = epoch.duration_s * (self._epochs - epoch.epoch)
        parts.append(f"at most {duration(left_s)} left" if left_s else "done")
        is_best = self._monitor != "none" and best(self._history, self._monitor) is epoch
        return "  ".join(parts) + ("  (best so far)" if is_best else "")


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
