"""Charts as inline SVG: the geometry is computed here, colours come from the page's CSS.

Every series has a colour and a shape of its own, so that neither is needed to tell them
apart; every figure has a name, and every mark says what it stands for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

WIDTH, HEIGHT = 560, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 40
_CELLS_PER_DOUBLING = 12
"""Resolution of the scatter: pictures in one cell are one mark, whose area is their number."""
_STEPS_PER_DOUBLING = 4
SERIES = 8
"""Colours that the page has; the last one is shared by all further species."""
_PANEL_WIDTH, _PANEL_HEIGHT, _PANEL_FLOOR = 300, 96, 70

_DIGIT = 7
"""How wide one is printed."""

_ARM, _THIN = 1.15, 0.42
_CORNERS: tuple[tuple[tuple[float, float], ...], ...] = (
    (),  # A circle,
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    ((0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    (  # … a cross, a dash, a stroke.
        *((-_THIN, -_ARM), (_THIN, -_ARM), (_THIN, -_THIN), (_ARM, -_THIN), (_ARM, _THIN)),
        *((_THIN, _THIN), (_THIN, _ARM), (-_THIN, _ARM), (-_THIN, _THIN), (-_ARM, _THIN)),
        *((-_ARM, -_THIN), (-_THIN, -_THIN)),
    ),
    ((-1.3, -0.45), (1.3, -0.45), (1.3, 0.45), (-1.3, 0.45)),
    ((-0.45, -1.3), (0.45, -1.3), (0.45, 1.3), (-0.45, 1.3)),
)
"""The marks of the series, as corners of an outline about 0, 0."""

Sides = NDArray[np.int64]
Sizes = Mapping[str, Sides]
"""Width and height of pictures by species, in the order in which they get their colours; shape
(pictures, 2) each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A logarithmic axis of pixels."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sides, start: float, end: float) -> Axis:
        """An axis that holds all values, with a margin, from `start` to `end` on paper."""
        least, most = (max(1, int(value)) for value in (values.min(), values.max()))
        low, high = math.log2(least) - 0.25, math.log2(most) + 0.25
        return cls(low=low, high=high, start=start, end=end)

    def at(self, value: float) -> float:
        """Where a value of pixels lies on paper."""
        share = (math.log2(max(1.0, value)) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= math.log2(max(1.0, value)) <= self.high

    def ticks(self) -> list[int]:
        """Round numbers within the axis, few enough to be read."""
        fine = [m * 10**p for p in range(6) for m in (1, 2, 5)]
        fitting = [tick for tick in fine if self.holds(tick)]
        return fitting if len(fitting) > 1 else [round(2 ** ((self.low + self.high) / 2))]


def with_others(sizes: Sizes) -> dict[str, Sides]:
    """The first species by themselves, and what is left under one name."""
    names = list(sizes)
    if len(names) <= SERIES:
        return dict(sizes)
    some = {name: sizes[name] for name in names[: SERIES - 1]}
    rest = np.concatenate([sizes[name] for name in names[SERIES - 1 :]])
    return {**some, f"{len(names) - SERIES + 1} others": rest}


def scatter(sizes: Sizes, *, side_px: int) -> Markup:
    """Width × height of pictures, a colour and a shape per species; area is their number.

    Dashed lines show squares, and the side to which pictures are rendered: what lies below
    or left of that has been enlarged.
    """
    flat = all_of(sizes)
    if not len(flat):
        return Markup("")
    across = Axis.over(flat[:, 0], _LEFT, WIDTH - _RIGHT)
    up = Axis.over(flat[:, 1], HEIGHT - _BOTTOM, _TOP)
    body = [*_frame(across, up), _diagonal(across, up), *_rendered_side(across, up, side_px)]
    body += [
        _marks(number, species, of_one, across, up)
        for number, (species, of_one) in enumerate(with_others(sizes).items())
    ]
    label = f"Scatter plot: width and height of {len(flat)} kept originals, in pixels"
    return _svg(label, body, width=WIDTH, height=HEIGHT)


def all_of(sizes: Sizes) -> Sides:
    """The sizes of all species; shape (pictures, 2)."""
    return np.concatenate([np.empty((0, 2), np.int64), *sizes.values()])


def _marks(number: int, species: str, sizes: Sides, across: Axis, up: Axis) -> Markup:
    cells: Counter[tuple[float, float]] = Counter()
    for (width, height), count in zip(*_counted(sizes), strict=True):
        cells[_cell(width), _cell(height)] += count
    marks = [
        Markup('<path d="{}"><title>{}: {} near {} × {} px</title></path>').format(
            shape(
                number,
                across.at(width),
                up.at(height),
                min(14.0, 2.4 + 0.9 * math.sqrt(count)),
            ),
            species,
            count,
            round(width),
            round(height),
        )
        for (width, height), count in sorted(cells.items())
    ]
    return Markup('<g class="mark s{}">{}</g>').format(number, Markup("").join(marks))


def _counted(values: Sides) -> tuple[list[Any], list[int]]:
    """Distinct values, or rows of them, and how often each is there."""
    found, counts = np.unique(values, axis=0, return_counts=True)
    return found.tolist(), counts.tolist()


def shape(number: int, x: float, y: float, r: float) -> str:
    """The outline of a series' mark, with a radius of about `r`."""
    corners = _CORNERS[min(number, SERIES - 1)]
    if not corners:
        half = f"a{r:.1f} {r:.1f} 0 1 0"
        return f"M{x - r:.1f} {y:.1f}{half} {2 * r:.1f} 0{half} {-2 * r:.1f} 0z"
    return f"M{'L'.join(f'{x + r * right:.1f} {y + r * down:.1f}' for right, down in corners)}z"


def key(number: int) -> Markup:
    """A series' mark for the legend."""
    return Markup('<svg class="key s{}" viewBox="-8 -8 16 16" aria-hidden="true">{}</svg>').format(
        number, Markup('<path d="{}"/>').format(shape(number, 0, 0, 6))
    )


def _cell(value: int) -> float:
    return float(2 ** (round(math.log2(max(1, value)) * _CELLS_PER_DOUBLING) / _CELLS_PER_DOUBLING))


def _diagonal(across: Axis, up: Axis) -> Markup:
    low, high = 2 ** max(across.low, up.low), 2 ** min(across.high, up.high)
    if low >= high:
        return Markup("")
    return Markup('<line class="grid dashed" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        across.at(low), up.at(low), across.at(high), up.at(high)
    )


def _rendered_side(across: Axis, up: Axis, side_px: int) -> list[Markup]:
    line = Markup('<line class="grid dashed" x1="{}" y1="{}" x2="{}" y2="{}"/>')
    lines = []
    if across.holds(side_px):
        lines.append(line.format(across.at(side_px), _TOP, across.at(side_px), HEIGHT - _BOTTOM))
    if up.holds(side_px):
        lines.append(line.format(_LEFT, up.at(side_px), WIDTH - _RIGHT, up.at(side_px)))
        lines.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{} px: as rendered</text>').format(
                WIDTH - _RIGHT - 4, up.at(side_px) - 5, side_px
            )
        )
    return lines


