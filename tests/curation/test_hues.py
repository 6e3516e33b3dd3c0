"""Colours that go along with each other, more or less, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from curation.hues import accord

SIDE = 16
EVERYWHERE = np.ones((1, SIDE**2), bool)


def places() -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([(x.ravel() + 0.5) / SIDE, (y.ravel() + 0.5) / SIDE, np.ones(SIDE**2)])[None]


def tinted(share: float, *, strength: float = 0.4) -> np.ndarray:
    """Red and blue where the first pattern has them, for this share, and for the rest a second."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    first, second = 1 - 2 * (x // 4 % 2), 1 - 2 * (y // 4 % 2)
    hue = strength * (share * first + np.sqrt(1 - share**2) * second)
    shot = np.full((SIDE, SIDE, 3), 110.0)
    shot[..., 0] *= np.exp(hue)
    shot[..., 2] *= np.exp(-hue)
    return shot[None].astype(np.uint8)


@pytest.mark.parametrize(
    ("share", "apart"), [(1, 0), (0.8, 0), (0.6, 0.2), (0.3, 0.6), (0, 1), (-1, 1)]
)
def test_the_less_colours_go_along_with_each_other_the_farther_apart_they_are(share, apart):
    found = accord(tinted(1), tinted(share), (places(), places()), EVERYWHERE)
    assert found.apart == pytest.approx([apart], abs=0.06)
    assert found.one_is_grey == [0]


def test_a_grey_copy_is_grey_and_nothing_else():
    grey = np.full((1, SIDE, SIDE, 3), 110, np.uint8)
    found = accord(tinted(1), grey, (places(), places()), EVERYWHERE)
    assert (found.apart, found.one_is_grey) == ([0], [1])


def test_faint_colours_clash_as_bright_ones_do():
    found = accord(tinted(1, strength=0.08), tinted(-1), (places(), places()), EVERYWHERE)
    assert (found.apart, found.one_is_grey) == ([1], [0])


def test_a_pale_copy_has_the_hues_of_the_other_and_is_not_grey_beside_it():
    found = accord(tinted(1, strength=0.02), tinted(1), (places(), places()), EVERYWHERE)
    assert (found.apart, found.one_is_grey) == ([0], [0])
