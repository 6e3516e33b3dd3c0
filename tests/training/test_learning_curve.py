from __future__ import annotations

import numpy as np

from training.learning_curve import drawn, in_lines
from training.predictions import Predictions
from training.series import Question, trials

SPECIES = ("mouse", "shrew")
N = 40


def _said(right: dict[str, int]) -> Predictions:
    """Of each species' 40 pictures, so many are recognised."""
    labels = np.repeat(np.array([0, 1], np.int32), N)
    said = labels.copy()
    for label, name in enumerate(SPECIES):
        wrong = np.flatnonzero(labels == label)[right[name] :]
        said[wrong] = 1 - label
    digests = tuple(f"{place:04}" for place in range(2 * N))
    return Predictions(
        digests=digests, labels=labels, probabilities=np.eye(2, dtype=np.float32)[said]
    )


def _curve(rights: list[dict[str, int]], *, seeds: int = 1) -> object:
    asked = trials(Question(learning_curve=True, seeds=seeds), seed=0)
    done = [(trial, {"species": list(SPECIES)}) for trial in asked]
    return drawn(done, [_said(right) for right in rights])


def test_the_species_that_gained_by_the_second_half_of_its_pictures_is_named() -> None:
    curve = _curve([{"mouse": 36, "shrew": n} for n in (8, 12, 20, 30)])

    assert curve.advice.startswith(  # type: ignore[attr-defined]
        "More pictures would likely help most with shrew (+45.0 points from half to all"
    )
    assert "mouse" not in curve.advice  # type: ignore[attr-defined]
    assert [round(one.value, 3) for one in curve.species[1].recalls] == [0.2, 0.3, 0.5, 0.75]  # type: ignore[attr-defined]
    assert in_lines(curve)[-1] == curve.advice  # type: ignore[arg-type, attr-defined]


def test_where_nothing_can_be_told_the_advice_is_called_a_guess() -> None:
    curve = _curve([{"mouse": 36, "shrew": n} for n in (20, 21, 21, 22)])

    assert "cannot tell of any species" in curve.advice  # type: ignore[attr-defined]
    assert "shrew is recognised least" in curve.advice  # type: ignore[attr-defined]
    assert curve.advice.endswith("to begin there is a guess.")  # type: ignore[attr-defined]


def test_a_species_that_is_only_named_more_often_is_not_advised() -> None:
    curve = _curve([{"mouse": 40, "shrew": 20}] * 2 + [{"mouse": 28, "shrew": 32}] * 2)

    shrew = curve.species[1]  # type: ignore[attr-defined]
    assert shrew.gain.p_value < 0.001
    assert (shrew.told_apart.only_first, shrew.told_apart.only_second) == (12, 12)
    assert "cannot tell of any species" in curve.advice  # type: ignore[attr-defined]


def test_a_network_that_learnt_nothing_is_no_base_for_advice() -> None:
    curve = _curve([{"mouse": 40 - n, "shrew": n} for n in (1, 2, 30, 38)])

    assert curve.species[1].gain.p_value < 0.001  # type: ignore[attr-defined]
    assert curve.against_majority.verdict == "cannot tell"  # type: ignore[attr-defined]
    assert "learnt too little to advise" in curve.advice  # type: ignore[attr-defined]
    assert "shrew" not in curve.advice  # type: ignore[attr-defined]


def test_a_network_that_is_worse_than_naming_one_species_learnt_too_little() -> None:
    curve = _curve([{"mouse": 4, "shrew": n} for n in (1, 2, 4, 8)])

    assert curve.against_majority.verdict == "worse"  # type: ignore[attr-defined]
    assert "right for no more test pictures" in curve.advice  # type: ignore[attr-defined]
    assert "learnt too little to advise" in curve.advice  # type: ignore[attr-defined]


def test_too_few_pictures_are_not_blamed_on_the_network() -> None:
    asked = trials(Question(learning_curve=True), seed=0)
    labels = np.repeat(np.array([0, 1], np.int32), (45, 5))
    said = Predictions(
        digests=tuple(f"{place:02}" for place in range(50)),
        labels=labels,
        probabilities=np.eye(2, dtype=np.float32)[np.where(np.arange(50) == 0, 1, labels)],
    )

    curve = drawn([(trial, {"species": list(SPECIES)}) for trial in asked], [said] * 4)

    assert curve.accuracies[-1].value == 0.98
    assert curve.against_majority.verdict == "cannot tell"
    assert curve.advice.startswith("These test pictures are too few to tell the network")
    assert not any(word in curve.advice for word in ("learnt", "longer", *SPECIES))


def test_an_even_number_of_seeds_is_no_handicap_against_naming_one_species() -> None:
    early = [{"mouse": 20, "shrew": 20}] * 6
    curve = _curve([*early, {"mouse": 40, "shrew": 20}, {"mouse": 20, "shrew": 40}], seeds=2)

    assert curve.against_majority.difference.value == 0.25  # type: ignore[attr-defined]
    assert "cannot tell of any species" in curve.advice  # type: ignore[attr-defined]


def test_of_several_seeds_the_curve_has_the_mean_and_no_vote() -> None:
    asked = trials(Question(learning_curve=True, seeds=2), seed=0)
    by_share = {0.25: (0, 40), 0.5: (0, 40), 0.75: (40, 40), 1.0: (40, 40)}
    turn = dict.fromkeys(by_share, 0)
    rights = []
    for trial in asked:
        share = trial.portion.share
        rights.append({"mouse": by_share[share][turn[share]], "shrew": 20})
        turn[share] += 1

    curve = _curve(rights, seeds=2)

    mouse = curve.species[0]  # type: ignore[attr-defined]
    assert [one.value for one in mouse.recalls] == [0.5, 0.5, 1, 1]
    assert [round(one.value, 3) for one in curve.accuracies] == [0.5, 0.5, 0.75, 0.75]  # type: ignore[attr-defined]
    assert all(one.low <= one.value <= one.high for one in curve.accuracies)  # type: ignore[attr-defined]
    assert mouse.gain.only_first == 40  # One of two seeds is not most of them.
    assert mouse.gain.difference.value == 0.5
