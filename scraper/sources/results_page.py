"""An open page of results: waited for, scrolled to its end, and read as text as it grows."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from scraper.browser import network_error
from scraper.errors import BlockedError, BrowserError, LayoutError
from scraper.evidence import Evidence
from scraper.harvest import Candidate
from scraper.sources.google_page import PageKind, bare_cards, classify, parse
from scraper.sources.image_address import full_size
from scraper.sources.offers import ENOUGH, Batch
from scraper.sources.page_scripts import (
    ANSWER_CONSENT,
    OPEN_PANEL,
    POINT_AT_BARE_CARDS,
    SCROLL,
)


class Window(Protocol):
    """What the search needs of a browser window."""

    def open(self, url: str) -> None:
        """Go to an address."""

    def url(self) -> str:
        """Where the window is."""

    def html(self) -> str:
        """The page as it is now."""

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page; return what it returns, or what its promise becomes."""

    def screenshot(self) -> bytes:
        """A PNG of what the window shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPolicy:
    """Where and how patiently results pages are read."""

    base_url: str = "https://www.google.com"
    pause_s: float = 0.2
    """Between two scroll steps; a step asks the site for one batch of results at most."""
    poll_s: float = 0.05
    """Between two looks at a page that is not there yet, or not whole."""
    search_pause_s: float = 2.0
    """Between two searches."""
    patience_s: float = 8.0
    """How long a page may show nothing new before it counts as finished."""
    settle_s: float = 15.0
    """How long a page may take to become a results page."""
    max_steps: int = 2000
    """Scroll steps on one page, for pages that never end."""
    page_cards: int = 60
    """How many further cards are a page of a list that has no pages."""
    min_new_share: float = 0.1
    """A page of cards of which fewer than this share are new is the last one."""
    panel_s: float = 2.0
    """How long a side panel may take to name the full image."""
    max_silent_panels: int = 5
    """After so many panels in a row that name nothing, no more are opened."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"base_url must be like https://www.google.com, not {self.base_url!r}")
        if min(self.pause_s, self.poll_s, self.patience_s, self.settle_s, self.max_steps) <= 0:
            raise ValueError("pauses, patience and steps must be more than 0")

    def search_url(self, query: str, *, tbs: str = "") -> str:
        """The images results page for a query, in English: its markers are known."""
        parameters = urlencode({"q": query, "udm": "2", "hl": "en"} | ({"tbs": tbs} if tbs else {}))
        return f"{self.base_url.rstrip('/')}/search?{parameters}"


