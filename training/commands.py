"""The commands of this stage.

A command imports what it works with when it is called: to define the commands costs neither
Keras nor NumPy, so that `bestiary --help` and `bestiary models` answer at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training import models as registry
from training import presets
from training.backend import Device
from training.interruption import interruption, resumable
from training.options import recipe_options, require_steps, typed_for_a_backbone, values
from training.progress import Line
from training.recipe import TrainRecipe
from training.series_options import series_options

if TYPE_CHECKING:
    from curation.dataset import Dataset
    from training.portions import Portion
    from training.run import Run
    from training.series import Question

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""

RUNS = Path("runs")
_WITHOUT_A_WORD = (
    "The training ended without a word the last time: it was killed, the machine went off, or"
    " memory ran out. Smaller batches than of {} take less, as a new run (--batch-size, --run)."
)


@click.command()
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    help="Count the parameters for this many species; builds every network (seconds).",
)
def models(classes: int | None) -> Result:
    """List the networks: input size, parameters, licence of the first weights, source."""
    rows = [_model_row(entry, classes) for entry in registry.MODELS.values()]
    head = (
        f"{'model':18} {'input':>9} {'parameters':>11} {'trainable':>11} {'not':>9}  species"
        f"  {'weights':10}  source"
    )
    lines = [
        f"{row['name']:18} {row['side_px']:>3} × {row['side_px']:<3} {row['parameters']:>11,}"
        f" {row['trainable']:>11,} {row['non_trainable']:>9,} {row['classes']:>8}"
        f"  {row['weights_licence'] or '–':10}  {row['source']}"
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
    help="First weights of a network with a backbone: imagenet, none, a file, or a folder of files."
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
@click.option("--data-parallel", is_flag=True, help="Let all devices share each batch.")
@series_options
def train(
    *,
    model: str,
    dataset_root: Path,
    root: Path | None,
    weights: str | None,
    preset: str,
    device: Device,
    data_parallel: bool,
    seeds: int,
    folds: int | None,
    learning_curve: bool,
    no_baseline: bool,
    **options: Any,
) -> Result:
    """Fit MODEL to a dataset, and measure it. Stopped at any moment, the same command goes on.

    With --seeds, --folds or --learning-curve, several runs answer one question together: each
    has a folder of its own inside of the series' folder.
    """
    with resumable() as begun:
        from curation.dataset import Dataset
        from training import backend
        from training import weights as pretrained
        from training.journal import require_journals
        from training.series import Question

        question = Question(seeds=seeds, folds=folds, learning_curve=learning_curve)
        backend.choose_device(device)
        if data_parallel:
            _tell(f"{backend.share_among_devices()} devices share each batch.")
        entry = registry.find(model)
        entry.require_backbone(typed_for_a_backbone())
        given = {**values(options), "weights": pretrained.meant(entry, weights)}
        chosen = presets.recipe(preset, entry, **given)
        if chosen.transfer == "frozen" and entry.pretrained is not None:
            require_steps()
            question.require_chance(given["weights"] == pretrained.NONE)
        dataset = Dataset.open(dataset_root)
        recipe = presets.fitted_to(chosen, side_px=dataset.recipe.side_px, given=given)
        require_journals(os.environ)
        how: Any = {"with_baseline": not no_baseline, "begun": begun}
        if question.is_series:
            return _train_series(question, entry, recipe, dataset, root, **how)
        return _train(entry, recipe, dataset, root, **how)


def _train_series(
    question: Question,
    entry: registry.ModelEntry,
    recipe: TrainRecipe,
    dataset: Dataset,
    root: Path | None,
    *,
    with_baseline: bool,
    begun: Callable[[Path], None],
) -> Result:
    """Train what is still to be trained of a series, and tell what it found."""
    from training import series as runs
    from training.summary import conclude

    trials = runs.trials(question, seed=recipe.seed)
    trials[0].portion.of(dataset)  # What cannot be dealt is told before there is a folder.
    asked = runs.asked_of(entry.name, question, recipe.identity(), dataset.lock_digest)
    series = runs.Series.begin(root or runs.default_root(RUNS, asked), asked)
    begun(series.root)
    for number, trial in enumerate(trials, start=1):
        if series.finished(trial) is not None:
            _tell(f"{trial.name} is done already.")
            continue
        _tell(f"Run {number} of {len(trials)}: {trial.name}, {trial.portion.in_words()}.")
        _train(
            entry,
            replace(recipe, seed=trial.seed),
            dataset,
            series.root / trial.name,
            portion=trial.portion,
            with_baseline=with_baseline,
            begun=begun,
            siblings=[series.root / one.name for one in trials if one.portion == trial.portion],
        )
    done = [(trial, metrics) for trial in trials if (metrics := series.finished(trial))]
    return conclude(series, question, done, seed=recipe.seed)


def _train(
    entry: registry.ModelEntry,
    recipe: TrainRecipe,
    whole: Dataset,
    root: Path | None,
    *,
    portion: Portion | None = None,
    with_baseline: bool = True,
    begun: Callable[[Path], None],
    siblings: Sequence[Path] = (),
) -> Result:
    from training import train as training
    from training import weights
    from training.conclude import conclude
    from training.pictures import require_measurable
    from training.portions import WHOLE

    first_weights = weights.file_of(entry, recipe.weights, cache=weights.keras_cache())
    portion = portion or WHOLE
    dataset = portion.of(whole)
    require_measurable(dataset)
    record = replace(
        training.checked_record(dataset, entry, recipe, first_weights),
        lock_digest=whole.lock_digest,
        portion=portion,
    )
    network = training.fresh_network(  # Weights that do not fit leave no folder behind.
        entry,
        recipe,
        side_px=record.side_px,
        classes=len(record.species),
        first_weights=first_weights,
    )
    run = training.begin(record, root, runs=RUNS)
    begun(run.root)
    _tell(f"Training {entry.name} in {run.root}: {run.root / 'history.csv'} grows by the epoch.")
    with run.under_way() as ended_at_batch_size:
        if ended_at_batch_size:
            most = min(ended_at_batch_size, len(dataset.images("train")))
            _tell(_WITHOUT_A_WORD.format(most))
        _fit(run, dataset, entry, network)
        del network  # Measuring takes one anew: no two need fit into memory.
        return conclude(
            run,
            whole,
            run.load_network(),
            with_baseline=with_baseline,
            siblings=siblings,
            tell=_tell,
        )


def _fit(run: Run, dataset: Dataset, entry: registry.ModelEntry, network: Any) -> None:
    """Train to the end, or until Ctrl-C; a line on the terminal shows how it goes."""
    from training import train as training
    from training.journal import journals

    recipe = run.record.recipe
    line = Line(
        recipe,
        run.checkpoints.progress(),
        pictures=len(dataset.images("train")),
        epochs=training.epochs_of(entry, recipe),
        tell=_tell,
        rewrite=_rewrite if sys.stderr.isatty() and not _is_quiet() else None,
        columns=shutil.get_terminal_size().columns,
    )
    notes = journals(
        run.root,
        {"model": entry.name, **asdict(recipe)},
        environment=os.environ,
        tell=_tell,
    )
    with contextlib.closing(line), interruption(_tell) as is_interrupted:
        epochs = training.train(
            run,
            dataset,
            entry,
            network,
            tell=_tell,
            on_step=line.on_step,
            is_interrupted=is_interrupted,
        )
        for epoch in epochs:
            line.on_epoch(epoch)
            for note in notes:
                note(epoch)


def _rewrite(text: str) -> None:
    click.echo(f"\r\033[K{text}", err=True, nl=False)


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


def _tell(text: str) -> None:
    if not _is_quiet():
        click.echo(text, err=True)
