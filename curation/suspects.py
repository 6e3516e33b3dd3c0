"""Suspects: outliers and likely wrong labels, from what a frozen network makes of each picture.

Whether a label is doubtful is judged out of fold: a linear classifier, trained on the features
of other images, says how likely each species is, and look-alikes are never on both sides. The
score is the self-confidence of Confident Learning (Northcutt, Jiang, Chuang: Confident
Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021), as Kuan and Mueller found it
to rank best (Model-Agnostic Label Quality Scoring to Detect Real-World Label Errors, 2022).
An outlier is far from its nearest neighbours within its species, by cosine distance.

What networks compute varies with the machine: these columns are for a person to look at, they
drop nothing, and the lock does not cover them.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.dataset import MANIFEST, Dataset, Row, write_manifest
from curation.errors import DatasetError
from curation.flags import traits
from curation.spool import Spool
from curation.suspicion import with_suspicion

FOLDS: Final = 5
"""A species with fewer groups of look-alikes is left out of judging labels."""
NEIGHBOURS: Final = 10
_REGULARISATION = 0.003
"""Inverse strength, for standardised features: hundreds of features, and few images."""
_FAR = 3.0
"""Robust standard deviations beyond the median distance, from which a picture is an outlier."""

Features = NDArray[np.float32]
"""One row a picture; shape (n, features)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What speaks against one image of one species."""

    outlier: float
    """0 to 1; 0 for the many."""
    label_doubt: float | None = None
    """1 less the chance of its own species, where another's is larger; else 0. None where its
    species has too few images to tell."""
    likely_species: str | None = None


def doubts(rows: Sequence[Row], features: Features) -> list[Doubt]:
    """Judge pictures by their features, which are in the order of `rows`.

    Raises:
        DatasetError: a feature is no number.
    """
    if not np.isfinite(features).all():
        raise DatasetError("the network's features are no numbers: its weights are damaged")
    species = np.asarray([row.species for row in rows])
    groups = np.unique([row.group or row.digest for row in rows], return_inverse=True)[1]
    found = [Doubt(outlier=score) for score in _outliers(features, species, groups)]
    for place, doubt in _label_doubts(features, species, groups).items():
        score, likely = doubt
        found[place] = replace(found[place], label_doubt=score, likely_species=likely)
    return found


def _outliers(features: Features, species: NDArray[Any], groups: NDArray[Any]) -> list[float]:
    """How far beyond the usual each picture is from its nearest of the same species; 0 to 1."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    scores = np.zeros(len(features))
    for name in np.unique(species):
        own = np.flatnonzero(species == name)
        if len(own) > NEIGHBOURS:
            distances = _distances(unit[own], groups[own])
            middle = np.median(distances)
            spread = 1.4826 * np.median(np.abs(distances - middle))
            steps = (distances - middle) / max(float(spread), 1e-6)
            scores[own] = np.where(steps > _FAR, 1 - _FAR / np.maximum(steps, _FAR), 0.0)
    return [round(float(score), 4) for score in scores]


def _distances(unit: Features, groups: NDArray[Any]) -> NDArray[np.float64]:
    """Mean cosine distance to the nearest pictures that are no look-alikes; shape (n,)."""
    found = np.empty(len(unit))
    for start in range(0, len(unit), 1024):
        part = slice(start, start + 1024)
        away = 1 - unit[part] @ unit.T
        away[groups[part, None] == groups[None, :]] = 2.0
        found[part] = np.sort(np.partition(away, NEIGHBOURS - 1)[:, :NEIGHBOURS]).mean(axis=1)
    return found


def _label_doubts(
    features: Features, species: NDArray[Any], groups: NDArray[Any]
) -> dict[int, tuple[float, str | None]]:
    """By place, of the species with enough groups to be judged: doubt, and what is likelier."""
    sizes = Counter(name for name, _ in set(zip(species.tolist(), groups.tolist(), strict=True)))
    enough = {name for name, count in sizes.items() if count >= FOLDS}
    judged = np.flatnonzero([name in enough for name in species.tolist()])
    if len(enough) < 2:
        return {}
    names, labels = np.unique(species[judged], return_inverse=True)
    chances = out_of_fold(features[judged], labels, groups[judged])
    own = chances[np.arange(len(judged)), labels]
    likeliest = chances.argmax(axis=1)
    return {
        int(place): (round(float(1 - own[n]), 4), str(names[likeliest[n]]))
        if likeliest[n] != labels[n]
        else (0.0, None)
        for n, place in enumerate(judged)
    }


def out_of_fold(
    features: Features, labels: NDArray[np.int64], groups: NDArray[Any]
) -> NDArray[np.float64]:
    """The chance of each class for each picture, by a classifier that saw neither it nor a
    look-alike; shape (n, classes).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=_REGULARISATION, max_iter=300)
    )
    chances = np.zeros((len(labels), int(labels.max()) + 1))
    dealer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for seen, unseen in dealer.split(features, labels, groups):
        with warnings.catch_warnings(), threadpool_limits(1):  # More wait for each other.
            warnings.simplefilter("ignore", ConvergenceWarning)  # Nearly converged ranks as well.
            classifier.fit(features[seen], labels[seen])
        columns = classifier[-1].classes_  # A rare class may be all in the unseen fold.
        chances[np.ix_(unseen, columns)] = classifier.predict_proba(features[unseen])
    return chances


def note_doubts(
    dataset: Dataset, found: Mapping[tuple[str, str], Doubt], *, network: str
) -> Dataset:
    """Write doubts, by digest and species, and the suspicion that follows, into a dataset.

    `network` says for people whose doubts they are.

    Rows without a doubt lose what an earlier network said of them. The lock stays as it is;
    manifest and report are written anew.

    Raises:
        DatasetError: they cannot be written.
        LockMismatchError: the dataset is not in the lock.
    """
    from curation.report import write_report

    doubted = (
        _with_doubt(row, found.get((row.digest, row.species)) if row.kept else None)
        for row in dataset.rows
    )
    rows = Spool.of(Row, with_suspicion(doubted, traits(dataset.rows)))
    path = dataset.root / MANIFEST
    unready = path.with_name(f".{MANIFEST}.unready")
    try:
        write_manifest(unready, rows, dataset.recipe, refused=dataset.refused, network=network)
        unready.replace(path)
        noted = Dataset.open(dataset.root)
        write_report(noted, name=noted.root.resolve().name, lock_digest=noted.lock_digest)
    except OSError as error:
        raise DatasetError(f"cannot write into {dataset.root}: {error.strerror}") from error
    return noted


def _with_doubt(row: Row, doubt: Doubt | None) -> Row:
    return replace(
        row,
        outlier=doubt.outlier if doubt else None,
        label_doubt=doubt.label_doubt if doubt else None,
        likely_species=doubt.likely_species if doubt else None,
    )
