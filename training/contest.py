"""A contest of two runs, or cross-validations: both asked about the same test pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import predictions
from training.comparison import Comparison, compared
from training.errors import OtherDataError, RunError
from training.intervals import Figure, wilson
from training.predictions import Predictions
from training.run import Run
from training.series import SUMMARY


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One of the runs, and how it did on the test pictures."""

    name: str
    root: str
    accuracy: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Two runs, and what their test pictures say of them."""

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
    if first_root.resolve() == second_root.resolve():
        raise RunError(f"{first_root} and {second_root} are one and the same: name two")
    _require_same_pictures(shown, shown_second, first_root, second_root)
    order = {digest: place for place, digest in enumerate(second.digests)}
    places = np.array([order[digest] for digest in first.digests], np.intp)
    names = _names(first_root, second_root)
    return Contest(
        first=_contestant(names[0], first_root, first),
        second=_contestant(names[1], second_root, second),
        comparison=compared(first.right, second.right[places]),
    )


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


def _contestant(name: str, root: Path, found: Predictions) -> Contestant:
    right = int(found.right.sum())
    return Contestant(name=name, root=str(root), accuracy=wilson(right, len(found.digests)))


def _names(first: Path, second: Path) -> list[str]:
    """The shortest names that tell the two apart."""
    ends: Iterable[Path] = (first.resolve(), second.resolve())
    paths = list(ends)
    if paths[0].name != paths[1].name:
        return [path.name for path in paths]
    shared = os.path.commonpath(paths)
    return [os.path.relpath(path, shared) for path in paths]
