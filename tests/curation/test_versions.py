"""The lock names the libraries that had a part in a dataset, and no others."""

from __future__ import annotations

import pytest

from curation import lock
from curation.dataset import Row
from curation.recipe import CurationRecipe
from curation.versions import libraries_of
from tests.curation.making import curated, gathered, jpeg

BODIES = [("mouse", jpeg(n)) for n in range(6)] + [("shrew", jpeg(n)) for n in range(20, 26)]


EXTRAS = [("pillow_heif", "HEIF"), ("imagecodecs", "JPEG16")]
"""Packages, and what they read."""


@pytest.fixture
def with_extras(tmp_path, monkeypatch):
    """Call to have versions of the packages that read more installed, as far as can be told."""

    def install():
        for name, _ in EXTRAS:
            record = tmp_path / f"site/{name}-99.0.dist-info"
            record.mkdir(parents=True)
            (record / "METADATA").write_text(f"Name: {name}\nVersion: 99.0\n")
        monkeypatch.syspath_prepend(record.parent)

    return install


def test_an_extra_that_read_nothing_leaves_the_lock_as_it_is(with_extras, tmp_path):
    harvest, locks = gathered(tmp_path / "harvest", BODIES), []
    for place in ("without", "with"):
        if place == "with":
            with_extras()
        dataset = curated(harvest, tmp_path / place / "dataset", CurationRecipe(side_px=64)).dataset
        locks.append(lock.lock_path(dataset.root).read_text("utf-8"))
    assert locks[0] == locks[1]


@pytest.mark.parametrize(("name", "image_format"), EXTRAS)
def test_an_extra_is_named_where_an_image_took_it(with_extras, name, image_format):
    with_extras()
    rows = [Row(digest="0" * 64, species="mouse", format=one) for one in ("JPEG", image_format)]
    assert libraries_of(rows)[name] == "99.0"
    assert libraries_of(rows[:1]).keys() == libraries_of(rows).keys() - {name}
