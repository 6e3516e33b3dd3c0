"""A browser elsewhere, as a Selenium Grid gives it: a chromedriver that listens plays the grid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from scraper.browser import BrowserPolicy, window
from scraper.clock import SystemClock
from scraper.errors import BrowserError
from scraper.evidence import Evidence
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.sources.offers import rested
from scraper.standin.faults import Faults
from scraper.standin.hosts import Paging
from scraper.standin.site import Site
from tests.fakes import png

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="no Chromium with its driver on this machine",
    ),
    pytest.mark.skipif(os.name == "nt", reason="ends processes by signal"),
]


class Grid:
    """One driver that listens, with the browsers that it starts; both can be ended."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        command = ["chromedriver", f"--port={self._port}"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 30
        while not self._listens():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self) -> None:
        """Take driver and browsers away at once, as when a machine is lost."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


@pytest.fixture
def grid() -> Iterator[Grid]:
    running = Grid()
    running.start()
    yield running
    running.end()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "pictures" / "mouse").mkdir(parents=True)
    for number in range(50):
        (tmp_path / "pictures" / "mouse" / f"{number:02}.png").write_bytes(png(number, side_px=24))
    paging = Paging(first=20, batch=10)
    with Site(tmp_path / "pictures", faults=Faults(consent="off"), paging=paging) as running:
        yield running


def source(grid: Grid, site: Site, folder: Path) -> GoogleSource:
    return GoogleSource(
        partial(window, BrowserPolicy(grid_url=grid.url)),
        policy=SearchPolicy(base_url=site.base_url, search_pause_s=0.1, patience_s=2),
        evidence=Evidence(folder=folder / "evidence", clock=SystemClock()),
    )


def test_a_lost_node_is_replaced_and_the_search_goes_on(
    tmp_path: Path, grid: Grid, site: Site
) -> None:
    addresses: list[str] = []
    with source(grid, site, tmp_path) as google:
        for batch in rested(google.search("mouse", wanted=500), SystemClock()):
            if batch.candidates and not addresses:
                grid.end()
                grid.start()
            addresses += [candidate.image_url for candidate in batch.candidates]
        offered = {offer.image_url for offer in site.offers()}

    assert set(addresses) == offered
    assert len(addresses) == len(offered)


def test_a_grid_that_is_gone_for_good_is_said_and_what_was_found_is_told(
    tmp_path: Path, grid: Grid, site: Site
) -> None:
    with source(grid, site, tmp_path) as google:
        batches = rested(google.search("mouse", wanted=500), SystemClock())
        found = next(batch.candidates for batch in batches if batch.candidates)
        grid.end()
        with pytest.raises(BrowserError, match=r"3 browsers in a row .*nothing listens there"):
            list(batches)

    assert len(found) == 20
