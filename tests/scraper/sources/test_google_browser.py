"""The search through a real browser: panels, browsers that die, pages that nobody can read."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scraper import browser
from scraper.browser import BrowserPolicy
from scraper.clock import SystemClock
from scraper.errors import BlockedError, BrowserError, LayoutError
from scraper.evidence import Evidence
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.sources.offers import Batch, rested
from scraper.standin.faults import Consent, Faults
from scraper.standin.hosts import Paging
from scraper.standin.site import Site
from tests.fakes import ImageServer, Reply, png
from tests.scraper import google_pages as pages

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="no Chromium with its driver on this machine",
    ),
    pytest.mark.skipif(os.name == "nt", reason="ends processes by signal"),
]
QUICK = SearchPolicy(pause_s=0.1, search_pause_s=0.1, patience_s=2, settle_s=2, panel_s=1)
PATIENT = replace(QUICK, poll_s=0.5)
"""What comes in pieces is whole when nothing came for two looks: on a busy machine the pieces of
one answer are a tenth of a second apart."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gallery")
    (root / "mouse").mkdir()
    for number in range(80):
        (root / "mouse" / f"{number:02}.png").write_bytes(png(number, side_px=48))
    return root


class Windows:
    """Real windows; the last one opened can be looked at, and so can their number."""

    def __init__(self, policy: BrowserPolicy | None = None) -> None:
        self._policy = policy or BrowserPolicy()
        self.opened: list[browser.Window] = []

    @contextmanager
    def __call__(self) -> Iterator[browser.Window]:
        with browser.window(self._policy) as window:
            self.opened.append(window)
            yield window

    def end_browser(self) -> None:
        """Kill the browser that was opened last."""
        os.kill(self.opened[-1]._driver.capabilities["goog:processID"], signal.SIGKILL)

    def end_driver(self) -> None:
        """Kill the driver that was started last."""
        self.opened[-1]._driver.service.process.kill()  # type: ignore[attr-defined]


def source(
    windows: Windows, folder: Path, base_url: str, *, policy: SearchPolicy = QUICK
) -> GoogleSource:
    evidence = Evidence(folder=folder / "evidence", clock=SystemClock())
    return GoogleSource(windows, policy=replace(policy, base_url=base_url), evidence=evidence)


def searched(google: GoogleSource, *, wanted: int) -> Iterator[Batch]:
    return rested(google.search("mouse", wanted=wanted), SystemClock())


def addresses(batches: list[Batch]) -> list[str]:
    return [candidate.image_url for batch in batches for candidate in batch.candidates]


def test_panels_give_the_addresses_that_the_page_keeps_to_itself(
    tmp_path: Path, gallery: Path
) -> None:
    faults = Faults(consent="off", share_panel_only=0.3, share_hover_only=0.2)
    windows = Windows()
    with Site(gallery, faults=faults) as site, source(windows, tmp_path, site.base_url) as google:
        found = addresses(list(searched(google, wanted=80)))
        offered = {offer.image_url for offer in site.offers()}
        asked = [hit for hit in site.log if hit.path.startswith("/photos")]

    assert set(found) == offered
    assert len(found) == 80
    assert asked == []  # The panels were read without loading anybody's image.


@pytest.mark.parametrize(
    ("paging", "answered", "told"),
    [
        pytest.param(Paging(), 1, 40, id="the first batch"),
        pytest.param(Paging(first=20, batch=10), 1, 20, id="the first batch after a short page"),
        pytest.param(Paging(), 2, 64, id="the second batch"),
    ],
)
def test_what_was_shown_before_a_block_is_told(
    tmp_path: Path, gallery: Path, paging: Paging, answered: int, told: int
) -> None:
    faults = Faults(consent="off", block_after=answered)
    batches: list[Batch] = []
    with (
        Site(gallery, faults=faults, paging=paging) as site,
        source(Windows(), tmp_path, site.base_url, policy=PATIENT) as google,
        pytest.raises(BlockedError, match=r"turned us away with a block page"),
    ):
        batches.extend(searched(google, wanted=500))

    assert len(addresses(batches)) == told


