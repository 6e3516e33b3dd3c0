"""Thumbnails: small pictures within a page, as many as a page may weigh."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from curation.building import THUMBNAILS
from curation.dataset import Dataset, Row, file_name
from curation.recipe import SPLITS

THUMBNAIL_PX = 96
_MARKUP_BYTES = 420
"""About what a picture takes on the page besides its own bytes and its row's words."""
_MAX_ADDRESS = 600
_MAX_TITLE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A thumbnail on a page."""

    row: Row
    uri: str
    """A `data:` address; empty where no picture is at hand."""

    @property
    def page(self) -> str:
        """Where the picture was found, if that is an address that a page may link to."""
        address = self.row.page_url
        is_web = address.lower().startswith(("https://", "http://"))
        return address if is_web and len(address) <= _MAX_ADDRESS else ""

    @property
    def title(self) -> str:
        """What its page calls it, who made it and under which licence, as far as is known."""
        known = (self.row.title[:_MAX_TITLE], self.row.creator[:60], self.row.licence[:60])
        return " · ".join(part for part in known if part) or self.row.digest[:12]

    @property
    def weight(self) -> int:
        """About what it adds to a page, in bytes."""
        words = len(self.page) + len(self.title) + 2 * len(self.row.species)
        return _MARKUP_BYTES + len(self.uri) + words


class Thumbnails:
    """Makes thumbnails of a dataset's pictures, until `room` bytes are used up."""

    def __init__(self, dataset: Dataset, *, room: int) -> None:
        self._dataset, self.room = dataset, room
        self._made: dict[str, str] = {}

    @property
    def is_full(self) -> bool:
        """Whether the page weighs enough."""
        return self.room <= 0

    def picture(self, row: Row) -> Picture:
        """The thumbnail of a row's picture, or of its look-alike's where the bytes are the same."""
        if row.digest not in self._made:
            self._made[row.digest] = self._first(row)
        return self._weighed(Picture(row=row, uri=self._made[row.digest]))

    def of_file(self, file: str) -> str:
        """The thumbnail of a file in the dataset, whether the manifest knows it or not."""
        if file not in self._made:
            self._made[file] = thumbnail(self._dataset.root / file)
        self.room -= _MARKUP_BYTES + len(self._made[file])
        return self._made[file]

    def _weighed(self, picture: Picture) -> Picture:
        self.room -= picture.weight
        return picture

    def _first(self, row: Row) -> str:
        return next((uri for path in self._paths(row) if (uri := thumbnail(path))), "")

    def _paths(self, row: Row) -> Iterator[Path]:
        root = self._dataset.root
        if row.file is not None:
            yield root / row.file
            return
        yield root / THUMBNAILS / f"{row.digest}.jpg"
        for split in SPLITS:  # The same bytes, kept by another row.
            yield root / file_name(row, split)


def thumbnail(path: Path) -> str:
    """A small picture as a `data:` address; empty where there is none, which `verify` tells."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
            image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            file = BytesIO()
            image.convert("RGB").save(file, "WEBP", quality=60, method=2)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
