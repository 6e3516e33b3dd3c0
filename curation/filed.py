"""Filed: a table of numbers out of memory, in a nameless file."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


class Filed(Generic[Number]):
    """Rows of so many numbers each, counted as they come: nothing of them stays in memory."""

    def __init__(self, kind: type[Number], columns: int) -> None:
        self._kind, self._columns = np.dtype(kind), columns
        self._row_bytes = self._kind.itemsize * columns
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the table.
        self._count = 0
        weakref.finalize(self, _close, self._file)

    def add(self, rows: NDArray[Number]) -> None:
        """Take rows in, at the end; shape (rows, columns), or one row."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(rows.tobytes())
        self._count += rows.size // self._columns

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, numbers: NDArray[np.integer]) -> NDArray[Number]:
        """The rows with these numbers, read together where they lie together.

        Raises:
            IndexError: there is no such row.
        """
        is_first = np.ones(len(numbers), bool)
        is_first[1:] = numbers[1:] != numbers[:-1] + 1
        places = np.flatnonzero(is_first)
        firsts = numbers[places].tolist()
        counts = np.diff(places, append=len(numbers)).tolist()
        rows = self._rows(b"".join(map(self._read, firsts, counts)))
        if len(rows) != len(numbers):
            raise IndexError(f"not all of these rows are among {len(self)}")
        return rows

    def parts(self, at_once: int) -> Iterator[NDArray[Number]]:
        """All rows, so many at a time."""
        for first in range(0, self._count, at_once):
            yield self._rows(self._read(first, min(at_once, self._count - first)))

    def _read(self, first: int, count: int) -> bytes:
        self._file.seek(first * self._row_bytes)
        return self._file.read(count * self._row_bytes)

    def _rows(self, body: bytes) -> NDArray[Number]:
        return np.frombuffer(body, self._kind).reshape(-1, self._columns)


def _close(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # A full disk was told of when it was written to.
        file.close()
