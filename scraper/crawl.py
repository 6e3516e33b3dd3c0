"""The crawl: search for each species, then download until there are enough images of each.

Searches come in turns. The first turn asks the first `QUERIES_A_TURN` queries of every
species; each later turn asks the next ones, for species that lack images alone, and when
all were asked it asks those that had more to give again, for twice as many. Downloads begin
while a turn is searched, and the next turn begins when they are done: one species after the
other, so that classes fill evenly, and of each species the first `wanted` that succeed in the
order of their rank. A candidate is asked for where a larger version of it may be, then at its
own address, and then, if thumbnails are allowed, at that of its thumbnail. Those of which only
a thumbnail is known come last.

What is kept depends on the candidates and the answers to them alone, never on timing (see
`scraper.line`). A turn is noted before it begins; a crawl that was killed finishes it first when
it is started again, and so ends where an undisturbed one does.

A candidate that failed or was skipped is settled: a later run does not ask it again, unless
the failed ones are put back with `Harvest.retry`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from scraper.clock import Clock, stamp
from scraper.cool_down import CoolDown, in_words
from scraper.errors import (
    BlockedError,
    BrowserError,
    LayoutError,
    ScraperError,
    UnwantedError,
)
from scraper.fetch import Body
from scraper.harvest import Candidate, CrawlState, Harvest, Record
from scraper.hosts import Done, Downloads, Postponed, host_of
from scraper.ladder import better_addresses
from scraper.line import Line
from scraper.queries import Query
from scraper.sources.offers import ENOUGH, Batch, Source
from scraper.species import Species

ONLY_A_THUMBNAIL = "only a thumbnail is known (--thumbnails takes it)"
QUERIES_A_TURN = 2
DEEPENINGS = 3
"""How often a query that may have more is asked again, for twice as many each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlPlan:
    """What to gather; `per_species` None takes everything that the source has.

    A species that says how many are wanted of it knows better.
    """

    species: tuple[Species, ...]
    per_species: int | None
    spare: float = 0.5
    """Candidates to look for beyond the wanted number, as a share of it: some will fail."""
    thumbnails: bool = False
    """Whether the search site's own small copy will do where there is nothing else."""
    min_yield: float = 0.1
    """A query of whose candidates fewer are new, as a share, is ended early."""
    min_sample: int = 40
    """Candidates of a query that are looked at before it may be ended early."""

    def __post_init__(self) -> None:
        if not self.species:
            raise ValueError("a crawl needs at least one species")
        if self.per_species is not None and self.per_species < 1:
            raise ValueError(f"per_species must be at least 1, not {self.per_species}")
        if not 0 <= self.min_yield < 1:
            raise ValueError(f"min_yield must be from 0 to below 1, not {self.min_yield}")

    def limit(self, species: Species) -> int | None:
        """Images wanted of a species, None for all there are."""
        return species.wanted or self.per_species

    def wanted(self, species: Species) -> int:
        """Images wanted of a species; where there is no limit, more than any source has."""
        return self.limit(species) or 2**31

    def depth(self, species: Species, *, queries: int) -> int:
        """How many candidates each of so many queries is first asked for."""
        return -(-int(self.wanted(species) * (1 + self.spare)) // queries) + 5

    def is_exhausted(self, *, found: int, own: int) -> bool:
        """Whether a query mostly repeats what others found before it."""
        return found >= self.min_sample and own < self.min_yield * found


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """A search goes on, and has found so many candidates by now."""

    species: str
    query: str
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A search ended; `new` candidates were not known before."""

    species: str
    query: str
    found: int
    new: int
    because: str
    is_repeated: bool = False
    """Whether the same was asked before, for fewer results."""


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


Outcome = Searching | Searched | Stopped | Settled
Search = tuple[Query, CrawlState]
"""A query to ask, and where its crawl will stand while it is asked."""


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
        self._left: dict[str, set[int]] = defaultdict(set)
        """Candidates of each species whose hosts are left alone for this run."""
        self._lines: dict[str, Line] = {}
        self._under_way: dict[int, Record] = {}

    @cached_property
    def _queries(self) -> dict[str, tuple[Query, ...]]:
        return {one.name: self._source.queries(one) for one in self._plan.species}

    def outcomes(self) -> Iterator[Outcome]:
        """Search and download by turns until every species has enough or nothing is left."""
        if self._plan.thumbnails:
            self._harvest.reconsider(ONLY_A_THUMBNAIL)
        self._leave_resting_hosts()
        yield from self._take_turn(self._unfinished())
        while searches := self._next_turn():
            yield from self._take_turn(searches)

    def _take_turn(self, searches: list[Search]) -> Iterator[Outcome]:
        """Search, and meanwhile and afterwards download; all of it, before the next turn."""
        self._line_up(searches)
        yield from self._search_all(searches)
        yield from self._download()

    def _leave_resting_hosts(self) -> None:
        """Ask nothing of hosts that told an earlier run to wait longer than until now."""
        for one in self._harvest.cool_downs():
            host = one.source.strip("/")
            if host != one.source and (left := one.left(self._clock.now())):
                self._downloads.leave_alone(host, f"the host asked to wait {in_words(left)} more")

    def _unfinished(self) -> list[Search]:
        """The searches of a turn that was cut short; of a local list, all: it may have grown."""
        asked = [(one, *search) for one in self._plan.species for search in self._asked(one)]
        if self._source.is_local:
            return [
                (query, replace(state, state="open", depth=self._plan.depth(one, queries=1)))
                for one, query, state in asked
            ]
        return [
            (query, state) for _, query, state in asked if state.state == "open" and state.depth
        ]

    def _next_turn(self) -> list[Search]:
        if self._is_stopped or self._source.is_local:
            return []
        return [search for one in self._plan.species for search in self._next_searches(one)]

    def _next_searches(self, species: Species) -> list[Search]:
        """What to ask next for a species: nothing when it has enough, or there is no more."""
        count, wanted = self._harvest.count, self._plan.wanted(species)
        pending = count("pending", species=species.name, source=self._source.name)
        pending -= len(self._left[species.name])
        if count("kept", species=species.name) + pending >= wanted:
            return []
        asked = self._asked(species)
        depth = self._plan.depth(species, queries=min(QUERIES_A_TURN, len(asked)))
        fresh = [
            (query, replace(state, state="open", depth=depth))
            for query, state in asked
            if state.state != "done"
        ]
        return fresh[:QUERIES_A_TURN] or list(_deeper(asked, depth))

    def _asked(self, species: Species) -> list[Search]:
        known = {
            state.query: state
            for state in self._harvest.crawl_states(species=species.name)
            if state.source == self._source.name
        }
        return [
            (query, known.get(query.key) or self._unknown(query))
            for query in self._queries[species.name]
        ]

    def _unknown(self, query: Query) -> CrawlState:
        return CrawlState(species=query.species, source=self._source.name, query=query.key)

    def _search_all(self, searches: Iterable[Search]) -> Iterator[Outcome]:
        waiting = deque(searches)
        if not waiting:
            return
        if refusal := self._refusal(waiting[0][0]):
            yield refusal
            return
        self._harvest.set_crawl_state(*(state for _, state in waiting))
        while waiting:
            query, state = waiting[0]
            try:
                yield from self._search(query, state)
            except (BlockedError, LayoutError, BrowserError) as error:
                yield self._stop([state for _, state in waiting], error)
                return
            waiting.popleft()
        # One search that ended well proves little: the next one may meet the same block.
        self._harvest.set_cool_down(CoolDown(source=self._source.name))

    def _refusal(self, query: Query) -> Stopped | None:
        """Leave a source alone that turned us away, until its cool-down is over."""
        cool_down = self._harvest.cool_down(self._source.name)
        left = cool_down.left(self._clock.now())
        if not left:
            return None
        self._is_stopped = True
        error = BlockedError(
            f"{self._source.name} turned us away and is left alone for {in_words(left)} more"
        )
        return Stopped(species=query.species, error=error, resume_after=cool_down.until)

    def _search(self, query: Query, state: CrawlState) -> Iterator[Outcome]:
        found = new = 0
        because = ""
        yield Searching(species=query.species, query=query.words, found=0)
        for batch in self._source.search(query, wanted=state.depth):
            new += self._note(batch, state, first_rank=found)
            found += len(batch.candidates)
            own = self._harvest.count(species=query.species, source=state.source, query=state.query)
            because = batch.ended_because
            if not because and self._plan.is_exhausted(found=found, own=own):
                because = f"only {own} of {found} candidates were new"
            if because:
                break
            yield Searching(species=query.species, query=query.words, found=found)
            yield from self._download_for(batch.rest_s)
        self._lines[query.species].expect_no_more(state.query)
        ended = replace(state, state="done", found=found, ended_because=because, resume_after="")
        self._harvest.set_crawl_state(ended)
        yield Searched(
            species=query.species,
            query=query.words,
            found=found,
            new=new,
            because=because,
            is_repeated=state.ended_because == ENOUGH,
        )

    def _note(self, batch: Batch, state: CrawlState, *, first_rank: int) -> int:
        """Note what a search brought, and let it join the line; return how much was new."""
        if not batch.candidates:
            return 0
        new = self._harvest.add(
            batch.candidates,
            species=state.species,
            source=state.source,
            query=state.query,
            first_rank=first_rank,
        )
        line = self._lines[state.species]
        line.join(self._candidates(state.species, above=line.last_id))
        line.expect(state.query, found=first_rank + len(batch.candidates))
        return new

    def _stop(self, unfinished: list[CrawlState], error: ScraperError) -> Stopped:
        self._is_stopped = True
        species = unfinished[0].species
        unfinished = [replace(state, found=self._found(state)) for state in unfinished]
        if not isinstance(error, BlockedError):
            self._harvest.set_crawl_state(*unfinished)
            return Stopped(species=species, error=error)
        cool_down = self._harvest.cool_down(self._source.name).after_block(self._clock.now())
        self._harvest.set_cool_down(cool_down)
        resume_after = cool_down.until
        self._harvest.set_crawl_state(
            *(
                replace(state, state="blocked", ended_because=str(error), resume_after=resume_after)
                for state in unfinished
            )
        )
        return Stopped(species=species, error=error, resume_after=resume_after)

    def _found(self, state: CrawlState) -> int:
        """What a search that was cut short found at least: what nobody found before it."""
        own = self._harvest.count(species=state.species, source=state.source, query=state.query)
        return max(state.found, own)

    # --- downloads --------------------------------------------------------------------

    def _line_up(self, searches: Iterable[Search]) -> None:
        """Form the lines of a turn: who waits from before, and who is still to come."""
        for one in self._plan.species:
            kept = self._harvest.count("kept", species=one.name)
            line = self._lines[one.name] = Line(missing=self._plan.wanted(one) - kept)
            line.join(self._candidates(one.name))
        for query, state in searches:
            self._lines[query.species].expect(state.query)

    def _candidates(self, species: str, *, above: int = 0) -> list[Record]:
        """What may be asked for, apart from what this run leaves alone."""
        records = self._harvest.records(
            "pending", species=species, source=self._source.name, above=above
        )
        return [
            record
            for record in records
            if record.id not in self._left[species]
            and (record.candidate.image_url or self._plan.thumbnails)
        ]

    def _download_for(self, seconds: float) -> Iterator[Settled]:
        """Let so much time pass, and use it for what may be asked for already."""
        self._start()
        for done in self._downloads.done_within(seconds):
            yield self._settled(done)

    def _download(self) -> Iterator[Outcome]:
        """Ask for all that may be, now that nothing better will come in this turn."""
        for one in self._plan.species:
            self._refuse_thumbnails(one.name)
            self._lines[one.name].expect_nothing()
        self._start()
        while self._downloads.is_busy:
            yield self._settled(self._downloads.next_done())

    def _refuse_thumbnails(self, species: str) -> None:
        if self._plan.thumbnails:
            return
        pending = list(self._harvest.records("pending", species=species, source=self._source.name))
        for record in pending:
            if not record.candidate.image_url:
                self._harvest.refuse(record, "skipped", ONLY_A_THUMBNAIL, fetched_at="")

    def _start(self) -> None:
        """Ask for all that may be asked for, one of each species in turn."""
        lines = deque(self._lines.values())
        while lines:
            if (record := lines[0].next()) is None:
                lines.popleft()
                continue
            self._under_way[record.id] = record
            self._downloads.add(record.id, *self._rungs(record.candidate))
            lines.rotate(-1)

    def _settled(self, done: Done) -> Settled:
        """Take an outcome in; where the image was not kept, the next in line is asked for."""
        record = self._under_way.pop(done.key)
        outcome = self._settle(record, done)
        if outcome.state != "kept":
            self._lines[record.species].lost()
            self._start()
        return outcome

    def _rungs(self, candidate: Candidate) -> list[str]:
        """Where to ask for an image: a larger version first, the thumbnail last if at all."""
        rungs = [*better_addresses(candidate.image_url), candidate.address]
        if self._plan.thumbnails and candidate.thumbnail_url not in {"", *rungs}:
            rungs.append(candidate.thumbnail_url)
        return rungs

    def _settle(self, record: Record, done: Done) -> Settled:
        fetched_at = stamp(self._clock.now())
        settled = Settled(species=record.species, address=record.candidate.address, state="kept")
        outcome = done.outcome
        if isinstance(outcome, Body):
            self._harvest.keep(
                record,
                outcome.body,
                content_type=outcome.content_type,
                fetched_at=fetched_at,
                fetched_url=_without_data(done.asked),
                stored_as=outcome.sha256,
            )
            return settled
        if isinstance(outcome, Postponed):
            self._left[record.species].add(record.id)
            self._note_rest(host_of(done.asked), outcome.rest_s)
            self._harvest.postpone(record, outcome.reason, attempts=done.attempts)
            return replace(settled, state="pending", reason=outcome.reason)
        state: Literal["skipped", "failed"] = (
            "skipped" if isinstance(outcome, UnwantedError) else "failed"
        )
        self._harvest.refuse(record, state, outcome.reason, fetched_at=fetched_at)
        return replace(settled, state=state, reason=outcome.reason)

    def _note_rest(self, host: str, rest_s: float) -> None:
        if rest_s:
            cool_down = CoolDown(source=f"//{host}/").after_request(self._clock.now(), rest_s)
            self._harvest.set_cool_down(cool_down)


def _without_data(address: str) -> str:
    """An address as a row can hold it: an image inside of an address is in its file already."""
    return "data:" if address.startswith("data:") else address


def _deeper(asked: Iterable[Search], first_depth: int) -> Iterator[Search]:
    """Ask those that had more to give for twice as many, within reason."""
    for query, state in asked:
        depth = max(first_depth, 2 * state.depth)
        if state.ended_because == ENOUGH and depth <= first_depth << DEEPENINGS:
            yield query, replace(state, state="open", depth=depth)
