from __future__ import annotations

from typing import Any

import pytest

from training.history import Epoch, Progress, Tally
from training.progress import Line, duration
from training.recipe import TrainRecipe


def _line(
    told: list[str], shown: list[str] | None, *, columns: int = 120, **recipe: Any
) -> tuple[Line, list[float]]:
    clock = [0.0]
    line = Line(
        TrainRecipe(**recipe),
        Progress(),
        pictures=100,
        epochs=4,
        tell=told.append,
        rewrite=None if shown is None else shown.append,
        columns=columns,
        now_s=lambda: clock[0],
    )
    return line, clock


def _epoch(number: int, *, val_accuracy: float | None = None) -> Epoch:
    return Epoch(
        epoch=number,
        loss=0.5,
        accuracy=0.75,
        val_loss=None if val_accuracy is None else 0.6,
        val_accuracy=val_accuracy,
        duration_s=10.0,
    )


def test_a_step_shows_bar_rate_time_left_losses_and_the_best_so_far() -> None:
    told, shown = list[str](), list[str]()
    line, clock = _line(told, shown)
    line.on_epoch(_epoch(1, val_accuracy=0.5))
    clock[0] = 5.0

    line.on_step(
        Progress(
            history=(_epoch(1, val_accuracy=0.5),),
            tally=Tally(pictures=50, loss=20.0, right=30.0),
        )
    )

    assert shown[-1] == (
        "epoch   2/4  [##########----------]  loss 0.400  accuracy 0.600  10 pictures/s"
        "  25 s left  best val 0.500"
    )


@pytest.mark.parametrize(
    ("columns", "has_bar"), [(200, True), (80, True), (60, False), (30, False)]
)
def test_no_live_line_is_wider_than_the_terminal(columns: int, has_bar: bool) -> None:
    shown = list[str]()
    line, _ = _line([], shown, columns=columns)

    line.on_step(Progress(tally=Tally(pictures=50, loss=20.0, right=30.0)))

    assert len(shown[-1]) < columns
    assert ("[" in shown[-1]) == has_bar


def test_what_follows_a_training_that_was_stopped_has_a_line_of_its_own() -> None:
    shown = list[str]()
    line, _ = _line([], shown)
    line.on_step(Progress(tally=Tally(pictures=50, loss=20.0, right=30.0)))

    line.close()
    line.close()

    assert shown[-1] == ""
    assert len(shown) == 2, "and a line is wiped once"


def test_an_epoch_is_one_line_and_the_best_is_marked() -> None:
    told = list[str]()
    line, _ = _line(told, None)

    line.on_epoch(_epoch(1, val_accuracy=0.5))
    line.on_epoch(_epoch(2, val_accuracy=0.4))

    assert told[0] == (
        "epoch   1/4  loss 0.500  accuracy 0.750  val loss 0.600  val accuracy 0.500"
        "  10 pictures/s  at most 30 s left  (best so far)"
    )
    assert "best" not in told[1]


def test_where_nothing_chooses_nothing_is_called_the_best() -> None:
    told, shown = list[str](), list[str]()
    line, _ = _line(told, shown, monitor="none", patience=0)

    line.on_epoch(_epoch(1, val_accuracy=0.5))
    line.on_step(Progress(tally=Tally(pictures=10, loss=1.0, right=1.0)))

    assert "best" not in told[0] + shown[-1]


def test_a_training_that_goes_on_says_from_where() -> None:
    told = list[str]()

    Line(
        TrainRecipe(),
        Progress(history=(_epoch(1),), step=3),
        pictures=10,
        epochs=2,
        tell=told.append,
        rewrite=None,
    )

    assert told == ["Going on after epoch 1, step 3."]


def test_times_are_said_as_a_person_says_them() -> None:
    assert [duration(seconds) for seconds in (42, 600, 7200)] == ["42 s", "10 min", "2.0 h"]
