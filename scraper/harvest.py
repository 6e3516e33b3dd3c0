"""The harvest: what the scraper writes and curation reads.

    HARVEST/harvest.sqlite     one row per candidate ever seen, and where each crawl stands
    HARVEST/images/ab/cdef…    immutable originals, named by the SHA-256 of their bytes

A row is written before its image is fetched and settled after the image has its final
name, so a process killed at any moment loses at most the image in flight.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from scraper.animation import is_animated
from scraper.cool_down import CoolDown
from scraper.errors import HarvestError

SCHEMA_VERSION = 3
"""2 added `crawls.depth`, `cool_downs` and `forgotten`, and 3 `candidates.is_animated`; an earlier
harvest is brought up when it is written to."""
LOST = "its original is missing or damaged"
_UNFINISHED = ".unfinished-"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL

State = Literal["pending", "kept", "skipped", "failed"]
"""`pending`: not fetched yet; `kept`: its file is in `images/`; `skipped`: refused on purpose
(opt-out, not an image); `failed`: given up on after the last attempt. Both carry a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One image that a source offers; what the source does not say is empty or None."""

    image_url: str = ""
    """Full-size address; empty where only a thumbnail is known."""
    page_url: str = ""
    title: str = ""
    thumbnail_url: str = ""
    """http(s) address or `data:` URI, the fallback where `image_url` is empty."""
    width: int | None = None
    """Pixels, as the source states them: trust the decoded file instead."""
    height: int | None = None
    licence: str = ""
    creator: str = ""

    @property
    def address(self) -> str:
        """What to fetch: the full-size image, or else the thumbnail."""
        return self.image_url or self.thumbnail_url

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts of what would be fetched, and of the page that it is on."""
        return frozenset(map(host_of, (self.address, self.page_url))) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A candidate in the harvest: who asked for it, and what became of it."""

    id: int
    species: str
    source: str
    query: str
    rank: int
    """0-based place among the results of its query."""
    candidate: Candidate
    state: State = "pending"
    attempts: int = 0
    reason: str = ""
    sha256: str | None = None
    bytes: int | None = None
    content_type: str = ""
    fetched_at: str = ""
    """UTC, ISO 8601."""
    fetched_url: str = ""
    """Where the bytes came from, where that is not the candidate's own address: a larger
    version, a thumbnail in place of what could not be had, or what it redirects to."""
    is_animated: bool | None = None
    """Whether the image that is kept has several frames; None where nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlState:
    """Where the crawl of one query stands, so that the next run goes on there."""

    species: str
    source: str
    query: str
    state: Literal["open", "done", "blocked"] = "open"
    found: int = 0
    depth: int = 0
    """How many candidates were asked for; while `open`, how many are to be."""
    ended_because: str = ""
    resume_after: str = ""
    """UTC, ISO 8601; empty when there is nothing to wait for."""


_CANDIDATE_COLUMNS = tuple(field.name for field in fields(Candidate))

_REPEATED = ("species", "source", "query", "content_type", "licence", "creator")
"""Columns with few values among many records, which therefore share them in memory."""

