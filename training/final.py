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
from training.errors import RunError
from training.history import Epoch, Progress
from training.labelled import Labelled
from training.recipe import TrainRecipe
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
    """They are made in this order, for as long as there is time."""
    views: ensemble.Views
    cpu_minutes: float
    """How long all of them may take. The first is made in any case, and another one if as much
    time is left as those before it took on average: machines differ fivefold."""


_SMALL = {"enlarge_px": 128, "epochs": 18, "cutmix": 0.3}
"""No larger side was more accurate, and each costs more (benchmarks/RESULTS.md)."""

_SLOWER_BELOW = {"rate_decay": 0.6, "learning_rate": 5e-4}

_VARIED: tuple[Mapping[str, Any], ...] = (
    _SMALL,
    {**_SMALL, **_SLOWER_BELOW},
    {**_SMALL, "mixup": 0.3},
    {"enlarge_px": 160, "epochs": 12, "cutmix": 0.3},
    _SMALL,
    {**_SMALL, **_SLOWER_BELOW, "mixup": 0.3},
    {**_SMALL, "rand_augment": 1},
    {**_SMALL, "cutmix": 0.5},
)
"""As good as each other one by one, and together better by two in a hundred: they are trained
differently, and so they are wrong about different pictures."""

FINALS: dict[str, Final] = {
    "scratch": Final(
        # The dearest first: what is left for others is judged by it.
        members=tuple(
            Member(model=model, given={"seed": seed})
            for seed, model in enumerate(("cifar-resnet", *["cifar-vgg"] * 5))
        ),
        views="shifts",
        cpu_minutes=38,
    ),
    "transfer": Final(
        members=tuple(
            Member(model="mobilenet-v2", given={"seed": seed, **given})
            for seed, given in enumerate(_VARIED)
        ),
        views="shifts",
        cpu_minutes=55,
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
    cpu_minutes: float | None = None,
    on_step: Callable[[Progress], None],
    is_interrupted: Callable[[], bool],
) -> Iterator[Told]:
    """Yield each epoch of each member of a final model; in the end it lies at `root`.

    Members that are done already are left as they are, and those that there is no time for are
    left out (`left_out`).

    Args:
        name: In `FINALS`.
        root: Its folder.
        train: What it is trained on.
        source: Where that came from.
        weights_choice: `imagenet`, or the folder or file of the backbones' first weights.
        epochs: Of each member; None for the recipe's own.
        cpu_minutes: How long it may take; None for its own limit.
        on_step: Told the progress after each step.
        is_interrupted: Asked after each step whether to keep what is done, and stop.

    Raises:
        RunError: a member that is done was trained otherwise.
    """
    made = FINALS[name]
    limit_s = 60 * (made.cpu_minutes if cpu_minutes is None else cpu_minutes)
    runs: list[Run] = []
    for member in made.members:
        folder = root / member.name
        if _is_done(folder):
            _require_same(Run.open(folder), member, train, weights_choice, epochs)
        else:
            if _cost_s(runs) > limit_s:
                break
            task = _task(member, train, source, weights_choice, epochs)
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
    ensemble.write(root, runs, made.views)


def _cost_s(runs: list[Run]) -> float:
    """CPU seconds that these took, and one more like them would take with them."""
    spent_s = sum(Meter(run.root).cpu_s for run in runs)
    return spent_s + spent_s / len(runs) if runs else 0.0


def _recipe(
    member: Member, train: Labelled, weights_choice: str, epochs: int | None
) -> TrainRecipe:
    entry = models.find(member.model)
    given = {**member.given, **({"epochs": epochs} if epochs else {})}
    if entry.pretrained is not None:
        given["weights"] = weights_choice
    recipe = presets.recipe("strong", entry, **given)
    return presets.fitted_to(recipe, side_px=train.side_px, given=given)


def _require_same(
    run: Run, member: Member, train: Labelled, weights_choice: str, epochs: int | None
) -> None:
    """Take no member that was trained on something else, or otherwise; where the backbone's first
    weights came from is not asked, since they are not needed any more."""
    recipe = _recipe(member, train, weights_choice, epochs)
    wanted = Task(entry=models.find(member.model), recipe=recipe, first_weights=None, source="")
    other = set(run.record.differences(wanted.record(train))) - {"weights", "first_weights_sha256"}
    if other:
        named = ", ".join(run.record.in_words(name) for name in sorted(other))
        raise RunError(
            f"{run.root} was trained with another {named}: name another folder with --final, or"
            " remove that one"
        )


def _task(
    member: Member, train: Labelled, source: str, weights_choice: str, epochs: int | None
) -> Task:
    entry = models.find(member.model)
    recipe = _recipe(member, train, weights_choice, epochs)
    is_pretrained = entry.pretrained is not None
    choice = weights.meant(entry, weights_choice if is_pretrained else None)
    return Task(
        entry=entry,
        recipe=recipe,
        first_weights=weights.file_of(entry, choice, cache=weights.keras_cache()),
        source=source,
    )


def _is_done(folder: Path) -> bool:
    return (folder / "run.json").exists() and Run.open(folder).record.state == "done"


def left_out(root: Path, name: str) -> list[str]:
    """The members of a final model that there was no time for."""
    return [one.name for one in FINALS[name].members if not _is_done(root / one.name)]


def cpu_s(root: Path, name: str) -> float:
    """CPU seconds that the training of a final model took, over all its goes."""
    return sum(Meter(root / member.name).cpu_s for member in FINALS[name].members)
