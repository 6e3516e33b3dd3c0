from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from scraper.cool_down import CoolDown
from scraper.errors import HarvestError, UsageError
from scraper.harvest import Candidate, CrawlState, Harvest
from scraper.harvest_commands import forget, harvest

SHARED, ALONE = b"the same picture", b"another picture"


def run(command: click.Command, *words: object) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    found, text = result.return_value
    assert json.loads(json.dumps(found)) == found
    return dict(found), str(text)


def image(name: str, host: str = "a.org", **more: str) -> Candidate:
    return Candidate(
        image_url=f"http://{host}/{name}", page_url=f"http://blog.{host}/{name}.html", **more
    )


def fill(root: Path) -> Path:
    """Mice from two hosts, and a rat: one file shared, one alone; one failed, two pending."""
    with Harvest.create(root) as opened:
        opened.add(
            [image("1", licence="CC0"), image("2"), image("3", "b.org"), image("4", "c.org")],
            species="mouse",
            source="google",
            query="mouse",
        )
        opened.add([image("1"), image("5")], species="rat", source="urls", query="list.csv")
        records = {(one.species, one.candidate.image_url): one for one in opened.records()}
        for species, url, body in (
            ("mouse", "http://a.org/1", SHARED),
            ("mouse", "http://b.org/3", SHARED),
            ("mouse", "http://a.org/2", ALONE),
        ):
            record = records[species, url]
            opened.keep(record, body, content_type="image/png", fetched_at="2026-01-01T00:00:00Z")
        dead = records["mouse", "http://c.org/4"]
        opened.refuse(dead, "failed", "HTTP 404 Not Found", fetched_at="2026-01-01T00:00:00Z")
        opened.set_crawl_state(
            CrawlState(species="mouse", source="google", query="mouse", state="done", found=4),
            CrawlState(
                species="rat",
                source="google",
                query="rat",
                state="blocked",
                resume_after="2999-01-01T00:00:00Z",
            ),
        )
        opened.set_cool_down(CoolDown(source="google", strikes=1, until="2999-01-01T00:00:00Z"))
        opened.set_cool_down(CoolDown(source="bing", strikes=1, until="2019-01-01T00:00:00Z"))
    return root


def left(root: Path) -> list[tuple[str, str]]:
    with Harvest.open(root) as opened:
        records = list(opened.records())
        for record in records:
            assert record.sha256 is None or opened.path(record.sha256).is_file()
    return [(record.species, record.candidate.image_url) for record in records]


def files(root: Path) -> int:
    return sum(path.is_file() for path in (root / "images").rglob("*"))


def test_what_a_harvest_has_is_counted(tmp_path: Path) -> None:
    document, text = run(harvest, fill(tmp_path))

    assert document["species"]["mouse"]["google"] == {
        "kept": 3,
        "skipped": 0,
        "failed": 1,
        "pending": 0,
        "reasons": {"HTTP 404 Not Found": 1},
    }
    assert document["species"]["rat"]["urls"]["pending"] == 2
    assert (document["files"], document["bytes"]) == (2, len(SHARED) + len(ALONE))
    assert {host: one["kept"] for host, one in document["hosts"].items()} == {
        "a.org": 2,
        "b.org": 1,
        "c.org": 0,
    }
    assert document["licences"] == {"": 2, "CC0": 1}
    assert list(document["cool_downs"]) == ["google"]
    assert document["cool_downs"]["google"]["resume_after"] == "2999-01-01T00:00:00Z"
    assert text.splitlines()[:3] == [
        "species  source  kept  skipped  failed  pending",
        "mouse    google     3        0       1        0",
        "rat      urls       0        0       0        2",
    ]
    assert "mouse: 1 × HTTP 404 Not Found" in text
    assert "google turned us away: resume in " in text
    assert "searches that are not finished: 1; the same `bestiary scrape` goes on" in text
    assert "licences: 2 × not stated, 1 × CC0" in text


def test_an_empty_harvest_says_what_to_do(tmp_path: Path) -> None:
    Harvest.create(tmp_path).close()

    assert "is empty: gather with `bestiary scrape`" in run(harvest, tmp_path)[1]


