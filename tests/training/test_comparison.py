from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.comparison import compared, mcnemar, paired_difference, pictures_needed
from training.wording import comparison_in_words, p_in_words

rights = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


def _arrays(rows: list[tuple[bool, bool]]) -> tuple[np.ndarray, np.ndarray]:
    first, second = zip(*rows, strict=True)
    return np.array(first), np.array(second)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (62, 39, 0.0287),  # Two classifiers of five small mammals, measured for this project.
        (10, 0, 2 / 2**10),
        (5, 5, 1.0),
        (0, 0, 1.0),
        (1, 6, 0.125),
    ],
)
def test_mcnemar_s_exact_p_value(only_first: int, only_second: int, p_value: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(p_value, abs=2e-3)
    assert mcnemar(only_second, only_first) == pytest.approx(p_value, abs=2e-3)


@given(rows=rights)
def test_the_verdict_turns_round_with_the_classifiers(rows: list[tuple[bool, bool]]) -> None:
    first, second = _arrays(rows)
    mirrored = {"better": "worse", "worse": "better", "cannot tell": "cannot tell"}

    one, other = compared(first, second), compared(second, first)

    assert other.verdict == mirrored[one.verdict]
    assert one.p_value == other.p_value
    assert one.difference.value == pytest.approx(-(other.difference.value or 0.0))


@given(rows=rights)
def test_a_classifier_cannot_be_told_from_itself(rows: list[tuple[bool, bool]]) -> None:
    right, _ = _arrays(rows)

    found = compared(right, right)

    assert (found.verdict, found.p_value, found.pictures_needed) == ("cannot tell", 1.0, None)


@given(rows=rights)
def test_the_difference_lies_in_its_interval(rows: list[tuple[bool, bool]]) -> None:
    found = compared(*_arrays(rows)).difference

    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_the_interval_of_a_difference_is_agresti_and_min_s() -> None:
    # Their approval ratings: 1,600 people asked twice, 150 and 86 changed their mind.
    found = paired_difference(150, 86, 1600)

    assert (found.low, found.high) == pytest.approx((0.0211, 0.0588), abs=5e-4)


def test_as_many_pictures_as_are_said_to_be_needed_would_have_told_the_difference() -> None:
    needed = pictures_needed(30, 20, 500)
    assert needed is not None
    share = needed / 500

    assert mcnemar(30, 20) > 0.05
    assert mcnemar(round(30 * share), round(20 * share)) < 0.05


def test_in_words_it_says_when_nothing_can_be_told_and_what_it_would_take() -> None:
    first = np.array([True] * 30 + [False] * 20 + [True] * 450)
    second = np.array([False] * 30 + [True] * 20 + [True] * 450)

    text = comparison_in_words(compared(first, second), "a", "b")

    assert text.startswith("These pictures cannot tell a from b: McNemar's exact test, p = 0.2")
    assert "Difference in accuracy +2.0 points" in text
    assert "takes about" in text
    clear = comparison_in_words(compared(np.ones(40, bool), np.zeros(40, bool)), "a", "b")
    assert clear.startswith("a is better than b")
    assert "takes about" not in clear


def test_a_p_value_just_below_the_line_is_not_rounded_onto_it() -> None:
    assert p_in_words(mcnemar(42, 25)) == "p = 0.0498"
    assert p_in_words(0.04999) == "p = 0.0499"
    assert p_in_words(0.0421) == "p = 0.042"
    assert p_in_words(0.05) == "p = 0.05"
