"""Fetching a pinned file: in pieces if the line breaks, and never anything else.

pooch keeps the file under the system's cache folder and gives it its name only when its
digest is the pinned one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pooch
import requests

from curation.errors import DownloadError, LockMismatchError
from curation.pins import PinnedFile

_ATTEMPTS = 4
"""Broken connections in a row that brought nothing before it is given up."""
_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_TIMEOUT_S = (15.0, 60.0)
"""For connecting, and for each wait for more."""
_PIECE = 1 << 14
"""Bytes; as much is lost when the line breaks."""


def default_cache() -> Path:
    """Where fetched files are kept from one project to the next."""
    return Path(pooch.os_cache("bestiary"))


def fetch(pin: PinnedFile, *, cache: Path, advanced: Callable[[int], None]) -> Path:
    """Return the pinned file in `cache`, fetching it where it is not there yet.

    `advanced` hears how many bytes have come so far, those of an earlier run included.

    Raises:
        DownloadError: the address cannot be reached, or the disk says no.
        LockMismatchError: what it gives is not what is pinned.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    download = _Download(pin, cache / f"{pin.file_name}.part", advanced)
    try:
        found = pooch.retrieve(
            pin.url,
            known_hash=f"sha256:{pin.sha256}",
            fname=pin.file_name,
            path=cache,
            downloader=download,
        )
    except requests.RequestException as error:
        raise DownloadError(
            f"cannot fetch {pin.url} ({_in_short(error)}): try again, which goes on where this"
            f" ended; or have {pin.file_name} brought from elsewhere and name it with --file"
        ) from error
    except OSError as error:
        raise DownloadError(f"cannot write into {cache}: {error.strerror or error}") from error
    except ValueError as error:  # How pooch says that a digest is another.
        raise _other(pin, pin.url) from error
    return require_pinned(Path(found), pin)


def require_pinned(path: Path, pin: PinnedFile) -> Path:
    """Return `path` if its size and digests are the pinned ones.

    Raises:
        DownloadError: it cannot be read.
        LockMismatchError: it is another file.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        for piece in _pieces(path):
            size += len(piece)
            sha256.update(piece)
            md5.update(piece)
    except OSError as error:
        raise DownloadError(f"cannot read {path}: {error.strerror or error}") from error
    is_same = size == pin.bytes and sha256.hexdigest() == pin.sha256
    if not is_same or pin.md5 not in {"", md5.hexdigest()}:
        raise _other(pin, f"{path} ({size} bytes, SHA-256 {sha256.hexdigest()[:12]}…)")
    return path


def _other(pin: PinnedFile, what: str) -> LockMismatchError:
    return LockMismatchError(
        f"{what} is not {pin.name} as it is pinned ({pin.bytes} bytes, SHA-256"
        f" {pin.sha256[:12]}…): get the file again, from a source that you trust"
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


class _Download:
    """pooch's downloader: appends to a partial file, and goes on where it was broken off."""

    def __init__(self, pin: PinnedFile, part: Path, advanced: Callable[[int], None]) -> None:
        self._pin, self._part, self._advanced = pin, part, advanced

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Fetch `url` whole, and give it the name that pooch asks for."""
        failures = 0
        while self._size() < self._pin.bytes:
            before = self._size()
            try:
                self._go_on(url)
                break
            except _BROKEN:
                failures = 0 if self._size() > before else failures + 1
                if failures == _ATTEMPTS or self._size() == 0:
                    raise
        self._part.replace(output_file)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _go_on(self, url: str) -> None:
        have = self._size()
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self._part.unlink()
                return self._go_on(url)
            answer.raise_for_status()
            is_rest = answer.status_code == requests.codes.partial_content
            with self._part.open("ab" if is_rest else "wb") as file:
                for piece in answer.iter_content(_PIECE):
                    file.write(piece)
                    self._advanced(file.tell())
                    if file.tell() > self._pin.bytes:
                        break  # Not the file: its digest will say so.
        return None


def _in_short(error: requests.RequestException) -> str:
    """What went wrong, without the names of the library's classes."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, _BROKEN):
        return "no connection"
    return str(error)
