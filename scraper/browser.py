"""A real browser, driven by Selenium: the only module that imports it.

The browser is what it says it is: nothing here hides that it is driven by a program.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scraper.errors import BrowserError, BrowserLostError

if TYPE_CHECKING:
    from selenium.webdriver import ChromeOptions
    from selenium.webdriver.remote.webdriver import WebDriver

_BROWSERS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
)
_QUIET_FLAGS: Final = (
    # What a browser otherwise asks of its maker's servers by itself.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--disable-search-engine-choice-screen",
    # /dev/shm is too small in many containers.
    "--disable-dev-shm-usage",
)
_NO_IMAGES: Final = {"profile.managed_default_content_settings.images": 2}
_DRIVER_GRACE_S: Final = 10.0
"""What a driver may take beyond the page's own time."""
_ENDING_GRACE_S: Final = 5.0
"""What a browser may take to end when it is asked to."""
_INSTALL: Final = (
    "install Chromium with its driver (Debian, Ubuntu: apt install chromium chromium-driver;"
    " macOS: brew install --cask google-chrome chromedriver; Windows: install Google Chrome),"
    " or name them with --browser-path and --driver-path"
)


_ENDED_AT_ONCE: Final = ("exited", "crashed", "DevToolsActivePort", "not reachable")
"""What a driver says of a browser that it started, and that was gone before it answered."""

# What Selenium says on the way is said to nobody: errors tell it where it matters.
logging.getLogger("selenium").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserPolicy:
    """Which browser to start, and how."""

    driver_path: Path | None = None
    browser_path: Path | None = None
    grid_url: str = ""
    """A Selenium Grid, or a driver that listens; empty for a browser on this machine."""
    is_headed: bool = False
    loads_images: bool = False
    """Whether previews are loaded where nobody looks at them; a window that is seen has them."""
    language: str = "en"
    width_px: int = 1280
    height_px: int = 600
    """Low, so that a page asks for further results when it is scrolled, not by itself: what it
    showed first is read before the next request can meet a block."""
    page_timeout_s: float = 45.0

    def __post_init__(self) -> None:
        if self.page_timeout_s <= 0:
            raise ValueError(f"page_timeout_s must be more than 0, not {self.page_timeout_s}")


class Window:
    """One browser window.

    Every method raises BrowserError when the page or the network is at fault, and
    BrowserLostError when the browser or its driver does not answer any more.
    """

    def __init__(self, driver: WebDriver) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Go to an address and wait until its text is there."""
        with _explained(f"the browser cannot open {url}"):
            self._driver.get(url)

    def url(self) -> str:
        """The address of the page shown, after all redirects."""
        with _explained("the browser does not say where it is"):
            return self._driver.current_url

    def html(self) -> str:
        """The page as it is now."""
        with _explained("the browser does not give the page"):
            return self._driver.page_source

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page; return what it returns."""
        with _explained("the page's script failed"):
            return self._driver.execute_script(script, *arguments)

    def screenshot(self) -> bytes:
        """A PNG of what the window shows."""
        with _explained("the browser gives no screenshot"):
            return self._driver.get_screenshot_as_png()

    def close(self) -> None:
        """Quit the browser, also one that no longer listens to its driver, or to anybody."""
        from selenium.common.exceptions import WebDriverException
        from urllib3.exceptions import HTTPError

        service = getattr(self._driver, "service", None)
        is_orphan = service is not None and service.process.poll() is not None
        try:
            self._driver.quit()
        except (WebDriverException, HTTPError, OSError):  # It is gone already, or deaf.
            is_orphan = service is not None
        number = self._driver.capabilities.get("goog:processID")
        # A driver may end without its browser, too, and not say so.
        if service is not None and isinstance(number, int) and (is_orphan or _is_running(number)):
            _end(number)


def _end(number: int) -> None:
    """Ask a browser of this machine to end, and end it where it does not."""
    with contextlib.suppress(OSError):  # It ended by itself, as it should.
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + _ENDING_GRACE_S
        while _is_running(number):
            if time.monotonic() > deadline:
                os.kill(number, signal.SIGKILL)
                return
            time.sleep(0.02)


def _is_running(number: int) -> bool:
    """Whether there is such a process; on Windows, which ends what it is told to, never."""
    if os.name == "nt":
        return False
    try:
        os.kill(number, 0)
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:  # No Linux, or gone in between.
        return sys.platform != "linux"
    except OSError:
        return False
    return state != "Z"  # Whose parent has not taken note of its end.


@contextlib.contextmanager
def window(policy: BrowserPolicy) -> Iterator[Window]:
    """Start a browser, and quit it whatever happens.

    Raises:
        BrowserError: none could be started; the message names every way that was tried.
    """
    driver = start(policy).driver
    opened = Window(driver)
    with _ended_with_us(driver):
        try:
            yield opened
        finally:
            opened.close()


