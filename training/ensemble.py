"""What is asked of pictures: one trained network, or several together, from several views.

    ENSEMBLE/ensemble.json      the members' folders, and the views
    ENSEMBLE/<run>/             each member is a run like any other

An ensemble answers with the mean of its members' probabilities, and each member with the mean
of its views: the picture as it is, mirrored, and a little shifted. A run alone is calibrated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from training.calibration import Calibration, calibrated
from training.errors import RunError, UsageError
from training.predict import probabilities_of
from training.run import Run, RunRecord, pointed_to
from training.whole import write_whole

ENSEMBLE_VERSION = 1
FILE = "ensemble.json"

Views = Literal["one", "flip", "shifts"]
"""The picture alone; and its mirror image; and both shifted to four corners, ten in all."""

VIEWS = get_args(Views)
_SHIFT_SHARE = 1 / 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """Networks that answer together; all know the same species and take the same side."""

    species: tuple[str, ...]
    side_px: int
    members: tuple[Any, ...]
    views: Views = "one"
    temperature: float = 1.0
    """By which what they say is calibrated, as `predict` shows it (`training.calibration`)."""
    commonest: str = ""
    """Of their training pictures."""

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What they say of pictures (n, side_px, side_px, 3): (n, species)."""
        said = [
            probabilities_of(member, view)
            for member in self.members
            for view in seen(pixels, self.views)
        ]
        mean: NDArray[np.float32] = np.asarray(np.mean(said, axis=0, dtype=np.float64), np.float32)
        return mean if self.temperature == 1 else calibrated(mean, self.temperature)

    @property
    def output_shape(self) -> tuple[None, int]:
        """Of what it says, as a network of Keras' tells it."""
        return None, len(self.species)

    def predict_on_batch(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The probabilities; so it can take the place of a network that is asked."""
        return self.probabilities(pixels)


def seen(pixels: NDArray[np.uint8], views: Views) -> Iterator[NDArray[np.uint8]]:
    """Yield the views of pictures; what a shift lacks at the edge is mirrored."""
    yield pixels
    if views == "one":
        return
    yield pixels[:, :, ::-1]
    if views == "flip":
        return
    side_px = pixels.shape[1]
    shift = shift_of(side_px)
    wide = np.pad(pixels, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
    for top in (0, 2 * shift):
        for left in (0, 2 * shift):
            view = wide[:, top : top + side_px, left : left + side_px]
            yield view
            yield view[:, :, ::-1]


def shift_of(side_px: int) -> int:
    """By how many pixels shifted views are shifted."""
    return max(1, round(_SHIFT_SHARE * side_px))


def write(root: Path, runs: Sequence[Run], views: Views) -> None:
    """Make of the runs in a folder an ensemble."""
    document = {
        "version": ENSEMBLE_VERSION,
        "views": views,
        "runs": [str(run.root.relative_to(root)) for run in runs],
    }
    write_whole(root / FILE, json.dumps(document, indent=2) + "\n")


def load(root: Path, views: Views | None = None) -> Classifier:
    """The classifier in a folder: an ensemble, or a run.

    Args:
        root: Its folder, or a pointer to it.
        views: What it looks at; None leaves that to the ensemble, and is `one` for a run.

    Raises:
        RunError: there is neither, or it is not whole.
    """
    runs, own = opened(root)
    alone = calibration_of(root, runs)
    return _together(runs, views or own, temperature=1.0 if alone is None else alone.temperature)


def is_ensemble(root: Path) -> bool:
    """Whether there is an ensemble in a folder, or where a pointer to it leads."""
    return (pointed_to(root) / FILE).is_file()


def calibration_of(root: Path, runs: Sequence[Run]) -> Calibration | None:
    """That of a run; an ensemble has none, though its members may."""
    return None if is_ensemble(root) else runs[0].record.calibration


def opened(root: Path) -> tuple[list[Run], Views]:
    """The runs that answer in a folder, an ensemble's or the one that lies there, and their views.

    Raises:
        RunError: there is neither, or it is not whole.
    """
    if not is_ensemble(root):
        return [Run.open(root)], "one"
    root = pointed_to(root)
    try:
        document = json.loads((root / FILE).read_text("utf-8"))
        runs = [Run.open(root / name) for name in document["runs"]]
        own = document["views"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunError(f"{root / FILE} cannot be read ({error}): make the ensemble anew") from error
    if own not in VIEWS or not runs:
        raise RunError(f"{root / FILE} names no runs, or unknown views: make the ensemble anew")
    return runs, own


def _together(runs: Sequence[Run], views: Views, *, temperature: float) -> Classifier:
    first = runs[0].record
    for run in runs[1:]:
        if _asked_of(run.record) != _asked_of(first):
            raise UsageError(
                f"{run.root} knows other species than {runs[0].root}, or takes pictures made in"
                " another way (side, --fit, --background): they cannot answer together"
            )
    return Classifier(
        species=first.species,
        side_px=first.side_px,
        members=tuple(run.load_network() for run in runs),
        views=views,
        temperature=temperature,
        commonest=first.commonest,
    )


def _asked_of(record: RunRecord) -> tuple[object, ...]:
    """What must be one for all who answer together: the species, and how a photo becomes input."""
    made = record.curation
    quality = made.jpeg_quality if record.through_jpeg else None
    rendered = made.side_px, made.fit, made.background, quality
    return record.species, record.side_px, rendered


def inside(root: Path) -> list[Path]:
    """The classifiers of a folder: itself, or those in its folders that are whole."""
    if (root / FILE).exists() or not root.is_dir() or (root / "run.json").exists():
        return [root]
    return sorted(path.parent for kind in (FILE, "run.json") for path in root.glob(f"*/{kind}"))