@pytest.mark.parametrize("consent", ["interstitial", "overlay"])
def test_consent_is_declined_and_the_results_are_read(
    tmp_path: Path, gallery: Path, consent: Consent
) -> None:
    with (
        Site(gallery, faults=Faults(consent=consent)) as site,
        source(Windows(), tmp_path, site.base_url) as google,
    ):
        found = addresses(list(searched(google, wanted=20)))
        choices = [hit for hit in site.log if hit.path.startswith("/consent/save")]

    assert len(found) >= 20
    assert len(choices) == 1


@pytest.mark.parametrize("death", [Windows.end_browser, Windows.end_driver])
def test_a_search_outlives_its_browser(tmp_path: Path, gallery: Path, death: object) -> None:
    windows, batches = Windows(), []
    paging = Paging(first=20, batch=10)
    with (
        Site(gallery, faults=Faults(consent="off"), paging=paging) as site,
        source(windows, tmp_path, site.base_url) as google,
    ):
        for batch in searched(google, wanted=500):
            if batch.candidates and len(windows.opened) == 1:
                death(windows)  # type: ignore[operator]
            batches.append(batch)
        offered = {offer.image_url for offer in site.offers()}

    assert len(windows.opened) == 2
    assert set(addresses(batches)) == offered
    assert len(addresses(batches)) == len(offered)
    assert batches[-1].ended_because == "the end of the results"


def test_a_site_that_never_answers_is_given_up_after_three_browsers(tmp_path: Path) -> None:
    windows = Windows(BrowserPolicy(page_timeout_s=1))
    with (
        silent_server() as base_url,
        source(windows, tmp_path, base_url) as google,
        pytest.raises(BrowserError, match=r"3 browsers in a row .*it took too long"),
    ):
        list(searched(google, wanted=5))

    assert len(windows.opened) == 3


def test_a_page_that_hangs_in_its_own_script_is_left_with_what_it_showed(tmp_path: Path) -> None:
    hanging = "<script>addEventListener('scroll', () => { for (;;) {} })</script>"
    text = pages.l4(pages.shots(30)) + "<div style='height: 9000px'></div>" + hanging
    page = Reply(body=text.encode(), headers={"Content-Type": "text/html"})
    windows, batches = Windows(BrowserPolicy(page_timeout_s=1)), []
    with ImageServer() as server, source(windows, tmp_path, server.url("")) as google:
        server.script["/search?q=mouse&udm=2&hl=en"] = [page]
        with pytest.raises(BrowserError, match=r"3 browsers in a row .*it took too long"):
            batches.extend(searched(google, wanted=500))

    assert len(addresses(batches)) == 30
    assert len(windows.opened) == 3


@contextmanager
def silent_server() -> Iterator[str]:
    """Take connections, and say nothing to anybody."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:  # The server is closed.
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in taken:
        connection.close()


def test_a_layout_that_nobody_knows_is_an_error_with_evidence(tmp_path: Path) -> None:
    page = Reply(body=pages.NEW_LAYOUT.encode(), headers={"Content-Type": "text/html"})
    with ImageServer() as server, source(Windows(), tmp_path, server.url("")) as google:
        server.script["/search?q=mouse&udm=2&hl=en"] = [page]
        with pytest.raises(LayoutError, match=r"unknown layout, saved as .*report it"):
            list(searched(google, wanted=5))

    text, picture = sorted((tmp_path / "evidence").iterdir())
    assert "<p-card" in text.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_button_for_more_is_pressed_in_any_language(tmp_path: Path) -> None:
    shown = pages.shots(50)
    first, second = pages.l4(shown[:30]), pages.script_json(pages.l4(shown[30:]))
    button = (
        "<button onclick='document.body.insertAdjacentHTML(\"beforeend\", more); this.remove()'>"
        f"Weitere Ergebnisse</button><script>const more = {second}</script>"
    )
    page = Reply(body=(first + button).encode(), headers={"Content-Type": "text/html"})
    with ImageServer() as server, source(Windows(), tmp_path, server.url("")) as google:
        server.script["/search?q=mouse&udm=2&hl=en"] = [page]
        batches = list(searched(google, wanted=500))

    assert addresses(batches) == [shot.image_url for shot in shown]
    assert batches[-1].ended_because == "no new results for 2 s"
