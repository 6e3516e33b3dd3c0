"""`bestiary species`: the species of a project, looked up and listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from scraper.errors import UsageError
from scraper.homonyms import warnings_about
from scraper.queries import queries_of
from scraper.species import Filters, Species, species_name
from scraper.species_file import SPECIES_FILE, add_species, read_species, table_of
from scraper.taxonomy import GBIF, INATURALIST, LANGUAGES, NoAnswerError, Taxon, look_up

Document = dict[str, Any]

_TIMEOUT_S = 20.0
_file = click.option(
    "--species-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(SPECIES_FILE),
    show_default=True,
    help="The file of species.",
)


class _Group(click.Group):
    """A group whose flags may stand behind its commands' names, too."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command and give it the group's flags."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            known = {parameter.name for parameter in command.params}
            command.params += [flag for flag in self.params if flag.name not in known]
        return command


@click.group(cls=_Group)
def species() -> None:
    """Look up what species are called, and keep it in species.toml."""


@species.command()
@click.argument("name")
@click.option(
    "--lang",
    default=",".join(LANGUAGES),
    show_default=True,
    help="Languages of common names, with commas between them.",
)
@click.option("--as", "entry", default="", help="What to call the class.  [default: NAME]")
@click.option("--wanted", type=click.IntRange(min=1), help="Images wanted of it.")
@_file
@click.option(
    "--base-url",
    default="",
    help="One server that answers like GBIF and iNaturalist, in place of both.",
)
def add(
    *,
    name: str,
    lang: str,
    entry: str,
    wanted: int | None,
    species_file: Path,
    base_url: str,
) -> tuple[Document, str]:
    """Look up NAME at GBIF and iNaturalist, and write what it is called into species.toml.

    NAME is a scientific name, or a common one that iNaturalist knows. What species.toml has
    already stays as it is.
    """
    called = species_name(entry or name)
    _check_is_new(called, species_file)
    taxon = look_up(
        species_name(name),
        languages=_languages(lang),
        fetch=_fetch,
        gbif=base_url or GBIF,
        inaturalist=base_url or INATURALIST,
    )
    found = Species(
        name=called,
        scientific_name=taxon.scientific_name,
        names=taxon.names,
        synonyms=taxon.synonyms,
        filters=Filters(type="photo"),
        wanted=wanted,
    )
    add_species(species_file, found)
    return _added(found, taxon, species_file)


@species.command("list")
@_file
def list_species(*, species_file: Path) -> tuple[Document, str]:
    """List the species of species.toml, and what will be searched for."""
    if not species_file.exists():
        raise UsageError(
            f"no species file at {species_file}: write one with"
            ' `bestiary species add "Sorex araneus"`, or by hand'
        )
    known = read_species(species_file)
    document = {"file": str(species_file), "species": [_described(one) for one in known]}
    return document, "\n".join(line for one in known for line in _lines(one))


def _check_is_new(name: str, path: Path) -> None:
    """Say so before anybody is asked anything."""
    known = read_species(path) if path.exists() else ()
    if name.casefold() in (one.name.casefold() for one in known):
        raise UsageError(f"{path} has {name!r} already: edit it there, or give another name --as")


def _languages(text: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(code.strip().lower() for code in text.split(",")))
    for code in codes:
        if len(code) != 2 or not code.isalpha():
            raise UsageError(f"--lang wants codes of two letters, like en,de,es, not {code!r}")
    return codes


def _fetch(url: str) -> Any:
    import requests

    from scraper.fetch import user_agent

    try:
        answer = requests.get(url, headers={"User-Agent": user_agent("")}, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise NoAnswerError(_cause(error)) from error
    if answer.status_code != 200:
        raise NoAnswerError(f"answered HTTP {answer.status_code}")
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError("gave an answer that is not JSON") from error


def _cause(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return f"gave no answer within {_TIMEOUT_S:g} s"
    return "cannot be reached"


def _added(found: Species, taxon: Taxon, path: Path) -> tuple[Document, str]:
    warnings = [*taxon.notes, *warnings_about([found])]
    document = _described(found) | {"file": str(path), "notes": warnings}
    notes = "".join(f"Note: {warning}\n" for warning in warnings)
    return document, f"Wrote into {path}:\n\n{table_of(found)}\n{notes}Next: bestiary scrape"


def _described(one: Species) -> Document:
    return {
        "name": one.name,
        "scientific_name": one.scientific_name,
        "names": {code: list(names) for code, names in one.names.items()},
        "synonyms": list(one.synonyms),
        "wanted": one.wanted,
        "queries": [query.words for query in queries_of(one)],
        "tbs": one.filters.tbs,
        "warnings": list(warnings_about([one])),
    }


def _lines(one: Species) -> list[str]:
    wanted = "" if one.wanted is None else f"   wanted: {one.wanted}"
    filters = f"   filters: {one.filters.tbs}" if one.filters.tbs else ""
    queries = [f"    {query.words}" for query in queries_of(one)]
    warnings = [f"  Warning: {warning}" for warning in warnings_about([one])]
    return [f"{one.name}{wanted}{filters}", *queries, *warnings]
