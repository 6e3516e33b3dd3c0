"""Labelled pictures that are no curated dataset: an .npz file, or class folders in a zip.

Labels may be names, CIFAR-100's codes (36, 50, 65, 74, 80 for the small mammals) or places in
the list of species. The founding study's training crashed over them; here they are turned
into names first, and a label that no species answers to is an error that names it.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from training.cifar import FINE_LABELS
from training.errors import ModelMismatchError, PicturesError
from training.pictures import Pictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Pictures of one size with what they show."""

    pixels: NDArray[np.uint8]
    """Shape (n, side_px, side_px, 3), RGB."""
    labels: NDArray[np.int32]
    """Shape (n,): indices into `species`."""
    species: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def side_px(self) -> int:
        """Of the pictures."""
        return int(self.pixels.shape[1])

    def pictures(self, places: NDArray[np.intp] | slice = slice(None)) -> Pictures:
        """Some of them, as training takes them."""
        return Pictures(pixels=self.pixels[places], labels=self.labels[places], rows=())


def read_npz(
    path: Path, *, species: Sequence[str] | None = None, side_px: int | None = None
) -> Labelled:
    """Read an .npz file with `images` and `fine_labels` (or `labels`).

    Args:
        path: The file.
        species: Whose pictures they must be, in the order that labels shall have; None takes
            the names as they come, sorted.
        side_px: The side that they must have; None takes any.

    Raises:
        PicturesError: there is no such file, or it holds something else.
        ModelMismatchError: a label is of none of the `species`, or their side is another.
    """
    arrays = _arrays(path)
    images = next((arrays[name] for name in ("images", "x") if name in arrays), None)
    codes = next((arrays[name] for name in ("fine_labels", "labels", "y") if name in arrays), None)
    if images is None or codes is None:
        raise PicturesError(
            f"{path} holds {', '.join(arrays) or 'nothing'}: it wants `images`, (n, side, side, 3),"
            " 0-255, and `fine_labels`, one for each"
        )
    _require_pictures(path, images, codes)
    if side_px not in (None, images.shape[1]):
        raise ModelMismatchError(
            f"the pictures of {path} have a side of {images.shape[1]} px, and the model takes"
            f" {side_px} px: scale them, or train a model for them"
        )
    names = names_of(codes.reshape(-1), _legend(path, arrays), species)
    order = tuple(species) if species is not None else tuple(sorted(set(names)))
    strangers = sorted(set(names) - set(order))
    if strangers:
        raise ModelMismatchError(
            f"{path} has pictures labelled {', '.join(strangers[:5])}, and the model knows"
            f" {', '.join(order)} alone: evaluate on pictures of these"
        )
    places = {name: place for place, name in enumerate(order)}
    labels = np.array([places[name] for name in names], np.int32)
    return Labelled(pixels=images, labels=labels, species=order)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if path.is_file() and not zipfile.is_zipfile(path):
        raise PicturesError(f"{path} is no .npz file of arrays")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise PicturesError(f"there is no file {path}") from error
    except (
        *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise PicturesError(f"{path} is no .npz file of arrays: {error}") from error


def _require_pictures(path: Path, images: NDArray[Any], codes: NDArray[Any]) -> None:
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise PicturesError(
            f"`images` of {path} are {images.dtype} of shape {shape}: they must be uint8, 0-255,"
            " of shape (n, side, side, 3)"
        )
    if codes.size != len(images) or not len(images):
        raise PicturesError(f"{path} has {len(images)} images and {codes.size} labels")


def _legend(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[int, str]:
    """What the file itself says its codes mean."""
    names = arrays.get("classes")
    codes = arrays.get("class_fine_labels")
    if names is None or names.dtype.kind not in "US":
        return {}
    numbers = np.arange(names.size) if codes is None else codes
    if names.ndim != 1 or numbers.shape != names.shape or numbers.dtype.kind not in "iu":
        raise PicturesError(
            f"`classes` of {path} must be a list of names, one for each code in"
            " `class_fine_labels`, or for 0, 1, 2 … where there are none"
        )
    return dict(zip(map(int, numbers.tolist()), _as_text(names), strict=True))


def _as_text(names: NDArray[Any]) -> list[str]:
    """Names in a list of texts or of bytes."""
    if names.dtype.kind == "S":
        return [name.decode("utf-8", "replace") for name in names.tolist()]
    return [str(name) for name in names.tolist()]


def names_of(
    codes: NDArray[Any], legend: Mapping[int, str], species: Sequence[str] | None
) -> list[str]:
    """What labels are called: by the file's own legend, by CIFAR-100, or by their place.

    CIFAR-100's codes are what they are only where they name something that is wanted; the
    labels 0 to k - 1 of k species are places in the sorted list.
    """
    if codes.dtype.kind in "US":
        return _as_text(codes)
    is_number = codes.dtype.kind in "iuf"
    odd = codes[~np.isfinite(codes) | (codes != np.round(codes))] if is_number else codes
    if odd.size or not is_number:
        raise PicturesError(
            f"labels must be names or whole numbers, and these are {codes.dtype}, such as"
            f" {odd.reshape(-1)[0]}"
        )
    found = sorted({int(code) for code in codes.tolist()})
    if legend and (unnamed := set(found) - set(legend)):
        raise PicturesError(
            f"`classes` names no species for the label {min(unnamed)}, which pictures have: it"
            f" names {', '.join(f'{code} {name}' for code, name in legend.items())}"
        )
    table = legend or _by_custom(found, species)
    return [table[int(code)] for code in codes.tolist()]


def _by_custom(found: Sequence[int], species: Sequence[str] | None) -> dict[int, str]:
    fine = {code: FINE_LABELS[code] for code in found if 0 <= code < len(FINE_LABELS)}
    if len(fine) == len(found) and (species is None or set(fine.values()) <= set(species)):
        return fine
    ordered = sorted(species or ())
    if ordered and set(found) <= set(range(len(ordered))):
        return {code: ordered[code] for code in found}
    return {code: fine.get(code, str(code)) for code in found}


def read_class_folders(path: Path, *, side_px: int, part: str = "") -> Labelled:
    """Read pictures from the class folders of a folder or a zip file, scaled to squares.

    A picture that cannot be read is left out.

    Args:
        path: The folder or zip file.
        side_px: The side to bring pictures to.
        part: The folder in it that has the class folders, such as `train`.

    Raises:
        PicturesError: there are none.
    """
    found = [
        (name, picture)
        for name, body in _bodies(path, part)
        if (picture := _decoded(body, side_px)) is not None
    ]
    if not found:
        raise PicturesError(f"{path} has no pictures in class folders")
    species = tuple(sorted({name for name, _ in found}))
    return Labelled(
        pixels=np.stack([picture for _, picture in found]),
        labels=np.array([species.index(name) for name, _ in found], np.int32),
        species=species,
    )


def _bodies(path: Path, part: str) -> Iterator[tuple[str, bytes]]:
    """The name of its folder and the bytes of each file, in order."""
    if path.is_dir():
        for file in sorted((path / part).glob("*/*")):
            yield file.parent.name, file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                place = PurePosixPath(name)
                if len(place.parts) > 1 and str(place.parent.parent) == (part or "."):
                    yield place.parent.name, archive.read(name)
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise PicturesError(f"{path} cannot be read: {error}") from error


def _decoded(body: bytes, side_px: int) -> NDArray[np.uint8] | None:
    try:
        with Image.open(io.BytesIO(body)) as image:
            picture = image.convert("RGB")
            if picture.size != (side_px, side_px):
                picture = picture.resize((side_px, side_px), Image.Resampling.BICUBIC)
            return np.asarray(picture, np.uint8)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def dealt(labels: NDArray[np.int32], *, apart: int, seed: int) -> tuple[Any, Any]:
    """Places of the pictures to train on, and of `apart` of each class that are kept from it."""
    rng = np.random.default_rng(seed)
    kept: list[int] = []
    for label in np.unique(labels):
        kept += rng.permutation(np.flatnonzero(labels == label))[:apart].tolist()
    held = np.zeros(len(labels), bool)
    held[kept] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
