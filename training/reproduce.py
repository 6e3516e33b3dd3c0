"""The founding study, reproduced row by row, and ours beside it.

A row is one way to train, a job one training of it: with one seed, on one deal of the
pictures. A job that is done is a small file; one that was killed goes on from its checkpoint.
The study quoted the best epoch on its validation pictures. That flatters, because those chose
it: beside it stands the last epoch, which nothing chose.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training import backend, models, presets, weights
from training.bare import Meter
from training.checkpoint import Checkpoints
from training.errors import PicturesError, TrainingError, WeightsError
from training.history import Epoch, Progress
from training.labelled import Labelled, dealt
from training.pictures import Pictures, counts_of
from training.recipe import TrainRecipe
from training.run import held
from training.whole import write_whole

Material = Literal["small mammals", "cifar-10", "photos", "drawn"]
HELD_OUT = 100
"""Of each class's 500 pictures, the study kept so many to validate on."""
FOLDS = 5
FOLDED: tuple[Material, ...] = ("photos", "drawn")
"""Of these a seed is a fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to train."""

    name: str
    model: str
    preset: str
    material: Material
    reported: str = "–"
    """What the study says of it."""
    given: Mapping[str, Any] | None = None
    """What differs from the preset."""

    def recipe(self, *, seed: int, side_px: int, epochs: int | None) -> TrainRecipe:
        """How a job of the row trains."""
        given = {**(self.given or {}), "seed": seed, **({"epochs": epochs} if epochs else {})}
        chosen = presets.recipe(self.preset, models.find(self.model), **given)
        return presets.fitted_to(chosen, side_px=side_px, given=given)

    def digest(self, *, seed: int, epochs: int | None) -> str:
        """Of all that a job of the row does: a figure of another recipe is none of this row."""
        recipe = self.recipe(seed=seed, side_px=1, epochs=epochs)
        words = {**asdict(recipe), "model": self.model, "material": self.material}
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row(
            name="0 cifar-cnn, study",
            model="cifar-cnn",
            preset="study",
            material="small mammals",
            reported="overfits after epoch 80",
        ),
        Row(
            name="1 cifar-vgg, study",
            model="cifar-vgg",
            preset="study",
            material="small mammals",
            reported="66.60 %",
        ),
        Row(
            name="2 resnet50 at 32 px, study",
            model="resnet50",
            preset="study",
            material="small mammals",
            reported="52.60 %",
        ),
        Row(
            name="3 scratch-224, study, drawn",
            model="scratch-224",
            preset="study",
            material="drawn",
            reported="75 %, on other pictures",
        ),
        Row(
            name="3 scratch-224, study, photos",
            model="scratch-224",
            preset="study",
            material="photos",
            reported="75 %, on other pictures",
        ),
        Row(
            name="1 cifar-vgg, strong", model="cifar-vgg", preset="strong", material="small mammals"
        ),
        Row(
            name="cifar-resnet, strong",
            model="cifar-resnet",
            preset="strong",
            material="small mammals",
        ),
        Row(
            name="mobilenet-v2 at 32 px",
            model="mobilenet-v2",
            preset="strong",
            material="small mammals",
            given={"enlarge_px": None},
        ),
        Row(
            name="mobilenet-v2 enlarged, head alone",
            model="mobilenet-v2",
            preset="strong",
            material="small mammals",
            given={"transfer": "frozen"},
        ),
        Row(
            name="mobilenet-v2 enlarged, strong",
            model="mobilenet-v2",
            preset="strong",
            material="small mammals",
        ),
        Row(
            name="cifar-resnet on CIFAR-10's subset",
            model="cifar-resnet",
            preset="strong",
            material="cifar-10",
            reported="tried, no figure",
            # Of 5,000 pictures: as many steps as 100 of 2,000.
            given={"epochs": 40, "optimizer": "adamw"},
        ),
        Row(
            name="mobilenet-v2, photos, head alone",
            model="mobilenet-v2",
            preset="strong",
            material="photos",
            given={"transfer": "frozen"},
        ),
        Row(
            name="mobilenet-v2, photos, strong",
            model="mobilenet-v2",
            preset="strong",
            material="photos",
            given={"learning_rate": 1e-4},  # As `train` takes it for pictures of that side.
        ),
        Row(
            name="scratch-224, strong, photos",
            model="scratch-224",
            preset="strong",
            material="photos",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one job came to."""

    row: str
    seed: int
    n: int
    """Pictures measured on."""
    last: float
    """Accuracy after the last epoch."""
    best: float
    """The best epoch's: the study's way."""
    epochs: int
    cpu_s: float
    wall_s: float
    recipe: str = ""
    """`Row.digest` of it."""
    material: str = ""
    """`material_digest` of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A row that could not be run here, and why."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deal:
    """What one job trains on and is measured on."""

    train: Pictures
    val: Pictures
    classes: int
    side_px: int


def material_digest(row: Row, deal: Deal, weights_choice: str) -> str:
    """Of what a job is made of: its pictures, and the first weights of its backbone.

    Raises:
        WeightsError: there are none.
    """
    digest = hashlib.sha256()
    for part in (deal.train, deal.val):
        digest.update(np.ascontiguousarray(part.labels, "<i4").tobytes())
        digest.update(np.ascontiguousarray(part.pixels).data)
    if (first_weights := _first_weights(row, weights_choice)) is not None:
        digest.update(first_weights.read_bytes())
    return digest.hexdigest()[:16]


def _first_weights(row: Row, weights_choice: str) -> Path | None:
    entry = models.find(row.model)
    choice = weights_choice if entry.pretrained is not None else weights.NONE
    return weights.file_of(entry, choice, cache=weights.keras_cache())


Deals = Callable[[Row, int], Deal]
"""The pictures of a row for a seed or fold, counted from 0."""


def random_deal(labelled: Labelled, seed: int) -> Deal:
    """The study's: 100 pictures of each class kept apart, drawn at random.

    Raises:
        PicturesError: a class has no more than these.
    """
    counts = counts_of(labelled.labels, len(labelled.species)).tolist()
    few = [name for name, count in zip(labelled.species, counts, strict=True) if count <= HELD_OUT]
    if few:
        raise PicturesError(
            f"{', '.join(few)}: of each class {HELD_OUT} pictures are kept apart to measure on, and"
            " others must be left to train on"
        )
    chosen, apart = dealt(labelled.labels, apart=HELD_OUT, seed=seed)
    return Deal(
        train=labelled.pictures(chosen),
        val=labelled.pictures(apart),
        classes=len(labelled.species),
        side_px=labelled.side_px,
    )


def run_job(
    row: Row,
    seed: int,
    deal: Deal,
    *,
    folder: Path,
    weights_choice: str,
    epochs: int | None,
    on_epoch: Callable[[int, Epoch], None],
    is_interrupted: Callable[[], bool],
    on_step: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Train once; what was done before in `folder` is gone on from.

    Raises:
        WeightsError: there are no first weights for its backbone.
        PausedError: it was interrupted; all it did is kept.
    """
    from training.fit import fit
    from training.train import epochs_of, fresh_network

    entry = models.find(row.model)
    recipe = row.recipe(seed=seed, side_px=deal.side_px, epochs=epochs)
    first_weights = _first_weights(row, weights_choice)
    backend.start()
    backend.forget_networks()
    meter, checkpoints = Meter(folder), Checkpoints(folder / "checkpoint")
    network = fresh_network(
        entry, recipe, side_px=deal.side_px, classes=deal.classes, first_weights=first_weights
    )
    for epoch in fit(
        network,
        train=deal.train,
        val=deal.val,
        recipe=recipe,
        checkpoints=checkpoints,
        on_step=on_step,
        is_interrupted=is_interrupted,
    ):
        meter.note()
        on_epoch(epochs_of(entry, recipe), epoch)
    history = checkpoints.progress().history
    accuracies = [epoch.val_accuracy or 0.0 for epoch in history]
    return Outcome(
        row=row.name,
        seed=seed,
        n=len(deal.val),
        last=accuracies[-1],
        best=max(accuracies),
        epochs=len(history),
        cpu_s=round(meter.cpu_s, 1),
        wall_s=round(sum(epoch.duration_s for epoch in history), 1),
        recipe=row.digest(seed=seed, epochs=epochs),
    )


def reproduce(
    rows: Sequence[Row],
    seeds: int,
    deals: Deals,
    *,
    out: Path,
    weights_choice: str,
    epochs: int | None,
    on_epoch: Callable[[int, Epoch], None],
    is_interrupted: Callable[[], bool],
    trains: bool = True,
) -> Iterator[Outcome | Skipped]:
    """Yield what every job came to: first those done before, so that a table shows them at once,
    then, if it `trains`, the others as they are done; all rows' first seeds come first.

    If it trains, what was done with other pictures or other first weights is done anew.
    """
    jobs = [(seed, row) for seed in range(seeds) for row in rows]
    done = set()
    for seed, row in jobs:
        before = _outcome_of(out, row, seed, epochs)
        if before and (not trains or _is_of(before, row, seed, deals, weights_choice)):
            done.add((seed, row.name))
            yield before
    skipped: set[str] = set()
    for seed, row in jobs if trains else ():
        if (seed, row.name) not in done and row.name not in skipped:
            try:
                yield _job(
                    row,
                    seed,
                    deals,
                    out=out,
                    weights_choice=weights_choice,
                    epochs=epochs,
                    on_epoch=on_epoch,
                    is_interrupted=is_interrupted,
                )
            except (WeightsError, NoMaterialError) as error:
                skipped.add(row.name)
                yield Skipped(row=row.name, reason=str(error))


def done_before(
    rows: Sequence[Row], seeds: int, *, out: Path, epochs: int | None
) -> tuple[list[Outcome], int]:
    """What jobs of these rows came to, if they are done, and how many others lie there: with
    other epochs, another recipe or another seed than is asked for."""
    found = [_outcome_of(out, row, seed, epochs) for seed in range(seeds) for row in rows]
    outcomes = [one for one in found if one]
    return outcomes, len(list((out / "jobs").glob("*.json"))) - len(outcomes)


class NoMaterialError(TrainingError):
    """There are no pictures for a row."""


def _outcome_of(out: Path, row: Row, seed: int, epochs: int | None) -> Outcome | None:
    """What a job came to, if it is done, with the recipe of today."""
    done = out / "jobs" / f"{_slug(row.name, seed, epochs)}.json"
    if not done.exists():
        return None
    outcome = Outcome(**json.loads(done.read_text("utf-8")))
    return outcome if outcome.recipe == row.digest(seed=seed, epochs=epochs) else None


def _is_of(outcome: Outcome, row: Row, seed: int, deals: Deals, weights_choice: str) -> bool:
    """Whether a job had the pictures and first weights that it would have now."""
    try:
        return outcome.material == material_digest(row, deals(row, seed), weights_choice)
    except (WeightsError, NoMaterialError):
        return True  # Without them it could not be done anew, either.


def _job(row: Row, seed: int, deals: Deals, *, out: Path, **how: Any) -> Outcome:
    job, deal = _slug(row.name, seed, how["epochs"]), deals(row, seed)
    recipe = row.digest(seed=seed, epochs=how["epochs"])
    material = material_digest(row, deal, how["weights_choice"])
    # Another recipe, or other pictures, never go on from what is in there.
    folder = out / "work" / f"{job}-{recipe[:8]}-{material[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        outcome = replace(run_job(row, seed, deal, folder=folder, **how), material=material)
        done = out / "jobs" / f"{job}.json"
        done.parent.mkdir(exist_ok=True)
        write_whole(done, json.dumps(asdict(outcome), indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _slug(name: str, seed: int, epochs: int | None) -> str:
    words = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return f"{words}-{seed}" + (f"-{epochs}epochs" if epochs else "")
