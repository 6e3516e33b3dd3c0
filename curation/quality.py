"""Quality: how good a picture is, measured once from the small decoded version.

Everything is measured on a canvas of at most 160 px, about the scale at which a network sees
the picture, so that a measure means the same for a photo of 300 px and one of 3,000. Sums are
of whole numbers and every measure is rounded to four digits: two machines that decode the same
pixels measure the same. Measures are kept in the manifest; what they mean is the recipe's to
say (`curation.flags`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from curation.signature import inner_box

CANVAS_PX = 160
"""The longer side at which pictures are measured; smaller ones are measured as they are."""

_VISIBLE = 3
"""Steps between neighbouring grey values, 0 to 255, up to this are noise of compression."""
_HARD = 24
"""Larger steps are hard edges: rare in photos, and nearly all there is in drawings."""
_STROKE = 32
"""Steps beyond this may be the edge of a letter's stroke."""
_SEAM = 10
"""Steps beyond this, all along a line, are a seam."""
_BLOCK_PX = 16
"""Of the blocks in which text is looked for: two or three lines of a page's print."""
_MIN_BLOCKS = 24
"""In a picture of fewer, 96 × 64 px, a few hard edges would be a large share of print."""
_MIN_SEAMED_PX = 40
"""A narrower picture can have no two pictures side by side."""

Grey = NDArray[np.int16]
"""Grey values, 0 to 255, of shape (height, width)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How good a picture is, from its small version."""

    brightness: float
    """Mean grey value, 0 to 1."""
    contrast: float
    """Standard deviation of the grey values, 0 to 0.5."""
    darkest: float
    """Of the grey values, the 5th percentile, 0 to 1: high in a washed-out picture."""
    brightest: float
    """The 99th percentile, 0 to 1: low in a dark picture, whatever its background."""
    sharpness: float
    """2 less the root mean square step over two pixels in those over one, along the worse axis.

    0 where every edge is a ramp, as blurred or enlarged; photos have 0.3 to 0.7."""
    entropy: float
    """Of the grey values, 0 to 8 bits."""
    colour: float
    """Spread of the colours (99th percentile) in the spread of the grey values; 0 in grey."""
    drawn: float
    """How much it is like a drawing, -1.5 to 1: hard edges less 1.5 times the tones in use."""
    text: float
    """Share of blocks that look like lines of print, 0 to 1."""
    seam: float
    """How much of the straightest line across the picture is an edge, 0 to 1: 1 in a collage."""


def measure(picture: Image.Image) -> Measures:
    """Measure a small upright RGB picture."""
    canvas = _canvas(picture)
    grey = canvas.convert("L")
    counts = np.asarray(grey.histogram(), np.int64)
    values = np.asarray(grey).astype(np.int16)
    across, down = np.abs(np.diff(values, axis=1)), np.abs(np.diff(values, axis=0))
    low, high = _percentile(counts, 1), _percentile(counts, 99)
    mean, deviation = _mean_and_deviation(counts)
    colours = np.asarray(_colourfulness(canvas).histogram(), np.int64)
    return Measures(
        brightness=round(mean / 255, 4),
        contrast=round(deviation / 255, 4),
        darkest=round(_percentile(counts, 5) / 255, 4),
        brightest=round(high / 255, 4),
        sharpness=_sharpness(values, across, down),
        entropy=_entropy(counts),
        colour=round(min(1.0, _percentile(colours, 99) / max(high - low, 1)), 4),
        drawn=round(_hardness(across, down) - 1.5 * _tones(counts, high - low), 4),
        text=_text(across),
        seam=_seam(values, across, down),
    )


def _canvas(picture: Image.Image) -> Image.Image:
    scale = CANVAS_PX / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)


def _percentile(counts: NDArray[np.int64], share: int) -> int:
    """The value that `share` percent of what was counted do not exceed."""
    return int(np.searchsorted(100 * np.cumsum(counts), share * counts.sum()))


