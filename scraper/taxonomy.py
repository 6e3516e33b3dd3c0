"""What a species is called, asked of two public registers of names: GBIF and iNaturalist.

Each is asked a handful of questions, once. What only one of them answers is enough; where
they disagree on a scientific name, GBIF's accepted one holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from scraper.errors import ScraperError

GBIF: Final = "https://api.gbif.org"
INATURALIST: Final = "https://api.inaturalist.org"
LANGUAGES: Final = ("en", "de", "es")
"""Languages of common names that are asked for unless others are named."""
NAMES_A_LANGUAGE: Final = 3
MAX_SYNONYMS: Final = 4
_MAX_NAME_CHARACTERS: Final = 60
_TWO_LETTERS: Final[Mapping[str, str]] = {
    "ara": "ar",
    "bul": "bg",
    "cat": "ca",
    "ces": "cs",
    "dan": "da",
    "deu": "de",
    "ell": "el",
    "eng": "en",
    "est": "et",
    "eus": "eu",
    "fas": "fa",
    "fin": "fi",
    "fra": "fr",
    "glg": "gl",
    "heb": "he",
    "hin": "hi",
    "hrv": "hr",
    "hun": "hu",
    "ind": "id",
    "isl": "is",
    "ita": "it",
    "jpn": "ja",
    "kor": "ko",
    "lav": "lv",
    "lit": "lt",
    "nld": "nl",
    "nob": "nb",
    "nor": "no",
    "pol": "pl",
    "por": "pt",
    "ron": "ro",
    "rus": "ru",
    "slk": "sk",
    "slv": "sl",
    "spa": "es",
    "srp": "sr",
    "swe": "sv",
    "tha": "th",
    "tur": "tr",
    "ukr": "uk",
    "vie": "vi",
    "zho": "zh",
}
"""GBIF writes languages with three letters; species.toml and iNaturalist with two."""

Fetch = Callable[[str], Any]
"""Give what the JSON at an address says; `NoAnswerError` where there is none."""


class NoAnswerError(Exception):
    """A register did not answer, or not in JSON; the message says what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxon:
    """A species as the registers know it."""

    scientific_name: str
    """The accepted one."""
    rank: str
    synonyms: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    """Common names by language, best first."""
    notes: tuple[str, ...]
    """What was learnt and from whom, a sentence each."""


def look_up(
    name: str,
    *,
    languages: Sequence[str],
    fetch: Fetch,
    gbif: str = GBIF,
    inaturalist: str = INATURALIST,
) -> Taxon:
    """Ask both registers what a species is called.

    Raises:
        ScraperError: neither answers, neither knows the name, or it seems misspelt.
    """
    notes: list[str] = []
    found = _try(notes, "iNaturalist", lambda: _Inaturalist(inaturalist, fetch).taxon(name))
    backbone = _Gbif(gbif, fetch)
    scientific = name if found is None else str(found["name"])
    match = _try(notes, "GBIF", lambda: backbone.match(name) or backbone.match(scientific))
    if found is None and match is None:
        raise ScraperError(f"{_unknown(name, backbone.suggestion, notes)}; or {_by_hand(name)}")
    accepted = scientific if match is None else str(match["canonicalName"])
    synonyms: tuple[str, ...] = ()
    offered: list[tuple[str, str]] = [] if found is None else list(_inaturalist_names(found))
    if match is not None:
        former = [name] if match["isSynonym"] else []
        synonyms = _distinct([*former, *backbone.synonyms(match["key"])], but=accepted)
        offered += backbone.names(match["key"])
    names = _by_language(offered, languages, but={accepted, *synonyms})
    if accepted.casefold() != name.casefold():
        notes.append(f"the accepted name of {name} is {accepted}")
    for language in languages:
        if language not in names:
            notes.append(f"no common name in {language!r} is known")
    rank = str((match or found or {}).get("rank", "")).lower()
    if rank not in {"species", ""}:
        notes.append(f"{accepted} is a {rank}, not a species")
    return Taxon(
        scientific_name=accepted,
        rank=rank,
        synonyms=synonyms[:MAX_SYNONYMS],
        names=names,
        notes=tuple(notes),
    )


