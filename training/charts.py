"""The places of curves and marks in the report's charts, in pixels from the upper left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.calibration import Reliability
from training.history import Epoch, History

_CHART = (560, 220)
"""Width and height of a chart in pixels, without its labels."""
_SQUARE = 260


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
class Mark:
    """One value with its interval: a dot and a whisker."""

    x: float
    y: float
    top: float
    bottom: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityPlot:
    """Accuracy over confidence; on the diagonal, probabilities hold what they say."""

    marks: tuple[Mark, ...]
    side: int = _SQUARE


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


def reliability_plot(reliability: Reliability) -> ReliabilityPlot:
    """A mark for each bin with pictures in it."""
    return ReliabilityPlot(
        marks=tuple(
            interval_mark(
                x=one.confidence * _SQUARE,
                interval=(one.accuracy.low or 0.0, one.accuracy.value or 0.0, one.accuracy.high),
                height=_SQUARE,
                title=f"{one.accuracy.n} pictures at {one.confidence:.0%}:"
                f" {one.accuracy.value:.0%} right",
            )
            for one in reliability.bins
        )
    )


def interval_mark(
    *, x: float, interval: tuple[float, float, float | None], height: int, title: str
) -> Mark:
    """A mark for a share from 0 to 1, given as low, value and high, on a chart so high."""
    low, value, high = interval
    return Mark(
        x=x,
        y=height * (1 - value),
        top=height * (1 - (1.0 if high is None else high)),
        bottom=height * (1 - low),
        title=title,
    )