def test_no_harvest_is_said(tmp_path: Path) -> None:
    for command, words in ((harvest, ()), (forget, ("--url", "x", "--harvest"))):
        with pytest.raises(HarvestError, match="no harvest at"):
            run(command, *words, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_harvest_of_an_earlier_bestiary_is_read_and_brought_up(tmp_path: Path) -> None:
    fill(tmp_path)
    with sqlite3.connect(tmp_path / "harvest.sqlite") as connection:
        connection.execute("ALTER TABLE crawls DROP COLUMN depth")
        connection.execute("ALTER TABLE candidates DROP COLUMN is_animated")
        connection.execute("DROP TABLE forgotten")
        connection.execute("DROP TABLE cool_downs")
        connection.execute("PRAGMA user_version = 1")
    connection.close()

    document, _ = run(harvest, tmp_path)
    run(forget, "--host", "b.org", "--harvest", tmp_path, "--yes")

    assert document["forgotten"] == 0
    assert len(left(tmp_path)) == 5
    with Harvest.open(tmp_path) as opened:
        assert opened.crawl_state("mouse", "google", "mouse").found == 4


def test_an_address_is_forgotten_and_never_noted_again(tmp_path: Path) -> None:
    fill(tmp_path)

    document, _ = run(forget, "--url", "http://a.org/2", "--harvest", tmp_path, "--yes")

    assert document == {
        "harvest": str(tmp_path),
        "forgotten": 1,
        "files_deleted": 1,
        "files_shared": 0,
    }
    assert ("mouse", "http://a.org/2") not in left(tmp_path)
    assert files(tmp_path) == 1
    with Harvest.create(tmp_path) as opened:
        for species in ("mouse", "rat"):
            assert opened.add([image("2")], species=species, source="google", query="x") == 0
        assert opened.add([image("6")], species="mouse", source="google", query="x") == 1


def test_a_page_can_be_named_too(tmp_path: Path) -> None:
    run(forget, "--url", "http://blog.a.org/2.html", "--harvest", fill(tmp_path), "--yes")

    assert ("mouse", "http://a.org/2") not in left(tmp_path)
    with Harvest.create(tmp_path) as opened:
        moved = Candidate(image_url="http://z.org/2", page_url="http://blog.a.org/2.html")
        assert opened.add([moved], species="mouse", source="google", query="x") == 0


def test_where_the_bytes_came_from_can_be_named_too(tmp_path: Path) -> None:
    with Harvest.create(tmp_path) as opened:
        opened.add([image("1")], species="mouse", source="google", query="mouse")
        (record,) = opened.records()
        opened.keep(
            record, ALONE, content_type="", fetched_at="", fetched_url="http://cdn.z.org/large"
        )

    document, _ = run(forget, "--host", "z.org", "--harvest", tmp_path, "--yes")

    assert (document["forgotten"], document["files_deleted"]) == (1, 1)


def test_a_file_that_others_share_stays(tmp_path: Path) -> None:
    fill(tmp_path)

    document, text = run(forget, "--host", "b.org", "--harvest", tmp_path, "--yes")

    assert (document["files_deleted"], document["files_shared"]) == (0, 1)
    assert "Not deleted: 1 file, as other" in text
    assert files(tmp_path) == 2
    with Harvest.create(tmp_path) as opened:
        assert opened.add([image("9", "b.org")], species="rat", source="google", query="x") == 0
        below = image("9", "img.b.org")
        assert opened.add([below], species="rat", source="google", query="x") == 0
        other = Candidate(image_url="http://notb.org/9")
        assert opened.add([other], species="rat", source="google", query="x") == 1


def test_a_species_is_forgotten_and_its_images_are_free_for_others(tmp_path: Path) -> None:
    fill(tmp_path)

    document, _ = run(forget, "--species", "mouse", "--harvest", tmp_path, "--yes")

    assert (document["forgotten"], document["files_deleted"]) == (4, 2)
    assert left(tmp_path) == [("rat", "http://a.org/1"), ("rat", "http://a.org/5")]
    with Harvest.create(tmp_path) as opened:
        assert opened.add([image("2")], species="mouse", source="google", query="x") == 0
        assert opened.add([image("2")], species="rat", source="google", query="x") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to forget"),
        (("--url", ""), "nothing to forget"),
        (("--host", "//", "--yes"), "--host wants a host like example.org"),
        (("--species", "cat", "--yes"), "there is no species 'cat' in .*, only: mouse, rat"),
        (("--host", "a.org"), "deletes 4 candidates from .* for good: add --yes"),
    ],
)
def test_nothing_is_deleted_by_mistake(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    before = left(fill(tmp_path))

    with pytest.raises(UsageError, match=message):
        run(forget, *words, "--harvest", tmp_path)

    assert left(tmp_path) == before


def test_nothing_is_forgotten_while_a_scrape_is_at_work(tmp_path: Path) -> None:
    with (
        Harvest.open(fill(tmp_path)) as busy,
        busy.claim(),
        pytest.raises(HarvestError, match="another scrape is writing"),
    ):
        run(forget, "--host", "a.org", "--harvest", tmp_path, "--yes")


def test_what_was_left_for_later_says_how_often_it_was_tried_why_and_when_it_is_next(tmp_path):
    with Harvest.create(tmp_path) as opened:
        opened.add(
            [image("1"), image("2", "b.org"), image("3", "c.org")],
            species="mouse",
            source="google",
            query="mouse",
        )
        busy, free, _ = opened.records("pending")
        opened.postpone(busy, "the host asks to wait 999 s", attempts=1)
        opened.postpone(free, "timed out", attempts=4)
        opened.set_cool_down(CoolDown(source="//a.org/", strikes=1, until="2999-01-01T00:00:00Z"))

    document, _ = run(harvest, tmp_path)

    first, second = document["waiting"]
    assert first == {
        "url": "http://a.org/1",
        "species": "mouse",
        "attempts": 1,
        "reason": "the host asks to wait 999 s",
        "next_try": "2999-01-01T00:00:00Z",
    }
    assert (second["url"], second["attempts"], second["next_try"]) == ("http://b.org/2", 4, "")
