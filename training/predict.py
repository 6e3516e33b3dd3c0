"""Prediction: what a trained network says of pictures it has never seen."""

from __future__ import annotations

import csv
import io
import itertools
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import UnusableImageError
from curation.render import render
from training import backend
from training.calibration import calibrated
from training.errors import PredictionError
from training.pictures import scaled
from training.run import RunRecord

BATCH_SIZE = 32
SHOWN = 3
"""Species named for each image in words."""
UNKNOWN = "unknown"
MAX_BYTES = 500 * 2**20
"""Of a file that is read as a picture: a folder of photos may hold films of any size."""
_OF_THE_SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})

Fetch = Callable[[str], bytes]
"""Gets the bytes at an http or https address; raises `PredictionError` with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was said of one image."""

    image: str
    probabilities: Mapping[str, float]
    """Of every species, calibrated, the most probable first."""
    is_unknown: bool = False
    """Whether it shows none of the species, as far as can be told."""

    @property
    def species(self) -> str:
        """The most probable one."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """Of the most probable species."""
        return self.probabilities[self.species]

    def record(self, top: int | None = None) -> dict[str, Any]:
        """The prediction as JSON, with the `top` most probable species, or all."""
        return {
            "image": self.image,
            "species": self.species,
            "probability": self.probability,
            "unknown": self.is_unknown,
            "probabilities": dict(itertools.islice(self.probabilities.items(), top)),
        }

    def in_words(self, top: int = SHOWN) -> str:
        """One line, with the most probable species."""
        ranked = [f"{name} {share:.0%}" for name, share in self.probabilities.items()]
        said = ", ".join(ranked[:top])
        return f"{self.image}: {f'{UNKNOWN} (at best {said})' if self.is_unknown else said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An image of which nothing can be said, for `reason`."""

    image: str
    reason: str

    def record(self, top: int | None = None) -> dict[str, Any]:  # noqa: ARG002 - as its sibling
        """The failure as JSON."""
        return {"image": self.image, "error": self.reason}

    def in_words(self, top: int = SHOWN) -> str:  # noqa: ARG002 - as its sibling
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
            "the folders named hold no images: name images, or folders with images",
            document=document,
        )
    first = "; ".join(f"{one.image}: {one.reason}" for one in found[:3] if isinstance(one, Unread))
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    raise PredictionError(f"none of the images can be read: {first}{more}", document=document)


def require_all(found: Sequence[Prediction | Unread], document: Mapping[str, Any]) -> None:
    """Make sure that every image could be read.

    Raises:
        PredictionError: some could not; it carries `document`, which has what was predicted.
    """
    unread = [one for one in found if isinstance(one, Unread)]
    if unread:
        raise PredictionError(
            f"{len(unread)} of {len(found)} images cannot be read, the first of them"
            f" {unread[0].image}: {unread[0].reason}",
            document=document,
        )


def to_csv(found: Iterable[Prediction | Unread], species: Sequence[str]) -> str:
    """A table of predictions for spreadsheets: one line an image, with every probability.

    `said` is a species or `unknown`, and empty where there is an `error`. Bytes of a file's name
    that are no UTF-8 are written as Python writes them.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "said", "species", "probability", "error", *species])
    for one in found:
        image = one.image.encode("utf-8", "backslashreplace").decode()
        if isinstance(one, Unread):
            writer.writerow([image, "", "", "", one.reason, *[""] * len(species)])
            continue
        said = UNKNOWN if one.is_unknown else one.species
        shares = [f"{one.probabilities[name]:.6f}" for name in species]
        writer.writerow([image, said, one.species, f"{one.probability:.6f}", "", *shares])
    return text.getvalue()


def images_of(named: Iterable[str]) -> list[str]:
    """The addresses and files named, and for each folder the files in it, sorted.

    Raises:
        PredictionError: a name is empty, which would be the folder that one is in.
    """
    named = list(named)
    if not all(named):
        raise PredictionError("an image has an empty name: is a variable of the shell not set?")
    return [
        image
        for name in named
        for image in ([name] if "://" in name else map(str, files_of([Path(name)])))
    ]


def is_address(name: str) -> bool:
    """Whether an image is named by its address on the web."""
    return name.lower().startswith(("http://", "https://"))


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and for each folder the files in it, sorted.

    Hidden ones are passed over, and those whose names end as notes, tables or films do, or that
    are what Windows puts there: in a folder of photos they are no photos that went bad.
    """
    return [
        file
        for path in paths
        for file in (sorted(_visible_files(path)) if path.is_dir() else [path])
    ]


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in inside):
            kind = mimetypes.guess_type(path.name)[0]
            is_of_system = path.name.lower() in _OF_THE_SYSTEM
            if not is_of_system and (kind is None or kind.startswith("image/")):
                yield path


