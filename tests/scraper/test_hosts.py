from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scraper.clock import SystemClock
from scraper.errors import FetchError, TransientFetchError, UnwantedError
from scraper.fetch import Body, Redirect
from scraper.hosts import Ask, Done, Downloads, Postponed
from scraper.policy import FetchPolicy, spread
from tests.fakes import JumpingClock, NoJitter

Script = dict[str, list[Body | Redirect | FetchError]]
OK = Body(body=b"x")


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


class Web:
    """Answers by script and notes when it was asked what; the last answer repeats."""

    def __init__(self, script: Script, clock: JumpingClock) -> None:
        self._script, self._clock = script, clock
        self.asked: list[tuple[float, str]] = []

    def ask(self, url: str) -> Body | Redirect:
        self.asked.append((self._clock.monotonic(), url))
        answers = self._script.get(url, [OK])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def times(self, host: str) -> list[float]:
        return [time for time, url in self.asked if f"//{host}/" in url]


def run(
    web: Web,
    clock: JumpingClock,
    urls: list[str],
    *,
    ask_rules: Ask | None = None,
    **policy: float,
) -> dict[str, Done]:
    settings = FetchPolicy(**{"workers": 1, **policy})  # type: ignore[arg-type]
    with Downloads(
        web.ask, policy=settings, clock=clock, rng=NoJitter(), ask_rules=ask_rules
    ) as downloads:
        for key, url in enumerate(urls):
            downloads.add(key, url)
        return {urls[done.key]: done for done in _all(downloads)}


def _all(downloads: Downloads) -> Iterator[Done]:
    while downloads.is_busy:
        yield downloads.next_done()


def busy(url: str, retry_after_s: float | None = None) -> TransientFetchError:
    return TransientFetchError(url, "busy", retry_after_s=retry_after_s, is_host_trouble=True)


def test_a_host_rests_between_two_requests(clock: JumpingClock) -> None:
    web = Web({}, clock)

    run(web, clock, [f"http://a/{n}" for n in range(4)], pause_s=2.0)

    assert web.times("a") == [0.0, 2.0, 4.0, 6.0]


def test_no_option_makes_us_hurry_a_host_that_has_said_how_robots_should_ask(
    clock: JumpingClock,
) -> None:
    web = Web({}, clock)
    addresses = [f"http://upload.wikimedia.org/{n}" for n in range(3)]

    run(web, clock, addresses, pause_s=0.0, connections=8)

    assert web.times("upload.wikimedia.org") == [0.0, 0.5, 1.0]


def test_time_that_must_pass_is_used_and_not_exceeded(clock: JumpingClock) -> None:
    web = Web({}, clock)
    policy = FetchPolicy(pause_s=1.0)
    with Downloads(web.ask, policy=policy, clock=clock, rng=NoJitter()) as downloads:
        for key in range(9):
            downloads.add(key, f"http://a/{key}")
        done = list(downloads.done_within(3.5))
        assert clock.monotonic() == pytest.approx(3.5)
        assert [one.key for one in done] == [0, 1, 2, 3]
        assert list(downloads.done_within(0.2)) == []
        assert clock.monotonic() == pytest.approx(3.7)
        rest = list(_all(downloads))

    assert [one.key for one in rest] == [4, 5, 6, 7, 8]


def test_hosts_do_not_wait_for_each_other(clock: JumpingClock) -> None:
    web = Web({}, clock)

    run(web, clock, [f"http://{host}/{n}" for n in range(3) for host in "abc"], pause_s=2.0)

    assert clock.monotonic() == 4.0


def test_a_busy_host_is_left_alone_longer_each_time(clock: JumpingClock) -> None:
    url = "http://a/x"
    web = Web({url: [busy(url), busy(url), OK]}, clock)

    done = run(web, clock, [url], pause_s=0, backoff_s=1.0)

    assert done[url].outcome == OK
    assert done[url].attempts == 3
    assert web.times("a") == [0.0, 1.0, 3.0]


def test_nobody_asks_a_host_before_its_retry_after(clock: JumpingClock) -> None:
    first, other = "http://a/1", "http://a/2"
    web = Web({first: [busy(first, retry_after_s=50), OK]}, clock)

    run(web, clock, [first, other, "http://b/1"], pause_s=1)

    assert web.times("a")[:2] == [0.0, 50.0]
    assert web.times("b") == [0.0]


