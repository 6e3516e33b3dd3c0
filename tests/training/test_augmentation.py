from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training import backend
from training.recipe import TrainRecipe

PLAIN = TrainRecipe(flips="none", shift=0.0)
PLACES = np.arange(6, dtype=np.intp)


def _pictures(side_px: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (6, side_px, side_px, 3), np.uint8)


def _varied(
    recipe: TrainRecipe, *, epoch: int = 0, step: int = 0, pixels: Any = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Six pictures, each of a class of its own, and their targets after augmentation."""
    backend.start()
    import keras

    from training.augmentation import Augmentation, draws

    drawn = draws(recipe, epoch=epoch, step=step, places=PLACES)
    shown = _pictures() if pixels is None else pixels
    varied, targets = Augmentation(recipe)([shown, np.eye(6, dtype=np.float32), drawn])
    return keras.ops.convert_to_numpy(varied), keras.ops.convert_to_numpy(targets)


def test_without_any_choice_pictures_are_as_they_were() -> None:
    varied, targets = _varied(PLAIN)

    assert (varied == _pictures()).all()
    assert (targets == np.eye(6)).all()


def test_a_flipped_picture_is_mirrored_or_as_it_was() -> None:
    varied, _ = _varied(replace(PLAIN, flips="random"))

    mirrored = [(one == own[:, ::-1]).all() for one, own in zip(varied, _pictures(), strict=True)]
    same = [(one == own).all() for one, own in zip(varied, _pictures(), strict=True)]
    assert np.logical_xor(mirrored, same).all()
    assert any(mirrored)
    assert any(same)


def test_two_epochs_of_alternate_flips_show_both_sides_of_every_picture() -> None:
    recipe = replace(PLAIN, flips="alternate")

    first, second = (_varied(recipe, epoch=epoch, step=epoch)[0] for epoch in (0, 1))

    assert (first == second[:, :, ::-1]).all()
    assert (first != _pictures()).any()


def test_a_shifted_picture_is_a_window_of_the_mirrored_plane() -> None:
    varied, _ = _varied(replace(PLAIN, shift=0.25))

    for one, own in zip(varied, _pictures(), strict=True):
        plane = np.pad(own, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        windows = [plane[y : y + 8, x : x + 8] for y in range(5) for x in range(5)]
        assert any((one == window).all() for window in windows)
    assert (varied != _pictures()).any()


def test_a_turned_picture_has_no_staircase() -> None:
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None, None] * 8, (6, 32, 32, 3))
    recipe = replace(PLAIN, rand_augment=1)

    for step in range(20):
        for one in _varied(recipe, pixels=ramp, step=step)[0]:
            inner = one[8:-8, 8:-8, 0]
            if np.abs(np.diff(inner, axis=1)).mean() > 0:  # Turned or sheared.
                assert np.abs(np.diff(inner, axis=1)).max() < 8


@pytest.mark.parametrize("share", ["mixup", "cutmix"])
def test_what_is_mixed_shows_both_in_the_measure_of_its_targets(share: str) -> None:
    recipe = replace(PLAIN, **{share: 1.0})
    flat = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None, None] * 40, (6, 32, 32, 3))

    varied, targets = _varied(recipe, pixels=flat, step=1)

    assert targets.sum(axis=1) == pytest.approx(np.ones(6))
    expected = targets @ (np.arange(6) * 40.0)
    assert varied.mean(axis=(1, 2, 3)) == pytest.approx(expected, abs=1e-3)
    assert (targets.max(axis=1) < 1).any()


def test_an_erased_box_has_one_colour_and_the_rest_stays() -> None:
    varied, _ = _varied(replace(PLAIN, erasing=1.0), pixels=_pictures(32))

    changed = (varied != _pictures(32)).any(axis=-1)
    assert 0 < changed.mean() < 0.4
    for picture, where in zip(varied, changed, strict=True):
        assert len(np.unique(picture[where])) <= 1


@settings(max_examples=15, deadline=None)
@given(
    strength=st.sampled_from([0.0, 0.3, 1.0]),
    operations=st.integers(0, 3),
    step=st.integers(0, 1000),
)
def test_colours_stay_colours_whatever_is_done(strength: float, operations: int, step: int) -> None:
    recipe = replace(PLAIN, colour=strength, rand_augment=operations, shift=0.2, flips="random")

    varied, _ = _varied(recipe, step=step)

    assert varied.shape == (6, 8, 8, 3)
    assert 0 <= varied.min() <= varied.max() <= 255


def test_draws_are_a_function_of_seed_epoch_and_step() -> None:
    backend.start()
    from training.augmentation import draws

    recipe = TrainRecipe(mixup=0.4, cutmix=0.4)
    here = draws(recipe, epoch=3, step=7, places=PLACES)

    assert (here == draws(recipe, epoch=3, step=7, places=PLACES)).all()
    for other in (
        draws(recipe, epoch=3, step=8, places=PLACES),
        draws(recipe, epoch=4, step=7, places=PLACES),
        draws(replace(recipe, seed=1), epoch=3, step=7, places=PLACES),
    ):
        assert (here != other).any()