def _frame(across: Axis, up: Axis) -> list[Markup]:
    lines = [
        Markup(
            '<line class="grid" x1="{0}" y1="{1}" x2="{0}" y2="{2}"/>'
            '<text x="{0}" y="{3}" text-anchor="middle">{4}</text>'
        ).format(across.at(tick), _TOP, HEIGHT - _BOTTOM, HEIGHT - _BOTTOM + 16, tick)
        for tick in across.ticks()
    ]
    lines += [
        Markup(
            '<line class="grid" x1="{1}" y1="{0}" x2="{2}" y2="{0}"/>'
            '<text x="{3}" y="{0}" dy="4" text-anchor="end">{4}</text>'
        ).format(up.at(tick), _LEFT, WIDTH - _RIGHT, _LEFT - 6, tick)
        for tick in up.ticks()
    ]
    lines.append(
        Markup('<text x="{}" y="{}" text-anchor="end">width, px</text>').format(
            WIDTH - _RIGHT, HEIGHT - 6
        )
    )
    lines.append(Markup('<text x="{}" y="{}">height, px</text>').format(_LEFT + 6, _TOP + 14))
    return lines


def histogram(values: Sides, label: str) -> Markup:
    """How often values of pixels occur, in bars of equal width on a logarithmic axis."""
    if not len(values):
        return Markup("")
    height, floor = 205, 165
    axis = Axis.over(values, _LEFT, WIDTH - _RIGHT)
    bars = _steps(values)
    highest = max(bars.values())
    body = [_bar(axis, step, count, highest, floor) for step, count in sorted(bars.items())]
    body.append(
        Markup('<text x="{}" y="24" text-anchor="end">{}</text>').format(_LEFT - 6, highest)
    )
    body += [_tick(axis, tick, floor + 17) for tick in axis.ticks()]
    body.append(
        Markup('<text x="{}" y="{}" text-anchor="end">{}, px</text>').format(
            WIDTH - _RIGHT, height - 5, label
        )
    )
    body.append(_floor_line(_LEFT, WIDTH - _RIGHT, floor))
    name = f"Histogram: {label} of {len(values)} kept originals, in pixels"
    return _svg(name, body, width=WIDTH, height=height)


