"""Google Images as a source: one browser window, scrolled, and read as text.

The page is asked one thing per scroll step, and its text is parsed when it has grown; no
card is clicked. When Google turns us away, that is the end: nothing here tries to get round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from scraper.browser import network_error
from scraper.errors import BlockedError, BrowserError, LayoutError
from scraper.evidence import Evidence
from scraper.harvest import Candidate
from scraper.queries import Query, queries_of
from scraper.sources.google_page import PageKind, classify, parse
from scraper.sources.offers import ENOUGH, Batch
from scraper.species import Species

_SCROLL: Final = """
const shown = (node) => node.offsetParent !== null || node.getClientRects().length > 0;
const more = [...document.querySelectorAll(
  'input[type=button], input[type=submit], button, [role=button], a')].find((node) =>
  /^\\s*(show more results|see more anyway|more results)\\s*$/i.test(node.value || node.textContent)
  && shown(node));
if (more) more.click();
window.scrollTo(0, document.documentElement.scrollHeight);
const cards = document.querySelectorAll(
  '[data-docid], [data-tbnid], [data-lpage], a[href*="imgurl="]').length;
return {
  cards: cards || document.images.length,
  height: document.documentElement.scrollHeight,
  url: location.href,
  ended: /reached the end/i.test(document.body.innerText.slice(-600)),
};
"""
_POINT_AT_BARE_CARDS: Final = """
let pointed = 0;
for (const card of document.querySelectorAll('[data-docid], [data-tbnid]')) {
  const link = card.querySelector('a[role=button]:not([href]), a:not([href])');
  if (!link) continue;
  link.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
  pointed += 1;
}
return pointed;
"""
_ANSWER_CONSENT: Final = """
const named = (...selectors) => {
  for (const selector of selectors) {
    const found = [...document.querySelectorAll(selector)].find(
      (node) => node.getClientRects().length > 0);
    if (found) return found;
  }
};
const forms = [...document.forms].filter((form) => form.querySelector('[name=set_eom]'));
const declines = (form) => !form.querySelector('[name=set_sc], [name=set_aps]');
const form = forms.find(declines) || forms[0];
const button = named('#W0wltc', 'button[aria-label*="Reject all" i]')
  || (form && form.querySelector('button, input[type=submit]'))
  || named('#L2AGLb', 'button[aria-label*="Accept all" i]');
