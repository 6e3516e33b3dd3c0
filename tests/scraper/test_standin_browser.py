"""The stand-in site, seen by a real browser."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from scraper.standin.faults import Faults
from scraper.standin.hosts import Paging
from scraper.standin.site import Site

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

pytestmark = pytest.mark.skipif(
    not (DRIVER and BROWSER), reason="needs Chromium or Chrome, and chromedriver, on PATH"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    (root / "dog").mkdir()
    for number in range(70):
        buffer = io.BytesIO()
        Image.new("RGB", (300 + number, 200), (number, 90, 200)).save(buffer, "JPEG")
        (root / "dog" / f"{number}.jpg").write_bytes(buffer.getvalue())
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def open_site(folder: Path, browser: webdriver.Chrome) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def opened(faults: Faults, **options: object) -> Site:
        sites.append(Site(folder, faults=faults, **options))  # type: ignore[arg-type]
        return sites[-1]

    yield opened
    browser.delete_all_cookies()
    browser.get("about:blank")
    for site in sites:
        site.close()


def until(browser: webdriver.Chrome, script: str) -> object:
    """Wait until a script returns something true, and return that."""
    wait = WebDriverWait(browser, 20, poll_frequency=0.05)
    return wait.until(lambda driver: driver.execute_script(f"return {script}"))


def scroll_until(browser: webdriver.Chrome, script: str) -> object:
    """Scroll down until a script returns something true, and return that."""
    scroll = "window.scrollTo(0, document.body.scrollHeight)"
    wait = WebDriverWait(browser, 20, poll_frequency=0.05)
    return wait.until(lambda driver: driver.execute_script(f"{scroll}; return {script}"))


CARDS = "document.querySelectorAll('[data-docid]').length"


def test_scrolling_and_one_button_lead_to_the_end_marker(open_site, browser):
    site = open_site(Faults(consent="off"), paging=Paging(first=20, batch=10, button_every=40))
    browser.get(site.search_url("dog"))
    assert until(browser, CARDS) >= 20

    assert scroll_until(browser, "!document.getElementById('more').hidden")
    assert browser.execute_script(f"return {CARDS}") == 40
    browser.find_element(By.CSS_SELECTOR, "input.mye4qd[value='Show more results']").click()

    end = "Looks like you've reached the end"
    assert scroll_until(browser, f'document.body.innerText.includes("{end}")')
    assert browser.execute_script(f"return {CARDS}") == 70
    source = browser.page_source
    assert all(offer.image_url in source for offer in site.offers("dog"))


def test_thumbnails_show_and_no_script_complains(open_site, browser):
    browser.get_log("browser")
    site = open_site(Faults(consent="off"))
    browser.get(site.search_url("dog"))
    shown = "[...document.querySelectorAll('[data-docid] img')].filter(i => i.naturalWidth > 1)"
    assert until(browser, f"{shown}.length >= 40")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("answer", ["Reject all", "Accept all"])
def test_the_consent_page_is_left_by_either_button(open_site, browser, answer):
    site = open_site(Faults())
    browser.get(site.search_url("dog"))
    assert urlsplit(browser.current_url).path == "/consent/ml"
    browser.find_element(By.CSS_SELECTOR, f"button[aria-label='{answer}']").click()
    assert until(browser, CARDS)
    assert browser.current_url == site.search_url("dog")


@pytest.mark.parametrize("button", ["W0wltc", "L2AGLb"])
def test_the_overlay_goes_with_either_button_and_stays_away(open_site, browser, button):
    site = open_site(Faults(consent="overlay"))
    browser.get(site.search_url("dog"))
    browser.find_element(By.ID, button).click()
    assert until(browser, "!document.getElementById('CXQnmb')")
    browser.get(site.search_url("dog"))
    assert until(browser, CARDS)
    assert not browser.find_elements(By.ID, "CXQnmb")


def test_an_address_appears_in_the_link_under_the_pointer(open_site, browser):
    site = open_site(Faults(consent="off", share_hover_only=1))
    browser.get(site.search_url("dog"))
    card = browser.find_element(By.CSS_SELECTOR, "[data-docid]")
    link = card.find_element(By.CSS_SELECTOR, "a[role=button]")
    assert link.get_attribute("href") is None
    ActionChains(browser).move_to_element(link).perform()
    href = urlsplit(until(browser, "document.querySelector('a[role=button]').href"))
    addresses = {offer.docid: offer.image_url for offer in site.offers()}
    assert href.path == "/imgres"
    assert parse_qs(href.query)["imgurl"] == [addresses[card.get_attribute("data-docid")]]


def test_the_panel_shows_the_thumbnail_and_then_the_full_image(open_site, browser):
    site = open_site(Faults(consent="off", share_panel_only=1))
    browser.get(site.search_url("dog"))
    card = browser.find_elements(By.CSS_SELECTOR, "[data-docid]")[3]
    card.find_element(By.CSS_SELECTOR, "a[role=button]").click()
    full = until(browser, "document.querySelector('#Sva75c img.iPVvYb[jsname=kn3ccd]')?.src")
    addresses = {offer.docid: offer.image_url for offer in site.offers()}
    assert full == addresses[card.get_attribute("data-docid")]


def test_the_panel_keeps_the_thumbnail_where_the_full_image_is_dead(open_site, browser):
    site = open_site(Faults(consent="off", share_dead=1))
    browser.get(site.search_url("dog"))
    browser.find_element(By.CSS_SELECTOR, "[data-docid] a[role=button]").click()
    source = until(browser, "document.querySelector('#Sva75c img.FyHeAf')?.src")
    assert source.startswith("data:image/jpeg") or "/images?q=tbn:" in source
    asked = "performance.getEntriesByType('resource').some(e => e.name.includes('/photos/'))"
    assert until(browser, asked)
    assert not browser.find_elements(By.CSS_SELECTOR, "#Sva75c img.iPVvYb")


def test_a_block_in_the_middle_of_scrolling_takes_the_page_away(open_site, browser):
    site = open_site(
        Faults(consent="off", block_after=2), paging=Paging(first=20, batch=10, button_every=999)
    )
    browser.get(site.search_url("dog"))
    scroll_until(browser, "location.pathname.startsWith('/sorry/')")
    assert urlsplit(browser.current_url).path == "/sorry/index"
    assert browser.find_elements(By.ID, "captcha-form")
    assert "unusual traffic" in browser.find_element(By.TAG_NAME, "body").text


def test_a_person_can_search_from_the_home_page(open_site, browser):
    site = open_site(Faults(consent="off"))
    browser.get(site.base_url)
    browser.find_element(By.CSS_SELECTOR, "textarea[name=q]").send_keys("dog\n")
    assert until(browser, CARDS)
    assert parse_qs(urlsplit(browser.current_url).query)["udm"] == ["2"]
