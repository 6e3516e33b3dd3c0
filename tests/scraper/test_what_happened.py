"""docs/what-happened-to-my-crawl.md, row by row: so the site misbehaves, and that is told."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scraper.addresses import AddressRule
from scraper.browser import BrowserPolicy, Window, window
from scraper.clock import SystemClock
from scraper.commands import scrape
from scraper.crawl import Crawl, CrawlPlan, Searched, Stopped
from scraper.errors import BrowserError
from scraper.evidence import Evidence
from scraper.fetch import Web
from scraper.harvest import Harvest
from scraper.hosts import Downloads
from scraper.progress import search_line
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.species import Species
from scraper.standin.commands import standin
from scraper.standin.faults import Faults
from scraper.standin.site import Site
from scraper.summary import document_of, nothing_found, stop_error
from tests.fakes import NoJitter, png
from tests.scraper.test_manners import HASTY, gather

PAGE = Path(__file__).parents[2] / "docs" / "what-happened-to-my-crawl.md"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the page's tables."""

    happens: str
    to_see: str
    reads: str
    exit_code: int

    @property
    def words(self) -> list[str]:
        """What is quoted in the second column."""
        return [
            word for quoted in re.findall("`(.*?)`", self.to_see) for word in shlex.split(quoted)
        ]

    def is_said_in(self, text: str) -> bool:
        """Whether a text has the quoted words in their order."""
        (quoted,) = re.findall("^`(.*)`$", self.reads)
        return re.search(".*".join(map(re.escape, quoted.split("…"))), text, re.DOTALL) is not None


def rows(heading: str) -> list[Row]:
    table = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    return [
        Row(happens=happens, to_see=to_see, reads=reads, exit_code=int(code))
        for happens, to_see, _, reads, code in cells[1:]
    ]


SEARCHES = {row.happens: row for row in rows("The search site")}
HOSTS = {row.happens: row for row in rows("The hosts of the images")}


def faults(row: Row) -> Faults:
    """The switches that a row names, read as `bestiary standin` reads them; nothing lasts long."""
    words = row.words[: row.words.index("--max-bytes")] if "--max-bytes" in row.words else row.words
    given = standin.make_context("standin", ["pictures", "--consent", "off", *words]).params
    switches = {name: value for name, value in given.items() if name in Faults.__slots__}
    return Faults(**{**switches, "slow_s": min(switches["slow_s"], 4.0)})


@contextlib.contextmanager
def site(folder: Path, row: Row, *, pictures: int) -> Iterator[Site]:
    shrews = folder / "pictures" / "shrew"
    shrews.mkdir(parents=True)
    for number in range(pictures):
        (shrews / f"{number}.png").write_bytes(png(number))
    with Site(folder / "pictures", faults=faults(row), image_hosts=1) as running:
        yield running


def test_the_page_has_the_rows_that_one_looks_for() -> None:
    assert len(SEARCHES) == 13
    assert len(HOSTS) == 22


@pytest.mark.parametrize("happens", HOSTS)
def test_a_host_that_misbehaves_is_told_of_in_these_words(tmp_path: Path, happens: str) -> None:
    row = HOSTS[happens]
    with site(tmp_path, row, pictures=2) as running:
        told = gather(running, tmp_path, replace(HASTY, attempts=4))

    assert told.exit_code == row.exit_code
    if row.reads == "nothing of it":
        assert "×" not in told.text
    else:
        assert row.is_said_in(told.text), told.text


needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no Chromium with its driver on this machine",
)
TRIED = [name for name, row in SEARCHES.items() if re.match("`--(?!browser)[^`]*`$", row.to_see)]


@pytest.fixture(scope="module")
def opened() -> Iterator[Window]:
    with window(BrowserPolicy()) as one:
        yield one


@pytest.fixture(autouse=True)
def forget_consent(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "opened" in request.fixturenames:
        request.getfixturevalue("opened")._driver.delete_all_cookies()


@needs_browser
@pytest.mark.parametrize("happens", TRIED)
def test_a_search_that_goes_wrong_is_told_of_in_these_words(
    tmp_path: Path, opened: Window, happens: str
) -> None:
    row = SEARCHES[happens]
    with site(tmp_path, row, pictures=12) as running:
        exit_code, text = searched("shrew", running, tmp_path, opened)
        asked = len(running.log)
        again = searched("shrew", running, tmp_path, opened)
        asked_again = len(running.log) - asked

    assert exit_code == row.exit_code
    assert row.is_said_in(text), text
    if row.words == ["--block-after", "0"]:
        assert SEARCHES["the same command before that time"].is_said_in(again[1]), again
        assert asked_again == 0


@needs_browser
def test_a_species_that_nobody_has_is_told_of_in_these_words(
    tmp_path: Path, opened: Window
) -> None:
    row = SEARCHES["no results"]
    with site(tmp_path, SEARCHES["a consent page"], pictures=2) as running:
        exit_code, text = searched("unicorn", running, tmp_path, opened)

    assert exit_code == row.exit_code
    assert row.is_said_in(text), text


def searched(name: str, running: Site, folder: Path, opened: Window) -> tuple[int, str]:
    """What a search ends with, and all that its user is told."""
    clock, policy = SystemClock(), HASTY
    search = SearchPolicy(base_url=running.base_url, settle_s=0.5, patience_s=1)
    rule = AddressRule.of([Site.address_range])
    with (
        contextlib.closing(Web(policy=policy, rule=rule, clock=clock)) as web,
        Harvest.create(folder / "harvest") as harvest,
        Downloads(web.ask, policy=policy, clock=clock, rng=NoJitter()) as downloads,
    ):
        plan = CrawlPlan(species=(Species(name=name),), per_species=3)
        evidence = Evidence(folder=folder / "evidence", clock=clock)
        source = GoogleSource(lambda: nullcontext(opened), policy=search, evidence=evidence)
        run = Crawl(plan, harvest=harvest, source=source, downloads=downloads, clock=clock)
        return told(run, plan, harvest)


def told(run: Crawl, plan: CrawlPlan, harvest: Harvest) -> tuple[int, str]:
    outcomes = list(run.outcomes())
    lines = [search_line(one, is_local=False) for one in outcomes if isinstance(one, Searched)]
    stopped = next((one for one in outcomes if isinstance(one, Stopped)), None)
    command = "bestiary scrape shrew"
    document = document_of(plan, harvest, stopped, source="google", warnings=(), command=command)
    if stopped is not None:
        error = stop_error(stopped, document, command=command)
        return error.exit_code, f"Error: {error}"
    if not document["species"][plan.species[0].name]["kept"]:
        return 1, f"Error: {nothing_found(document, source='google')}"
    return 0, "\n".join(lines)


@needs_browser
def test_browsers_that_end_at_once_are_told_of_in_these_words(tmp_path: Path) -> None:
    row = SEARCHES["each new browser ends at once"]
    words = ["shrew", "--base-url", "http://127.0.0.1:9", "--harvest", str(tmp_path), *row.words]

    result = CliRunner().invoke(scrape, words, standalone_mode=False)

    assert isinstance(result.exception, BrowserError)
    assert result.exception.exit_code == row.exit_code
    assert row.is_said_in(f"Error: {result.exception}"), result.exception
