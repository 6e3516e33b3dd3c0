from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scraper.errors import BlockedError, BrowserError, LayoutError
from scraper.evidence import Evidence
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.sources.offers import ENOUGH, Batch
from tests.fakes import FakeWindow, JumpingClock
from tests.scraper import google_pages as pages

POLICY = SearchPolicy()
URL = POLICY.search_url("shrew")
END = "<div>Looks like you've reached the end</div>"


def source(window: FakeWindow, folder: Path) -> GoogleSource:
    @contextlib.contextmanager
    def opened() -> Iterator[FakeWindow]:
        yield window
        window.is_closed = True

    evidence = Evidence(folder=folder / "evidence", clock=JumpingClock())
    return GoogleSource(opened, policy=POLICY, evidence=evidence)


def search(window: FakeWindow, folder: Path, *, wanted: int = 50) -> list[Batch]:
    with source(window, folder) as google:
        return list(google.search("shrew", wanted=wanted))


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


def test_one_script_runs_per_step_however_many_cards_there_are(tmp_path: Path) -> None:
    steps, _ = growing(400, by=100)
    window = FakeWindow({URL: steps})

    search(window, tmp_path, wanted=400)

    assert window.scripts <= len(steps) + 1


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

    with source(window, tmp_path) as google, pytest.raises(BlockedError):
        batches.extend(google.search("shrew", wanted=500))

    assert found(batches) == addresses[:50]


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        (pages.NEW_LAYOUT, LayoutError, "unknown layout, saved as .*report it"),
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
