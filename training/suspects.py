"""Suspects: the pictures whose label the network doubts most, for a person to look at.

A picture is suspect where the network is surer of another species than it usually is where
that species is shown, and where that species is its answer: confident learning (Northcutt et
al. 2021, arXiv 1911.00068). Only pictures that took no part in training are judged, since a
network learns wrong labels by heart, too; cross-validation judges all.

`suspects.csv` is a file such as `bestiary curate --review` reads. The decision is left to the
person who looks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.predictions import Predictions

FILE_NAME = "suspects.csv"
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


def to_csv(found: Sequence[Suspect]) -> str:
    """The suspects as a file for `bestiary curate --review`, the decisions left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows([one.digest, one.species, "", one.to, one.note] for one in found)
    return text.getvalue()
