"""Alignment: are two pictures, laid on each other as well as they will, the same picture?

Hashes only suggest. Here the thumbnails of a suggested pair are registered by an affine
map (mirror and turn come with the suggestion; shift, scale and shear are found by
enhanced-correlation Gauss-Newton steps, many pairs at once) and then compared patch by patch.

Patches, because two shirts before a white wall, or two animals in one pose, agree in their
outlines and so in most of their grey values; but within the outlines, and in the wall, they
do not, and there every patch has one vote; colours that have nothing in common speak against
a pair, and the more so the less there is within. The worst patches have no say, so that a
watermark or a caption does not hide a copy, and neither have uniform borders. A copy is
shifted, scaled and cropped, hardly ever sheared or stretched: what the alignment needed of
that counts against the pair.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from curation.hues import accord
from curation.signature import Box

_COARSE = 18
"""Samples along each side on which two pictures are first aligned …"""
_FINE = 36
"""… and on which those are aligned that are worth it."""
_JUDGED = 48
"""Samples along each side on which they are compared in the end."""
_STEPS = 6
_HOPEFUL = 0.5
"""Correlation that a pair must have on the coarse grid before it is aligned."""
_WORTH_IT = 0.8
"""Correlation that a pair must reach on the coarse grid; copies reach 0.85 at least."""
_ON_THE_WAY = (_HOPEFUL, 0.62, 0.68, 0.72, 0.75, 0.77)
"""Correlation that it must have reached there after so many steps; of 2,000 ways on which copies
reach the goal, one is lost to that."""
_TILES = 6
"""Tiles along each side, of which the worst are left out …"""
_LEFT_OUT = 6
"""… this many."""
_PATCH = 6
"""Samples along each side of the patches that are compared in the end."""
_MIN_TEXTURE = 1.5
"""Deviation of grey values within a patch, below which it shows nothing to compare …"""
_FULL_TEXTURE = 3.0
"""… and from which it counts fully: a stark edge says no more than a soft one."""
_MIN_CONTRAST = 16.0
"""Deviation to which the grey values of a fainter picture are spread before that."""
_NOISE = 0.5
"""Variance that recompression alone may cause."""
_FAINT = 4.0
"""Deviation within a patch up to which it counts as faint detail."""
_FULL_EVIDENCE = 150.0
"""Texture, summed over the patches, from which there is enough to go by."""
_FAINT_DOUBT, _FEW_DOUBT = 0.15, 0.2
"""How much likeness a pair loses where all is faint, and where there is no texture at all."""
_BARE_DOUBT, _BARE = 0.012, 0.2
"""How much where so much texture lacks, whatever agrees: plain things of one cut come so near."""
_COLOUR_DOUBT, _GREY_DOUBT = 0.4, 0.1
"""How much where there is no texture and the colours have nothing in common, or one is grey …"""
_HEARD = 0.3
"""… and what share of that at least, whatever texture there is."""
_COLOURS = 16
"""Samples along each side at which colours are compared."""
_UNHEARD = 0.1
"""Share of the textured patches, the worst, that has no say."""
_SKEW_COST, _STRETCH_COST = 2.0, 0.3
"""How much likeness a pair loses for each unit of shear or turn, and of log aspect …"""
_SQUEEZE_DOUBT = 0.065
"""… and of what was squeezed with its frame, where there is no texture: things of one cut, each
made to fit a frame of its own, agree in nothing else."""
_BATCH = 64
"""Pairs that are aligned at once on the coarse grid …"""
_FEW = 32
"""… and on the finer ones: bounds memory, some 13 MB."""
_MIN_OVERLAP = 0.75
_LEAST_SHARED = 0.6
"""Share of each side that two pictures must have in common."""
_ALL = np.asarray([0, 0, 1, 1], np.float32)

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


class Thumbs(Protocol):
    """Small pictures, in memory or not."""

    def __getitem__(self, places: NDArray[np.int64], /) -> NDArray[np.uint8]:
        """Those at these places, in grey; shape (n, side, side)."""

    def colours(self, places: NDArray[np.int64], /) -> NDArray[np.uint8]:
        """Those at these places, red, green and blue, smaller still; shape (n, side, side, 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The shapes of many pictures, in step with their thumbnails."""

    inner: Floats
    """Shape (pictures, 4): the boxes within their borders."""
    aspect: Floats
    """Shape (pictures,): width over height."""

    def boxes(self, one: int, other: int) -> tuple[Box, Box]:
        """What lies within the borders of two pictures."""
        first, last = (tuple(self.inner[place].tolist()) for place in (one, other))
        return first, last


def align(thumbs: Thumbs, frames: Frames, pairs: Suggestions) -> tuple[Floats, Floats]:
    """How alike the pictures of each pair are, and the map from the first to the second.

    Likeness, -1 to 1, shape (n,), is the mean correlation of their patches once aligned, less
    what the alignment had to bend and what outlines alone leave open. The maps, shape (n, 3, 3),
    take points in shares of width and height; where pictures are not alike at all they mean
    nothing.

    Args:
        thumbs: Of all pictures.
        frames: Of all pictures, too.
        pairs: What to compare.
    """
    found = [
        _align(thumbs, frames, pairs.part(slice(start, start + _BATCH)))
        for start in range(0, len(pairs.first), _BATCH)
    ]
    nothing = (np.empty(0, np.float32), np.empty((0, 3, 3), np.float32))
    scores, maps = zip(nothing, *found, strict=True)
    return np.concatenate(scores), np.concatenate(maps)


def by_map(first: NDArray[np.int64], second: NDArray[np.int64], maps: Floats) -> Suggestions:
    """Pairs of which the map from the first to the second picture is known roughly.

    What they share is compared; pairs that share less than a small part are left with that.
    """
    shared = _clipped(_mapped(np.linalg.inv(maps), np.tile(_ALL, (len(maps), 1))))
    linear = maps[:, :2, :2]
    is_turned = np.abs(linear[:, [0, 1], [1, 0]]).sum(1) > np.abs(linear[:, [0, 1], [0, 1]]).sum(1)
    across = np.where(is_turned, linear[:, 1, 0], linear[:, 0, 0])
    down = np.where(is_turned, linear[:, 0, 1], linear[:, 1, 1])
    return Suggestions(
        first=first,
        second=second,
        first_box=shared,
        second_box=_mapped(maps, shared),
        orientation=(across < 0) + 2 * (down < 0) + 4 * is_turned.astype(np.int64),
    )


def _mapped(maps: Floats, boxes: Floats) -> Floats:
    """The boxes round what maps make of boxes; shape (n, 4)."""
    corners = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]]
    places = corners @ maps[:, :2, :2].transpose(0, 2, 1) + maps[:, None, :2, 2]
    return np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1)


def _clipped(boxes: Floats) -> Floats:
    """The part of each box that lies in the picture, or the picture where hardly any does."""
    inside = np.clip(boxes, 0, 1)
    sides = inside[:, 2:] - inside[:, :2]
    is_enough = np.asarray((sides > _LEAST_SHARED).all(axis=1), bool)
    return np.where(is_enough[:, None], inside, _ALL)


def _align(thumbs: Thumbs, frames: Frames, pairs: Suggestions) -> tuple[Floats, Floats]:
    thumb, fellow = thumbs[pairs.first], thumbs[pairs.second]
    here = _framed(pairs.first_box)
    there = _times(_framed(pairs.second_box), _turned(pairs.orientation))
    maps = _times(there, np.linalg.inv(here))
    result = np.full(len(thumb), -1.0, np.float32)
    small = _halved(thumb), _halved(fellow)
    warp, score = _aligned(*small, here, there, _COARSE, on_the_way=_ON_THE_WAY)
    there = _times(there, warp)
    promising = np.flatnonzero(score >= _WORTH_IT)
    for start in range(0, len(promising), _FEW):
        worth = promising[start : start + _FEW]
        first, second = (values[worth].astype(np.float32) for values in (thumb, fellow))
        square, image = here[worth], there[worth]
        warp, _ = _aligned(first, second, square, image, _FINE)
        image = _times(image, warp)
        ends = pairs.first[worth], pairs.second[worth]
        boxes = frames.inner[ends[0]], frames.inner[ends[1]]
        score, lack = _judged(first, second, square, image, boxes)
        grid = _grid(_COLOURS)
        places = _times(square, grid), _times(image, grid)
        inside = _within(places[0], boxes[0]) & _within(places[1], boxes[1])
        hues = accord(thumbs.colours(ends[0]), thumbs.colours(ends[1]), places, inside)
        bending = _bending(
            square, image, lack, aspects=(frames.aspect[ends[0]], frames.aspect[ends[1]])
        )
        clash = _COLOUR_DOUBT * hues.apart + _GREY_DOUBT * hues.one_is_grey
        bare = _BARE_DOUBT * np.minimum(lack / _BARE, 1)
        loss = bending + bare + np.maximum(lack, _HEARD) * clash
        result[worth] = np.maximum(score - loss, -1)
        maps[worth] = _times(image, np.linalg.inv(square))
    return result, maps


def _aligned(
    first: Floats,
    second: Floats,
    here: Floats,
    there: Floats,
    per_side: int,
    *,
    on_the_way: Sequence[float] = (),
) -> tuple[Floats, Floats]:
    """The best warp of the square before `there`, and the correlation it reaches.

    `here` and `there`, shape (n, 3, 3), say where the square from -1 to 1 lies in each
    picture. Pairs that have not reached what is asked after so many steps are left alone.
    """
    grid = _grid(per_side)
    best = np.full(len(first), -1.0, np.float32)
    best_warp = np.tile(np.eye(3, dtype=np.float32), (len(first), 1, 1))
    warp = best_warp.copy()
    left = np.arange(len(first))
    descent = _Descent.towards(_sampled(first, _times(here, grid))[0], grid)
    for step in range(_STEPS + 1):
        places = _times(_times(there[left], warp), grid)
        error, score = _compared(descent.template, *_sampled(second[left], places))
        better = score > best[left]
        best[left[better]], best_warp[left[better]] = score[better], warp[better]
        if step < len(on_the_way):
            good = best[left] >= on_the_way[step]
            left, warp, error, descent = left[good], warp[good], error[good], descent.part(good)
        if not left.size:
            break
        if step < _STEPS:
            warp = _times(warp, descent.step(error))
    return best_warp, best


@dataclass(frozen=True, slots=True, kw_only=True)
class _Descent:
    """Gauss-Newton steps towards templates, whose slopes need to be taken but once."""

    template: Floats
    jacobian: Floats
    inverse: Floats

    @classmethod
    def towards(cls, template: Floats, grid: Floats) -> _Descent:
        jacobian = _jacobian(template, grid)
        hessian = jacobian @ jacobian.transpose(0, 2, 1)
        damping = 1e-3 * np.trace(hessian, axis1=1, axis2=2)[:, None, None]
        inverse = np.linalg.inv(hessian + (damping + 1e-9) * np.eye(6, dtype=np.float32))
        return cls(template=template, jacobian=jacobian, inverse=inverse)

    def part(self, which: NDArray[np.bool_]) -> _Descent:
        return _Descent(
            template=self.template[which],
            jacobian=self.jacobian[which],
            inverse=self.inverse[which],
        )

    def step(self, error: Floats) -> Floats:
        """The change of the warp that should lessen the error most; shape (n, 3, 3)."""
        change = self.inverse @ (self.jacobian @ error[..., None])
        return _inverse_of_step(change[..., 0])


def _compared(template: Floats, image: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The error that a step should lessen, and the correlation, both without the worst tiles."""
    agreeing = _without_worst(template, image, inside)
    one, other = _normalised(template, agreeing), _normalised(image, agreeing)
    enough = inside.mean(axis=1) >= _MIN_OVERLAP
    return other - one, np.where(enough, (one * other).sum(axis=1), np.float32(-1))


def _judged(
    first: Floats, second: Floats, here: Floats, there: Floats, inner: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """The likeness of pairs that are aligned, and how much texture they lack, 0 to 1."""
    grid = _grid(_JUDGED)
    places = _times(here, grid), _times(there, grid)
    one, _ = _sampled(first, places[0])
    other, inside = _sampled(second, places[1])
    enough = inside.mean(axis=1) >= _MIN_OVERLAP
    inside &= _within(places[0], inner[0]) & _within(places[1], inner[1])
    score, lack = _patchwise(one, other, inside)
    return np.where(enough, score, np.float32(-1)), lack


def _patchwise(one: Floats, other: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The mean correlation within patches, weighted by their texture, without the worst.

    Less what is left to doubt where few patches have texture; and how few these are.
    """
    held = _patches(inside.astype(np.float32))
    area = np.maximum(held.sum(axis=2), 1)
    centred = []
    for values in _evened(one, other, inside):
        patches = _patches(values)
        mean = np.einsum("npk,npk->np", patches, held) / area
        centred.append((patches - mean[..., None]) * held)
    variances = [np.einsum("npk,npk->np", patches, patches) / area for patches in centred]
    shared = np.einsum("npk,npk->np", *centred) / area
    correlation = shared / np.sqrt((variances[0] + _NOISE) * (variances[1] + _NOISE))
    texture = np.sqrt(np.maximum(*variances))
    is_seen = area > _PATCH**2 / 2
    weights = np.where(is_seen & (texture > _MIN_TEXTURE), np.minimum(texture, _FULL_TEXTURE), 0)
    faint = np.where(is_seen & (texture <= _FAINT), area, 0)
    lack = np.clip(1 - weights.sum(axis=1) / _FULL_EVIDENCE, 0, 1)
    doubt = _doubt(lack, faint > 0, _pooled(shared, variances, faint))
    return _mean_of_best(correlation, weights) - doubt, lack


def _pooled(shared: Floats, variances: Sequence[Floats], weights: Floats) -> Floats:
    """One correlation over all patches of a pair together; shape (n,)."""
    one, other = ((variance * weights).sum(axis=1) + 0.2 for variance in variances)
    return np.asarray((shared * weights).sum(axis=1) / np.sqrt(one * other), np.float32)


def _doubt(lack: Floats, is_faint: NDArray[np.bool_], agreement: Floats) -> Floats:
    """What outlines alone leave open, unless even the faintest detail within them agrees.

    Two plain shirts of one cut have the same few edges, and a copy of one has them too; but
    in a copy the folds agree as well.
    """
    open_ = _FAINT_DOUBT * is_faint.mean(axis=1) + _FEW_DOUBT * lack
    return np.asarray(open_ * (1 - np.clip(agreement, 0, 1)), np.float32)


def _evened(one: Floats, other: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Give both pictures of a pair one contrast: the mean of theirs, but not too faint a one."""
    deviations = []
    for values in (one, other):
        unit = _normalised(values, inside)
        count = np.maximum(inside.sum(axis=1), 1)
        deviations.append(np.einsum("np,np->n", unit, values) / np.sqrt(count))
    low, high = (np.maximum(deviation, 1.0) for deviation in deviations)
    common = np.maximum(np.sqrt(low * high), _MIN_CONTRAST)
    return one * (common / low)[:, None], other * (common / high)[:, None]


def _mean_of_best(values: Floats, weights: Floats) -> Floats:
    """The weighted mean of each row without its lowest values; 0 where nothing has weight."""
    order = np.argsort(values, axis=1, kind="stable")
    values, weights = (np.take_along_axis(table, order, axis=1) for table in (values, weights))
    rising = np.cumsum(weights, axis=1)
    weights = np.where(rising > _UNHEARD * rising[:, -1:], weights, 0)
    return np.asarray((values * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-6))


def _patches(values: Floats) -> Floats:
    """Cut squares of samples into patches; shape (n, patches, samples)."""
    count, per_side = len(values), _JUDGED // _PATCH
    cut = values.reshape(count, per_side, _PATCH, per_side, _PATCH)
    return cut.transpose(0, 1, 3, 2, 4).reshape(count, per_side**2, _PATCH**2)


def _bending(
    here: Floats, there: Floats, lack: Floats, *, aspects: tuple[Floats, Floats]
) -> Floats:
    """What the map from picture to picture costs in shear, turn and stretch.

    A copy keeps the shape of what it shows, as where bars make a photo a square; or all of it
    was made to fit a frame of another shape, as its thumbnail is. The lesser stretch counts, and
    where texture lacks, the other a little.
    """
    step = np.abs((there @ np.linalg.inv(here))[:, :2, :2])
    is_turned = step[:, 0, 1] + step[:, 1, 0] > step[:, 0, 0] + step[:, 1, 1]
    step = np.where(is_turned[:, None, None], step[:, ::-1], step)
    skew = np.maximum(step[:, 0, 1], step[:, 1, 0])
    across, down = (np.maximum(step[:, axis, axis], 1e-3) for axis in (0, 1))
    squeezed = np.log(across / down)
    turn = np.where(is_turned, -1, 1)
    shown = np.abs(squeezed + turn * np.log(aspects[1]) - np.log(aspects[0]))
    stretch = np.minimum(np.abs(squeezed), shown)
    doubt = _SQUEEZE_DOUBT * lack * (shown - stretch)
    return np.asarray(_SKEW_COST * skew + _STRETCH_COST * stretch + doubt, np.float32)


def _without_worst(one: Floats, other: Floats, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The places inside but for those in the tiles that differ most; shape (n, points)."""
    error = (_normalised(one, inside) - _normalised(other, inside)) ** 2
    side = math.isqrt(one.shape[1])
    tile = side // _TILES
    across = _summed(error.reshape(-1, tile))
    tiles = _summed(across.reshape(-1, _TILES, tile, _TILES).swapaxes(-1, -2))
    tiles = tiles.reshape(-1, _TILES**2)
    worst = np.argpartition(tiles, -_LEFT_OUT, axis=1)[:, -_LEFT_OUT:]
    good = np.ones(tiles.shape, bool)
    np.put_along_axis(good, worst, False, axis=1)
    return inside & good[:, _tile_of(side)]


def _summed(values: Floats) -> Floats:
    """The sums over the last, short axis: numpy's own take three times as long."""
    total = values[..., 0].copy()
    for nth in range(1, values.shape[-1]):
        total += values[..., nth]
    return total


@functools.cache
def _tile_of(side: int) -> NDArray[np.int64]:
    """The tile in which each point of a square grid lies."""
    nth = np.arange(side) * _TILES // side
    return np.asarray(nth[:, None] * _TILES + nth).ravel()


def _within(places: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Which places lie in a box each; shape (n, points)."""
    across, down = places[:, 0], places[:, 1]
    left, top, right, bottom = (edge[:, None] for edge in boxes.T)
    held = (across >= left) & (across <= right) & (down >= top) & (down <= bottom)
    return np.asarray(held, bool)


def _halved(pictures: NDArray[np.uint8]) -> Floats:
    rows = pictures[:, ::2].astype(np.float32) + pictures[:, 1::2]
    return np.asarray((rows[:, :, ::2] + rows[:, :, 1::2]) / 4, np.float32)


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
