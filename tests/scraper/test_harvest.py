from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from scraper.errors import HarvestError
from scraper.harvest import Candidate, CrawlState, Harvest, Record


@pytest.fixture
def harvest(tmp_path: Path) -> Iterator[Harvest]:
    with Harvest.create(tmp_path / "harvest") as opened:
        yield opened


def add(harvest: Harvest, *names: str, species: str = "mouse") -> list[Record]:
    candidates = [Candidate(image_url=f"http://x/{name}", title=name) for name in names]
    harvest.add(candidates, species=species, source="google", query=species)
    return list(harvest.records("pending", species=species))


def keep(harvest: Harvest, record: Record, body: bytes) -> str:
    return harvest.keep(record, body, content_type="image/png", fetched_at="2026-01-01T00:00:00Z")


def test_a_candidate_is_pending_until_it_is_kept(harvest: Harvest) -> None:
    (record,) = add(harvest, "a")

    digest = keep(harvest, record, b"body")

    assert digest == sha256(b"body").hexdigest()
    assert harvest.path(digest).read_bytes() == b"body"
    assert harvest.path(digest).stat().st_mode & 0o777 == 0o444
    (kept,) = harvest.records("kept")
    assert (kept.sha256, kept.bytes, kept.attempts) == (digest, 4, 1)
    assert kept.candidate == record.candidate


def test_what_is_known_is_not_added_again(harvest: Harvest) -> None:
    (record,) = add(harvest, "a")
    keep(harvest, record, b"body")

    again = harvest.add([record.candidate], species="mouse", source="google", query="mice")

    assert again == 0
    assert [one.state for one in harvest.records()] == ["kept"]


def test_the_same_bytes_lie_there_once(harvest: Harvest) -> None:
    for record in add(harvest, "a", "b"):
        keep(harvest, record, b"same")

    assert harvest.count("kept") == 2
    assert len([path for path in (harvest.root / "images").rglob("*") if path.is_file()]) == 1


def test_refusals_carry_their_reason_and_can_be_put_back(harvest: Harvest) -> None:
    first, second, third = add(harvest, "a", "b", "c")
    for record in (first, second):
        harvest.refuse(record, "failed", "HTTP 404", fetched_at="")
    harvest.refuse(third, "skipped", "not an image: HTML", fetched_at="")

    assert harvest.reasons() == {"HTTP 404": 2, "not an image: HTML": 1}
    assert harvest.reasons(species="rat") == {}
    assert harvest.retry(species="mouse") == 2
    assert harvest.count("pending") == 2


def test_counts_go_by_species_and_source(harvest: Harvest) -> None:
    add(harvest, "a", "b")
    add(harvest, "a", species="rat")
    harvest.add([Candidate(image_url="file:///x")], species="rat", source="folder", query="/")

    assert harvest.count() == 4
    assert harvest.count("pending", species="rat") == 2
    assert harvest.count(species="rat", source="folder") == 1


def test_where_a_crawl_stands_is_remembered(harvest: Harvest) -> None:
    state = CrawlState(species="a", source="b", query="c", state="blocked", resume_after="2026")

    harvest.set_crawl_state(state)

    assert harvest.crawl_state("a", "b", "c") == state
    assert harvest.crawl_state("a", "b", "d").state == "open"


def test_only_one_may_gather_at_a_time(harvest: Harvest) -> None:
    with (
        harvest.claim(),
        Harvest.create(harvest.root) as second,
        pytest.raises(HarvestError, match="another scrape is writing"),
        second.claim(),
    ):
        pass
    with harvest.claim():
        pass


def test_a_claim_sweeps_what_a_killed_gatherer_left(harvest: Harvest) -> None:
    (record,) = add(harvest, "a")
    kept = harvest.path(keep(harvest, record, b"body"))
    leftover = kept.parent / ".unfinished-x7"
    leftover.write_bytes(b"half")

    with harvest.claim():
        assert not leftover.exists()
    assert kept.exists()


def test_no_harvest_is_said(tmp_path: Path) -> None:
    with pytest.raises(HarvestError, match=r"no harvest at .*gather one with"):
        Harvest.open(tmp_path)


def test_what_is_no_harvest_is_said(tmp_path: Path) -> None:
    (tmp_path / "harvest.sqlite").write_bytes(b"no database" * 100)

    for opens in (Harvest.open, Harvest.create):
        with pytest.raises(HarvestError, match="cannot"):
            opens(tmp_path)


def test_damage_is_said_with_what_to_do(tmp_path: Path) -> None:
    with Harvest.create(tmp_path) as harvest:
        add(harvest, *map(str, range(500)))
    path = tmp_path / "harvest.sqlite"
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))

    with Harvest.open(tmp_path) as harvest:
        for read in (harvest.records, harvest.species):
            with pytest.raises(HarvestError, match=r"malformed; .*keep images/, move harvest"):
                list(read())


def test_tables_that_are_not_ours_are_said_with_what_to_do(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "harvest.sqlite")) as connection:
        connection.execute("CREATE TABLE candidates (id INTEGER)")

    for opens in (Harvest.open, Harvest.create):
        with pytest.raises(HarvestError, match=r"no such column: .*keep images/, move harvest"):
            opens(tmp_path)


def test_a_damaged_claim_is_said(harvest: Harvest) -> None:
    (harvest.root / "claim.sqlite").write_bytes(b"no database" * 100)

    with pytest.raises(HarvestError, match=r"claim.sqlite.*delete it"), harvest.claim():
        pass


def test_what_is_opened_to_be_read_is_not_written(harvest: Harvest) -> None:
    (record,) = add(harvest, "a")

    with (
        Harvest.open(harvest.root) as reader,
        pytest.raises(HarvestError, match="make the folder writable"),
    ):
        keep(reader, record, b"body")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_that_nobody_may_write_can_be_read(tmp_path: Path) -> None:
    with Harvest.create(tmp_path / "harvest") as harvest:
        add(harvest, "a")
    harvest.root.chmod(0o555)
    try:
        with Harvest.open(harvest.root) as reader:
            assert reader.count() == 1
    finally:
        harvest.root.chmod(0o755)


def test_a_newer_harvest_is_not_touched(tmp_path: Path) -> None:
    Harvest.create(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "harvest.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    for opens in (Harvest.open, Harvest.create):
        with pytest.raises(HarvestError, match="schema 99"):
            opens(tmp_path)


def test_a_harvest_where_a_file_lies_is_said(tmp_path: Path) -> None:
    (tmp_path / "harvest").write_text("")

    with pytest.raises(HarvestError, match="cannot write a harvest"):
        Harvest.create(tmp_path / "harvest")


def test_many_threads_store_and_each_image_has_one_file(harvest: Harvest) -> None:
    bodies = [b"%d" % (number % 20) for number in range(200)]

    with ThreadPoolExecutor(8) as threads:
        digests = list(threads.map(harvest.store, bodies))

    assert digests == [sha256(body).hexdigest() for body in bodies]
    for digest, body in zip(digests, bodies, strict=True):
        assert harvest.path(digest).read_bytes() == body
        assert harvest.path(digest).stat().st_mode & 0o777 == 0o444
    files = [path for path in harvest.root.glob("images/*/*") if path.is_file()]
    assert len(files) == 20


def test_what_is_stored_already_is_kept_under_its_digest(harvest: Harvest) -> None:
    (record,) = add(harvest, "a")
    digest = harvest.store(b"body")

    harvest.keep(record, b"body", content_type="image/png", fetched_at="", stored_as=digest)

    (kept,) = harvest.records("kept")
    assert (kept.sha256, kept.bytes) == (digest, 4)
