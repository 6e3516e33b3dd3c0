"""Verifying tells what happened to a file, and misses nothing."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from curation import lock
from curation.dataset import MANIFEST, Dataset, write_manifest
from curation.recipe import CurationRecipe
from curation.verification import file_count, verified
from scraper.harvest import Harvest
from tests.curation.making import curated, encoded, gathered, jpeg, picture


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    bodies = [("shrew", jpeg(n)) for n in range(40)] + [("mouse", jpeg(n)) for n in range(50, 60)]
    gathered(folder / "harvest", [*bodies, ("shrew", b"broken")])
    curated(folder / "harvest", folder / "dataset")
    return folder


@pytest.fixture(params=["pad", "crop", "stretch"])
def fitted(request, shrews_and_mice, tmp_path):
    curated(shrews_and_mice, tmp_path / "dataset", CurationRecipe(fit=request.param, side_px=96))
    return Dataset.open(tmp_path / "dataset")


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def found(dataset, harvest=None, workers=1):
    return [
        (one.kind, one.path)
        for checked in verified(dataset, harvest=harvest, workers=workers)
        for one in checked.differences
    ]


def test_every_file_is_counted_and_an_intact_dataset_and_harvest_differ_in_nothing(made):
    dataset = Dataset.open(made / "dataset")
    with Harvest.open(made / "harvest") as harvest:
        checks = list(verified(dataset, harvest=harvest, workers=2))
    assert sum(one.files for one in checks) == file_count(dataset, with_originals=True) == 50 + 51
    assert not any(one.differences for one in checks)


@pytest.mark.parametrize("quality", [95, 80, 60])
def test_a_picture_that_was_compressed_again_is_told_from_a_corrupt_one(
    fitted, quality, shrews_and_mice
):
    again, other, cut, small = fitted.images("train")[:4]
    with Image.open(fitted.path(again)) as image:
        fitted.path(again).write_bytes(encoded(image.copy(), quality=quality))
    fitted.path(other).write_bytes(encoded(picture(99, (96, 96))))
    fitted.path(cut).write_bytes(fitted.path(cut).read_bytes()[:900])
    fitted.path(small).write_bytes(jpeg(4, (40, 40)))

    alone = dict(map(reversed, found(fitted)))
    with Harvest.open(shrews_and_mice) as harvest:
        with_originals = dict(map(reversed, found(fitted, harvest)))

    assert with_originals == {
        again.file: "re-encoded",
        **dict.fromkeys([other.file, cut.file, small.file], "corrupt"),
    }
    if fitted.recipe.fit == "crop":  # Its middle has another hash than the whole.
        with_originals |= {again.file: "changed", other.file: "changed"}
    assert alone == with_originals


def test_a_file_with_other_metadata_has_the_same_pixels(copy):
    dataset = Dataset.open(copy / "dataset")
    row = dataset.images("test")[0]
    body = dataset.path(row).read_bytes()
    comment = b"\xff\xfe\x00\x07hello"
    dataset.path(row).write_bytes(body[:2] + comment + body[2:])
    with Harvest.open(copy / "harvest") as harvest:
        (difference,) = [
            one for check in verified(dataset, harvest=harvest) for one in check.differences
        ]
    assert difference.kind == "re-encoded"
    assert "its pixels are the rendered ones" in difference.detail


def test_originals_are_missing_corrupt_or_the_same_picture_in_other_bytes(copy):
    dataset = Dataset.open(copy / "dataset")
    gone, rotten, tagged = sorted(row.digest for row in dataset.images("train"))[:3]
    with Harvest.open(copy / "harvest") as harvest:
        harvest.path(gone).unlink()
        for digest in (rotten, tagged):
            harvest.path(digest).chmod(0o644)
        harvest.path(rotten).write_bytes(harvest.path(rotten).read_bytes()[:-400])
        body = harvest.path(tagged).read_bytes()
        harvest.path(tagged).write_bytes(body[:2] + b"\xff\xfe\x00\x04hi" + body[2:])
        kinds = found(dataset, harvest)
    assert [kind for kind, _ in kinds] == ["missing", "corrupt", "re-encoded"]
    assert [path for _, path in kinds] == [
        f"images/{digest[:2]}/{digest[2:]}" for digest in (gone, rotten, tagged)
    ]


def test_the_number_of_workers_changes_nothing(copy):
    dataset = Dataset.open(copy / "dataset")
    for row in [row for row in dataset.rows if row.kept][::3]:
        dataset.path(row).write_bytes(io.BytesIO(b"x").getvalue())
    assert found(dataset, workers=1) == found(dataset, workers=2) == found(dataset, workers=8)
    assert len(found(dataset)) == 17


def test_a_group_that_someone_tore_apart_by_hand_is_found_even_if_the_lock_agrees(copy):
    dataset = Dataset.open(copy / "dataset")
    train, test = dataset.images("train")[0], dataset.images("test")[0]
    rows = tuple(
        replace(row, group="together") if row in {train, test} else row for row in dataset.rows
    )
    write_manifest(copy / "dataset" / MANIFEST, rows, dataset.recipe)
    from curation.dataset import identity

    path = copy / "datasets.lock"
    lock.write_entry(path, "dataset", {**identity(rows, dataset.recipe), "libraries": {}})
    assert found(Dataset.open(copy / "dataset")) == [("torn", MANIFEST)]
