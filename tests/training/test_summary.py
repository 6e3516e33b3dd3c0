from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training.predictions import Predictions
from training.report import render
from training.series import Question, trials
from training.summary import in_lines, right_shares, summarised


def _said(digests: str, right: list[bool]) -> Predictions:
    labels = np.zeros(len(right), np.int32)
    said = np.where(right, 0, 1)
    return Predictions(
        digests=tuple(digests),
        labels=labels,
        probabilities=np.eye(2, dtype=np.float32)[said],
        patches_said=np.ones(len(right), np.int32),
    )


def _metrics(said: Predictions) -> dict[str, Any]:
    share, n = float(said.right.mean()), len(said.digests)
    figure = {"value": share, "low": 0.0, "high": 1.0, "n": n}
    majority = {"accuracy": {"value": 1.0, "n": n}}
    split = {"n": n, "baselines": [majority]} | dict.fromkeys(
        ("accuracy", "balanced_accuracy", "macro_f1"), figure
    )
    return {
        "model": "cifar-vgg",
        "lock_digest": "ab",
        "species": ["mouse", "shrew"],
        "best_epoch": 2,
        "chosen_by": "validation loss",
        "epochs": 3,
        "splits": {"val": None, "test": split},
    }


def test_several_seeds_have_a_mean_a_deviation_and_every_run_listed() -> None:
    said = [_said("abcd", one) for one in ([True] * 4, [True, True, False, False])]
    question = Question(seeds=2)
    done = [(t, _metrics(one)) for t, one in zip(trials(question, seed=0), said, strict=True)]

    found = summarised(question, done, said, split="test", seed=0)

    assert found.spreads[0].mean.value == pytest.approx(0.75)
    assert found.spreads[0].deviation == pytest.approx(np.std([1.0, 0.5], ddof=1))
    assert (found.spreads[0].lowest, found.spreads[0].highest) == (0.5, 1.0)
    assert [run["name"] for run in found.runs] == ["seed-0", "seed-1"]
    assert (found.pictures.value, found.pictures.n) == (pytest.approx(0.75), 4)
    assert found.pictures.interval == "bootstrap"
    assert found.majority.n == 4, "the same pictures are counted once"
    text = "\n".join(in_lines(found))
    assert "accuracy: mean 75.0 % (95 % interval 0.0 % to 100.0 %, over runs and pictures" in text
    assert "macro f1: mean 75.0 % (95 % interval 0.0 % to 100.0 %, over runs alone)" in text
    assert "deviation 35.4 points, from 50.0 % to 100.0 %" in text


def test_runs_that_agree_do_not_hide_how_few_pictures_there_were() -> None:
    rights = [[True] * 9 + [False] * 11, [False] * 10 + [True] * 10, [True] * 9 + [False] * 11]
    said = [_said("abcdefghijklmnopqrst", one) for one in rights]
    question = Question(seeds=3)
    done = [(t, _metrics(one)) for t, one in zip(trials(question, seed=0), said, strict=True)]

    found = summarised(question, done, said, split="test", seed=0)

    over_runs, pictures = found.spreads[0].mean, found.pictures
    assert (found.accuracy.value, found.accuracy.low) == (over_runs.value, pictures.low)
    assert pictures.low is not None
    assert over_runs.low is not None
    assert pictures.low < over_runs.low
    assert f"95 % interval {100 * pictures.low:.1f} % to" in "\n".join(in_lines(found))


@pytest.mark.parametrize(
    ("chosen_by", "told"),
    [
        ("nothing", "nothing chose the epoch: the last one stands"),
        ("validation loss", "in each fold other pictures chose the epoch"),
    ],
)
def test_the_page_of_a_cross_validation_says_what_chose_the_epoch(
    chosen_by: str, told: str
) -> None:
    said = [_said("abc", [True, True, False]), _said("de", [True, True])]
    question = Question(folds=2)
    done = [
        (trial, _metrics(one) | {"chosen_by": chosen_by})
        for trial, one in zip(trials(question, seed=0), said, strict=True)
    ]

    found = summarised(question, done, said, split="test", seed=0)

    assert told in render("series.html.j2", summary=found, name="folds")


def test_a_series_says_that_its_network_knows_no_more_than_one_answer() -> None:
    said = [_said("abc", [True, True, False]), _said("de", [True, True])]
    question = Question(folds=2)
    done = [(t, _metrics(one)) for t, one in zip(trials(question, seed=0), said, strict=True)]

    found = summarised(question, done, said, split="test", seed=0)

    assert found.against_majority.verdict == "cannot tell"
    assert "cannot be told from naming one species always" in "\n".join(in_lines(found))
    page = render("series.html.j2", summary=found, name="folds")
    assert "cannot tell that the network beats naming one species always" in page


def test_folds_are_pooled_into_one_proportion_of_all_pictures() -> None:
    said = [_said("abc", [True, True, False]), _said("de", [True, True])]
    question = Question(folds=2)
    done = [(t, _metrics(one)) for t, one in zip(trials(question, seed=0), said, strict=True)]

    found = summarised(question, done, said, split="test", seed=0)

    assert (found.pictures.value, found.pictures.n) == (pytest.approx(0.8), 5)
    assert found.pictures.interval == "wilson"
    assert found.against_patches is not None
    assert (found.against_patches.only_first, found.against_patches.n) == (4, 5)


def test_each_picture_counts_the_share_of_its_runs_that_are_right() -> None:
    said = [_said("ba", [True, False]), _said("ab", [True, True])]

    assert right_shares(said).tolist() == [0.5, 1.0]
