"""Evaluation: a finished run measured on a dataset's validation and test pictures.

Validation chose the epoch, so its figures flatter; the test pictures are looked at here alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.dataset import Dataset
from training.errors import OtherDataError, PicturesError
from training.measure import Measures, measure
from training.pictures import Pictures, load
from training.predict import probabilities_of
from training.run import Run

METRICS_VERSION = 1
SPLITS = ("val", "test")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """One split: its pictures, what was said of them, and how that measures."""

    pictures: Pictures
    probabilities: NDArray[np.float32]
    measures: Measures


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


def evaluate(run: Run, dataset: Dataset, network: Any) -> dict[str, Evaluation]:
    """Measure the run's network on each split that has pictures.

    Raises:
        PicturesError: neither split has any.
    """
    found = {
        split: load(dataset, split, side_px=run.record.side_px, cache=run.cache) for split in SPLITS
    }
    evaluations = {
        split: _evaluation(run, split, pictures, network)
        for split, pictures in found.items()
        if len(pictures)
    }
    if not evaluations:
        raise PicturesError(
            f"{dataset.root} has neither validation nor test pictures to measure on:"
            " curate again with --splits 0.7,0.15,0.15"
        )
    return evaluations


def _evaluation(run: Run, split: str, pictures: Pictures, network: Any) -> Evaluation:
    probabilities = probabilities_of(network, pictures.pixels)
    measures = measure(
        pictures.labels,
        probabilities,
        split=split,
        species=run.record.species,
        commonest=run.record.species.index(run.record.commonest),
        seed=run.record.recipe.seed,
    )
    return Evaluation(pictures=pictures, probabilities=probabilities, measures=measures)


def metrics_document(run: Run, evaluations: dict[str, Evaluation]) -> dict[str, Any]:
    """What `metrics.json` holds: every figure with what is needed to judge it."""
    record = run.record
    return {
        "version": METRICS_VERSION,
        "model": record.model,
        "seed": record.recipe.seed,
        "lock_digest": record.lock_digest,
        "model_sha256": record.model_sha256,
        "species": list(record.species),
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "chosen_by": f"validation {record.recipe.monitor}" if "val" in evaluations else "nothing",
        "splits": {
            split: evaluations[split].measures.record() if split in evaluations else None
            for split in SPLITS
        },
    }


def write_metrics(run: Run, document: dict[str, Any]) -> None:
    """Write `metrics.json`."""
    run.write("metrics.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")
