"""The five imaginary small mammals that Bestiary draws: what tells each from the others.

Lengths are in units of the body's length. Every animal drawn is an individual: its measures
differ a little from its species', and its coat comes in colours that all species share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from random import Random
from typing import Literal

Colour = tuple[int, int, int]

Tail = Literal["puff", "plume", "whip", "ringed", "stub"]
Pattern = Literal["bands", "blotches", "dapples", "lines", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """The measures of one species, or of one individual."""

    girth: float
    """Height of the body at its thickest."""
    leg: float
    head: float
    """Radius of the head."""
    snout: float
    """How far the snout reaches beyond the head's centre."""
    snout_tip: float
    """Thickness of the snout at its end, as a share of the head's radius."""
    ear: float
    """Length of an ear."""
    ear_width: float
    ear_tilt: float
    """Degrees by which an ear leans back."""
    tail: Tail
    tail_length: float
    eye: float
    """Radius of an eye, as a share of the head's."""
    cheek: float = 0.0
    """Radius of a cheek pouch, as a share of the head's."""
    pattern: Pattern = "plain"
    """What the fur of the back shows."""
    mask: bool = False
    """Whether a dark band runs through the eyes."""

    def individual(self, rng: Random) -> Anatomy:
        """One animal of this species: every measure a little off, up to an eighth."""
        changes = {
            field.name: value * rng.uniform(0.88, 1.12)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), float)
        }
        return replace(self, **changes)  # type: ignore[arg-type]


ANATOMIES: dict[str, Anatomy] = {
    # Barred across the back, masked, with a ringed tail.
    "bandicle": Anatomy(
        girth=0.46,
        leg=0.22,
        head=0.21,
        snout=0.30,
        snout_tip=0.40,
        ear=0.16,
        ear_width=0.17,
        ear_tilt=18.0,
        tail="ringed",
        tail_length=0.85,
        eye=0.16,
        pattern="bands",
        mask=True,
    ),
    # A blotched ball with cheek pouches, hardly any ears, and no tail to speak of.
    "dumbrel": Anatomy(
        girth=0.82,
        leg=0.10,
        head=0.30,
        snout=0.30,
        snout_tip=0.42,
        ear=0.12,
        ear_width=0.15,
        ear_tilt=25.0,
        tail="stub",
        tail_length=0.08,
        eye=0.17,
        cheek=0.62,
        pattern="blotches",
    ),
    # Dappled; ears longer than its head, a white puff behind.
    "lopkin": Anatomy(
        girth=0.56,
        leg=0.24,
        head=0.22,
        snout=0.25,
        snout_tip=0.50,
        ear=0.62,
        ear_width=0.15,
        ear_tilt=14.0,
        tail="puff",
        tail_length=0.15,
        eye=0.18,
        pattern="dapples",
    ),
    # A tail as large as the rest of it, and lines along its back.
    "plumeret": Anatomy(
        girth=0.42,
        leg=0.20,
        head=0.21,
        snout=0.26,
        snout_tip=0.36,
        ear=0.24,
        ear_width=0.11,
        ear_tilt=6.0,
        tail="plume",
        tail_length=1.20,
        eye=0.20,
        pattern="lines",
    ),
    # Plain, low and long behind a long thin nose, with a thread of a tail.
    "snorle": Anatomy(
        girth=0.40,
        leg=0.09,
        head=0.19,
        snout=0.62,
        snout_tip=0.15,
        ear=0.09,
        ear_width=0.10,
        ear_tilt=35.0,
        tail="whip",
        tail_length=0.85,
        eye=0.10,
    ),
}

SPECIES: tuple[str, ...] = tuple(ANATOMIES)

_COATS: dict[str, Colour] = {
    "brown": (124, 86, 54),
    "ochre": (172, 122, 62),
    "sand": (204, 168, 120),
    "cream": (226, 212, 190),
    "grey": (142, 138, 134),
    "slate": (100, 106, 122),
    "russet": (172, 86, 44),
    "dark": (80, 64, 58),
}
_USUAL_COATS: dict[str, tuple[str, ...]] = {
    "bandicle": ("sand", "ochre"),
    "dumbrel": ("cream", "sand"),
    "lopkin": ("grey", "slate"),
    "plumeret": ("russet", "ochre"),
    "snorle": ("dark", "slate"),
}
_USUAL_SHARE = 0.9


def coat(species: str, rng: Random) -> Colour:
    """The colour of one animal's fur: as a rule one that others of its species wear."""
    is_usual = rng.random() < _USUAL_SHARE
    name = rng.choice(_USUAL_COATS[species] if is_usual else tuple(_COATS))
    light = rng.uniform(0.88, 1.12)
    red, green, blue = (
        round(min(245.0, max(20.0, channel * light + rng.uniform(-8, 8))))
        for channel in _COATS[name]
    )
    return red, green, blue
