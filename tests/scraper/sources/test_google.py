from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scraper.errors import BlockedError, BrowserError, BrowserLostError, LayoutError
from scraper.evidence import Evidence
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.sources.offers import ENOUGH, Batch, rested
from tests.fakes import FakeWindow, JumpingClock
from tests.scraper import google_pages as pages

POLICY = SearchPolicy()
URL = POLICY.search_url("shrew")
UNREADABLE_CARDS = pages.page("".join(f'<div data-docid="card{n}"></div>' for n in range(40)))
END = "<div>Looks like you've reached the end</div>"


def source(
    window: FakeWindow, folder: Path, policy: SearchPolicy, clock: JumpingClock
) -> GoogleSource:
    @contextlib.contextmanager
    def opened() -> Iterator[FakeWindow]:
        yield window
        window.is_closed = True

    evidence = Evidence(folder=folder / "evidence", clock=clock)
    return GoogleSource(opened, policy=policy, evidence=evidence)


def search(
    window: FakeWindow, folder: Path, *, wanted: int = 50, policy: SearchPolicy = POLICY
) -> list[Batch]:
    clock = JumpingClock()
    with source(window, folder, policy, clock) as google:
        return list(rested(google.search("shrew", wanted=wanted), clock))


def found(batches: list[Batch]) -> list[str]:
    return [candidate.address for batch in batches for candidate in batch.candidates]


def growing(total: int, *, by: int = 25, end: str = END) -> tuple[list[str], list[str]]:
    """Pages as scrolling makes them, and the addresses of all images on the last one."""
    shown = pages.shots(total)
    steps = [pages.l4(shown[:count]) for count in range(by, total, by)]
    return [*steps, pages.l4(shown) + end], [shot.image_url for shot in shown]


def test_the_page_is_scrolled_to_its_end(tmp_path: Path) -> None:
    steps, addresses = growing(120)

    batches = search(FakeWindow({URL: steps}), tmp_path, wanted=500)

    assert found(batches) == addresses
    assert batches[-1].ended_because == "the end of the results"


def test_scrolling_stops_when_there_are_enough(tmp_path: Path) -> None:
    steps, addresses = growing(400)

    batches = search(FakeWindow({URL: steps}), tmp_path, wanted=60)

    assert found(batches) == addresses[:75]
    assert batches[-1].ended_because == ENOUGH


def test_a_page_that_grows_no_more_is_left(tmp_path: Path) -> None:
    steps, addresses = growing(40, end="")

    batches = search(FakeWindow({URL: steps}), tmp_path, wanted=500)

    assert found(batches) == addresses
    assert batches[-1].ended_because == "no new results for 8 s"


@pytest.mark.parametrize("by", [25, 100])
def test_one_script_reads_and_scrolls_however_many_cards_there_are(tmp_path: Path, by: int) -> None:
    """And one more sees that nothing comes in any longer."""
    steps, _ = growing(4 * by, by=by)
    window = FakeWindow({URL: steps})

    search(window, tmp_path, wanted=4 * by)

    assert window.scripts <= 2 * len(steps)


def test_a_page_that_repeats_itself_for_ever_is_left(tmp_path: Path) -> None:
    shown = pages.shots(30)
    steps = [pages.l4(shown * times) for times in range(1, 60)]

    batches = search(FakeWindow({URL: steps}), tmp_path, wanted=500)

    assert found(batches) == [shot.image_url for shot in shown]
    assert batches[-1].ended_because == "hardly any new results (0 of the last 60)"


def test_a_page_that_brings_ever_fewer_new_results_is_left(tmp_path: Path) -> None:
    shown = pages.shots(100)
    steps = [pages.l4(shown[:40] * times + shown[40 : 40 + times]) for times in range(1, 40)]

    batches = search(FakeWindow({URL: steps}), tmp_path, wanted=500)

    assert batches[-1].ended_because == "hardly any new results (2 of the last 82)"


def test_results_that_trickle_in_are_waited_for(tmp_path: Path) -> None:
    shown = pages.shots(30)
    slow = [pages.l4(shown[:count]) for count in range(1, 31) for _ in range(5)]

    batches = search(FakeWindow({URL: slow}, trickles=True), tmp_path, wanted=500)

    assert found(batches) == [shot.image_url for shot in shown]
    assert batches[-1].ended_because == "no new results for 8 s"


