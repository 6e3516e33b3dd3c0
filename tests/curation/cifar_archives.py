"""Tiny archives in CIFAR's very format: pickles as Python 2 wrote them, in a tar file."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def pickled(value: object) -> bytes:
    """Protocol 2, as Python 2 and numpy 1 wrote it: texts are bytes."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: object) -> bytes:
    match value:
        case bytes():
            return b"T" + struct.pack("<i", len(value)) + value
        case int():
            return b"J" + struct.pack("<i", value)
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case dict():
            pairs = (_opcodes(key) + _opcodes(one) for key, one in value.items())
            return b"}(" + b"".join(pairs) + b"u"
        case np.ndarray():
            return _array(value)
    raise TypeError(value)


def _array(array: NDArray[np.uint8]) -> bytes:
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR" + state
    shape = b"(" + b"".join(map(_opcodes, array.shape)) + b"t"
    return made + b"(K\x01" + shape + kind + b"\x89" + _opcodes(array.tobytes()) + b"tb"


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            file.addfile(info, io.BytesIO(body))
    return path


def batch(labels: list[int], *, key: bytes, seed: int = 0) -> dict[bytes, object]:
    rng = np.random.default_rng(seed)
    return {
        b"data": rng.integers(0, 256, (len(labels), 3072), np.uint8),
        key: labels,
        b"filenames": [b"some_mouse_s_%06d.png" % number for number in range(len(labels))],
    }


CLASSES = [b"apple", b"hamster", b"mouse", b"shrew"]


def cifar_100(path: Path) -> Path:
    """Four classes, 8 training and 4 test images."""
    members = {
        "meta": {b"fine_label_names": CLASSES},
        "train": batch([0, 1, 2, 3, 0, 1, 2, 3], key=b"fine_labels"),
        "test": batch([0, 1, 2, 3], key=b"fine_labels", seed=1),
    }
    return archive(path, {f"cifar-100-python/{n}": pickled(v) for n, v in members.items()})


def cifar_10(path: Path) -> Path:
    """Four classes, five batches of 2 training images and a test batch of 3."""
    members: dict[str, object] = {"batches.meta": {b"label_names": CLASSES}}
    for number in range(1, 6):
        members[f"data_batch_{number}"] = batch([0, 3], key=b"labels", seed=number)
    members["test_batch"] = batch([1, 2, 3], key=b"labels")
    return archive(path, {f"cifar-10-batches-py/{n}": pickled(v) for n, v in members.items()})
