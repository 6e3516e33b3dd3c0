"""What a crawl brought home: as a document for scripts, and as text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from scraper.crawl import CrawlPlan, Stopped
from scraper.errors import BlockedError, ScraperError
from scraper.harvest import CrawlState, Harvest, State
from scraper.wording import counted

Document = dict[str, Any]

_REASONS_SHOWN: Final = 8
_ADVICE: Final = {
    "google": "try other names",
    "folder": "put images into the class folders",
    "urls": "look at the addresses in the list",
}
"""What to do where a source offered nothing; where it did, the reasons say it."""


def document_of(
    plan: CrawlPlan,
    harvest: Harvest,
    stopped: Stopped | None,
    *,
    source: str,
    warnings: Sequence[str],
    command: str,
) -> Document:
    """All of it, for scripts; `command` is what to type to go on."""
    states: tuple[State, ...] = ("kept", "skipped", "failed", "pending")
    blocked = None
    if stopped is not None and isinstance(stopped.error, BlockedError):
        blocked = {
            "species": stopped.species,
            "reason": str(stopped.error),
            "resume_after": stopped.resume_after,
            "resume_with": command,
        }
    return {
        "harvest": str(harvest.root),
        "species": {
            one.name: {state: harvest.count(state, species=one.name) for state in states}
            | {"wanted": plan.limit(one)}
            for one in plan.species
        },
        "reasons": harvest.reasons(),
        "waiting": harvest.waiting(),
        "sources": [
            _yield_of(crawl, harvest)
            for one in plan.species
            for crawl in harvest.crawl_states(species=one.name)
            if crawl.source == source
        ],
        "warnings": list(warnings),
        "blocked": blocked,
    }


def _yield_of(crawl: CrawlState, harvest: Harvest) -> Document:
    """What a query brought: what it found, what of that was new, and what was kept of it."""
    species, source, query = crawl.species, crawl.source, crawl.query
    return {
        "species": species,
        "source": source,
        "query": query,
        "found": crawl.found,
        "new": harvest.count(species=species, source=source, query=query),
        "kept": harvest.count("kept", species=species, source=source, query=query),
        "ended_because": crawl.ended_because,
    }


def stop_error(stopped: Stopped, document: Document, *, command: str) -> ScraperError:
    """Why the crawl ended early, what there is all the same, and how to go on."""
    kept = sum(species["kept"] for species in document["species"].values())
    message = str(stopped.error)
    if kept or stopped.resume_after:
        message += f". Everything gathered is kept ({counted(kept, 'image')})"
    if stopped.resume_after:
        message += f". Resume after {stopped.resume_after} with: {command}"
    return type(stopped.error)(message, document=document)


def nothing_found(document: Document, *, source: str) -> str:
    """Why no image was gathered, and what to do."""
    ends = {
        f"{crawl['species']}: {counted(crawl['found'], 'candidate')}, {crawl['ended_because']}"
        for crawl in document["sources"]
    }
    told = (*document["reasons"].items(), *document["waiting"].items())
    reasons = "".join(f"; {count} × {reason}" for reason, count in told)
    advice = "" if reasons else f": {_ADVICE[source]}"
    if document["waiting"]:
        advice = ": what waits is asked again when you type the same command later"
    return f"no image was gathered ({'; '.join(sorted(ends))}{reasons}){advice}"


def text_of(document: Document) -> str:
    """The table of species, and what was not kept."""
    columns = ("kept", "wanted", "skipped", "failed", "pending")
    width = max(len("species"), *map(len, document["species"]))
    lines = [f"{'species':{width}}" + "".join(f"{column:>9}" for column in columns)]
    for name, species in document["species"].items():
        cells = ("all" if species[column] is None else species[column] for column in columns)
        lines.append(f"{name:{width}}" + "".join(f"{cell:>9}" for cell in cells))
    lines += _yield_lines(document)
    lines += _reason_lines(document)
    lines.append(f"Harvest: {document['harvest']}   Next: bestiary curate")
    return "\n".join(lines)


def _reason_lines(document: Document) -> Iterator[str]:
    reasons = list(document["reasons"].items())
    for reason, count in reasons[:_REASONS_SHOWN]:
        yield f"not kept: {count} × {reason}"
    if len(reasons) > _REASONS_SHOWN:
        yield f"not kept: {sum(count for _, count in reasons[_REASONS_SHOWN:])} × other reasons"
    for reason, count in list(document["waiting"].items())[:_REASONS_SHOWN]:
        yield f"left for a later run: {count} × {reason}"
    for name, species in document["species"].items():
        if species["wanted"] and species["kept"] < species["wanted"]:
            ends = dict.fromkeys(one["ended_because"] for one in _searches(document, name))
            yield f"{name} is short of images: {'; '.join(filter(None, ends)) or 'no search'}"
    if any(one["failed"] and one["kept"] < (one["wanted"] or 0) for one in _all(document)):
        yield "Failed images are asked for again with --retry-failed"


def _searches(document: Document, species: str) -> list[Document]:
    return [one for one in document["sources"] if one["species"] == species]


def _yield_lines(document: Document) -> Iterator[str]:
    """The yield of every query, for species that took more than one."""
    for species in document["species"]:
        searches = _searches(document, species)
        for one in searches if len(searches) > 1 else ():
            yield (
                f"{species}: {one['query']!r} found {one['found']}, {one['new']} new,"
                f" {one['kept']} kept ({one['ended_because'] or 'not finished'})"
            )


def _all(document: Document) -> list[dict[str, Any]]:
    return list(document["species"].values())
