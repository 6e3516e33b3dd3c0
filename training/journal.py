"""Where else a training is written down: TensorBoard and MLflow, where they are installed.

Neither is a dependency: `pip install bestiary[tensorboard]`, `pip install bestiary[mlflow]`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.history import Epoch

Journal = Callable[[Epoch], None]
"""Told each epoch."""


def figures(epoch: Epoch) -> dict[str, float]:
    """What is written down of an epoch."""
    found = {
        "loss": epoch.loss,
        "accuracy": epoch.accuracy,
        "val_loss": epoch.val_loss,
        "val_accuracy": epoch.val_accuracy,
        "learning_rate": epoch.learning_rate,
        "duration_s": epoch.duration_s,
    }
    return {name: value for name, value in found.items() if value is not None}


def tensorboard(folder: Path) -> Journal | None:
    """Write events below `folder`; None where TensorBoard is not installed."""
    try:
        events = importlib.import_module("tensorboard.compat.proto.event_pb2")
        summaries = importlib.import_module("tensorboard.compat.proto.summary_pb2")
        writers = importlib.import_module("tensorboard.summary.writer.event_file_writer")
    except ImportError:
        return None
    writer = writers.EventFileWriter(str(folder))

    def note(epoch: Epoch) -> None:
        values = [
            summaries.Summary.Value(tag=f"epoch/{name}", simple_value=value)
            for name, value in figures(epoch).items()
        ]
        writer.add_event(events.Event(step=epoch.epoch, summary=summaries.Summary(value=values)))
        writer.flush()

    return note


_URI = "MLFLOW_TRACKING_URI"
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow's own are seven tries, which take five minutes, of two minutes each."""


def require_journals(environment: MutableMapping[str, str]) -> None:
    """Make sure, before there is a run, that MLflow takes what the environment asks it to.

    Raises:
        TrainingError: it is not installed, or refuses.
    """
    if environment.get(_URI):
        for name, value in _PATIENCE.items():
            environment.setdefault(name, value)
        client = _client()
        with _refusal_told():
            client.set_experiment("bestiary")


def _client() -> Any:
    try:
        return importlib.import_module("mlflow")
    except ImportError as error:
        raise TrainingError(
            f"{_URI} is set and MLflow is not installed: `pip install bestiary[mlflow]`, or in a"
            " clone `make extra EXTRA=mlflow`, or unset it"
        ) from error


def mlflow(run: str, parameters: dict[str, Any], *, tell: Callable[[str], None]) -> Journal:
    """Write to the MLflow that MLFLOW_TRACKING_URI names: setting it is asking for it.

    `require_journals` came before. One that stops answering in the midst of a training does not
    end it.

    Args:
        run: What the run is called there.
        parameters: Written down once.
        tell: Told when it takes no more.

    Raises:
        TrainingError: MLflow is not installed, or refuses.
    """
    client = _client()
    with _refusal_told():
        client.end_run()  # A series has several runs in one process.
        client.start_run(run_name=run)
        client.log_params(parameters)
    takes = True

    def note(epoch: Epoch) -> None:
        nonlocal takes
        if not takes:
            return
        try:
            with _refusal_told():
                client.log_metrics(figures(epoch), step=epoch.epoch)
        except TrainingError as error:
            takes = False
            why = _first_line(error.__cause__ or error)
            tell(
                f"MLflow took nothing from epoch {epoch.epoch} on ({why}): the"
                " training goes on without it, and history.csv has every epoch."
            )

    return note


@contextlib.contextmanager
def _refusal_told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # MLflow's own and whatever its store's client raises.
        raise TrainingError(
            f"MLflow does not take what {_URI} should get ({_first_line(error)}): name a server"
            " that runs, like http://127.0.0.1:5000, or unset it; the same command goes on"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def journals(
    root: Path,
    parameters: dict[str, Any],
    *,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> list[Journal]:
    """Those that a run at `root` is written to."""
    found = [tensorboard(root / "tensorboard")]
    if environment.get(_URI):
        found.append(mlflow(root.name, parameters, tell=tell))
    return [journal for journal in found if journal is not None]
