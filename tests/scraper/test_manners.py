"""What hosts see of a crawl, read from the stand-in's own log; and what its user sees of them.

The first half of this file is the proof that no host is hammered: each claim is checked on the
list of requests that the server itself wrote down. The second half is the table "what happened
to my crawl": one row for each way in which a site can misbehave.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from scraper.addresses import AddressRule
from scraper.clock import SystemClock
from scraper.crawl import Crawl, CrawlPlan
from scraper.fetch import Web
from scraper.harvest import Candidate, Harvest, Record
from scraper.hosts import Downloads, storing
from scraper.policy import FetchPolicy
from scraper.queries import Query, queries_of
from scraper.sources.offers import Batch
from scraper.sources.urls import UrlsSource
from scraper.species import Species
from scraper.standin.faults import Faults
from scraper.standin.site import Site
from scraper.standin.wire import Request
from scraper.summary import document_of, nothing_found, text_of
from tests.fakes import NoJitter, png

PAUSE_S = 0.05
PATIENT = FetchPolicy(pause_s=PAUSE_S, backoff_s=0.02, backoff_max_s=0.1, timeout_s=5.0)


@contextlib.contextmanager
def site(folder: Path, *, pictures: int, image_hosts: int = 4, faults: Faults) -> Iterator[Site]:
    shrews = folder / "pictures" / "shrew"
    shrews.mkdir(parents=True)
    for number in range(pictures):
        (shrews / f"{number}.png").write_bytes(png(number))
    with Site(folder / "pictures", faults=faults, image_hosts=image_hosts) as running:
        yield running


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What a crawl left behind: the rows of the harvest, and what its user is told."""

    rows: list[Record]
    text: str
    exit_code: int


def gather(running: Site, folder: Path, policy: FetchPolicy) -> Gathered:
    """Download all that the site has."""
    table = folder / "urls.csv"
    lines = [f"{offer.image_url},shrew" for offer in running.offers()]
    table.write_text("\n".join(["url,species", *lines]))
    clock = SystemClock()
    rule = AddressRule.of([Site.address_range])
    with (
        contextlib.closing(Web(policy=policy, rule=rule, clock=clock)) as web,
        Harvest.create(folder / "harvest") as harvest,
        Downloads(
            storing(web.ask, harvest.store),
            policy=policy,
            clock=clock,
            rng=NoJitter(),
            ask_rules=web.ask_rules,
        ) as downloads,
    ):
        plan = CrawlPlan(species=(Species(name="shrew"),), per_species=None)
        source = UrlsSource(table)
        run = Crawl(plan, harvest=harvest, source=source, downloads=downloads, clock=clock)
        list(run.outcomes())
        return _gathered(plan, harvest)


def _gathered(plan: CrawlPlan, harvest: Harvest) -> Gathered:
    rows = list(harvest.records())
    document = document_of(
        plan, harvest, None, source="urls", warnings=(), command="bestiary scrape"
    )
    if any(row.state == "kept" for row in rows):
        return Gathered(rows=rows, text=text_of(document), exit_code=0)
    return Gathered(rows=rows, text=f"Error: {nothing_found(document, source='urls')}", exit_code=1)


def crawl(running: Site, folder: Path, policy: FetchPolicy) -> list[Record]:
    """Download all that the site has, and return the rows of the harvest."""
    return gather(running, folder, policy).rows


def by_host(log: Sequence[Request]) -> dict[str, list[Request]]:
    """The requests of each host, in the order in which they came."""
    hosts: dict[str, list[Request]] = defaultdict(list)
    for request in sorted(log, key=lambda request: request.start_s):
        hosts[request.host].append(request)
    return hosts


def ended(request: Request) -> float:
    assert request.end_s is not None
    return request.end_s


def most_at_once(requests: Sequence[Request]) -> int:
    """How many requests were being answered at the same time, at most."""
    changes = sorted(
        [(request.start_s, 1) for request in requests] + [(ended(one), -1) for one in requests]
    )
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


