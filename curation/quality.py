"""Quality: how good a picture is, measured once from the small decoded version.

Measures are kept in the manifest; what they mean is the recipe's to say (`curation.flags`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

VERSION: Final = 1
"""Rises when the same picture may get other measures: what was kept under another is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How good a picture is, from its small version."""

    brightness: float
    """Mean, 0 to 1."""
    contrast: float
    """Standard deviation, 0 to 0.5."""
    sharpness: float
    """Mean step between neighbouring pixels over the standard deviation; low when blurred."""
    entropy: float
    """Of the histogram, 0 to 8 bits."""


def measure(picture: Image.Image, grey: Image.Image) -> Measures:  # noqa: ARG001
    """Measure a small upright RGB picture, given in grey too."""
    counts = np.asarray(grey.histogram(), np.float64)
    shares = counts[counts > 0] / counts.sum()
    values = np.asarray(grey, np.float32)
    deviation = float(values.std())
    steps = [
        float(np.abs(np.diff(values, axis=axis)).mean())
        for axis in (0, 1)
        if values.shape[axis] > 1
    ]
    return Measures(
        brightness=round(float(values.mean()) / 255, 4),
        contrast=round(deviation / 255, 4),
        sharpness=round(sum(steps) / max(1, len(steps)) / max(deviation, 1.0), 4),
        entropy=round(float(-(shares * np.log2(shares)).sum()), 4),
    )
