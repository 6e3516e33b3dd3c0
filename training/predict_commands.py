"""The commands that put to use what was trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from training.export import ExportFormat
    from training.exporting import Source
    from training.predict import Fetch

Result = tuple[dict[str, Any], str]
"""The document for `--json`, and the text for a person."""


@click.command()
@click.argument("run_root", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--csv",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a table, too: one line an image, with every probability.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many species are named for each image.",
)
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NETWORK",
    help="Ask addresses in this private network, too, like 127.0.0.0/8.",
)
def predict(
    run_root: Path,
    images: tuple[str, ...],
    table: Path | None,
    top: int,
    allowed: tuple[str, ...],
) -> Result:
    """Say which species each IMAGE shows: a file, a folder of images, or a web address.

    RUN is a run, or an ensemble such as `bestiary reproduce --final` makes.

    A picture of none of the species is told as unknown. An image that cannot be read is told
    with its reason, and the others go on; the exit code is then 1. Notes and tables in a
    folder are passed over.
    """
    from dataclasses import replace

    from training import backend, ensemble
    from training.errors import PredictionError
    from training.predict import images_of, require_all, require_any, to_csv
    from training.predict import predict as predictions
    from training.run import pointed_to

    runs, _ = ensemble.opened(run_root)
    for run in runs:
        run.require_weights()  # Before Keras, which takes seconds to start.
    named = images_of(images)
    if table is not None:
        _require_place(table)
    backend.start()
    root, record = runs[0].root, runs[0].record
    if ensemble.is_ensemble(run_root):
        root, record = pointed_to(run_root), replace(record, calibration=None)
        network = ensemble.load(run_root)
    else:
        network = runs[0].load_network()
    said = predictions(network, record, named, fetch=_fetch(named, allowed))
    with click.progressbar(
        said, length=len(named), file=sys.stderr, hidden=_is_quiet() or len(named) < 50
    ) as bar:
        found = list(bar)
    text = "\n".join(one.in_words(top) for one in found)
    if table is not None:
        _write(table, to_csv(found, record.species), otherwise=text)
    document = {"run": str(root), "images": [one.record(top) for one in found]}
    require_any(found, document)
    try:
        require_all(found, document)
    except PredictionError:
        if not _is_quiet():
            click.echo(text, err=not sys.stdout.isatty())  # The error takes the answer's place.
        raise
    return document, text


@click.command()
@click.argument("run_root", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "litert", "saved-model"]),
    required=True,
    help="ONNX Runtime, phones and small boards, or TensorFlow.",
)
@click.option("--int8", "is_int8", is_flag=True, help="A quarter of the size; for onnx and litert.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the export goes.  [default: RUN/export]",
)
@click.option(
    "--dataset",
    "dataset_root",
    type=click.Path(path_type=Path),
    help="Where the run's dataset lies now.  [default: where it lay]",
)
@click.option(
    "--images",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Hold it against an .npz file instead: `images`, and `fine_labels` or `labels`.",
)
def export(
    *,
    run_root: Path,
    kind: ExportFormat,
    is_int8: bool,
    folder: Path | None,
    dataset_root: Path | None,
    images: Path | None,
) -> Result:
    """Write RUN for use without Bestiary, and hold the result against it on the test pictures.

    An ensemble, and a run that was trained on no dataset, take --images; an ensemble becomes one
    network that makes its views itself.

    The table shows size, time of one picture on this CPU, how often both agree, and the
    largest difference of any probability. labels.txt and preprocessing.json lie beside.
    """
    from dataclasses import asdict

    from training import backend
    from training.export import in_table, require_parity, require_possible
    from training.exporting import exported

    require_possible(kind, is_int8=is_int8, backend=backend.named())
    source = _source(run_root, dataset_root, images, is_int8=is_int8)
    found = exported(source, folder or source.root / "export", kind=kind)
    document = {"run": str(source.root), "exported": [asdict(one) for one in found]}
    if not is_int8:
        require_parity(found[-1], document)
    path = found[-1].path
    return document, f"{in_table(found)}\nWrote {path}, labels.txt and preprocessing.json."


def _source(root: Path, dataset_root: Path | None, images: Path | None, *, is_int8: bool) -> Source:
    """What is exported, and what it is held against."""
    from curation.dataset import Dataset
    from training import backend, ensemble
    from training.errors import UsageError
    from training.evaluate import require_same_data
    from training.exporting import of_pictures, of_run

    runs, _ = ensemble.opened(root)
    if images is not None and dataset_root is not None:
        raise UsageError("--images takes the place of --dataset: name one of them")
    if images is not None and is_int8:
        raise UsageError("--int8 learns from the pictures of a dataset: it goes without --images")
    if images is not None:
        backend.start()
        return of_pictures(root, images)
    run = runs[0]
    why = None
    if ensemble.is_ensemble(root):
        why = "is an ensemble"
    elif dataset_root is None and Path(run.record.dataset).suffix == ".npz":
        why = "was trained on no dataset"
    if why is not None:
        missing = ", and --int8 learns from one" if is_int8 else ""
        raise UsageError(
            f"{root} {why}{missing}: export it in full precision, with --images FILE.npz to hold"
            " that against"
        )
    dataset = Dataset.open(dataset_root or Path(run.record.dataset))
    require_same_data(run, dataset)
    backend.start()
    return of_run(run, dataset, is_int8=is_int8)


def _fetch(named: Sequence[str], allowed: Sequence[str]) -> Fetch | None:
    """What asks for addresses, as the whole command brings it; None where none are named."""
    from training.predict import is_address

    getter = click.get_current_context().meta.get("bestiary.image_getter")
    if getter is None or not any(map(is_address, named)):
        return None
    fetch: Fetch = getter(allowed)
    return fetch


def _write(path: Path, text: str, *, otherwise: str) -> None:
    """Write a file whole, or not at all: then what it would have said is told `otherwise`."""
    from training.whole import write_whole

    try:
        if _is_stream(path):
            path.write_text(text, "utf-8")
        else:
            write_whole(path.resolve(), text)
    except OSError as error:
        click.echo(otherwise, err=True)
        raise _cannot_write(path, error) from error


def _require_place(path: Path) -> None:
    """Make sure, before hours of work, that a file can come to lie there."""
    from training.errors import UsageError
    from training.whole import try_to_write

    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
    if _is_stream(path):
        return
    try:
        try_to_write(path.resolve())
    except OSError as error:
        raise _cannot_write(path, error) from error


def _is_stream(path: Path) -> bool:
    """Whether it is a pipe or a device, which nothing can take the place of."""
    return path.exists() and not path.is_file()


def _cannot_write(path: Path, error: OSError) -> click.ClickException:
    return click.ClickException(f"cannot write {path}: {error.strerror}")


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))
