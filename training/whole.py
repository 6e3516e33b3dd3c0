"""Files that are written whole, or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Give a file this text in one step: whoever reads it sees the old text or the new one.

    Raises:
        OSError: it cannot be written; it is as it was then, and nothing lies beside it.
    """
    unready = _unready(path)
    try:
        unready.write_text(text, "utf-8")
        unready.replace(path)
    finally:
        unready.unlink(missing_ok=True)


def try_to_write(path: Path) -> None:
    """Make sure that `write_whole` will find a place for this file, which stays as it is.

    Raises:
        OSError: it will not.
    """
    unready = _unready(path)
    unready.touch()
    unready.unlink()


def _unready(path: Path) -> Path:
    return path.with_name(f".{path.name}")
