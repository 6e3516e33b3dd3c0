"""Evaluation: a finished run measured on a dataset's validation and test pictures.

Validation chose the epoch, the temperature and the threshold for `unknown`, so its figures
flatter; the test pictures choose nothing, and are looked at here alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.dataset import Dataset
from training import predictions
from training.baselines import PatchClassifier
from training.calibration import Calibration, calibrated
from training.errors import OtherDataError, RunError
from training.measure import Measures, measure
from training.pictures import Pictures, load, nothing_to_measure
from training.predict import probabilities_of
from training.predictions import Predictions
from training.run import Run, RunRecord
from training.unknown import Separation, calibration_of

METRICS_VERSION = 2
SPLITS = ("val", "test")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """One split: its pictures, what was said of them, and how that measures."""

    pictures: Pictures
    probabilities: NDArray[np.float32]
    """Calibrated, shape (n, species)."""
    measures: Measures
    patches_said: NDArray[np.int32] | None = None
    """What the baseline without a network said, shape (n,)."""

    @property
    def digests(self) -> tuple[str, ...]:
        """Of the pictures."""
        return tuple(row.digest for row in self.pictures.rows)


def require_same_data(run: Run, dataset: Dataset) -> None:
    """Make sure that the dataset is as locked, and the one that the run was trained on.

    Raises:
        LockMismatchError: it is not as locked.
        OtherDataError: it is another one.
    """
    dataset.require_locked()
    if dataset.lock_digest != run.record.lock_digest:
        raise OtherDataError(
            f"{dataset.root} is not the dataset that {run.root} was trained on (lock"
            f" {dataset.lock_digest[:12]} instead of {run.record.lock_digest[:12]}): its test"
            " pictures may have been trained on; name the right one with --dataset, or train anew"
        )


def evaluate(
    run: Run,
    dataset: Dataset,
    network: Any,
    *,
    with_baseline: bool = True,
    siblings: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Evaluation]:
    """Measure the run's network on each split that has pictures, and calibrate it.

    Args:
        run: Finished; it keeps the calibration.
        dataset: The portion of the dataset that it was trained on.
        network: Its network.
        with_baseline: Whether to fit the baseline of `training.baselines`, too.
        siblings: Runs on the same pictures, whose baseline will do.
        tell: Told what takes a while.

    Raises:
        PicturesError: neither split has any pictures.
    """
    found = {split: _load(run, dataset, split) for split in SPLITS}
    said = {
        split: probabilities_of(network, pictures.pixels)
        for split, pictures in found.items()
        if len(pictures)
    }
    if not said:
        raise nothing_to_measure(dataset)
    if "val" in said:
        run.calibrate(calibration_of(found["val"].labels, said["val"]))
    patches = _patches(run, dataset, found, siblings, tell) if with_baseline else {}
    return {
        split: _evaluation(run, split, found[split], probabilities, patches.get(split))
        for split, probabilities in said.items()
    }


def _load(run: Run, dataset: Dataset, split: str) -> Pictures:
    return load(dataset, split, side_px=run.record.side_px, cache=run.cache)


def _evaluation(
    run: Run,
    split: str,
    pictures: Pictures,
    raw: NDArray[np.float32],
    patches_said: NDArray[np.int32] | None,
) -> Evaluation:
    record = run.record
    probabilities = as_calibrated(raw, record.calibration)
    measures = measure(
        pictures.labels,
        probabilities,
        split=split,
        species=record.species,
        commonest=record.species.index(record.commonest),
        seed=record.recipe.seed,
        patches_said=patches_said,
    )
    return Evaluation(
        pictures=pictures,
        probabilities=probabilities,
        measures=measures,
        patches_said=patches_said,
    )


def as_calibrated(raw: NDArray[np.float32], calibration: Calibration | None) -> NDArray[np.float32]:
    """The probabilities as they are shown; as the network gave them where nothing is known."""
    return raw if calibration is None else calibrated(raw, calibration.temperature)


def _patches(
    run: Run,
    dataset: Dataset,
    found: Mapping[str, Pictures],
    siblings: Sequence[Path],
    tell: Callable[[str], None],
) -> dict[str, NDArray[np.int32]]:
    """What the baseline says of each split: as it once did, or fitted now."""
    for root in (run.root, *siblings):
        if (kept := _kept_patches(root, run.record.species, found)) is not None:
            return kept
    tell("Fitting the baseline without a network: whitened patches and a ridge classifier …")
    train = _load(run, dataset, "train")
    classifier = PatchClassifier.fitted(train.pixels, train.labels, seed=run.record.recipe.seed)
    return {split: classifier.say(pictures.pixels) for split, pictures in found.items()}


def _kept_patches(
    root: Path, species: Sequence[str], found: Mapping[str, Pictures]
) -> dict[str, NDArray[np.int32]] | None:
    try:
        kept = predictions.read(root, species)
    except RunError:
        return None
    said = {}
    for split, pictures in found.items():
        of_split = kept.get(split)
        if not len(pictures):
            continue
        if of_split is None or of_split.patches_said is None:
            return None
        if of_split.digests != tuple(row.digest for row in pictures.rows):
            return None
        said[split] = of_split.patches_said
    return said


def predictions_of(evaluations: Mapping[str, Evaluation]) -> dict[str, Predictions]:
    """What `predictions.csv` keeps."""
    return {
        split: Predictions(
            digests=one.digests,
            labels=one.pictures.labels,
            probabilities=one.probabilities,
            patches_said=one.patches_said,
        )
        for split, one in evaluations.items()
    }


def metrics_document(
    run: Run, evaluations: Mapping[str, Evaluation], *, separation: Separation | None = None
) -> dict[str, Any]:
    """What `metrics.json` holds: every figure with what is needed to judge it."""
    record = run.record
    return {
        "version": METRICS_VERSION,
        "model": record.model,
        "seed": record.recipe.seed,
        "lock_digest": record.lock_digest,
        "portion": asdict(record.portion),
        "model_sha256": record.model_sha256,
        "weights_sha256": record.weights_sha256,
        "species": list(record.species),
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "chosen_by": chosen_by(record, evaluations),
        "calibration": None if record.calibration is None else asdict(record.calibration),
        "others": None if separation is None else asdict(separation),
        "splits": {
            split: evaluations[split].measures.record() if split in evaluations else None
            for split in SPLITS
        },
    }


def chosen_by(record: RunRecord, splits: Container[str]) -> str:
    """What chose the epoch whose weights stand; `nothing` where the last one does."""
    monitor = record.recipe.monitor
    return f"validation {monitor}" if "val" in splits and monitor != "none" else "nothing"


def write_metrics(run: Run, document: Mapping[str, Any]) -> None:
    """Write `metrics.json`."""
    run.write("metrics.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")
