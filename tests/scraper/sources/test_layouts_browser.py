"""Every layout and every page without results, served by the stand-in, read through a browser."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scraper.browser import BrowserPolicy, Window, window
from scraper.clock import SystemClock
from scraper.errors import BlockedError, BrowserError, LayoutError, ScraperError
from scraper.evidence import Evidence
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.sources.offers import rested
from scraper.standin.faults import CHOICES, Faults
from scraper.standin.hosts import Paging
from scraper.standin.site import Site
from tests.fakes import png

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no Chromium with its driver on this machine",
)
PICTURES = 50


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gallery")
    (root / "mouse").mkdir()
    for number in range(PICTURES):
        (root / "mouse" / f"{number:02}.png").write_bytes(png(number, side_px=24))
    return root


@pytest.fixture(scope="module")
def opened() -> Iterator[Window]:
    with window(BrowserPolicy()) as one:
        yield one


def found(site: Site, opened: Window, folder: Path) -> tuple[list[str], list[str], str]:
    """The addresses of the images and of their pages, and why the search ended."""
    clock = SystemClock()
    source = GoogleSource(
        lambda: contextlib.nullcontext(opened),
        policy=SearchPolicy(
            base_url=site.base_url, pause_s=0.05, patience_s=1, settle_s=1, search_pause_s=0
        ),
        evidence=Evidence(folder=folder / "evidence", clock=clock),
    )
    batches = list(rested(source.search("mouse", wanted=500), clock))
    candidates = [candidate for batch in batches for candidate in batch.candidates]
    images, pages = (
        [getattr(one, name) for one in candidates] for name in ("image_url", "page_url")
    )
    return images, pages, batches[-1].ended_because


@pytest.mark.parametrize("layout", [one for one in CHOICES["layout"] if one != "basic"])
def test_every_layout_is_scrolled_and_read_to_its_end(
    tmp_path: Path, gallery: Path, opened: Window, layout: str
) -> None:
    faults = Faults(consent="off", layout=layout)  # type: ignore[arg-type]
    with Site(gallery, faults=faults, paging=Paging(first=20, batch=15)) as site:
        images, pages, because = found(site, opened, tmp_path)
        offers = list(site.offers())

    assert images == [offer.image_url for offer in offers]
    assert pages == [offer.page_url for offer in offers]
    assert because == "the end of the results"


def test_the_layout_for_browsers_without_scripts_gives_its_first_page(
    tmp_path: Path, gallery: Path, opened: Window
) -> None:
    faults = Faults(consent="off", layout="basic")
    with Site(gallery, faults=faults, paging=Paging(first=20)) as site:
        images, pages, because = found(site, opened, tmp_path)
        offers = list(site.offers())[:20]

    assert images == [offer.image_url for offer in offers]
    assert pages == [offer.page_url for offer in offers]
    assert because == "no new results for 1 s"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ("js-shell", BlockedError, "wants JavaScript proof of a browser, saved as"),
        ("sign-in", BlockedError, "turned us away with a sign-in page, saved as"),
        ("unsupported-browser", LayoutError, "browsers that it does not support, saved as"),
        ("unknown-layout", LayoutError, "a page of an unknown layout, saved as"),
        ("hang-up", BrowserError, "cannot open"),
    ],
)
def test_a_page_without_results_is_an_error_of_its_kind(
    tmp_path: Path,
    gallery: Path,
    opened: Window,
    answer: str,
    error: type[ScraperError],
    message: str,
) -> None:
    with (
        Site(gallery, faults=Faults(consent="off", answer=answer)) as site,  # type: ignore[arg-type]
        pytest.raises(error, match=message),
    ):
        found(site, opened, tmp_path)
