"""Inspection: one look at an image's bytes that finds out all that curation wants to know.

A plain function of bytes and recipe: threads, processes or a cluster can call it alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation import reasons
from curation.decode import Header, decode
from curation.quality import Measures, measure
from curation.recipe import CurationRecipe
from curation.render import fitted, to_jpeg
from curation.signature import Signature, phash_of, sign

MOST_DECODER_BYTES = 450_000_000
"""What needs more memory than this is not decoded: a WebP from 27 megapixels on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """An image that can be used: its facts, its signature and its rendered file."""

    header: Header
    phash: str
    measures: Measures
    signature: Signature | None
    """None for a picture without features, which resembles nothing but its own bytes."""
    jpeg: bytes
    coded_bytes: int
    """What it takes, or would take, as a JPEG; see `curation.coding`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """An image that cannot be used, the reason why, and its header where there is one."""

    reason: str
    header: Header | None = None


def inspect(
    body: bytes, recipe: CurationRecipe, *, leaves_heavy: bool = False
) -> Inspected | Dropped:
    """Decode once, then judge, hash, measure and render. No bytes make this raise.

    Where `leaves_heavy`, what takes much memory is not decoded: its reason is `reasons.HEAVY`.
    """
    seen: list[Header] = []

    def refuse(header: Header) -> str:
        seen.append(header)
        left = reasons.HEAVY if leaves_heavy and header.is_heavy else ""
        return refusal(header, recipe) or left

    decoded = decode(body, recipe, refuse=refuse)
    if isinstance(decoded, str):
        return Dropped(reason=decoded, header=seen[0] if seen else None)
    grey = decoded.picture.convert("L")
    signature = sign(decoded.picture, grey)
    phash = phash_of(grey) if signature is None else signature.phash
    return Inspected(
        header=decoded.header,
        phash=f"{phash:016x}",
        measures=measure(decoded.picture),
        signature=signature,
        jpeg=to_jpeg(fitted(decoded.picture, recipe), recipe),
        coded_bytes=decoded.coded_bytes,
    )


def refusal(header: Header, recipe: CurationRecipe) -> str:
    """Why an image of this size is not wanted; empty when it is."""
    size = f"{header.width} × {header.height} px"
    if header.width * header.height > recipe.max_pixels:
        return f"{reasons.TOO_LARGE}: {size}"
    if header.decoder_bytes > MOST_DECODER_BYTES:
        return f"{reasons.TOO_LARGE}: {size} of {header.format} take too much memory"
    shorter, longer = sorted((header.width, header.height))
    if shorter < recipe.min_side_px:
        return f"{reasons.TOO_SMALL}: {size}"
    if longer > shorter * recipe.max_aspect:
        return f"{reasons.TOO_NARROW}: {size}"
    return ""
