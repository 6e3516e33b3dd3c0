"""The report is whole in itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from curation.dataset import Dataset
from curation.report import page, write_report
from tests.curation.making import curated, jpeg

VOID = {"meta", "img", "br", "line", "circle", "rect"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
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
    assert all(address.startswith("data:image/jpeg;base64,") for address in read.loads)
    assert {row.page_url for row in dataset.rows} >= set(read.links)
    assert not re.search(r"@import|url\(|<script|<link|<iframe", text)


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


def test_what_pages_say_of_themselves_is_text_and_no_markup(make_harvest, tmp_path):
    evil = '"><script>alert(1)</script>'
    dataset = curated(make_harvest([(evil, jpeg(1))]), tmp_path / "dataset").dataset
    text = page(dataset, name=evil, lock_digest="0" * 64)
    assert "<script" not in text
    Page(text)
