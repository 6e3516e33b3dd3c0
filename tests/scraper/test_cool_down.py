from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.cool_down import FIRST, FORGIVEN_AFTER, LONGEST, CoolDown, in_words
from scraper.crawl import Crawl, CrawlPlan, Outcome, Searched, Settled, Stopped
from scraper.harvest import Candidate, Harvest
from scraper.hosts import Downloads
from scraper.policy import FetchPolicy
from tests.fakes import JumpingClock, NoJitter
from tests.scraper.test_crawl import Shelf, answer, plain, urls

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR_S = 3600.0


@given(blocks=st.integers(1, 40))
def test_every_block_in_a_row_doubles_the_wait_up_to_a_day(blocks: int) -> None:
    cool_down, now = CoolDown(source="google"), NOW
    for number in range(blocks):
        cool_down = cool_down.after_block(now)

        assert cool_down.left(now) == min(LONGEST, FIRST * 2 ** min(number, 9))
        now += cool_down.left(now)
        assert cool_down.left(now) == timedelta()


def test_a_block_long_after_the_last_one_is_a_first_one_again() -> None:
    cool_down = CoolDown(source="google").after_block(NOW).after_block(NOW)
    assert cool_down.left(NOW) == 2 * FIRST

    later = NOW + FORGIVEN_AFTER + 3 * FIRST

    assert cool_down.after_block(later).left(later) == FIRST


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 min"), (60, "1 min"), (61, "2 min"), (3600, "1 h"), (5000, "1 h 24 min")],
)
def test_waits_are_said_in_whole_minutes(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


def crawl(root: Path, shelf: Shelf, clock: JumpingClock) -> list[Outcome]:
    plan = CrawlPlan(species=plain(*shelf.offers), per_species=30)
    with (
        Harvest.create(root) as harvest,
        Downloads(answer, policy=FetchPolicy(pause_s=0), clock=clock, rng=NoJitter()) as downloads,
    ):
        run = Crawl(plan, harvest=harvest, source=shelf, downloads=downloads, clock=clock)
        return list(run.outcomes())


def shelf(*names: str, blocks: str = "") -> Shelf:
    return Shelf({name: urls(*map(str, range(40)), host=name) for name in names}, blocks=blocks)


def stops(outcomes: list[Outcome]) -> list[Stopped]:
    return [outcome for outcome in outcomes if isinstance(outcome, Stopped)]


def test_a_source_that_turned_us_away_is_not_asked_before_its_time(tmp_path: Path) -> None:
    clock, source = JumpingClock(), shelf("ape", "bat", blocks="ape")
    (blocked,) = stops(crawl(tmp_path, source, clock))
    asked = len(source.searches)
    source.blocks = ""
    clock.sleep(HOUR_S / 4)

    (refused,) = stops(crawl(tmp_path, source, clock))

    assert len(source.searches) == asked
    assert "left alone for 45 min more" in str(refused.error)
    assert refused.error.exit_code == 3
    assert refused.resume_after == blocked.resume_after


def test_after_its_time_it_is_asked_and_a_success_forgets_the_block(tmp_path: Path) -> None:
    clock, source = JumpingClock(), shelf("ape", "bat", blocks="ape")
    crawl(tmp_path, source, clock)
    source.blocks = ""
    clock.sleep(HOUR_S + 1)

    outcomes = crawl(tmp_path, source, clock)

    assert not stops(outcomes)
    assert {one.species for one in outcomes if isinstance(one, Searched)} == {"ape", "bat"}
    with Harvest.open(tmp_path) as harvest:
        assert harvest.cool_down("shelf") == CoolDown(source="shelf")


def test_blocks_without_a_success_between_them_wait_ever_longer(tmp_path: Path) -> None:
    clock, source = JumpingClock(), shelf("ape", blocks="ape")
    for hours in (1, 2, 4, 8, 16, 24, 24):
        crawl(tmp_path, source, clock)
        with Harvest.open(tmp_path) as harvest:
            left = harvest.cool_down("shelf").left(clock.now())
            assert timedelta(hours=hours) - left < timedelta(seconds=5)
        clock.sleep(left.total_seconds())


def test_a_search_that_ends_well_before_the_block_does_not_make_it_a_first_one(
    tmp_path: Path,
) -> None:
    clock = JumpingClock()
    for hours, name in ((1, "ape"), (2, "cat"), (4, "dog")):
        (stopped,) = stops(crawl(tmp_path, shelf(name, "bat", blocks="bat"), clock))
        with Harvest.open(tmp_path) as harvest:
            left = harvest.cool_down("shelf").left(clock.now())
            assert harvest.crawl_state(name, "shelf", name).state == "done"
        assert stopped.species == "bat"
        assert timedelta(hours=hours) - left < timedelta(seconds=5)
        clock.sleep(left.total_seconds())


def test_pending_images_are_downloaded_while_the_source_is_left_alone(tmp_path: Path) -> None:
    clock, source = JumpingClock(), shelf("ape", "bat", blocks="bat")
    crawl(tmp_path, source, clock)
    with Harvest.create(tmp_path) as harvest:
        late = [Candidate(image_url=f"http://other{number}/x") for number in range(3)]
        harvest.add(late, species="bat", source="shelf", query="bat")

    outcomes = crawl(tmp_path, source, clock)

    assert len(stops(outcomes)) == 1
    assert [one.state for one in outcomes if isinstance(one, Settled)] == ["kept"] * 3


def test_another_source_is_not_left_alone(tmp_path: Path) -> None:
    clock = JumpingClock()
    crawl(tmp_path, shelf("ape", blocks="ape"), clock)
    other = shelf("ape")
    other.name = "another"

    assert not stops(crawl(tmp_path, other, clock))
    assert other.searches
