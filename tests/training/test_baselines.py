from __future__ import annotations

import numpy as np
import pytest

from training.baselines import (
    MAX_FILTERS,
    SIDE_PX,
    PatchClassifier,
    filter_count,
    shrunk,
)


def _stripes(count: int, *, side_px: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes that lie or stand, in random colours and places: no mean colour tells them."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int32)
    pixels = np.empty((count, side_px, side_px, 3), np.uint8)
    for place, label in enumerate(labels):
        wave = np.sin(np.arange(side_px) * 2 * np.pi / (side_px / 6) + rng.uniform(0, 6))
        stripes = wave[:, None] if label else wave[None, :]
        colour = rng.uniform(60, 190, 3)
        noisy = colour + 40 * stripes[..., None] + rng.normal(0, 25, (side_px, side_px, 3))
        pixels[place] = np.clip(noisy, 0, 255)
    return pixels, labels


@pytest.mark.parametrize("side_px", [32, 48])
def test_it_learns_from_few_pictures_what_no_colour_tells(side_px: int) -> None:
    pixels, labels = _stripes(30, side_px=side_px, seed=0)
    unseen, truth = _stripes(20, side_px=side_px, seed=1)

    said = PatchClassifier.fitted(pixels, labels, seed=0).say(unseen)

    assert (said == truth).mean() >= 0.9
    assert said.dtype == np.int32


def test_the_same_seed_gives_the_same_answers_and_no_pictures_give_none() -> None:
    pixels, labels = _stripes(12, side_px=32, seed=0)
    noise = np.random.default_rng(2).integers(0, 255, (8, 32, 32, 3)).astype(np.uint8)

    once, again = (PatchClassifier.fitted(pixels, labels, seed=5) for _ in range(2))

    assert (once.say(noise) == again.say(noise)).all()
    assert once.say(noise[:0]).shape == (0,)


def test_blank_pictures_are_no_trouble() -> None:
    pixels = np.zeros((6, 32, 32, 3), np.uint8)
    pixels[3:] = 200
    labels = np.array([0, 0, 0, 1, 1, 1], np.int32)

    assert PatchClassifier.fitted(pixels, labels, seed=0).say(pixels).shape == (6,)


def test_few_pictures_get_few_filters_and_many_no_more_than_the_most() -> None:
    assert filter_count(5) == 100
    assert filter_count(300) == 1200
    assert filter_count(100_000) == MAX_FILTERS


def test_pictures_are_shrunk_to_one_side_and_left_alone_where_they_have_it() -> None:
    large = np.full((1, 224, 224, 3), 77, np.uint8)

    assert shrunk(large).shape == (1, SIDE_PX, SIDE_PX, 3)
    assert (shrunk(large) == 77).all()
    assert (shrunk(large[:, :32, :32]) == 77).all()
