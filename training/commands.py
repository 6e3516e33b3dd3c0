"""The commands of this stage.

A command imports what it works with when it is called: to define the commands costs neither
Keras nor NumPy, so that `bestiary --help` and `bestiary models` answer at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training import models as registry
from training.recipe import Monitor, Optimizer, TrainRecipe

if TYPE_CHECKING:
    from curation.dataset import Dataset
    from training.history import Epoch, Progress

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""

DEFAULTS = TrainRecipe()
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
    head = f"{'model':13} {'input':>9} {'parameters':>11} {'trainable':>11} {'not':>9}  species"
    lines = [
        f"{row['name']:13} {row['side_px']:>3} × {row['side_px']:<3} {row['parameters']:>11,}"
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
    "--epochs",
    type=int,
    default=DEFAULTS.epochs,
    show_default=True,
    help="At most: see --patience.",
)
@click.option(
    "--batch-size",
    type=int,
    help=f"Pictures a step.  [default: what suits the model, mostly {DEFAULTS.batch_size}]",
)
@click.option(
    "--shift",
    type=float,
    help="Largest random shift, as a share of the side."
    f"  [default: what suits the model, mostly {DEFAULTS.shift}]",
)
@click.option(
    "--learning-rate",
    type=float,
    default=DEFAULTS.learning_rate,
    show_default=True,
    help="Of the optimizer.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "adamw", "sgd"]),
    default=DEFAULTS.optimizer,
    show_default=True,
    help="How weights are moved.",
)
@click.option(
    "--monitor",
    type=click.Choice(["accuracy", "loss"]),
    default=DEFAULTS.monitor,
    show_default=True,
    help="What chooses the best epoch on the validation pictures.",
)
@click.option(
    "--patience",
    type=int,
    default=DEFAULTS.patience,
    show_default=True,
    help="Epochs without a better one until training stops; 0: never.",
)
@click.option(
    "--weights",
    help="First weights of a network with a backbone: imagenet, none or a file."
    "  [default: imagenet]",
)
@click.option(
    "--frozen-epochs",
    type=int,
    help="Train a frozen backbone too after this many epochs.  [default: never]",
)
@click.option("--resize", is_flag=True, help="Scale the pictures in memory to the network's side.")
@click.option("--no-augment", is_flag=True, help="Do not flip and shift pictures at random.")
@click.option("--no-balance", is_flag=True, help="Do not weigh pictures of rare species more.")
@click.option(
    "--seed",
    type=int,
    default=DEFAULTS.seed,
    show_default=True,
    help="Of first weights, order and augmentation.",
)
def train(
    *,
    model: str,
    dataset_root: Path,
    root: Path | None,
    epochs: int,
    batch_size: int | None,
    shift: float | None,
    learning_rate: float,
    optimizer: Optimizer,
    monitor: Monitor,
    patience: int,
    weights: str | None,
    frozen_epochs: int | None,
    resize: bool,
    no_augment: bool,
    no_balance: bool,
    seed: int,
) -> Result:
    """Fit MODEL to a dataset, and measure it. Stopped at any moment, the same command goes on."""
    from curation.dataset import Dataset
    from training import weights as pretrained

    entry = registry.find(model)
    given = {"batch_size": batch_size, "shift": shift}
    recipe = TrainRecipe(
        **{**entry.suited, **{name: value for name, value in given.items() if value is not None}},
        epochs=epochs,
        learning_rate=learning_rate,
        optimizer=optimizer,
        monitor=monitor,
        patience=patience,
        weights=pretrained.meant(entry, weights),
        frozen_epochs=frozen_epochs,
        image_fit="resize" if resize else "exact",
        augments=not no_augment,
        balances_classes=not no_balance,
        seed=seed,
    )
    return _train(entry, recipe, Dataset.open(dataset_root), root)


def _train(
    entry: registry.ModelEntry, recipe: TrainRecipe, dataset: Dataset, root: Path | None
) -> Result:
    from training import train as training
    from training import weights
    from training.conclude import conclude

    first_weights = weights.file_of(entry, recipe.weights, cache=_weights_cache())
    record = training.checked_record(dataset, entry, recipe, first_weights)
    run = training.begin(record, root, runs=RUNS)
    _tell(f"Training {entry.name} in {run.root}: {run.root / 'history.csv'} grows by the epoch.")
    progress = _Line(recipe, run.checkpoints.progress(), len(dataset.images("train")))
    with _interruption() as is_interrupted:
        epochs = training.train(
            run,
            dataset,
            entry,
            first_weights=first_weights,
            tell=_tell,
            on_step=progress.on_step,
            is_interrupted=is_interrupted,
        )
        for epoch in epochs:
            progress.on_epoch(epoch)
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


def _weights_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


class _Line:
    """Tells of a training on standard error: one line an epoch, at a terminal a live one."""

    def __init__(self, recipe: TrainRecipe, progress: Progress, pictures: int) -> None:
        self._recipe, self._pictures, self._history = recipe, pictures, progress.history
        self._is_live = sys.stderr.isatty() and not _is_quiet()
        if progress.epochs or progress.step:
            _tell(f"Going on after epoch {progress.epochs}, step {progress.step}.")

    def on_step(self, progress: Progress) -> None:
        """Rewrite the line, at a terminal."""
        if self._is_live:
            tally = progress.tally
            share = tally.pictures / self._pictures
            bar = ("#" * round(20 * share)).ljust(20, "-")
            click.echo(
                f"\r\033[K{self._count(progress.epochs + 1)}  [{bar}]"
                f"  loss {tally.loss / tally.pictures:.3f}",
                err=True,
                nl=False,
            )

    def on_epoch(self, epoch: Epoch) -> None:
        """Put the epoch's figures in its place."""
        self._history = (*self._history, epoch)
        _tell(("\r\033[K" if self._is_live else "") + self._figures(epoch))

    def _count(self, epoch: int) -> str:
        return f"epoch {epoch:>3}/{self._recipe.epochs}"

    def _figures(self, epoch: Epoch) -> str:
        from training.history import best

        parts = [self._count(epoch.epoch), f"loss {epoch.loss:.3f}"]
        parts.append(f"accuracy {epoch.accuracy:.3f}")
        if epoch.val_loss is not None:
            parts += [f"val loss {epoch.val_loss:.3f}", f"val accuracy {epoch.val_accuracy:.3f}"]
        parts.append(f"{self._pictures / max(epoch.duration_s, 1e-3):.0f} pictures/s")
        left_s = epoch.duration_s * (self._recipe.epochs - epoch.epoch)
        parts.append(f"at most {_duration(left_s)} left" if left_s else "done")
        is_best = best(self._history, self._recipe.monitor) is epoch
        return "  ".join(parts) + ("  (best so far)" if is_best else "")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


def _tell(text: str) -> None:
    if not _is_quiet():
        click.echo(text, err=True)