def test_a_host_that_asks_for_too_long_is_left_for_another_run(clock: JumpingClock) -> None:
    first, other = "http://a/1", "http://a/2"
    web = Web({first: [busy(first, retry_after_s=5000)]}, clock)

    done = run(web, clock, [first, other], pause_s=1)

    assert all(isinstance(one.outcome, Postponed) for one in done.values())
    assert len(web.asked) == 1


def test_an_image_is_given_up_after_its_attempts(clock: JumpingClock) -> None:
    url = "http://a/x"
    web = Web({url: [TransientFetchError(url, "truncated")]}, clock)

    done = run(web, clock, [url], attempts=3)

    outcome = done[url].outcome
    assert isinstance(outcome, FetchError)
    assert not isinstance(outcome, TransientFetchError)
    assert (outcome.reason, len(web.asked)) == ("truncated", 3)


def test_one_bad_image_does_not_hold_up_its_host(clock: JumpingClock) -> None:
    bad, good = "http://a/bad", "http://a/good"
    web = Web({bad: [TransientFetchError(bad, "truncated")]}, clock)

    run(web, clock, [bad, good], pause_s=1, backoff_s=30.0)

    assert web.asked[1] == (1.0, good)


def test_a_redirect_waits_for_the_slot_of_the_host_it_leads_to(clock: JumpingClock) -> None:
    web = Web({"http://a/1": [Redirect(url="http://b/2")]}, clock)

    done = run(web, clock, ["http://b/1", "http://a/1"], pause_s=3)

    assert done["http://a/1"].outcome == OK
    assert web.times("b") == [0.0, 3.0]


def test_redirects_without_end_end(clock: JumpingClock) -> None:
    web = Web({"http://a/1": [Redirect(url="http://a/1")]}, clock)

    done = run(web, clock, ["http://a/1"], pause_s=0, max_redirects=4)

    assert str(done["http://a/1"].outcome) == "redirected more than 4 times: http://a/1"
    assert len(web.asked) == 5


def test_a_defect_is_not_taken_for_a_bad_image(clock: JumpingClock) -> None:
    def broken(url: str) -> Body:
        raise ZeroDivisionError

    with Downloads(broken, policy=FetchPolicy(), clock=clock, rng=NoJitter()) as downloads:
        downloads.add(0, "http://a/1")
        with pytest.raises(ZeroDivisionError):
            downloads.next_done()


answers: st.SearchStrategy[Callable[[str], Body | Redirect | FetchError]] = st.one_of(
    st.just(lambda url: OK),
    st.just(lambda url: FetchError(url, "gone")),
    st.just(lambda url: TransientFetchError(url, "cut")),
    st.sampled_from("abc").map(lambda host: lambda url: Redirect(url=f"http://{host}/z")),
    st.one_of(st.none(), st.floats(0, 300)).map(lambda s: lambda url: busy(url, retry_after_s=s)),
)
urls = st.builds(
    "http://{}/{}".format,
    st.sampled_from("abc"),
    st.one_of(st.integers(0, 9), st.just("robots.txt")),
)


