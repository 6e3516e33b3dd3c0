"""Saved result pages, read again offline: what the parser makes of each.

For a user who wants to report a page, and for whoever mends the parser then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scraper.errors import LayoutError, UsageError
from scraper.sources.google_page import PageKind, classify, layout, parse

_NOTED_ADDRESS = re.compile(r"\s*<!-- (\S+) -->\n")
"""What evidence begins with; see `scraper.evidence`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What was read from one saved page."""

    file: str
    url: str
    """Where the page was, as far as the file tells."""
    kind: str
    """A `PageKind` by name, in lower case."""
    layout: str
    """Where the addresses were found: records, links, likely, thumbnails, none."""
    cards: int
    full_size: int
    pages: int
    thumbnails: int
    titles: int


def replay(paths: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """Read saved pages; return them as a document and as a table.

    Raises:
        UsageError: no file was named, or one cannot be read.
        LayoutError: a page is of an unknown layout, or should have results and has none.
    """
    if not paths:
        raise UsageError("--replay needs saved pages: name them, as in `--replay page.html`")
    found = [_replayed(path) for path in paths]
    document: dict[str, Any] = {"pages": [asdict(one) for one in found]}
    text = "\n".join(_table(found))
    unread = [one.file for one in found if _is_unread(one)]
    if unread:
        raise LayoutError(
            f"{text}\nnothing could be read from {', '.join(unread)}: please report it with the"
            " file",
            document=document,
        )
    return document, text


def _replayed(path: Path) -> Replayed:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    noted = _NOTED_ADDRESS.match(text)
    url = noted[1].replace("%2D%2D", "--") if noted else ""
    page = text[noted.end() :] if noted else text
    candidates = parse(page)
    return Replayed(
        file=str(path),
        url=url,
        kind=classify(page, url).name.lower(),
        layout=layout(page),
        cards=len(candidates),
        full_size=sum(bool(one.image_url) for one in candidates),
        pages=sum(bool(one.page_url) for one in candidates),
        thumbnails=sum(bool(one.thumbnail_url) for one in candidates),
        titles=sum(bool(one.title) for one in candidates),
    )


def _is_unread(page: Replayed) -> bool:
    should_have = {PageKind.RESULTS.name.lower(), PageKind.CONSENT_OVERLAY.name.lower()}
    return page.kind == PageKind.UNKNOWN.name.lower() or (
        page.kind in should_have and not page.cards
    )


def _table(pages: Sequence[Replayed]) -> list[str]:
    width = max(len("page"), *(len(one.file) for one in pages))
    kinds = max(len("kind"), *(len(one.kind) for one in pages))
    counts = ("cards", "full_size", "pages", "thumbnails", "titles")
    head = "".join(f"  {name.replace('_', ' '):>{len(name)}}" for name in counts)
    lines = [f"{'page':{width}}  {'kind':{kinds}}  {'read from':10}{head}"]
    for one in pages:
        cells = "".join(f"  {getattr(one, name):>{len(name)}}" for name in counts)
        lines.append(f"{one.file:{width}}  {one.kind:{kinds}}  {one.layout:10}{cells}")
    return lines
