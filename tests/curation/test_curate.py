"""From a harvest to a dataset, and never less than that."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
from collections import Counter

import pytest
from PIL import Image

from curation import lock, reasons
from curation.curate import curate
from curation.dataset import MANIFEST
from curation.errors import DatasetError, EmptyHarvestError, LockMismatchError
from curation.recipe import CurationRecipe
from curation.review import Decision
from curation.stars import Compared
from scraper.harvest import Harvest
from tests.curation.making import (
    ALL_TRAIN,
    curated,
    encoded,
    gathered,
    grainy,
    jpeg,
    names_in,
    picture,
    tree,
)

HAS_DEEP_JPEGS = importlib.util.find_spec("imagecodecs") is not None
AS_OF_12_BITS = b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"


def test_every_record_has_a_row_and_every_dropped_one_a_reason(shrews_and_mice, tmp_path):
    dataset = curated(shrews_and_mice, tmp_path / "dataset").dataset
    with Harvest.open(shrews_and_mice) as harvest:
        assert len(dataset.rows) == harvest.count("kept")
    assert all(bool(row.reason) != row.kept for row in dataset.rows)
    assert Counter(reasons.word(row.reason) for row in dataset.rows) == {
        "": 19,
        reasons.NEAR_DUPLICATE: 1,
        reasons.CONFLICT: 2,
        reasons.EMPTY: 1,
        reasons.TRUNCATED: 1,
        reasons.NOT_AN_IMAGE: 1,
        reasons.DUPLICATE: 1,
    }


def test_kept_rows_have_their_files_and_provenance(shrews_and_mice, tmp_path):
    dataset = curated(shrews_and_mice, tmp_path / "dataset").dataset
    for row in dataset.rows:
        if row.kept:
            assert re.fullmatch(rf"{row.split}/{row.species}/{row.digest}\.jpg", row.file)
            assert row.page_url.endswith(".html")
            assert row.licence == "CC0"
            with Image.open(dataset.path(row)) as image:
                assert (image.size, image.mode) == ((224, 224), "RGB")
        else:
            assert (row.split, row.file, row.file_sha256) == (None, None, None)


def test_look_alikes_and_equal_bytes_share_a_group_named_after_the_smallest_digest(
    shrews_and_mice, tmp_path
):
    rows = curated(shrews_and_mice, tmp_path / "dataset").dataset.rows
    grouped = [row for row in rows if row.group]
    for name, found in itertools.groupby(
        sorted(grouped, key=lambda row: row.group), lambda row: row.group
    ):
        members = list(found)
        assert name == min(row.digest for row in members)[:12]
        assert len(members) == 2
        assert sum(row.kept for row in members) <= 1


def test_a_picture_of_two_species_is_dropped_from_both(make_harvest, tmp_path):
    smaller = encoded(picture(1).resize((80, 60)))
    fillers = [("shrew", jpeg(7)), ("mouse", jpeg(8))]
    harvest = make_harvest([("shrew", jpeg(1)), ("mouse", smaller), *fillers])
    rows = curated(harvest, tmp_path / "dataset", ALL_TRAIN).dataset.rows
    assert [(row.species, row.reason) for row in rows if not row.kept] == [
        ("mouse", "conflict: also under shrew"),
        ("shrew", "conflict: also under mouse"),
    ]


def test_many_copies_of_one_picture_are_compared_with_the_best_of_them(make_harvest, tmp_path):
    copies = [encoded(picture(1, (96 + n, 72 + n)), quality=70 + n) for n in range(24)]
    harvest = make_harvest([("shrew", body) for body in copies] + [("mouse", jpeg(7))])
    with Harvest.open(harvest) as opened:
        outcomes = list(curate(opened, tmp_path / "d", recipe=CurationRecipe(), workers=1))
    steps = [outcome for outcome in outcomes if isinstance(outcome, Compared)]
    assert sum(step.settled for step in steps) == steps[0].suggested
    assert sum(len(step.pairs) for step in steps) < 2 * len(copies)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_run_with_any_number_of_workers_gives_the_same_bytes(
    shrews_and_mice, tmp_path, workers
):
    curated(shrews_and_mice, tmp_path / "one" / "dataset")
    before = tree(tmp_path / "one")
    curated(shrews_and_mice, tmp_path / "one" / "dataset", workers=workers)
    assert tree(tmp_path / "one") == before
    assert names_in(tmp_path / "one") == ["dataset", "datasets.lock"]


def test_another_recipe_replaces_the_dataset(shrews_and_mice, tmp_path):
    first = curated(shrews_and_mice, tmp_path / "dataset").dataset
    recipe = CurationRecipe(side_px=32, fit="crop", splits=(0.5, 0.25, 0.25), seed=5)
    before = first.lock_digest
    second = curated(shrews_and_mice, tmp_path / "dataset", recipe).dataset
    assert second.recipe == recipe
    assert second.lock_digest != before
    assert second.verify() == ()
    with Image.open(second.path(second.images("test")[0])) as image:
        assert image.size == (32, 32)


def test_an_interrupted_run_leaves_the_old_dataset_whole(shrews_and_mice, tmp_path):
    curated(shrews_and_mice, tmp_path / "dataset")
    before = tree(tmp_path)
    with Harvest.open(shrews_and_mice) as harvest:
        work = curate(harvest, tmp_path / "dataset", recipe=CurationRecipe(side_px=64), workers=2)
        next(work)
        work.close()
    assert tree(tmp_path) == before


def test_what_a_killed_run_left_is_cleared_away(shrews_and_mice, tmp_path):
    (tmp_path / ".dataset.building/train").mkdir(parents=True)
    (tmp_path / ".dataset.building/train/half.jpg").write_bytes(b"half")
    curated(shrews_and_mice, tmp_path / "dataset")
    (tmp_path / "dataset").rename(tmp_path / ".dataset.old")
    assert curated(shrews_and_mice, tmp_path / "dataset").dataset.verify() == ()
    assert names_in(tmp_path) == ["dataset", "datasets.lock"]


@pytest.mark.parametrize(
    "name", ["notes.txt", "train/mouse/mine.jpg", ".thumbnails/mine.jpg", ".gitignore"]
)
def test_a_folder_with_anything_else_in_it_is_refused_and_left_alone(
    shrews_and_mice, tmp_path, name
):
    curated(shrews_and_mice, tmp_path / "dataset")
    (tmp_path / "dataset" / name).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match=name):
        curated(shrews_and_mice, tmp_path / "dataset")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_manifest_that_cannot_be_read_gives_no_leave_to_delete_pictures(
    shrews_and_mice, tmp_path, is_locked
):
    mine = tmp_path / "foreign/train/cat/mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(jpeg(1))
    (tmp_path / "foreign/manifest.parquet").write_text("hi")
    if is_locked:
        lock.write_entry(tmp_path / "datasets.lock", "foreign", {})
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match="mine.jpg" if is_locked else "choose another"):
        curated(shrews_and_mice, tmp_path / "foreign")
    assert tree(tmp_path) == before


def test_a_dataset_of_ours_with_a_broken_manifest_is_rebuilt(shrews_and_mice, tmp_path):
    dataset = curated(shrews_and_mice, tmp_path / "dataset").dataset
    before = tree(tmp_path)
    (dataset.root / MANIFEST).write_bytes(b"PAR1 and no more")
    curated(shrews_and_mice, tmp_path / "dataset")
    assert tree(tmp_path) == before


def test_what_file_managers_leave_behind_counts_for_nothing(shrews_and_mice, tmp_path):
    dataset = curated(shrews_and_mice, tmp_path / "dataset").dataset
    for name in (".DS_Store", "train/mouse/Thumbs.db", "val/._mouse", "desktop.ini"):
        (dataset.root / name).write_bytes(b"litter")
    assert dataset.verify() == ()
    assert curated(shrews_and_mice, tmp_path / "dataset").dataset.verify() == ()


def test_plain_pictures_of_the_same_pixels_are_one_and_a_conflict_across_species(tmp_path):
    plain = {shade: Image.new("RGB", (96, 72), (shade,) * 3) for shade in (90, 170)}
    bodies = [
        ("shrew", encoded(plain[90], "PNG")),
        ("shrew", encoded(plain[90], "BMP")),
        ("shrew", encoded(plain[170], "PNG")),
        ("mouse", encoded(plain[170], "BMP")),
        *(("mouse", jpeg(number)) for number in range(3)),
    ]
    harvest = gathered(tmp_path / "h", bodies)

    rows = curated(harvest, tmp_path / "d", ALL_TRAIN).dataset.rows

    plainly = [row for row in rows if row.format != "JPEG"]
    assert Counter(reasons.word(row.reason) for row in plainly) == {
        "": 1,
        "near-duplicate": 1,
        "conflict": 2,
    }

    (reason,) = (row.reason for row in plainly if "near" in row.reason)
    assert reason.endswith("of which the same picture is rendered")

    one, other = (row.digest for row in plainly if "conflict" in row.reason)
    distinct = Decision(digest=one, species="", decision="distinct", to=other)
    with Harvest.open(harvest) as opened:
        *_, last = curate(
            opened, tmp_path / "d", recipe=CurationRecipe(), workers=1, decisions=[distinct]
        )
    assert {one, other} <= {row.digest for row in last.dataset.rows if row.kept}


def test_originals_that_went_or_changed_since_they_were_looked_at_are_told(
    shrews_and_mice, tmp_path
):
    shutil.copytree(shrews_and_mice, tmp_path / "h")
    before = curated(tmp_path / "h", tmp_path / "dataset")
    assert not any("originals" in warning for warning in before.warnings)
    gone, grown, *_ = (row.digest for row in before.dataset.rows if row.split == "train")
    with Harvest.open(tmp_path / "h") as harvest:
        harvest.path(gone).unlink()
        with harvest.path(grown).open("ab") as file:
            file.write(b"more")

    again = curated(tmp_path / "h", tmp_path / "dataset")

    assert again.dataset.rows == before.dataset.rows
    (warning,) = (warning for warning in again.warnings if "originals" in warning)
    assert "another size than when they were looked at: 2;" in warning


def test_a_split_has_a_folder_for_every_species_so_that_labels_are_the_same_in_all(tmp_path):
    bodies = [("ant", jpeg(1)), *(("shrew", jpeg(number)) for number in range(2, 22))]
    harvest = gathered(tmp_path / "h", bodies)
    dataset = curated(harvest, tmp_path / "dataset").dataset
    for split in ("train", "val", "test"):
        assert sorted(path.name for path in (dataset.root / split).iterdir()) == ["ant", "shrew"]
    assert sum(1 for _ in dataset.root.glob("*/ant/*.jpg")) == 1
    assert dataset.verify() == ()
    assert curated(harvest, tmp_path / "dataset").dataset.verify() == ()


def test_a_folder_that_is_no_dataset_is_refused(shrews_and_mice, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/holiday.jpg").write_bytes(jpeg(1))
    with pytest.raises(DatasetError, match="no dataset"):
        curated(shrews_and_mice, tmp_path / "photos")
    assert (tmp_path / "photos/holiday.jpg").exists()


def test_a_lock_that_cannot_be_read_stops_the_work_before_it_begins(shrews_and_mice, tmp_path):
    (tmp_path / "datasets.lock").write_text("<<<<<<< HEAD")
    with pytest.raises(LockMismatchError, match="not a readable lock"):
        curated(shrews_and_mice, tmp_path / "dataset")
    assert [path.name for path in tmp_path.iterdir()] == ["datasets.lock"]


def test_an_empty_folder_may_become_a_dataset(shrews_and_mice, tmp_path):
    (tmp_path / "dataset").mkdir()
    assert curated(shrews_and_mice, tmp_path / "dataset").dataset.rows


def test_a_harvest_with_nothing_usable_is_an_error_that_counts_why(make_harvest, tmp_path):
    with pytest.raises(EmptyHarvestError, match="has no image yet"):
        curated(make_harvest([]), tmp_path / "dataset")
    with pytest.raises(EmptyHarvestError, match="1 empty file, 1 not an image"):
        curated(make_harvest([("shrew", b""), ("shrew", b"text")]), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_species_that_lose_everything_are_named(make_harvest, tmp_path):
    images = [("shrew", jpeg(seed)) for seed in range(5)]
    warnings = curated(make_harvest([*images, ("vole", b"")]), tmp_path / "dataset").warnings
    assert any("no image is left of vole" in warning for warning in warnings)
    assert any("one species only" in warning for warning in warnings)


@pytest.mark.skipif(HAS_DEEP_JPEGS, reason="the extra deep-jpeg is installed")
def test_images_that_an_extra_would_read_are_told_with_its_name(make_harvest, tmp_path):
    deep = [jpeg(n).replace(*AS_OF_12_BITS) for n in range(2)]
    told = "2 × JPEG of 12 bits a sample (pip install bestiary[deep-jpeg])"
    harvest = make_harvest([("vole", deep[0]), ("shrew", deep[1]), ("shrew", jpeg(9))])
    warnings = curated(harvest, tmp_path / "dataset", ALL_TRAIN).warnings
    assert f"images that are not read here: {told}" in warnings
    with pytest.raises(EmptyHarvestError, match=re.escape(f"; not read here: {told}")):
        curated(gathered(tmp_path / "deep", [("vole", body) for body in deep]), tmp_path / "other")


def test_originals_that_changed_or_vanished_are_rows_with_a_reason(make_harvest, tmp_path):
    harvest = make_harvest([("shrew", jpeg(seed)) for seed in range(6)])
    with Harvest.open(harvest) as opened:
        gone, changed, *_ = (opened.path(r.sha256 or "") for r in opened.records("kept"))
    gone.unlink()
    changed.chmod(0o644)
    changed.write_bytes(jpeg(99))
    found = Counter(row.reason for row in curated(harvest, tmp_path / "dataset").dataset.rows)
    assert found == {"": 4, reasons.MISSING: 1, reasons.DAMAGED: 1}


def test_a_species_name_cannot_leave_the_dataset(make_harvest, tmp_path):
    harvest = make_harvest([("../mouse/x", jpeg(1)), ("Größe", jpeg(2))])
    dataset = curated(harvest, tmp_path / "dataset", ALL_TRAIN).dataset
    assert dataset.verify() == ()
    assert dataset.species == ("../mouse/x", "Größe")
    assert names_in(tmp_path) == ["dataset", "datasets.lock", "harvest"]


def test_a_copy_of_the_same_pixels_is_told_from_one_that_was_compressed_again(tmp_path):
    shot = grainy(1)
    bodies = [encoded(shot, "PNG"), encoded(shot, "BMP"), encoded(shot, quality=40)]
    harvest = gathered(tmp_path / "h", [("shrew", body) for body in bodies])
    rows = curated(harvest, tmp_path / "d", ALL_TRAIN).dataset.rows
    assert sorted(row.reason.partition(", ")[2] for row in rows) == [
        "",
        "less compressed",
        "of which the same picture is rendered",
    ]