@contextlib.contextmanager
def _ended_with_us(driver: WebDriver) -> Iterator[None]:
    """Have somebody end driver and browser if we are killed: they would outlive us.

    It waits for a line that never comes, until the pipe to it breaks; who does not end when
    asked to is ended a little later.
    """
    service = getattr(driver, "service", None)
    numbers = [service and service.process.pid, driver.capabilities.get("goog:processID")]
    if os.name == "nt" or not all(isinstance(number, int) for number in numbers):
        yield
        return
    doomed = " ".join(map(str, numbers))
    asked, ended = f"kill {doomed}", f"sleep {_ENDING_GRACE_S:g}; kill -9 {doomed}"
    command = ["/bin/sh", "-c", f"read line; {asked}; {ended}"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as heir:
        try:
            yield
        finally:
            heir.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A running browser, and the way in which its driver was found."""

    driver: WebDriver
    way: str
    driver_path: str


def start(policy: BrowserPolicy) -> Started:
    """Start a browser in the first way that works.

    Raises:
        BrowserLostError: it was started, and ended at once.
        BrowserError: it could not be started in any way.
    """
    os.environ["SE_AVOID_STATS"] = "true"  # Read by Selenium Manager, a program of its own.
    failures: list[str] = []
    for way, find_driver in _ways(policy):
        try:
            driver_path = find_driver()
            driver = _launch(policy, driver_path)
        except BrowserLostError:
            raise  # Another driver would start the same browser.
        except BrowserError as error:
            failures.append(f"{way}: {error}")
            continue
        _set_patience(driver, policy)
        return Started(driver=driver, way=way, driver_path=driver_path)
    mend = "check --grid-url" if policy.grid_url else _INSTALL
    raise BrowserError(
        f"no browser could be started. Tried {'; '.join(failures)}. To mend it, {mend}"
    )


def _set_patience(driver: WebDriver, policy: BrowserPolicy) -> None:
    driver.set_page_load_timeout(policy.page_timeout_s)
    driver.set_script_timeout(policy.page_timeout_s)
    connection = driver.command_executor
    if not isinstance(connection, str):  # A driver that hangs itself tells nobody.
        connection.client_config.timeout = policy.page_timeout_s + _DRIVER_GRACE_S


Way = tuple[str, Callable[[], str]]


def _ways(policy: BrowserPolicy) -> Sequence[Way]:
    """The ways to a driver, the surest first. Only the last two may use the network."""
    if policy.grid_url:
        return [(f"the grid at {policy.grid_url}", str)]
    if policy.driver_path is not None:
        path = policy.driver_path
        return [(f"--driver-path {path}", lambda: _existing(path))]
    return [
        ("chromedriver on PATH", _driver_on_path),
        ("Selenium Manager", lambda: _driver_of_selenium_manager(policy)),
        ("webdriver-manager", lambda: _driver_of_webdriver_manager(policy)),
    ]


def _existing(path: Path) -> str:
    if not path.is_file():
        raise BrowserError("there is no such file")
    return str(path)


def _driver_on_path() -> str:
    found = shutil.which("chromedriver")
    if found is None:
        raise BrowserError("not there")
    return found


def _driver_of_selenium_manager(policy: BrowserPolicy) -> str:
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.driver_finder import DriverFinder

    try:
        return DriverFinder(Service(), _options(policy)).get_driver_path()
    except (WebDriverException, OSError) as error:
        raise BrowserError(_reason(error)) from error


def _driver_of_webdriver_manager(policy: BrowserPolicy) -> str:
    import requests
    from webdriver_manager.chrome import ChromeDriverManager
    from webdriver_manager.core.os_manager import ChromeType

    is_chromium = "chromium" in (browser_path(policy) or "")
    kind = ChromeType.CHROMIUM if is_chromium else ChromeType.GOOGLE
    try:
        return str(ChromeDriverManager(chrome_type=kind).install())
    except (requests.RequestException, OSError, ValueError, AttributeError) as error:
        raise BrowserError(_reason(error)) from error


def _launch(policy: BrowserPolicy, driver_path: str) -> WebDriver:
    from selenium import webdriver
    from selenium.common.exceptions import SessionNotCreatedException, WebDriverException
    from selenium.webdriver.chrome.service import Service
    from urllib3.exceptions import HTTPError

    if policy.browser_path is not None and not policy.grid_url:
        _existing_browser(policy.browser_path)
    try:
        if policy.grid_url:
            return webdriver.Remote(policy.grid_url, options=_options(policy))
        return webdriver.Chrome(options=_options(policy), service=Service(driver_path))
    except SessionNotCreatedException as error:
        if any(words in str(error) for words in _ENDED_AT_ONCE):
            raise BrowserLostError(f"the browser ended at once: {_reason(error)}") from error
        raise BrowserError(_reason(error)) from error
    except (WebDriverException, HTTPError, OSError, ValueError) as error:
        raise BrowserError(_reason(error)) from error


def _existing_browser(path: Path) -> None:
    if not path.is_file():
        raise BrowserError(f"there is no browser at {path}")


def _options(policy: BrowserPolicy) -> ChromeOptions:
    from selenium.webdriver import ChromeOptions

    options = ChromeOptions()
    options.page_load_strategy = "eager"
    for flag in _flags(policy):
        options.add_argument(flag)
    if not (policy.is_headed or policy.loads_images):
        # Previews are read from the page's text; nobody looks at them here.
        options.add_experimental_option("prefs", _NO_IMAGES)
    found = browser_path(policy)
    if found and not policy.grid_url:
        options.binary_location = found
    return options


def _flags(policy: BrowserPolicy) -> list[str]:
    flags = [*_QUIET_FLAGS, f"--lang={policy.language}"]
    flags.append(f"--window-size={policy.width_px},{policy.height_px}")
    if not policy.is_headed:
        flags.append("--headless=new")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to start for root otherwise.
    return flags


def browser_path(policy: BrowserPolicy) -> str | None:
    """Where the browser is: as named, else the first known one; None leaves it to the driver."""
    if policy.browser_path is not None:
        return str(policy.browser_path)
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what Selenium raises into a sentence, and say whether the browser is lost."""
    from selenium.common.exceptions import JavascriptException, WebDriverException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except JavascriptException as error:
        raise BrowserError(f"{what}: {_reason(error)}") from error
    except (WebDriverException, HTTPError, OSError) as error:
        is_of_network = "net::ERR_" in str(error)
        kind = BrowserError if is_of_network else BrowserLostError
        raise kind(f"{what}: {_reason(error)}") from error


_NET_ERRORS: Final = {
    "ERR_CONNECTION_REFUSED": "nothing listens there (connection refused)",
    "ERR_NAME_NOT_RESOLVED": "there is no such host, or no internet",
    "ERR_INTERNET_DISCONNECTED": "there is no internet",
    "ERR_CONNECTION_TIMED_OUT": "the host does not answer",
    "ERR_ADDRESS_UNREACHABLE": "the host cannot be reached",
    "ERR_CONNECTION_RESET": "it hung up without an answer",
    "ERR_CONNECTION_CLOSED": "it hung up without an answer",
    "ERR_EMPTY_RESPONSE": "it hung up without an answer",
    "ERR_PROXY_CONNECTION_FAILED": "the proxy does not answer",
    "ERR_CERT_AUTHORITY_INVALID": "its certificate is not valid",
    "ERR_CERT_DATE_INVALID": "its certificate is not valid",
    "ERR_CERT_COMMON_NAME_INVALID": "its certificate is not valid",
    "ERR_SSL_PROTOCOL_ERROR": "no safe connection can be made to it",
    "ERR_TOO_MANY_REDIRECTS": "it redirects without end",
    "ERR_UNSAFE_PORT": "browsers refuse this port",
}


def network_error(text: str) -> str:
    """What the browser's error code in a text means; empty where there is none."""
    codes = (
        re.search(rf"{before}(ERR_[A-Z_]+)", text) for before in (r"errorCode\W{1,4}", "net::")
    )
    found = next(filter(None, codes), None)
    return _NET_ERRORS.get(found[1], found[1]) if found else ""


def _reason(error: Exception) -> str:
    text = str(getattr(error, "msg", None) or error).strip()
    if "timeout" in type(error).__name__.lower() or "timed out" in text.lower():
        return "it took too long"
    if "Connection refused" in text:
        return "nothing listens there (connection refused)"
    first_line = (text.splitlines() or [type(error).__name__])[0]
    told = re.split(r"; For documentation|\. Examine ChromeDriver", first_line)[0]
    return network_error(text) or told.rstrip(". ")


# --- doctor ----------------------------------------------------------------------------


class Check(NamedTuple):
    """One thing that was looked at; `how_to_mend` says what to do where it is not `ok`."""

    name: str
    ok: bool
    detail: str
    how_to_mend: str


def check(policy: BrowserPolicy | None = None) -> list[Check]:
    """Look for the browser and its driver, and start them once."""
    policy = policy or BrowserPolicy()
    found = browser_path(policy)
    rows = [_check_browser(found)]
    try:
        started = start(policy)
    except BrowserError as error:
        return [*rows, Check("driver", False, str(error), _INSTALL)]
    with contextlib.closing(Window(started.driver)):
        facts = started.driver.capabilities
    browser, driver = str(facts.get("browserVersion", "")), _driver_version(facts)
    detail = f"{started.driver_path} {driver}, found by {started.way}"
    is_match = browser.partition(".")[0] == driver.partition(".")[0]
    mend = f"browser {browser} and driver {driver} differ in their first number: {_INSTALL}"
    return [*rows, Check("driver", is_match, detail, "" if is_match else mend)]


def _check_browser(path: str | None) -> Check:
    if path is None:
        return Check("browser", False, "no Chromium or Chrome in the usual places", _INSTALL)
    version = _version(path)
    return Check("browser", bool(version), f"{path} {version or '(does not start)'}", _INSTALL)


def _version(program: str) -> str:
    """What a program answers to --version; empty where it does not."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(?:\.\d+)+", answer.stdout)
    return found[0] if found else ""


def _driver_version(capabilities: dict[str, Any]) -> str:
    return str(capabilities.get("chrome", {}).get("chromedriverVersion", "")).partition(" ")[0]
