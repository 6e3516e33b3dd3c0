"""The commands that measure what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""

RUNS = Path("runs")


@click.command()
@click.argument("run_root", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    "dataset_root",
    type=click.Path(path_type=Path),
    help="Where the run's dataset lies now.  [default: where it lay]",
)
def evaluate(run_root: Path | None, dataset_root: Path | None) -> Result:
    """Measure RUN (runs/latest) again; writes its metrics.json and report.html."""
    from curation.dataset import Dataset
    from training import backend
    from training.conclude import conclude
    from training.evaluate import require_same_data
    from training.run import LATEST, Run

    run = Run.open(run_root or RUNS / LATEST)
    dataset = Dataset.open(dataset_root or Path(run.record.dataset))
    require_same_data(run, dataset)
    backend.start()
    return conclude(run, dataset, run.load_network())
