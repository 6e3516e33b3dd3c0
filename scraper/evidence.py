"""Pages that surprised us, kept so that they can be looked at and learnt from."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scraper.clock import Clock, stamp
from scraper.errors import BrowserError, HarvestError
from scraper.sources.page_kind import PageKind


class Witnessed(Protocol):
    """A window whose page can be kept."""

    def url(self) -> str:
        """Where the window is."""

    def html(self) -> str:
        """The page as it is now."""

    def screenshot(self) -> bytes:
        """A PNG of what the window shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The folder for such pages."""

    folder: Path
    clock: Clock

    def save(self, window: Witnessed, kind: PageKind) -> Path:
        """Write the page's text, and its picture where there is one; return where the text is."""
        moment = stamp(self.clock.now()).replace(":", "")
        path = self.folder / f"{moment}-{kind.name.lower()}.html"
        text = f"<!-- {window.url().replace('--', '%2D%2D')} -->\n{window.html()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="replace")
            with contextlib.suppress(BrowserError):  # The text alone is worth having.
                path.with_suffix(".png").write_bytes(window.screenshot())
        except OSError as error:
            raise HarvestError(f"cannot write to {self.folder}: {error}") from error
        return path
