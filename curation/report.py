"""The report: one HTML file that shows a person what a dataset holds, with nothing to fetch.

Its policy (`Content-Security-Policy`) forbids every request and every script but its own, so
that what a web page called itself can do no harm here.
"""

from __future__ import annotations

import base64
import hashlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import jinja2
import numpy as np

from curation import charts, exhibits, reasons
from curation.audit import NOT_STATED, Audit, audit, host_of
from curation.comparison import Comparison, lines, verdict
from curation.dataset import REPORT, Dataset, Row
from curation.leaks import LeakCheck
from curation.lock import write_atomically
from curation.memory import give_back
from curation.recipe import SPLITS
from curation.searched import is_outdated, standing
from curation.suspicion import who_looked
from curation.thumbnails import Thumbnails

ROOM_BYTES = 7_400_000
"""What pictures may add to the page, which is to stay below 10 MB."""
_PANELS = 24
"""Species whose histograms are in sight; those of others are folded away."""
_BARS = 12
"""Species whose bar is in sight, likewise."""
_IN_SIGHT = 36
"""Pictures of a species that are in sight."""
_MAX_ALIKE = 96


def environment() -> jinja2.Environment:
    """The templates: `page.html.j2`, the frame of every report, and what extends it."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("curation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_report(
    dataset: Dataset,
    *,
    name: str,
    lock_digest: str,
    target: int | None = None,
    leaks: LeakCheck | None = None,
) -> Path:
    """Write the report into the dataset's folder; return its path.

    Where no search for leaks was made for it, it tells of the last one, if that still holds.
    """
    path = dataset.root / REPORT
    leaks = leaks or standing(dataset.root, lock_digest)
    pieces = page(dataset, name=name, lock_digest=lock_digest, target=target, leaks=leaks)
    write_atomically(path, (piece.encode() for piece in pieces))
    return path


def page(
    dataset: Dataset,
    *,
    name: str,
    lock_digest: str,
    target: int | None = None,
    leaks: LeakCheck | None = None,
    room: int = ROOM_BYTES,
) -> Iterator[str]:
    """Make the page of a dataset called `name`, piece by piece: all of it is 14 MB as text.

    Args:
        dataset: what to show.
        name: its name; it may still lie elsewhere.
        lock_digest: of its lock entry.
        target: images that each species should have; the most frequent one's unless given.
        leaks: what the search across the splits found, where there was one.
        room: bytes that pictures may add.
    """
    figures = audit(dataset.rows, target=target)
    sizes = _sizes(dataset.rows)
    give_back()
    thumbnails = Thumbnails(dataset, room=room)
    facing = exhibits.facing(dataset, leaks, thumbnails)
    conflicts, groups = exhibits.groups(dataset, thumbnails)
    give_back()
    return render(
        "report.html.j2",
        name=name,
        figures=figures,
        splits=SPLITS,
        bars=list(_bars(figures).items()),
        bars_in_sight=_BARS,
        scatter=charts.scatter(sizes, side_px=dataset.recipe.side_px),
        legend=[(charts.key(number), of) for number, of in enumerate(charts.with_others(sizes))],
        histograms=[
            charts.histogram(values, side)
            for values, side in zip(charts.all_of(sizes).T, ("width", "height"), strict=True)
        ],
        panels=list(charts.panels(sizes).items()),
        panels_in_sight=_PANELS,
        series=charts.SERIES,
        leaks=leaks,
        is_outdated=is_outdated(dataset.root, lock_digest),
        facing=facing,
        conflicts=conflicts,
        groups=groups,
        suspicious=exhibits.suspicious(figures, thumbnails),
        flagged=exhibits.flagged(dataset, thumbnails),
        not_looked=who_looked(dataset),
        sheets=exhibits.sheets(dataset, thumbnails),
        in_sight=_IN_SIGHT,
        refused=dataset.refused,
        recipe=dataset.recipe.record(),
        lock_digest=lock_digest,
        claims=sorted({row.species for row in dataset.rows}),
    )


def comparison_page(comparison: Comparison) -> Iterator[str]:
    """Make the page that shows two datasets side by side, piece by piece."""
    sides = (comparison.first, comparison.second)
    sizes = {
        f"{number}. {side.name}": charts.all_of(_sizes(side.dataset.rows))
        for number, side in enumerate(sides, 1)
    }
    pictures = [Thumbnails(side.dataset, room=ROOM_BYTES // 2) for side in sides]
    species = comparison.species
    return render(
        "comparison.html.j2",
        first=comparison.first,
        second=comparison.second,
        digests=[side.dataset.lock_digest for side in sides],
        verdict=verdict(comparison),
        harm=any(comparison.harm.values()),
        lines=lines(sides),
        species=species,
        longest=max((max(counts) for counts in species.values()), default=1),
        shared=comparison.shared,
        alike_by_splits=comparison.alike_by_splits,
        pairs=comparison.pairs,
        relabelled=comparison.relabelled,
        facing=[
            (near, (pictures[0].of_file(near.first), pictures[1].of_file(near.second)))
            for near in comparison.alike[:_MAX_ALIKE]
        ],
        scatter=charts.scatter(sizes, side_px=comparison.first.dataset.recipe.side_px),
        legend=[(charts.key(number), of) for number, of in enumerate(sizes)],
        recipe=comparison.recipe,
        splits=SPLITS,
    )


def render(template: str, **context: object) -> Iterator[str]:
    """Fill a template in, with the words that all pages know and the page's one script."""
    templates = environment()
    script = (Path(__file__).parent / "templates" / "review.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.get_template(template).generate(
        script=script,
        script_digest=digest,
        word=reasons.word,
        host_of=host_of,
        not_stated=NOT_STATED,
        **context,
    )


def _bars(figures: Audit) -> dict[str, dict[str, float]]:
    """Per species, the percent of the longest bar that each split, and what was dropped, fills."""
    longest = max((max(one.gathered, 1) for one in figures.species.values()), default=1)
    return {
        name: {
            **{split: 100 * figures.splits[split].get(name, 0) / longest for split in SPLITS},
            "dropped": 100 * (one.gathered - one.kept) / longest,
        }
        for name, one in figures.species.items()
    }


def _sizes(rows: Iterable[Row]) -> charts.Sizes:
    """Sizes by species, those with most images first, so that they get a colour of their own."""
    sides: dict[str, array[int]] = {}
    for row in rows:
        if row.kept and row.width and row.height:
            sides.setdefault(row.species, array("q")).extend((row.width, row.height))
    ordered = sorted(sides.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: np.frombuffer(of_one, np.int64).reshape(-1, 2) for name, of_one in ordered}
