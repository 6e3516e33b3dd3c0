"""Alignment: are two pictures, laid on each other as well as they will, the same picture?

Hashes only suggest. Here the thumbnails of a suggested pair are registered by an affine
map (mirror and turn come with the suggestion; shift, scale and shear are found by
enhanced-correlation Gauss-Newton steps, many pairs at once) and then compared: their grey
values, and their fine detail, in which different photos of one scene differ although they
hash alike. The worst sixth of the tiles has no say, so that a watermark or a caption does
not hide a copy, and neither have uniform borders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COARSE = 18
"""Samples along each side on which two pictures are first aligned …"""
_FINE = 36
"""… and on which those are aligned that are worth it."""
_JUDGED = 48
"""Samples along each side on which they are compared in the end."""
_STEPS = 6
_WORTH_IT = 0.8
"""Correlation that a pair must reach on the coarse grid; copies reach 0.85 at least."""
_TILES = 6
"""Tiles along each side, of which the worst are left out …"""
_LEFT_OUT = 6
"""… this many."""
_BLUR = 2
"""Detail is what the compared samples lose when blurred over so many to each side."""
_BATCH = 128
_MIN_OVERLAP = 0.75

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions:
    """Pairs of pictures to compare, with the parts that seem to be the same."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_box: Floats
    """Shape (n, 4): left, top, right, bottom as shares."""
    second_box: Floats
    orientation: NDArray[np.int64]
    """How the second is turned to look like the first, see `signature.ORIENTATIONS`."""

    def part(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Suggestions:
        """Some of the pairs."""
        return Suggestions(
            first=self.first[which],
            second=self.second[which],
            first_box=self.first_box[which],
            second_box=self.second_box[which],
            orientation=self.orientation[which],
        )


def likeness(thumbs: NDArray[np.uint8], inner: Floats, pairs: Suggestions) -> Floats:
    """How alike the pictures of each pair are once aligned, -1 to 1; shape (n,).

    The mean of two correlations, of grey values and of their detail.

    Args:
        thumbs: Shape (pictures, side, side).
        inner: Shape (pictures, 4): the boxes within the pictures' borders.
        pairs: What to compare.
    """
    scores = [
        _likeness(thumbs, inner, pairs.part(slice(start, start + _BATCH)))
        for start in range(0, len(pairs.first), _BATCH)
    ]
    return np.concatenate([np.empty((0,), np.float32), *scores])


def _likeness(thumbs: NDArray[np.uint8], inner: Floats, pairs: Suggestions) -> Floats:
    first = thumbs[pairs.first].astype(np.float32)
    second = thumbs[pairs.second].astype(np.float32)
    here = _framed(pairs.first_box)
    there = _times(_framed(pairs.second_box), _turned(pairs.orientation))
    warp, score = _aligned(_halved(first), _halved(second), here, there, _COARSE)
    worth = np.flatnonzero(score >= _WORTH_IT)
    result = np.full(len(score), -1.0, np.float32)
    if not worth.size:
        return result
    first, second, here = first[worth], second[worth], here[worth]
    there = _times(there, warp)[worth]
    warp, _ = _aligned(first, second, here, there, _FINE)
    boxes = inner[pairs.first[worth]], inner[pairs.second[worth]]
    result[worth] = _judged(first, second, here, _times(there, warp), boxes)
    return result


def _aligned(
    first: Floats, second: Floats, here: Floats, there: Floats, per_side: int
) -> tuple[Floats, Floats]:
    """The best warp of the square before `there`, and the correlation it reaches.

    `here` and `there`, shape (n, 3, 3), say where the square from -1 to 1 lies in each
    picture.
    """
    grid = _grid(per_side)
    template, _ = _sampled(first, _times(here, grid))
    jacobian = _jacobian(template, grid)
    hessian = jacobian @ jacobian.transpose(0, 2, 1)
    damping = 1e-3 * np.trace(hessian, axis1=1, axis2=2)[:, None, None]
    inverse = np.linalg.inv(hessian + (damping + 1e-9) * np.eye(6, dtype=np.float32))
    warp = np.tile(np.eye(3, dtype=np.float32), (len(first), 1, 1))
    best, best_warp = np.full(len(first), -1.0, np.float32), warp.copy()
    for step in range(_STEPS + 1):
        error, score = _compared(template, *_sampled(second, _times(_times(there, warp), grid)))
        better = score > best
        best[better], best_warp[better] = score[better], warp[better]
        if step < _STEPS:
            change = inverse @ (jacobian @ error[..., None])
            warp = _times(warp, _inverse_of_step(change[..., 0]))
    return best_warp, best


def _compared(template: Floats, image: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The error that a step should lessen, and the correlation, both without the worst tiles."""
    agreeing = _without_worst(template, image, inside)
    one, other = _normalised(template, agreeing), _normalised(image, agreeing)
    enough = inside.mean(axis=1) >= _MIN_OVERLAP
    return other - one, np.where(enough, (one * other).sum(axis=1), np.float32(-1))


def _judged(
    first: Floats, second: Floats, here: Floats, there: Floats, inner: tuple[Floats, Floats]
) -> Floats:
    grid = _grid(_JUDGED)
    here, there = _times(here, grid), _times(there, grid)
    one, _ = _sampled(first, here)
    other, inside = _sampled(second, there)
    enough = inside.mean(axis=1) >= _MIN_OVERLAP
    inside &= _within(here, inner[0]) & _within(there, inner[1])
    agreeing = _without_worst(one, other, inside)
    coarse = _correlation(one, other, agreeing)
    fine = _correlation(_detail(one), _detail(other), agreeing)
    return np.where(enough, (coarse + fine) / 2, np.float32(-1))


def _correlation(one: Floats, other: Floats, where: NDArray[np.bool_]) -> Floats:
    return np.asarray((_normalised(one, where) * _normalised(other, where)).sum(axis=1))


def _without_worst(one: Floats, other: Floats, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The places inside but for those in the tiles that differ most; shape (n, points)."""
    error = (_normalised(one, inside) - _normalised(other, inside)) ** 2
    count, side = len(one), math.isqrt(one.shape[1])
    tile = side // _TILES
    tiles = error.reshape(count, _TILES, tile, _TILES, tile).sum(axis=(2, 4)).reshape(count, -1)
    worst = np.argpartition(tiles, -_LEFT_OUT, axis=1)[:, -_LEFT_OUT:]
    good = np.ones(tiles.shape, bool)
    np.put_along_axis(good, worst, False, axis=1)
    spread = good.reshape(count, _TILES, 1, _TILES, 1) & np.ones((tile, 1, tile), bool)
    return inside & spread.reshape(count, -1)


def _within(places: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Which places lie in a box each; shape (n, points)."""
    across, down = places[:, 0], places[:, 1]
    left, top, right, bottom = (edge[:, None] for edge in boxes.T)
    held = (across >= left) & (across <= right) & (down >= top) & (down <= bottom)
    return np.asarray(held, bool)


def _detail(values: Floats) -> Floats:
    """What blurring takes away; shape (n, points)."""
    side = math.isqrt(values.shape[1])
    square = values.reshape(-1, side, side)
    blurred = square
    for axis in (1, 2):
        margin = [(0, 0)] * 3
        margin[axis] = (_BLUR, _BLUR)
        padded = np.pad(blurred, margin, mode="edge")
        shifted = (np.take(padded, range(k, k + side), axis=axis) for k in range(2 * _BLUR + 1))
        blurred = np.asarray(sum(shifted) / (2 * _BLUR + 1), np.float32)
    return (square - blurred).reshape(len(values), -1)


def _halved(pictures: Floats) -> Floats:
    count, side, _ = pictures.shape
    quads = pictures.reshape(count, side // 2, 2, side // 2, 2)
    return np.asarray(quads.mean(axis=(2, 4)), np.float32)


def _grid(per_side: int) -> Floats:
    """Points spread over the square from -1 to 1: across, down and 1; shape (3, points)."""
    line = (np.arange(per_side, dtype=np.float32) + 0.5) / per_side * 2 - 1
    down, across = np.meshgrid(line, line, indexing="ij")
    return np.stack([across.ravel(), down.ravel(), np.ones(per_side**2, np.float32)])


def _framed(boxes: Floats) -> Floats:
    """Maps of the square onto boxes of a picture; shape (n, 3, 3)."""
    maps = np.zeros((len(boxes), 3, 3), np.float32)
    maps[:, 0, 0], maps[:, 1, 1] = ((boxes[:, 2:] - boxes[:, :2]) / 2).T
    maps[:, :2, 2] = (boxes[:, 2:] + boxes[:, :2]) / 2
    maps[:, 2, 2] = 1
    return maps


def _turned(orientation: NDArray[np.int64]) -> Floats:
    """Maps of a turned square to the square as it is; shape (n, 3, 3)."""
    maps = np.zeros((8, 3, 3), np.float32)
    for turn in range(8):
        mirror = np.diag([-1 if turn & 1 else 1, -1 if turn & 2 else 1, 1])
        maps[turn] = mirror[[1, 0, 2]] if turn & 4 else mirror
    return maps[orientation]


def _times(maps: Floats, others: Floats) -> Floats:
    return np.asarray(maps @ others, np.float32)


def _sampled(pictures: Floats, places: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Bilinear grey values at places, and which of these lie inside; shape (n, points)."""
    side = pictures.shape[1]
    across, down = places[:, 0], places[:, 1]
    inside = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
    across, down = (np.clip(shares * side - 0.5, 0, side - 1.001) for shares in (across, down))
    column, line = across.astype(np.int32), down.astype(np.int32)
    index = column + side * line + (np.arange(len(pictures), dtype=np.int32) * side**2)[:, None]
    across -= column
    down -= line
    flat = pictures.ravel()
    a, b, c, d = (flat.take(index + offset) for offset in (0, 1, side, side + 1))
    top, bottom = a + (b - a) * across, c + (d - c) * across
    return top + (bottom - top) * down, inside


def _jacobian(template: Floats, grid: Floats) -> Floats:
    """How the normalised template changes with each of six affine parameters; (n, 6, points)."""
    per_side = math.isqrt(grid.shape[1])
    square = _normalised(template, np.ones(template.shape, bool))
    square = square.reshape(-1, per_side, per_side)
    down, across = (np.asarray(slope) for slope in np.gradient(square, 2 / per_side, axis=(1, 2)))
    slopes = np.stack([across, down], axis=1).reshape(len(square), 2, 1, -1)
    return np.asarray((slopes * grid).reshape(len(square), 6, -1), np.float32)


def _inverse_of_step(step: Floats) -> Floats:
    change = np.zeros((len(step), 3, 3), np.float32)
    change[:, :2] = np.clip(step, -0.15, 0.15).reshape(-1, 2, 3)
    return np.asarray(np.linalg.inv(np.eye(3, dtype=np.float32) + change), np.float32)


def _normalised(values: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Mean 0 and length 1 over the places inside, 0 elsewhere."""
    weights = inside.astype(np.float32)
    count = np.maximum(weights.sum(axis=1), 1)
    mean = np.einsum("np,np->n", values, weights) / count
    centred = (values - mean[:, None]) * weights
    length = np.sqrt(np.einsum("np,np->n", centred, centred))
    return np.asarray(centred / np.maximum(length, 1e-3)[:, None], np.float32)
