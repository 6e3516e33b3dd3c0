"""`bestiary suspect`: a frozen network looks for outliers and wrong labels in a dataset."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from curation.dataset import Dataset
    from training.models import ModelEntry

Document = dict[str, Any]

_SHOWN = 10


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option(
    "--weights",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Pre-trained weights, without the top.  [default: what is in Keras' cache]",
)
@click.option(
    "--model",
    help="The network that the weights are of; see `bestiary models`."
    "  [default: mobilenet-v2, or without --weights the first that has some in Keras' cache]",
)
def suspect(*, dataset: Path, path: Path | None, model: str | None) -> tuple[Document, str]:
    """Look for outliers and wrong labels in DATASET, with a network that knows other pictures.

    Nothing is dropped and nothing is downloaded: the findings go into the manifest's columns
    outlier, label_doubt, likely_species and suspicion, and into the report. `bestiary review`
    then writes the most suspicious images into a file for you to decide.
    """
    from curation.dataset import Dataset
    from curation.suspects import doubts, note_doubts

    opened = Dataset.open(dataset)
    entry, weights = _network(model, path)
    rows, features = _looked(opened, entry, weights)
    found = {
        (row.digest, row.species): doubt
        for row, doubt in zip(rows, doubts(rows, features), strict=True)
    }
    noted = note_doubts(opened, found, network=f"{entry.name} ({weights.name})")
    return _told(noted, entry, weights, looked_at=len(rows))


def _network(model: str | None, path: Path | None) -> tuple[ModelEntry, Path]:
    from training.errors import UsageError
    from training.features import at_hand
    from training.models import MODELS
    from training.weights import keras_cache

    with_weights = {name: one for name, one in MODELS.items() if one.pretrained}
    if model is not None and model not in with_weights:
        names = ", ".join(with_weights)
        raise UsageError(f"{model!r} has no pre-trained weights: choose --model among {names}")
    if path is not None:
        return with_weights[model or "mobilenet-v2"], path
    return at_hand(keras_cache(), [with_weights[model]] if model else with_weights.values())


def _looked(opened: Dataset, entry: ModelEntry, weights: Path) -> tuple[list[Any], Any]:
    """Every kept picture that can be read, and its features, in step."""
    import numpy as np

    from training import backend
    from training.errors import PicturesError
    from training.features import extracted, extractor

    backend.start()
    side_px = max(opened.recipe.side_px, entry.smallest_px)
    network = extractor(entry, weights, side_px=side_px)
    rows: list[Any] = []
    features = []
    quiet = bool(click.get_current_context().meta.get("bestiary.quiet"))
    with (
        tempfile.TemporaryDirectory() as cache,
        click.progressbar(
            length=sum(row.kept for row in opened.rows),
            label="Looking",
            file=sys.stderr,
            hidden=quiet,
        ) as bar,
    ):
        for seen in extracted(opened, network, side_px=side_px, cache=Path(cache)):
            rows += seen.rows
            features.append(seen.features)
            bar.update(len(seen.rows))
    if not rows:
        raise PicturesError(f"no picture of {opened.root} can be read: run `bestiary verify`")
    return rows, np.concatenate(features)


def _told(
    noted: Dataset, entry: ModelEntry, weights: Path, *, looked_at: int
) -> tuple[Document, str]:
    kept = [row for row in noted.rows if row.kept]
    doubtful = sorted(
        (row for row in kept if row.label_doubt), key=lambda row: -(row.label_doubt or 0)
    )
    outliers = [row for row in kept if row.outlier]
    document: Document = {
        "dataset": str(noted.root),
        "model": entry.name,
        "weights": str(weights),
        "looked_at": looked_at,
        "doubtful_labels": len(doubtful),
        "outliers": len(outliers),
        "worst": [
            {
                "file": row.file,
                "species": row.species,
                "likely_species": row.likely_species,
                "label_doubt": row.label_doubt,
            }
            for row in doubtful[:_SHOWN]
        ],
    }
    lines = [
        f"Looked at {looked_at} images with {entry.name}: {len(doubtful)} of doubtful species,"
        f" {len(outliers)} unlike the others of theirs.",
        *(
            f"  {row.label_doubt:.2f}  {row.file} looks like {row.likely_species}"
            for row in doubtful[:_SHOWN]
        ),
        f"Decide about the worst of them: bestiary review {noted.root}",
    ]
    return document, "\n".join(lines)
