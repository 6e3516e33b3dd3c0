"""Versions: which libraries had a part in a dataset, for its lock entry."""

from __future__ import annotations

from collections.abc import Iterable

from curation import deep_jpegs
from curation.dataset import Row
from curation.decode import libraries

_READERS = {"pillow_heif": "HEIF", deep_jpegs.PACKAGE: deep_jpegs.FORMAT}
"""Extras, and the format that each is for."""


def libraries_of(rows: Iterable[Row]) -> dict[str, str]:
    """Versions of what shaped the pixels and hashes of some rows.

    An extra is named where a picture needed it: installed for nothing, it makes no other dataset.
    """
    read = {row.format for row in rows}
    return {
        name: version
        for name, version in libraries().items()
        if name not in _READERS or _READERS[name] in read
    }
