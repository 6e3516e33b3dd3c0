"""The stand-in's commands: `draw` makes pictures, `standin` serves them as a search site."""

from __future__ import annotations

import contextlib
import shlex
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click

from scraper.standin.faults import CHOICES, Faults
from scraper.wording import counted

Document = dict[str, Any]

_FAULTS = Faults()
_FAULT_HELP = {
    "layout": "How the results page is built: as of a year, or for browsers without scripts.",
    "answer": "What a search is answered with.",
    "consent": "How consent is asked for on a first visit.",
    "block_after": "Results pages and batches before the 'unusual traffic' page.  [default: never]",
    "block_for_s": "Seconds that a block lasts.",
    "share_429": "Share of pictures that answer 429 with Retry-After first.",
    "share_503": "Share of pictures that answer 503 first.",
    "busy_answers": "How often those answer so, before the picture comes.",
    "retry_after_s": "Seconds that Retry-After asks for.",
    "share_slow": "Share of pictures that trickle in.",
    "slow_s": "Seconds that those take.",
    "share_truncated": "Share of pictures that end halfway.",
    "share_html": "Share of pictures that are web pages instead.",
    "share_loop": "Share of pictures that redirect for ever.",
    "share_wrong_type": "Share of pictures with the wrong Content-Type.",
    "share_dead": "Share of pictures that are not found.",
    "share_reset": "Share of pictures whose connection is reset.",
    "share_oversized": "Share of pictures padded to a huge size.",
    "oversized_bytes": "That size, in bytes.",
    "share_opt_out": "Share of pictures that X-Robots-Tag keeps from learning.",
    "share_reserved": "Share of pictures under tdm-reservation: 1.",
    "share_hotlink": "Share of pictures that are forbidden to strangers.",
    "share_private": "Share of pictures that redirect into the visitor's own network.",
    "share_bomb": "Share of pictures whose header promises billions of pixels.",
    "share_slow_headers": "Share of pictures whose headers never end.",
    "dead_hosts": "Image hosts at which nobody listens.",
    "disallow": "A path that the robots.txt of the image hosts disallows.  [default: none]",
    "crawl_delay_s": "The pause that it asks for, in seconds.",
    "robots_status": "With what HTTP status it is answered.",
    "share_hover_only": "Share of cards whose address shows only under the pointer.",
    "share_panel_only": "Share of cards whose address shows only in the side panel.",
    "seed": "Decides which pictures the faults strike.",
}


def _fault_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each switch of `Faults`, with its default."""
    for field in reversed(fields(Faults)):
        default = getattr(_FAULTS, field.name)
        is_choice = field.name in CHOICES
        kind = click.Choice(CHOICES[field.name]) if is_choice else type(default)
        command = click.option(
            f"--{field.name.removesuffix('_s').replace('_', '-')}",
            field.name,
            type=int if default is None else kind,
            default=default,
            show_default=default not in {None, ""},
            help=_FAULT_HELP[field.name],
        )(command)
    return command


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Of every address; 0 takes any that is free.",
)
@click.option(
    "--image-hosts",
    type=int,
    default=4,
    show_default=True,
    help="Addresses that the full-size images are spread over.",
)
@_fault_options
def standin(directory: Path, port: int, image_hosts: int, **faults: Any) -> tuple[Document, str]:
    """Serve a folder of class folders as an image-search site, until Ctrl-C.

    The site listens on loopback alone (127.0.0.1, 127.0.0.2, …) and misbehaves as told.
    Shares are fractions of all pictures, from 0 to 1.
    """
    from scraper.standin.site import Site

    with Site(directory, faults=Faults(**faults), image_hosts=image_hosts, port=port) as site:
        _say(_invitation(site.base_url, site.gallery.species, site.address_range))
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        log = site.log
    statuses = Counter(str(request.status or "reset") for request in log)
    document = {
        "base_url": site.base_url,
        "requests": len(log),
        "statuses": dict(sorted(statuses.items())),
        "faults": asdict(site.faults),
    }
    counts = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    return document, f"Answered {counted(len(log), 'request')}{f': {counts}' if log else ''}."


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed draws other pictures."
)
@click.option(
    "--per-species",
    type=int,
    default=60,
    show_default=True,
    help="Pictures of a species of middling abundance.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Threads; the pictures do not depend on it.",
)
def draw(directory: Path, seed: int, per_species: int, workers: int) -> tuple[Document, str]:
    """Draw pictures of five imaginary mammals into a new folder.

    With copies, near copies and broken files among them; truth.csv says which is which.
    """
    from scraper.standin import pictures

    recipe = pictures.PictureRecipe(seed=seed, per_species=per_species)
    drawings = pictures.plan(recipe)
    files = pictures.draw(directory, recipe=recipe, workers=workers)
    bar = click.progressbar(
        files, length=len(drawings) + 1, label="Drawing", file=sys.stderr, hidden=_is_quiet()
    )
    with bar:
        for _ in bar:
            pass
    kinds = Counter(drawing.kind for drawing in drawings)
    species = Counter(drawing.species for drawing in drawings)
    document = {
        "directory": str(directory),
        "recipe": asdict(recipe),
        "files": len(drawings),
        "kinds": dict(kinds),
        "species": dict(species),
    }
    counts = ", ".join(f"{name} {count}" for name, count in species.items())
    return document, f"Drew {counted(len(drawings), 'file')} into {directory}: {counts}."


def _invitation(base_url: str, species: tuple[str, ...], address_range: str) -> str:
    names = " ".join(shlex.quote(name) for name in species)
    return (
        f"Serving {len(species)} species at {base_url} until Ctrl-C. Open it, or try\n\n"
        f"  bestiary scrape {names} --base-url {base_url} --allow-host {address_range}\n"
    )


def _say(text: str) -> None:
    if not _is_quiet():
        click.echo(text, err=True)


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))
