"""The report: one HTML file that shows a person what a dataset holds, with nothing to fetch."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import jinja2
from PIL import Image

from curation import charts, reasons
from curation.audit import Audit, audit
from curation.building import THUMBNAILS
from curation.dataset import REPORT, Dataset, Row, file_name
from curation.leaks import LeakCheck
from curation.lock import write_atomically
from curation.recipe import SPLITS

THUMBNAIL_PX = 96
_MAX_SHEET = 1_200
"""Thumbnails on all sheets together: about 4 MB of page."""
_PER_SPECIES = 12
_MAX_GROUPS = 24
_MAX_MEMBERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A thumbnail on the page."""

    row: Row
    uri: str
    """A `data:` address; empty where no picture is at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pictures that look alike."""

    name: str
    pictures: tuple[Picture, ...]
    more: int
    """Members that are not shown."""


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
    """Write the report into the dataset's folder; return its path."""
    path = dataset.root / REPORT
    text = page(dataset, name=name, lock_digest=lock_digest, target=target, leaks=leaks)
    write_atomically(path, text.encode())
    return path


def page(
    dataset: Dataset,
    *,
    name: str,
    lock_digest: str,
    target: int | None = None,
    leaks: LeakCheck | None = None,
) -> str:
    """Make the page of a dataset called `name`.

    Args:
        dataset: what to show.
        name: its name; it may still lie elsewhere.
        lock_digest: of its lock entry.
        target: images that each species should have; the most frequent one's unless given.
        leaks: what the search across the splits found, where there was one.
    """
    figures = audit(dataset.rows, target=target)
    conflicts, groups = _groups(dataset)
    kept = [row for row in dataset.rows if row.kept]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            name=name,
            figures=figures,
            leaks=leaks,
            splits=SPLITS,
            bars=_bars(figures),
            scatter=charts.scatter(_sizes(kept)),
            histograms=[
                charts.histogram([getattr(row, side) or 1 for row in kept], side)
                for side in ("width", "height")
            ],
            series=charts.SERIES,
            conflicts=conflicts,
            groups=groups,
            all_groups=len({row.group for row in dataset.rows if row.group}),
            sheets=_sheets(dataset),
            refused=dataset.refused,
            recipe=dataset.recipe.record(),
            lock_digest=lock_digest,
            word=reasons.word,
        )
    )


def _bars(figures: Audit) -> dict[str, dict[str, float]]:
    """Per species, the percent of the longest bar that each split, and what was dropped, fills."""
    longest = max((one.gathered for one in figures.species.values()), default=1)
    return {
        name: {
            **{split: 100 * figures.splits[split].get(name, 0) / longest for split in SPLITS},
            "dropped": 100 * (one.gathered - one.kept) / longest,
        }
        for name, one in figures.species.items()
    }


def _sizes(rows: Iterable[Row]) -> dict[str, list[tuple[int, int]]]:
    """Sizes by species, those with most images first, so that they get a colour of their own."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        if row.width and row.height:
            sizes.setdefault(row.species, []).append((row.width, row.height))
    return dict(sorted(sizes.items(), key=lambda item: (-len(item[1]), item[0])))


def _groups(dataset: Dataset) -> tuple[list[Group], list[Group]]:
    """The first conflicts, and the largest groups of look-alikes."""
    members: dict[str, list[Row]] = {}
    for row in dataset.rows:
        if row.group:
            members.setdefault(row.group, []).append(row)
    ordered = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    conflicts = [item for item in ordered if _is_conflict(item[1])]
    others = [item for item in ordered if not _is_conflict(item[1])]
    others.sort(key=lambda item: not _has_near(item[1]))
    return _shown(dataset, conflicts), _shown(dataset, others)


def _is_conflict(rows: Iterable[Row]) -> bool:
    return any(reasons.word(row.reason) == reasons.CONFLICT for row in rows)


def _has_near(rows: Iterable[Row]) -> bool:
    return any(reasons.word(row.reason) == reasons.NEAR_DUPLICATE for row in rows)


def _shown(dataset: Dataset, groups: Sequence[tuple[str, list[Row]]]) -> list[Group]:
    return [
        Group(
            name=name,
            pictures=tuple(
                Picture(row=row, uri=_uri(dataset, row))
                for row in sorted(rows, key=lambda row: not row.kept)[:_MAX_MEMBERS]
            ),
            more=max(0, len(rows) - _MAX_MEMBERS),
        )
        for name, rows in groups[:_MAX_GROUPS]
    ]


def _sheets(dataset: Dataset) -> Mapping[str, Sequence[Picture]]:
    """A few pictures of every species: the first by digest, which is as good as chance."""
    per_species = max(2, min(_PER_SPECIES, _MAX_SHEET // max(1, len(dataset.species))))
    rows: dict[str, list[Row]] = {name: [] for name in dataset.species}
    for row in dataset.rows:
        if row.kept and len(rows[row.species]) < per_species:
            rows[row.species].append(row)
    return {
        name: [Picture(row=row, uri=_uri(dataset, row)) for row in of_one]
        for name, of_one in rows.items()
    }


def _uri(dataset: Dataset, row: Row) -> str:
    """A thumbnail of a row's picture, or of its look-alike's where the bytes are the same."""
    for path in _paths(dataset, row):
        try:
            with Image.open(path) as image:
                return _encoded(image)
        except OSError:  # Gone or broken: `verify` tells; a report shows what is there.
            continue
    return ""


def _paths(dataset: Dataset, row: Row) -> Iterator[Path]:
    if row.file is not None:
        yield dataset.root / row.file
    yield dataset.root / THUMBNAILS / f"{row.digest}.jpg"
    for split in SPLITS:  # The same bytes, kept by another row.
        yield dataset.root / file_name(row, split)


def _encoded(image: Image.Image) -> str:
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