def _mean_and_deviation(counts: NDArray[np.int64]) -> tuple[float, float]:
    levels = np.arange(len(counts))
    pixels, total = int(counts.sum()), int(counts @ levels)
    variance = int(counts @ levels**2) * pixels - total**2  # Whole numbers: exact.
    return total / pixels, variance**0.5 / pixels


def _entropy(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return round(abs(float(shares @ np.log2(shares))), 4)


def _colourfulness(picture: Image.Image) -> Image.Image:
    """For every pixel, how far its largest channel is above its smallest."""
    red, green, blue = picture.split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return ImageChops.subtract(largest, ImageChops.darker(ImageChops.darker(red, green), blue))


def _sharpness(values: Grey, across: Grey, down: Grey) -> float:
    """See `Measures.sharpness`: along a ramp two pixels differ by twice what one does."""
    axes = ((across, values[:, 2:] - values[:, :-2]), (down, values[2:] - values[:-2]))
    ratios = [
        (_mean_square(double) / one) ** 0.5
        for single, double in axes
        if double.size and (one := _mean_square(single)) > 0
    ]
    return round(max(0.0, 2 - max(ratios)), 4) if ratios else 0.0


def _mean_square(steps: Grey) -> float:
    whole = steps.astype(np.int32)  # At most 160² · 255² in sum: it fits.
    return int(np.einsum("ij,ij->", whole, whole)) / max(1, steps.size)


def _hardness(across: Grey, down: Grey) -> float:
    """Share of hard edges among all visible steps."""
    visible = int(np.count_nonzero(across > _VISIBLE) + np.count_nonzero(down > _VISIBLE))
    hard = int(np.count_nonzero(across > _HARD) + np.count_nonzero(down > _HARD))
    return hard / max(visible, (across.size + down.size) // 1000, 1)


def _tones(counts: NDArray[np.int64], spread: int) -> float:
    """How many grey values nine tenths of the pixels have, in the spread of all; 0 to 1."""
    most = np.cumsum(np.sort(counts)[::-1])
    return min(1.0, (int(np.searchsorted(10 * most, 9 * most[-1])) + 1) / max(spread, 8))


def _text(across: Grey) -> float:
    """See `Measures.text`: strokes in some of a block's rows, gaps in others, flat ground."""
    rows, columns = (side // _BLOCK_PX for side in across.shape)
    if rows * columns < _MIN_BLOCKS:
        return 0.0
    whole = across[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    strokes = _per_row_of_blocks(whole > _STROKE)
    ground = _per_row_of_blocks(whole <= _VISIBLE).sum(axis=1)
    area = _BLOCK_PX**2
    is_text = (
        (strokes.max(axis=1) >= 4)
        & (strokes.min(axis=1) <= 1)
        & (10 * strokes.sum(axis=1) > area)
        & (10 * ground > 3 * area)
    )
    return round(int(np.count_nonzero(is_text)) / int(is_text.size), 4)


def _per_row_of_blocks(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count within the rows of every block; shape (blocks down, rows of one, blocks across)."""
    height, width = mask.shape
    packed = np.packbits(mask, axis=1).view(np.uint16)  # One number a block's row.
    counted = np.bitwise_count(packed).astype(np.int64)
    return counted.reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX)


def _seam(values: Grey, across: Grey, down: Grey) -> float:
    """See `Measures.seam`: not in the border, which a letterbox or a frame has, too."""
    height, width = values.shape
    left, top, right, bottom = (
        round(edge * side)
        for edge, side in zip(
            inner_box(values.astype(np.uint8)), (width, height, width, height), strict=True
        )
    )
    if min(right - left, bottom - top) < _MIN_SEAMED_PX:
        return 0.0
    lines = (
        across[top:bottom, left : right - 1].T > _SEAM,
        down[top : bottom - 1, left:right] > _SEAM,
    )
    return round(max(_straightest(crossed) for crossed in lines), 4)


def _straightest(crossed: NDArray[np.bool_]) -> float:
    """The largest share of edge in a line, of those well within."""
    margin = max(3, len(crossed) // 8)
    counted = np.count_nonzero(crossed[margin : len(crossed) - margin], axis=1)
    return int(counted.max(initial=0)) / int(crossed.shape[1])
