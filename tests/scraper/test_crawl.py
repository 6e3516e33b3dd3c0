from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scraper.crawl import Crawl, CrawlPlan, Outcome, Searched, Settled, Stopped
from scraper.errors import BlockedError, FetchError, TransientFetchError, UnwantedError
from scraper.fetch import Body, Redirect
from scraper.harvest import Candidate, Harvest
from scraper.hosts import Ask, Downloads
from scraper.policy import FetchPolicy
from scraper.queries import Query, queries_of
from scraper.sources.offers import ENOUGH, Batch
from scraper.species import Species
from tests.fakes import JumpingClock, NoJitter


class KilledError(Exception):
    """The process is gone."""


@dataclass
class Shelf:
    """A source over a fixed list per species, which may turn one away after some batches."""

    offers: dict[str, list[str]]
    is_local: bool = False
    blocks: str = ""
    name: str = "shelf"
    dies_after: int = -1
    """Batches after which the process would be gone, in the middle of a search."""
    searches: list[tuple[str, int]] = field(default_factory=list)

    def queries(self, species: Species) -> tuple[Query, ...]:
        return queries_of(species)

    def search(self, query: Query, *, wanted: int) -> Iterator[Batch]:
        species = query.words
        self.searches.append((species, wanted))
        urls = self.offers[species]
        for start in range(0, min(wanted, len(urls)), 10):
            if self.dies_after == 0:
                raise KilledError
            self.dies_after -= 1
            yield Batch(candidates=tuple(map(_candidate, urls[start : start + 10])))
            if species == self.blocks:
                raise BlockedError("the search site turned us away")
        yield Batch(ended_because=ENOUGH if wanted < len(urls) else "the end")


def plain(*names: str) -> tuple[Species, ...]:
    return tuple(Species(name=name) for name in names)


def _candidate(url: str) -> Candidate:
    return Candidate(thumbnail_url=url) if "thumb" in url else Candidate(image_url=url)


def answer(url: str) -> Body | Redirect:
    if "dead" in url:
        raise FetchError(url, "HTTP 404 Not Found")
    if "html" in url:
        raise UnwantedError(url, "not an image: HTML")
    if "wait" in url:
        raise TransientFetchError(url, "HTTP 429", retry_after_s=9999, is_host_trouble=True)
    return Body(body=url.encode(), content_type="image/png")


def crawl(
    root: Path,
    shelf: Shelf,
    *,
    per_species: int | None,
    ask: Ask = answer,
    workers: int = 1,
    thumbnails: bool = False,
    species: tuple[Species, ...] = (),
    min_sample: int = 40,
) -> list[Outcome]:
    clock = JumpingClock()
    plan = CrawlPlan(
        species=species or plain(*shelf.offers),
        per_species=per_species,
        thumbnails=thumbnails,
        min_yield=0.3,
        min_sample=min_sample,
    )
    policy = FetchPolicy(pause_s=0, workers=workers)
    with (
        Harvest.create(root) as harvest,
        Downloads(ask, policy=policy, clock=clock, rng=NoJitter()) as downloads,
    ):
        run = Crawl(plan, harvest=harvest, source=shelf, downloads=downloads, clock=clock)
        return list(run.outcomes())


def kept(root: Path, species: str = "mouse") -> list[str]:
    with Harvest.open(root) as harvest:
        return [record.candidate.address for record in harvest.records("kept", species=species)]


def settled(outcomes: list[Outcome]) -> list[Settled]:
    return [one for one in outcomes if isinstance(one, Settled)]


def urls(*names: str, host: str = "h") -> list[str]:
    return [f"http://{host}{number}/{name}" for number, name in enumerate(names)]


def test_the_first_that_succeed_are_kept(tmp_path: Path) -> None:
    offered = urls("a", "dead", "b", "html", "c", "d", "e")

    crawl(tmp_path, Shelf({"mouse": offered}), per_species=3)

    assert kept(tmp_path) == [offered[0], offered[2], offered[4]]


