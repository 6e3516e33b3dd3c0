"""What a search site is asked for, drawn up from what is known of a species."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scraper.homonyms import HOMONYMS
from scraper.species import Species


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One search for a species."""

    species: str
    words: str
    """What a user would type; for a list or a folder on this machine, where that is."""
    tbs: str = ""
    """Filters, as Google Images reads them."""

    @property
    def key(self) -> str:
        """What the harvest remembers the search under: the same words filtered are another."""
        return f"{self.words} [{self.tbs}]" if self.tbs else self.words


def queries_of(species: Species) -> tuple[Query, ...]:
    """Draw up every search worth making for a species, the most telling first.

    The scientific name means one thing in every language, so it leads; the common names
    follow, a language at a time; then the former scientific names; then all of them again
    with each further word. A common name of one word (mouse, jaguar) is not asked for alone
    where there are words to narrow it down.
    """
    excluded = "".join(f" -{_quoted(word)}" for word in species.exclude)
    found: dict[str, str] = {}
    for wording in _wordings(species):
        words = " ".join(wording.split())
        found.setdefault(words.casefold(), words + excluded)
    tbs = species.filters.tbs
    return tuple(Query(species=species.name, words=words, tbs=tbs) for words in found.values())


def _wordings(species: Species) -> Iterator[str]:
    names = (*species.common_names, *species.synonyms)
    if species.scientific_name:
        names = (species.scientific_name, *names)
    for name in names or (species.name,):
        yield from _alone(name, species)
    for word in species.words:
        for name in names or (species.name,):
            yield f"{name} {word}"


def _alone(name: str, species: Species) -> Iterator[str]:
    """A name as it is, unless it means too much and there is something better to ask."""
    if " " in name:
        yield name
    elif species.words:
        yield f"{name} {species.words[0]}"
    elif not species.scientific_name or name.casefold() not in HOMONYMS:
        yield name


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
