from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.making import run_command
from tests.training.test_run import RECORD
from training import predictions
from training.contest import contest
from training.errors import OtherDataError, RunError
from training.predictions import Predictions
from training.run import Run

N = 40


def _run(root: Path, right: int, *, prefix: str = "", order: int = 1, lock: str = "ab") -> Path:
    """A measured run that recognises the first so many of its 40 test pictures."""
    run = Run.begin(root, replace(RECORD, lock_digest=lock * 32))
    places = list(range(N))[::order]
    labels = np.array([place % 2 for place in places], np.int32)
    said = np.array([place % 2 if place < right else 1 - place % 2 for place in places])
    found = Predictions(
        digests=tuple(f"{prefix}{place:04}" for place in places),
        labels=labels,
        probabilities=np.eye(2, dtype=np.float32)[said],
    )
    run.write(predictions.FILE_NAME, predictions.to_csv({"test": found}, RECORD.species))
    return root


def test_better_worse_and_cannot_tell(tmp_path: Path) -> None:
    good, fair, poor = (_run(tmp_path / str(n), n) for n in (38, 36, 20))

    assert contest(good, poor).comparison.verdict == "better"
    assert contest(poor, good).comparison.verdict == "worse"
    assert contest(good, fair).comparison.verdict == "cannot tell"


def test_the_order_of_the_pictures_and_the_size_they_were_trained_at_do_not_matter(
    tmp_path: Path,
) -> None:
    one, other = _run(tmp_path / "a", 30), _run(tmp_path / "b", 30, order=-1, lock="cd")

    found = contest(one, other).comparison

    assert (found.only_first, found.only_second) == (0, 0)


def test_runs_with_other_test_pictures_are_refused_with_exit_code_4(tmp_path: Path) -> None:
    one, other = _run(tmp_path / "a", 30), _run(tmp_path / "b", 30, prefix="x")

    with pytest.raises(OtherDataError, match=r"of 40 and 40 they share 0\): only runs on one"):
        contest(one, other)
    assert OtherDataError.exit_code == 4


def test_two_cross_validations_are_compared_by_what_was_said_out_of_fold(tmp_path: Path) -> None:
    good, poor = _run(tmp_path / "a", 38), _run(tmp_path / "b", 20)
    for root in (good, poor):
        summary = {"kind": "folds", "species": list(RECORD.species)}
        (root / "summary.json").write_text(json.dumps(summary))
        (root / "run.json").unlink()

    assert contest(good, poor).comparison.verdict == "better"
    (poor / "summary.json").write_text('{"kind": "seeds"}')
    with pytest.raises(RunError, match="is a series of runs: name two of the folders"):
        contest(good, poor)


def test_a_run_that_was_not_measured_or_is_none_says_what_to_do(tmp_path: Path) -> None:
    Run.begin(tmp_path / "new", RECORD)

    with pytest.raises(RunError, match="has not been measured: run `bestiary evaluate"):
        contest(tmp_path / "new", tmp_path / "new")
    good = _run(tmp_path / "good", 38)
    with pytest.raises(RunError, match="are one and the same: name two"):
        contest(good, good)
    with pytest.raises(RunError, match="no run at"):
        contest(tmp_path / "none", tmp_path / "new")


def test_the_command_tells_both_accuracies_and_the_verdict(tmp_path: Path) -> None:
    good, poor = _run(tmp_path / "one" / "run", 38), _run(tmp_path / "two" / "run", 20)

    document, text = run_command("compare", good, poor)

    assert document["comparison"]["verdict"] == "better"
    assert document["first"]["accuracy"]["n"] == N
    assert "one/run: accuracy 95.0 %" in text
    assert "one/run is better than two/run: McNemar's exact test, p < 0.001." in text
