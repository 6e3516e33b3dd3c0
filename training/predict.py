"""Prediction: what a trained network says of pictures it has never seen."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import UnusableImageError
from curation.recipe import CurationRecipe
from curation.render import render
from training.errors import PredictionError
from training.pictures import scaled
from training.run import RunRecord

BATCH_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was said of one image."""

    image: str
    probabilities: Mapping[str, float]
    """Of every species, the most probable first."""

    @property
    def species(self) -> str:
        """The most probable one."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """Of the most probable species."""
        return self.probabilities[self.species]

    def record(self) -> dict[str, Any]:
        """The prediction as JSON."""
        return {
            "image": self.image,
            "species": self.species,
            "probability": self.probability,
            "probabilities": dict(self.probabilities),
        }

    def in_words(self) -> str:
        """One line, with the three most probable species."""
        ranked = [f"{name} {share:.0%}" for name, share in self.probabilities.items()]
        return f"{self.image}: {', '.join(ranked[:3])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An image of which nothing can be said, for `reason`."""

    image: str
    reason: str

    def record(self) -> dict[str, Any]:
        """The failure as JSON."""
        return {"image": self.image, "error": self.reason}

    def in_words(self) -> str:
        """One line."""
        return f"{self.image}: cannot be read: {self.reason}"


def require_any(found: Sequence[Prediction | Unread], document: Mapping[str, Any]) -> None:
    """Make sure that something was predicted.

    Raises:
        PredictionError: nothing was; it carries `document`, which has every reason.
    """
    if any(isinstance(one, Prediction) for one in found):
        return
    if not found:
        raise PredictionError(
            "the folders named hold no files: name images, or folders with images",
            document=document,
        )
    first = "; ".join(f"{one.image}: {one.reason}" for one in found[:3] if isinstance(one, Unread))
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    raise PredictionError(f"none of the images can be read: {first}{more}", document=document)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and for each folder the files in it, sorted; hidden ones are not."""
    return [
        file
        for path in paths
        for file in (sorted(_visible_files(path)) if path.is_dir() else [path])
    ]


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path


def predict(
    network: Any, record: RunRecord, files: Iterable[Path]
) -> Iterator[Prediction | Unread]:
    """Yield what the network says of each file, in order; one that cannot be read is skipped.

    Each goes through the very rendering that the dataset's pictures went through.
    """
    for some in _in_batches(files, BATCH_SIZE):
        yield from _predict_batch(network, record, some)


def _in_batches(files: Iterable[Path], size: int) -> Iterator[list[Path]]:
    remaining = iter(files)
    while some := list(itertools.islice(remaining, size)):
        yield some


def _predict_batch(
    network: Any, record: RunRecord, files: list[Path]
) -> Iterator[Prediction | Unread]:
    seen = [_picture(file, record.curation, record.side_px) for file in files]
    pixels = [picture for picture in seen if not isinstance(picture, str)]
    rows = iter(probabilities_of(network, np.stack(pixels)) if pixels else ())
    for file, picture in zip(files, seen, strict=True):
        if isinstance(picture, str):
            yield Unread(image=str(file), reason=picture)
        else:
            yield Prediction(image=str(file), probabilities=_ranked(next(rows), record.species))


def _picture(file: Path, recipe: CurationRecipe, side_px: int) -> NDArray[np.uint8] | str:
    try:
        return scaled(render(file.read_bytes(), recipe), side_px)
    except UnusableImageError as error:
        return error.reason
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return error.strerror or str(error)


def _ranked(row: NDArray[np.float32], species: tuple[str, ...]) -> dict[str, float]:
    order = np.argsort(-row, kind="stable")
    return {species[label]: float(row[label]) for label in order}


def probabilities_of(
    network: Any, pixels: NDArray[np.uint8], *, batch_size: int = BATCH_SIZE
) -> NDArray[np.float32]:
    """What a network says of pictures: one row each, one column a species.

    Batch by batch, so that pictures in a mapped file need not fit in memory. The last batch
    is filled up to the size of the others, so that only one size is ever compiled.
    """
    if not len(pixels):
        return np.empty((0, network.output_shape[-1]), np.float32)
    size = min(batch_size, len(pixels))
    parts = [
        np.asarray(network.predict_on_batch(_filled(pixels[first : first + size], size)))
        for first in range(0, len(pixels), size)
    ]
    return np.concatenate(parts)[: len(pixels)]


def _filled(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.resize(pixels, (size, *pixels.shape[1:])) if len(pixels) < size else pixels