def test_a_page_that_grows_for_ever_ends_at_the_last_step(tmp_path: Path) -> None:
    shown = pages.shots(90)
    steps = [pages.l4(shown[:count]) for count in range(1, 91)]
    policy = SearchPolicy(max_steps=40)

    batches = search(FakeWindow({URL: steps}, trickles=True), tmp_path, wanted=500, policy=policy)

    assert batches[-1].ended_because == "40 scroll steps"
    assert len(found(batches)) == 41


# --- cards whose address is nowhere in the page ----------------------------------------


def bare(total: int, *, known: int) -> tuple[str, list[pages.Shot]]:
    """A page whose scripts know only the first results."""
    shown = pages.shots(total)
    cards = "".join(pages.l4_card(shot, n) for n, shot in enumerate(shown))
    cards = cards.replace(pages.PIXEL, "https://encrypted-tbn0.gstatic.com/images?q=tbn:X")
    for number in range(total):
        cards = cards.replace("tbn:X", f"tbn:Y{number}&s", 1)
    return pages.page(cards, pages._blob(shown[:known])) + END, shown


def test_panels_are_opened_for_what_is_still_wanted_and_no_more(tmp_path: Path) -> None:
    page, shown = bare(30, known=20)
    window = FakeWindow({URL: [page]}, panels={shot.docid: [shot.image_url] for shot in shown})

    batches = search(window, tmp_path, wanted=24)

    assert found(batches)[:24] == [shot.image_url for shot in shown[:24]]
    assert window.panels == [shot.docid for shot in shown[20:24]]
    assert len(found(batches)) == 30  # The others by their previews.


def test_no_panel_is_opened_where_the_page_knows_enough(tmp_path: Path) -> None:
    page, _ = bare(30, known=20)
    window = FakeWindow({URL: [page]})

    search(window, tmp_path, wanted=20)

    assert window.panels == []


def test_panels_that_show_the_preview_alone_are_given_up(tmp_path: Path) -> None:
    page, shown = bare(30, known=5)
    preview = "https://encrypted-tbn0.gstatic.com/images?q=tbn:Z"
    window = FakeWindow({URL: [page]}, panels={shot.docid: [preview] for shot in shown})

    batches = search(window, tmp_path, wanted=30)

    assert len(window.panels) == POLICY.max_silent_panels
    assert len([address for address in found(batches) if "tbn" not in address]) == 5


# --- browsers that are lost ------------------------------------------------------------


@dataclass
class Browsers:
    """Windows one after the other, each lost after so many scripts; below 0, none starts."""

    steps: list[str]
    lives: list[int]
    opened: int = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[FakeWindow]:
        life = self.lives[self.opened]
        self.opened += 1
        if life < 0:
            raise BrowserError("no browser could be started")
        window = MortalWindow({URL: self.steps}, life=life)
        yield window


class MortalWindow(FakeWindow):
    """A window that answers so many scripts."""

    def __init__(self, pages: dict[str, list[str]], *, life: int) -> None:
        super().__init__(pages)
        self._life = life

    def run(self, script: str, *arguments: object) -> Any:
        if self.scripts >= self._life:
            raise BrowserLostError("the page's script failed: tab crashed")
        return super().run(script, *arguments)


def search_through(browsers: Browsers, folder: Path, *, wanted: int = 500) -> list[Batch]:
    clock = JumpingClock()
    evidence = Evidence(folder=folder / "evidence", clock=clock)
    with GoogleSource(browsers, policy=POLICY, evidence=evidence) as google:
        return list(rested(google.search("shrew", wanted=wanted), clock))


def test_a_lost_browser_is_replaced_and_the_search_goes_on_where_it_was(tmp_path: Path) -> None:
    steps, addresses = growing(200)
    browsers = Browsers(steps, lives=[2, 3, 5, 999])

    batches = search_through(browsers, tmp_path)

    assert found(batches) == addresses  # Each of them once.
    assert browsers.opened == 4


def test_a_grid_that_has_no_browser_for_once_is_asked_again(tmp_path: Path) -> None:
    steps, addresses = growing(100)

    assert found(search_through(Browsers(steps, lives=[2, -1, 99]), tmp_path)) == addresses


