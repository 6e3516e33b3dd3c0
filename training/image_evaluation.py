"""Evaluation on labelled pictures that are no dataset of ours: `evaluate DIR --images FILE.npz`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from training import ensemble
from training.errors import RunError
from training.intervals import Figure
from training.labelled import Labelled, read_npz
from training.measure import Measures, measure
from training.wording import counted, in_words


def evaluate_images(
    root: Path, file: Path, *, views: ensemble.Views | None, tell: Callable[[str], None]
) -> tuple[dict[str, Any], str]:
    """Measure every classifier in a folder on an .npz file; a document and a text.

    Args:
        root: A run, an ensemble, or a folder of these, such as `reproduce --final` makes.
        file: With `images`, and `fine_labels` or `labels`.
        views: What each looks at; None: what its ensemble says.
        tell: Told which one is being measured.

    Raises:
        RunError: there is no classifier.
        PicturesError: the file holds something else.
        ModelMismatchError: its pictures are of another side, or show other species.
    """
    found = ensemble.inside(root)
    if not found:
        raise RunError(f"there is no run and no ensemble in {root}")
    rows = [_row(path, file, views, tell) for path in found]
    text = "\n".join(line for row in rows for line in _lines(row))
    return {"images": str(file), "classifiers": rows}, text


def _row(
    path: Path, file: Path, views: ensemble.Views | None, tell: Callable[[str], None]
) -> dict[str, Any]:
    classifier = ensemble.load(path, views)
    pictures = read_npz(file, species=classifier.species, side_px=classifier.side_px)
    tell(f"Asking {path} about {len(pictures)} pictures …")
    began_s = time.process_time()
    said = classifier.probabilities(pictures.pixels)
    measures = measures_of(pictures, said, split=file.name, commonest=classifier.commonest)
    return {
        "classifier": str(path),
        "members": len(classifier.members),
        "views": classifier.views,
        "accuracy": measures.accuracy.value,
        "cpu_s": round(time.process_time() - began_s, 2),
        "measures": measures.record(),
    }


def measures_of(
    pictures: Labelled, said: Any, *, split: str, commonest: str = "", seed: int = 0
) -> Measures:
    """Measure what was said of labelled pictures; `commonest` is the species that the majority
    baseline says, by default the commonest of these."""
    counts = np.bincount(pictures.labels, minlength=len(pictures.species))
    species = pictures.species
    return measure(
        pictures.labels,
        said,
        split=split,
        species=species,
        commonest=species.index(commonest) if commonest in species else int(counts.argmax()),
        seed=seed,
    )


def _lines(row: dict[str, Any]) -> list[str]:
    accuracy = row["measures"]["accuracy"]
    interval = f"{accuracy['low']:.1%} to {accuracy['high']:.1%}"
    head = (
        f"{row['classifier']}: accuracy {row['accuracy']:.4f} (95 %: {interval}, n ="
        f" {accuracy['n']}); {counted(row['members'], 'network')}, views: {row['views']},"
        f" {row['cpu_s']} CPU s"
    )
    return [head, *(f"  {line}" for line in _species_lines(row["measures"]))]


def _species_lines(measures: dict[str, Any]) -> list[str]:
    return [
        f"{one['species']:12} "
        + (f"recognised {in_words(Figure(**one['recall']))}" if one["n"] else "no pictures")
        for one in measures["species"]
    ]
