"""Versions: which libraries had a part in a dataset, for its lock entry."""

from __future__ import annotations

from collections.abc import Iterable

from curation.dataset import Row
from curation.decode import libraries

_READER_OF_HEIC = "pillow_heif"
_HEIC = "HEIF"


def libraries_of(rows: Iterable[Row]) -> dict[str, str]:
    """Versions of what shaped the pixels and hashes of some rows.

    What reads HEIC is named where one was read: installed for nothing, it makes no other dataset.
    """
    versions = libraries()
    if _READER_OF_HEIC in versions and not any(row.format == _HEIC for row in rows):
        del versions[_READER_OF_HEIC]
    return versions
