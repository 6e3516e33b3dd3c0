"""The store: what inspection found, kept so that the next run need not look again.

    .DATASET.inspected/<key>/results.sqlite        one row per digest, about 6 KB; comparisons
    .DATASET.inspected/<key>/rendered/ab/<digest>.jpg

It lies beside the dataset, so that rendered pictures can be hard links of the dataset's
files and cost no room. The key names everything that shapes a result: of the recipe what
inspection uses, the libraries' versions, and the very source of the modules at work. What a
run finds is kept as it goes, so a killed run goes on where it stopped.

Nothing depends on it: damaged, deleted or not writable, it makes a run slower and changes
nothing else. Every row is checked by its CRC and every rendered picture by its digest.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from curation import reasons
from curation.decode import Header, libraries
from curation.inspect import refusal
from curation.looking import Seen
from curation.quality import Measures
from curation.recipe import CurationRecipe
from curation.signature import Signature

SHAPING: Final = ("side_px", "fit", "background", "jpeg_quality")
"""What inspection uses of a recipe, but for the limits that a header is held against."""
LIMITS: Final = ("min_side_px", "max_pixels", "max_aspect")
_PASSING = frozenset(
    {
        *(reasons.MISSING, reasons.DAMAGED),
        *(reasons.CRASHED, reasons.TOO_SLOW, reasons.TOO_MUCH_MEMORY, reasons.HEAVY),
    }
)
"""Reasons that may be gone at the next look."""
_REFUSALS = frozenset({reasons.TOO_SMALL, reasons.TOO_LARGE, reasons.TOO_NARROW})
_ROOT_MODULE = "curation.looking"
_COMMIT_S = 1.0
_NO_BACKUP = "Signature: 8a477f597d28d172789f06886806bc55\n# Kept by Bestiary; safe to delete.\n"
"""The CACHEDIR.TAG convention: backup programs pass over a folder with such a file."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (
    digest TEXT PRIMARY KEY, facts TEXT NOT NULL, arrays BLOB NOT NULL, crc INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compared (
    place INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL
);
"""
_COMPARISONS = 4
"""That are kept, the latest."""


def shaping(recipe: CurationRecipe) -> CurationRecipe:
    """The recipe as inspection gets it: all that must not shape a result is as by default.

    So a field that is missing from `SHAPING` has no effect at all, rather than a stale one.
    """
    return CurationRecipe(**{name: getattr(recipe, name) for name in (*SHAPING, *LIMITS)})


def key_of(recipe: CurationRecipe) -> str:
    """The name of the results that hold for a recipe, with these libraries and this code."""
    shapes = {name: getattr(recipe, name) for name in SHAPING}
    record = json.dumps([shapes, libraries(), _code()], sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()[:16]


@functools.cache
def _code() -> str:
    """Digest of the source of all modules of this stage that a look at an image runs through."""
    digest = hashlib.sha256()
    for _, source in sorted(sources(_ROOT_MODULE).items()):
        digest.update(source)
    return digest.hexdigest()


def sources(name: str) -> dict[str, bytes]:
    """The source of a module and of those that it imports from its own package, by their names."""
    known: dict[str, bytes] = {}
    _note_sources(name, known)
    return known


def _note_sources(name: str, known: dict[str, bytes]) -> None:
    found = None if name in known else importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return
    source = known[name] = Path(found.origin).read_bytes()
    package = name.partition(".")[0]
    for node in _imports(ast.parse(source)):
        if (node.module or "").startswith(package):
            modules = [f"{package}.{alias.name}" for alias in node.names]
            for module in modules if node.module == package else [node.module or ""]:
                _note_sources(module, known)


def _imports(node: ast.AST) -> Iterator[ast.ImportFrom]:
    """The imports in a piece of source, but for those that only a type checker sees."""
    if isinstance(node, ast.ImportFrom):
        yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children = node.orelse
    for child in children:
        yield from _imports(child)


class Store:
    """Results of one key, in a folder of their own; safe to use from many threads."""

    def __init__(self, folder: Path, *, is_lasting: bool = True) -> None:
        self._folder, self._is_lasting = folder, is_lasting
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: sqlite3.Connection | None = _opened(folder / "results.sqlite")
        self._committed = time.monotonic()

    @classmethod
    def beside(
        cls, root: Path, recipe: CurationRecipe, *, otherwise: Path, fresh: bool = False
    ) -> Self:
        """The store of the dataset at `root`; where none can be had, a passing one elsewhere."""
        place = place_of(root)
        try:
            if fresh and place.exists():
                shutil.rmtree(place)
            place.mkdir(exist_ok=True)
            (place / ".gitignore").write_text("*\n", encoding="utf-8")
            (place / "CACHEDIR.TAG").write_text(_NO_BACKUP, encoding="utf-8")
            return cls(place / key_of(recipe))
        except (OSError, SyntaxError):
            return cls(otherwise, is_lasting=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            if self._rows is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._rows.commit()
                self._rows.close()
            self._rows = None
        if not self._is_lasting:
            shutil.rmtree(self._folder, ignore_errors=True)

    def rendered(self, digest: str) -> Path:
        """Where the rendered picture of an original lies, or should be put."""
        return self._folder / "rendered" / digest[:2] / f"{digest}.jpg"

    def seen(self, digest: str, recipe: CurationRecipe) -> Seen | None:
        """What was found out about an original, if it is known and its picture is sound."""
        with self._lock:
            row = self._row(digest)
        found = _read(digest, row) if row else None
        found = _under(found, recipe) if found else None
        if found is None or (found.file_sha256 and not self._is_sound(found)):
            return None
        return found

    def keep(self, seen: Seen) -> None:
        """Keep a result, unless another look might bring another one."""
        if reasons.word(seen.reason) in _PASSING:
            return
        facts, arrays = _written(seen)
        row = (seen.digest, facts, arrays, _crc(seen.digest, facts, arrays))
        with self._lock, self._forgiven():
            if self._rows is not None:
                self._rows.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", row)
                if time.monotonic() > self._committed + _COMMIT_S:
                    self._rows.commit()
                    self._committed = time.monotonic()

    def comparison(self, key: str) -> bytes | None:
        """What was kept of a comparison (`curation.recalled`), if it is sound."""
        row: tuple[bytes, int] | None = None
        with self._lock, self._forgiven():
            if self._rows is not None:
                select = "SELECT body, crc FROM compared WHERE key = ?"
                row = self._rows.execute(select, (key,)).fetchone()
        return row[0] if row and row[1] == _crc(key, "", row[0]) else None

    def keep_comparison(self, key: str, body: bytes) -> None:
        """Keep what came of a comparison, and forget those of long ago."""
        with self._lock, self._forgiven():
            if self._rows is not None:
                insert = "INSERT OR REPLACE INTO compared (key, body, crc) VALUES (?, ?, ?)"
                self._rows.execute(insert, (key, body, _crc(key, "", body)))
                latest = "SELECT place FROM compared ORDER BY place DESC LIMIT ?"
                self._rows.execute(
                    f"DELETE FROM compared WHERE place NOT IN ({latest})", (_COMPARISONS,)
                )
                self._rows.commit()

    def forget_all_but(self, digests: Container[str]) -> None:
        """Delete what is kept of other originals, and the results of other keys."""
        if not self._is_lasting:
            return
        for other in self._folder.parent.iterdir():
            if other.is_dir() and other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
        with self._lock, self._forgiven():
            if self._rows is not None:
                known = self._rows.execute("SELECT digest FROM seen")
                gone = [(digest,) for (digest,) in known if digest not in digests]
                self._rows.executemany("DELETE FROM seen WHERE digest = ?", gone)
        for path in (self._folder / "rendered").glob("*/*"):
            if path.stem not in digests or path.suffix != ".jpg":
                path.unlink(missing_ok=True)

    def _row(self, digest: str) -> tuple[str, bytes, int] | None:
        row: tuple[str, bytes, int] | None = None
        with self._forgiven():
            if self._rows is not None:
                select = "SELECT facts, arrays, crc FROM seen WHERE digest = ?"
                row = self._rows.execute(select, (digest,)).fetchone()
        return row

    @contextlib.contextmanager
    def _forgiven(self) -> Iterator[None]:
        """Go on without the rows where they fail: damaged, locked, or the disk is full."""
        try:
            yield
        except sqlite3.Error as error:
            if self._rows is not None:
                self._rows.close()
            self._rows = None
            if not isinstance(error, sqlite3.OperationalError):  # The file itself is damaged.
                _delete(self._folder / "results.sqlite")

    def _is_sound(self, seen: Seen) -> bool:
        try:
            body = self.rendered(seen.digest).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(body).hexdigest() == seen.file_sha256


def place_of(root: Path) -> Path:
    """The folder of a dataset's store."""
    root = root.resolve()
    return root.with_name(f".{root.name}.inspected")


