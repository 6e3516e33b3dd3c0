"""The report in a real browser: nothing is asked of a network, and a review can be written."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from curation.comparison import Side, compare
from curation.dataset import Dataset, rendered_files
from curation.leaks import check, look_at_all
from curation.report import comparison_page, write_report
from curation.review import read_review
from scraper.harvest import Candidate, Harvest
from tests.curation.making import curated, encoded, jpeg, picture

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

pytestmark = pytest.mark.skipif(
    not (DRIVER and BROWSER), reason="needs Chromium or Chrome, and chromedriver, on PATH"
)

HOSTILE = '"><img src=x onerror=alert(1)></script>, a, "b"'
SIZES = {"desktop": (1100, 900), "phone": (390, 800)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    """Two species, one with a hostile name; a look-alike, a conflict, and page addresses."""
    folder = tmp_path_factory.mktemp("browser")
    copy = encoded(picture(1).resize((80, 60)), quality=70)
    images = [(HOSTILE, jpeg(seed)) for seed in range(8)] + [(HOSTILE, copy)]
    images += [("mouse", jpeg(seed, (72, 96))) for seed in range(20, 28)] + [("mouse", jpeg(3))]
    with Harvest.create(folder / "harvest") as harvest:
        for number, (species, body) in enumerate(images):
            candidate = Candidate(
                image_url=f"https://pictures.example/{number}.jpg",
                page_url=f"https://pictures.example/{number}" if number % 2 else "javascript:1",
                title=HOSTILE,
            )
            harvest.add([candidate], species=species, source="urls", query="", first_rank=number)
            (record,) = harvest.records("pending")
            harvest.keep(record, body, content_type="image/jpeg", fetched_at="2026-01-01T00:00:00Z")
    made = curated(folder / "harvest", folder / "dataset").dataset
    seen = list(look_at_all(made.root, sorted(rendered_files(made.root)), workers=1))
    leaks = check(seen, made.recipe)
    write_report(made, name="dataset", lock_digest=made.lock_digest, leaks=leaks)
    side = Side.of(made, seen, name=HOSTILE)
    (folder / "comparison.html").write_text("".join(comparison_page(compare(side, side))))
    return made


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1100,900"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


def show(browser: webdriver.Chrome, page: Path, *, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())


def requested(browser: webdriver.Chrome) -> set[str]:
    """Every address that was asked for since the last look, but for those within the page."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    found = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    return {address for address in found if not address.startswith(("data:", "blob:"))}


@pytest.mark.parametrize("name", ["dataset/report.html", "comparison.html"])
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_page_asks_for_nothing_complains_of_nothing_and_fits(
    dataset, browser, name, size, scheme
):
    page = dataset.root.parent / name
    show(browser, page, size=size, scheme=scheme)
    figures = browser.execute_script(
        "return [...document.querySelectorAll('svg[role=img], main img')].map(one =>"
        " [one.getBoundingClientRect().width, one.getBoundingClientRect().height,"
        "  one.ariaLabel || one.alt, one.tagName == 'svg' || one.naturalWidth > 0])"
    )
    assert requested(browser) == {page.as_uri()}
    assert browser.get_log("browser") == []
    assert len(figures) >= (1 if name == "comparison.html" else 20)
    assert all(w > 0 and h > 0 and label and loaded for w, h, label, loaded in figures)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= SIZES[size][0]
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    is_dark = sum(int(part) for part in paper.strip("rgb()").split(",")) < 3 * 128
    assert is_dark == (scheme == "dark")


def test_numbers_are_whole_and_no_larger_than_text_on_a_phone(dataset, browser):
    show(browser, dataset.root / "report.html", size="phone", scheme="light")
    cut, tallest = browser.execute_script(
        "const labels = [...document.querySelectorAll('.panels svg text')].map(one =>"
        " [one.getBoundingClientRect(), one.closest('svg').getBoundingClientRect()]);"
        "return [labels.filter(([one, paper]) => one.right > paper.right + 0.5 ||"
        " one.left < paper.left - 0.5).length, Math.max(...labels.map(([one]) => one.height))]"
    )
    assert cut == 0
    assert 8 < tallest < 18


def test_a_review_is_written_by_keyboard_and_read_by_curation(dataset, browser, downloads):
    show(browser, dataset.root / "report.html", size="desktop", scheme="light")
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the content"
    first = browser.find_element(By.CSS_SELECTOR, "#pictures [data-sheet] .pic")
    stops = browser.find_elements(By.CSS_SELECTOR, "#pictures .pic[tabindex='0']")
    assert len(stops) == 2  # One for each species: arrows go on from there.

    browser.execute_script("arguments[0].focus()", first)
    for key in ("k", Keys.ARROW_RIGHT, "x", Keys.ARROW_RIGHT, "x", "u"):
        browser.switch_to.active_element.send_keys(key)
    browser.switch_to.active_element.send_keys("m")
    browser.switch_to.active_element.send_keys("m", Keys.ENTER)
    copy = browser.find_element(By.CSS_SELECTOR, "#look-alikes .pic[data-o]")
    browser.execute_script("arguments[0].focus()", copy)
    copy.send_keys("d")
    browser.refresh()  # Decisions outlast the page.
    browser.find_element(By.CSS_SELECTOR, "[data-part=save]").click()

    decisions = read_review(downloaded(downloads))
    rows = {row.digest: row for row in dataset.rows}
    assert [one.decision for one in decisions] == ["keep", "drop", "move", "distinct"]
    assert [rows[one.digest].species for one in decisions] == [HOSTILE] * 4
    assert {one.species for one in decisions} == {HOSTILE}
    assert decisions[2].to == "mouse"
    assert rows[decisions[3].to].kept
    assert browser.get_log("browser") == []


def downloaded(folder: Path) -> Path:
    for _ in range(200):
        if found := list(folder.glob("*.csv")):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"nothing was downloaded: {sorted(folder.iterdir())}")


def test_a_table_is_sorted_by_keyboard(dataset, browser):
    show(browser, dataset.root / "report.html", size="desktop", scheme="light")
    head = browser.find_element(By.CSS_SELECTOR, "#balance table.sortable th:nth-child(5)")
    column = (
        "return [...document.querySelectorAll('#balance .sortable tbody tr')]"
        ".map(row => Number(row.cells[4].innerText))"
    )
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "descending"
    falling = browser.execute_script(column)
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert browser.execute_script(column) == falling[::-1] == sorted(falling)


def test_the_script_on_the_page_is_the_only_one_that_may_run(dataset, browser):
    show(browser, dataset.root / "report.html", size="desktop", scheme="light")
    ran = browser.execute_script(
        "const one = document.createElement('script'); one.textContent = 'window.ran = true';"
        "document.body.append(one); return window.ran === true"
    )
    assert ran is False
    assert any(
        "Content Security Policy" in entry["message"] for entry in browser.get_log("browser")
    )
