"""Pictures: a split decoded once, and the order in which training sees it.

The order is a function of the seed and the epoch alone, so that a training which was killed
goes on with the very batches that it would have seen.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.dataset import Dataset, Row
from training.errors import ModelMismatchError, PicturesError
from training.models import ModelEntry
from training.recipe import TrainRecipe

IN_MEMORY_BYTES = 32 * 2**20
"""A larger split is decoded once, into a memory-mapped file that all runs share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A picture that could not be read, and was left out."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """The pictures of one split, in the dataset's order."""

    pixels: NDArray[np.uint8]
    """Shape (n, side_px, side_px, 3), RGB."""
    labels: NDArray[np.int32]
    """Shape (n,): indices into the dataset's species."""
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def side_of(dataset: Dataset, entry: ModelEntry, recipe: TrainRecipe) -> int:
    """The side at which a model gets the dataset's pictures.

    Raises:
        ModelMismatchError: it is not theirs, and they may not be scaled.
    """
    theirs = dataset.recipe.side_px
    if recipe.image_fit == "resize":
        return entry.side_px
    takes_any_side = recipe.enlarge_px is not None or entry.pretrained is not None
    if theirs != entry.side_px and not takes_any_side:
        raise ModelMismatchError(
            f"{entry.name} takes pictures of {entry.side_px} × {entry.side_px} px, and those of"
            f" the dataset have {theirs} × {theirs}: curate again with --size {entry.side_px}, or"
            f" train with --resize to scale them in memory, or with --enlarge {entry.side_px} to"
            " have the network do it"
        )
    return theirs


def warning_of_small_pictures(entry: ModelEntry, seen_px: int) -> str | None:
    """What to tell of pictures that are too small for a network's depth; None if they are not.

    `seen_px` is the side that its convolutions see. This is where the founding study's
    transfer failed: at 32 px, ResNet50's last stage sees a single place.
    """
    if seen_px >= entry.smallest_px:
        return None
    return (
        f"Warning: {entry.name} was made for larger pictures, and of {seen_px} × {seen_px} px its"
        f" deep layers see next to nothing: --enlarge {max(160, entry.smallest_px)} has the"
        " network scale them first, and mostly gains 20 points and more."
    )


def load(dataset: Dataset, split: str, *, side_px: int, cache: Path) -> Pictures:
    """Decode the pictures of a split, scaled to `side_px` where that is not theirs.

    Args:
        dataset: Where they lie.
        split: `train`, `val` or `test`.
        side_px: The side to bring them to.
        cache: A folder for what is too large for memory; made when needed.
    """
    rows = dataset.images(split)
    shape = (len(rows), side_px, side_px, 3)
    if math.prod(shape) <= IN_MEMORY_BYTES:
        pixels = np.empty(shape, np.uint8)
        return _pictures(dataset, rows, pixels, _decode_all(dataset, rows, pixels))
    stem = cache / f"{dataset.lock_digest[:16]}-{split}-{side_px}"
    data, notes = stem.with_suffix(".npy"), stem.with_suffix(".json")
    skipped = _noted(data, notes)
    if skipped is None:
        skipped = _fill_cache(dataset, rows, shape, data=data, notes=notes)
    return _pictures(dataset, rows, np.load(data, mmap_mode="r"), skipped)


