from __future__ import annotations

import json
from pathlib import Path

import pytest

from scraper.clock import SystemClock
from scraper.errors import LayoutError, UsageError
from scraper.evidence import Evidence
from scraper.replay import replay
from scraper.sources.page_kind import PageKind
from tests.fakes import FakeWindow
from tests.scraper import google_pages as pages
from tests.scraper import strange_pages as strange


def saved(folder: Path, name: str, page: str) -> Path:
    path = folder / name
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("page", "kind", "layout", "counts"),
    [
        (pages.l4(pages.shots(9)), "results", "records", (9, 9, 9, 9, 9)),
        (pages.l6(pages.shots(9)), "results", "links", (9, 9, 9, 9, 9)),
        (pages.l6(pages.shots(9), has_imgres=False), "results", "thumbnails", (9, 0, 9, 9, 9)),
        (
            strange.strange_new(strange.Maker(1), pages.shots(9)),
            "results",
            "likely",
            (9, 9, 9, 9, 9),
        ),
        (pages.SORRY, "blocked", "none", (0, 0, 0, 0, 0)),
        (pages.CONSENT, "consent", "none", (0, 0, 0, 0, 0)),
    ],
)
def test_a_saved_page_tells_its_kind_and_what_was_read(
    tmp_path: Path, page: str, kind: str, layout: str, counts: tuple[int, ...]
) -> None:
    path = saved(tmp_path, "page.html", page)

    document, text = replay([path])

    (told,) = json.loads(json.dumps(document))["pages"]
    assert (told["kind"], told["layout"]) == (kind, layout)
    names = ("cards", "full_size", "pages", "thumbnails", "titles")
    assert tuple(told[name] for name in names) == counts
    assert str(path) in text
    assert kind in text


def test_evidence_keeps_the_address_that_tells_a_block_page(tmp_path: Path) -> None:
    url = "https://www.google.com/sorry/index?continue=a--b"
    window = FakeWindow({url: ["<p>x</p>"]})
    window.open(url)
    path = Evidence(folder=tmp_path, clock=SystemClock()).save(window, PageKind.BLOCKED)

    (told,) = replay([path])[0]["pages"]

    assert (told["url"], told["kind"]) == (url, "blocked")


def test_a_page_that_nobody_can_read_is_an_error_that_shows_the_table(tmp_path: Path) -> None:
    good = saved(tmp_path, "good.html", pages.l4(pages.shots(3)))
    bad = saved(tmp_path, "bad.html", pages.NEW_LAYOUT)

    with pytest.raises(LayoutError, match=r"nothing could be read from .*bad\.html: ") as failed:
        replay([good, bad])

    assert "good.html" in str(failed.value).partition("nothing could")[0]
    assert [one["cards"] for one in failed.value.document["pages"]] == [3, 0]  # type: ignore[attr-defined]


def test_any_bytes_are_a_page(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_bytes(bytes(range(256)))

    with pytest.raises(LayoutError, match="unknown"):
        replay([path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nowhere.html: No such file"):
        replay([tmp_path / "nowhere.html"])


def test_no_file_at_all_is_said() -> None:
    with pytest.raises(UsageError, match="--replay needs saved pages"):
        replay([])
