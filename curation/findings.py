"""Findings: what inspection found out about every original, packed while there are many.

A finding is an object of some thirty others, 1.2 KB; packed it takes a fifth of that, and to
unpack one takes a few microseconds.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from curation.decode import Header
from curation.looking import Seen
from curation.quality import Measures
from curation.stars import Standing

_SOFT = 0.28
"""Less sharpness than this has what was enlarged from 100 px or less, and one photo in 25."""

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
    frames: int | None = None
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
        is_soft = self.measures is not None and self.measures.sharpness < _SOFT
        return Standing(digest=self.digest, pixels=pixels, bytes=self.bytes or 0, is_soft=is_soft)


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
        frames=header.frames or None,
        phash=seen.phash,
        measures=seen.measures,
        file_sha256=seen.file_sha256,
        inner_share=(right - left) * (bottom - top),
    )


_NAMES = tuple(field.name for field in fields(Finding))
_MEASURES = tuple(field.name for field in fields(Measures))


class Findings(Mapping[str, Finding]):
    """Findings by digest, in little room."""

    def __init__(self, findings: Mapping[str, Finding] | None = None) -> None:
        self._packed: dict[str, bytes] = {}
        for digest, finding in (findings or {}).items():
            self.add(digest, finding)

    def add(self, digest: str, finding: Finding) -> None:
        """Take one in; `digest` is its own."""
        measures = finding.measures
        packed = {name: getattr(finding, name) for name in _NAMES}
        packed["measures"] = measures and [getattr(measures, name) for name in _MEASURES]
        self._packed[digest] = pickle.dumps(list(packed.values())[1:])

    def __getitem__(self, digest: str) -> Finding:
        packed = pickle.loads(self._packed[digest])  # noqa: S301 - from this very process.
        values = dict(zip(_NAMES, (digest, *packed), strict=True))
        if values["measures"] is not None:
            values["measures"] = Measures(**dict(zip(_MEASURES, values["measures"], strict=True)))
        return Finding(**values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
