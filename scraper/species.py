"""Names of species: they become folder names, so not every text can be one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from scraper.errors import UsageError

MAX_NAME_BYTES = 200
_NOT_IN_A_FOLDER_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]')


def species_name(text: str) -> str:
    """The name as it is stored: composed characters, single spaces, nothing around it.

    Raises:
        UsageError: no folder can have this name on every system.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise UsageError("a species' name is empty: name every species")
    if found := _NOT_IN_A_FOLDER_NAME.search(name):
        raise UsageError(f"the species {name!r} cannot be a folder's name: leave out {found[0]!r}")
    if name.startswith(".") or name.endswith("."):
        raise UsageError(
            f"the species {name!r} cannot be a folder's name: it must not start or end with a dot"
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise UsageError(f"the species' name {name[:30]!r}… is too long for a folder's name")
    return name


def species_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Every name once, in the order given.

    Raises:
        UsageError: a name cannot be a folder's, or two differ in case alone.
    """
    by_folded: dict[str, str] = {}
    for name in map(species_name, texts):
        if by_folded.setdefault(name.casefold(), name) != name:
            raise UsageError(
                f"{by_folded[name.casefold()]!r} and {name!r} would be one folder on some"
                " systems: write them alike"
            )
    return tuple(by_folded.values())


def in_species_file(text: str) -> list[str]:
    """The names in a species file: one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
