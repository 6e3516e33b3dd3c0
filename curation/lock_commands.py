"""`bestiary verify`, `restore` and `diff`: what the lock is there for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import CurationError, EmptyHarvestError

if TYPE_CHECKING:
    from curation.dataset import Dataset, Difference, Row
    from curation.restoring import Locked, Restored
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
    from curation.dataset import open_locked, require_none
    from scraper.harvest import Harvest

    opened = open_locked(dataset)
    with Harvest.open(harvest_path) if harvest_path else nullcontext() as harvest:
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


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The dataset's manifest.parquet, where SOURCE is a lock.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The dataset to make; its lock entry is written beside it.",
)
@click.option(
    "--harvest",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("harvest"),
    show_default=True,
    help="Where originals go, and are not fetched again if they are there.",
)
@click.option("--offline", is_flag=True, help="Ask no host: take what --harvest has.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="CIDR",
    help="As of `bestiary scrape`: a private network that may be asked. May be repeated.",
)
@click.option("--pause", help="As of `bestiary scrape`: seconds of rest for a host.")
@click.option("--contact", help="As of `bestiary scrape`: your address, for the user agent.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Threads that render; the result does not depend on it.  [default: one per processor]",
)
def restore(
    *,
    source: Path,
    manifest: Path | None,
    out: Path,
    harvest: Path,
    offline: bool,
    allow_host: tuple[str, ...],
    pause: str | None,
    contact: str | None,
    workers: int | None,
) -> tuple[Document, str]:
    """Rebuild a dataset elsewhere, of its lock and its manifest.

    SOURCE is a dataset's folder or a datasets.lock. Each original is fetched from its
    recorded address, as politely as `bestiary scrape` does it, must have its recorded
    digest, and is rendered by the recorded recipe. Exits with 4 where the web has lost
    some, and tells which; the dataset is made of the others all the same, unless the
    whole one is locked under the name of --out: that one is left as it is.
    """
    from curation.building import require_ours
    from curation.restoring import locked, missing
    from scraper.harvest import Harvest

    wanted = locked(source, manifest)
    require_ours(out)  # Before hours of asking hosts.
    asked = [*(("--allow-host", one) for one in allow_host), ("--pause", pause)]
    asked += [("--contact", contact)]
    options = [word for name, value in asked if value for word in (name, value)]
    rows = wanted.manifest.rows
    for turn in range(0 if offline else _ADDRESSES):
        with _opened(harvest) as opened:
            lacking = missing(rows, opened)
            if lacking and opened:  # What another gathers meanwhile is not to be told as lost.
                with opened.claim():
                    lacking = missing(lacking, opened)
        _fetch_originals(lacking, harvest, turn=turn, options=options)
    if not offline and not (harvest / "harvest.sqlite").is_file():
        raise EmptyHarvestError(
            "no original has an address on the web, they were gathered from a folder: name the"
            " harvest that has them, with --harvest"
        )
    with Harvest.open(harvest) as opened:
        return _restored(wanted, opened, out, workers)


_ADDRESSES = 2
"""An original may have: the one that was found, and the one where that led."""


def _opened(harvest: Path) -> AbstractContextManager[Harvest | None]:
    from scraper.harvest import Harvest

    return Harvest.open(harvest) if (harvest / "harvest.sqlite").is_file() else nullcontext()


def _fetch_originals(
    rows: Sequence[Row], harvest: Path, *, turn: int, options: Sequence[str]
) -> None:
    """Have `bestiary scrape` fetch them: how hosts are asked is its business alone."""
    import subprocess

    from curation.errors import DatasetError
    from curation.restoring import addresses, write_list

    if not any(len(addresses(row)) > turn for row in rows):
        return
    harvest.mkdir(parents=True, exist_ok=True)
    listed = harvest.absolute() / "restore.csv"
    write_list(listed, rows, turn=turn)
    flags = ["--quiet"] if _is_quiet() else []
    command = [sys.executable, "-m", "bestiary", *flags, "scrape", "--source", "urls"]
    command += ["--from", str(listed), "--harvest", str(harvest.absolute()), "--retry-failed"]
    # There, no bestiary.toml or species.toml of the user's project has a say.
    done = subprocess.run([*command, *options], cwd=harvest, stdout=subprocess.DEVNULL, check=False)
    listed.unlink()
    if done.returncode not in {0, 1, 3}:  # 1 and 3 say that some, or all, did not come.
        raise DatasetError("the originals could not be fetched, as it says above")


def _restored(
    wanted: Locked, harvest: Harvest, out: Path, workers: int | None
) -> tuple[Document, str]:
    from curation.curate import default_workers
    from curation.restoring import Restored, lost, missing
    from curation.restoring import restore as restored

    rows = wanted.manifest.rows
    gone = lost(missing(rows, harvest), harvest)
    steps = restored(wanted, harvest, out, gone=gone, workers=workers or default_workers())
    kept = sum(row.kept for row in rows)
    with click.progressbar(
        length=kept, label="Rendering", file=sys.stderr, hidden=_is_quiet()
    ) as bar:
        for step in steps:
            if isinstance(step, Restored):
                break
            bar.update(1)
    assert isinstance(step, Restored)
    return _told(step, kept)


def _told(restored: Restored, kept: int) -> tuple[Document, str]:
    from collections import Counter

    from curation.errors import LockMismatchError
    from curation.restoring import in_words

    root, there = restored.dataset.root, kept - len(restored.lost)
    fates = Counter(one.fate for one in restored.lost)
    document: Document = {
        "dataset": str(root),
        "images": there,
        "is_as_locked": restored.is_as_locked,
        "lost": [asdict(one) for one in restored.lost],
        "fates": dict(fates.most_common()),
        "rendered_otherwise": list(restored.otherwise),
        "lock_digest": restored.dataset.lock_digest,
    }
    if restored.is_as_locked:
        return document, f"{root} is as locked: {there} images, none lost."
    said = in_words(restored.lost, restored.otherwise, kept)
    raise LockMismatchError(f"{root} has {there} images. {said}.", document=document)


class _DifferentError(CurationError):
    """Two versions differ, and --exit-code was given; not a failure."""


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where they differ, as diff does.")
def diff(*, before: str, after: str, exit_code: bool) -> tuple[Document, str]:
    """Tell what changed between two versions of a dataset.

    BEFORE and AFTER are datasets' folders, manifests, locks, or entries of a lock
    (datasets.lock:dataset). Locks tell how recipe, classes and counts differ; folders and
    manifests also which images came, went, or changed side.
    """
    from curation.changes import changes, in_words, versions

    old, new = versions(before), versions(after)
    if len(old) == len(new) == 1:
        (name,), (other,) = old, new
        old = {other: old[name]}
    found = {name: changes(old[name], new[name]) for name in sorted(old.keys() & new.keys())}
    document: Document = {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": {name: one.document() for name, one in found.items() if one},
    }
    lines = [f"+ {name}" for name in document["added"]]
    lines += [f"− {name}" for name in document["removed"]]
    for name, one in found.items():
        lines += [f"{name}:", *(f"  {line}" for line in in_words(one))] if one else []
    document["identical"] = not lines
    text = "\n".join(lines) if lines else f"{before} and {after} are the same."
    if exit_code and lines:
        raise _DifferentError(f"they differ\n{text}", document=document)
    return document, text
