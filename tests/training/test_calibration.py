from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax
from sklearn.calibration import calibration_curve

from training.calibration import BINS, calibrated, fitted_temperature, reliability
from training.measure import cross_entropy

logits_of_some = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 30), st.integers(2, 6)), elements=st.floats(-8, 8)
)


def _overconfident(n: int, *, by: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow from logits, and what a network says that raises those too high."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 4))
    shares = softmax(logits, axis=1)
    labels = np.array([rng.choice(4, p=row) for row in shares], np.int32)
    return labels, softmax(by * logits, axis=1).astype(np.float32)


@pytest.mark.parametrize("by", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_a_network_too_sure_or_too_shy(by: float) -> None:
    labels, said = _overconfident(4000, by=by)

    assert fitted_temperature(labels, said) == pytest.approx(by, rel=0.08)


def test_calibration_mends_error_and_loss_of_pictures_it_was_not_fitted_on() -> None:
    labels, said = _overconfident(3000, by=3.0)
    temperature = fitted_temperature(labels[:1500], said[:1500])
    after = calibrated(said[1500:], temperature)

    loss = cross_entropy(labels[1500:], after)
    loss_before = cross_entropy(labels[1500:], said[1500:])
    error = reliability(labels[1500:], after, seed=0).ece.value
    error_before = reliability(labels[1500:], said[1500:], seed=0).ece.value

    assert loss is not None
    assert loss_before is not None
    assert error is not None
    assert error_before is not None
    assert loss < loss_before
    assert error < 0.05 < 0.15 < error_before


@given(logits=logits_of_some, temperature=st.floats(0.05, 20))
def test_calibration_changes_no_answer_and_gives_probabilities(
    logits: np.ndarray, temperature: float
) -> None:
    said = softmax(logits, axis=1).astype(np.float32)

    after = calibrated(said, temperature)

    assert after.sum(axis=1) == pytest.approx(np.ones(len(said)), abs=1e-5)
    best, of_said = after.max(axis=1), said.argmax(axis=1)
    assert after[np.arange(len(said)), of_said] == pytest.approx(best, abs=1e-6)


def test_ten_faultless_pictures_do_not_let_a_network_be_sure_of_everything() -> None:
    labels = np.array([0, 1] * 5, np.int32)
    said = np.where(np.eye(2)[labels] == 1, 0.8, 0.2).astype(np.float32)

    after = calibrated(said, fitted_temperature(labels, said))

    assert after.max() == pytest.approx(11 / 12, abs=0.01), "Laplace's rule"


def test_without_pictures_nothing_is_calibrated() -> None:
    nothing = np.empty((0, 3), np.float32)

    assert fitted_temperature(np.empty(0, np.int32), nothing) == 1.0
    assert reliability(np.empty(0, np.int32), nothing, seed=0).ece.value is None
    assert calibrated(nothing, 2.0).shape == (0, 3)


def test_the_calibration_error_is_that_of_scikit_learn_s_curve() -> None:
    labels, said = _overconfident(600, by=2.0)
    right = said.argmax(axis=1) == labels
    confidence = said.max(axis=1)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=BINS)
    counts = np.histogram(confidence, BINS, (0, 1))[0]
    expected = np.abs(accuracies - confidences) @ counts[counts > 0] / len(labels)

    found = reliability(labels, said, seed=0)

    assert found.ece.value == pytest.approx(expected, abs=1e-6)
    assert [one.confidence for one in found.bins] == pytest.approx(confidences, abs=1e-6)
    assert sum(one.accuracy.n for one in found.bins) == 600


def test_the_brier_score_is_the_one_of_its_definition() -> None:
    said = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], np.float32)

    found = reliability(np.array([0, 2], np.int32), said, seed=0).brier

    assert found.value == pytest.approx(((0.09 + 0.04 + 0.01) + (0.01 + 0.36 + 0.49)) / 2)


def test_the_error_of_a_calibrated_network_may_be_none() -> None:
    covered = 0
    for seed in range(20):
        labels, said = _overconfident(300, by=1.0, seed=seed)
        ece = reliability(labels, said, seed=seed).ece
        assert 0 <= ece.low <= ece.value <= ece.high
        covered += ece.low < 0.005
    assert covered >= 15
    labels, said = _overconfident(300, by=3.0)
    assert reliability(labels, said, seed=0).ece.low > 0.05


def test_a_gap_that_chance_may_have_hidden_counts() -> None:
    said = np.tile(np.array([[0.505, 0.495]], np.float32), (10, 1))
    ece = reliability(np.arange(10, dtype=np.int32) % 2, said, seed=0).ece
    assert ece.value == pytest.approx(0.005, abs=1e-4)
    assert ece.low == 0
    assert 0.2 < ece.high < 0.5  # Of ten with five right, from 24 to 76 % may be right.


@pytest.mark.parametrize("n", [20, 60, 300, 1000])
@pytest.mark.parametrize("by", [1.0, 1.3, 3.0])
def test_the_true_calibration_error_lies_within_its_interval_as_a_rule(n: int, by: float) -> None:
    shares = softmax(np.random.default_rng(1).normal(0, 1.5, (50_000, 4)), axis=1)
    said = softmax(by * np.log(shares), axis=1).astype(np.float32)
    sure, named = said.max(axis=1), said.argmax(axis=1)
    gaps = sure - shares[np.arange(len(shares)), named]
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    true = np.abs(np.bincount(places, gaps)).sum() / len(shares)
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        some = rng.integers(0, len(shares), n)
        drawn = (shares[some].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        ece = reliability(np.minimum(drawn, 3).astype(np.int32), said[some], seed=seed).ece
        covered += ece.low <= true + 1e-4 and true <= ece.high
    assert covered >= 51