def _bar(axis: Axis, step: int, count: int, highest: int, floor: float) -> Markup:
    low, high = (2 ** ((step + end) / _STEPS_PER_DOUBLING) for end in (0, 1))
    start, end = max(axis.at(low), axis.start), min(axis.at(high), axis.end)
    tall = round(count / highest * (floor - 20), 1)
    return Markup(
        '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}">'
        "<title>{} from {:.0f} to {:.0f} px</title></rect>"
    ).format(start + 0.5, floor - tall, max(1.0, end - start - 1), tall, count, low, high)


def _tick(axis: Axis, tick: int, y: float) -> Markup:
    """A number under its place on the axis, or beside it where it would stick out."""
    place, half = axis.at(tick), _DIGIT * len(str(tick)) / 2
    anchor = "start" if place - half < axis.start else "middle"
    anchor = "end" if place + half > axis.end else anchor
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(place, y, anchor, tick)


def _floor_line(start: float, end: float, y: float) -> Markup:
    return Markup('<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(start, y, end, y)


def _steps(values: Sides) -> Counter[int]:
    """How many values lie in each step of the logarithmic axis."""
    steps: Counter[int] = Counter()
    for value, count in zip(*_counted(values), strict=True):
        steps[math.floor(math.log2(max(1, value)) * _STEPS_PER_DOUBLING)] += count
    return steps


def panels(sizes: Sizes) -> dict[str, Markup]:
    """One species each: widths as an area, heights as a line, all on one axis."""
    flat = all_of(sizes)
    if not len(flat):
        return {}
    axis = Axis.over(flat, 4, _PANEL_WIDTH - 4)
    return {name: _panel(name, of_one, axis) for name, of_one in sizes.items() if len(of_one)}


def _panel(species: str, sizes: Sides, axis: Axis) -> Markup:
    widths, heights = map(_steps, sizes.T)
    highest = max(*widths.values(), *heights.values())
    body = [
        Markup('<path class="area" d="{}"><title>width, px</title></path>').format(
            _outline(axis, widths, highest)
        ),
        Markup('<path class="line" d="{}"><title>height, px</title></path>').format(
            _outline(axis, heights, highest)
        ),
        _floor_line(4, _PANEL_WIDTH - 4, _PANEL_FLOOR),
        *(_tick(axis, tick, _PANEL_FLOOR + 18) for tick in axis.ticks()),
    ]
    label = f"Histograms: width and height of {len(sizes)} images of {species}, in pixels"
    return _svg(label, body, width=_PANEL_WIDTH, height=_PANEL_HEIGHT)


def _outline(axis: Axis, steps: Mapping[int, int], highest: int) -> str:
    """The stairs over a histogram, from floor to floor."""
    first, last = min(steps), max(steps)
    parts = [f"M{_edge(axis, first):.1f} {_PANEL_FLOOR}"]
    for step in range(first, last + 1):
        tall = steps.get(step, 0) / highest * (_PANEL_FLOOR - 6)
        parts.append(f"V{_PANEL_FLOOR - tall:.1f}H{_edge(axis, step + 1):.1f}")
    return f"{''.join(parts)}V{_PANEL_FLOOR}"


def _edge(axis: Axis, step: int) -> float:
    return min(max(axis.at(2 ** (step / _STEPS_PER_DOUBLING)), axis.start), axis.end)


def _svg(label: str, body: Sequence[Markup], *, width: int, height: int) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, label, Markup("").join(body)
    )
