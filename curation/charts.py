"""Charts as inline SVG: the geometry is computed here, colours come from the page's CSS."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 40
_CELLS_PER_DOUBLING = 12
"""Resolution of the scatter: pictures in one cell are one dot, whose area is their number."""
_BARS_PER_DOUBLING = 4
SERIES = 8
"""Colours that the page has; further species share the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """A logarithmic axis of pixels."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[int], start: float, end: float) -> _Axis:
        """An axis that holds all values, with a margin, from `start` to `end` on paper."""
        low, high = math.log2(max(1, min(values))) - 0.25, math.log2(max(1, *values)) + 0.25
        return cls(low=low, high=high, start=start, end=end)

    def at(self, value: float) -> float:
        """Where a value of pixels lies on paper."""
        share = (math.log2(max(1.0, value)) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[int]:
        """Round numbers within the axis, few enough to be read."""
        fine = [m * 10**p for p in range(6) for m in (1, 2, 5)]
        fitting = [tick for tick in fine if self.low <= math.log2(tick) <= self.high]
        return fitting if len(fitting) > 1 else [round(2 ** ((self.low + self.high) / 2))]


def scatter(sizes: Mapping[str, Sequence[tuple[int, int]]]) -> Markup:
    """Width × height of pictures, a colour per species; a dot's area is their number."""
    flat = [size for of_one in sizes.values() for size in of_one]
    if not flat:
        return Markup("")
    across = _Axis.over([width for width, _ in flat], _LEFT, WIDTH - _RIGHT)
    up = _Axis.over([height for _, height in flat], HEIGHT - _BOTTOM, _TOP)
    body = [_diagonal(across, up), *_frame(across, up)]
    for number, (species, of_one) in enumerate(sizes.items()):
        cells = Counter((_cell(width), _cell(height)) for width, height in of_one)
        body += [
            Markup(
                '<circle class="s{}" cx="{}" cy="{}" r="{:.1f}"><title>{}: {} near {} × {} px'
                "</title></circle>"
            ).format(
                min(number, SERIES - 1),
                across.at(width),
                up.at(height),
                min(14.0, 2.2 + 0.9 * math.sqrt(count)),
                species,
                count,
                round(width),
                round(height),
            )
            for (width, height), count in sorted(cells.items())
        ]
    return _svg("Width and height of the kept originals, in pixels", body)


def _cell(value: int) -> float:
    return float(2 ** (round(math.log2(max(1, value)) * _CELLS_PER_DOUBLING) / _CELLS_PER_DOUBLING))


def _diagonal(across: _Axis, up: _Axis) -> Markup:
    low, high = 2 ** max(across.low, up.low), 2 ** min(across.high, up.high)
    if low >= high:
        return Markup("")
    return Markup('<line class="grid dashed" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        across.at(low), up.at(low), across.at(high), up.at(high)
    )


def _frame(across: _Axis, up: _Axis) -> list[Markup]:
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


def histogram(values: Sequence[int], label: str) -> Markup:
    """How often values of pixels occur, in bars of equal width on a logarithmic axis."""
    if not values:
        return Markup("")
    height, floor = 190, 150
    axis = _Axis.over(values, _LEFT, WIDTH - _RIGHT)
    bars = Counter(math.floor(math.log2(max(1, value)) * _BARS_PER_DOUBLING) for value in values)
    highest = max(bars.values())
    body = []
    for bar, count in sorted(bars.items()):
        low, high = (2 ** ((bar + end) / _BARS_PER_DOUBLING) for end in (0, 1))
        start, end = max(axis.at(low), _LEFT), min(axis.at(high), WIDTH - _RIGHT)
        tall = round(count / highest * (floor - 14), 1)
        body.append(
            Markup(
                '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}">'
                "<title>{} from {:.0f} to {:.0f} px</title></rect>"
            ).format(start + 0.5, floor - tall, max(1.0, end - start - 1), tall, count, low, high)
        )
    body.append(
        Markup('<text x="{}" y="16" text-anchor="end">{}</text>').format(_LEFT - 6, highest)
    )
    body += [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            axis.at(tick), floor + 17, tick
        )
        for tick in axis.ticks()
    ]
    body.append(
        Markup('<text x="{}" y="{}" text-anchor="end">{}, px</text>').format(
            WIDTH - _RIGHT, height - 4, label
        )
    )
    body.append(
        Markup('<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            _LEFT, floor, WIDTH - _RIGHT, floor
        )
    )
    return _svg(f"Histogram: {label} of the kept originals, in pixels", body, height=height)


def _svg(label: str, body: Sequence[Markup], *, height: int = HEIGHT) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, escape(label), Markup("").join(body)
    )
