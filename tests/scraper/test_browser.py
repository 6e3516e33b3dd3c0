from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scraper.browser import BrowserPolicy, check, network_error, start, window
from scraper.errors import BrowserError
from tests.fakes import ImageServer, Reply

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no Chromium with its driver on this machine",
)


def test_every_way_that_was_tried_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SE_OFFLINE", "true")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(BrowserError) as failed:
        start(BrowserPolicy(browser_path=tmp_path / "nothing"))

    message = str(failed.value)
    for way in ("chromedriver on PATH: not there", "Selenium Manager: ", "webdriver-manager: "):
        assert way in message
    assert "install Chromium" in message


def test_a_named_driver_is_the_only_one_tried(tmp_path: Path) -> None:
    policy = BrowserPolicy(driver_path=tmp_path / "nothing")

    with pytest.raises(BrowserError, match=r"Tried --driver-path .*: there is no such file\. To"):
        start(policy)


def test_a_grid_that_is_not_there_is_said() -> None:
    with ImageServer() as server:
        url = server.url("")

    with pytest.raises(BrowserError, match=r"the grid at .*nothing listens there.*--grid-url"):
        start(BrowserPolicy(grid_url=url))


@needs_browser
def test_a_window_opens_pages_and_runs_scripts() -> None:
    page = Reply(
        body=b"<title>x</title><p>hello", headers={"Content-Type": "text/html; charset=utf-8"}
    )
    with ImageServer() as server, window(BrowserPolicy()) as opened:
        server.script["/a"] = [page]
        opened.open(server.url("/a"))

        assert opened.url() == server.url("/a")
        assert "hello" in opened.html()
        assert (
            opened.run("return document.querySelector('p').innerText + arguments[0]", 1) == "hello1"
        )
        assert opened.screenshot().startswith(b"\x89PNG")
        assert "HeadlessChrome" in opened.run("return navigator.userAgent")  # Nothing is hidden.
        with pytest.raises(BrowserError, match="the page's script failed"):
            opened.run("nonsense(")


@needs_browser
def test_a_host_that_is_not_there_is_said() -> None:
    with ImageServer() as server:
        url = server.url("/a")

    with window(BrowserPolicy()) as opened, pytest.raises(BrowserError, match="nothing listens"):
        opened.open(url)


@needs_browser
def test_the_doctor_finds_browser_and_driver() -> None:
    rows = check()

    assert [(row.name, row.ok) for row in rows] == [("browser", True), ("driver", True)]
    assert "found by chromedriver on PATH" in rows[1].detail


def test_the_doctor_says_how_to_mend(tmp_path: Path) -> None:
    rows = check(BrowserPolicy(driver_path=tmp_path / "nothing"))

    assert not rows[-1].ok
    assert "install Chromium" in rows[-1].how_to_mend


def test_the_code_of_a_browsers_error_page_is_translated() -> None:
    comment = "// such as net::ERR_INTERNET_DISCONNECTED"

    assert network_error(f'{comment} {{"errorCode":"ERR_CONNECTION_REFUSED"}}').startswith(
        "nothing"
    )
    assert network_error("net::ERR_NEW_ONE") == "ERR_NEW_ONE"
    assert network_error("fine") == ""


_KILLED = """
import os, signal
from scraper.browser import BrowserPolicy, window
with window(BrowserPolicy()) as opened:
    numbers = opened._driver.service.process.pid, opened._driver.capabilities["goog:processID"]
    print(*numbers, flush=True)
    {before}
    os.kill(os.getpid(), signal.SIGKILL)
"""
of_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@needs_browser
@of_linux
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="the browser ends when asked to"),
        pytest.param("os.kill(numbers[1], signal.SIGSTOP)", id="the browser hangs"),
    ],
)
def test_a_scrape_that_is_killed_leaves_no_browser_behind(before: str) -> None:
    command = [sys.executable, "-c", _KILLED.format(before=before)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    left = [int(number) for number in killed.stdout.split()]

    assert killed.returncode == -signal.SIGKILL
    assert len(left) == 2
    deadline = time.monotonic() + 20
    while any(map(is_running, left)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@needs_browser
@of_linux
def test_a_browser_that_hangs_when_its_driver_dies_is_ended() -> None:
    with window(BrowserPolicy()) as opened:
        service = opened._driver.service  # type: ignore[attr-defined]
        browser = opened._driver.capabilities["goog:processID"]
        os.kill(browser, signal.SIGSTOP)
        service.process.kill()

    deadline = time.monotonic() + 5
    while is_running(browser):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(number: int) -> bool:
    """Whether there is such a process, and not only what its parent has not taken note of."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