def test_no_more_is_asked_than_is_wanted(tmp_path: Path) -> None:
    asked = []

    def ask(url: str) -> Body | Redirect:
        asked.append(url)
        return answer(url)

    crawl(tmp_path, Shelf({"mouse": urls(*"abcdefgh")}), per_species=3, ask=ask)

    assert len(asked) == 3


def test_thumbnails_serve_when_nothing_else_is_left_and_they_are_allowed(tmp_path: Path) -> None:
    offered = urls("thumb1", "a", "thumb2", "dead")

    crawl(tmp_path, Shelf({"mouse": offered}), per_species=2)
    assert kept(tmp_path) == [offered[1]]

    crawl(tmp_path, Shelf({"mouse": offered}), per_species=2, thumbnails=True)
    assert kept(tmp_path) == [offered[0], offered[1]]


def test_an_image_that_cannot_be_had_is_replaced_by_its_thumbnail_and_marked(
    tmp_path: Path,
) -> None:
    with Harvest.create(tmp_path) as harvest:
        lost = Candidate(image_url="http://h/dead", thumbnail_url="http://t/thumb")
        harvest.add([lost], species="mouse", source="shelf", query="mouse")

    crawl(tmp_path, Shelf({"mouse": []}), per_species=1, thumbnails=True)

    with Harvest.open(tmp_path) as harvest:
        (row,) = harvest.records()
    assert (row.state, row.fetched_url) == ("kept", "http://t/thumb")


def test_a_larger_version_is_taken_where_there_is_one_and_marked(tmp_path: Path) -> None:
    folder = "https://x.org/wp-content/uploads"
    offered = [f"{folder}/a-300x200.jpg", f"{folder}/dead-300x200.jpg"]
    asked = []

    def ask(url: str) -> Body | Redirect:
        asked.append(url)
        if url == f"{folder}/dead.jpg":
            raise FetchError(url, "HTTP 404 Not Found")
        return Body(body=url.encode(), content_type="image/jpeg")

    crawl(tmp_path, Shelf({"mouse": offered}), per_species=2, ask=ask)

    assert asked == [f"{folder}/a.jpg", f"{folder}/dead.jpg", f"{folder}/dead-300x200.jpg"]
    with Harvest.open(tmp_path) as harvest:
        assert [row.fetched_url for row in harvest.records("kept")] == [f"{folder}/a.jpg", ""]


def test_a_second_run_asks_for_nothing_that_is_there(tmp_path: Path) -> None:
    shelf = Shelf({"mouse": urls("a", "dead", "b", "c")})
    crawl(tmp_path, shelf, per_species=2)

    assert crawl(tmp_path, shelf, per_species=2) == []
    assert len(shelf.searches) == 1


def test_a_larger_wish_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    shelf = Shelf({"mouse": urls(*map(str, range(100)))})
    crawl(tmp_path, shelf, per_species=10)

    outcomes = crawl(tmp_path, shelf, per_species=40)

    assert len(kept(tmp_path)) == 40
    assert sum(isinstance(outcome, Settled) for outcome in outcomes) == 30


def test_a_species_that_lacks_images_is_searched_deeper(tmp_path: Path) -> None:
    offered = urls(*["dead"] * 40, *map(str, range(40)))
    shelf = Shelf({"mouse": offered})

    crawl(tmp_path, shelf, per_species=20)

    assert len(kept(tmp_path)) == 20
    assert [wanted for _, wanted in shelf.searches] == [35, 70]


def test_a_source_without_more_ends_the_crawl(tmp_path: Path) -> None:
    shelf = Shelf({"mouse": urls("a", "dead")})

    outcomes = crawl(tmp_path, shelf, per_species=20)

    assert len(shelf.searches) == 1
    assert [one for one in outcomes if isinstance(one, Searched)] == [
        Searched(species="mouse", query="mouse", found=2, new=2, because="the end")
    ]


