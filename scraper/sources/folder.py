"""Local files as a source: one folder per species, every file as it is.

Broken and empty images are gathered too: curation judges them, and says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from scraper.errors import FetchError, UnwantedError, UsageError
from scraper.fetch import Body
from scraper.harvest import Candidate
from scraper.policy import too_large
from scraper.queries import Query
from scraper.sniff import image_type, other_kind
from scraper.sources.offers import Batch
from scraper.species import Species, species_name, species_names
from scraper.wording import counted, readable

_PHOTO_SUFFIXES: Final = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp")
_OTHER_SUFFIXES: Final = (".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".ico")
_PORTABLE_SUFFIXES: Final = (".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd")
IMAGE_SUFFIXES: Final = frozenset(_PHOTO_SUFFIXES + _OTHER_SUFFIXES + _PORTABLE_SUFFIXES)


def _straight(folder: Path) -> Path:
    """A folder's path without `..`, so that it has one address however it was named."""
    straight = Path(os.path.abspath(folder))  # noqa: PTH100
    is_same = folder.exists() and straight.exists() and straight.samefile(folder)
    return straight if is_same else folder.absolute()  # Behind a link, `..` is elsewhere.


class FolderSource:
    """The class folders of one folder.

    Raises:
        UsageError: there is no such folder, or there are no class folders in it.
    """

    name = "folder"
    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = _straight(root)
        self._folders = _class_folders(self.root)

    @property
    def species(self) -> tuple[str, ...]:
        """Every species there is a folder for."""
        return tuple(self._folders)

    @property
    def warnings(self) -> tuple[str, ...]:
        """That pictures lie beside the class folders, where nobody says what they show."""
        beside = sorted(path.name for path in self.root.iterdir() if _is_picture(path))
        if not beside:
            return ()
        first = readable(str(self.root / beside[0]))
        if len(beside) == 1:
            return (f"1 picture lies in no class folder, and is left out: {first}",)
        return (
            f"{counted(len(beside), 'picture')} lie in no class folder, and are left out: the"
            f" first is {first}",
        )

    def queries(self, species: Species) -> tuple[Query, ...]:
        """The class folder."""
        return (Query(species=species.name, words=readable(str(self._folder(species.name)))),)

    def search(self, query: Query, *, wanted: int) -> Iterator[Batch]:  # noqa: ARG002 - local files cost nothing
        """Yield every file of a species, in the order of their paths."""
        files = sorted(_visible_files(self._folder(query.species)))
        yield Batch(
            candidates=tuple(Candidate(image_url=file.as_uri()) for file in files),
            ended_because="every file was taken",
        )

    def _folder(self, species: str) -> Path:
        if species not in self._folders:
            raise UsageError(
                f"there is no folder {species!r} in {self.root}, only: {', '.join(self._folders)}"
            )
        return self._folders[species]


def read_file(url: str, *, max_bytes: int) -> Body:
    """Take a local file as it is.

    Raises:
        UnwantedError: neither its name nor its bytes are an image's, or it is too large.
        FetchError: it cannot be read.
    """
    path = _path(url)
    try:
        if path.stat().st_size > max_bytes:
            raise UnwantedError(url, too_large(max_bytes))
        body = path.read_bytes()
    except OSError as error:
        raise FetchError(url, f"cannot be read: {error.strerror}") from error
    kind = image_type(body)
    if kind is None and path.suffix.lower() not in IMAGE_SUFFIXES:
        raise UnwantedError(url, f"not an image: {other_kind(body)}")
    return Body(body=body, content_type=kind or "")


def _path(url: str) -> Path:
    quoted = urlsplit(url).path
    if os.name == "nt":
        return Path(url2pathname(quoted))
    return Path(os.fsdecode(unquote_to_bytes(quoted)))  # Names need not be UTF-8.


def _class_folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise UsageError(f"no folder at {root}: --from names a folder of class folders")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and _is_visible(path))
    if not folders:
        raise UsageError(f"no class folders in {root}: put each species' images in its own folder")
    found: dict[str, Path] = {}
    for path in folders:
        known = found.setdefault(species_name(readable(path.name)), path)
        if known is not path:
            raise UsageError(
                f"{_quoted(known)} and {_quoted(path)} in {root} are one species by their names:"
                " put their images into one folder"
            )
    species_names(found)  # Says so where two differ in case alone.
    return found


def _is_picture(path: Path) -> bool:
    return _is_visible(path) and path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES


def _quoted(folder: Path) -> str:
    """A folder's name, with what cannot be told apart by eye written out."""
    return ascii(folder.name)


def _visible_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent) / name for name in files)
        yield from (path for path in paths if _is_visible(path) and path.is_file())


def _refuse(error: OSError) -> NoReturn:
    """A folder that cannot be read is not an empty one."""
    raise UsageError(
        f"cannot read the folder {error.filename}: {error.strerror}; make it readable, or move it"
        " away"
    ) from error


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")