def _try(notes: list[str], register: str, ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except NoAnswerError as error:
        notes.append(f"{register} {error}")
        return None


def _unknown(name: str, suggestion: str, notes: Iterable[str]) -> str:
    if suggestion:
        return f"GBIF knows no {name!r}, but {suggestion!r}: type that if it is meant"
    if silent := " and ".join(notes):
        return f"cannot look up {name!r}: {silent}; try again online"
    return f"neither GBIF nor iNaturalist knows {name!r}: check its spelling"


def _by_hand(name: str) -> str:
    return (
        f'write it into species.toml by hand: a line ["{name}"], and below it its names, like'
        ' scientific_name = "Sorex araneus" and names.en = ["common shrew"]'
    )


class _Inaturalist:
    """The taxa of iNaturalist, by any of their names."""

    def __init__(self, base_url: str, fetch: Fetch) -> None:
        self._base_url, self._fetch = base_url.rstrip("/"), fetch

    def taxon(self, name: str) -> Mapping[str, Any] | None:
        """The most observed taxon that has exactly this name, in whatever language."""
        parameters = urlencode({"q": name, "all_names": "true", "per_page": 10})
        for found in _results(self._fetch(f"{self._base_url}/v1/taxa?{parameters}")):
            names = [str(found.get("name")), *(text for _, text in _inaturalist_names(found))]
            names.append(str(found.get("preferred_common_name")))
            if found.get("name") and name.casefold() in map(str.casefold, names):
                return found
        return None


def _inaturalist_names(taxon: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every valid common name with its language, best first."""
    names = [one for one in taxon.get("names") or () if isinstance(one, dict)]
    for one in sorted(names, key=lambda one: one.get("position") or 0):
        language = str(one.get("locale") or "").partition("-")[0].lower()
        if one.get("is_valid", True) and language not in {"", "sci", "und"}:
            yield language, str(one.get("name") or "")


class _Gbif:
    """The backbone of names of GBIF."""

    def __init__(self, base_url: str, fetch: Fetch) -> None:
        self._base_url, self._fetch = base_url.rstrip("/"), fetch
        self.suggestion = ""
        """A name that is spelt a little differently from the one that was not found."""

    def match(self, name: str) -> dict[str, Any] | None:
        """The accepted taxon behind a scientific name; None where no taxon has this very name."""
        found = self._get(f"match?{urlencode({'name': name})}")
        kind, key = found.get("matchType"), found.get("usageKey")
        if kind == "FUZZY":
            self.suggestion = str(found.get("canonicalName") or "")
        if kind != "EXACT" or not isinstance(key, int):
            return None
        accepted = found.get("acceptedUsageKey")
        is_synonym = isinstance(accepted, int) and accepted != key
        if is_synonym:
            found = self._get(str(accepted))
        return {
            "key": accepted if is_synonym else key,
            "canonicalName": found.get("canonicalName") or name,
            "rank": found.get("rank") or "",
            "isSynonym": is_synonym,
        }

    def synonyms(self, key: int) -> list[str]:
        """Former scientific names of a taxon."""
        results = self._list(f"{key}/synonyms?limit=100")
        return [
            str(one.get("canonicalName") or "") for one in results if one.get("rank") == "SPECIES"
        ]

    def names(self, key: int) -> list[tuple[str, str]]:
        """Common names with their language, those that most checklists have first."""
        found = [
            (_TWO_LETTERS.get(str(one.get("language")), str(one.get("language") or "")), one)
            for one in self._list(f"{key}/vernacularNames?limit=1000")
        ]
        named = [(language, str(one.get("vernacularName") or "")) for language, one in found]
        often = Counter((language, text.casefold()) for language, text in named)
        return sorted(named, key=lambda one: -often[one[0], one[1].casefold()])

    def _list(self, path: str) -> list[Mapping[str, Any]]:
        try:
            return _results(self._fetch(f"{self._base_url}/v1/species/{path}"))
        except NoAnswerError:
            return []  # The taxon is known; fewer names of it are no reason to give up.

    def _get(self, path: str) -> Mapping[str, Any]:
        found = self._fetch(f"{self._base_url}/v1/species/{path}")
        if not isinstance(found, dict):
            raise NoAnswerError("gave an answer that is not understood")
        return found


def _results(answer: object) -> list[Mapping[str, Any]]:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise NoAnswerError("gave an answer that is not understood")
    return [one for one in results if isinstance(one, dict)]


def _by_language(
    offered: Iterable[tuple[str, str]], languages: Iterable[str], *, but: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """The best few names of each language, in the order of the languages."""
    by_language: dict[str, list[str]] = {}
    for language, text in offered:
        by_language.setdefault(language, []).append(text)
    found = {
        language: _distinct(by_language.get(language, ()), but=but)[:NAMES_A_LANGUAGE]
        for language in languages
    }
    return {language: names for language, names in found.items() if names}


def _distinct(names: Iterable[str], *, but: str | Iterable[str]) -> tuple[str, ...]:
    """Every usable name once, whatever its case, in order."""
    taken = {one.casefold() for one in ([but] if isinstance(but, str) else but)}
    found: list[str] = []
    for text in names:
        name = " ".join(text.split())
        if _is_usable(name) and name.casefold() not in taken:
            taken.add(name.casefold())
            found.append(name)
    return tuple(found)


def _is_usable(name: str) -> bool:
    is_short = 0 < len(name) <= _MAX_NAME_CHARACTERS
    return is_short and name.isprintable() and not set(name) & set('",;:()/[]')
