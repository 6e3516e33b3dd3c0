"""Inspection: one look at an image's bytes that finds out all that curation wants to know.

A plain function of bytes and recipe: threads, processes or a cluster can call it alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from curation import reasons
from curation.decode import Header, decode
from curation.recipe import CurationRecipe
from curation.render import fitted, to_jpeg
from curation.signature import Signature, phash_of, sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How good a picture is, from its small grey version."""

    brightness: float
    """Mean, 0 to 1."""
    contrast: float
    """Standard deviation, 0 to 0.5."""
    sharpness: float
    """Mean step between neighbouring pixels over the standard deviation; low when blurred."""
    entropy: float
    """Of the histogram, 0 to 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """An image that can be used: its facts, its signature and its rendered file."""

    header: Header
    phash: str
    measures: Measures
    signature: Signature | None
    """None for a picture without features, which resembles nothing but its own bytes."""
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """An image that cannot be used, the reason why, and its header where there is one."""

    reason: str
    header: Header | None = None


def inspect(body: bytes, recipe: CurationRecipe) -> Inspected | Dropped:
    """Decode once, then judge, hash, measure and render. No bytes make this raise."""
    seen: list[Header] = []

    def refuse(header: Header) -> str:
        seen.append(header)
        return refusal(header, recipe)

    decoded = decode(body, recipe, refuse=refuse)
    if isinstance(decoded, str):
        return Dropped(reason=decoded, header=seen[0] if seen else None)
    grey = decoded.picture.convert("L")
    signature = sign(grey)
    phash = phash_of(grey) if signature is None else signature.phash
    return Inspected(
        header=decoded.header,
        phash=f"{phash:016x}",
        measures=measure(grey),
        signature=signature,
        jpeg=to_jpeg(fitted(decoded.picture, recipe), recipe),
    )


def refusal(header: Header, recipe: CurationRecipe) -> str:
    """Why an image of this size is not wanted; empty when it is."""
    size = f"{header.width} × {header.height} px"
    shorter, longer = sorted((header.width, header.height))
    if shorter < recipe.min_side_px:
        return f"{reasons.TOO_SMALL}: {size}"
    if longer > shorter * recipe.max_aspect:
        return f"{reasons.TOO_NARROW}: {size}"
    return ""


def measure(grey: Image.Image) -> Measures:
    """Measure a small grey picture."""
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
