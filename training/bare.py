"""Training on labelled pictures that are no curated dataset, into a run like any other."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.recipe import CurationRecipe
from training import backend
from training.history import Epoch, Progress, best
from training.labelled import Labelled
from training.models import ModelEntry
from training.pictures import Pictures, counts_of
from training.recipe import TrainRecipe
from training.run import Run, RunRecord
from training.train import fresh_network, origin_of, versions
from training.whole import write_whole

NO_PICTURES = slice(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is trained on what."""

    entry: ModelEntry
    recipe: TrainRecipe
    first_weights: Path | None
    """Of a backbone; None for random ones."""
    source: str
    """Where the pictures came from."""

    def record(self, train: Labelled) -> RunRecord:
        """What `run.json` says of it."""
        import keras

        counts = counts_of(train.labels, len(train.species))
        return RunRecord(
            model=self.entry.name,
            species=train.species,
            side_px=train.side_px,
            dataset=self.source,
            lock_digest=digest_of(train),
            curation=CurationRecipe(side_px=train.side_px),
            through_jpeg=False,
            recipe=self.recipe,
            commonest=train.species[int(counts.argmax())],
            backend=keras.backend.backend(),
            versions=versions(keras.backend.backend()),
            **origin_of(self.entry, self.first_weights),
        )


def digest_of(labelled: Labelled) -> str:
    """The identity of labelled pictures, in place of a lock's."""
    digest = hashlib.sha256("\n".join(labelled.species).encode())
    digest.update(np.ascontiguousarray(labelled.labels, "<i4").tobytes())
    digest.update(np.ascontiguousarray(labelled.pixels).tobytes())
    return digest.hexdigest()


def train_bare(
    root: Path,
    task: Task,
    train: Labelled,
    *,
    val: Pictures | None = None,
    on_step: Callable[[Progress], None],
    is_interrupted: Callable[[], bool],
) -> Iterator[Epoch]:
    """Yield each epoch as it is done and kept; in the end there is a run at `root`.

    Without `val` nothing chooses among the epochs, and the last one's weights stand. What lies
    at `root` is gone on from; `cpu.json` there has the CPU seconds of all goes together.

    Raises:
        RunError: another process trains there.
    """
    backend.start()
    from training.fit import fit

    meter = Meter(root)  # To build the network is part of what a training costs.
    network = fresh_network(
        task.entry,
        task.recipe,
        side_px=train.side_px,
        classes=len(train.species),
        first_weights=task.first_weights,
    )
    run = Run.begin(root, task.record(train))
    with run.under_way():
        for epoch in fit(
            network,
            train=train.pictures(),
            val=val if val is not None else train.pictures(NO_PICTURES),
            recipe=task.recipe,
            checkpoints=run.checkpoints,
            on_step=on_step,
            is_interrupted=is_interrupted,
        ):
            run.write_history(run.checkpoints.progress().history)
            meter.note()
            yield epoch
        history = run.checkpoints.progress().history
        leader = best(history, task.recipe.monitor)
        assert leader is not None
        run.finish(network, epochs=len(history), best_epoch=leader.epoch)


class Meter:
    """Counts the CPU seconds of a training, over as many goes as it takes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cpu.json"
        self._before_s = self._read()
        self._began_s = time.process_time()

    @property
    def cpu_s(self) -> float:
        """All of them so far."""
        return self._before_s + time.process_time() - self._began_s

    def note(self) -> None:
        """Keep the count."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, json.dumps({"cpu_s": round(self.cpu_s, 1)}) + "\n")

    def _read(self) -> float:
        try:
            return float(json.loads(self._path.read_text("utf-8"))["cpu_s"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0