@dataclass(slots=True)
class Told:
    """What a search has told so far; it outlives the browser that read it."""

    addresses: set[str] = field(default_factory=set)
    usable: int = 0

    def new(self, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """Those that were not told before; they are now."""
        new = [one for one in candidates if one.address not in self.addresses]
        self.addresses.update(one.address for one in new)
        self.usable += sum(bool(one.image_url) for one in new)
        return tuple(new)


class ResultsPage:
    """The results page in a window: waits for it, scrolls it, and reads it."""

    def __init__(
        self, window: Window, policy: SearchPolicy, evidence: Evidence, told: Told | None = None
    ) -> None:
        self._window, self._policy, self._evidence = window, policy, evidence
        self._clock = evidence.clock
        self._told = told or Told()
        self._html = ""

    def wait_for_results(self) -> Generator[Batch, None, PageKind]:
        """Answer consent pages and wait until there are results, or surely none."""
        deadline = self._clock.monotonic() + self._policy.settle_s
        answers, kind = 0, self._kind()
        while kind is not PageKind.RESULTS:
            self._refuse(kind)
            if kind is PageKind.NO_RESULTS and self._kind() is kind:
                return kind
            if kind in _CONSENT and answers < _MAX_CONSENT_ANSWERS:
                answers += bool(self._window.run(ANSWER_CONSENT))
            elif self._clock.monotonic() >= deadline:
                raise self._unreadable(kind)
            yield Batch(rest_s=self._policy.poll_s)
            kind = self._kind()
        return kind

    def scroll(self, wanted: int) -> Iterator[Batch]:
        """Scroll until `wanted` full-size addresses are read, or the page shows no more."""
        yield Batch(candidates=self._full_size(parse(self._html)))  # It may be all we get.
        growth, because = _Growth(self._policy, self._clock.monotonic()), ""
        for _ in range(self._policy.max_steps):
            now = self._clock.monotonic()
            step = self._window.run(SCROLL, *growth.question(now), wanted)
            self._refuse_block_at(str(step["url"]))
            growth.note(step, now)
            because = growth.end(now)
            if because:
                break
            if step["html"]:
                yield Batch(candidates=self._full_size(self._read(step["html"], step["url"])))
                growth.was_read()
                if self._has_enough(wanted, growth.results):
                    because = ENOUGH
                    break
            yield Batch(rest_s=max(0.0, growth.next_at(now) - self._clock.monotonic()))
        yield Batch(
            candidates=self._leftovers(wanted),
            ended_because=because or f"{self._policy.max_steps} scroll steps",
        )

    def _has_enough(self, wanted: int, results: int) -> bool:
        """Whether there are enough addresses, or so many cards without that more are no help."""
        return self._told.usable >= wanted or results >= 2 * wanted + _MIN_CARDS_PER_READING

    def _full_size(self, shown: list[Candidate]) -> tuple[Candidate, ...]:
        """What the page shows by now with a full-size address, and did not show before.

        Previews wait for the end: their full-size address may come with a later script.
        """
        return self._told.new(candidate for candidate in shown if candidate.image_url)

    def _leftovers(self, wanted: int) -> tuple[Candidate, ...]:
        """The last reading, after asking cards that show their address only when asked."""
        is_wanting = self._told.usable < wanted
        last = self._full_size(self._read_now()) if is_wanting else ()
        if self._told.usable < wanted and bare_cards(self._html):
            self._window.run(POINT_AT_BARE_CARDS)
            last += self._full_size(self._read_now())
            last += self._from_panels(wanted - self._told.usable)
        last += self._told.new(parse(self._html))
        if not self._told.addresses:
            raise self._unreadable(classify(self._html, self._window.url()))
        return last

    def _from_panels(self, number: int) -> tuple[Candidate, ...]:
        """Open the side panels of some cards whose address is nowhere in the page."""
        found: list[Candidate] = []
        silent = 0
        for docid, candidate in bare_cards(self._html).items():
            if len(found) >= number or silent >= self._policy.max_silent_panels:
                break
            panel = self._window.run(OPEN_PANEL, docid, round(self._policy.panel_s * 1000))
            self._refuse_block_at(str(panel["url"]))
            image_url = next(filter(None, map(full_size, panel["seen"])), "")
            silent = 0 if image_url else silent + 1
            if image_url:
                self._told.addresses.add(candidate.address)  # Its preview is no other image.
                found.append(replace(candidate, image_url=image_url))
        return self._told.new(found)

    def _read_now(self) -> list[Candidate]:
        return self._read(self._window.html(), self._window.url())

    def _read(self, html: str, url: str) -> list[Candidate]:
        self._html = html
        candidates = parse(html)
        if not candidates:
            self._refuse(classify(html, url))
        return candidates

    def _kind(self) -> PageKind:
        self._html = self._window.html()
        return classify(self._html, self._window.url())

    def _refuse_block_at(self, url: str) -> None:
        if urlsplit(url).path.startswith("/sorry"):
            self._refuse(PageKind.BLOCKED)

    def _refuse(self, kind: PageKind) -> None:
        if kind in _BLOCKS:
            raise BlockedError(f"the search site turned us away with {self._witness(kind)}")
        if kind is PageKind.BROWSER_ERROR:
            reason = network_error(self._window.html()) or "the browser shows its own error page"
            raise BrowserError(f"cannot open {self._policy.base_url}: {reason}")

    def _unreadable(self, kind: PageKind) -> LayoutError | BlockedError:
        if kind in _CONSENT or kind is PageKind.JS_SHELL:
            return BlockedError(f"the search site does not let us past {self._witness(kind)}")
        return LayoutError(
            f"the search site answered with {self._witness(kind)}: no candidate could be read"
            " from it. Please report it with that file"
        )

    def _witness(self, kind: PageKind) -> str:
        return f"{kind.value}, saved as {self._evidence.save(self._window, kind)}"


class _Growth:
    """How a page grows while it is scrolled, and so when to read it and when to stop."""

    def __init__(self, policy: SearchPolicy, now: float) -> None:
        self._policy = policy
        self.results = self.known = self._cards = 0
        self._page_began = (0, 0)
        self._quiet_since = now
        self._has_end_marker = self._is_scrolled = False

    def note(self, step: dict[str, Any], now: float) -> None:
        """Take in what one step showed: results are distinct cards."""
        if step["results"] > self.results:
            self._quiet_since = now
        self.results, self._cards = max(self.results, step["results"]), step["cards"]
        self._has_end_marker, self._is_scrolled = step["ended"], step["isScrolled"]

    def _is_stalled(self, now: float) -> bool:
        """Whether nothing came for so long that a button may have to be pressed."""
        return now - self._quiet_since >= self._policy.patience_s / 2

    def question(self, now: float) -> tuple[bool, int, int, int]:
        """What a step has to know: whether the page is stalled, how many results are known, how
        many were there a moment ago, and how many must be new for the page to be read.

        The longer the page, the more must be new: reading takes as long as the page is. Where
        no more come at the moment, any will do.
        """
        is_quiet = self.results > self.known and now - self._quiet_since >= 2 * self._policy.poll_s
        least = 1 if is_quiet else max(_MIN_CARDS_PER_READING, self.known // 8)
        return self._is_stalled(now), self.known, self.results, least

    def next_at(self, now: float) -> float:
        """When to look next: a page that was not scrolled was asked for nothing."""
        return now + (self._policy.pause_s if self._is_scrolled else self._policy.poll_s)

    def was_read(self) -> None:
        """All that was shown is read now."""
        self.known = self.results

    def end(self, now: float) -> str:
        """Why the page is at its end; empty while it may go on, or has something unread."""
        if few := self._hardly_new():
            return few
        if self.results != self.known:
            return ""
        if self._has_end_marker:
            return "the end of the results"
        if now - self._quiet_since >= self._policy.patience_s:
            return f"no new results for {self._policy.patience_s:g} s"
        return ""

    def _hardly_new(self) -> str:
        """Say so where a whole page of further cards mostly repeats earlier ones."""
        results, cards = self._page_began
        further, new = self._cards - cards, self.results - results
        if further < self._policy.page_cards:
            return ""
        self._page_began = (self.results, self._cards)
        is_few = cards > 0 and new < self._policy.min_new_share * further
        return f"hardly any new results ({new} of the last {further})" if is_few else ""


_BLOCKS: Final = frozenset({PageKind.BLOCKED, PageKind.SIGN_IN})
_CONSENT: Final = frozenset({PageKind.CONSENT, PageKind.CONSENT_OVERLAY})
_MAX_CONSENT_ANSWERS: Final = 3
_MIN_CARDS_PER_READING: Final = 20