def _opened(path: Path) -> sqlite3.Connection:
    """Open the rows, empty if they cannot be read."""
    for _ in range(2):
        rows = sqlite3.connect(path, check_same_thread=False)
        try:
            rows.execute("PRAGMA journal_mode = WAL")
            rows.execute("PRAGMA synchronous = NORMAL")
            rows.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            rows.close()
            _delete(path)
        else:
            return rows
    raise OSError(f"{path} cannot be opened as a store")


def _delete(path: Path) -> None:
    """Delete a database, and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _under(seen: Seen, recipe: CurationRecipe) -> Seen | None:
    """The result under a recipe's limits, which hold for a header; None where it takes a look."""
    why = refusal(seen.header, recipe) if seen.header else ""
    if why:
        return Seen(digest=seen.digest, reason=why, bytes=seen.bytes, header=seen.header)
    return None if reasons.word(seen.reason) in _REFUSALS else seen


def _written(seen: Seen) -> tuple[str, bytes]:
    """A result as JSON, and the arrays of its signature one after the other."""
    arrays: list[NDArray[Any]] = []

    def plain(value: object) -> object:
        if isinstance(value, np.ndarray):
            arrays.append(np.ascontiguousarray(value))
            return {"dtype": value.dtype.str, "shape": value.shape}
        if is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in fields(value)}
        raise TypeError(f"a store cannot hold {type(value).__name__}")

    values = {field.name: getattr(seen, field.name) for field in fields(seen)}
    facts = json.dumps(values, default=plain)
    return facts, b"".join(array.tobytes() for array in arrays)


_TYPES: Mapping[str, type] = {"header": Header, "measures": Measures, "signature": Signature}


def _read(digest: str, row: tuple[str, bytes, int]) -> Seen | None:
    facts, arrays, crc = row
    if _crc(digest, facts, arrays) != crc:
        return None
    place = 0

    def revived(value: dict[str, Any]) -> object:
        nonlocal place
        if set(value) != {"dtype", "shape"}:
            return value
        dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
        array = np.frombuffer(arrays, dtype, int(np.prod(shape)), place).reshape(shape)
        place += array.nbytes
        return array

    values = json.loads(facts, object_hook=revived)
    for name, type_ in _TYPES.items():
        if values[name] is not None:
            values[name] = type_(**{key: _tupled(each) for key, each in values[name].items()})
    return Seen(**values)


def _tupled(value: object) -> object:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _crc(digest: str, facts: str, arrays: bytes) -> int:
    return zlib.crc32(arrays, zlib.crc32(f"{digest} {facts}".encode()))
