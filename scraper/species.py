"""Species: a name that becomes a folder's, and what is known of what it is called.

A species' own name is its class in the dataset. What search sites are asked for is drawn
up from the rest (see `scraper.queries`): its scientific name, its common names, words that
narrow a search down.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from scraper.errors import UsageError

MAX_NAME_BYTES = 200
_NOT_IN_A_FOLDER_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]')


_SMALLEST: Final = (
    *("qsvga", "vga", "svga", "xga"),
    *(f"{number}mp" for number in (2, 4, 6, 8, 10, 12, 15, 20, 40, 70)),
)
SIZES: Final[Mapping[str, str]] = {
    "large": "isz:l",
    "medium": "isz:m",
    "icon": "isz:i",
    **{f"over-{size}": f"isz:lt,islt:{size}" for size in _SMALLEST},
}
TYPES: Final[Mapping[str, str]] = {
    kind: f"itp:{kind}" for kind in ("photo", "face", "clipart", "lineart", "animated")
}
LICENCES: Final[Mapping[str, str]] = {"creative-commons": "il:cl", "other": "il:ol"}
AGES: Final[Mapping[str, str]] = {
    "day": "qdr:d",
    "week": "qdr:w",
    "month": "qdr:m",
    "year": "qdr:y",
}
ASPECTS: Final[Mapping[str, str]] = {
    "tall": "iar:t",
    "square": "iar:s",
    "wide": "iar:w",
    "panoramic": "iar:xw",
}
FILTERS: Final[Mapping[str, Mapping[str, str]]] = {
    "size": SIZES,
    "type": TYPES,
    "licence": LICENCES,
    "age": AGES,
    "aspect": ASPECTS,
}
"""What each filter can be, as users write it and as Google Images reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which results a search asks for; an empty value asks for all.

    A site's licence filter is a hint and no grant: look at the page that an image came from.
    """

    size: str = ""
    type: str = ""
    licence: str = ""
    age: str = ""
    aspect: str = ""

    def __post_init__(self) -> None:
        for name, known in FILTERS.items():
            value = getattr(self, name)
            if value and value not in known:
                raise ValueError(f"{name} can be {', '.join(known)}, not {value!r}")

    @property
    def tbs(self) -> str:
        """The filters as Google Images reads them in the parameter `tbs`."""
        values = ((known, getattr(self, name)) for name, known in FILTERS.items())
        return ",".join(known[value] for known, value in values if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """One class of the dataset, and what is known of what it is called."""

    name: str
    """The class, and the name of its folder."""
    scientific_name: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Common names by language code, best first."""
    synonyms: tuple[str, ...] = ()
    """Former scientific names; pages keep them for decades."""
    words: tuple[str, ...] = ()
    """Words that narrow a search down, like wild."""
    exclude: tuple[str, ...] = ()
    """Words that no result should have, like toy."""
    filters: Filters = field(default_factory=Filters)
    wanted: int | None = None
    """Images wanted; None leaves it to the crawl."""

    def __post_init__(self) -> None:
        if self.name != species_name(self.name):
            raise ValueError(f"name must be written {species_name(self.name)!r}")
        if self.wanted is not None and self.wanted < 1:
            raise ValueError(f"wanted must be at least 1, not {self.wanted}")
        for name in ("synonyms", "words", "exclude"):
            _check_words(name, getattr(self, name))
        for language, names in self.names.items():
            _check_words(f"names.{language}", names)

    @property
    def common_names(self) -> tuple[str, ...]:
        """The best name of every language, then the second-best, and so on."""
        longest = max(map(len, self.names.values()), default=0)
        return tuple(
            names[place]
            for place in range(longest)
            for names in self.names.values()
            if place < len(names)
        )


def _check_words(name: str, words: Iterable[str]) -> None:
    for word in words:
        if not word.strip() or '"' in word or not word.isprintable():
            raise ValueError(f"{name} has {word!r}, which cannot be searched for")


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


def species_names(texts: Iterable[str], *, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Every name once, in the order given.

    Raises:
        UsageError: a name cannot be a folder's, or differs in case alone from another, or from
            all of those that are `known` and read like it.
    """
    known_as: dict[str, set[str]] = {}
    for name in known:
        known_as.setdefault(_folded(name), set()).add(name)
    names = tuple(dict.fromkeys(map(species_name, texts)))
    for name in names:
        alike = known_as.setdefault(_folded(name), {name})
        if name not in alike:
            raise UsageError(
                f"{min(alike)!r} and {name!r} would be one folder on some systems: write them alike"
            )
    return names


def _folded(name: str) -> str:
    """What systems that do not tell cases apart take a name for."""
    return unicodedata.normalize("NFC", name.casefold())


def in_species_file(text: str) -> list[str]:
    """The names in a species file: one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
