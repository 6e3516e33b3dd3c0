"""Augmentation: how training pictures are varied, on the device, as part of the training step.

Chance comes in as an argument. The host draws a few numbers for each picture, a function of
the seed and the step alone (`draws`), and a Keras layer works out what they mean, with the
same outcome on every backend. So nothing is lost when a training is killed, and what a
picture went through can be told afterwards.

Flips and shifts are one look-up of pixels, and RandAugment's movements a blend of four; what
would lie outside the picture is mirrored.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.recipe import TrainRecipe

Tensor = Any

FLIP, SHIFT_Y, SHIFT_X, BRIGHTNESS, CONTRAST, SATURATION = range(6)
ERASE, ERASE_Y, ERASE_X, ERASE_AREA, ERASE_ASPECT, ERASE_GREY = range(6, 12)
MIX, MIX_SHARE, MIX_Y, MIX_X = range(12, 16)
FIRST_OPERATION = 16
"""From here on each operation of RandAugment takes two: which, and in which direction."""

_HALF_TURN_SHARE = 30 / 180
_STRENGTH = 0.3
_ERASED_AREA = (0.02, 0.25)
_OPERATIONS = 9
"""Left alone, rotated, sheared (y, x), zoomed, brightness, contrast, saturation, solarised."""


def columns(recipe: TrainRecipe) -> int:
    """How many numbers are drawn for each picture."""
    return FIRST_OPERATION + 2 * recipe.rand_augment


def draws(
    recipe: TrainRecipe, *, epoch: int, step: int, places: NDArray[np.intp]
) -> NDArray[np.float32]:
    """The numbers that say how each picture of a batch is varied, in [0, 1).

    Args:
        recipe: With the seed, and whether flips take turns.
        epoch: Counted from 0.
        step: Of the epoch, counted from 0.
        places: Of the batch's pictures in the split.

    Returns:
        Shape (len(places), columns(recipe)).
    """
    rng = np.random.default_rng((recipe.seed, 1, epoch, step))
    drawn = rng.random((len(places), columns(recipe)), np.float32)
    if recipe.flips == "alternate":
        drawn[:, FLIP] = _turns(recipe.seed, places, epoch)
    # A batch is mixed as a whole, or not at all.
    drawn[:, MIX] = drawn[0, MIX]
    if recipe.mixup or recipe.cutmix:
        drawn[:, MIX_SHARE] = _mix_share(rng, drawn[0, MIX] < recipe.mixup)
    return drawn


def _turns(seed: int, places: NDArray[np.intp], epoch: int) -> NDArray[np.float32]:
    """0.25 to flip and 0.75 not to: by lot for each picture, then the other way each epoch."""
    lots = np.random.default_rng((seed, 2)).random(int(places.max()) + 1) < 0.5
    flips = lots[places] ^ (epoch % 2 == 1)
    return np.where(flips, np.float32(0.25), np.float32(0.75))


def _mix_share(rng: np.random.Generator, is_mixup: bool) -> float:
    """How much of a picture stays its own: mostly all of it in MixUp, anything in CutMix."""
    if not is_mixup:
        return float(rng.random(dtype=np.float32))
    share = rng.beta(0.4, 0.4)
    return float(max(share, 1 - share))


@keras.saving.register_keras_serializable("bestiary")
class Augmentation(keras.layers.Layer):  # type: ignore[misc]
    """Varies pictures and what they show: [pixels, targets, draws] in, [pixels, targets] out.

    Pixels are (n, height, width, 3) with values 0-255, and float32 when they leave; targets
    are (n, classes) and sum up to 1; draws are as `draws` returns them.
    """

    def __init__(self, recipe: TrainRecipe) -> None:
        super().__init__(trainable=False, dtype="float32", name="augmentation")
        self._recipe = recipe

    def call(self, inputs: list[Tensor]) -> list[Tensor]:
        """Vary a batch."""
        pixels, targets, drawn = inputs
        recipe = self._recipe
        pixels = _moved(pixels, drawn, recipe)
        pixels = ops.cast(pixels, "float32")
        if recipe.colour:
            pixels = _coloured(pixels, drawn[:, BRIGHTNESS : SATURATION + 1], recipe.colour)
        for number in range(recipe.rand_augment):
            pixels = _repainted(pixels, *_operation(drawn, number))
        if recipe.erasing:
            pixels = _erased(pixels, drawn, recipe.erasing)
        if recipe.mixup or recipe.cutmix:
            return _mixed(pixels, targets, drawn, recipe)
        return [pixels, targets]

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> list[Any]:
        """As Keras asks for it."""
        return [input_shape[0], input_shape[1]]


def _operation(drawn: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Which operation a picture's `number`th is, and how strong: both (n,), the second ±1."""
    first = FIRST_OPERATION + 2 * number
    return ops.floor(drawn[:, first] * _OPERATIONS), 2 * drawn[:, first + 1] - 1


