"""`bestiary data`: what a lock pins by its digest, fetched, checked and unpacked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UsageError

if TYPE_CHECKING:
    from curation.pins import Pin, PinnedFile

Document = dict[str, Any]


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


@click.command()
@click.argument("name", default="")
@click.option(
    "--classes",
    default="",
    help="Of CIFAR, take these alone, like hamster,mouse,rabbit.  [default: all]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The folder to make.  [default: the data's name]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["folders", "npz"]),
    default="folders",
    show_default=True,
    help="PNG files in class folders, for `bestiary scrape --source folder`; or train.npz and"
    " test.npz.",
)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="The data, where it is on this machine already; checked, and nothing is fetched.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where fetched files are kept.  [default: the system's cache folder]",
)
def data(
    *, name: str, classes: str, out: Path | None, form: str, file: Path | None, cache: Path | None
) -> tuple[Document, str]:
    """Get data that a lock pins by its digest: cifar-10, cifar-100, and your own.

    What is pinned is listed where no NAME is given. A file is fetched once, checked against
    its size and digests, and kept. CIFAR is unpacked, with its official division into
    training and test images. `demo` is drawn, not fetched: --file checks the pictures.

    \b
      bestiary data cifar100 --classes hamster,mouse,rabbit,shrew,squirrel
      bestiary scrape --source folder --from cifar-100/train
      bestiary curate --size 32 --splits rest,100,0/species
    """
    from curation.lock import FILE_NAME
    from curation.pins import PinnedDrawing, pin_named, pins, require_drawn

    known = pins(beside=Path(FILE_NAME))
    if not name:
        if classes or file is not None:
            raise UsageError("name what is meant: --classes and --file belong to a NAME")
        return _pinned(known)
    pin = pin_named(name, known)
    if isinstance(pin, PinnedDrawing):
        command = f"bestiary draw DIR --seed {pin.seed} --per-species {pin.per_species}"
        if file is None:
            raise UsageError(f"{pin.name} is drawn and not fetched: `{command}`")
        require_drawn(file, pin)
        document = {"name": pin.name, "file": str(file), "files": pin.files}
        return document, f"{file} is {pin.name} as it is pinned: {pin.files} files."
    path = _had(pin, file, cache)
    wanted = tuple(part.strip() for part in classes.split(",") if part.strip())
    return _unpacked(pin.name, path, wanted, out, form)


def _pinned(known: Mapping[str, Pin]) -> tuple[Document, str]:
    from curation.pins import PinnedFile

    lines = [
        f"{name:12}  {pin.bytes:>13,} bytes  {pin.url}"
        if isinstance(pin, PinnedFile)
        else f"{name:12}  {pin.files:>13,} files  bestiary draw DIR --seed {pin.seed}"
        f" --per-species {pin.per_species}"
        for name, pin in sorted(known.items())
    ]
    return {"pinned": {name: asdict(pin) for name, pin in known.items()}}, "\n".join(lines)


def _had(pin: PinnedFile, file: Path | None, cache: Path | None) -> Path:
    """The pinned file: the one that was named, or else the cached one, or else the web's."""
    from curation.fetching import default_cache, fetch, require_pinned

    if file is not None:
        return require_pinned(file, pin)
    with click.progressbar(
        length=pin.bytes, label=f"Fetching {pin.name}", file=sys.stderr, hidden=_is_quiet()
    ) as bar:
        return fetch(
            pin,
            cache=cache or default_cache(),
            advanced=lambda so_far: bar.update(so_far - bar.pos),
        )


def _unpacked(
    name: str, path: Path, classes: tuple[str, ...], out: Path | None, form: str
) -> tuple[Document, str]:
    from curation.cifar import LAYOUTS, read_cifar, write_folders, write_npz
    from curation.unpacking import new_folder

    document: Document = {"name": name, "file": str(path)}
    if name not in LAYOUTS:
        if classes:
            raise UsageError(f"--classes is for CIFAR; {name} is kept as it is, at {path}")
        return document, f"{path} is {name} as it is pinned."
    parts = read_cifar(path, LAYOUTS[name])
    chosen = classes or parts["train"].classes
    parts = {part: whole.of(chosen) for part, whole in parts.items()}
    folder = out or Path(name)
    with new_folder(folder) as site:
        (write_folders if form == "folders" else write_npz)(parts, chosen, site)
    counts = {part: len(found.names) for part, found in parts.items()}
    document |= {"out": str(folder), "classes": list(chosen), "images": counts}
    listed = ", ".join(f"{count} {part}" for part, count in counts.items())
    return document, f"{folder} has {listed} images of {len(chosen)} classes."
