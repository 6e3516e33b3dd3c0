from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scraper.errors import FetchError, TransientFetchError
from scraper.fetch import Body, Redirect
from scraper.hosts import Done, Downloads, Postponed
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


def run(web: Web, clock: JumpingClock, urls: list[str], **policy: float) -> dict[str, Done]:
    settings = FetchPolicy(**{"workers": 1, **policy})  # type: ignore[arg-type]
    with Downloads(web.ask, policy=settings, clock=clock, rng=NoJitter()) as downloads:
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
urls = st.builds("http://{}/{}".format, st.sampled_from("abc"), st.integers(0, 9))


@given(
    script=st.dictionaries(urls, st.lists(answers, min_size=1, max_size=4)), asked=st.lists(urls)
)
@settings(deadline=None, max_examples=60)
def test_every_download_has_one_outcome_and_no_host_less_than_its_pause(
    script: dict[str, list[Callable[[str], Body | Redirect | FetchError]]], asked: list[str]
) -> None:
    clock = JumpingClock()
    web = Web({url: [make(url) for make in makes] for url, makes in script.items()}, clock)

    with Downloads(
        web.ask, policy=FetchPolicy(workers=1, pause_s=1.5), clock=clock, rng=NoJitter()
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
