"""`bestiary harvest` and `bestiary forget`: what was gathered, looked at and taken down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from scraper.clock import SystemClock
from scraper.cool_down import in_words
from scraper.errors import UsageError
from scraper.harvest import CrawlState, Harvest, Record, host_of
from scraper.inventory import STATES, Inventory
from scraper.species import species_name
from scraper.wording import counted

Document = dict[str, Any]

_HOSTS_SHOWN: Final = 8
_REASONS_SHOWN: Final = 5


@click.command()
@click.argument(
    "harvest", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default="harvest"
)
def harvest(*, harvest: Path) -> tuple[Document, str]:
    """Show what a harvest has: kept, skipped, failed, still to come; hosts and licences."""
    with Harvest.open(harvest) as opened:
        found = Inventory.of(opened.records())
        document = _document(harvest, found, opened.crawl_states()) | {
            "cool_downs": dict(_cool_downs(opened)),
            "waiting": list(_waiting(opened)),
            "forgotten": opened.forgotten(),
        }
    return document, "\n".join(_lines(document))


def _cool_downs(opened: Harvest) -> Iterator[tuple[str, Document]]:
    """The sources that are to be left alone: until when, and for how many seconds from now."""
    now = SystemClock().now()
    for one in opened.cool_downs():
        if left := one.left(now):
            yield (
                one.source.strip("/"),
                {"resume_after": one.until, "left_s": round(left.total_seconds())},
            )


def _waiting(opened: Harvest) -> Iterator[Document]:
    """The candidates that were tried and left for later: how often, why, and the next try.

    That is when their host may be asked again; empty means now.
    """
    now = SystemClock().now()
    until = {one.source: one.until for one in opened.cool_downs() if one.left(now)}
    for record in opened.records("pending"):
        if record.reason:
            address = record.candidate.address
            yield {
                "url": address,
                "species": record.species,
                "attempts": record.attempts,
                "reason": record.reason,
                "next_try": until.get(f"//{host_of(address)}/", ""),
            }


def _document(root: Path, found: Inventory, crawls: list[CrawlState]) -> Document:
    species: dict[str, Document] = {}
    for (name, source), tally in found.by_species.items():
        species.setdefault(name, {})[source] = tally.document()
    return {
        "harvest": str(root),
        "files": len(found.bytes_by_digest),
        "bytes": sum(found.bytes_by_digest.values()),
        "animated": len(found.animated),
        "species": species,
        "hosts": {host: tally.document() for host, tally in found.hosts},
        "licences": dict(found.licences.most_common()),
        "searches": [_search(crawl) for crawl in crawls],
    }


def _search(crawl: CrawlState) -> Document:
    return {
        "species": crawl.species,
        "source": crawl.source,
        "query": crawl.query,
        "state": crawl.state,
        "found": crawl.found,
        "ended_because": crawl.ended_because,
    }


def _lines(document: Document) -> Iterator[str]:
    """The harvest for a person to read."""
    rows = [
        (name, source, *(str(tally[state]) for state in STATES))
        for name, sources in document["species"].items()
        for source, tally in sources.items()
    ]
    if not rows:
        yield f"{document['harvest']} is empty: gather with `bestiary scrape`"
        return
    yield from _table([("species", "source", *STATES), *rows])
    for name, sources in document["species"].items():
        for tally in sources.values():
            yield from _why(name, tally["reasons"])
    yield from _hosts(document["hosts"])
    licences = (f"{count} × {name or 'not stated'}" for name, count in document["licences"].items())
    yield f"licences: {', '.join(licences) or 'nothing is kept'}"
    for source, one in document["cool_downs"].items():
        left = in_words(timedelta(seconds=one["left_s"]))
        yield f"{source} turned us away: resume in {left}, after {one['resume_after']}"
    if unfinished := sum(one["state"] != "done" for one in document["searches"]):
        yield f"searches that are not finished: {unfinished}; the same `bestiary scrape` goes on"
    if document["forgotten"]:
        forgotten = counted(document["forgotten"], "address", plural="addresses")
        yield f"forgotten on request: {forgotten}"
    if document["animated"]:
        yield f"animated: {counted(document['animated'], 'image')}, used with the first frame alone"
    megabytes = document["bytes"] / 1e6
    files = counted(document["files"], "different image")
    yield f"{files}, {megabytes:,.1f} MB in {document['harvest']}"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows with their first two columns to the left, and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.ljust(width) if place < 2 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells)


def _why(name: str, reasons: dict[str, int]) -> Iterator[str]:
    for reason, count in list(reasons.items())[:_REASONS_SHOWN]:
        yield f"{name}: {count} × {reason}"
    if len(reasons) > _REASONS_SHOWN:
        yield f"{name}: {sum(list(reasons.values())[_REASONS_SHOWN:])} × other reasons"


def _hosts(hosts: dict[str, Document]) -> Iterator[str]:
    shown = [f"{host} {tally['kept']}" for host, tally in list(hosts.items())[:_HOSTS_SHOWN]]
    if shown:
        more = f" and {len(hosts) - _HOSTS_SHOWN} more" if len(hosts) > _HOSTS_SHOWN else ""
        yield f"kept by host: {', '.join(shown)}{more}"


# --- forgetting ------------------------------------------------------------------------


@click.command()
@click.option("--url", "urls", multiple=True, help="An image's address, or its page's.")
@click.option("--host", "hosts", multiple=True, help="A host, with all hosts below it.")
@click.option("--species", "names", multiple=True, help="All images of a species.")
@click.option(
    "--harvest",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("harvest"),
    show_default=True,
    help="The folder to delete from.",
)
@click.option("--yes", is_flag=True, help="Do not ask first.")
def forget(
    *,
    urls: tuple[str, ...],
    hosts: tuple[str, ...],
    names: tuple[str, ...],
    root: Path,
    yes: bool,
) -> tuple[Document, str]:
    """Delete images from a harvest, and never gather them again.

    For requests to take something down. What is there twice, under another address that was
    not named, stays under that address. Each option may be repeated.
    """
    if not all((*urls, *hosts, *names)) or not (urls or hosts or names):
        raise UsageError("nothing to forget: name it with --url, --host or --species")
    hosts, names = tuple(map(_host, hosts)), tuple(map(species_name, names))
    with Harvest.open(root) as known:
        _check_species(names, known)
    with Harvest.create(root) as opened, opened.claim():
        records = list(opened.records())
        of_species = [one for one in records if one.species in names]
        named = [one for one in records if _is_named(one, urls=urls, hosts=hosts)]
        doomed = {one.id: one for one in (*of_species, *named)}
        _confirm(len(doomed), root, is_sure=yes)
        marks = {("", address) for address in (*urls, *(f"//{host}/" for host in hosts))}
        marks |= {("", address) for one in named for address in _addresses(one)}
        marks |= {(one.species, address) for one in of_species for address in _addresses(one)}
        files, shared = opened.remove(doomed.values(), never_again=sorted(marks))
    document = {
        "harvest": str(root),
        "forgotten": len(doomed),
        "files_deleted": files,
        "files_shared": shared,
    }
    return document, _told(document)


def _told(document: Document) -> str:
    if not document["forgotten"]:
        return f"Nothing of it is in {document['harvest']}, and nothing of it will be gathered"
    lines = [
        f"Forgot {counted(document['forgotten'], 'candidate')} and deleted"
        f" {counted(document['files_deleted'], 'file')}; none of them will be gathered again"
    ]
    if document["files_shared"]:
        lines.append(
            f"Not deleted: {counted(document['files_shared'], 'file')}, as other candidates have"
            " the very same image"
        )
    lines.append("A dataset made before still has them: make it anew with `bestiary curate`")
    return "\n".join(lines)


def _host(text: str) -> str:
    host = host_of(text if "//" in text else f"//{text}/")
    if not host:
        raise UsageError(f"--host wants a host like example.org, not {text!r}")
    return host


def _check_species(names: tuple[str, ...], known: Harvest) -> None:
    there = known.species()
    for name in names:
        if name not in there:
            raise UsageError(
                f"there is no species {name!r} in {known.root}, only: {', '.join(there)}"
            )


def _is_named(record: Record, *, urls: tuple[str, ...], hosts: tuple[str, ...]) -> bool:
    one = record.candidate
    if {one.image_url, one.thumbnail_url, one.page_url, record.fetched_url} & set(urls):
        return True
    its_hosts = one.hosts | {host_of(record.fetched_url)}
    return any(f".{host}".endswith(f".{below}") for host in its_hosts for below in hosts)


def _addresses(record: Record) -> Iterator[str]:
    """Where the image was, so that it is not gathered again; a `data:` address is no place."""
    one = record.candidate
    for address in (one.image_url, one.thumbnail_url, record.fetched_url):
        if address and not address.startswith("data:"):
            yield address


def _confirm(count: int, root: Path, *, is_sure: bool) -> None:
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"this deletes {counted(count, 'candidate')} from {root} for good: add --yes"
        )
    click.confirm(
        f"Delete {counted(count, 'candidate')} from {root} for good?", abort=True, err=True
    )
