"""What can be had without a network, so that a network's score can be judged.

The baseline is after Coates, Lee and Ng (2011): small patches of the training pictures, drawn
at random and whitened, serve as filters; how strongly each answers in each quarter of a picture
is what a ridge classifier learns from. Nothing is trained by gradients, and nothing is chosen
but the ridge's strength, by leaving one picture out at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

SIDE_PX = 32
"""Pictures are shrunk to this: what a patch of a large picture shows is texture alone."""
PATCH_PX = 6
MAX_FILTERS = 1600
FILTERS_A_PICTURE = 4
"""Few pictures cannot feed many filters, and small datasets get their answer at once."""
MAX_TRAINING_PICTURES = 6000
"""More take their kernel out of memory; of more, so many are drawn at random."""

_WHITENED_ON = 40_000
_CONTRAST = 10.0
"""Added to the variance of a patch's values, 0-255, so that blank patches stay quiet."""
_FLATTEN = 0.01
"""Added to the variances that whitening divides by."""
_THRESHOLD = 1.0
"""Weaker answers of a filter count for nothing."""
_ALPHAS = np.logspace(1, 6, 11)
_AT_ONCE = 8
_ASKED = 500
"""Pictures whose answers are in memory together: 26 MB."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Filters:
    """Whitened patches, and how to whiten what they are held against."""

    mean: Floats
    weights: Floats
    """Shape (patch values, filters): whitening and filters in one."""


class PatchClassifier:
    """Whitened random patches under a ridge classifier; fitted once, then asked."""

    def __init__(self, filters: _Filters, scaling: Any, ridge: Any) -> None:
        self._filters, self._scaling, self._ridge = filters, scaling, ridge

    @classmethod
    def fitted(cls, pixels: Pixels, labels: NDArray[np.int32], *, seed: int) -> PatchClassifier:
        """Learn from pictures, shape (n, side, side, 3), and what they show, shape (n,)."""
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.preprocessing import StandardScaler

        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(labels))[:MAX_TRAINING_PICTURES])
        small = shrunk(pixels[chosen])
        filters = _drawn_filters(small, count=filter_count(len(small)), rng=rng)
        scaling = StandardScaler()
        answers = scaling.fit_transform(_answers(small, filters))
        ridge = RidgeClassifierCV(_ALPHAS, class_weight="balanced").fit(answers, labels[chosen])
        return cls(filters, scaling, ridge)

    def say(self, pixels: Pixels) -> NDArray[np.int32]:
        """What each picture shows, shape (n,)."""
        if not len(pixels):
            return np.empty(0, np.int32)
        parts = (pixels[first : first + _ASKED] for first in range(0, len(pixels), _ASKED))
        return np.concatenate([self._say(part) for part in parts])

    def _say(self, pixels: Pixels) -> NDArray[np.int32]:
        answers = self._scaling.transform(_answers(shrunk(pixels), self._filters))
        said: NDArray[np.int32] = self._ridge.predict(answers)
        return said.astype(np.int32)


def filter_count(pictures: int) -> int:
    """How many patches serve as filters for so many training pictures."""
    return min(MAX_FILTERS, max(100, FILTERS_A_PICTURE * pictures))


def shrunk(pixels: Pixels) -> Floats:
    """The pictures at `SIDE_PX`, values 0-255, shape (n, SIDE_PX, SIDE_PX, 3)."""
    if pixels.shape[1] == SIDE_PX:
        return pixels.astype(np.float32)
    size, small = (SIDE_PX, SIDE_PX), np.empty((len(pixels), SIDE_PX, SIDE_PX, 3), np.float32)
    for place, picture in enumerate(pixels):
        small[place] = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    return small


def _patches(pictures: Floats) -> Floats:
    """Every patch of each picture, shape (n, places a side, places a side, values)."""
    windows = sliding_window_view(pictures, (PATCH_PX, PATCH_PX), axis=(1, 2))
    flat = np.ascontiguousarray(windows).reshape(*windows.shape[:3], -1)
    flat -= flat.mean(axis=-1, keepdims=True)
    flat /= np.sqrt(flat.var(axis=-1, keepdims=True) + _CONTRAST)
    return flat


def _drawn_filters(pictures: Floats, *, count: int, rng: np.random.Generator) -> _Filters:
    """Draw patches, learn from them how to whiten, and keep some as filters."""
    a_picture = max(1, _WHITENED_ON // len(pictures))
    drawn = [
        patches[rng.integers(0, len(patches), min(a_picture, len(patches)))]
        for picture in pictures
        for patches in [_patches(picture[None]).reshape(-1, PATCH_PX * PATCH_PX * 3)]
    ]
    sample = np.concatenate(drawn)
    mean = sample.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(sample - mean, rowvar=False).astype(np.float64))
    whitening = (axes / np.sqrt(np.maximum(variances, 0) + _FLATTEN)) @ axes.T
    white = (sample[rng.permutation(len(sample))[:count]] - mean) @ whitening
    white /= np.linalg.norm(white, axis=1, keepdims=True) + 1e-6
    return _Filters(mean=mean, weights=(whitening @ white.T).astype(np.float32))


def _answers(pictures: Floats, filters: _Filters) -> Floats:
    """How strongly each filter answers, for and against, in each quarter of each picture.

    It is the mean of a picture and its mirror image, which show the same animal.
    """
    parts = [pictures[first : first + _AT_ONCE] for first in range(0, len(pictures), _AT_ONCE)]
    with threadpool_limits(1):  # On many small products, threads cost more than they do.
        return np.concatenate(
            [(_answers_of(p, filters) + _answers_of(p[:, :, ::-1], filters)) / 2 for p in parts]
        )


def _answers_of(pictures: Floats, filters: _Filters) -> Floats:
    found = (_patches(pictures) - filters.mean) @ filters.weights
    middle = found.shape[1] // 2
    halves = (slice(None, middle), slice(middle, None))
    pooled = [
        np.maximum(sign * found[:, rows, columns] - _THRESHOLD, 0).mean(axis=(1, 2))
        for sign in (1, -1)
        for rows in halves
        for columns in halves
    ]
    return np.concatenate(pooled, axis=1).astype(np.float32)
