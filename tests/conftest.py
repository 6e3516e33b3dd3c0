"""What tests of more than one stage share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from scraper.standin.pictures import PictureRecipe, draw

settings.register_profile("bestiary", deadline=None)  # Machines are busy; nothing here is timed.
settings.load_profile("bestiary")


@pytest.fixture(scope="session")
def drawn_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of drawn pictures, few and small, with copies and broken files."""
    directory = tmp_path_factory.mktemp("drawn") / "pictures"
    recipe = PictureRecipe(per_species=16, max_side_px=900)
    for _ in draw(directory, recipe=recipe):
        pass
    return directory