def test_a_block_stops_the_source_and_downloads_go_on(tmp_path: Path) -> None:
    shelf = Shelf(
        {name: urls(*map(str, range(30)), host=name) for name in ("ape", "bat", "cat")},
        blocks="bat",
    )

    outcomes = crawl(tmp_path, shelf, per_species=20)

    stops = [outcome for outcome in outcomes if isinstance(outcome, Stopped)]
    assert [(stop.species, stop.resume_after) for stop in stops] == [
        ("bat", "2026-01-02T04:04:05Z")
    ]
    assert [name for name, _ in shelf.searches] == ["ape", "bat"]
    assert [len(kept(tmp_path, name)) for name in ("ape", "bat", "cat")] == [20, 10, 0]
    with Harvest.open(tmp_path) as harvest:
        assert harvest.crawl_state("bat", "shelf", "bat").state == "blocked"
        assert harvest.crawl_state("bat", "shelf", "bat").resume_after == stops[0].resume_after
        assert harvest.crawl_state("bat", "shelf", "bat").found == 10


def test_after_a_block_the_next_run_goes_on(tmp_path: Path) -> None:
    shelf = Shelf({name: urls(*"abcdef", host=name) for name in ("ape", "bat")}, blocks="bat")
    crawl(tmp_path, shelf, per_species=5)
    shelf.blocks, shelf.searches = "", []

    crawl(tmp_path, shelf, per_species=5)

    assert [name for name, _ in shelf.searches] == []  # Enough was found before the block.
    assert [len(kept(tmp_path, name)) for name in ("ape", "bat")] == [5, 5]


def test_images_of_hosts_that_ask_for_patience_stay_pending(tmp_path: Path) -> None:
    outcomes = crawl(tmp_path, Shelf({"mouse": urls("wait", "a", "b")}), per_species=2)

    assert len(kept(tmp_path)) == 2
    with Harvest.open(tmp_path) as harvest:
        assert harvest.count("pending") == 1
        assert harvest.waiting() == {"the host asks to wait 9999 s": 1}
    assert [one.state for one in outcomes if isinstance(one, Settled)].count("pending") == 1


def test_a_host_that_told_one_run_to_wait_is_not_asked_by_the_next(tmp_path: Path) -> None:
    shelf = Shelf({"mouse": ["http://h/wait", "http://h/a", "http://other/b"]})
    crawl(tmp_path, shelf, per_species=None)
    asked: list[str] = []

    def ask(url: str) -> Body | Redirect:
        asked.append(url)
        return Body(body=url.encode())

    crawl(tmp_path, shelf, per_species=None, ask=ask)

    assert asked == []
    assert kept(tmp_path) == ["http://other/b"]
    with Harvest.open(tmp_path) as harvest:
        assert harvest.waiting() == {"the host asked to wait 2 h 47 min more": 2}
        assert [(one.source, one.until) for one in harvest.cool_downs() if one.until] == [
            ("//h/", "2026-01-02T05:50:44Z")
        ]


def test_images_that_are_left_for_another_run_are_made_up_for_by_a_deeper_search(
    tmp_path: Path,
) -> None:
    offered = [*urls(*["wait"] * 20), *urls(*"abcdefghijklmnopqrstuvwxyz", host="ok")]

    crawl(tmp_path, Shelf({"mouse": offered}), per_species=8)

    assert len(kept(tmp_path)) == 8


def test_failed_images_are_asked_again_only_on_request(tmp_path: Path) -> None:
    shelf = Shelf({"mouse": urls("dead")}, is_local=True)
    crawl(tmp_path, shelf, per_species=None)
    assert not settled(crawl(tmp_path, shelf, per_species=None, ask=_healed))

    with Harvest.create(tmp_path) as harvest:
        assert harvest.retry(species="mouse") == 1
    crawl(tmp_path, shelf, per_species=None, ask=_healed)

    assert len(kept(tmp_path)) == 1


def _healed(url: str) -> Body | Redirect:
    return Body(body=b"healed")


fates = st.lists(st.sampled_from(["ok", "dead", "html", "thumb"]), max_size=25)


