"""The commands of this stage.

A command imports what it works with when it is called: to define the commands costs neither
Keras nor NumPy, so that `bestiary --help` and `bestiary models` answer at once.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training import models as registry
from training import presets
from training.backend import Device
from training.options import recipe_options, values
from training.progress import Line
from training.recipe import TrainRecipe

if TYPE_CHECKING:
    from curation.dataset import Dataset

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""

RUNS = Path("runs")


@click.command()
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    help="Count the parameters for this many species; builds every network (seconds).",
)
def models(classes: int | None) -> Result:
    """List the networks: input size, parameters, source."""
    rows = [_model_row(entry, classes) for entry in registry.MODELS.values()]
    head = f"{'model':18} {'input':>9} {'parameters':>11} {'trainable':>11} {'not':>9}  species"
    lines = [
        f"{row['name']:18} {row['side_px']:>3} × {row['side_px']:<3} {row['parameters']:>11,}"
        f" {row['trainable']:>11,} {row['non_trainable']:>9,} {row['classes']:>8}  {row['source']}"
        for row in rows
    ]
    return {"models": rows}, "\n".join([head, *lines])


def _model_row(entry: registry.ModelEntry, classes: int | None) -> dict[str, Any]:
    if classes is not None:
        entry = _recounted(entry, classes)
    return {
        "name": entry.name,
        "side_px": entry.side_px,
        "parameters": entry.parameters,
        "trainable": entry.trainable,
        "non_trainable": entry.non_trainable,
        "classes": entry.classes,
        "source": entry.source,
        "pretrained": entry.pretrained is not None,
        "weights_licence": entry.pretrained.licence if entry.pretrained else None,
    }


def _recounted(entry: registry.ModelEntry, classes: int) -> registry.ModelEntry:
    from training import backend

    backend.start()
    network = entry.build(classes=classes)
    non_trainable = sum(weight.numpy().size for weight in network.non_trainable_weights)
    total = network.count_params()
    return replace(entry, classes=classes, parameters=total, trainable=total - non_trainable)


@click.command()
@click.argument("model")
@click.option(
    "--dataset",
    "dataset_root",
    type=click.Path(path_type=Path),
    default=Path("dataset"),
    show_default=True,
    help="The curated dataset.",
)
@click.option(
    "--run",
    "root",
    type=click.Path(path_type=Path),
    help="Where the run goes, or goes on.  [default: the next runs/MODEL-N]",
)
@click.option(
    "--weights",
    help="First weights of a network with a backbone: imagenet, none or a file."
    "  [default: imagenet]",
)
@recipe_options
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="What to train on.",
)
def train(
    *,
    model: str,
    dataset_root: Path,
    root: Path | None,
    weights: str | None,
    preset: str,
    device: Device,
    **options: Any,
) -> Result:
    """Fit MODEL to a dataset, and measure it. Stopped at any moment, the same command goes on."""
    from curation.dataset import Dataset
    from training import backend
    from training import weights as pretrained

    backend.choose_device(device)
    entry, dataset = registry.find(model), Dataset.open(dataset_root)
    given = {**values(options), "weights": pretrained.meant(entry, weights)}
    chosen = presets.recipe(preset, entry, **given)
    recipe = presets.fitted_to(chosen, side_px=dataset.recipe.side_px)
    return _train(entry, recipe, dataset, root)


def _train(
    entry: registry.ModelEntry, recipe: TrainRecipe, dataset: Dataset, root: Path | None
) -> Result:
    from training import train as training
    from training import weights
    from training.conclude import conclude

    first_weights = weights.file_of(entry, recipe.weights, cache=weights.keras_cache())
    record = training.checked_record(dataset, entry, recipe, first_weights)
    run = training.begin(record, root, runs=RUNS)
    _tell(f"Training {entry.name} in {run.root}: {run.root / 'history.csv'} grows by the epoch.")
    line = Line(
        recipe,
        run.checkpoints.progress(),
        pictures=len(dataset.images("train")),
        epochs=training.epochs_of(entry, recipe),
        tell=_tell,
        rewrite=_rewrite if sys.stderr.isatty() and not _is_quiet() else None,
    )
    with _interruption() as is_interrupted:
        epochs = training.train(
            run,
            dataset,
            entry,
            first_weights=first_weights,
            tell=_tell,
            on_step=line.on_step,
            is_interrupted=is_interrupted,
        )
        for epoch in epochs:
            line.on_epoch(epoch)
    return conclude(run, dataset, run.load_network())


@contextlib.contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into an answer to a question; a second one is as harsh as ever."""
    pressed = threading.Event()

    def note(_signal: int, _frame: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        _tell("\nStopping after this step …")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _rewrite(text: str) -> None:
    click.echo(f"\r\033[K{text}", err=True, nl=False)


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


def _tell(text: str) -> None:
    if not _is_quiet():
        click.echo(text, err=True)