_NEEDED_COLUMNS = (
    *_CANDIDATE_COLUMNS,
    *("id", "species", "source", "query", "rank", "state", "attempts", "reason"),
    *("sha256", "bytes", "content_type", "fetched_at"),
)
"""Of `candidates`, in every version of the schema."""
_Values = Mapping[str, object] | tuple[object, ...]

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS candidates (
    id INTEGER PRIMARY KEY,
    species TEXT NOT NULL,
    source TEXT NOT NULL,
    query TEXT NOT NULL,
    rank INTEGER NOT NULL,
    address TEXT NOT NULL,
    image_url TEXT NOT NULL,
    page_url TEXT NOT NULL,
    title TEXT NOT NULL,
    thumbnail_url TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    licence TEXT NOT NULL,
    creator TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'kept', 'skipped', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    sha256 TEXT,
    bytes INTEGER,
    content_type TEXT NOT NULL DEFAULT '',
    fetched_at TEXT NOT NULL DEFAULT '',
    fetched_url TEXT NOT NULL DEFAULT '',
    is_animated INTEGER,
    UNIQUE (species, address),
    CHECK ((state = 'kept') = (sha256 IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS candidates_by_state ON candidates (state, species, rank);
CREATE TABLE IF NOT EXISTS crawls (
    species TEXT NOT NULL,
    source TEXT NOT NULL,
    query TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'blocked')),
    found INTEGER NOT NULL,
    depth INTEGER NOT NULL DEFAULT 0,
    ended_because TEXT NOT NULL,
    resume_after TEXT NOT NULL,
    PRIMARY KEY (species, source, query)
);
CREATE TABLE IF NOT EXISTS cool_downs (
    source TEXT PRIMARY KEY,
    strikes INTEGER NOT NULL,
    until TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS forgotten (
    species TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (species, address)
);
PRAGMA user_version = {SCHEMA_VERSION};
"""


class Harvest:
    """An open harvest folder. One connection: use it from the thread that opened it."""

    def __init__(self, root: Path, connection: sqlite3.Connection) -> None:
        self.root = root
        self._connection = connection
        connection.row_factory = sqlite3.Row
        self._mark, self._numbers = secrets.token_hex(4), itertools.count()

    @classmethod
    def create(cls, root: Path) -> Self:
        """Open the harvest at `root` for writing, making it where there is none."""
        try:
            (root / "images").mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as on_failure:
                connection = sqlite3.connect(root / "harvest.sqlite", timeout=60)
                on_failure.callback(connection.close)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                _check_version(connection, root)
                connection.executescript(_SCHEMA)
                _bring_up(connection)
                on_failure.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise _trouble(f"cannot write a harvest at {root}", error) from error
        return cls(root, connection)

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open an existing harvest for reading; its folder need not be writable.

        Raises:
            HarvestError: there is no harvest at `root`, it is damaged, or a newer Bestiary wrote
                it.
        """
        path = root / "harvest.sqlite"
        if not path.is_file():
            raise HarvestError(f"no harvest at {root}: gather one with `bestiary scrape`")
        try:
            with contextlib.ExitStack() as on_failure:
                connection = sqlite3.connect(_read_only(path), uri=True, timeout=60)
                on_failure.callback(connection.close)
                _check_version(connection, root)
                connection.execute(f"SELECT {', '.join(_NEEDED_COLUMNS)} FROM candidates LIMIT 1")
                connection.execute("SELECT species, source, query, state, found FROM crawls")
                on_failure.pop_all()
        except sqlite3.Error as error:
            raise _trouble(f"cannot read the harvest at {root}", error) from error
        return cls(root, connection)

    def close(self) -> None:
        """Let go of the database; the folder stays as it is."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(
        self,
        candidates: Iterable[Candidate],
        *,
        species: str,
        source: str,
        query: str,
        first_rank: int = 0,
    ) -> int:
        """Note candidates as pending, in rank order; return how many were new.

        A candidate already known for the species keeps its row and its state; one that was
        forgotten on request is not noted again.
        """
        columns = ("species", "source", "query", "rank", "address", *_CANDIDATE_COLUMNS)
        marks = ", ".join("?" * len(columns))
        forgotten = self._forgotten(species)
        rows = [
            (species, source, query, rank, candidate.address, *asdict(candidate).values())
            for rank, candidate in enumerate(candidates, first_rank)
            if forgotten.isdisjoint(_traces(candidate))
        ]
        with self._writing() as connection:
            before = connection.total_changes
            connection.executemany(
                f"INSERT OR IGNORE INTO candidates ({', '.join(columns)}) VALUES ({marks})", rows
            )
            return connection.total_changes - before

    def records(
        self,
        state: State | None = None,
        *,
        species: str | None = None,
        source: str | None = None,
        above: int = 0,
    ) -> Iterator[Record]:
        """Yield records by species and rank; read them all before writing to the harvest.

        `above` leaves out all that were noted before, and at, the record with this id.
        """
        wanted = {"state": state, "species": species, "source": source}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(["id > :above", *(f"{name} = :{name}" for name in given)])
        query = f"SELECT * FROM candidates WHERE {where} ORDER BY species, rank, id"
        for row in self._read(query, {**given, "above": above}):
            yield _record(dict(zip(row.keys(), row, strict=True)))

    def count(
        self,
        state: State | None = None,
        *,
        species: str | None = None,
        source: str | None = None,
        query: str | None = None,
    ) -> int:
        """How many candidates are in `state`, of one species, source or query or of all.

        A candidate belongs to the query that found it first.
        """
        ((count,),) = self._read(
            "SELECT count(*) FROM candidates"
            " WHERE (:state IS NULL OR state = :state)"
            " AND (:species IS NULL OR species = :species)"
            " AND (:source IS NULL OR source = :source)"
            " AND (:query IS NULL OR query = :query)",
            {"state": state, "species": species, "source": source, "query": query},
        )
        return int(count)

    def species(self) -> tuple[str, ...]:
        """Every species that anything was noted for, sorted."""
        rows = self._read("SELECT DISTINCT species FROM candidates ORDER BY species")
        return tuple(name for (name,) in rows)

    def reasons(self, *, species: str | None = None) -> dict[str, int]:
        """How often each reason was given for a skipped or failed candidate, most first."""
        return dict(
            self._read(
                "SELECT reason, count(*) FROM candidates WHERE state IN ('skipped', 'failed')"
                " AND (:species IS NULL OR species = :species)"
                " GROUP BY reason ORDER BY count(*) DESC, reason",
                {"species": species},
            )
        )

    def waiting(self) -> dict[str, int]:
        """Why candidates were left for a later run, and how many for each reason, most first."""
        return dict(
            self._read(
                "SELECT reason, count(*) FROM candidates WHERE state = 'pending' AND reason != ''"
                " GROUP BY reason ORDER BY count(*) DESC, reason"
            )
        )

    def retry(self, *, species: str) -> int:
        """Put the failed candidates of a species back among the pending; return how many."""
        with self._writing() as connection:
            return connection.execute(
                "UPDATE candidates SET state = 'pending', reason = ''"
                " WHERE state = 'failed' AND species = ?",
                (species,),
            ).rowcount

    def reconsider(self, beginning: str, *, unless: str = "") -> int:
        """Put candidates skipped for a reason that begins so back among the pending.

        Those stay that were skipped for the very reason `unless`. Returns how many there were.
        """
        with self._writing() as connection:
            return connection.execute(
                "UPDATE candidates SET state = 'pending', reason = ''"
                " WHERE state = 'skipped' AND substr(reason, 1, length(:beginning)) = :beginning"
                " AND reason != :unless",
                {"beginning": beginning, "unless": unless},
            ).rowcount

    def give_up_lost(self, *, species: str, source: str, is_thorough: bool = False) -> int:
        """Put kept candidates back among the pending whose originals are lost; return how many.

        Lost is what is missing or has the wrong size. `is_thorough` reads every original, and
        finds those whose bytes have changed.
        """
        kept = self._read(
            "SELECT id, sha256, bytes FROM candidates"
            " WHERE state = 'kept' AND species = ? AND source = ?",
            (species, source),
        )
        lost = [
            (LOST, number)
            for number, digest, size in kept
            if not _is_original(self.path(digest), digest, size, is_thorough=is_thorough)
        ]
        with self._writing() as connection:
            connection.executemany(
                "UPDATE candidates SET state = 'pending', reason = ?, sha256 = NULL,"
                " bytes = NULL, content_type = '', fetched_at = '', fetched_url = '',"
                " is_animated = NULL WHERE id = ?",
                lost,
            )
        return len(lost)

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Be the only one to gather into this folder, and sweep what a killed gatherer left.

        Raises:
            HarvestError: another process is gathering into it.
        """
        path = self.root / "claim.sqlite"
        try:
            connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise HarvestError(f"cannot write to {self.root}: {error}") from error
        with contextlib.closing(connection) as claim:
            try:
                claim.execute("BEGIN EXCLUSIVE")  # Ends with the process, however that ends.
            except sqlite3.Error as error:
                if _primary_code(error) != sqlite3.SQLITE_BUSY:
                    raise HarvestError(f"cannot use {path}: {error}; delete it") from error
                raise HarvestError(
                    f"another scrape is writing to {self.root}: wait for it to end, or give"
                    f" another --harvest ({error})"
                ) from error
            for leftover in (self.root / "images").glob(f"*/{_UNFINISHED}*"):
                leftover.unlink(missing_ok=True)
            yield

    def keep(
        self,
        record: Record,
        body: bytes,
        *,
        content_type: str,
        fetched_at: str,
        fetched_url: str = "",
        stored_as: str = "",
    ) -> str:
        """Store the bytes of a candidate's image and settle its row; return their SHA-256.

        `stored_as` is what `store` returned for these bytes, where that was called before.
        """
        digest = stored_as or self.store(body)
        self._settle(
            record,
            state="kept",
            attempts=record.attempts + 1,
            reason="",
            sha256=digest,
            bytes=len(body),
            content_type=content_type,
            fetched_at=fetched_at,
            fetched_url="" if fetched_url == record.candidate.address else fetched_url,
            is_animated=is_animated(body),
        )
        return digest

    def store(self, body: bytes) -> str:
        """Give bytes their place in `images/`; return their SHA-256.

        The one method that any thread may call: whoever fetched an image waits for the disk,
        and nobody else. A file that no row came to name is found again by who fetches it anew,
        and one whose bytes have changed is replaced.
        """
        digest = hashlib.sha256(body).hexdigest()
        folder = f"{self.root}/images/{digest[:2]}"
        target = f"{folder}/{digest[2:]}"
        if os.path.exists(target):  # noqa: PTH110 - for each image; a Path costs more than this.
            if _is_original(Path(target), digest, len(body), is_thorough=True):
                return digest
            self._unlink(Path(target))
        unfinished = f"{folder}/{_UNFINISHED}{self._mark}-{next(self._numbers)}"
        try:
            _write(unfinished, body, target=target)
        except OSError as error:
            with contextlib.suppress(OSError):
                Path(unfinished).unlink()  # On a full disk it is only in the way.
            raise HarvestError(f"cannot store an image under {folder}: {error}") from error
        return digest

    def refuse(
        self, record: Record, state: Literal["skipped", "failed"], reason: str, *, fetched_at: str
    ) -> None:
        """Settle a candidate that brought no image, with the reason."""
        self._settle(
            record,
            state=state,
            attempts=record.attempts + 1,
            reason=reason,
            fetched_at=fetched_at,
        )

    def postpone(self, record: Record, reason: str, *, attempts: int) -> None:
        """Leave a candidate pending for a later run, with the reason."""
        self._settle(record, state="pending", attempts=record.attempts + attempts, reason=reason)

    def remove(
        self, records: Iterable[Record], *, never_again: Iterable[tuple[str, str]] = ()
    ) -> tuple[int, int]:
        """Delete records with their files, and note nothing again that is `never_again` wanted.

        That is pairs of a species, empty for all, and the address of an image or page, or
        //host/ for a host and those below it. Killed midway, the same call finishes the work.

        Returns:
            How many files were deleted, and how many stay because other records share them.
        """
        doomed = list(records)
        digests = {record.sha256 for record in doomed if record.sha256}
        shared = digests & self._digests_apart_from(doomed)
        for digest in sorted(digests - shared):
            self._unlink(self.path(digest))
        with self._writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", never_again)
            connection.executemany(
                "DELETE FROM candidates WHERE id = ?", [(record.id,) for record in doomed]
            )
        return len(digests - shared), len(shared)

    def _digests_apart_from(self, records: Iterable[Record]) -> set[str]:
        apart = {record.id for record in records}
        rows = self._read("SELECT id, sha256 FROM candidates WHERE state = 'kept'")
        return {digest for number, digest in rows if number not in apart}

    def _unlink(self, path: Path) -> None:
        try:
            with contextlib.suppress(FileNotFoundError):
                path.chmod(0o600)  # Windows deletes no file that may not be written.
                path.unlink()
        except OSError as error:
            raise HarvestError(f"cannot delete {path}: {error.strerror or error}") from error

    def _forgotten(self, species: str) -> set[str]:
        rows = self._read("SELECT address FROM forgotten WHERE species IN ('', ?)", (species,))
        return {address for (address,) in rows}

    def forgotten(self) -> int:
        """How many addresses are never to be noted again."""
        if not self._has("forgotten"):
            return 0
        ((count,),) = self._read("SELECT count(*) FROM forgotten")
        return int(count)

    def _has(self, table: str) -> bool:
        """Whether there is such a table: an earlier Bestiary's harvest that is read lacks some."""
        return any(self._read("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    def path(self, sha256: str) -> Path:
        """Where the original with this digest lies."""
        return self.root / "images" / sha256[:2] / sha256[2:]

    def crawl_states(self, *, species: str | None = None) -> list[CrawlState]:
        """Where every crawl stands that ever began, in the order in which they began."""
        rows = self._read(
            "SELECT * FROM crawls WHERE (:species IS NULL OR species = :species) ORDER BY rowid",
            {"species": species},
        )
        return [CrawlState(**dict(zip(row.keys(), row, strict=True))) for row in rows]

    def crawl_state(self, species: str, source: str, query: str) -> CrawlState:
        """Where this crawl stands; `open` with nothing found when it never began."""
        for state in self.crawl_states(species=species):
            if (state.source, state.query) == (source, query):
                return state
        return CrawlState(species=species, source=source, query=query)

    def set_crawl_state(self, *crawls: CrawlState) -> None:
        """Remember where crawls stand, all of them or none."""
        names = [column.name for column in fields(CrawlState)]
        marks = ", ".join(f":{name}" for name in names)
        renewed = ", ".join(f"{name} = :{name}" for name in names[3:])
        with self._writing() as connection:
            connection.executemany(
                f"INSERT INTO crawls ({', '.join(names)}) VALUES ({marks})"
                f" ON CONFLICT DO UPDATE SET {renewed}",
                map(asdict, crawls),
            )

    def cool_down(self, source: str) -> CoolDown:
        """Whether a source wants to be left alone."""
        known = {one.source: one for one in self.cool_downs()}
        return known.get(source, CoolDown(source=source))

    def cool_downs(self) -> list[CoolDown]:
        """Every source that ever turned us away, and until when."""
        if not self._has("cool_downs"):
            return []
        rows = self._read("SELECT source, strikes, until FROM cool_downs")
        return [CoolDown(source=row[0], strikes=row[1], until=row[2]) for row in rows]

    def set_cool_down(self, cool_down: CoolDown) -> None:
        """Remember how long a source wants to be left alone."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO cool_downs (source, strikes, until)"
                " VALUES (:source, :strikes, :until)",
                asdict(cool_down),
            )

    def _read(self, query: str, values: _Values = ()) -> Iterator[Any]:
        """Yield rows, each a `sqlite3.Row`."""
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise _trouble(f"cannot read the harvest at {self.root}", error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise _trouble(f"cannot write to the harvest at {self.root}", error) from error

    def _settle(self, record: Record, **values: object) -> None:
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        with self._writing() as connection:
            connection.execute(
                f"UPDATE candidates SET {assignments} WHERE id = :id", {**values, "id": record.id}
            )


def _read_only(path: Path) -> str:
    """The address under which SQLite changes nothing, nor needs to where it may not."""
    log = path.with_name(f"{path.name}-wal")
    is_at_rest = not os.access(path.parent, os.W_OK) and not log.exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"


_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "another program is using it, try again when that has ended",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_READONLY: "make the folder writable",
    sqlite3.SQLITE_CANTOPEN: "make the folder writable",
    **dict.fromkeys(
        (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR),
        "it is damaged: keep images/, move harvest.sqlite away (with -wal and -shm, where they"
        " are), and run the same `bestiary scrape` again",
    ),
}


def _trouble(what: str, error: Exception) -> HarvestError:
    """An error of the disk or the database, with what the user can do about it."""
    advice = _ADVICE.get(_primary_code(error))
    return HarvestError(f"{what}: {error}{f'; {advice}' if advice else ''}")


def _primary_code(error: Exception) -> int:
    """What kind of trouble SQLite has, if it is that; details are in the higher bits."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _is_original(path: Path, sha256: str, size: int, *, is_thorough: bool) -> bool:
    """Whether a file is still what was stored there: by its size, or by its bytes."""
    try:
        if path.stat().st_size != size:
            return False
        return not is_thorough or hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _write(unfinished: str, body: bytes, *, target: str) -> None:
    """Write a file under one name, and rename it when all of it is on the disk."""
    try:
        number = os.open(unfinished, _NEW_FILE, 0o600)
    except FileNotFoundError:
        Path(unfinished).parent.mkdir(exist_ok=True)
        number = os.open(unfinished, _NEW_FILE, 0o600)
    with open(number, "wb", buffering=0) as file:  # noqa: PTH123 - it is open already.
        os.fchmod(number, 0o444)
        rest = memoryview(body)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(number)
    os.replace(unfinished, target)  # noqa: PTH105 - as above.


def _check_version(connection: sqlite3.Connection, root: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in range(SCHEMA_VERSION + 1):
        raise HarvestError(
            f"the harvest at {root} has schema {version}, and this Bestiary reads"
            f" {SCHEMA_VERSION}: use the Bestiary that wrote it"
        )


def _bring_up(connection: sqlite3.Connection) -> None:
    """Give the tables of an earlier Bestiary what they lack; new ones lack nothing."""
    columns = [column for _, column, *_ in connection.execute("PRAGMA table_info(crawls)")]
    if "depth" not in columns:
        connection.execute("ALTER TABLE crawls ADD COLUMN depth INTEGER NOT NULL DEFAULT 0")
    columns = [column for _, column, *_ in connection.execute("PRAGMA table_info(candidates)")]
    if "fetched_url" not in columns:
        connection.execute("ALTER TABLE candidates ADD COLUMN fetched_url TEXT NOT NULL DEFAULT ''")
    if "is_animated" not in columns:
        connection.execute("ALTER TABLE candidates ADD COLUMN is_animated INTEGER")


def _traces(candidate: Candidate) -> Iterator[str]:
    """What `forgotten` may have of a candidate: its addresses, and its hosts as //host/."""
    yield from (candidate.image_url, candidate.thumbnail_url, candidate.page_url)
    for host in candidate.hosts:
        parts = host.split(".")
        yield from (f"//{'.'.join(parts[first:])}/" for first in range(len(parts)))


def host_of(address: str) -> str:
    """Whose an address is; empty for files and other addresses without a host."""
    try:
        return urlsplit(address[:2048]).hostname or ""
    except ValueError:
        return ""


def _record(row: dict[str, object]) -> Record:
    row |= {name: sys.intern(str(row[name])) for name in _REPEATED}
    candidate = Candidate(**{name: row.pop(name) for name in _CANDIDATE_COLUMNS})  # type: ignore[arg-type]
    row.pop("address")
    if row.get("is_animated") is not None:
        row["is_animated"] = bool(row["is_animated"])
    return Record(candidate=candidate, **row)  # type: ignore[arg-type]