def _noted(data: Path, notes: Path) -> dict[int, str] | None:
    """What was left out of the cache; None where there is none, or a byte of it has changed."""
    try:
        noted = json.loads(notes.read_text("utf-8"))
        with data.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != noted["sha256"]:
            return None
        return {int(place): reason for place, reason in noted["skipped"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _fill_cache(
    dataset: Dataset, rows: tuple[Row, ...], shape: tuple[int, ...], *, data: Path, notes: Path
) -> dict[int, str]:
    """Decode into the cache; its notes are written last, so what stands before them is whole."""
    data.parent.mkdir(parents=True, exist_ok=True)
    unready = data.with_suffix(f".{os.getpid()}")
    try:
        pixels = np.lib.format.open_memmap(unready, mode="w+", dtype=np.uint8, shape=shape)
        skipped = _decode_all(dataset, rows, pixels)
        pixels.flush()
        with unready.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        unready.replace(data)
        unready.write_text(json.dumps({"sha256": digest, "skipped": skipped}), "utf-8")
        unready.replace(notes)
    except OSError as error:
        raise PicturesError(
            f"cannot write decoded pictures to {data} ({error}): make room, or choose another"
            " folder with --run"
        ) from error
    finally:
        unready.unlink(missing_ok=True)
    return skipped


def _decode_all(
    dataset: Dataset, rows: tuple[Row, ...], pixels: NDArray[np.uint8]
) -> dict[int, str]:
    """Fill `pixels` row by row; return the reason for each row that stays empty.

    The pictures that were read come first, in order, without gaps.
    """
    skipped: dict[int, str] = {}
    for place, row in enumerate(rows):
        picture = _decode(dataset.path(row), dataset.recipe.side_px)
        if isinstance(picture, str):
            skipped[place] = picture
        else:
            pixels[place - len(skipped)] = scaled(picture, pixels.shape[1])
    return skipped


def _decode(path: Path, side_px: int) -> Image.Image | str:
    """The picture in a file of the dataset, or why it cannot be one of them."""
    try:
        with Image.open(path) as image:
            if image.size != (side_px, side_px):
                width, height = image.size
                return f"{width} × {height} px instead of {side_px} × {side_px}"
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__


def scaled(picture: Image.Image, side_px: int) -> NDArray[np.uint8]:
    """The pixels of a square RGB picture at another side, (side_px, side_px, 3)."""
    if picture.size != (side_px, side_px):
        picture = picture.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.uint8)


def _pictures(
    dataset: Dataset,
    rows: tuple[Row, ...],
    pixels: NDArray[np.uint8],
    skipped: dict[int, str],
) -> Pictures:
    kept = tuple(row for place, row in enumerate(rows) if place not in skipped)
    return Pictures(
        pixels=pixels[: len(kept)],
        labels=labels_of(kept, dataset.species),
        rows=kept,
        skipped=tuple(
            Skipped(file=os.fspath(dataset.path(rows[place])), reason=reason)
            for place, reason in skipped.items()
        ),
    )


def labels_of(rows: tuple[Row, ...], species: tuple[str, ...]) -> NDArray[np.int32]:
    """What each row shows, as an index into `species`, shape (n,)."""
    index = {name: label for label, name in enumerate(species)}
    return np.array([index[row.species] for row in rows], np.int32)


def require_measurable(dataset: Dataset) -> None:
    """Make sure that there are pictures to measure on: better told before a training than after.

    Raises:
        PicturesError: neither validation nor test has any.
    """
    if not any(row.kept and row.split in {"val", "test"} for row in dataset.rows):
        raise nothing_to_measure(dataset)


def nothing_to_measure(dataset: Dataset) -> PicturesError:
    """What is told of a dataset without validation and test pictures."""
    return PicturesError(
        f"{dataset.root} has neither validation nor test pictures to measure on:"
        " curate again with --splits 0.7,0.15,0.15"
    )


def require_every_species(labels: NDArray[np.int32], species: tuple[str, ...]) -> None:
    """Make sure that there is something to tell apart, and something to learn it from.

    Raises:
        PicturesError: fewer than two species, or one without a training picture.
    """
    if len(species) < 2:
        raise PicturesError(
            f"the dataset holds {' and '.join(species) or 'no species'} alone, and a classifier"
            " tells at least two apart: scrape another species, then curate again"
        )
    counts = counts_of(labels, len(species))
    missing = [name for name, count in zip(species, counts, strict=True) if not count]
    if missing:
        raise PicturesError(
            f"no training pictures of {', '.join(missing)}: gather more with"
            f" `bestiary scrape {' '.join(missing)}`, then curate again"
        )


def counts_of(labels: NDArray[np.int32], classes: int) -> NDArray[np.int64]:
    """How many labels there are of each class, shape (classes,)."""
    return np.bincount(labels, minlength=classes)


def balanced_weights(labels: NDArray[np.int32], classes: int) -> NDArray[np.float32]:
    """A weight for each class such that all weigh the same, and a picture 1 on average.

    Shape (classes,); a class without pictures weighs nothing.
    """
    counts = counts_of(labels, classes)
    present = int(np.count_nonzero(counts))
    return np.divide(len(labels), present * counts, out=np.zeros(classes), where=counts > 0).astype(
        np.float32
    )


def steps_in_epoch(pictures: int, batch_size: int) -> int:
    """How many batches an epoch has."""
    return math.ceil(pictures / batch_size)


def epoch_batches(
    *,
    pictures: int,
    batch_size: int,
    seed: int,
    epoch: int,
    labels: NDArray[np.int32] | None = None,
    multiple: int = 1,
) -> list[NDArray[np.intp]]:
    """The places of each batch of one epoch, counted from 0.

    Every picture comes at least once an epoch. All batches have one size, at most
    `batch_size`, for which a few pictures (fewer than there are batches) come twice: a
    backend compiles a step for the sizes that it has met, and would round differently after
    a pause.

    Their size is a multiple of `multiple`, which may be a little above `batch_size`.

    With `labels`, the species take turns instead: each fills as many places as the others,
    those with few pictures by showing them several times.
    """
    rng = np.random.default_rng((seed, epoch))
    steps = steps_in_epoch(pictures, batch_size)
    places = steps * multiple * math.ceil(pictures / steps / multiple)
    if labels is None:
        return np.split(np.resize(rng.permutation(pictures), places), steps)
    species = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    each = math.ceil(places / len(species))
    dealt = np.concatenate([np.resize(own, each) for own in species])
    return np.split(rng.permutation(dealt)[:places], steps)
