from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from training.unknown import auroc, calibration_of, separation, threshold_of

scores = st.lists(st.sampled_from([0.2, 0.35, 0.5, 0.5001, 0.8, 0.99]), min_size=1, max_size=40)


@settings(max_examples=25)
@given(known=scores, others=scores)
def test_the_area_under_the_curve_is_scikit_learn_s(
    known: list[float], others: list[float]
) -> None:
    found = auroc(np.array(known, np.float32), np.array(others, np.float32), seed=0)

    truth = [1] * len(known) + [0] * len(others)
    assert found.value == pytest.approx(roc_auc_score(truth, [*known, *others]))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= (found.value or 0) + 1e-12
    assert found.high <= 1


def test_the_area_s_interval_is_about_that_of_resampled_pictures() -> None:
    rng = np.random.default_rng(0)
    known, others = rng.normal(1, 1, 120).astype(np.float32), rng.normal(0, 1, 80)
    drawn = [
        roc_auc_score([1] * 120 + [0] * 80, [*rng.choice(known, 120), *rng.choice(others, 80)])
        for _ in range(400)
    ]

    found = auroc(known, others.astype(np.float32), seed=0)

    assert (found.low, found.high) == pytest.approx(
        tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.02
    )


@given(best=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200))
def test_the_threshold_loses_at_most_one_picture_in_twenty(best: list[float]) -> None:
    values = np.array(best, np.float32)

    threshold = threshold_of(values)

    assert (values < threshold).mean() <= 0.05
    above = values[values > threshold]
    assert not len(above) or (values < above.min()).mean() > 0.05 - 1e-9


def test_the_calibration_keeps_temperature_threshold_and_what_it_costs() -> None:
    rng = np.random.default_rng(0)
    said = rng.dirichlet([4, 1, 1], 100).astype(np.float32)

    found = calibration_of(np.zeros(100, np.int32), said)

    assert found is not None
    assert found.n == 100
    assert 0 < found.lost <= 0.05
    assert 1 / 3 < found.unknown_below < 1
    assert calibration_of(np.empty(0, np.int32), said[:0]) is None


def test_other_animals_are_counted_as_caught_or_by_what_they_are_taken_for() -> None:
    known = np.array([[0.9, 0.1], [0.2, 0.8], [0.55, 0.45]], np.float32)
    others = np.array([[0.5, 0.5], [0.52, 0.48], [0.3, 0.7], [0.1, 0.9]], np.float32)

    found = separation(
        known, others, named="foxes", species=("mouse", "shrew"), unknown_below=0.6, seed=0
    )

    assert (found.caught.value, found.lost.value) == (0.5, pytest.approx(1 / 3))
    assert found.mistaken_for == {"shrew": 2}
    assert (found.n, found.n_known) == (4, 3)


def test_few_scores_that_are_all_told_apart_prove_less_than_many() -> None:
    few, many = (
        auroc(np.full(n, 0.9, np.float32), np.full(n, 0.1, np.float32), seed=0) for n in (5, 500)
    )
    assert few.value == many.value == few.high == 1
    assert few.low < 0.9
    assert 0.99 < many.low < 1
