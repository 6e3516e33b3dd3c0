"""The command that reproduces the founding study, and makes our final models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from training.errors import UsageError
from training.interruption import interruption, resumable

if TYPE_CHECKING:
    from training.history import Epoch

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""

SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")) / "data"
SMALL_MAMMALS = Path("cifar") / "cifar100_small_mammals_train.npz"


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=SHARED,
    show_default=True,
    help=f"An .npz file with `images` and `fine_labels`, or a folder with {SMALL_MAMMALS}.",
)
@click.option(
    "--weights",
    "weights_choice",
    help="First weights of the backbones: imagenet, or a folder of files."
    "  [default: the folder `weights` beside the data, else imagenet]",
)
@click.option("--photos", type=click.Path(path_type=Path), help="A curated dataset of photos.")
@click.option("--drawn", type=click.Path(path_type=Path), help="The demo's curated dataset.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reproduction"),
    show_default=True,
    help="Where the table goes, and what is needed to go on.",
)
@click.option("--row", "wanted", multiple=True, help="Only the rows with this in their name.")
@click.option(
    "--seeds", type=click.IntRange(1, 10), default=5, show_default=True, help="Of each row."
)
@click.option("--quick", is_flag=True, help="One seed.")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of each recipe's own.")
@click.option(
    "--table", "only_table", is_flag=True, help="Train nothing: the table of what is done."
)
@click.option(
    "--final",
    type=click.Path(path_type=Path),
    help="Instead of the table: make the final models in this folder, of all pictures.",
)
@click.option(
    "--only",
    type=click.Choice(["scratch", "transfer"]),
    help="Of the final models: the one without, or the one with ImageNet backbones.",
)
@click.option(
    "--cpu-minutes",
    type=click.FloatRange(min=0),
    help="A final model may take: networks that it has no time for are left out."
    "  [default: 38 from scratch, 55 in transfer]",
)
@resumable()
def reproduce(
    *,
    data: Path,
    weights_choice: str | None,
    photos: Path | None,
    drawn: Path | None,
    out: Path,
    wanted: tuple[str, ...],
    seeds: int,
    quick: bool,
    epochs: int | None,
    only_table: bool,
    final: Path | None,
    only: str | None,
    cpu_minutes: float | None,
) -> Result:
    """Train as the founding study did, and as we do, and set the figures side by side.

    Killed at any moment, the same command goes on.
    """
    _require_sense(final=final, only_table=only_table, for_final=only or cpu_minutes is not None)
    choice = weights_choice or _weights_beside(data)
    if choice != "imagenet" and not Path(choice).exists():
        raise UsageError(f"there are no weights at {choice}: --weights takes a folder, or imagenet")
    with interruption(_tell) as is_interrupted:
        if final is not None:
            return _final(
                final,
                data,
                weights_choice=choice,
                epochs=epochs,
                only=only,
                cpu_minutes=cpu_minutes,
                is_interrupted=is_interrupted,
            )
        return _table(
            wanted,
            1 if quick else seeds,
            {"data": data, "photos": photos, "drawn": drawn},
            out=out,
            weights_choice=choice,
            epochs=epochs,
            is_interrupted=is_interrupted,
            trains=not only_table,
        )


def _require_sense(*, final: Path | None, only_table: bool, for_final: object) -> None:
    """Refuse options that nothing would come of, before anything is trained."""
    if final is None and for_final:
        raise UsageError("--only and --cpu-minutes belong to --final: name its folder, too")
    if final is not None:
        given = click.get_current_context().get_parameter_source
        of_table = ("photos", "drawn", "out", "wanted", "seeds", "quick")
        idle = [name for name in of_table if given(name) is ParameterSource.COMMANDLINE]
        if only_table or idle:
            raise UsageError(
                "--final makes models and no table: leave out --table, --row, --seeds, --quick,"
                " --photos, --drawn and --out"
            )


def _weights_beside(data: Path) -> str:
    for folder in (data / "weights", data.parent / "weights", data.parent.parent / "weights"):
        if folder.is_dir():
            return str(folder)
    return "imagenet"


def _final(
    root: Path,
    data: Path,
    *,
    weights_choice: str,
    epochs: int | None,
    only: str | None,
    cpu_minutes: float | None,
    is_interrupted: Callable[[], bool],
) -> Result:
    from training import backend, final
    from training.labelled import read_npz
    from training.material import small_mammals

    _require_ours(root, final.FINALS)
    path = small_mammals(data)
    train = read_npz(path)
    backend.start()
    document: dict[str, Any] = {"final": str(root), "pictures": len(train), "models": {}}
    for name in [only] if only else list(final.FINALS):
        _tell(f"{name}: {', '.join(member.name for member in final.FINALS[name].members)}")
        for told in final.make(
            name,
            root / name,
            train,
            source=str(path.absolute()),
            weights_choice=weights_choice,
            epochs=epochs,
            cpu_minutes=cpu_minutes,
            on_step=lambda _: None,
            is_interrupted=is_interrupted,
        ):
            _tell_epoch(told.member, told.epochs, told.epoch)
        spent_s = final.cpu_s(root / name, name)
        left_out = final.left_out(root / name, name)
        document["models"][name] = {
            "folder": str(root / name),
            "cpu_s": round(spent_s, 1),
            "left_out": left_out,
        }
        _tell(f"{name}: trained in {spent_s / 60:.1f} CPU minutes.")
        if left_out:
            _tell(f"{name}: left out for want of time: {', '.join(left_out)} (see --cpu-minutes).")
    rows = [
        f"{name}: {made['folder']}, {made['cpu_s'] / 60:.1f} CPU minutes of training"
        for name, made in document["models"].items()
    ]
    rows.append(f"Measure with `bestiary evaluate {root} --images FILE.npz`.")
    return document, "\n".join(rows)


def _require_ours(root: Path, names: Iterable[str]) -> None:
    """Refuse to put models among what is none of ours."""
    there = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if (root.exists() and not root.is_dir()) or (there and not there & set(names)):
        raise UsageError(f"{root} holds something else: name another folder with --final")


def _table(
    wanted: tuple[str, ...],
    seeds: int,
    places: dict[str, Path | None],
    *,
    out: Path,
    epochs: int | None,
    **how: Any,
) -> Result:
    from dataclasses import asdict

    from training import backend, reproduce_table
    from training import reproduce as study
    from training.material import deals

    everything = list(study.ROWS.values())
    rows = [
        row
        for row in everything
        if not wanted or any(word.casefold() in row.name.casefold() for word in wanted)
    ]
    if not rows:
        raise UsageError(
            f"no row has {' or '.join(wanted)} in its name: there are"
            f" {'; '.join(row.name for row in everything)}"
        )
    backend.start()
    before, others = study.done_before(everything, seeds, out=out, epochs=epochs)
    asked = {row.name for row in rows}
    unasked = [one for one in before if one.row not in asked]  # They stay in the table.
    found: list[study.Outcome | study.Skipped] = []
    jobs: Iterator[study.Outcome | study.Skipped] = study.reproduce(
        rows,
        seeds,
        deals(**{name: place for name, place in places.items() if place is not None}),
        on_epoch=lambda of, epoch: _tell_epoch("", of, epoch),
        out=out,
        epochs=epochs,
        **how,
    )
    for one in jobs:
        found.append(one)
        reproduce_table.write(out, reproduce_table.lines(everything, [*unasked, *found]))
        _tell(_in_words(one))
    lines = reproduce_table.lines(rows, found)
    reproduce_table.write(out, reproduce_table.lines(everything, [*unasked, *found]))
    if others:
        _tell(
            f"{out / 'jobs'} has {others} more, of other --epochs, --seeds or recipes: they are"
            " not in the table."
        )
    text = f"{reproduce_table.to_text(lines)}\n\nTables: {out / 'table.html'}, table.md, table.json"
    return {"rows": [asdict(line) for line in lines]}, text


def _in_words(one: Any) -> str:
    reason = getattr(one, "reason", None)
    if reason is not None:
        return f"{one.row}: not run: {reason}"
    return (
        f"{one.row}, seed {one.seed}: {one.last:.1%} after the last of {one.epochs} epochs, best"
        f" {one.best:.1%}; {one.cpu_s:.0f} CPU s, {one.wall_s:.0f} s"
    )


def _tell_epoch(name: str, epochs: int, epoch: Epoch) -> None:
    val = "" if epoch.val_accuracy is None else f"  val accuracy {epoch.val_accuracy:.3f}"
    _tell(
        f"  {name} epoch {epoch.epoch:>3}/{epochs}  loss {epoch.loss:.3f}"
        f"  accuracy {epoch.accuracy:.3f}{val}  {epoch.duration_s:.0f} s"
    )


def _tell(text: str) -> None:
    if not click.get_current_context().meta.get("bestiary.quiet"):
        click.echo(text, err=True)
