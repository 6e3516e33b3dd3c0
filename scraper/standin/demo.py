"""The demo: the whole road offline, by the very commands that a user types."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from scraper.errors import ScraperError, UsageError
from scraper.standin.anatomy import SPECIES
from scraper.standin.pictures import PictureRecipe, draw
from scraper.standin.site import Site
from scraper.wording import counted

MARK = ".bestiary-demo"
"""Lies in a folder that a demo made, and says that the next demo may begin it anew."""
DRAWN = PictureRecipe(seed=0, per_species=64)
UNSEEN = PictureRecipe(
    seed=1, per_species=1, duplicates=0, near_duplicates=0, conflicts=0, corrupt=0, too_small=0
)
"""Pictures for the trained network that the site never offered."""
PORT = 8517


class DemoError(ScraperError):
    """One of the demo's commands failed; it has said why itself."""


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where everything goes; what an earlier demo left there is replaced.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Of the training, which takes most of the time.",
)
@click.option("--headed", is_flag=True, help="Show the browser while it gathers.")
@click.option("--serve", is_flag=True, help="Keep the site up at the end, to be looked at.")
def demo(directory: Path, epochs: int, headed: bool, serve: bool) -> tuple[dict[str, Any], str]:
    """Walk the whole road offline, on drawn pictures: scrape, curate, audit, train, predict."""
    walk = _Walk(directory.absolute(), is_quiet=_is_quiet())
    began_s = time.monotonic()
    begin_anew(walk.directory)
    walk.say("Drawing pictures of five imaginary mammals …")
    drawn = sum(1 for _ in draw(walk.directory / "pictures", recipe=DRAWN))
    unseen = [path for path in draw(walk.directory / "unseen", recipe=UNSEEN) if _is_photo(path)]
    walk.say(f"{counted(drawn - 1, 'picture')} in {walk.directory / 'pictures'}.")
    if not walk.succeeds(["data", "demo", "--file", "pictures"]):
        walk.say("This machine draws them a little otherwise, so figures may differ a little.")
    with _site(walk.directory / "pictures") as site:
        walk.say(f"The stand-in image search is at {site.base_url}.")
        for arguments in road(site, epochs=epochs, headed=headed, unseen=unseen):
            walk.run(arguments)
        document = _summary(walk, drawn=drawn - 1, seconds=time.monotonic() - began_s)
        if serve:
            _keep_up(site, walk)
    return document, _in_words(document)


def road(site: Site, *, epochs: int, headed: bool, unseen: Sequence[Path]) -> Iterator[list[str]]:
    """The commands of the demo, in order, as a user would type them."""
    photos = [path.relative_to(path.parents[2]).as_posix() for path in unseen]
    yield [
        "scrape",
        *SPECIES,
        *("--per-species", "60"),
        *("--base-url", site.base_url),
        *("--allow-host", site.address_range),
        *("--pause", "0.02"),
        *(["--headed"] if headed else []),
    ]
    yield ["curate"]
    yield ["audit"]
    yield ["train", "scratch-224", "--epochs", str(epochs)]
    yield ["evaluate"]
    yield ["predict", "runs/latest", *photos]


def begin_anew(directory: Path) -> None:
    """Make an empty folder for a demo; remove what an earlier one left there.

    Raises:
        UsageError: the folder holds something that no demo made.
    """
    is_ours = (directory / MARK).is_file()
    if directory.exists() and not is_ours and any(directory.iterdir()):
        raise UsageError(f"{directory} holds files of yours: name another folder with --dir")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / MARK).write_text("Made by `bestiary demo`, which replaces this folder.\n")


class _Walk:
    """Runs commands in the demo's folder, and shows each before it runs."""

    def __init__(self, directory: Path, *, is_quiet: bool) -> None:
        self.directory, self._is_quiet = directory, is_quiet

    def say(self, text: str) -> None:
        if not self._is_quiet:
            click.echo(text, err=not sys.stdout.isatty())

    def run(self, arguments: Sequence[str]) -> None:
        """Run one command, its output going where the demo's own goes."""
        if code := self._code(arguments):
            raise DemoError(
                f"`bestiary {arguments[0]}` ended with code {code}, as it says above;"
                " `bestiary doctor` checks what it needs"
            )

    def succeeds(self, arguments: Sequence[str]) -> bool:
        """Run one command without which the demo can go on."""
        return not self._code(arguments)

    def _code(self, arguments: Sequence[str]) -> int:
        self.say(click.style(f"\n$ bestiary {shlex.join(arguments)}", bold=True))
        sys.stdout.flush()
        flags = ["--quiet"] if self._is_quiet else []
        done = subprocess.run([*_BESTIARY, *flags, *arguments], cwd=self.directory, check=False)
        return done.returncode

    def ask(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Run one command for its JSON document."""
        done = subprocess.run(
            [*_BESTIARY, "--json", *arguments],
            cwd=self.directory,
            check=True,
            capture_output=True,
            text=True,
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return document


_BESTIARY = (sys.executable, "-m", "bestiary")


def _site(pictures: Path) -> Site:
    """The site at its usual port, so that a second demo meets the same addresses; or at any."""
    try:
        return Site(pictures, port=PORT)
    except UsageError:
        return Site(pictures)


def _summary(walk: _Walk, *, drawn: int, seconds: float) -> dict[str, Any]:
    audit = walk.ask(["audit"])
    run = (walk.directory / "runs" / "latest").resolve()
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {
        "directory": str(walk.directory),
        "seconds": round(seconds, 1),
        "drawn": drawn,
        "splits": audit["splits"],
        "dropped": audit["dropped"],
        "lock_digest": audit["lock_digest"],
        "test": metrics["splits"]["test"]["accuracy"],
        "reports": [str(walk.directory / "dataset" / "report.html"), str(run / "report.html")],
    }


def _in_words(document: dict[str, Any]) -> str:
    kept = {split: sum(counts.values()) for split, counts in document["splits"].items()}
    test = document["test"]
    low, high = math.floor(100 * test["low"]), math.ceil(100 * test["high"])  # As in the report.
    chance = 1 / len(SPECIES)
    rows = {
        "drawn": f"{counted(document['drawn'], 'picture')} of {len(SPECIES)} species",
        "kept": ", ".join(f"{count} {split}" for split, count in kept.items()),
        "dropped": ", ".join(f"{count} {name}" for name, count in document["dropped"].items()),
        "test accuracy": f"{test['value']:.0%} of {test['n']}"
        f" (95 % interval {low} to {high} %; chance is {chance:.0%})",
        "locked as": document["lock_digest"][:16],
        "took": f"{document['seconds']:.0f} s",
        "reports": f"\n{'':15}".join(document["reports"]),
    }
    return "\n".join(["", *(f"{name:13}  {text}" for name, text in rows.items())])


def _keep_up(site: Site, walk: _Walk) -> None:
    walk.say(f"\nThe site stays up at {site.base_url} until you press Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        walk.say("")


def _is_photo(path: Path) -> bool:
    return path.suffix != ".csv"


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))
