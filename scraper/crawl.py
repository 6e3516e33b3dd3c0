"""The crawl: search for each species, then download until there are enough images of each.

What is kept depends on the candidates and the answers to them alone, never on timing: of
each species the first `wanted` that succeed, in rank order. A candidate is asked only when
it is among those, so a crawl that was killed and started again ends where an undisturbed
one does. Candidates without a full-size address come after all others, by their thumbnail.

A candidate that failed or was skipped is settled: a later run does not ask it again, unless
the failed ones are put back with `Harvest.retry`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from scraper.clock import Clock, stamp
from scraper.errors import (
    BlockedError,
    BrowserError,
    LayoutError,
    ScraperError,
    UnwantedError,
)
from scraper.fetch import Body
from scraper.harvest import CrawlState, Harvest, Record
from scraper.hosts import Done, Downloads, Postponed
from scraper.sources.offers import ENOUGH, Source

MAX_ROUNDS = 4
"""How often a species that lacks images is searched for more."""
COOL_DOWN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlPlan:
    """What to gather; `per_species` None takes everything that the source has."""

    species: tuple[str, ...]
    per_species: int | None
    spare: float = 0.5
    """Candidates to look for beyond the wanted number, as a share of it: some will fail."""

    def __post_init__(self) -> None:
        if not self.species:
            raise ValueError("a crawl needs at least one species")
        if self.per_species is not None and self.per_species < 1:
            raise ValueError(f"per_species must be at least 1, not {self.per_species}")

    @property
    def wanted(self) -> int:
        """Images per species; a number that no source reaches where there is no limit."""
        return 2**31 if self.per_species is None else self.per_species

    def candidates(self, round_number: int) -> int:
        """How many candidates to look for in the given 1-based round."""
        return int(self.wanted * (1 + self.spare)) * (1 << (round_number - 1)) + 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A search ended; `new` candidates were not known before."""

    species: str
    found: int
    new: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The source cannot be searched on: `error` says why, and what is left goes on without it."""

    species: str
    error: ScraperError
    resume_after: str = ""
    """UTC, ISO 8601; when a source that turned us away may be asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of one image; `pending` when its host wants to be left alone for long."""

    species: str
    address: str
    state: Literal["kept", "skipped", "failed", "pending"]
    reason: str = ""


Outcome = Searched | Stopped | Settled


class Crawl:
    """One run over a plan: iterate over `outcomes` to make it happen."""

    def __init__(
        self,
        plan: CrawlPlan,
        *,
        harvest: Harvest,
        source: Source,
        downloads: Downloads,
        clock: Clock,
    ) -> None:
        self._plan, self._harvest, self._source = plan, harvest, source
        self._downloads, self._clock = downloads, clock
        self._is_stopped = False

    def outcomes(self) -> Iterator[Outcome]:
        """Search and download by turns until every species has enough or nothing is left."""
        for round_number in range(1, MAX_ROUNDS + 1):
            searches = 0
            for species in self._plan.species:
                for outcome in self._search(species, round_number):
                    searches += 1
                    yield outcome
            if round_number > 1 and not searches:
                return
            yield from self._download()

    def _search(self, species: str, round_number: int) -> Iterator[Outcome]:
        """Search for one species, unless it has enough, or its source no more, or blocked us."""
        state = self._harvest.crawl_state(species, self._source.name, self._source.query(species))
        if self._is_stopped or not self._needs_search(state, round_number):
            return
        found = new = 0
        try:
            for batch in self._source.search(species, wanted=self._plan.candidates(round_number)):
                new += self._harvest.add(
                    batch.candidates,
                    species=species,
                    source=state.source,
                    query=state.query,
                    first_rank=found,
                )
                found += len(batch.candidates)
                state = replace(state, ended_because=batch.ended_because)
        except (BlockedError, LayoutError, BrowserError) as error:
            yield self._stop(state, error)
            return
        self._harvest.set_crawl_state(replace(state, state="done", found=found, resume_after=""))
        yield Searched(species=species, found=found, new=new, because=state.ended_because)

    def _needs_search(self, state: CrawlState, round_number: int) -> bool:
        wanted, is_done = self._plan.wanted, state.state == "done"
        if self._source.is_local:
            return round_number == 1  # It costs nothing, and the list may have grown.
        kept = self._harvest.count("kept", species=state.species)
        pending = self._harvest.count("pending", species=state.species, source=state.source)
        if kept >= wanted or (is_done and kept + pending >= wanted):
            return False
        if not is_done:
            return round_number == 1
        has_more = state.ended_because == ENOUGH
        return has_more and state.found < self._plan.candidates(round_number)

    def _stop(self, state: CrawlState, error: ScraperError) -> Stopped:
        self._is_stopped = True
        if not isinstance(error, BlockedError):
            return Stopped(species=state.species, error=error)
        resume_after = stamp(self._clock.now() + COOL_DOWN)
        self._harvest.set_crawl_state(
            replace(state, state="blocked", ended_because=str(error), resume_after=resume_after)
        )
        return Stopped(species=state.species, error=error, resume_after=resume_after)

    def _download(self) -> Iterator[Outcome]:
        queues = {species: self._queue(species) for species in self._plan.species}
        missing = {
            species: self._plan.wanted - self._harvest.count("kept", species=species)
            for species in self._plan.species
        }
        under_way: dict[int, Record] = {}
        for record in _first_in_turn(queues, missing):
            self._start(record, under_way)
        while self._downloads.is_busy:
            done = self._downloads.next_done()
            record = under_way.pop(done.key)
            outcome = self._settle(record, done)
            yield outcome
            waiting = queues[record.species]
            if outcome.state != "kept" and waiting:
                self._start(waiting.popleft(), under_way)

    def _queue(self, species: str) -> deque[Record]:
        """What may be asked for a species, best first: full-size images before thumbnails."""
        pending = self._harvest.records("pending", species=species, source=self._source.name)
        return deque(sorted(pending, key=lambda record: not record.candidate.image_url))

    def _start(self, record: Record, under_way: dict[int, Record]) -> None:
        under_way[record.id] = record
        self._downloads.add(record.id, record.candidate.address)

    def _settle(self, record: Record, done: Done) -> Settled:
        fetched_at = stamp(self._clock.now())
        settled = Settled(species=record.species, address=record.candidate.address, state="kept")
        outcome = done.outcome
        if isinstance(outcome, Body):
            self._harvest.keep(
                record, outcome.body, content_type=outcome.content_type, fetched_at=fetched_at
            )
            return settled
        if isinstance(outcome, Postponed):
            return replace(settled, state="pending", reason=outcome.reason)
        state: Literal["skipped", "failed"] = (
            "skipped" if isinstance(outcome, UnwantedError) else "failed"
        )
        self._harvest.refuse(record, state, outcome.reason, fetched_at=fetched_at)
        return replace(settled, state=state, reason=outcome.reason)


def _first_in_turn(
    queues: Mapping[str, deque[Record]], missing: Mapping[str, int]
) -> Iterator[Record]:
    """Take as many records as are missing off each queue, one species after the other."""
    for turn in range(max(map(len, queues.values()), default=0)):
        for species, waiting in queues.items():
            if turn < missing[species] and waiting:
                yield waiting.popleft()
