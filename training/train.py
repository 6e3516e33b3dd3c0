"""Training: a locked dataset and a recipe in, a finished run out."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from curation.dataset import Dataset
from training import backend, weights
from training.history import Epoch, Progress, best
from training.models import ModelEntry
from training.pictures import (
    Pictures,
    counts_of,
    labels_of,
    load,
    require_every_species,
    side_of,
    warning_of_small_pictures,
)
from training.recipe import TrainRecipe
from training.run import Run, RunRecord, default_root, point_latest


def checked_record(
    dataset: Dataset, entry: ModelEntry, recipe: TrainRecipe, first_weights: Path | None
) -> RunRecord:
    """Make sure that the dataset can be trained on, and note what will be trained on what.

    Raises:
        LockMismatchError: the dataset is not as locked.
        TrainingError: it does not fit the network, or holds too little.
    """
    side_px = side_of(dataset, entry, recipe)
    labels = labels_of(dataset.images("train"), dataset.species)
    require_every_species(labels, dataset.species)
    dataset.require_locked()
    backend.start()
    import keras

    return RunRecord(
        model=entry.name,
        species=dataset.species,
        side_px=side_px,
        dataset=str(dataset.root.absolute()),
        lock_digest=dataset.lock_digest,
        curation=dataset.recipe,
        recipe=recipe,
        commonest=dataset.species[int(counts_of(labels, len(dataset.species)).argmax())],
        backend=keras.backend.backend(),
        versions=versions(keras.backend.backend()),
        **origin_of(entry, first_weights),
    )


def origin_of(entry: ModelEntry, first_weights: Path | None) -> dict[str, Any]:
    """What `run.json` says of a backbone's first weights: digest and licence; nothing of random
    ones."""
    if first_weights is None or entry.pretrained is None:
        return {}
    return {
        "first_weights_sha256": sha256(first_weights.read_bytes()).hexdigest(),
        "first_weights_licence": entry.pretrained.licence,
    }


def versions(backend_name: str) -> dict[str, str]:
    """The versions of what decides about a network's weights."""
    packages = ("bestiary", "keras", backend_name, "numpy", "pillow")
    return {"python": platform.python_version()} | {
        package: metadata.version(package) for package in packages
    }


def begin(record: RunRecord, root: Path | None, *, runs: Path) -> Run:
    """Make the run's folder, or take up the one that is there; by default below `runs`."""
    return Run.begin(default_root(runs, record) if root is None else root, record)


def train(
    run: Run,
    dataset: Dataset,
    entry: ModelEntry,
    network: Any,
    *,
    tell: Callable[[str], None],
    on_step: Callable[[Progress], None],
    is_interrupted: Callable[[], bool],
) -> Iterator[Epoch]:
    """Yield each epoch as it is done and kept; in the end the run has its network.

    Args:
        run: As `begin` returned it.
        dataset: What it is trained on.
        entry: What its network is.
        network: As `fresh_network` returned it.
        tell: Told what a person should know along the way.
        on_step: Told the progress after each step.
        is_interrupted: Asked after each step whether to keep what is done, and stop.
    """
    from training.fit import fit

    recipe = run.record.recipe
    pictures = {split: _load(run, dataset, split, tell) for split in ("train", "val")}
    require_every_species(pictures["train"].labels, dataset.species)
    if not len(pictures["val"]):
        tell("There are no validation pictures to choose by: the last epoch's weights stand.")
    if warning := warning_of_small_pictures(entry, recipe.enlarge_px or run.record.side_px):
        tell(warning)
    for epoch in fit(
        network,
        train=pictures["train"],
        val=pictures["val"],
        recipe=recipe,
        checkpoints=run.checkpoints,
        on_step=on_step,
        is_interrupted=is_interrupted,
    ):
        run.write_history(run.checkpoints.progress().history)
        yield epoch
    _finish(run, network)


def fresh_network(
    entry: ModelEntry,
    recipe: TrainRecipe,
    *,
    side_px: int,
    classes: int,
    first_weights: Path | None,
) -> Any:
    """A network as its training begins: a function of the recipe's seed and the weights' file.

    Keras must have been started. To train on other pictures (a fold, a share, another seed),
    take a fresh one each time and give it to `training.fit.fit`.

    Raises:
        WeightsError: the file does not hold this network's weights.
    """
    import keras

    with backend.standard_error_held():  # It imports TensorFlow, too, where that is installed.
        keras.utils.set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        network = entry.build(side_px=side_px, classes=classes, enlarge_px=recipe.enlarge_px)
    finally:
        keras.config.set_dtype_policy(before)
    if first_weights is not None:
        weights.load(network, entry, first_weights)
    return network


def epochs_of(entry: ModelEntry, recipe: TrainRecipe) -> int:
    """How many epochs a training has at most: a head that is fitted first counts as one."""
    if entry.pretrained is None or recipe.transfer == "whole":
        return recipe.epochs
    return 1 if recipe.transfer == "frozen" else 1 + recipe.epochs


def _finish(run: Run, network: Any) -> None:
    history = run.checkpoints.progress().history
    leader = best(history, run.record.recipe.monitor)
    assert leader is not None
    run.write_history(history)
    run.finish(network, epochs=len(history), best_epoch=leader.epoch)
    point_latest(run.root)


def _load(run: Run, dataset: Dataset, split: str, tell: Callable[[str], None]) -> Pictures:
    pictures = load(dataset, split, side_px=run.record.side_px, cache=run.cache)
    for skipped in pictures.skipped:
        tell(f"Left out {skipped.file}: {skipped.reason}")
    if pictures.skipped:
        tell(f"{len(pictures.skipped)} {split} pictures could not be read and were left out.")
    return pictures
