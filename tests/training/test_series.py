from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_run import RECORD
from training.errors import RunError, UsageError
from training.portions import Portion
from training.recipe import TrainRecipe
from training.run import Run
from training.series import Question, Series, Trial, asked_of, default_root, trials

FIVE = Question(seeds=5)


def _asked(question: Question = FIVE, **values: Any) -> Any:
    return asked_of("cifar-vgg", question, TrainRecipe(**values).identity(), "ab" * 32)


def test_every_seed_portion_and_share_is_a_run_with_a_name_of_its_own() -> None:
    assert [one.name for one in trials(FIVE, seed=3)] == [f"seed-{n}" for n in (3, 4, 5, 6, 7)]
    folds = trials(Question(folds=3, seeds=2), seed=0)
    assert [one.name for one in folds][:3] == ["fold-1-seed-0", "fold-1-seed-1", "fold-2-seed-0"]
    assert folds[2].portion == Portion(fold=2, folds=3)
    curve = trials(Question(learning_curve=True), seed=9)
    assert [one.name for one in curve] == ["share-25", "share-50", "share-75", "share-100"]
    assert curve[-1].portion.is_whole


def test_one_seed_of_the_whole_dataset_is_no_series() -> None:
    assert not Question().is_series
    assert all(one.is_series for one in (FIVE, Question(folds=2), Question(learning_curve=True)))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"seeds": 0}, "--seeds takes a number of runs from 1"),
        ({"folds": 1}, "at least 2 folds, not 1"),
        ({"folds": 3, "learning_curve": True}, "answer different questions"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Question(**values)


def test_a_series_is_taken_up_only_by_the_same_question(tmp_path: Path) -> None:
    asked = _asked()
    first = default_root(tmp_path, asked)
    Series.begin(first, asked)

    assert first == tmp_path / "cifar-vgg-seeds-1"
    assert default_root(tmp_path, asked) == first
    assert default_root(tmp_path, _asked(learning_rate=0.1)) == tmp_path / "cifar-vgg-seeds-2"
    Series.begin(first, asked)
    with pytest.raises(RunError, match="holds something else than this series"):
        Series.begin(first, _asked(learning_rate=0.1))
    (first / "summary.json").write_text("{}")
    assert default_root(tmp_path, asked) == tmp_path / "cifar-vgg-seeds-2"


def test_what_only_a_backbone_gives_a_meaning_keeps_no_series_from_going_on(
    tmp_path: Path,
) -> None:
    Series.begin(tmp_path / "cifar-vgg-seeds-1", _asked(transfer="frozen", rate_decay=0.5))

    assert default_root(tmp_path, _asked()) == tmp_path / "cifar-vgg-seeds-1"
    assert Series.begin(tmp_path / "cifar-vgg-seeds-1", _asked()).asked() == _asked()


def test_a_series_is_no_run_and_says_so(tmp_path: Path) -> None:
    Series.begin(tmp_path / "series", _asked())

    with pytest.raises(RunError, match="is a series of runs: name one of the folders in it"):
        Run.open(tmp_path / "series")


def test_an_ensemble_is_no_run_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "ensemble.json").write_text("{}")

    with pytest.raises(
        RunError, match="is an ensemble, which `predict` takes, and with --images `evaluate`"
    ):
        Run.open(tmp_path)


def test_a_trial_is_finished_when_its_run_is_done_and_its_own_metrics_are_there(
    tmp_path: Path,
) -> None:
    series = Series.begin(tmp_path / "series", _asked())
    trial = Trial(name="seed-0", seed=0, portion=Portion())
    assert series.finished(trial) is None
    run = Run.begin(series.root / "seed-0", replace(RECORD, state="done", weights_sha256="aa"))

    assert series.finished(trial) is None
    run.write("metrics.json", json.dumps({"weights_sha256": "bb"}))
    assert series.finished(trial) is None, "another network was measured"
    run.write("metrics.json", json.dumps({"weights_sha256": "aa"}))
    assert series.finished(trial) == {"weights_sha256": "aa"}


def test_seeds_that_change_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="the same from every seed: leave out --seeds"):
        Question(seeds=2).require_chance(has_chance=False)
    Question(seeds=2).require_chance(has_chance=True)
    Question(seeds=1).require_chance(has_chance=False)