@given(fates=fates, wanted=st.integers(1, 12), hosts=st.integers(1, 4), deaths=st.integers(0, 9**6))
@settings(deadline=None, max_examples=20)
def test_a_crawl_that_dies_again_and_again_keeps_what_an_undisturbed_one_keeps(
    tmp_path_factory: pytest.TempPathFactory,
    fates: list[str],
    wanted: int,
    hosts: int,
    deaths: int,
) -> None:
    offered = [f"http://h{n % hosts}/{n}-{fate}" for n, fate in enumerate(fates)]
    calm, wild = tmp_path_factory.mktemp("calm"), tmp_path_factory.mktemp("wild")
    crawl(calm, Shelf({"mouse": offered}), per_species=wanted)
    rng = Random(deaths)
    for _ in range(4):
        _interrupted(wild, Shelf({"mouse": offered}), wanted, after=rng.randrange(8))

    crawl(wild, Shelf({"mouse": offered}), per_species=wanted, workers=3)

    assert kept(wild) == kept(calm)


def _interrupted(
    root: Path,
    shelf: Shelf,
    wanted: int,
    *,
    after: int,
    species: tuple[Species, ...] = (),
    min_sample: int = 40,
    thumbnails: bool = False,
) -> None:
    clock = JumpingClock()
    plan = CrawlPlan(
        species=species or plain(*shelf.offers),
        per_species=wanted,
        thumbnails=thumbnails,
        min_yield=0.3,
        min_sample=min_sample,
    )
    with (
        suppress(KilledError),
        Harvest.create(root) as harvest,
        Downloads(
            answer, policy=FetchPolicy(pause_s=0, workers=2), clock=clock, rng=NoJitter()
        ) as downloads,
    ):
        run = Crawl(plan, harvest=harvest, source=shelf, downloads=downloads, clock=clock)
        for number, _ in enumerate(run.outcomes()):
            if number >= after:
                return


def test_images_are_fetched_while_the_search_goes_on(tmp_path: Path) -> None:
    """The second species is only found once an image of the first was asked for."""
    asked = Event()

    class Patient(Shelf):
        def search(self, query: Query, *, wanted: int) -> Iterator[Batch]:
            assert query.words == "ape" or asked.wait(timeout=30)
            yield from super().search(query, wanted=wanted)

    def ask(url: str) -> Body | Redirect:
        asked.set()
        return answer(url)

    shelf = Patient({name: urls(*"abcdef", host=name) for name in ("ape", "bat")})
    outcomes = crawl(tmp_path, shelf, per_species=5, ask=ask)

    assert len(settled(outcomes)) == 10
    assert asked.is_set()


# --- several queries of one species ----------------------------------------------------

SHREW = Species(
    name="shrew",
    scientific_name="Sorex araneus",
    names={"en": ("common shrew",), "de": ("Waldspitzmaus",)},
    synonyms=("Sorex vulgaris",),
)
WORDS = ("Sorex araneus", "common shrew", "Waldspitzmaus", "Sorex vulgaris")


def test_queries_share_the_work_and_their_first_results_come_first(tmp_path: Path) -> None:
    latin, english = urls(*"abcdefgh", host="la"), urls(*"abcdefgh", host="en")
    shelf = Shelf({WORDS[0]: latin, WORDS[1]: english})

    outcomes = crawl(tmp_path, shelf, per_species=4, species=(SHREW,))

    assert shelf.searches == [(WORDS[0], 8), (WORDS[1], 8)]
    assert set(kept(tmp_path, "shrew")) == {*latin[:2], *english[:2]}
    assert [one.query for one in outcomes if isinstance(one, Searched)] == list(WORDS[:2])


def test_more_queries_are_asked_for_a_species_that_lags(tmp_path: Path) -> None:
    shelf = Shelf(
        {words: urls(*"abc", host=words[-3:]) for words in WORDS} | {"rat": urls(*"abcdefghijkl")}
    )

    crawl(tmp_path, shelf, per_species=10, species=(*plain("rat"), SHREW))

    assert [words for words, _ in shelf.searches] == ["rat", *WORDS]
    assert [len(kept(tmp_path, name)) for name in ("rat", "shrew")] == [10, 10]