# --- what the hosts see ----------------------------------------------------------------


def test_no_host_is_asked_before_its_pause_is_over(tmp_path: Path) -> None:
    with site(tmp_path, pictures=40, faults=Faults()) as running:
        crawl(running, tmp_path, PATIENT)
        hosts = by_host(running.log)

    assert len(hosts) == 4
    for requests in hosts.values():
        for earlier, later in pairwise(requests):
            assert later.start_s - earlier.start_s >= PAUSE_S
            assert later.start_s - ended(earlier) >= PAUSE_S - 0.01  # It ends for us first.


def test_a_pause_holds_between_attempts_robots_txt_and_redirects_too(tmp_path: Path) -> None:
    faults = Faults(share_loop=0.3, share_503=0.3, share_truncated=0.2)
    with site(tmp_path, pictures=20, image_hosts=2, faults=faults) as running:
        crawl(running, tmp_path, PATIENT)
        hosts = by_host(running.log)

    for requests in hosts.values():
        assert requests[0].path == "/robots.txt"
        assert sum(request.path == "/robots.txt" for request in requests) == 1
        for earlier, later in pairwise(requests):
            assert later.start_s - earlier.start_s >= PAUSE_S


@pytest.mark.parametrize(("pause_s", "connections", "most"), [(0.01, 3, 1), (0, 1, 1), (0, 3, 3)])
def test_no_host_has_more_connections_than_allowed(
    tmp_path: Path, pause_s: float, connections: int, most: int
) -> None:
    policy = FetchPolicy(pause_s=pause_s, connections=connections)
    faults = Faults(share_slow=0.4, slow_s=0.2)
    with site(tmp_path, pictures=30, image_hosts=2, faults=faults) as running:
        crawl(running, tmp_path, policy)
        log = running.log

    for requests in by_host(log).values():
        assert 1 <= most_at_once(requests) <= most
    assert most_at_once(log) <= 2 * most


def test_the_connections_that_are_allowed_are_used(tmp_path: Path) -> None:
    """Otherwise the limit above would hold because nobody ever comes near it."""
    policy = FetchPolicy(pause_s=0, connections=3)
    faults = Faults(share_slow=1, slow_s=0.3)
    with site(tmp_path, pictures=12, image_hosts=1, faults=faults) as running:
        crawl(running, tmp_path, policy)
        (requests,) = by_host(running.log).values()

    assert most_at_once(requests) == 3


def test_nobody_asks_a_host_while_it_wants_to_be_left_alone(tmp_path: Path) -> None:
    """Retry-After is counted from when the host had said it, on the host's own clock."""
    faults = Faults(share_429=0.2, retry_after_s=1)
    with site(tmp_path, pictures=12, image_hosts=3, faults=faults) as running:
        rows = crawl(running, tmp_path, PATIENT)
        hosts = by_host(running.log)

    refusals = 0
    for requests in hosts.values():
        for refusal in (request for request in requests if request.status == 429):
            refusals += 1
            until = refusal.start_s + faults.retry_after_s
            assert not [one for one in requests if refusal.start_s < one.start_s < until]
    assert refusals == 2
    assert {row.state for row in rows} == {"kept"}


def test_four_hosts_give_four_times_the_rate_of_one(tmp_path: Path) -> None:
    """While the host with the fewest images is at work, each other one answers as often.

    The pause sets the rate of one host, so no clock is needed: in the time in which one host
    answers n requests, four answer 4 n. A quarter is left for a machine that is busy.
    """
    with site(tmp_path, pictures=64, faults=Faults()) as running:
        crawl(running, tmp_path, PATIENT)
        hosts = by_host(running.log)

    fewest = min(hosts.values(), key=len)
    until = fewest[-1].start_s
    so_far = [sum(one.start_s <= until for one in requests) for requests in hosts.values()]
    assert sum(so_far) >= 0.75 * len(hosts) * len(fewest)


