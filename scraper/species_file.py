"""`species.toml`: the species of a project, written by hand or by `bestiary species add`.

    [shrew]                                  # the class, and the name of its folder
    scientific_name = "Sorex araneus"
    names.en = ["common shrew"]              # by language code, best first
    names.de = ["Waldspitzmaus"]
    synonyms = ["Sorex vulgaris"]
    words = ["wild"]                         # words that narrow a search down
    exclude = ["toy", "drawing"]             # words that no result should have
    filters = { type = "photo", licence = "creative-commons", size = "large" }
    wanted = 200

Every line but the first may be missing. A plain text file has one name a line.
"""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from scraper.errors import UsageError
from scraper.species import FILTERS, Filters, Species, in_species_file, species_names

SPECIES_FILE: Final = "species.toml"
_KEYS: Final = (
    "scientific_name",
    "names",
    "synonyms",
    "words",
    "exclude",
    "filters",
    "wanted",
)


def read_species(path: Path) -> tuple[Species, ...]:
    """Read every species of a file, in its order.

    Raises:
        UsageError: the file cannot be read, or an entry makes no sense; the message names the
            file, the species and the key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot read the species file {path}: {error}") from error
    if path.suffix.lower() != ".toml":
        return tuple(Species(name=name) for name in species_names(in_species_file(text)))
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    return _checked(tables, path)


def chosen(names: Iterable[str], known: Iterable[Species]) -> tuple[Species, ...]:
    """The species of these names, as known, or else called what they are named."""
    by_name = {species.name.casefold(): species for species in known}
    found = (by_name.get(name.casefold()) or Species(name=name) for name in species_names(names))
    return tuple(found)


def add_species(path: Path, species: Species) -> None:
    """Write a species below what the file has; not a letter of that is changed.

    Raises:
        UsageError: the file has the species already, does not make sense, or cannot be written.
    """
    before = ""
    if path.exists():
        taken = [one.name for one in read_species(path)]
        if species.name.casefold() in map(str.casefold, taken):
            raise UsageError(
                f"{path} has [{_key(species.name)}] already: edit it there, or add another name"
            )
        before = path.read_text(encoding="utf-8-sig")
        before = before.rstrip("\n") + "\n\n" if before.strip() else ""
    _write(path, before + table_of(species))


def table_of(species: Species) -> str:
    """A species as a table of species.toml."""
    lines = [f"[{_key(species.name)}]"]
    if species.scientific_name:
        lines.append(f"scientific_name = {_text(species.scientific_name)}")
    lines += [f"names.{_key(code)} = {_list(names)}" for code, names in species.names.items()]
    for key in ("synonyms", "words", "exclude"):
        if values := getattr(species, key):
            lines.append(f"{key} = {_list(values)}")
    set_filters = [(key, getattr(species.filters, key)) for key in FILTERS]
    if any(value for _, value in set_filters):
        inside = ", ".join(f"{key} = {_text(value)}" for key, value in set_filters if value)
        lines.append(f"filters = {{ {inside} }}")
    if species.wanted is not None:
        lines.append(f"wanted = {species.wanted}")
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".species-", delete=False
        ) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _checked(tables: Mapping[str, Any], path: Path) -> tuple[Species, ...]:
    try:
        species_names(tables)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    if not tables:
        raise UsageError(f"{path} has no species: write a [name] for each")
    return tuple(
        _species(name, table, where=f"{path}: [{_key(name)}]") for name, table in tables.items()
    )


def _species(name: str, table: object, *, where: str) -> Species:
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table: write [{_key(name)}] on a line of its own")
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{where} has {key!r}, which is no key: use {', '.join(_KEYS)}")
    try:
        return Species(
            name=name,
            scientific_name=_string(table, "scientific_name"),
            names=_names(table.get("names", {})),
            synonyms=_strings(table, "synonyms"),
            words=_strings(table, "words"),
            exclude=_strings(table, "exclude"),
            filters=_filters(table.get("filters", {})),
            wanted=_number(table, "wanted"),
        )
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _names(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError('names must be by language, like names.en = ["common shrew"]')
    return {code: _strings(value, code, shown=f"names.{code}") for code in value}


def _filters(value: object) -> Filters:
    if not isinstance(value, dict):
        raise ValueError('filters must be like { type = "photo" }')
    for key in value:
        if key not in FILTERS:
            raise ValueError(f"filters has {key!r}, which is no filter: use {', '.join(FILTERS)}")
    try:
        return Filters(**{key: _string(value, key) for key in value})
    except ValueError as error:
        raise ValueError(f"filters.{error}") from error


def _string(table: Mapping[str, object], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} must be text in quotes, not {value!r}")
    return value.strip()


def _strings(table: Mapping[str, object], key: str, *, shown: str = "") -> tuple[str, ...]:
    value = table.get(key, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ValueError(f'{shown or key} must be a list like ["one", "two"], not {value!r}')
    return tuple(one.strip() for one in values)


def _number(table: Mapping[str, object], key: str) -> int | None:
    value = table.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"{key} must be a whole number, not {value!r}")


def _key(name: str) -> str:
    """A key as TOML writes it: bare where it can be."""
    is_bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if is_bare else _text(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # Also how TOML writes a string.


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"