def predict(
    network: Any, record: RunRecord, images: Iterable[str | Path], *, fetch: Fetch | None = None
) -> Iterator[Prediction | Unread]:
    """Yield what the network says of each image, in order; one that cannot be read is skipped.

    Each goes through the very rendering that the dataset's pictures went through.

    Args:
        network: The run's.
        record: The run's.
        images: Files, and http or https addresses.
        fetch: Gets what lies at an address; without it, addresses are not asked.
    """
    for some in _in_batches(map(str, images), BATCH_SIZE):
        yield from _predict_batch(network, record, some, fetch)


def _in_batches(images: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(images)
    while some := list(itertools.islice(remaining, size)):
        yield some


def _predict_batch(
    network: Any, record: RunRecord, images: list[str], fetch: Fetch | None
) -> Iterator[Prediction | Unread]:
    seen = [_picture(image, record, fetch) for image in images]
    pixels = [picture for picture in seen if not isinstance(picture, str)]
    rows = iter(_said(network, record, np.stack(pixels)) if pixels else ())
    for image, picture in zip(images, seen, strict=True):
        if isinstance(picture, str):
            yield Unread(image=image, reason=picture)
        else:
            yield _prediction(image, next(rows), record)


def _said(network: Any, record: RunRecord, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    raw = probabilities_of(network, pixels)
    return raw if record.calibration is None else calibrated(raw, record.calibration.temperature)


def _prediction(image: str, row: NDArray[np.float32], record: RunRecord) -> Prediction:
    threshold = 0.0 if record.calibration is None else record.calibration.unknown_below
    return Prediction(
        image=image,
        probabilities=_ranked(row, record.species),
        is_unknown=bool(row.max() < threshold),
    )


def _picture(image: str, record: RunRecord, fetch: Fetch | None) -> NDArray[np.uint8] | str:
    """The picture as the dataset would hold it, or why it cannot be had."""
    try:
        body = _body(image, fetch)
        picture = render(body, record.curation, through_jpeg=record.through_jpeg)
        return scaled(picture, record.side_px)
    except UnusableImageError as error:
        return error.reason
    except PredictionError as error:
        return str(error)
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return error.strerror or str(error)


def _body(image: str, fetch: Fetch | None) -> bytes:
    """What a file holds, or what lies at an address."""
    if is_address(image):
        if fetch is None:
            raise PredictionError(
                "addresses are not asked here: download the image and name the file"
            )
        return fetch(image)
    if "://" in image:
        raise PredictionError("only addresses with http:// or https:// are asked")
    path = Path(image)
    if path.exists() and not path.is_file():  # A pipe might never end.
        raise PredictionError("it is no file")
    if path.stat().st_size > MAX_BYTES:
        raise PredictionError(f"it is larger than {MAX_BYTES // 2**20} MB, and no photo")
    return path.read_bytes()


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
    # A little more than there is, where several devices share a batch evenly.
    size = min(batch_size, len(pixels))
    size += -size % backend.sharers()
    parts = [
        # In 32 bits also where a network computes in 16: those do not add up.
        np.asarray(
            network.predict_on_batch(_filled(pixels[first : first + size], size)), np.float32
        )
        for first in range(0, len(pixels), size)
    ]
    return np.concatenate(parts)[: len(pixels)]


def _filled(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.resize(pixels, (size, *pixels.shape[1:])) if len(pixels) < size else pixels