if (button) button.click();
else if (form) form.submit();
return Boolean(button || form);
"""


class Window(Protocol):
    """What the search needs of a browser window."""

    def open(self, url: str) -> None:
        """Go to an address."""

    def url(self) -> str:
        """Where the window is."""

    def html(self) -> str:
        """The page as it is now."""

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page; return what it returns."""

    def screenshot(self) -> bytes:
        """A PNG of what the window shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPolicy:
    """Where and how patiently results pages are read."""

    base_url: str = "https://www.google.com"
    pause_s: float = 0.4
    """Between two scroll steps."""
    poll_s: float = 0.1
    """Between two looks at a page that is not there yet."""
    search_pause_s: float = 2.0
    """Between two searches."""
    patience_s: float = 8.0
    """How long a page may show nothing new before it counts as finished."""
    settle_s: float = 15.0
    """How long a page may take to become a results page."""
    max_steps: int = 2000
    """Scroll steps on one page, for pages that never end."""

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


class GoogleSource:
    """Google Images, in a window that is opened for the first search and kept for the next."""

    name = "google"
    is_local = False

    def __init__(
        self,
        open_window: Callable[[], AbstractContextManager[Window]],
        *,
        policy: SearchPolicy,
        evidence: Evidence,
    ) -> None:
        self._open_window, self._policy, self._evidence = open_window, policy, evidence
        self._stack = ExitStack()
        self._window: Window | None = None

    def __enter__(self) -> GoogleSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def queries(self, species: Species) -> tuple[Query, ...]:
        """Whatever the species is called."""
        return queries_of(species)

    def search(self, query: Query | str, *, wanted: int) -> Iterator[Batch]:
        """Open the results of a query, or of plain words, and scroll through them.

        Raises:
            BlockedError: a block page, a sign-in page, or a consent page that does not go away.
            LayoutError: a page came, and nothing could be read from it; it is in the evidence.
            BrowserError: the browser could not be started, or no longer answers.
        """
        window = self._ready_window()
        page = _ResultsPage(window, self._policy, self._evidence)
        words, tbs = (query, "") if isinstance(query, str) else (query.words, query.tbs)
        window.open(self._policy.search_url(words, tbs=tbs))
        if page.wait_for_results() is PageKind.NO_RESULTS:
            yield Batch(ended_because="no results")
            return
        yield from page.scroll(wanted)

    def _ready_window(self) -> Window:
        if self._window is None:
            self._window = self._stack.enter_context(self._open_window())
        else:
            self._evidence.clock.sleep(self._policy.search_pause_s)
        return self._window


class _ResultsPage:
    """The results page in a window: waits for it, scrolls it, and reads it."""

    def __init__(self, window: Window, policy: SearchPolicy, evidence: Evidence) -> None:
        self._window, self._policy, self._evidence = window, policy, evidence
        self._clock = evidence.clock
        self._reported: set[str] = set()
        self._usable = 0
        self._html = ""

    def wait_for_results(self) -> PageKind:
        """Answer consent pages and wait until there are results, or surely none."""
        deadline = self._clock.monotonic() + self._policy.settle_s
        answers, kind = 0, self._kind()
        while kind is not PageKind.RESULTS:
            self._refuse(kind)
            if kind is PageKind.NO_RESULTS and self._kind() is kind:
                return kind
            if kind in _CONSENT and answers < _MAX_CONSENT_ANSWERS:
                answers += bool(self._window.run(_ANSWER_CONSENT))
            elif self._clock.monotonic() >= deadline:
                raise self._unreadable(kind)
            self._clock.sleep(self._policy.poll_s)
            kind = self._kind()
        return kind

    def scroll(self, wanted: int) -> Iterator[Batch]:
        """Scroll until `wanted` full-size addresses are read, or the page shows no more."""
        yield Batch(candidates=self._new_full_size(parse(self._html)))  # It may be all we get.
        read_at, shown, because = 0, (0, 0), ""
        quiet_since = self._clock.monotonic()
        for _ in range(self._policy.max_steps):
            step = self._window.run(_SCROLL)
            self._refuse_block_at(str(step["url"]))
            if shown != (step["cards"], step["height"]):
                shown, quiet_since = (step["cards"], step["height"]), self._clock.monotonic()
            is_grown = step["cards"] >= read_at + _CARDS_PER_READING
            quiet_s = self._clock.monotonic() - quiet_since
            because = self._end(step, quiet_s=quiet_s) if step["cards"] == read_at else ""
            if because:
                break
            if is_grown or quiet_s >= self._policy.pause_s:
                read_at = step["cards"]
                yield Batch(candidates=self._new_full_size(self._read()))
                if self._usable >= wanted:
                    because = ENOUGH
                    break
            self._clock.sleep(self._policy.pause_s)
        yield Batch(
            candidates=self._leftovers(is_wanting=self._usable < min(wanted, shown[0])),
            ended_because=because or f"{self._policy.max_steps} scroll steps",
        )

    def _end(self, step: dict[str, Any], *, quiet_s: float) -> str:
        """Why a page that was read as it stands is at its end; empty while it may go on."""
        if step["ended"]:
            return "the end of the results"
        if quiet_s >= self._policy.patience_s:
            return f"no new results for {self._policy.patience_s:g} s"
        return ""

    def _new_full_size(self, shown: list[Candidate]) -> tuple[Candidate, ...]:
        """What the page shows by now with a full-size address, and did not show before.

        Previews wait for the end: their full-size address may come with a later script.
        """
        new = self._new(candidate for candidate in shown if candidate.image_url)
        self._usable += len(new)
        return new

    def _leftovers(self, *, is_wanting: bool) -> tuple[Candidate, ...]:
        """The last reading, after pointing at cards that show their address only then."""
        last = self._read()
        if is_wanting and self._window.run(_POINT_AT_BARE_CARDS):
            last = self._read()
        return self._new(last)

    def _new(self, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        new = [one for one in candidates if one.address not in self._reported]
        self._reported.update(one.address for one in new)
        return tuple(new)

    def _read(self) -> list[Candidate]:
        html = self._window.html()
        candidates = parse(html)
        if not candidates:
            kind = classify(html, self._window.url())
            self._refuse(kind)
            raise self._unreadable(kind)
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


_BLOCKS: Final = frozenset({PageKind.BLOCKED, PageKind.SIGN_IN})
_CONSENT: Final = frozenset({PageKind.CONSENT, PageKind.CONSENT_OVERLAY})
_MAX_CONSENT_ANSWERS: Final = 3
_CARDS_PER_READING: Final = 20
"""Read often: what a page showed is lost when the next request meets a block."""
