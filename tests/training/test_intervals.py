from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.intervals import over_pictures, percentiles, student, wider, wilson


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=5), right=st.integers(0, 20))
def test_of_two_intervals_the_wider_holds_both(shares: list[float], right: int) -> None:
    runs, pictures = student(np.array(shares)), wilson(right, 20)

    found = wider(runs, pictures)

    assert found.value == runs.value
    assert (found.interval, found.n) in {(one.interval, one.n) for one in (runs, pictures)}
    for one in (runs, pictures):
        if one.low is not None and one.high is not None:
            assert found.low is not None
            assert found.high is not None
            assert found.low <= one.low <= one.high <= found.high


def test_the_wider_of_two_intervals_brings_what_it_was_measured_on() -> None:
    runs, pictures = student(np.array([0.6, 0.61, 0.62])), wilson(52, 85)

    assert (wider(runs, pictures).interval, wider(runs, pictures).n) == ("wilson", 85)
    alike = wider(student(np.array([0.6, 0.6])), pictures)
    assert (alike.value, alike.interval, alike.n) == (0.6, "wilson", 85)
    apart = wider(student(np.array([0.1, 0.9])), pictures)
    assert (apart.interval, apart.n) == ("student", 2)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (37, 45, 0.6867, 0.9071),
        (334, 500, 0.6256, 0.7079),
    ],
)
def test_wilson_s_interval_is_the_published_one(
    right: int, n: int, low: float, high: float
) -> None:
    figure = wilson(right, n)

    assert figure.low == pytest.approx(low, abs=1e-4)
    assert figure.high == pytest.approx(high, abs=1e-4)


@given(counts=st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_value_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    figure = wilson(*counts)

    assert figure.low is not None
    assert figure.high is not None
    assert figure.value is not None
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.high - figure.low < 1


@given(counts=st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_s_interval_is_scipy_s(counts: tuple[int, int]) -> None:
    theirs = stats.binomtest(*counts).proportion_ci(method="wilson")

    ours = wilson(*counts)

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_of_several_runs_student_s_interval_is_scipy_s_and_one_run_has_none() -> None:
    shares = np.array([0.64, 0.54, 0.61, 0.66, 0.58])
    theirs = stats.ttest_1samp(shares, 0).confidence_interval(0.95)

    ours = student(shares)

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert student(shares[:1]).low is None
    assert student(shares[:1]).value == 0.64
    assert student(shares[:0]).value is None


def test_runs_that_came_out_alike_have_no_interval_of_no_width() -> None:
    alike = student(np.array([0.625, 0.625, 0.625]))

    assert (alike.value, alike.low, alike.high, alike.n) == (0.625, None, None, 3)
    assert student(np.array([0.1 + 0.2, 0.3])).low is None, "but for rounding"


def test_a_bootstrap_over_pictures_is_the_same_for_the_same_seed_and_near_wilson_s() -> None:
    right = np.array([1.0] * 300 + [0.0] * 200)

    def figure(seed: int) -> tuple[float, float]:
        found = over_pictures(
            lambda draws: draws @ right / 500, n=500, seed=seed, value=float(right.mean())
        )
        assert found.low is not None
        assert found.high is not None
        return found.low, found.high

    assert figure(1) == figure(1)
    exact = wilson(300, 500)
    assert figure(1) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_what_no_resample_could_measure_has_no_interval() -> None:
    assert percentiles(0.5, np.array([np.nan, np.nan]), n=4).value is None
    assert percentiles(np.nan, np.array([0.5]), n=4).value is None
