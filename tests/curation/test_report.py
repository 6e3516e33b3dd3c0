"""The report is whole in itself."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from curation.dataset import Dataset, Row
from curation.leaks import LeakCheck, Near
from curation.report import page, write_report
from scraper.harvest import Candidate, Harvest
from tests.curation.making import ALL_TRAIN, curated, jpeg

VOID = {"meta", "img", "br", "line", "rect", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.attributes += found
        self.loads += [found[name] for name in ("src", "data", "srcset") if name in found]
        (self.links if tag == "a" else self.loads).extend(
            found[name] for name in ("href",) if name in found
        )
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def dataset(shrews_and_mice, tmp_path_factory) -> Dataset:
    return curated(shrews_and_mice, tmp_path_factory.mktemp("report") / "dataset").dataset


def test_the_page_loads_nothing_and_links_only_to_where_pictures_came_from(dataset):
    text = (dataset.root / "report.html").read_text()
    read = Page(text)
    assert read.loads
    assert all(address.startswith(("data:image/webp;base64,", "data:,")) for address in read.loads)
    outside = {address for address in read.links if not address.startswith("#")}
    assert {row.page_url for row in dataset.rows} >= outside
    assert not re.search(r"@import|url\(|<link|<iframe| on[a-z]+=", text)


def test_the_page_allows_itself_no_request_and_no_script_but_its_own(dataset):
    text = (dataset.root / "report.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy
    assert script == files("curation").joinpath("templates/review.js").read_text("utf-8")


def test_every_link_within_the_page_leads_somewhere(dataset):
    text = (dataset.root / "report.html").read_text()
    targets = set(re.findall(r' id="([^"]+)"', text))
    assert {address[1:] for address in Page(text).links if address.startswith("#")} <= targets


def test_the_page_shows_balance_sizes_losses_groups_conflicts_and_the_lock(dataset):
    read = Page((dataset.root / "report.html").read_text())
    for words in (
        *("Class balance", "Sizes of the originals", "What was dropped", "Look-alikes"),
        *("Conflicts", "truncated", "near-duplicate", "width, px", dataset.lock_digest),
    ):
        assert words in read.text


def test_writing_it_again_gives_the_same_bytes(dataset):
    before = (dataset.root / "report.html").read_bytes()
    write_report(dataset, name="dataset", lock_digest=dataset.lock_digest)
    assert (dataset.root / "report.html").read_bytes() == before


EVIL = (
    '"><script>alert(1)</script>',
    "</script><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}<!--",
    "nul\x07 & \u202egnirts",
)


@pytest.mark.parametrize("evil", EVIL)
def test_what_pages_say_of_themselves_is_text_and_no_markup(evil, tmp_path):
    with Harvest.create(tmp_path / "harvest") as harvest:
        for number, species in enumerate((evil, "mouse")):
            candidate = Candidate(
                image_url=f"https://pictures.example/{number}",
                page_url="javascript:alert(1)" if number else f"https://pictures.example/?{evil}",
                title=evil,
                licence=evil,
                creator=evil,
            )
            harvest.add([candidate], species=species, source=evil, query=evil, first_rank=0)
            (record,) = harvest.records("pending")
            body = jpeg(number)
            harvest.keep(record, body, content_type="image/jpeg", fetched_at="2026-01-01T00:00:00Z")
    dataset = curated(tmp_path / "harvest", tmp_path / "dataset", ALL_TRAIN).dataset
    text = "".join(page(dataset, name=evil, lock_digest="0" * 64))
    read = Page(text)
    assert text.count("<script") == text.count("</script") == 1
    assert evil in read.text
    assert "javascript:" not in text
    assert not set(read.attributes) & {"onmouseover", "onerror"}


def test_a_leak_is_shown_with_both_pictures(dataset):
    first, second = (next(iter(dataset.images(split))).file for split in ("test", "train"))
    leak = Near(first=first, second=second, likeness=0.97)
    stray = Near(first="test/mouse/planted.jpg", second=second, likeness=0.91)
    leaks = LeakCheck(
        pictures=19,
        pairs=100,
        aligned=9,
        min_likeness=0.86,
        leaks=(leak, stray),
        nearest=(),
        unreadable=(),
    )
    text = "".join(page(dataset, name="dataset", lock_digest="0" * 64, leaks=leaks))
    section = Page(text).text
    assert "2 leaks across splits, look-alikes up to 0.97: 100 pairs compared" in section
    assert "not in the manifest" in section
    assert text.count(f'title="{first}"') == 1


def test_a_page_has_no_more_pictures_than_it_has_room_for(dataset):
    whole = "".join(page(dataset, name="dataset", lock_digest="0" * 64))
    less = "".join(page(dataset, name="dataset", lock_digest="0" * 64, room=12_000))
    assert less.count("data:image/webp") < whole.count("data:image/webp")
    assert len(less) < len(whole)


def test_bars_of_many_species_are_folded_away(dataset):
    rows = [
        Row(digest=f"{number:064x}", species=f"species {number:02}", split="train", kept=True)
        for number in range(30)
    ]
    text = "".join(page(replace(dataset, rows=rows), name="many", lock_digest="0" * 64))
    balance = text[text.index('id="balance"') : text.index("Counts and sizes")]
    in_sight, folded = balance.split("<details><summary>18 more species</summary>")
    assert (in_sight.count('class="row"'), folded.count('class="row"')) == (12, 18)


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 file is no picture and was"), (2, "2 files are no pictures and were")],
)
def test_files_that_were_not_compared_are_counted(dataset, count, words):
    leaks = LeakCheck(
        pictures=19,
        pairs=100,
        aligned=9,
        min_likeness=0.86,
        leaks=(),
        nearest=(),
        unreadable=tuple(f"test/mouse/{number}.jpg" for number in range(count)),
    )
    text = "".join(page(dataset, name="dataset", lock_digest="0" * 64, leaks=leaks))
    assert f"{words} not compared" in text


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(dataset):
    text = "".join(page(dataset, name="dataset", lock_digest="0" * 64))
    named = re.findall(r'<div class="scroll" tabindex="0" role="region" aria-label="[^"]+">', text)
    assert len(named) == text.count('<div class="scroll"') >= 4
