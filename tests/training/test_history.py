from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.history import Epoch, History, Tally, best, is_stalled, to_csv
from training.recipe import Monitor


def _epoch(number: int, accuracy: float, loss: float) -> Epoch:
    return Epoch(epoch=number, loss=1.0, accuracy=0.5, val_loss=loss, val_accuracy=accuracy)


histories = st.lists(
    st.tuples(st.sampled_from([0.2, 0.4, 0.6]), st.sampled_from([0.5, 1.0, 1.5])), min_size=1
).map(lambda rows: tuple(_epoch(number, *row) for number, row in enumerate(rows, 1)))


@given(history=histories, monitor=st.sampled_from(["accuracy", "loss"]))
def test_no_epoch_is_better_than_the_best_and_none_before_it_as_good(
    history: History, monitor: Monitor
) -> None:
    leader = best(history, monitor)
    assert leader is not None

    for epoch in history:
        mine = (leader.val_accuracy or 0, -(leader.val_loss or 0))
        theirs = (epoch.val_accuracy or 0, -(epoch.val_loss or 0))
        if monitor == "loss":
            mine, theirs = mine[::-1], theirs[::-1]
        assert mine >= theirs
        assert mine > theirs or leader.epoch <= epoch.epoch


@given(history=histories, patience=st.integers(1, 5))
def test_training_stalls_when_patience_epochs_came_after_the_best(
    history: History, patience: int
) -> None:
    leader = best(history, "accuracy")
    assert leader is not None

    stalled = is_stalled(history, "accuracy", patience=patience)

    assert stalled == (len(history) - leader.epoch >= patience)


def test_patience_0_never_stops() -> None:
    history = tuple(_epoch(number, 0.1, float(number)) for number in range(1, 50))

    assert not is_stalled(history, "loss", patience=0)
    assert not is_stalled((), "loss", patience=1)


def test_without_validation_pictures_the_last_epoch_stands() -> None:
    history = tuple(Epoch(epoch=number, loss=number, accuracy=0.5) for number in (1, 2, 3))

    assert best(history, "accuracy") is history[-1]
    assert not is_stalled(history, "accuracy", patience=1)


def test_a_tally_keeps_means_over_batches_of_different_size() -> None:
    tally = Tally().plus(pictures=3, loss=1.0, accuracy=1.0)
    tally = tally.plus(pictures=1, loss=5.0, accuracy=0.0)

    assert tally.loss / tally.pictures == pytest.approx(2.0)
    assert tally.right / tally.pictures == pytest.approx(0.75)


def test_history_csv_has_a_line_an_epoch_and_blanks_where_nothing_was_measured() -> None:
    rows = list(csv.DictReader(to_csv((Epoch(epoch=1, loss=0.5, accuracy=1.0),)).splitlines()))

    assert [row["epoch"] for row in rows] == ["1"]
    assert rows[0]["val_loss"] == ""