def test_a_host_gets_the_rest_that_its_robots_txt_asks_for(tmp_path: Path) -> None:
    with site(tmp_path, pictures=6, image_hosts=1, faults=Faults(crawl_delay_s=0.3)) as running:
        crawl(running, tmp_path, PATIENT)
        (requests,) = by_host(running.log).values()

    for earlier, later in pairwise(requests):
        assert later.start_s - earlier.start_s >= 0.3


def test_a_host_at_which_nobody_listens_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with site(tmp_path, pictures=40, faults=Faults(dead_hosts=1)) as running:
        rows = crawl(running, tmp_path, PATIENT)

    states = Counter(row.state for row in rows)
    assert states["pending"] + states["kept"] == 40
    assert 0 < states["pending"] < 20


_SEARCHER = """
import contextlib, sys
from pathlib import Path
import requests
from scraper.budget import Budget
from scraper.clock import SystemClock
from scraper.evidence import Evidence
from scraper.sources.google import GoogleSource, SearchPolicy
from scraper.sources.offers import rested

class PlainWindow:
    def open(self, url):
        self._url, self._html = url, requests.get(url, timeout=30).text
    def url(self):
        return self._url
    def html(self):
        return self._html
    def run(self, script, *arguments):
        step = {"cards": 2, "results": 2, "isScrolled": True, "ended": True}
        return {**step, "html": self._html, "url": self._url}

base_url, folder, pause_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
clock = SystemClock()
source = GoogleSource(
    lambda: contextlib.nullcontext(PlainWindow()),
    policy=SearchPolicy(base_url=base_url, search_pause_s=pause_s, patience_s=0.01),
    evidence=Evidence(folder=folder / "evidence", clock=clock),
    budget=Budget(folder / "turns.sqlite"),
)
for _ in range(4):
    found = [c for b in rested(source.search("shrew", wanted=9), clock) for c in b.candidates]
    assert len(found) == 2, found
"""


def test_two_processes_share_the_pause_between_searches(tmp_path: Path) -> None:
    pause_s = 0.25
    with site(tmp_path, pictures=2, faults=Faults(consent="off")) as running:
        command = [sys.executable, "-c", _SEARCHER, running.base_url, str(tmp_path), str(pause_s)]
        searching = [subprocess.Popen(command) for _ in range(2)]
        assert [process.wait() for process in searching] == [0, 0]
        (searches,) = by_host(running.log).values()

    assert len(searches) == 8
    for earlier, later in pairwise(searches):
        assert later.start_s - earlier.start_s >= pause_s


class LongSearch:
    """A list that is read slowly: a batch of three, and a rest."""

    name, is_local = "google", False

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self.ended_s = 0.0

    def queries(self, species: Species) -> tuple[Query, ...]:
        return queries_of(species)

    def search(self, query: Query, *, wanted: int) -> Iterator[Batch]:
        for start in range(0, len(self._addresses), 3):
            found = self._addresses[start : start + 3]
            yield Batch(candidates=tuple(Candidate(image_url=one) for one in found), rest_s=0.1)
        self.ended_s = time.monotonic()
        yield Batch(ended_because="the end")


def test_images_are_asked_for_while_the_search_goes_on_and_no_faster(tmp_path: Path) -> None:
    clock, policy = SystemClock(), PATIENT
    rule = AddressRule.of([Site.address_range])
    with (
        site(tmp_path, pictures=24, faults=Faults()) as running,
        contextlib.closing(Web(policy=policy, rule=rule, clock=clock)) as web,
        Harvest.create(tmp_path / "harvest") as harvest,
        Downloads(
            web.ask, policy=policy, clock=clock, rng=NoJitter(), ask_rules=web.ask_rules
        ) as downloads,
    ):
        plan = CrawlPlan(species=(Species(name="shrew"),), per_species=24)
        source = LongSearch([offer.image_url for offer in running.offers()])
        run = Crawl(plan, harvest=harvest, source=source, downloads=downloads, clock=clock)
        list(run.outcomes())
        log = running.log
        assert harvest.count("kept") == 24

    images = [request for request in log if request.path.startswith("/photos")]
    assert sum(request.start_s < source.ended_s for request in images) >= 3
    for requests in by_host(log).values():
        for earlier, later in pairwise(requests):
            assert later.start_s - earlier.start_s >= PAUSE_S


