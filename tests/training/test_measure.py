from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from training.intervals import wilson
from training.measure import (
    Measures,
    Statistic,
    balanced_accuracy_of,
    bootstrapped,
    confusion_of,
    macro_f1_of,
    measure,
)
from training.wording import in_words, verdict_in_words

SPECIES = ("hamster", "mouse", "shrew")


def _measured(labels: list[int], said: list[int]) -> Measures:
    probabilities = np.full((len(said), 3), 0.1, np.float32)
    probabilities[np.arange(len(said)), said] = 0.8
    return measure(
        np.array(labels, np.int32),
        probabilities,
        split="test",
        species=SPECIES,
        commonest=0,
        seed=0,
    )


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (37, 45, 0.6867, 0.9071),
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


def test_of_no_pictures_nothing_is_claimed() -> None:
    measures = _measured([], [])

    assert measures.accuracy.value is None
    assert measures.macro_f1.value is None
    assert measures.loss is None
    assert measures.baselines[0].network.verdict == "cannot tell"
    assert measures.reliability.ece.value is None
    assert in_words(measures.accuracy) == "unknown (n = 0)"


def test_measures_counted_by_hand() -> None:
    #         hamster × 4      mouse × 3   shrew × 1
    labels = [0, 0, 0, 0, 1, 1, 1, 2]
    said = [0, 0, 0, 1, 1, 1, 0, 0]

    measures = _measured(labels, said)

    assert measures.confusion == ((3, 1, 0), (1, 2, 0), (1, 0, 0))
    assert measures.accuracy.value == pytest.approx(5 / 8)
    assert measures.balanced_accuracy.value == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)
    assert measures.macro_f1.value == pytest.approx((6 / 9 + 4 / 6 + 0) / 3)
    hamster, mouse, shrew = measures.species
    assert (hamster.n, mouse.n, shrew.n) == (4, 3, 1)
    assert hamster.precision.value == pytest.approx(3 / 5)
    assert hamster.precision.n == 5
    assert mouse.recall.value == pytest.approx(2 / 3)
    assert shrew.precision.value is None, "nothing was called a shrew"
    assert measures.baselines[0].accuracy.value == pytest.approx(4 / 8)
    assert measures.loss == pytest.approx(-(5 * np.log(0.8) + 3 * np.log(0.1)) / 8, rel=1e-5)


answers = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@given(answers=answers)
def test_measures_agree_with_scikit_learn(answers: list[tuple[int, int]]) -> None:
    labels, said = (list(column) for column in zip(*answers, strict=True))
    present = sorted(set(labels))

    measures = _measured(labels, said)

    recalls = precision_recall_fscore_support(labels, said, labels=present, zero_division=0)[1]
    assert measures.balanced_accuracy.value == pytest.approx(float(np.mean(recalls)))
    assert measures.macro_f1.value == pytest.approx(
        f1_score(labels, said, labels=present, average="macro", zero_division=0)
    )


@given(answers=answers)
def test_every_interval_is_ordered_and_the_confusions_sum_to_the_pictures(
    answers: list[tuple[int, int]],
) -> None:
    labels, said = (list(column) for column in zip(*answers, strict=True))

    measures = _measured(labels, said)

    assert sum(sum(row) for row in measures.confusion) == measures.n == len(answers)
    for figure in (measures.accuracy, measures.balanced_accuracy, measures.macro_f1):
        assert figure.low is not None
        assert figure.high is not None
        assert 0 <= figure.low <= figure.high <= 1


def test_the_bootstrap_comes_out_the_same_for_the_same_seed() -> None:
    confusion = confusion_of(np.array([0, 1, 2, 2], np.int32), np.array([0, 1, 1, 2]), 3)
    statistics = (balanced_accuracy_of, macro_f1_of)

    again = bootstrapped(confusion, statistics, seed=7)

    assert bootstrapped(confusion, statistics, seed=7) == again


@pytest.mark.parametrize("statistic", [balanced_accuracy_of, macro_f1_of])
def test_intervals_of_many_species_with_few_pictures_hold_the_truth(statistic: Statistic) -> None:
    species, each, right, seeds = 20, 10, 0.95, 40
    truth = np.full((species, species), (1 - right) / (species - 1))
    np.fill_diagonal(truth, right)
    rng = np.random.default_rng(3)

    held = 0
    for seed in range(seeds):
        confusion = rng.multinomial(each, truth)
        (figure,) = bootstrapped(confusion, (statistic,), seed=seed)
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= float(statistic(truth)) <= figure.high

    assert held >= 0.9 * seeds


def test_balanced_accuracy_is_as_sure_as_accuracy_where_species_have_as_many_pictures() -> None:
    labels = list(range(3)) * 40
    said = [(label + 1) % 3 if place < 12 else label for place, label in enumerate(labels)]

    measures = _measured(labels, said)

    assert measures.balanced_accuracy.value == pytest.approx(measures.accuracy.value)
    assert measures.balanced_accuracy.low == pytest.approx(measures.accuracy.low, abs=0.03)
    assert measures.balanced_accuracy.high == pytest.approx(measures.accuracy.high, abs=0.03)


def test_top_2_counts_the_second_guess() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]], np.float32)

    measures = measure(
        np.array([0, 1, 2], np.int32),
        probabilities,
        split="val",
        species=SPECIES,
        commonest=0,
        seed=0,
    )

    assert measures.top_2.value == pytest.approx(2 / 3)


@pytest.mark.parametrize(("right", "verdict"), [(60, "better"), (24, "cannot tell"), (5, "worse")])
def test_the_verdict_follows_from_the_pictures_that_one_of_both_gets_right(
    right: int, verdict: str
) -> None:
    labels = [0] * 20 + [1] * 20 + [2] * 20
    said = labels[:right] + [(label + 1) % 3 for label in labels[right:]]

    measures = _measured(labels, said)

    assert measures.baselines[0].network.verdict == verdict
    assert "Always saying hamster would be right for 33.3 %" in verdict_in_words(measures)


def test_a_species_that_does_not_occur_makes_no_interval_wider() -> None:
    labels, said = [1] * 20 + [2] * 20, [1] * 18 + [2] * 20 + [1] * 2
    found = _measured(labels, said)
    assert found.balanced_accuracy.value == pytest.approx(0.9)
    assert found.balanced_accuracy.low > 0.75
    assert found.macro_f1.low > 0.75
