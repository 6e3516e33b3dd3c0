"""The final models: the best that we know to make of a few thousand small pictures.

Each is an ensemble whose members are runs like any other, trained on all the pictures there
are; how good they are was estimated on pictures kept apart (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import backend, ensemble, models, presets, weights
from training.bare import Meter, Task, train_bare
from training.history import Epoch, Progress
from training.labelled import Labelled
from training.run import Run
from training.train import epochs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One network of a final model."""

    model: str
    given: Mapping[str, Any]
    """What differs from the preset `strong`."""

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.model}-{self.given.get('seed', 0)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """A final model."""

    members: tuple[Member, ...]
    views: ensemble.Views


_SMALL = {"enlarge_px": 128, "epochs": 18, "cutmix": 0.3}
"""No larger side was more accurate, and each costs more (benchmarks/RESULTS.md)."""

FINALS: dict[str, Final] = {
    "scratch": Final(
        members=tuple(
            Member(model="cifar-resnet", given={"seed": seed, "epochs": 85}) for seed in (0, 1)
        ),
        views="shifts",
    ),
    "transfer": Final(
        members=tuple(
            Member(model="mobilenet-v2", given={"seed": seed, **_SMALL}) for seed in (0, 1)
        ),
        views="shifts",
    ),
}
"""What they cost stands in benchmarks/RESULTS.md; it depends on the machine, fourfold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where the making of a final model stands."""

    member: str
    epochs: int
    """At most."""
    epoch: Epoch


def make(
    name: str,
    root: Path,
    train: Labelled,
    *,
    source: str,
    weights_choice: str,
    epochs: int | None,
    on_step: Callable[[Progress], None],
    is_interrupted: Callable[[], bool],
) -> Iterator[Told]:
    """Yield each epoch of each member of a final model; in the end it lies at `root`.

    Members that are done already are left as they are.

    Args:
        name: In `FINALS`.
        root: Its folder.
        train: What it is trained on.
        source: Where that came from.
        weights_choice: `imagenet`, or the folder or file of the backbones' first weights.
        epochs: Of each member; None for the recipe's own.
        on_step: Told the progress after each step.
        is_interrupted: Asked after each step whether to keep what is done, and stop.
    """
    runs = []
    for member in FINALS[name].members:
        task = _task(member, train, source, weights_choice, epochs)
        folder = root / member.name
        if not _is_done(folder):
            backend.start()
            backend.forget_networks()
            for epoch in train_bare(
                folder, task, train, on_step=on_step, is_interrupted=is_interrupted
            ):
                yield Told(
                    member=member.name,
                    epochs=epochs_of(task.entry, task.recipe),
                    epoch=epoch,
                )
        runs.append(Run.open(folder))
    ensemble.write(root, runs, FINALS[name].views)


def _task(
    member: Member, train: Labelled, source: str, weights_choice: str, epochs: int | None
) -> Task:
    entry = models.find(member.model)
    given = {**member.given, **({"epochs": epochs} if epochs else {})}
    if entry.pretrained is not None:
        given["weights"] = weights_choice
    recipe = presets.recipe("strong", entry, **given)
    choice = weights.meant(entry, given.get("weights"))
    return Task(
        entry=entry,
        recipe=presets.fitted_to(recipe, side_px=train.side_px),
        first_weights=weights.file_of(entry, choice, cache=weights.keras_cache()),
        source=source,
    )


def _is_done(folder: Path) -> bool:
    return (folder / "run.json").exists() and Run.open(folder).record.state == "done"


def cpu_s(root: Path, name: str) -> float:
    """CPU seconds that the training of a final model took, over all its goes."""
    return sum(Meter(root / member.name).cpu_s for member in FINALS[name].members)