# --- what the user sees ----------------------------------------------------------------

HASTY = FetchPolicy(
    pause_s=0, attempts=2, backoff_s=0.01, backoff_max_s=0.02, timeout_s=0.4, total_s=0.6,
    max_bytes=100_000,
)  # fmt: skip
WHAT_HAPPENED = [
    ("is well", {}, "kept", ""),
    ("is busy: 429", {"share_429": 1}, "kept", ""),
    ("is busy: 503", {"share_503": 1}, "kept", ""),
    ("stays busy", {"share_503": 1, "busy_answers": 99}, "failed", "HTTP 503 Service Unavailable"),
    ("wants long rest", {"share_429": 1, "retry_after_s": 999}, "pending", "asks to wait 999 s"),
    ("is slow", {"share_slow": 1, "slow_s": 0.2}, "kept", ""),
    ("is too slow", {"share_slow": 1, "slow_s": 4}, "failed", "too slow: not done in 0.6 s"),
    ("drips headers", {"share_slow_headers": 1}, "failed", "timed out"),
    ("cuts off", {"share_truncated": 1}, "failed", "truncated: "),
    ("hangs up", {"share_reset": 1}, "failed", "the connection broke"),
    ("sends a page", {"share_html": 1}, "skipped", "not an image: HTML"),
    ("lies about the type", {"share_wrong_type": 1}, "kept", ""),
    ("redirects for ever", {"share_loop": 1}, "failed", "redirected more than 5 times"),
    ("has lost it", {"share_dead": 1}, "failed", "HTTP 404 Not Found"),
    ("forbids hot links", {"share_hotlink": 1}, "failed", "HTTP 403 Forbidden"),
    ("pads", {"share_oversized": 1, "oversized_bytes": 300_000}, "skipped", "too large: more than"),
    ("sends a bomb", {"share_bomb": 1}, "skipped", "a pixel bomb: more than 100000000 pixels"),
    ("leads inside", {"share_private": 1}, "skipped", "169.254.169.254 is at the private address"),
    ("opts out", {"share_opt_out": 1}, "skipped", "opted out: X-Robots-Tag: noai"),
    ("reserves", {"share_reserved": 1}, "skipped", "opted out: tdm-reservation: 1"),
    ("disallows", {"disallow": "/photos/"}, "skipped", "opted out: its robots.txt disallows it"),
    ("disallows else", {"disallow": "/private/"}, "kept", ""),
    ("has no rules", {"robots_status": 404}, "kept", ""),
    ("has broken rules", {"robots_status": 500}, "pending", "its robots.txt cannot be read"),
    ("is dead", {"dead_hosts": 1}, "pending", "connection refused"),
]


@pytest.mark.parametrize(
    ("faults", "state", "reason"),
    [pytest.param(*row, id=f"a site that {what}") for what, *row in WHAT_HAPPENED],
)
def test_what_happened_to_my_crawl(
    tmp_path: Path, faults: dict[str, float], state: str, reason: str
) -> None:
    with site(tmp_path, pictures=2, image_hosts=1, faults=Faults(**faults)) as running:  # type: ignore[arg-type]
        rows = crawl(running, tmp_path, HASTY)

    assert [row.state for row in rows] == [state] * 2
    for row in rows:
        assert re.search(re.escape(reason), row.reason), row.reason
    files = [path for path in (tmp_path / "harvest" / "images").glob("*/*") if path.is_file()]
    assert len(files) == (2 if state == "kept" else 0)
