"""Suspects: the pictures whose label the network doubts most, for a person to look at.

A picture is suspect where the network is surer of another species than it usually is where
that species is shown, and where that species is its answer: confident learning (Northcutt et
al. 2021, arXiv 1911.00068). Only pictures that took no part in training are judged, since a
network learns wrong labels by heart, too; cross-validation judges all.

Nor does a network doubt anything that is not right more often than naming one species always.

`suspects.csv` is a file such as `bestiary curate --review` reads. The decision is left to the
person who looks, and stays in the file when the run is measured again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.comparison import against_one_answer
from training.errors import RunError
from training.predictions import Predictions

FILE_NAME = "suspects.csv"
Line = tuple[str, ...]
"""Of that file: its cells."""

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""By which spreadsheets know UTF-8; without, some make Ã¶ of an ö."""
_HEADER = ("digest", "species", "decision", "to", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A picture whose label is doubted."""

    digest: str
    species: str
    """Its label."""
    to: str
    """What the network takes it for."""
    of_label: float
    """The network's probability of the label."""
    of_other: float
    split: str

    @property
    def note(self) -> str:
        """Why, in words."""
        return (
            f"{self.split}: the network says {self.to} {self.of_other:.0%}"
            f" and {self.species} {self.of_label:.0%}"
        )


def suspects(split: str, found: Predictions, species: Sequence[str]) -> list[Suspect]:
    """The suspects among pictures that the network was not trained on, worst first."""
    labels, probabilities = found.labels, found.probabilities
    usual = usual_confidence(labels, probabilities)
    said = probabilities.argmax(axis=1)
    of_other = probabilities.max(axis=1, initial=0.0)
    of_label = probabilities[np.arange(len(labels)), labels]
    doubted = np.flatnonzero((said != labels) & (of_other >= usual[said]))
    worst = doubted[np.argsort((of_label - of_other)[doubted], kind="stable")]
    return [
        Suspect(
            digest=found.digests[place],
            species=species[labels[place]],
            to=species[said[place]],
            of_label=float(of_label[place]),
            of_other=float(of_other[place]),
            split=split,
        )
        for place in worst
    ]


def can_judge(said: Iterable[Predictions]) -> bool:
    """Whether a network is right more often than naming one species always, by pictures that it
    was not trained on: else it knows too little to doubt a label."""
    some = list(said)
    right = np.concatenate([one.right for one in some])
    labels = np.concatenate([one.labels for one in some])
    return against_one_answer(right, labels).verdict == "better"


def worst_first(found: Iterable[Suspect]) -> list[Suspect]:
    """Suspects of several splits in one order."""
    return sorted(found, key=lambda one: one.of_label - one.of_other)


def usual_confidence(
    labels: NDArray[np.int32], probabilities: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The mean probability of each species where it is shown, infinite where it never is."""
    classes = probabilities.shape[1]
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], minlength=classes)
    counts = np.bincount(labels, minlength=classes)
    usual: NDArray[np.float64] = np.full(classes, np.inf)
    return np.divide(sums, counts, out=usual, where=counts > 0)


def to_csv(found: Sequence[Suspect], decided: Sequence[Line] = ()) -> str:
    """The suspects as a file for `bestiary curate --review`.

    Decisions are left empty, but for those that a person has made (`decisions`): they stay, ahead
    of the others, also of pictures that are no longer doubted.
    """
    known = tuple(cells[0].strip().lower() for cells in decided)  # Or the beginning of a digest.
    lines = [
        *decided,
        *(
            (one.digest, one.species, "", one.to, one.note)
            for one in found
            if not one.digest.startswith(known)
        ),
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(lines)
    return _MARK + text.getvalue()


def decisions(path: Path) -> list[Line]:
    """The lines of a file of suspects that a person has decided on; none where there is no file.

    Raises:
        RunError: it is not what was written here, so what is in it would be lost.
    """
    try:
        text = path.read_text("utf-8-sig")
        delimiter = ";" if ";" in text.partition("\n")[0] else ","  # What some spreadsheets write.
        header, *lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        named = tuple(cell.strip().lower() for cell in header)
        if named != _HEADER or any(len(cells) not in (0, len(_HEADER)) for cells in lines):
            raise ValueError(f"its columns are not {','.join(_HEADER)}")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(
            f"{path} may hold decisions of yours and cannot be read ({error}): move it away first"
        ) from error
    return [tuple(cells) for cells in lines if cells and cells[2].strip()]
