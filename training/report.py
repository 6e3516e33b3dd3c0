"""The run's page: curves, confusions, every figure with its interval, and the worst mistakes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from PIL import Image

from curation.dataset import Dataset, Row
from training.evaluate import Evaluation
from training.history import Epoch, History
from training.measure import Figure, Measures
from training.models import MODELS
from training.run import Run
from training.wording import in_words, interval_in_words, percent, verdict_in_words

MISTAKES = 12
"""At most this many are shown."""

THUMBNAIL_PX = 160
_CHART = (560, 220)
"""Width and height of a chart in pixels, without its labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a chart."""

    name: str
    kind: str
    """`train` or `val`; the page gives each its colour."""
    points: str
    """As SVG's `polyline` wants them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Curves over epochs, and what to write at their axes."""

    title: str
    curves: tuple[Curve, ...]
    ticks: tuple[tuple[float, str], ...]
    """Height in pixels from the top, and its label."""
    best_x: float
    last_epoch: int
    width: int = _CHART[0]
    height: int = _CHART[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the confusion matrix."""

    count: int
    share: float
    """Of the pictures of its row, 0 to 1."""
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A picture that was taken for another species."""

    thumbnail: str
    """A `data:` address."""
    shown: str
    said: str
    probability: str
    digest: str
    page_url: str


def write_report(run: Run, dataset: Dataset, evaluations: dict[str, Evaluation]) -> None:
    """Write `report.html`."""
    run.write("report.html", render(run, dataset, evaluations))


def render(run: Run, dataset: Dataset, evaluations: dict[str, Evaluation]) -> str:
    """The page; it needs nothing from outside itself."""
    shown = evaluations.get("test") or evaluations["val"]
    history = run.checkpoints.progress().history
    best_epoch = run.record.best_epoch or len(history)
    return (
        _environment()
        .get_template("run.html.j2")
        .render(
            run=run.record,
            name=run.root.resolve().name,
            entry=MODELS[run.record.model],
            measures=shown.measures,
            figures=_figures([one.measures for one in evaluations.values()]),
            splits=list(evaluations),
            charts=charts(history, best_epoch) if len(history) > 1 else (),
            matrix=matrix(shown.measures),
            mistakes=mistakes(shown, dataset),
            skipped=[skip for one in evaluations.values() for skip in one.pictures.skipped],
            recipe=asdict(run.record.recipe),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("training"), PackageLoader("curation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "in_words": in_words,
        "interval": interval_in_words,
        "percent": percent,
        "verdict": verdict_in_words,
    }
    return environment


def _figures(measures: Sequence[Measures]) -> list[tuple[str, list[Figure]]]:
    """The measures of a split side by side with the other's."""
    of: dict[str, Callable[[Measures], Figure]] = {
        "accuracy": lambda one: one.accuracy,
        "balanced accuracy": lambda one: one.balanced_accuracy,
        "macro F1": lambda one: one.macro_f1,
        "among the first two": lambda one: one.top_2,
        "baseline: always the same answer": lambda one: one.baseline.accuracy,
    }
    return [(name, [figure(one) for one in measures]) for name, figure in of.items()]


def charts(history: History, best_epoch: int) -> tuple[Chart, Chart]:
    """Loss and accuracy over the epochs."""
    top = max(max(epoch.loss, epoch.val_loss or 0.0) for epoch in history)
    return (
        _chart("Loss", history, best_epoch, top=top, figures=("loss", "val_loss")),
        _chart("Accuracy", history, best_epoch, top=1.0, figures=("accuracy", "val_accuracy")),
    )


def _chart(
    title: str, history: History, best_epoch: int, *, top: float, figures: tuple[str, str]
) -> Chart:
    kinds = zip(("training", "validation"), ("train", "val"), figures, strict=True)
    curves = (
        Curve(name=name, kind=kind, points=_points(history, figure, top))
        for name, kind, figure in kinds
    )
    return Chart(
        title=title,
        curves=tuple(curve for curve in curves if curve.points),
        ticks=tuple((_height(share * top, top), f"{share * top:.2g}") for share in (0, 0.5, 1)),
        best_x=_place(best_epoch, len(history)),
        last_epoch=len(history),
    )


def _points(history: Sequence[Epoch], figure: str, top: float) -> str:
    values = [(epoch.epoch, getattr(epoch, figure)) for epoch in history]
    return " ".join(
        f"{_place(epoch, len(history)):.1f},{_height(value, top):.1f}"
        for epoch, value in values
        if value is not None
    )


def _place(epoch: int, epochs: int) -> float:
    return (epoch - 1) / max(epochs - 1, 1) * _CHART[0]


def _height(value: float, top: float) -> float:
    return _CHART[1] * (1 - min(value / max(top, 1e-9), 1.0))


def matrix(measures: Measures) -> list[tuple[str, list[Cell]]]:
    """The confusion matrix, row by row, with each row's species."""
    return [
        (
            row.species,
            [
                Cell(
                    count=count,
                    share=count / max(sum(counts), 1),
                    is_right=measures.species[column].species == row.species,
                )
                for column, count in enumerate(counts)
            ],
        )
        for row, counts in zip(measures.species, measures.confusion, strict=True)
    ]


def mistakes(evaluation: Evaluation, dataset: Dataset) -> list[Mistake]:
    """The pictures taken for another species with the most conviction, worst first."""
    said = evaluation.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != evaluation.pictures.labels)
    conviction = evaluation.probabilities[wrong, said[wrong]]
    worst = wrong[np.argsort(-conviction, kind="stable")][:MISTAKES]
    return [
        _mistake(
            evaluation.pictures.rows[place],
            evaluation.pictures.pixels[place],
            said=dataset.species[said[place]],
            probability=float(evaluation.probabilities[place, said[place]]),
        )
        for place in worst
    ]


def _mistake(row: Row, pixels: Any, *, said: str, probability: float) -> Mistake:
    return Mistake(
        thumbnail=_thumbnail(Image.fromarray(np.asarray(pixels))),
        shown=row.species,
        said=said,
        probability=percent(probability),
        digest=row.digest,
        page_url=row.page_url if row.page_url.startswith(("http://", "https://")) else "",
    )


def _thumbnail(picture: Image.Image) -> str:
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
