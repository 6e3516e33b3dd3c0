"""Google Images as a source: one browser window, scrolled, and read as text.

The page is asked one thing per scroll step, and its text is parsed when it has grown; a card
is clicked only when its address is nowhere in the page. When Google turns us away, that is
the end: nothing here tries to get round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from scraper.budget import Budget
from scraper.errors import BrowserError, BrowserLostError
from scraper.evidence import Evidence
from scraper.queries import Query, queries_of
from scraper.sources.google_page import PageKind
from scraper.sources.offers import Batch
from scraper.sources.results_page import ResultsPage, SearchPolicy, Told, Window
from scraper.species import Species

__all__ = ["GoogleSource", "SearchPolicy", "Window"]

MAX_LOST_BROWSERS: Final = 3
"""So many in a row that told nothing new are no accident."""


class GoogleSource:
    """Google Images, in a window that is opened for the first search and kept for the next.

    A browser that is lost in the middle is replaced, and the search goes on where it was.
    """

    name = "google"
    is_local = False

    def __init__(
        self,
        open_window: Callable[[], AbstractContextManager[Window]],
        *,
        policy: SearchPolicy,
        evidence: Evidence,
        budget: Budget | None = None,
    ) -> None:
        self._open_window, self._policy, self._evidence = open_window, policy, evidence
        self._budget = budget
        self._stack = ExitStack()
        self._window: Window | None = None
        self._searches, self._has_run = 0, False

    def __enter__(self) -> GoogleSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close_window()

    def queries(self, species: Species) -> tuple[Query, ...]:
        """Whatever the species is called."""
        return queries_of(species)

    def search(self, query: Query | str, *, wanted: int) -> Iterator[Batch]:
        """Open the results of a query, or of plain words, and scroll through them.

        Raises:
            BlockedError: a block page, a sign-in page, or a consent page that does not go away.
            LayoutError: a page came, and nothing could be read from it; it is in the evidence.
            BrowserError: no browser could be started, or three in a row were lost.
        """
        words, tbs = (query, "") if isinstance(query, str) else (query.words, query.tbs)
        url = self._policy.search_url(words, tbs=tbs)
        told, lost = Told(), 0
        while True:
            known = len(told.addresses)
            try:
                yield from self._batches(url, wanted, told)
            except BrowserError as error:
                if not self._is_worth_another(error):
                    raise
                self._close_window()
                lost = 1 if len(told.addresses) > known else lost + 1
                if lost >= MAX_LOST_BROWSERS:
                    raise self._hopeless(lost, error) from error
            else:
                return

    def _batches(self, url: str, wanted: int, told: Told) -> Iterator[Batch]:
        window = self._ready_window()
        yield from self._turn()
        try:
            window.open(url)
        finally:
            self._end_turn()
        page = ResultsPage(window, self._policy, self._evidence, told)
        kind = yield from page.wait_for_results()
        if kind is PageKind.NO_RESULTS:
            yield Batch(ended_because="no results")
        else:
            yield from page.scroll(wanted)

    def _turn(self) -> Iterator[Batch]:
        """Rest until the pause between two searches is over, whoever made them."""
        pause_s = self._policy.search_pause_s
        if self._budget is None:
            if self._searches:
                yield Batch(rest_s=pause_s)
        else:
            take = partial(self._budget.take_turn, self._site, pause_s=pause_s)
            while wait_s := take(clock=self._evidence.clock):
                yield Batch(rest_s=wait_s)
        self._searches += 1

    def _end_turn(self) -> None:
        if self._budget is not None:
            self._budget.note(self._site, clock=self._evidence.clock)

    @property
    def _site(self) -> str:
        return urlsplit(self._policy.base_url).netloc

    def _ready_window(self) -> Window:
        if self._window is None:
            self._window = self._stack.enter_context(self._open_window())
            self._has_run = True
        return self._window

    def _is_worth_another(self, error: BrowserError) -> bool:
        """Whether the fault lies with this one browser; a grid may be short of one for once."""
        cannot_start = self._window is None and self._has_run
        return isinstance(error, BrowserLostError) or cannot_start

    def _close_window(self) -> None:
        self._window = None
        self._stack.close()

    @staticmethod
    def _hopeless(lost: int, error: BrowserError) -> BrowserError:
        return BrowserError(
            f"{lost} browsers in a row were lost ({error}): everything gathered is kept;"
            " run 'bestiary doctor', see that there is memory left, and start again"
        )
