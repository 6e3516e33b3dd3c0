"""Harvests that several tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from tests.curation.making import EIGHT_OF_EACH, encoded, gathered, jpeg, picture


@pytest.fixture(scope="session")
def shrews_and_mice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A harvest of two species, with a copy, a look-alike, a conflict and two broken files."""
    mirrored = picture(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((80, 60))
    shrews = [jpeg(seed) for seed in range(12)] + [jpeg(2), encoded(mirrored), b"", jpeg(50)[:900]]
    mice = [jpeg(seed, (72, 96)) for seed in range(20, 28)] + [jpeg(5), b"<html>no</html>"]
    images = [("shrew", body) for body in shrews] + [("mouse", body) for body in mice]
    return gathered(tmp_path_factory.mktemp("gathered") / "harvest", images)


@pytest.fixture
def make_harvest(tmp_path: Path) -> Callable[[Iterable[tuple[str, bytes]]], Path]:
    def make(images: Iterable[tuple[str, bytes]]) -> Path:
        return gathered(tmp_path / "harvest", images)

    return make


@pytest.fixture
def harvest(tmp_path):
    """Eight mice and eight shrews."""
    return gathered(tmp_path / "harvest", EIGHT_OF_EACH)
