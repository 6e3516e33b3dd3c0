"""The pictures a stand-in site offers: a folder of class folders, looked up by name.

Only names are held in memory; sizes and thumbnails are read when a page needs them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from scraper.errors import UsageError

THUMBNAIL_SIDE_PX = 256
_PLACEHOLDER_SIZE = (640, 480)
_ORIENTATION_TAG = 0x0112
_QUARTER_TURNS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class Photo:
    """One file of a class folder; `docid` names it in every page of the site."""

    docid: str
    species: str
    name: str


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG of a photo, and its size in pixels."""

    jpeg: bytes
    width: int
    height: int


class Gallery:
    """The class folders below `root`, as they were when the gallery was opened.

    Every file whose name does not start with a dot counts: what is not an image is served
    all the same, as the web does.
    """

    def __init__(self, root: Path, *, cached_thumbnails: int = 1024) -> None:
        self.root = root
        self._by_species = {
            species: sorted(_photos(root, species), key=_shuffled) for species in _folders(root)
        }
        self._by_docid = {
            photo.docid: photo for photos in self._by_species.values() for photo in photos
        }
        self.size = lru_cache(maxsize=8 * cached_thumbnails)(self._read_size)
        self.thumbnail = lru_cache(maxsize=cached_thumbnails)(self._make_thumbnail)

    @property
    def species(self) -> tuple[str, ...]:
        """The names of the class folders, sorted."""
        return tuple(self._by_species)

    def __len__(self) -> int:
        return len(self._by_docid)

    def photos(self, species: str | None = None) -> Sequence[Photo]:
        """The photos of one class folder, or of all, in the order of the results."""
        if species is not None:
            return self._by_species.get(species, [])
        return list(self._by_docid.values())

    def photo(self, docid: str) -> Photo | None:
        """The photo of this name, if there is one."""
        return self._by_docid.get(docid)

    def search(self, query: str) -> Sequence[Photo]:
        """The photos of each class folder whose name's words all occur in `query`."""
        asked = set(_words(query))
        found = [
            photos
            for species, photos in self._by_species.items()
            if (words := _words(species)) and asked.issuperset(words)
        ]
        if len(found) == 1:
            return found[0]
        return sorted((photo for photos in found for photo in photos), key=_shuffled)

    def path(self, photo: Photo) -> Path:
        """Where the photo's file lies."""
        return self.root / photo.species / photo.name

    def size_bytes(self, photo: Photo) -> int:
        """The length of the photo's file; 0 where it is gone."""
        try:
            return self.path(photo).stat().st_size
        except OSError:
            return 0

    def _read_size(self, photo: Photo) -> tuple[int, int]:
        """Width and height in pixels, upright; those of a placeholder for a broken file."""
        try:
            with Image.open(self.path(photo)) as image:
                width, height = image.size
                turned = image.getexif().get(_ORIENTATION_TAG) in _QUARTER_TURNS
        except Exception:  # noqa: BLE001 - hostile files make Pillow raise nearly anything,
            # and whatever it is, the site goes on with a placeholder.
            return _PLACEHOLDER_SIZE
        return (height, width) if turned else (width, height)

    def _make_thumbnail(self, photo: Photo) -> Thumbnail:
        """The photo made small and upright; a grey placeholder for a broken file."""
        try:
            with Image.open(self.path(photo)) as image:
                small = _small(image)
        except Exception:  # noqa: BLE001 - as in _read_size.
            small = Image.new("RGB", _PLACEHOLDER_SIZE, (218, 220, 224))
            small.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=80)
        return Thumbnail(buffer.getvalue(), *small.size)


def _small(image: Image.Image) -> Image.Image:
    image.draft("RGB", (2 * THUMBNAIL_SIDE_PX, 2 * THUMBNAIL_SIDE_PX))
    image.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX))
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    paper = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(paper, upright).convert("RGB")


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise UsageError(
            f"cannot serve {root}: {error.strerror}; name a folder that holds class folders"
        ) from error
    if not names:
        raise UsageError(
            f"nothing to serve in {root}: it needs one folder of pictures per species,"
            " such as `bestiary draw` makes"
        )
    for name in names:
        if not name.isprintable():
            raise UsageError(f"cannot serve the folder {name!r} of {root}: give it a plain name")
    return names


def _photos(root: Path, species: str) -> list[Photo]:
    with os.scandir(root / species) as entries:
        return [
            Photo(_docid(species, entry.name), species, entry.name)
            for entry in entries
            if entry.is_file() and not entry.name.startswith(".")
        ]


def _docid(species: str, name: str) -> str:
    digest = hashlib.sha256(os.fsencode(f"{species}/{name}")).digest()
    return base64.urlsafe_b64encode(digest).decode()[:14]


def _shuffled(photo: Photo) -> str:
    """A search engine's order has nothing to do with file names; docids are hashes."""
    return photo.docid


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())