def _moved(pixels: Tensor, drawn: Tensor, recipe: TrainRecipe) -> Tensor:
    """Pictures flipped, shifted by whole pixels, rotated, sheared and zoomed."""
    if recipe.flips == "none" and not recipe.shift and not recipe.rand_augment:
        return pixels
    _, height, width, _ = pixels.shape
    row, column = _centred_grid(height, width)
    for number in range(recipe.rand_augment):
        row, column = _bent(row, column, *_operation(drawn, number))
    if recipe.flips != "none":
        column = column * _each(ops.where(drawn[:, FLIP] < 0.5, -1.0, 1.0))
    row = row + (height - 1) / 2 + _each(_offset(drawn[:, SHIFT_Y], recipe.shift, height))
    column = column + (width - 1) / 2 + _each(_offset(drawn[:, SHIFT_X], recipe.shift, width))
    row, column = _mirrored(row, height), _mirrored(column, width)
    return (_blended if recipe.rand_augment else _looked_up)(pixels, row, column)


def _centred_grid(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows (1, height, 1) and columns (1, 1, width), counted from the centre."""
    row = ops.reshape(ops.arange(height, dtype="float32") - (height - 1) / 2, (1, height, 1))
    column = ops.reshape(ops.arange(width, dtype="float32") - (width - 1) / 2, (1, 1, width))
    return row, column


def _bent(row: Tensor, column: Tensor, which: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """Where to look for each pixel of a rotated, sheared or zoomed picture."""
    angle = _each(ops.where(which == 1, strength * math.pi * _HALF_TURN_SHARE, 0.0))
    shear_y = _each(ops.where(which == 2, strength * _STRENGTH, 0.0))
    shear_x = _each(ops.where(which == 3, strength * _STRENGTH, 0.0))
    zoom = _each(ops.where(which == 4, 1 + strength * _STRENGTH, 1.0))
    cosine, sine = ops.cos(angle) * zoom, ops.sin(angle) * zoom
    return (
        row * cosine + column * (sine + shear_y),
        column * cosine - row * (sine - shear_x),
    )


def _offset(drawn: Tensor, share: float, side: int) -> Tensor:
    """A whole number of pixels, each from -share to +share of the side as likely, (n,)."""
    most = round(share * side)
    return ops.floor(drawn * (2 * most + 1)) - most


def _mirrored(place: Tensor, side: int) -> Tensor:
    """Places brought back to 0 … side - 1, as if mirrors stood along the outermost pixels."""
    period = max(1, 2 * (side - 1))
    folded = ops.mod(place, period)
    return ops.minimum(folded, period - folded)


def _blended(pixels: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The pixels at (n, height, width) places, bilinear where those lie between pixels: of a
    turned picture of 32 px the nearest ones alone would be a staircase."""
    _, height, width, _ = pixels.shape
    top, left = ops.floor(row), ops.floor(column)
    down, right = ops.expand_dims(row - top, -1), ops.expand_dims(column - left, -1)
    below, beside = ops.minimum(top + 1, height - 1), ops.minimum(left + 1, width - 1)
    pixels = ops.cast(pixels, "float32")
    above = _looked_up(pixels, top, left) * (1 - right) + _looked_up(pixels, top, beside) * right
    under = (
        _looked_up(pixels, below, left) * (1 - right) + _looked_up(pixels, below, beside) * right
    )
    return above * (1 - down) + under * down


def _looked_up(pixels: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The pixels nearest to (n, height, width) places."""
    row, column = (ops.cast(ops.round(place), "int32") for place in (row, column))
    _, height, width, channels = pixels.shape
    count = ops.shape(pixels)[0]
    first = ops.reshape(ops.arange(count, dtype="int32"), (-1, 1, 1)) * (height * width)
    flat = ops.reshape(pixels, (-1, channels))
    return ops.take(flat, first + row * width + column, axis=0)


def _coloured(pixels: Tensor, drawn: Tensor, most: float) -> Tensor:
    """Pictures with another brightness, contrast and saturation."""
    factors = 1 + most * (2 * drawn - 1)
    return _saturated(_contrasted(pixels * _each(factors[:, 0], 4), factors[:, 1]), factors[:, 2])


def _contrasted(pixels: Tensor, factor: Tensor) -> Tensor:
    mean = ops.mean(pixels, axis=(1, 2, 3), keepdims=True)
    return _clipped(mean + (pixels - mean) * _each(factor, 4))


def _saturated(pixels: Tensor, factor: Tensor) -> Tensor:
    grey = ops.mean(pixels, axis=-1, keepdims=True)
    return _clipped(grey + (pixels - grey) * _each(factor, 4))


def _repainted(pixels: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """What of RandAugment changes colours; the factors go from 0.1 to 1.9, as its authors'."""
    factor = 1 + 0.9 * strength
    pixels = _clipped(pixels * _each(ops.where(which == 5, factor, 1.0), 4))
    pixels = _contrasted(pixels, ops.where(which == 6, factor, 1.0))
    pixels = _saturated(pixels, ops.where(which == 7, factor, 1.0))
    threshold = _each(ops.where(which == 8, 128 + 127 * ops.abs(strength), 256.0), 4)
    return ops.where(pixels < threshold, pixels, 255 - pixels)


def _erased(pixels: Tensor, drawn: Tensor, share: float) -> Tensor:
    """Pictures of which some have a grey box."""
    least, most = _ERASED_AREA
    area = least + (most - least) * drawn[:, ERASE_AREA]
    aspect = 3.0 ** (2 * drawn[:, ERASE_ASPECT] - 1)
    height = ops.where(drawn[:, ERASE] < share, ops.sqrt(area * aspect), 0.0)
    box = _box(
        pixels,
        (drawn[:, ERASE_Y], drawn[:, ERASE_X]),
        (height, ops.sqrt(area / aspect)),
    )
    return ops.where(box, _each(255 * drawn[:, ERASE_GREY], 4), pixels)


def _mixed(pixels: Tensor, targets: Tensor, drawn: Tensor, recipe: TrainRecipe) -> list[Tensor]:
    """Pictures mixed with their neighbours in the batch, all of them or none."""
    others, other_targets = ops.roll(pixels, 1, axis=0), ops.roll(targets, 1, axis=0)
    own = drawn[:, MIX_SHARE]
    is_mixup = drawn[:, MIX] < recipe.mixup
    is_cutmix = ops.logical_and(
        ops.logical_not(is_mixup), drawn[:, MIX] < recipe.mixup + recipe.cutmix
    )
    side = ops.where(is_cutmix, ops.sqrt(1 - own), 0.0)
    box = _box(pixels, (drawn[:, MIX_Y], drawn[:, MIX_X]), (side, side))
    blend = ops.where(is_mixup, own, 1.0)
    mixed = ops.where(box, others, pixels * _each(blend, 4) + others * _each(1 - blend, 4))
    covered = ops.mean(ops.cast(box, "float32"), axis=(1, 2, 3))
    kept = ops.reshape(blend - covered, (-1, 1))
    return [mixed, kept * targets + (1 - kept) * other_targets]


def _box(pixels: Tensor, centre: tuple[Tensor, Tensor], size: tuple[Tensor, Tensor]) -> Tensor:
    """Which pixels lie in a box; centres and sizes are shares of the side. (n, h, w, 1)."""
    inside = []
    for axis in (0, 1):
        side = pixels.shape[1 + axis]
        shape = (1, side, 1, 1) if axis == 0 else (1, 1, side, 1)
        place = ops.reshape((ops.arange(side, dtype="float32") + 0.5) / side, shape)
        inside.append(ops.abs(place - _each(centre[axis], 4)) < _each(size[axis] / 2, 4))
    return ops.logical_and(*inside)


def _each(values: Tensor, dimensions: int = 3) -> Tensor:
    """Values (n,) in a shape in which they apply to all of a picture."""
    return ops.reshape(values, (-1,) + (1,) * (dimensions - 1))


def _clipped(pixels: Tensor) -> Tensor:
    return ops.clip(pixels, 0.0, 255.0)
