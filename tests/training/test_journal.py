from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from training.errors import TrainingError
from training.history import Epoch
from training.journal import figures, journals, mlflow, require_journals, tensorboard

EPOCH = Epoch(epoch=3, loss=0.5, accuracy=0.75, val_loss=None, learning_rate=1e-3, duration_s=2.0)


def test_what_was_not_measured_is_not_written_down() -> None:
    assert figures(EPOCH) == {
        "loss": 0.5,
        "accuracy": 0.75,
        "learning_rate": 1e-3,
        "duration_s": 2.0,
    }


def test_tensorboard_gets_events_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is an extra")
    note = tensorboard(tmp_path / "tensorboard")
    assert note is not None

    note(EPOCH)

    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"epoch/loss" in events.read_bytes()


def test_without_tensorboard_there_is_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The part that is asked for first, which an earlier test may have imported.
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)

    assert journals(tmp_path, {}, environment={}, tell=print) == []


def test_mlflow_is_asked_for_by_its_address_and_told_each_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, Any]] = []
    stand_in = ModuleType("mlflow")
    for name in ("set_experiment", "end_run", "start_run", "log_params", "log_metrics"):
        setattr(stand_in, name, _teller(name, told))
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)

    environment = {"MLFLOW_TRACKING_URI": "file:here"}
    require_journals(environment)
    *_, note = journals(tmp_path / "vgg-1", {"seed": 3}, environment=environment, tell=print)
    note(EPOCH)

    assert [name for name, _ in told] == [
        "set_experiment",
        "end_run",
        "start_run",
        "log_params",
        "log_metrics",
    ]
    assert told[-1][1] == ((figures(EPOCH),), {"step": 3})


def _teller(name: str, told: list[tuple[str, Any]]) -> Any:
    def tell(*arguments: Any, **named: Any) -> None:
        told.append((name, (arguments, named)))

    return tell


def test_mlflow_that_is_asked_for_and_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(TrainingError, match="MLflow is not installed"):
        require_journals({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    require_journals({})


def test_mlflow_that_refuses_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> None:
        raise RuntimeError("file stores are in maintenance\nSee the manual.")

    stand_in = ModuleType("mlflow")
    stand_in.set_experiment = refuse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)

    with pytest.raises(
        TrainingError, match=r"\(file stores are in maintenance\): name a server that runs"
    ):
        require_journals({"MLFLOW_TRACKING_URI": "file:here"})


def test_a_server_that_is_not_there_is_told_in_seconds() -> None:
    pytest.importorskip("mlflow", reason="MLflow is an extra")
    code = (
        "import os, training.journal as j;"
        "os.environ['MLFLOW_TRACKING_URI'] = 'http://127.0.0.1:9'; j.require_journals(os.environ)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert "name a server that runs" in done.stderr


def test_mlflow_that_stops_answering_does_not_end_a_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    told: list[str] = []

    def refuse(_figures: object, step: int) -> None:
        calls.append(step)
        raise RuntimeError("connection refused\nand so on")

    stand_in = ModuleType("mlflow")
    for name in ("set_experiment", "end_run", "start_run", "log_params"):
        setattr(stand_in, name, _teller(name, []))
    stand_in.log_metrics = refuse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    note = mlflow("run", {}, tell=told.append)

    note(EPOCH)
    note(replace(EPOCH, epoch=4))

    assert calls == [3]
    assert told == [
        "MLflow took nothing from epoch 3 on (connection refused): the training goes on without"
        " it, and history.csv has every epoch."
    ]
