"""The commands that put to use what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""


@click.command()
@click.argument("run_root", metavar="RUN", type=click.Path(path_type=Path))
@click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
def predict(run_root: Path, images: tuple[Path, ...]) -> Result:
    """Say which species each IMAGE shows; a folder stands for the files in it.

    An image that cannot be read is told with its reason, and the others go on. Only when
    none can be read does the command fail.
    """
    from training import backend
    from training.predict import files_of, require_any
    from training.predict import predict as predictions
    from training.run import Run

    run = Run.open(run_root)
    backend.start()
    found = list(predictions(run.load_network(), run.record, files_of(images)))
    document = {"run": str(run.root), "images": [one.record() for one in found]}
    require_any(found, document)
    return document, "\n".join(one.in_words() for one in found)
