"""Parts of a scene that lie elsewhere, and what only looks so."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curation.moved import has_moved

EVERYWHERE = np.ones((64, 64), bool)
SUBJECT = (slice(16, 48), slice(12, 52))


def scene(across: float = 0, down: float = 0, *, wider: float = 0) -> np.ndarray:
    """Detail all over, taken from so many half samples further on, and up to so many wider."""
    rough = np.random.default_rng(5).integers(40, 215, (24, 24), np.uint8)
    fine = Image.fromarray(rough).resize((192, 192), Image.Resampling.BICUBIC)
    box = (32 + across - wider, 32 + down, 160 + across, 160 + down)
    return np.array(fine.resize((64, 64), Image.Resampling.BILINEAR, box=box)).astype(np.int64)


def with_part(
    where: tuple[slice, slice], other: np.ndarray, backdrop: np.ndarray | None = None
) -> np.ndarray:
    shot = scene() if backdrop is None else backdrop.copy()
    shot[where] = other[where]
    return shot


def seem_moved(shot: np.ndarray, shared: np.ndarray = EVERYWHERE) -> bool:
    return has_moved(scene(), shot, shared) and has_moved(shot, scene(), shared)


@pytest.mark.parametrize(("across", "down"), [(2, 0), (0, -2), (1.5, 1.5), (3, 0)])
def test_a_subject_that_took_a_step_has_moved(across, down):
    assert seem_moved(with_part(SUBJECT, scene(across, down)))


def test_a_subject_that_drew_the_rest_along_has_moved():
    assert seem_moved(with_part(SUBJECT, scene(2, 0), scene(wider=2)))
    assert not seem_moved(scene(wider=2))


def test_a_smaller_stride_is_none():
    assert not seem_moved(with_part(SUBJECT, scene(0.8, 0)))


def test_where_all_lies_off_nothing_has_moved():
    assert not seem_moved(scene(2, 0))


def test_what_lies_along_an_edge_or_is_small_has_not_moved():
    assert not seem_moved(with_part((slice(0, 64), slice(0, 18)), scene(2, 0)))
    assert not seem_moved(with_part((slice(26, 36), slice(26, 36)), scene(2, 0)))


def test_what_came_nearer_and_took_no_step_has_not_moved():
    rough = np.random.default_rng(5).integers(40, 215, (24, 24), np.uint8)
    fine = Image.fromarray(rough).resize((192, 192), Image.Resampling.BICUBIC)
    nearer = fine.resize((64, 64), Image.Resampling.BILINEAR, box=(39, 39, 153, 153))
    assert not seem_moved(with_part(SUBJECT, np.array(nearer).astype(np.int64)))


def test_other_things_there_or_print_have_not_moved():
    rng = np.random.default_rng(1)
    assert not seem_moved(with_part(SUBJECT, rng.integers(40, 215, (64, 64))))
    printed = scene()
    printed[18:46:4, 12:52] = 255
    assert not seem_moved(printed)


def test_what_only_one_picture_has_tells_nothing():
    shared = EVERYWHERE.copy()
    shared[SUBJECT] = False
    assert not seem_moved(with_part(SUBJECT, scene(2, 0)), shared)


def test_a_plain_backdrop_does_not_show_that_it_lies_where_it_lay():
    shots = [np.full((64, 64), 128) for _ in range(2)]
    for shot, seen in zip(shots, (scene(), scene(2, 0)), strict=True):
        shot[SUBJECT] = seen[SUBJECT]
    assert not has_moved(*shots, EVERYWHERE)


def test_what_changed_more_than_it_moved_has_not_moved():
    changed = scene(3, 0) + np.random.default_rng(2).normal(0, 32, (64, 64)).astype(np.int64)
    assert not seem_moved(with_part(SUBJECT, changed))


def test_windows_of_which_the_pictures_share_little_tell_nothing():
    shared = EVERYWHERE.copy()
    shared[::2] = False
    assert not seem_moved(with_part(SUBJECT, scene(2, 0)), shared)
