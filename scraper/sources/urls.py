"""A list of addresses as a source: CSV, TSV, JSON lines or Parquet with `url` and `species`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scraper.errors import UsageError
from scraper.harvest import Candidate
from scraper.queries import Query
from scraper.sources.offers import Batch
from scraper.species import Species, species_name, species_names
from scraper.wording import readable

Row = Mapping[str, object]

REQUIRED: Final = ("url", "species")
OPTIONAL: Final = ("page_url", "title", "licence", "creator")


class UrlsSource:
    """A list of addresses.

    Raises:
        UsageError: there is no such file, or a column or a value is missing in it.
    """

    name = "urls"
    is_local = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._candidates = _by_species(path)
        if not self._candidates:
            raise UsageError(f"{path} lists nothing: give it one row per image")

    @property
    def species(self) -> tuple[str, ...]:
        """Every species in the list, in order of appearance."""
        return tuple(self._candidates)

    def queries(self, species: Species) -> tuple[Query, ...]:
        """The list."""
        if species.name not in self._candidates:
            raise UsageError(
                f"{self.path} lists no {species.name!r}, only: {', '.join(self._candidates)}"
            )
        return (Query(species=species.name, words=readable(str(self.path.absolute()))),)

    def search(self, query: Query, *, wanted: int) -> Iterator[Batch]:  # noqa: ARG002 - it is all here
        """Yield every address of a species, in the list's order."""
        yield Batch(
            candidates=tuple(self._candidates[query.species]),
            ended_because="every address was taken",
        )


def _by_species(path: Path) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for number, row in enumerate(_rows(path), 1):
        species, candidate = _read_row(row, where=f"row {number} of {path}")
        found.setdefault(species, []).append(candidate)
    try:
        species_names(found)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return found


def _rows(path: Path) -> Iterator[Row]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"cannot read {path}: name it {', '.join(_READERS)} after what it holds")
    try:
        yield from reader(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeError, csv.Error) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def _read_row(row: Row, *, where: str) -> tuple[str, Candidate]:
    url, species = (_text(row, name) for name in REQUIRED)
    for name, value in zip(REQUIRED, (url, species), strict=True):
        if not value:
            raise UsageError(f"{where} has no {name}: fill it in or leave the row out")
    try:
        name = species_name(species)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return name, Candidate(image_url=url, **{name: _text(row, name) for name in OPTIONAL})  # type: ignore[arg-type]


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).encode("utf-8", "replace").decode().strip()


def _check_columns(columns: Iterable[str], path: Path) -> None:
    present = list(columns)
    for name in REQUIRED:
        if name not in present:
            raise UsageError(
                f"{path} has no column {name!r}, only: {', '.join(present) or 'nothing'}"
            )


def _read_separated(path: Path, *, delimiter: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        _check_columns(reader.fieldnames or (), path)
        yield from reader


def _read_csv(path: Path) -> Iterator[Row]:
    return _read_separated(path, delimiter=",")


def _read_tsv(path: Path) -> Iterator[Row]:
    return _read_separated(path, delimiter="\t")


def _read_json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        lines = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"line {number} of {path} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"line {number} of {path} is not an object with url and species")
        _check_columns(row, path)
        yield row


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise UsageError(f"no file at {path}: --from names a list of addresses")
    try:
        columns = pyarrow.parquet.read_schema(path).names
        _check_columns(columns, path)
        wanted = [name for name in (*REQUIRED, *OPTIONAL) if name in columns]
        table = pyarrow.parquet.read_table(path, columns=wanted)
    except pyarrow.ArrowException as error:
        raise UsageError(f"cannot read {path} as Parquet: {error}") from error
    for batch in table.to_batches():
        yield from batch.to_pylist()


_READERS: Final[dict[str, Callable[[Path], Iterator[dict[str, Any] | Row]]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
