"""CIFAR-10 and CIFAR-100, as their authors publish them: pickled batches in a tar file.

A pickle can run any code, so the archive's digest is checked before, and of the pickle no
more is allowed than the numbers and names that these files hold.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import DatasetError, UsageError

SIDE_PX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where an archive has what."""

    folder: str
    batches: Mapping[str, Sequence[str]]
    """By part: the official training and test images."""
    meta: str
    class_names: bytes
    labels: bytes


LAYOUTS: Final = {
    "cifar-10": Layout(
        folder="cifar-10-batches-py",
        batches={
            "train": [f"data_batch_{number}" for number in range(1, 6)],
            "test": ["test_batch"],
        },
        meta="batches.meta",
        class_names=b"label_names",
        labels=b"labels",
    ),
    "cifar-100": Layout(
        folder="cifar-100-python",
        batches={"train": ["train"], "test": ["test"]},
        meta="meta",
        class_names=b"fine_label_names",
        labels=b"fine_labels",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The official training or test images."""

    images: NDArray[np.uint8]
    """Shape (n, 32, 32, 3), RGB."""
    labels: NDArray[np.int64]
    """Shape (n,): indices into `classes`."""
    names: tuple[str, ...]
    """The authors' file names, n."""
    classes: tuple[str, ...]

    def of(self, classes: Sequence[str]) -> Part:
        """The images of some classes alone; their labels stay what they are.

        Raises:
            UsageError: there is no such class.
        """
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise UsageError(
                f"there is no class {', '.join(unknown)}, only: {', '.join(self.classes)}"
            )
        wanted = [self.classes.index(name) for name in classes]
        chosen = np.flatnonzero(np.isin(self.labels, wanted))
        return Part(
            images=self.images[chosen],
            labels=self.labels[chosen],
            names=tuple(self.names[number] for number in chosen),
            classes=self.classes,
        )


def read_cifar(path: Path, layout: Layout) -> dict[str, Part]:
    """Read an archive whose digest was found to be the pinned one: the parts train and test.

    Raises:
        DatasetError: it is no such archive.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            meta = _unpickled(archive, f"{layout.folder}/{layout.meta}")
            classes = tuple(_text(name) for name in meta[layout.class_names])
            return {
                part: _joined(
                    [_unpickled(archive, f"{layout.folder}/{name}") for name in names],
                    layout,
                    classes,
                )
                for part, names in layout.batches.items()
            }
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{path} is not a CIFAR archive (python version): {error}") from error
    except (pickle.UnpicklingError, AttributeError, IndexError) as error:
        raise DatasetError(f"{path} holds a pickle that cannot be CIFAR's: {error}") from error


def _joined(batches: Sequence[Mapping[bytes, Any]], layout: Layout, classes: Sequence[str]) -> Part:
    data = np.concatenate([np.asarray(batch[b"data"]) for batch in batches])
    labels = np.concatenate([np.asarray(batch[layout.labels], np.int64) for batch in batches])
    names = tuple(_text(name) for batch in batches for name in batch[b"filenames"])
    shape = (len(names), 3 * SIDE_PX**2)
    if data.dtype != np.uint8 or data.shape != shape or labels.shape != shape[:1]:
        raise ValueError(f"its images have the shape {data.shape}, its labels {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < len(classes):
        raise ValueError("its labels are none of its classes")
    images = data.reshape(-1, 3, SIDE_PX, SIDE_PX).transpose(0, 2, 3, 1)
    return Part(
        images=np.ascontiguousarray(images), labels=labels, names=names, classes=tuple(classes)
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unpickled(archive: tarfile.TarFile, name: str) -> Mapping[bytes, Any]:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    found = _Unpickler(io.BytesIO(file.read()), encoding="bytes").load()
    if not isinstance(found, dict):
        raise ValueError(f"{name} holds no table")
    return found


class _Unpickler(pickle.Unpickler):
    """Knows arrays and their types, and nothing that could act."""

    def find_class(self, module: str, name: str) -> Any:
        """Give the three names that an array is made of.

        Raises:
            pickle.UnpicklingError: the pickle wants another.
        """
        from numpy._core.multiarray import _reconstruct

        known = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]


def _dtype(kind: bytes | str, *_: object) -> np.dtype[Any]:
    """A type of numbers by its name; Python 2 wrote flags beside it that numpy takes ill now."""
    return np.dtype(_text(kind))


def write_folders(parts: Mapping[str, Part], classes: Sequence[str], folder: Path) -> None:
    """Write PNG files into class folders: FOLDER/train/<class>/<name>.png, and test likewise."""
    from PIL import Image

    for name, part in parts.items():
        for label in classes:
            (folder / name / label).mkdir(parents=True)
        for number, place in enumerate(_places(part)):
            Image.fromarray(part.images[number]).save(folder / name / place)


def write_npz(parts: Mapping[str, Part], classes: Sequence[str], folder: Path) -> None:
    """Write FOLDER/train.npz and test.npz.

    Each has `images` (n, 32, 32, 3), `fine_labels` (n,), `names` (n,), `classes` and their
    labels, `class_fine_labels`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        codes = [part.classes.index(label) for label in classes]
        np.savez_compressed(
            folder / f"{name}.npz",
            images=part.images,
            fine_labels=part.labels.astype(np.uint8),
            names=np.array(list(_places(part))),
            classes=np.array(classes),
            class_fine_labels=np.array(codes),
        )


def _places(part: Part) -> Iterator[str]:
    """`<class>/<name>.png` for every image; a name that came before gets a number."""
    seen: dict[str, int] = {}
    for label, name in zip(part.labels, part.names, strict=True):
        stem = Path(name).name.rpartition(".")[0] or Path(name).name
        place = f"{part.classes[label]}/{stem}"
        seen[place] = seen.get(place, 0) + 1
        yield f"{place}.png" if seen[place] == 1 else f"{place}-{seen[place]}.png"