@given(
    script=st.dictionaries(urls, st.lists(answers, min_size=1, max_size=4)),
    asked=st.lists(urls),
    obeys=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_every_download_has_one_outcome_and_no_host_less_than_its_pause(
    script: dict[str, list[Callable[[str], Body | Redirect | FetchError]]],
    asked: list[str],
    obeys: bool,
) -> None:
    clock = JumpingClock()
    web = Web({url: [make(url) for make in makes] for url, makes in script.items()}, clock)

    with Downloads(
        web.ask,
        policy=FetchPolicy(workers=1, pause_s=1.5),
        clock=clock,
        rng=NoJitter(),
        ask_rules=web.ask if obeys else None,
    ) as downloads:
        for key, url in enumerate(asked):
            downloads.add(key, url)
        done = list(_all(downloads))

    assert sorted(one.key for one in done) == list(range(len(asked)))
    for host in "abc":
        times = web.times(host)
        assert all(b - a >= 1.5 - 1e-9 for a, b in pairwise(times))


@given(attempt=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_no_wait_is_longer_than_the_cap(attempt: int, jitter: float) -> None:
    policy = FetchPolicy()

    assert 0 <= policy.wait_after(attempt, jitter=jitter) <= policy.backoff_max_s
    assert spread(policy.pause_s, jitter=jitter) >= policy.pause_s


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"pause_s": -1}, {"timeout_s": float("nan")}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        FetchPolicy(**wrong)  # type: ignore[arg-type]


# --- robots.txt ------------------------------------------------------------------------


def obeying(web: Web, clock: JumpingClock, urls: list[str], **policy: float) -> dict[str, Done]:
    return run(web, clock, urls, ask_rules=web.ask, **policy)


def rules(text: str) -> Body:
    return Body(body=f"User-agent: *\n{text}".encode())


def test_a_host_is_asked_for_its_rules_first_and_once(clock: JumpingClock) -> None:
    web = Web({"http://a/robots.txt": [rules("Disallow: /no")]}, clock)

    done = obeying(web, clock, ["http://a/yes", "http://a/no", "http://a/also"], pause_s=2.0)

    assert web.asked == [
        (0.0, "http://a/robots.txt"),
        (2.0, "http://a/yes"),
        (4.0, "http://a/also"),
    ]
    refused = done["http://a/no"].outcome
    assert isinstance(refused, UnwantedError)
    assert refused.reason == "opted out: its robots.txt disallows it"


def test_a_redirect_obeys_the_rules_of_where_it_leads(clock: JumpingClock) -> None:
    script: Script = {
        "http://a/1": [Redirect(url="http://b/1")],
        "http://b/robots.txt": [rules("Disallow: /")],
    }
    web = Web(script, clock)

    done = obeying(web, clock, ["http://a/1"])

    assert isinstance(done["http://a/1"].outcome, UnwantedError)
    assert "http://b/1" not in [url for _, url in web.asked]


def test_without_a_robots_txt_all_is_allowed(clock: JumpingClock) -> None:
    missing = FetchError("http://a/robots.txt", "HTTP 404 Not Found")
    web = Web({"http://a/robots.txt": [missing]}, clock)

    assert obeying(web, clock, ["http://a/1"])["http://a/1"].outcome == OK


def test_a_host_whose_rules_cannot_be_read_is_left_for_another_run(clock: JumpingClock) -> None:
    broken = TransientFetchError("http://a/robots.txt", "HTTP 500 Internal Server Error")
    web = Web({"http://a/robots.txt": [broken]}, clock)

    done = obeying(web, clock, ["http://a/1", "http://a/2", "http://b/1"], attempts=3)

    reason = "its robots.txt cannot be read (HTTP 500 Internal Server Error)"
    assert done["http://a/1"].outcome == done["http://a/2"].outcome == Postponed(reason=reason)
    assert done["http://b/1"].outcome == OK
    assert len(web.times("a")) == 3


def test_rules_that_come_at_the_second_try_are_obeyed(clock: JumpingClock) -> None:
    url = "http://a/robots.txt"
    web = Web({url: [busy(url, retry_after_s=30), rules("Disallow: /x")]}, clock)

    done = obeying(web, clock, ["http://a/x", "http://a/y"])

    assert isinstance(done["http://a/x"].outcome, UnwantedError)
    assert done["http://a/y"].outcome == OK
    assert web.times("a")[1] == 30.0


def test_rules_may_lie_elsewhere_and_hold_where_they_were_asked_for(clock: JumpingClock) -> None:
    script: Script = {
        "http://a/robots.txt": [Redirect(url="https://a/robots.txt")],
        "https://a/robots.txt": [Redirect(url="http://b/rules")],
        "http://b/rules": [rules("Disallow: /x")],
    }
    web = Web(script, clock)

    done = obeying(web, clock, ["http://a/x", "http://a/y", "http://b/x"])

    assert isinstance(done["http://a/x"].outcome, UnwantedError)
    assert done["http://a/y"].outcome == OK
    assert done["http://b/x"].outcome == OK


def test_rules_that_are_redirected_for_ever_are_none(clock: JumpingClock) -> None:
    url = "http://a/robots.txt"
    web = Web({url: [Redirect(url=url)]}, clock)

    assert obeying(web, clock, ["http://a/1"])["http://a/1"].outcome == OK
    assert len(web.times("a")) == 7


def test_the_delay_that_a_host_asks_for_is_its_pause(clock: JumpingClock) -> None:
    web = Web({"http://a/robots.txt": [rules("Crawl-delay: 7")]}, clock)

    obeying(web, clock, ["http://a/1", "http://a/2", "http://b/1", "http://b/2"], pause_s=1.0)

    assert web.times("a") == [0.0, 7.0, 14.0]
    assert web.times("b") == [0.0, 1.0, 2.0]


def test_a_host_that_asks_for_hours_between_images_is_left(clock: JumpingClock) -> None:
    web = Web({"http://a/robots.txt": [rules("Crawl-delay: 3600")]}, clock)

    done = obeying(web, clock, ["http://a/1"])

    assert done["http://a/1"].outcome == Postponed(reason="its robots.txt asks for 3600 s of rest")


def test_rules_are_asked_for_anew_after_a_day(clock: JumpingClock) -> None:
    web = Web({"http://a/robots.txt": [rules("Crawl-delay: 100")]}, clock)

    obeying(web, clock, [f"http://a/{n}" for n in range(900)])

    assert [url for _, url in web.asked].count("http://a/robots.txt") == 2


# --- hosts in trouble ------------------------------------------------------------------


def test_a_host_that_keeps_failing_is_left_for_another_run(clock: JumpingClock) -> None:
    urls = [f"http://a/{n}" for n in range(9)]
    web = Web({url: [busy(url)] for url in urls}, clock)

    done = run(web, clock, [*urls, "http://b/1"], attempts=4, host_failures=6)

    assert len(web.times("a")) == 6
    assert [one.attempts for one in done.values() if one.outcome == OK] == [1]
    postponed = [one for one in done.values() if isinstance(one.outcome, Postponed)]
    assert len(postponed) == 8
    assert {one.outcome for one in postponed} == {
        Postponed(reason="the host failed 6 times in a row (busy)")
    }


def test_one_image_that_always_fails_does_not_close_its_host(clock: JumpingClock) -> None:
    urls = [f"http://a/{n}" for n in range(6)]
    web = Web({urls[2]: [busy(urls[2])]}, clock)

    done = run(web, clock, urls, attempts=4, host_failures=6)

    assert [url for url in urls if done[url].outcome == OK] == [*urls[:2], *urls[3:]]
    assert isinstance(done[urls[2]].outcome, FetchError)


def test_pauses_grow_with_trouble_and_shrink_with_health(clock: JumpingClock) -> None:
    urls = [f"http://a/{n}" for n in range(40)]
    web = Web({urls[1]: [busy(urls[1]), busy(urls[1]), OK]}, clock)

    run(web, clock, urls, pause_s=1.0, backoff_s=1.0, backoff_max_s=1.0)

    gaps = [round(b - a, 6) for a, b in pairwise(web.times("a"))]
    assert gaps[0] == 1.0
    assert gaps[1:3] == [2.0, 4.0]
    recovering = gaps[3:]
    assert recovering == sorted(recovering, reverse=True)
    assert recovering[0] == 3.6
    assert recovering[-1] == 1.0


def test_a_slow_host_rests_longer(clock: JumpingClock) -> None:
    def slow(url: str) -> Body:
        asked.append(clock.monotonic())
        clock.sleep(8.0)
        return OK

    asked: list[float] = []
    policy = FetchPolicy(workers=1, pause_s=1.0, slow_s=5.0)
    with Downloads(slow, policy=policy, clock=clock, rng=NoJitter()) as downloads:
        for key in range(7):
            downloads.add(key, f"http://a/{key}")
        list(_all(downloads))

    assert [b - a - 8.0 for a, b in pairwise(asked)] == [2.0, 4.0, 8.0, 8.0, 8.0, 8.0]


@given(
    pauses=st.lists(st.sampled_from(["trouble", "slow", "well"]), max_size=60),
    least_s=st.floats(0, 100),
)
def test_no_pause_is_shorter_than_asked_for_or_longer_than_its_cap(
    pauses: list[str], least_s: float
) -> None:
    policy = FetchPolicy()
    pause_s = least_s
    for what in pauses:
        if what == "trouble":
            pause_s = policy.longer(pause_s)
        else:
            took_s = 50.0 if what == "slow" else 0.1
            pause_s = policy.after_answer(pause_s, least_s=least_s, took_s=took_s)
        assert least_s <= pause_s <= max(least_s, policy.pause_max_s)


def test_a_host_has_as_many_connections_as_are_allowed_and_one_when_it_must_rest() -> None:
    for pause_s, most in ((0.0, 3), (0.01, 1)):
        crowd = Crowd()
        policy = FetchPolicy(workers=8, connections=3, pause_s=pause_s)
        with Downloads(crowd.ask, policy=policy, clock=SystemClock(), rng=NoJitter()) as downloads:
            for key in range(12):
                downloads.add(key, f"http://a/{key}")
            list(_all(downloads))

        assert crowd.most == most


class Crowd:
    """Counts how many ask at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0

    def ask(self, url: str) -> Body:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return OK
