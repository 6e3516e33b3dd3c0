"""The run's predictions: what was said of each validation and test picture, one line each.

`predictions.csv` is what two runs are compared by, and what a person sorts in a spreadsheet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import RunError

FILE_NAME = "predictions.csv"
_COLUMNS = ("split", "digest", "species", "said", "probability", "patches_said")
_SHARE = "p "
"""Before a species' name: the column of its probability."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What was said of the pictures of one split."""

    digests: tuple[str, ...]
    labels: NDArray[np.int32]
    """What they show, shape (n,)."""
    probabilities: NDArray[np.float32]
    """Calibrated, shape (n, species)."""
    patches_said: NDArray[np.int32] | None = None
    """What the baseline without a network said, shape (n,); None where it was not asked."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which pictures were recognised, shape (n,)."""
        right: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.labels
        return right


def to_csv(splits: Mapping[str, Predictions], species: Sequence[str]) -> str:
    """The predictions as `predictions.csv` holds them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(f"{_SHARE}{name}" for name in species)])
    for split, found in splits.items():
        writer.writerows(_lines(split, found, species))
    return text.getvalue()


def _lines(split: str, found: Predictions, species: Sequence[str]) -> Iterable[list[object]]:
    said = found.probabilities.argmax(axis=1)
    for place, digest in enumerate(found.digests):
        row = found.probabilities[place]
        patches = "" if found.patches_said is None else species[found.patches_said[place]]
        yield [
            *(split, digest, species[found.labels[place]], species[said[place]]),
            *(f"{row[said[place]]:.6f}", patches),
            *(f"{share:.9g}" for share in row),
        ]


def read(root: Path, species: Sequence[str]) -> dict[str, Predictions]:
    """Read the predictions of the run at `root`, by split.

    Raises:
        RunError: there are none, or not such as `to_csv` writes.
    """
    path = root / FILE_NAME
    if not path.is_file():
        raise RunError(f"{root} has not been measured: run `bestiary evaluate {root}`")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        splits = dict.fromkeys(line["split"] for line in lines)
        return {
            split: _of([line for line in lines if line["split"] == split], species)
            for split in splits
        }
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(
            f"cannot read {path} ({error}): run `bestiary evaluate {root}` again"
        ) from error


def _of(lines: Sequence[Mapping[str, str]], species: Sequence[str]) -> Predictions:
    index = {name: label for label, name in enumerate(species)}
    patches = [line["patches_said"] for line in lines]
    return Predictions(
        digests=tuple(line["digest"] for line in lines),
        labels=np.array([index[line["species"]] for line in lines], np.int32),
        probabilities=np.array(
            [[float(line[f"{_SHARE}{name}"]) for name in species] for line in lines], np.float32
        ).reshape(-1, len(species)),
        patches_said=np.array([index[one] for one in patches], np.int32) if all(patches) else None,
    )
