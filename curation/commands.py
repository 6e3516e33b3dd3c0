"""`bestiary curate`: the request read, the work run, the outcome told."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from click.core import ParameterSource

from curation.errors import UsageError
from curation.recipe import STUDY_SPLITS, CurationRecipe, Fit, GroupBy, SplitBy
from curation.review_commands import judging_options

if TYPE_CHECKING:
    from curation.curate import Curated, Looked
    from curation.review import Decision
    from curation.seeing import Eyes
    from curation.stars import Compared
    from scraper.harvest import Harvest

Document = dict[str, Any]

_DEFAULTS = CurationRecipe()


def _is_quiet() -> bool:
    return bool(click.get_current_context().meta.get("bestiary.quiet"))


def _splits(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[tuple[float, float, float], str]:
    """Read `0.7,0.15,0.15`, `rest,100,100` or `rest,20,20/species`."""
    from curation.quotas import read_splits

    try:
        return read_splits(value)
    except UsageError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def _colour(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int, int]:
    """Read a colour's name or #rrggbb."""
    from PIL import ImageColor

    try:
        red, green, blue, *_ = ImageColor.getrgb(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is no colour: write a name, or #rrggbb", context, parameter
        ) from error
    return red, green, blue


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)


@click.command()
@click.option(
    "--harvest",
    "harvest_path",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("harvest"),
    show_default=True,
    help="What `bestiary scrape` gathered.",
)
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    default=Path("dataset"),
    show_default=True,
    help="The folder to write; a dataset that is there is replaced, nothing else ever is.",
)
@click.option(
    "--size",
    "side_px",
    type=int,
    default=_DEFAULTS.side_px,
    show_default=True,
    help="Side of the square pictures, in pixels.",
)
@click.option(
    "--fit",
    type=click.Choice(get_args(Fit)),
    default=_DEFAULTS.fit,
    show_default=True,
    help="How a picture becomes square: whole on a background, its middle, or distorted.",
)
@click.option(
    "--background",
    callback=_colour,
    default=_hex(_DEFAULTS.background),
    show_default=True,
    help="Colour around padded and under transparent pictures.",
)
@click.option(
    "--splits",
    callback=_splits,
    default=",".join(f"{share:g}" for share in _DEFAULTS.splits),
    show_default=True,
    help="Train, val and test: as shares, as counts of images (468,0,83 or rest,50,50), or as"
    " counts of each species (rest,20,20/species).",
)
@click.option(
    "--split-by",
    type=click.Choice(get_args(SplitBy)),
    default=_DEFAULTS.split_by,
    show_default=True,
    help="Who deals: lots drawn from seed and digest, or scikit-learn's stratified split, as in"
    " the founding study (0.85,0,0.15 unless --splits says otherwise).",
)
@click.option(
    "--group-by",
    type=click.Choice(get_args(GroupBy)),
    default=_DEFAULTS.group_by,
    show_default=True,
    help="What stays on one side: look-alikes alone, or also what one page or host has.",
)
@click.option(
    "--folds",
    type=int,
    default=_DEFAULTS.folds,
    help="Also deal all that is kept to so many folds, for a cross-validation.",
)
@click.option(
    "--keep-splits",
    is_flag=True,
    help="Images that the dataset has already stay on their side; only new ones are dealt.",
)
@click.option(
    "--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="Of the split's chance."
)
@click.option(
    "--min-side",
    "min_side_px",
    type=int,
    help="Images with a shorter side below this many pixels are dropped."
    "  [default: a quarter of --size]",
)
@click.option(
    "--max-pixels",
    type=int,
    default=_DEFAULTS.max_pixels,
    show_default=True,
    help="Images with more pixels are dropped undecoded.",
)
@click.option(
    "--min-likeness",
    type=float,
    default=_DEFAULTS.min_likeness,
    show_default=True,
    help="How like each other two aligned pictures must be to count as look-alikes, 0 to 1.",
)
@judging_options
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes; the result does not depend on it.  [default: one per processor]",
)
@click.option(
    "--ray",
    "ray_address",
    metavar="ADDRESS",
    help="Let the Ray cluster at this address look at the images, --workers at once. All its"
    " machines must have Bestiary, and the harvest and the dataset under one path.",
)
@click.option(
    "--fresh",
    "is_fresh",
    is_flag=True,
    help="Look at every image again, rather than trust what earlier runs saw.",
)
def curate(
    *,
    harvest_path: Path,
    dataset: Path,
    workers: int | None,
    ray_address: str | None,
    is_fresh: bool,
    review_paths: tuple[Path, ...],
    **choices: Any,
) -> tuple[Document, str]:
    """Make a clean, split and locked dataset of a harvest.

    Broken, tiny and non-image files are dropped; of look-alikes the best one is kept; a
    picture gathered under two species is dropped from both. What may be wrong with the others
    (blurred, dark, a drawing, print, …) is flagged, and dropped with --drop. Every image that
    was gathered has a row in manifest.parquet, and every dropped one a reason.
    """
    from curation.review import read_review
    from scraper.harvest import Harvest

    recipe = _recipe(choices)
    decisions = [one for path in review_paths for one in read_review(path)]
    with Harvest.open(harvest_path) as harvest, _eyes(workers, ray_address) as eyes:
        curated = _run(harvest, dataset, recipe, eyes, decisions, is_fresh=is_fresh)
    return _told(curated)


