"""The commands that measure what was trained."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from training.ensemble import Views

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""

RUNS = Path("runs")


_views_option = click.option(
    "--views",
    type=click.Choice(["one", "flip", "shifts"]),
    help="With --images, what is looked at: the picture, its mirror image too, or ten views."
    "  [default: what an ensemble says]",
)


def _require_images(images: Path | None) -> None:
    if images is None and _is_typed("views"):
        raise click.UsageError("--views belongs to --images: the dataset's pictures have one view")


def _is_typed(option: str) -> bool:
    """Whether an option was given for this very command: what bestiary.toml has for all of them
    may go without use in some."""
    source = click.get_current_context().get_parameter_source(option)
    return source in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}


@click.command()
@click.argument("run_root", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    "dataset_root",
    type=click.Path(path_type=Path),
    help="Where the run's dataset lies now.  [default: where it lay]",
)
@click.option(
    "--others",
    type=click.Path(path_type=Path),
    help="A folder or zip file with pictures of other animals: how many are called unknown?",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Measure on an .npz file instead: `images`, and `fine_labels` or `labels`.",
)
@_views_option
@click.option("--no-baseline", is_flag=True, help="Do not fit the baseline without a network.")
def evaluate(
    *,
    run_root: Path | None,
    dataset_root: Path | None,
    others: Path | None,
    images: Path | None,
    views: Views | None,
    no_baseline: bool,
) -> Result:
    """Measure RUN (runs/latest) again; writes its metrics.json, report.html and model-card.md."""
    from curation.dataset import Dataset
    from training import backend
    from training import others as other_animals
    from training.conclude import conclude
    from training.evaluate import require_same_data
    from training.run import LATEST, Run

    _require_images(images)
    if images is not None and (_is_typed("dataset_root") or _is_typed("others")):
        raise click.UsageError("--images takes the place of --dataset, and --others goes with that")
    if images is not None:
        from training.image_evaluation import evaluate_images

        backend.start()
        return evaluate_images(run_root or RUNS / LATEST, images, views=views, tell=tell)
    run = Run.open(run_root or RUNS / LATEST)
    if dataset_root is None and Path(run.record.dataset).is_file():
        raise click.UsageError(
            f"{run.root} was trained on {run.record.dataset}, which is no dataset: name pictures to"
            " measure on with --images"
        )
    dataset = Dataset.open(dataset_root or Path(run.record.dataset))
    require_same_data(run, dataset)
    apart = None if others is None else other_animals.read(others, run.record)
    backend.start()
    return conclude(
        run,
        dataset,
        run.load_network(),
        with_baseline=not no_baseline,
        others=apart,
        tell=tell,
    )


@click.command()
@click.argument("first_root", metavar="RUN_A", type=click.Path(path_type=Path))
@click.argument("second_root", metavar="RUN_B", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Ask both about an .npz file instead: `images`, and `fine_labels` or `labels`.",
)
@_views_option
def compare(
    *, first_root: Path, second_root: Path, images: Path | None, views: Views | None
) -> Result:
    """Say whether RUN_A is better than RUN_B on the same test pictures, or cannot be told.

    Both must have been measured; two cross-validations can be compared, too. They may be
    trained at different sizes, or on different portions of the data, as long as their test
    pictures are the same. With --images, runs and ensembles are asked anew.
    """
    from training import backend
    from training.contest import contest, contest_on
    from training.wording import comparison_in_words, in_words

    _require_images(images)
    if images is None:
        found = contest(first_root, second_root)
    else:
        backend.start()
        found = contest_on(images, first_root, second_root, views=views, tell=tell)
    lines = [
        f"{one.name}: accuracy {in_words(one.accuracy)}." for one in (found.first, found.second)
    ]
    lines.append(comparison_in_words(found.comparison, found.first.name, found.second.name))
    return asdict(found), "\n".join(lines)


def tell(text: str) -> None:
    """Say something along the way, unless the user wants quiet."""
    if not click.get_current_context().meta.get("bestiary.quiet"):
        click.echo(text, err=True)
