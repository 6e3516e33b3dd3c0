"""The pictures of a report: what the network mistook, and what it takes for what."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.dataset import Row
from training.evaluate import Evaluation
from training.explain import grad_cams, overlay
from training.suspects import Suspect
from training.wording import percent

MISTAKES = 12
"""At most this many are shown."""
PICTURED_SPECIES = 12
"""With more species, the confusion matrix has numbers alone."""

THUMBNAIL_PX = 160
_CELL_PX = 56
_DOUBT_PX = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the confusion matrix."""

    count: int
    share: float
    """Of the pictures of its row, 0 to 1."""
    is_right: bool
    thumbnail: str = ""
    """A `data:` address of the picture in it that the network is surest of; empty without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A picture that was taken for another species."""

    thumbnail: str
    """A `data:` address."""
    cam: str
    """The same under its Grad-CAM, or empty."""
    shown: str
    said: str
    probability: str
    digest: str
    page_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A picture whose label is doubted, to be looked at."""

    suspect: Suspect
    thumbnail: str
    """A `data:` address."""
    page_url: str


def doubts(evaluations: Mapping[str, Evaluation], suspects: Sequence[Suspect]) -> list[Doubt]:
    """The suspects with their pictures."""
    places = {
        (split, digest): place
        for split, evaluation in evaluations.items()
        for place, digest in enumerate(evaluation.digests)
    }
    found = []
    for suspect in suspects:
        pictures = evaluations[suspect.split].pictures
        place = places[suspect.split, suspect.digest]
        found.append(
            Doubt(
                suspect=suspect,
                thumbnail=thumbnail(_image(pictures.pixels[place]), _DOUBT_PX),
                page_url=_page(pictures.rows[place]),
            )
        )
    return found


def matrix(evaluation: Evaluation, species: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """The confusion matrix, row by row, with each row's species."""
    examples = _examples(evaluation) if len(species) <= PICTURED_SPECIES else {}
    return [
        (
            name,
            [
                Cell(
                    count=count,
                    share=count / max(sum(counts), 1),
                    is_right=label == column,
                    thumbnail=examples.get((label, column), ""),
                )
                for column, count in enumerate(counts)
            ],
        )
        for label, (name, counts) in enumerate(
            zip(species, evaluation.measures.confusion, strict=True)
        )
    ]


def _examples(evaluation: Evaluation) -> dict[tuple[int, int], str]:
    """For each cell with pictures in it the one that the network is surest of."""
    said = evaluation.probabilities.argmax(axis=1)
    surest_first = np.argsort(-evaluation.probabilities.max(axis=1), kind="stable")
    places: dict[tuple[int, int], int] = {}
    for place in surest_first:
        cell = int(evaluation.pictures.labels[place]), int(said[place])
        places.setdefault(cell, int(place))
    pixels = evaluation.pictures.pixels
    return {cell: thumbnail(_image(pixels[place]), _CELL_PX) for cell, place in places.items()}


def mistakes(evaluation: Evaluation, species: Sequence[str], network: Any) -> list[Mistake]:
    """The pictures taken for another species with the most conviction, worst first."""
    said = evaluation.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != evaluation.pictures.labels)
    conviction = evaluation.probabilities[wrong, said[wrong]]
    worst = wrong[np.argsort(-conviction, kind="stable")][:MISTAKES]
    pixels = np.asarray(evaluation.pictures.pixels[worst])
    cams = _cams(network, pixels, said[worst].astype(np.int32))
    return [
        _mistake(
            evaluation.pictures.rows[place],
            _image(picture),
            cam=cam,
            said=species[said[place]],
            probability=float(evaluation.probabilities[place, said[place]]),
        )
        for place, picture, cam in zip(worst, pixels, cams, strict=True)
    ]


def _cams(network: Any, pixels: NDArray[np.uint8], labels: NDArray[np.int32]) -> list[str]:
    maps = None if network is None else grad_cams(network, pixels, labels)
    if maps is None:
        return [""] * len(pixels)
    return [
        thumbnail(overlay(picture, cam), THUMBNAIL_PX)
        for picture, cam in zip(pixels, maps, strict=True)
    ]


def _mistake(row: Row, picture: Image.Image, *, cam: str, said: str, probability: float) -> Mistake:
    return Mistake(
        thumbnail=thumbnail(picture, THUMBNAIL_PX),
        cam=cam,
        shown=row.species,
        said=said,
        probability=percent(probability),
        digest=row.digest,
        page_url=_page(row),
    )


def _page(row: Row) -> str:
    return row.page_url if row.page_url.startswith(("http://", "https://")) else ""


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.asarray(pixels))


def thumbnail(picture: Image.Image, side_px: int) -> str:
    """A picture, no larger than a square of `side_px`, as a `data:` address."""
    picture.thumbnail((side_px, side_px))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
