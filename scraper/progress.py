"""What a person sees while a crawl runs: a line for each search, a bar for the downloads."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import click

from scraper.clock import Clock
from scraper.crawl import CrawlPlan, Outcome, Searched, Searching, Settled, Stopped
from scraper.harvest import Harvest
from scraper.wording import counted

_REDRAW_S: Final = 0.1
_SIGN_OF_LIFE_S: Final = 15.0
"""How often a search says how far it is where no line can be drawn over."""


class Progress:
    """Shows the outcomes of a crawl on stderr as they come."""

    def __init__(self, harvest: Harvest, plan: CrawlPlan, *, is_local: bool, clock: Clock) -> None:
        self._harvest, self._plan, self._is_local = harvest, plan, is_local
        self._status = Status(clock)
        self._bars = ExitStack()
        self._bar: Any = None
        self._search: Searching | None = None
        self._kept = 0

    def all(self, outcomes: Iterator[Outcome]) -> Stopped | None:
        """Let everything happen; return why the source stopped, if it did."""
        stopped = None
        with self._bars, self._status:
            for outcome in outcomes:
                self._show(outcome)
                stopped = outcome if isinstance(outcome, Stopped) else stopped
        return stopped

    def _show(self, outcome: Outcome) -> None:
        match outcome:
            case Searching():
                self._search = outcome
                self._show_search()
            case Settled():
                self._kept += outcome.state == "kept"
                self._show_download(outcome)
            case Searched():
                self._end(search_line(outcome, is_local=self._is_local))
            case Stopped():
                self._end(f"{outcome.species}: the search stops here")

    def _end(self, line: str) -> None:
        """Say how a search ended."""
        self._bars.close()
        self._search = self._bar = None
        self._status.clear()
        say(line)

    def _show_search(self) -> None:
        self._bars.close()
        self._bar = None
        if self._search is not None and not self._is_local:
            self._status.show(searching_line(self._search, kept=self._kept))

    def _show_download(self, settled: Settled) -> None:
        """Move the bar on; while a search goes on, its line counts what is kept instead."""
        if self._search is not None:
            self._show_search()
            return
        step = int(settled.state == "kept" or self._plan.per_species is None)
        self._bar = self._bar or self._begin_bar(step + self._to_come())
        self._bar.update(step)

    def _begin_bar(self, length: int) -> Any:
        return self._bars.enter_context(
            click.progressbar(
                length=max(1, length),
                label="Downloading",
                file=sys.stderr,
                hidden=is_quiet(),
                show_pos=True,
            )
        )

    def _to_come(self) -> int:
        """How many images are still to be had."""
        count = self._harvest.count
        missing = (
            min(
                self._plan.wanted(one) - count("kept", species=one.name),
                count("pending", species=one.name),
            )
            for one in self._plan.species
        )
        return sum(max(0, number) for number in missing)


class Status:
    """One line at the foot of the terminal that is drawn over; elsewhere, a line now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._shown_at, self._width = clock, clock.monotonic(), 0
        self._is_drawn_over = sys.stderr.isatty()

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Show a line in place of the last one, unless that is too new."""
        every_s = _REDRAW_S if self._is_drawn_over else _SIGN_OF_LIFE_S
        now = self._clock.monotonic()
        is_first = self._is_drawn_over and not self._width
        if is_quiet() or (now - self._shown_at < every_s and not is_first):
            return
        self._shown_at = now
        if not self._is_drawn_over:
            say(text)
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        click.echo(f"\r{text:{self._width}}", nl=False, err=True)
        self._width = len(text)

    def clear(self) -> None:
        """Leave an empty line to go on in."""
        if self._width:
            click.echo(f"\r{'':{self._width}}\r", nl=False, err=True)
        self._width = 0


def searching_line(search: Searching, *, kept: int) -> str:
    """How far a search is, and how many images this run has kept meanwhile."""
    words = "" if search.query == search.species else f", {search.query!r}"
    found = counted(search.found, "candidate")
    images = f", {counted(kept, 'image')} kept" if kept else ""
    return f"Searching for {search.species}{words}: {found} so far{images}"


def search_line(searched: Searched, *, is_local: bool) -> str:
    """What a search brought; the words that were searched for, where they are not the name."""
    if searched.is_repeated and not is_local:
        return _repeated_line(searched)
    is_plain = is_local or searched.query == searched.species
    asked = "" if is_plain else f" {searched.query!r}:"
    new = "" if searched.new == searched.found else f", {searched.new} of them new"
    found = counted(searched.found, "candidate")
    return f"{searched.species}:{asked} {found}{new} ({searched.because})"


def _repeated_line(searched: Searched) -> str:
    """What was gained by asking the same for more, as too few images could be had."""
    words = "" if searched.query == searched.species else f" for {searched.query!r}"
    more = counted(searched.new, "more candidate") if searched.new else "nothing more"
    return f"{searched.species}: searched deeper{words}: {more} ({searched.because})"


def is_quiet() -> bool:
    """Whether nothing is to be said along the way."""
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


def say(text: str) -> None:
    """Say something along the way, broken at words where a person reads it."""
    if is_quiet():
        return
    if sys.stderr.isatty():
        text = click.wrap_text(text, shutil.get_terminal_size().columns)
    click.echo(text, err=True)
