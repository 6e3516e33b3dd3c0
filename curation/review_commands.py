"""What is wrong with images, on the command line: `bestiary review`, and options of `curate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from curation.errors import UsageError
from curation.flags import FLAGS, Thresholds, require_flags

Document = dict[str, Any]
Command = Callable[..., Any]


def _flags(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Read `blurred,drawing`."""
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    try:
        require_flags(names)
    except UsageError as error:
        raise click.BadParameter(str(error), context, parameter) from error
    return names


def _thresholds(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> Thresholds:
    """Read `blurred=0.3`, as often as it is given."""
    given: dict[str, float] = {}
    for part in value:
        flag, _, number = part.partition("=")
        try:
            require_flags([flag])
            given[flag.replace("-", "_")] = float(number)
        except UsageError as error:
            raise click.BadParameter(str(error), context, parameter) from error
        except ValueError as error:
            raise click.BadParameter(
                f"{part!r} is not a flag and a number such as blurred=0.3", context, parameter
            ) from error
    return Thresholds(**given)


def judging_options(command: Command) -> Command:
    """Give a command `--drop`, `--flag-at` and `--review`."""
    defaults = ", ".join(
        f"{flag}={field.default:g}" for flag, field in zip(FLAGS, fields(Thresholds), strict=True)
    )
    options = (
        click.option(
            "--drop",
            callback=_flags,
            default="",
            help=f"Drop images with these flags, else they are only flagged: {', '.join(FLAGS)}.",
        ),
        click.option(
            "--flag-at",
            "thresholds",
            metavar="FLAG=NUMBER",
            multiple=True,
            callback=_thresholds,
            help=f"Flag from another threshold on.  [default: {defaults}]",
        ),
        click.option(
            "--review",
            "review_paths",
            metavar="FILE",
            multiple=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help="Apply the decisions in this file (see `bestiary review`).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("review.csv"),
    show_default=True,
    help="The file to write; one that is there is not replaced.",
)
@click.option(
    "--at-least",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="How suspicious an image must be to be asked about.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="At most so many questions, the worst first.",
)
def review(*, dataset: Path, out: Path, at_least: float, limit: int) -> tuple[Document, str]:
    """Write what only a person can decide about DATASET into a file for a spreadsheet.

    Conflicts between species with the claims of each, then the most suspicious images. Write
    keep, drop, move or distinct into the column decision, or leave it empty; then apply it
    with `bestiary curate --review FILE`.
    """
    from curation.dataset import Dataset
    from curation.questions import open_questions, write_questions

    opened = Dataset.open(dataset)
    questions = open_questions(opened.rows, at_least=at_least)
    written = questions[:limit]
    try:
        write_questions(out, written)
    except FileExistsError as error:
        raise UsageError(
            f"{out} is there already, maybe with your decisions: choose another --out"
        ) from error
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from error
    document = {
        "written": str(out),
        "questions": len(written),
        "left_out": len(questions) - len(written),
    }
    more = f" ({len(questions) - len(written)} more: raise --limit)" if questions[limit:] else ""
    return document, (
        f"Wrote {len(written)} questions to {out}{more}.\n"
        f"Decide in it, then: bestiary curate --review {out}"
    )
