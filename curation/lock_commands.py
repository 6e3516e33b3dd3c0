"""`bestiary verify`, `restore`, `diff` and `data`: what the lock is there for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from curation.dataset import Dataset, Difference
    from scraper.harvest import Harvest

Document = dict[str, Any]


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option(
    "--harvest",
    "harvest_path",
    type=click.Path(file_okay=False, path_type=Path),
    help="Read the originals in this harvest again, too.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Threads; the result does not depend on it.  [default: one per processor]",
)
def verify(
    *, dataset: Path, harvest_path: Path | None, workers: int | None
) -> tuple[Document, str]:
    """Recompute every digest of a dataset against its lock.

    Exits with 4 where they differ, and lists where and what happened: a file is missing,
    corrupt, or the same picture in other bytes. With --harvest, the originals are read too,
    and a changed file is compared with its original to the pixel.
    """
    from contextlib import ExitStack

    from curation.dataset import open_locked, require_none
    from scraper.harvest import Harvest

    opened = open_locked(dataset)
    with ExitStack() as stack:
        harvest = stack.enter_context(Harvest.open(harvest_path)) if harvest_path else None
        found = _verified(opened, harvest, workers)
    require_none(found, dataset)
    kept = sum(row.kept for row in opened.rows)
    document = {
        "dataset": str(dataset),
        "images": kept,
        "rows": len(opened.rows),
        "originals": len({row.digest for row in opened.rows}) if harvest_path else 0,
        "lock_digest": opened.lock_digest,
        "differences": [],
    }
    too = f", and the {document['originals']} originals are intact" if harvest_path else ""
    return document, f"{dataset} is as locked: {kept} images, {len(opened.rows)} rows{too}."


def _verified(
    dataset: Dataset, harvest: Harvest | None, workers: int | None
) -> tuple[Difference, ...]:
    from curation.curate import default_workers
    from curation.verification import file_count, verified

    checks = verified(dataset, harvest=harvest, workers=workers or default_workers())
    found: list[Difference] = []
    with click.progressbar(
        length=file_count(dataset, with_originals=harvest is not None),
        label="Verifying",
        file=sys.stderr,
        hidden=_is_quiet(),
    ) as bar:
        for checked in checks:
            found += checked.differences
            bar.update(checked.files)
    return tuple(found)