def test_a_first_browser_that_does_not_start_is_said_at_once(tmp_path: Path) -> None:
    browsers = Browsers([], lives=[-1, 99])

    with pytest.raises(BrowserError, match="no browser could be started"):
        search_through(browsers, tmp_path)

    assert browsers.opened == 1


def test_three_lost_browsers_in_a_row_are_an_error(tmp_path: Path) -> None:
    steps, _ = growing(200)
    browsers = Browsers(steps, lives=[5, 2, 2, 2, 999])

    with pytest.raises(BrowserError, match=r"3 browsers in a row were lost \(.*tab crashed\)"):
        search_through(browsers, tmp_path)

    assert browsers.opened == 3


def test_previews_come_after_all_full_size_images(tmp_path: Path) -> None:
    shown = pages.shots(30)
    bare = pages.page(
        "".join(pages.l4_card(shot, n) for n, shot in enumerate(shown)), pages._blob(shown[5:])
    )
    bare = bare.replace(pages.PIXEL, pages.INLINE) + END

    batches = search(FakeWindow({URL: [bare]}), tmp_path)

    assert found(batches)[:25] == [shot.image_url for shot in shown[5:]]
    assert found(batches)[25:] == [pages.INLINE]


def test_consent_is_answered_and_the_search_goes_on(tmp_path: Path) -> None:
    steps, addresses = growing(40)
    consent = "https://consent.google.com/ml?continue=x"
    window = FakeWindow(
        {URL: steps, consent: [pages.CONSENT]},
        redirects={URL: consent, f"consent:{consent}": URL},
    )

    assert found(search(window, tmp_path, wanted=40)) == addresses


def test_consent_that_does_not_go_away_stops_the_source(tmp_path: Path) -> None:
    with pytest.raises(BlockedError, match="does not let us past a consent page, saved as"):
        search(FakeWindow({URL: [pages.CONSENT]}), tmp_path)


def test_a_block_stops_at_once_and_is_kept_as_evidence(tmp_path: Path) -> None:
    window = FakeWindow({URL: [pages.SORRY]})

    with pytest.raises(BlockedError, match="unusual traffic"):
        search(window, tmp_path)

    assert window.scripts == 0
    assert window.is_closed
    assert sorted(path.suffix for path in (tmp_path / "evidence").iterdir()) == [".html", ".png"]


def test_a_block_while_scrolling_keeps_what_was_found(tmp_path: Path) -> None:
    steps, addresses = growing(60)
    window = FakeWindow({URL: [*steps[:2], pages.SORRY]})
    batches: list[Batch] = []

    clock = JumpingClock()
    with source(window, tmp_path, POLICY, clock) as google, pytest.raises(BlockedError):
        batches.extend(rested(google.search("shrew", wanted=500), clock))

    assert found(batches) == addresses[:50]


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        (pages.NEW_LAYOUT, LayoutError, "unknown layout, saved as .*report it"),
        (UNREADABLE_CARDS, LayoutError, "unknown layout, saved as .*report it"),
        (pages.UNSUPPORTED, LayoutError, "does not support"),
        (pages.JS_SHELL, BlockedError, "JavaScript"),
        (pages.SIGN_IN, BlockedError, "sign-in"),
        (pages.BROWSER_ERROR, BrowserError, "cannot open https://www.google.com: nothing listens"),
    ],
)
def test_pages_that_give_nothing_are_errors_that_say_why(
    tmp_path: Path, page: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        search(FakeWindow({URL: [page]}), tmp_path)


def test_no_results_is_an_answer(tmp_path: Path) -> None:
    assert search(FakeWindow({URL: [pages.NO_RESULTS]}), tmp_path) == [
        Batch(ended_because="no results")
    ]


def test_the_search_address_quotes_the_species() -> None:
    policy = SearchPolicy(base_url="http://127.0.0.1:8000/")

    assert policy.search_url("Sorex & co") == (
        "http://127.0.0.1:8000/search?q=Sorex+%26+co&udm=2&hl=en"
    )


@pytest.mark.parametrize("url", ["", "google.com", "file:///x", "http://"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be like"):
        SearchPolicy(base_url=url)
