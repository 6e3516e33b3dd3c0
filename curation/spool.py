"""The spool: many values of one kind, out of memory, read one after the other.

A large harvest has more records, findings and manifest rows than should be in memory at once.
They lie in a nameless file, which is in memory itself while it is small; what stays is 8 bytes
each. A spool is a sequence like any other, and so is what `where` selects from one, but each
value is made anew when it is asked for: go through it rather than hold on to many.
"""

from __future__ import annotations

import pickle
import tempfile
import threading
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice, pairwise, repeat
from operator import attrgetter, call
from typing import Any, Generic, Self, TypeVar, get_args, get_type_hints, overload

import numpy as np

T = TypeVar("T")

_IN_MEMORY = 1 << 20
"""Bytes up to which there is no file on the disk."""
_AT_ONCE = 256
"""Values that are read together."""
_HEAD = 16
"""Bytes of a line by which lines are sorted before they are read."""
_SPARSE = 2
"""Values for each that is wanted beyond which they are read one by one."""


class Spool(Sequence[T]):
    """Values of one frozen dataclass with slots, in a nameless file; it only grows.

    Values and those of dataclasses among their fields must be what `pickle` knows.
    """

    def __init__(self, kind: type[T]) -> None:
        self._packing = _Packing(kind)
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives with the spool.
        self._lock = threading.Lock()
        self._starts = array("Q", [0])
        weakref.finalize(self, self._file.close)

    @classmethod
    def of(cls, kind: type[T], values: Iterable[T]) -> Self:
        """A spool of these values."""
        made = cls(kind)
        made.extend(values)
        return made

    def extend(self, values: Iterable[T]) -> None:
        """Take values in, at the end."""
        values = iter(values)
        while some := [self._packing.packed(value) for value in islice(values, _AT_ONCE)]:
            with self._lock:
                self._file.seek(self._starts[-1])
                self._file.write(b"".join(some))
            for body in some:
                self._starts.append(self._starts[-1] + len(body))

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...

    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        if isinstance(place, slice):
            return tuple(self.at(range(len(self))[place]))
        number = range(len(self))[place]
        return self._packing.unpacked(self._bytes(number, number + 1))

    def __iter__(self) -> Iterator[T]:
        return self.at(range(len(self)))

    def __eq__(self, other: object) -> bool:
        return _are_equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} × {self._packing.kind.__name__}>"

    def at(self, places: Iterable[int]) -> Iterator[T]:
        """The values at these places, read together where they lie together."""
        wanted = iter(places)
        while some := list(islice(wanted, _AT_ONCE)):
            first, past = min(some), max(some) + 1
            if past - first > _SPARSE * len(some):
                yield from (self[place] for place in some)
                continue
            body, start = self._bytes(first, past), self._starts[first]
            for place in some:
                part = body[self._starts[place] - start : self._starts[place + 1] - start]
                yield self._packing.unpacked(part)

    def _bytes(self, first: int, past: int) -> memoryview:
        with self._lock:
            self._file.seek(self._starts[first])
            return memoryview(self._file.read(self._starts[past] - self._starts[first]))


class Selection(Sequence[T]):
    """Some of the values of a sequence, by their places."""

    def __init__(self, whole: Sequence[T], places: Iterable[int]) -> None:
        self._whole: Sequence[T] = whole
        self._places: array[int] = array("I", places)
        if isinstance(whole, Selection):
            self._whole = whole._whole
            self._places = array("I", (whole._places[place] for place in self._places))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Selection[T]: ...

    def __getitem__(self, place: int | slice) -> T | Selection[T]:
        if isinstance(place, slice):
            return Selection(self._whole, self._places[place])
        return self._whole[self._places[place]]

    def __iter__(self) -> Iterator[T]:
        if isinstance(self._whole, Spool):
            return self._whole.at(self._places)
        return (self._whole[place] for place in self._places)

    def __eq__(self, other: object) -> bool:
        return _are_equal(self, other)

    __hash__ = None  # type: ignore[assignment]


def where(values: Sequence[T], is_wanted: Callable[[T], object]) -> Selection[T]:
    """Those of the values that are wanted, in their order."""
    return Selection(values, (place for place, value in enumerate(values) if is_wanted(value)))


def by(values: Sequence[T], key: Callable[[T], str]) -> dict[str, Selection[T]]:
    """The values by their key, each in their order; keys as they come."""
    places: dict[str, array[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(key(value), array("I")).append(place)
    return {name: Selection(values, some) for name, some in places.items()}


class Lines:
    """Lines in a nameless file, to be read in the order of their characters.

    Some 40 bytes each are in memory. Fast for lines that seldom begin alike.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives with the lines.
        self._starts, self._heads = array("Q", [0]), bytearray()
        weakref.finalize(self, self._file.close)
        for line in lines:
            self.add(line)

    def add(self, line: str) -> None:
        """Take one in; not while they are read."""
        body = line.encode()
        self._file.seek(self._starts[-1])
        self._file.write(body)
        self._starts.append(self._starts[-1] + len(body))
        self._heads += body[:_HEAD].ljust(_HEAD, b"\0")

    def in_order(self) -> Iterator[str]:
        """Yield all of them; alike ones one after the other."""
        head = np.frombuffer(self._heads, f"S{_HEAD}")
        order = np.argsort(head, kind="stable").astype(np.int32)
        is_first = np.ones(len(order), bool)
        is_first[1:] = head[order[1:]] != head[order[:-1]]
        starts = np.append(np.flatnonzero(is_first), len(order)).astype(np.int32)
        for start, end in pairwise(starts.data):
            yield from sorted(map(self._line, order[start:end].data))

    def _line(self, place: int) -> str:
        start = self._starts[place]
        self._file.seek(start)
        return self._file.read(self._starts[place + 1] - start).decode()


def _are_equal(one: Sequence[Any], other: object) -> bool:
    if not isinstance(other, Sequence):
        return False
    return len(one) == len(other) and all(a == b for a, b in zip(one, other, strict=True))


def _alone(name: str) -> Callable[[Any], tuple[Any]]:
    """Like `attrgetter` of several names, which gives one without a tuple around it."""
    value_of = attrgetter(name)
    return lambda value: (value_of(value),)


class _Packing(Generic[T]):
    """How values of a dataclass become bytes, and are made of them again, past `__init__`."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        hints = get_type_hints(kind)
        self._values = attrgetter(*names) if len(names) > 1 else _alone(names[0])
        self._setters = [kind.__dict__[name].__set__ for name in names]
        self._inner = [
            (place, _Packing[Any](inner))
            for place, name in enumerate(names)
            for inner in (hints[name], *get_args(hints[name]))
            if is_dataclass(inner) and isinstance(inner, type)
        ]

    def packed(self, value: T) -> bytes:
        return pickle.dumps(self._listed(value))

    def unpacked(self, body: memoryview) -> T:
        return self._made(pickle.loads(body))  # noqa: S301 - from this very process.

    def _listed(self, value: T) -> list[Any]:
        values = list(self._values(value))
        for place, inner in self._inner:
            if values[place] is not None:
                values[place] = inner._listed(values[place])
        return values

    def _made(self, values: list[Any]) -> T:
        for place, inner in self._inner:
            if values[place] is not None:
                values[place] = inner._made(values[place])
        made = object.__new__(self.kind)
        deque(map(call, self._setters, repeat(made), values), maxlen=0)  # A loop takes longer.
        return made