def _recipe(choices: dict[str, Any]) -> CurationRecipe:
    """The recipe; where it refuses a value, the error names the option and not the field."""
    choices["splits"], choices["split_unit"] = choices["splits"]
    given = click.get_current_context().get_parameter_source("splits")
    if choices["split_by"] == "study" and given is ParameterSource.DEFAULT:
        choices["splits"] = STUDY_SPLITS
    try:
        return CurationRecipe(**choices)
    except UsageError as error:
        message = str(error)
        for option in curate.params:
            message = re.sub(rf"\b{option.name}\b", option.opts[0], message)
        raise UsageError(message) from error


@contextlib.contextmanager
def _eyes(workers: int | None, ray_address: str | None) -> Iterator[Eyes]:
    """Who looks at images: processes of this machine, or a Ray cluster."""
    from curation.curate import default_workers
    from curation.seeing import Eyes

    count = workers or default_workers()
    if ray_address is None:
        yield Eyes(count=count)
        return
    from curation.ray_workers import RayWorkers

    with RayWorkers(ray_address) as cluster:
        yield Eyes(count=count, workers=cluster)


def _run(
    harvest: Harvest,
    root: Path,
    recipe: CurationRecipe,
    eyes: Eyes,
    decisions: Sequence[Decision],
    *,
    is_fresh: bool,
) -> Curated:
    """Curate under two progress bars: for the images, and for the pairs that may be alike."""
    from curation.curate import curate
    from curation.digests import Digests

    outcomes = curate(
        harvest,
        root,
        recipe=recipe,
        workers=eyes,
        is_fresh=is_fresh,
        decisions=decisions,
    )
    images = len(Digests.of(record.sha256 or "" for record in harvest.records("kept")))
    with click.progressbar(
        itertools.islice(outcomes, images),
        length=images,
        label="Inspecting",
        file=sys.stderr,
        hidden=_is_quiet(),
        item_show_func=_progress(),
    ) as bar:
        for _ in bar:
            pass
    return _compare(outcomes)


def _compare(outcomes: Iterator[Looked | Compared | Curated]) -> Curated:
    from curation.curate import Curated
    from curation.stars import Compared

    with click.progressbar(
        length=1, label="Comparing ", file=sys.stderr, hidden=_is_quiet()
    ) as bar:
        bar.render_progress()
        for outcome in outcomes:
            if isinstance(outcome, Curated):
                return outcome
            if isinstance(outcome, Compared):
                bar.length = max(1, outcome.suggested)
                bar.update(outcome.settled)
    raise AssertionError("curate ends with Curated")


def _progress() -> Any:
    """Count on the bar how many images cannot be used."""
    unusable = 0

    def shown(outcome: Looked | Compared | Curated | None) -> str | None:
        nonlocal unusable
        unusable += bool(getattr(outcome, "reason", ""))
        return f"{unusable} unusable" if unusable else None

    return shown


def _told(curated: Curated) -> tuple[Document, str]:
    from curation.audit import audit, document_of
    from curation.dataset import REPORT
    from curation.flags import told
    from curation.tables import table

    dataset, figures = curated.dataset, audit(curated.dataset.rows)
    document = document_of(dataset, figures)
    document["warnings"] = list(curated.warnings)
    lines = [
        f"Kept {figures.kept} of {figures.gathered} images of {len(figures.total)} species.",
        "",
        table(figures),
        "",
        *told(dataset.rows),
        *(f"Warning: {warning}." for warning in curated.warnings),
        f"Dataset  {dataset.root}",
        f"Report   {dataset.root / REPORT}",
        f"Lock     {dataset.lock_digest}",
    ]
    return document, "\n".join(lines)
