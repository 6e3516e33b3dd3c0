"""`bestiary audit`: what a dataset holds, whether its splits leak, and how two datasets differ."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from curation.dataset import Dataset
    from curation.leaks import LeakCheck, Seen

Document = dict[str, Any]


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option(
    "--target",
    type=click.IntRange(min=1),
    help="Images that each species should have; says how many are missing."
    "  [default: as many as the most frequent species has]",
)
@click.option(
    "--leak-check/--no-leak-check",
    default=True,
    show_default=True,
    help="Compare every picture of each split with every one of the others.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Another dataset, to show both side by side, and what they share.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Fail where two splits share a picture, or where some could not be compared.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Threads; the result does not depend on it.  [default: one per processor]",
)
def audit(
    *,
    dataset: Path,
    target: int | None,
    leak_check: bool,
    against: Path | None,
    strict: bool,
    workers: int | None,
) -> tuple[Document, str]:
    """Show a dataset's balance, sizes, origins and losses; prove that its splits share nothing.

    The same figures, with pictures, are written into DATASET/report.html: one page that needs
    no network, on which you can also mark what should be dropped or moved.
    """
    from curation.audit import audit as count
    from curation.audit import document_of
    from curation.dataset import Dataset
    from curation.tables import table

    opened = Dataset.open(dataset)
    if against is not None:
        return _compared(opened, Dataset.open(against), workers)
    figures = count(opened.rows, target=target)
    leaks = _leaks(opened, workers) if leak_check or strict else None
    document: Document = {
        **document_of(opened, figures),
        "leaks": leaks.document() if leaks else None,
        "warnings": [],
    }
    text = [table(figures), *([leak_text(leaks)] if leaks else [])]
    text.append(_report_written(opened, target, leaks, document))
    if strict and leaks:
        _require_none(leaks, dataset, document)
    return document, "\n\n".join(text)


def _compared(dataset: Dataset, other: Dataset, workers: int | None) -> tuple[Document, str]:
    """Show two datasets side by side; the page goes beside the first."""
    from curation.audit import document_of
    from curation.comparison import Side, compare
    from curation.lock import write_atomically
    from curation.report import comparison_page
    from curation.tables import side_by_side

    names = [one.root.resolve().name for one in (dataset, other)]
    if names[0] == names[1]:
        names = [str(one.root) for one in (dataset, other)]
    first, second = (
        Side.of(one, _seen(one, workers, label=f"Looking at {name}"), name=name)
        for one, name in zip((dataset, other), names, strict=True)
    )
    comparison = compare(first, second)
    root = dataset.root.resolve()
    path = root.with_name(f"{root.name}-against-{other.root.resolve().name}.html")
    document: Document = {
        "first": document_of(dataset, first.figures),
        "second": document_of(other, second.figures),
        "comparison": comparison.document(),
        "report": str(path),
        "warnings": [],
    }
    try:
        pieces = comparison_page(comparison)
        write_atomically(path, (piece.encode() for piece in pieces))
        told = f"Report   {path}"
    except OSError as error:
        warning = f"the report could not be written to {path} ({error.strerror})"
        document.update(report=None, warnings=[warning])
        told = f"Warning: {warning}."
    return document, f"{side_by_side(comparison)}\n\n{told}"


def _report_written(
    dataset: Dataset, target: int | None, leaks: LeakCheck | None, document: Document
) -> str:
    """Write the report; where that fails, the figures are told all the same."""
    from curation.report import write_report
    from curation.searched import keep_search

    name = dataset.root.resolve().name
    try:
        if leaks:
            keep_search(dataset, leaks)
        write_report(
            dataset, name=name, lock_digest=dataset.lock_digest, target=target, leaks=leaks
        )
    except OSError as error:
        warning = f"the report could not be written to {document['report']} ({error.strerror})"
        document.update(report=None, warnings=[warning])
        return f"Warning: {warning}."
    return f"Report   {document['report']}"


def _leaks(dataset: Dataset, workers: int | None) -> LeakCheck:
    from curation.leaks import check

    seen = _seen(dataset, workers, label="Looking for leaks")
    if not _is_quiet():
        click.echo("Comparing every pair of pictures in different splits …", err=True)
    there = {one.file for one in seen}
    absent = tuple(row.file for row in dataset.rows if row.file and row.file not in there)
    return replace(check(seen, dataset.recipe), absent=absent)


def _seen(dataset: Dataset, workers: int | None, *, label: str) -> list[Seen]:
    """Read every rendered file under a progress bar."""
    from curation.curate import default_workers
    from curation.dataset import rendered_files
    from curation.leaks import look_at_all

    files = sorted(rendered_files(dataset.root))
    looked = look_at_all(dataset.root, files, workers=workers or default_workers())
    with click.progressbar(
        looked, length=len(files), label=label, file=sys.stderr, hidden=_is_quiet()
    ) as bar:
        return list(bar)


def leak_text(leaks: LeakCheck) -> str:
    """What the search across the splits found, for a person."""
    lines = [leaks.statement]
    lines += [f"  {near.likeness:.2f}  {near.first}  {near.second}" for near in leaks.leaks[:10]]
    if len(leaks.leaks) > 10:
        lines.append(f"  and {len(leaks.leaks) - 10} more, in the report and with --json")
    if missed := _not_compared(leaks):
        lines.append(f"Warning: {missed}: run `bestiary verify`.")
    return "\n".join(lines)


def _not_compared(leaks: LeakCheck) -> str:
    """How many files could not be compared, and why; empty where all were."""
    said = []
    if leaks.unreadable:
        said.append(f"files that are no pictures: {len(leaks.unreadable)}")
    if leaks.absent:
        said.append(f"files that the manifest has and the folder has not: {len(leaks.absent)}")
    return ", ".join(said)


def _require_none(leaks: LeakCheck, root: Path, document: Document) -> None:
    from curation.errors import LeakError

    if leaks.leaks:
        raise LeakError(
            f"{root} leaks: {leaks.leaks[0].first} looks like {leaks.leaks[0].second}"
            f" ({len(leaks.leaks)} in all). If nobody put it there, drop one of the two in a review"
            " (`bestiary review`, then `bestiary curate --review`); else make the dataset anew with"
            " `bestiary curate`",
            document=document,
        )
    if missed := _not_compared(leaks):
        raise LeakError(
            f"{root} may leak, {missed}: run `bestiary verify`, which names them",
            document=document,
        )
