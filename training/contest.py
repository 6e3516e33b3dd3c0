"""A contest of two runs, ensembles or cross-validations: both asked about the same pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import ensemble, predictions
from training.comparison import Comparison, compared
from training.errors import OtherDataError, RunError
from training.intervals import Figure, wilson
from training.labelled import read_npz
from training.predictions import Predictions
from training.run import Run, pointed_to
from training.series import SUMMARY

Right = NDArray[np.bool_]
"""Of which pictures the answer was right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One of the two, and how it did on the pictures."""

    name: str
    root: str
    accuracy: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The two, and what the pictures say of them."""

    first: Contestant
    second: Contestant
    comparison: Comparison


def contest(first_root: Path, second_root: Path) -> Contest:
    """Compare two runs by the predictions that they left.

    Raises:
        RunError: one of them is no run, or was not measured on test pictures.
        OtherDataError: their test pictures are not the same.
    """
    (first, shown), (second, shown_second) = _tested(first_root), _tested(second_root)
    _require_two(first_root, second_root)
    _require_same_pictures(shown, shown_second, first_root, second_root)
    order = {digest: place for place, digest in enumerate(second.digests)}
    places = np.array([order[digest] for digest in first.digests], np.intp)
    return _told((first_root, second_root), (first.right, second.right[places]))


def contest_on(
    file: Path,
    first_root: Path,
    second_root: Path,
    *,
    views: ensemble.Views | None,
    tell: Callable[[str], None],
) -> Contest:
    """Compare two classifiers, runs or ensembles, on the pictures of an .npz file.

    Args:
        file: With `images`, and `fine_labels` or `labels`.
        first_root: The folder of a run or an ensemble.
        second_root: That of the other.
        views: What each looks at; None: what its ensemble says.
        tell: Told which one is being asked.

    Raises:
        RunError: one of them is no run and no ensemble.
        PicturesError: the file holds something else.
        ModelMismatchError: its pictures are of another side, or show other species.
        OtherDataError: its labels do not mean the same to both.
    """
    _require_two(first_root, second_root)
    right, shown = [], []
    for root in (first_root, second_root):
        classifier = ensemble.load(root, views)
        pictures = read_npz(file, species=classifier.species, side_px=classifier.side_px)
        shown.append([pictures.species[label] for label in pictures.labels])
        if shown[0] != shown[-1]:
            raise OtherDataError(
                f"the labels of {file} mean other species to {root} than to {first_root}: write"
                " the names of the species into the file"
            )
        tell(f"Asking {root} about {len(pictures)} pictures …")
        right.append(classifier.probabilities(pictures.pixels).argmax(axis=1) == pictures.labels)
    return _told((first_root, second_root), (right[0], right[1]))


def _require_two(first: Path, second: Path) -> None:
    if pointed_to(first).resolve() == pointed_to(second).resolve():
        raise RunError(f"{first} and {second} are one and the same: name two")


def _told(roots: tuple[Path, Path], right: tuple[Right, Right]) -> Contest:
    first, second = (
        _contestant(name, root, one)
        for name, root, one in zip(_names(*roots), roots, right, strict=True)
    )
    return Contest(first=first, second=second, comparison=compared(*right))


def _tested(root: Path) -> tuple[Predictions, dict[str, str]]:
    """What a run said of its test pictures, and what each of them shows, by digest."""
    folder, species = _opened(root)
    found = predictions.read(folder, species)
    if "test" not in found:
        raise RunError(
            f"{root} has no test pictures to compare by: curate with --splits 0.7,0.15,0.15"
        )
    test = found["test"]
    names = (species[label] for label in test.labels)
    return test, dict(zip(test.digests, names, strict=True))


def _opened(root: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder of a run, or of a cross-validation, and its species."""
    try:
        summary = json.loads((root / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError):
        run = Run.open(root)
        return run.root, run.record.species
    if summary.get("kind") != "folds":
        raise RunError(f"{root} is a series of runs: name two of the folders in it")
    return root, tuple(summary["species"])


def _require_same_pictures(
    first: dict[str, str], second: dict[str, str], first_root: Path, second_root: Path
) -> None:
    if first == second:
        return
    shared = len(first.items() & second.items())
    raise OtherDataError(
        f"{first_root} and {second_root} were not tested on the same pictures (of {len(first)}"
        f" and {len(second)} they share {shared}): only runs on one dataset, or on datasets that"
        " were split alike, can be compared"
    )


def _contestant(name: str, root: Path, right: Right) -> Contestant:
    return Contestant(name=name, root=str(root), accuracy=wilson(int(right.sum()), len(right)))


def _names(first: Path, second: Path) -> list[str]:
    """The shortest names that tell the two apart."""
    ends: Iterable[Path] = (first.resolve(), second.resolve())
    paths = list(ends)
    if paths[0].name != paths[1].name:
        return [path.name for path in paths]
    shared = os.path.commonpath(paths)
    return [os.path.relpath(path, shared) for path in paths]
