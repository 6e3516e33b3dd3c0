"""The originals: whether a harvest still holds the bytes that a dataset was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from curation.dataset import Dataset, Difference
from scraper.harvest import Harvest


def original_differences(dataset: Dataset, harvest: Harvest) -> Iterator[Difference]:
    """Hash every original again that the manifest lists."""
    for digest in sorted({row.digest for row in dataset.rows}):
        path = harvest.path(digest)
        shown = path.relative_to(harvest.root).as_posix()
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            detail = f"the original cannot be read ({error.strerror}): gather it again"
            yield Difference(path=shown, kind="corrupt", detail=detail)
            continue
        if found != digest:
            detail = "the original's bytes have changed, it is corrupt: gather it again"
            yield Difference(path=shown, kind="corrupt", detail=detail)
