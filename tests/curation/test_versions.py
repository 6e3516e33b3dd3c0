"""The lock names the libraries that had a part in a dataset, and no others."""

from __future__ import annotations

import pytest

from curation import lock
from curation.dataset import Row
from curation.recipe import CurationRecipe
from curation.versions import libraries_of
from tests.curation.making import curated, gathered, jpeg

BODIES = [("mouse", jpeg(n)) for n in range(6)] + [("shrew", jpeg(n)) for n in range(20, 26)]


@pytest.fixture
def with_heic(tmp_path, monkeypatch):
    """Call to have a version of pillow-heif installed, as far as can be told."""

    def install():
        record = tmp_path / "site/pillow_heif-99.0.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text("Name: pillow_heif\nVersion: 99.0\n")
        monkeypatch.syspath_prepend(record.parent)

    return install


def test_an_extra_that_read_nothing_leaves_the_lock_as_it_is(with_heic, tmp_path):
    harvest, locks = gathered(tmp_path / "harvest", BODIES), []
    for place in ("without", "with"):
        if place == "with":
            with_heic()
        dataset = curated(harvest, tmp_path / place / "dataset", CurationRecipe(side_px=64)).dataset
        locks.append(lock.lock_path(dataset.root).read_text("utf-8"))
    assert locks[0] == locks[1]


def test_what_reads_heic_is_named_where_a_heic_image_was_gathered(with_heic):
    with_heic()
    rows = [Row(digest="0" * 64, species="mouse", format=name) for name in ("JPEG", "HEIF")]
    assert libraries_of(rows)["pillow_heif"] == "99.0"
    assert libraries_of(rows[:1]).keys() == libraries_of(rows).keys() - {"pillow_heif"}
