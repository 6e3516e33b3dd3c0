"""Looking: one original, from its file to all that curation keeps of it.

This is what a worker process does with each image: read, prove, inspect, and write the
rendered picture. What comes back is small.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from curation import reasons
from curation.decode import Header
from curation.inspect import Dropped, Inspected, inspect
from curation.quality import Measures
from curation.recipe import CurationRecipe
from curation.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look at an original found out; the rendered picture is a file."""

    digest: str
    reason: str = ""
    """Why it cannot be used; empty when it can."""
    bytes: int | None = None
    coded_bytes: int | None = None
    """What it takes, or would take, as a JPEG; see `curation.coding`."""
    header: Header | None = None
    phash: str | None = None
    measures: Measures | None = None
    signature: Signature | None = None
    file_sha256: str | None = None
    """Of the rendered picture; None when there is none."""


def look(digest: str, original: Path, rendered: Path, recipe: CurationRecipe) -> Seen:
    """Inspect the original of this digest, and write what is rendered of it.

    Raises:
        OSError: the rendered picture cannot be written.
    """
    return _look(digest, original, rendered, recipe, leaves_heavy=False)


def look_beside_others(digest: str, original: Path, rendered: Path, recipe: CurationRecipe) -> Seen:
    """The same, while others do so too: what takes much memory is left, as `reasons.HEAVY`."""
    return _look(digest, original, rendered, recipe, leaves_heavy=True)


def _look(
    digest: str, original: Path, rendered: Path, recipe: CurationRecipe, *, leaves_heavy: bool
) -> Seen:
    try:
        body = original.read_bytes()
    except OSError:
        return Seen(digest=digest, reason=reasons.MISSING)
    if hashlib.sha256(body).hexdigest() != digest:
        return Seen(digest=digest, reason=reasons.DAMAGED, bytes=len(body))
    result = inspect(body, recipe, leaves_heavy=leaves_heavy)
    if isinstance(result, Dropped):
        return Seen(digest=digest, reason=result.reason, bytes=len(body), header=result.header)
    _write(rendered, result.jpeg)
    return seen_of(digest, body, result)


def seen_of(digest: str, body: bytes, result: Inspected) -> Seen:
    """What was found out about an original that can be used, but for its rendered picture."""
    return Seen(
        digest=digest,
        bytes=len(body),
        coded_bytes=result.coded_bytes,
        header=result.header,
        phash=result.phash,
        measures=result.measures,
        signature=result.signature,
        file_sha256=hashlib.sha256(result.jpeg).hexdigest(),
    )


def _write(path: Path, body: bytes) -> None:
    unfinished = path.with_suffix(".unfinished")
    try:
        unfinished.write_bytes(body)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(body)
    unfinished.replace(path)