def test_queries_with_more_to_give_are_asked_again_when_none_is_left(tmp_path: Path) -> None:
    short = {words: urls("a", host=words[-3:]) for words in WORDS[1:]}
    shelf = Shelf({WORDS[0]: urls(*["dead"] * 30, *map(str, range(60)))} | short)

    crawl(tmp_path, shelf, per_species=20, species=(SHREW,))

    assert [words for words, _ in shelf.searches] == [*WORDS, *[WORDS[0]] * 2]
    assert [depth for words, depth in shelf.searches if words == WORDS[0]] == [20, 40, 80]
    assert len(kept(tmp_path, "shrew")) == 20


def test_a_query_that_brings_little_new_is_ended(tmp_path: Path) -> None:
    same = urls(*map(str, range(300)))
    shelf = Shelf({WORDS[0]: same, WORDS[1]: same, WORDS[2]: [], WORDS[3]: []})

    outcomes = crawl(tmp_path, shelf, per_species=150, species=(SHREW,))

    ends = {one.query: one for one in outcomes if isinstance(one, Searched)}
    assert ends[WORDS[1]].because == "only 0 of 40 candidates were new"
    assert ends[WORDS[1]].found == 40
    assert len(kept(tmp_path, "shrew")) == 150
    assert [words for words, _ in shelf.searches].count(WORDS[1]) == 1


def test_a_species_knows_best_how_many_are_wanted_of_it(tmp_path: Path) -> None:
    shelf = Shelf({"rat": urls(*"abcdef"), "bat": urls(*"abcdef", host="b")})

    crawl(tmp_path, shelf, per_species=2, species=(Species(name="rat", wanted=4), *plain("bat")))

    assert [len(kept(tmp_path, name)) for name in ("rat", "bat")] == [4, 2]


@given(
    lists=st.lists(st.lists(st.integers(0, 60), max_size=60, unique=True), min_size=4, max_size=4),
    bad=st.sets(st.integers(0, 60), max_size=50),
    previews=st.sets(st.integers(0, 60), max_size=20),
    wanted=st.integers(1, 40),
    min_sample=st.sampled_from([10, 20, 40]),
    thumbnails=st.booleans(),
    deaths=st.integers(0, 9**6),
)
@settings(deadline=None, max_examples=25)
def test_deaths_between_and_within_queries_change_nothing_that_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
    lists: list[list[int]],
    bad: set[int],
    previews: set[int],
    wanted: int,
    min_sample: int,
    thumbnails: bool,
    deaths: int,
) -> None:
    def url(number: int) -> str:
        kind = "dead" if number in bad else "ok"
        return f"http://h{number % 3}/{number}-{kind}{'-thumb' if number in previews else ''}"

    offers = {words: list(map(url, found)) for words, found in zip(WORDS, lists, strict=True)}
    calm, wild = tmp_path_factory.mktemp("calm"), tmp_path_factory.mktemp("wild")
    often = {"species": (SHREW,), "min_sample": min_sample, "thumbnails": thumbnails}
    crawl(calm, Shelf(offers), per_species=wanted, **often)  # type: ignore[arg-type]
    rng = Random(deaths)
    for _ in range(5):
        dying = Shelf(offers, dies_after=rng.randrange(1, 20))
        _interrupted(wild, dying, wanted, after=rng.randrange(12), **often)  # type: ignore[arg-type]

    crawl(wild, Shelf(offers), per_species=wanted, workers=3, **often)  # type: ignore[arg-type]

    assert sorted(kept(wild, "shrew")) == sorted(kept(calm, "shrew"))


@pytest.mark.parametrize("wrong", [{"species": ()}, {"per_species": 0}])
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="at least"):
        CrawlPlan(**{"species": plain("a"), "per_species": 1, **wrong})  # type: ignore[arg-type]
