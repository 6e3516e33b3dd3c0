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
from curation.inspect import Dropped, inspect
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
    try:
        body = original.read_bytes()
    except OSError:
        return Seen(digest=digest, reason=reasons.MISSING)
    if hashlib.sha256(body).hexdigest() != digest:
        return Seen(digest=digest, reason=reasons.DAMAGED, bytes=len(body))
    result = inspect(body, recipe)
    if isinstance(result, Dropped):
        return Seen(digest=digest, reason=result.reason, bytes=len(body), header=result.header)
    _write(rendered, result.jpeg)
    return Seen(
        digest=digest,
        bytes=len(body),
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
