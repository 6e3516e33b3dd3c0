"""Findings: what inspection found out about every original.

A finding is an object of some thirty others, 1.2 KB: of many, all lie in a spool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from curation.decode import Header
from curation.digests import Digests
from curation.flags import Thresholds
from curation.looking import Seen
from curation.quality import Measures
from curation.spool import Spool
from curation.stars import Standing

_SOFT = 0.28
"""Less sharpness than this has what was enlarged from 100 px or less, and one photo in 25."""
_GREY = Thresholds().grey
"""Of less colour a picture is grey, whatever a recipe flags."""
_UNFRAMED = 0.94
"""What the inside of a frame counts for, whose edge is found to within a line or two: so that a
framed copy is not taken for larger than what was framed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What inspection found out about the bytes of one digest; nothing large."""

    digest: str
    reason: str = ""
    """Why it cannot be used; empty when it can."""
    width: int | None = None
    height: int | None = None
    format: str = ""
    bytes: int | None = None
    coded_bytes: int | None = None
    """What it takes, or would take, as a JPEG; see `curation.coding`."""
    frames: int | None = None
    has_palette: bool = False
    phash: str | None = None
    measures: Measures | None = None
    file_sha256: str | None = None
    inner_share: float = 1.0
    """Share of the picture's area within its uniform border."""
    flags: str = ""
    """Sorted words, comma-joined."""

    @property
    def standing(self) -> Standing:
        """Its place among look-alikes."""
        share = self.inner_share if self.inner_share == 1 else self.inner_share * _UNFRAMED
        pixels = round((self.width or 0) * (self.height or 0) * share)
        measures = self.measures
        return Standing(
            digest=self.digest,
            pixels=pixels,
            coded_bytes=self.coded_bytes or 0,
            has_palette=self.has_palette,
            is_soft=measures is not None and measures.sharpness < _SOFT,
            is_grey=measures is not None and measures.colour < _GREY,
        )


def found(seen: Seen) -> Finding:
    """What a look at an original found out, without what is large of it."""
    header = seen.header or Header(format="", width=0, height=0, orientation=1, frames=0)
    left, top, right, bottom = seen.signature.inner if seen.signature else (0, 0, 1, 1)
    return Finding(
        digest=seen.digest,
        reason=seen.reason,
        width=header.width or None,
        height=header.height or None,
        format=header.format,
        bytes=seen.bytes,
        coded_bytes=seen.coded_bytes,
        frames=header.frames or None,
        has_palette=header.has_palette,
        phash=seen.phash,
        measures=seen.measures,
        file_sha256=seen.file_sha256,
        inner_share=(right - left) * (bottom - top),
    )


class Findings(Mapping[str, Finding]):
    """Findings by digest, out of memory."""

    def __init__(self, digests: Digests) -> None:
        self.digests = digests
        self._findings = Spool(Finding)

    def add(self, finding: Finding) -> None:
        """Take one in. They come in the order of their digests."""
        due = self.digests[len(self._findings)]
        if finding.digest != due:
            raise ValueError(f"{finding.digest} comes before {due}")
        self._findings.extend([finding])

    def __getitem__(self, digest: str) -> Finding:
        place = self.digests.place(digest)
        if place >= len(self):
            raise KeyError(digest)
        return self._findings[place]

    def at(self, places: Iterable[int]) -> Iterator[Finding]:
        """The findings of the digests at these places."""
        return self._findings.at(places)

    def __iter__(self) -> Iterator[str]:
        return (self.digests[place] for place in range(len(self)))

    def __len__(self) -> int:
        return len(self._findings)
