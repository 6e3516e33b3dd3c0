"""Verifying tells what happened to a file, and misses nothing."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from curation import lock
from curation.dataset import MANIFEST, Dataset, require_none, write_manifest
from curation.errors import LockMismatchError
from curation.likeness import rendered_change
from curation.recipe import CurationRecipe
from curation.render import to_jpeg
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


def kinds_of(body, row, recipe, original):
    """What a file is said to be with its original at hand, and without."""
    return [rendered_change(body, row, recipe, path)[0] for path in (original, None)]


@pytest.fixture(scope="module", params=["pad", "crop"])
def intact(request, made, tmp_path_factory):
    """Some rendered files, with their rows, originals, and the recipe."""
    root = tmp_path_factory.mktemp("intact") / "dataset"
    recipe = CurationRecipe(side_px=112, fit=request.param)
    dataset = curated(made / "harvest", root, recipe).dataset
    with Harvest.open(made / "harvest") as harvest:
        return [
            (dataset.path(row).read_bytes(), row, dataset.recipe, harvest.path(row.digest))
            for row in dataset.images("train")[:12]
        ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda body, place: body[:place] + bytes([body[place] ^ 4]) + body[place + 1 :],
        lambda body, place: body[:place] + bytes([body[place] ^ 255]) + body[place + 1 :],
        lambda body, place: body[:place] + bytes(min(512, len(body) - place)) + body[place + 512 :],
        lambda body, place: body[:-512] + bytes(512),
        lambda body, place: body[: max(place, 700)] + body[max(place, 700) + 64 :],
        lambda body, place: body[:place],
    ],
    ids=["bit", "byte", "zeros", "zeros at the end", "hole", "end lost"],
)
def test_damage_is_no_new_encoding(intact, damage):
    said = {
        tuple(kinds_of(damage(body, place), row, recipe, original))
        for body, row, recipe, original in intact
        for place in range(5, len(body) - 200, len(body) // 9)
    }
    assert said == {("corrupt", "corrupt")}


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 92, "subsampling": 2}),
        ("JPEG", {"quality": 60}),
        ("JPEG", {"quality": 92, "subsampling": 0, "optimize": True}),
        ("JPEG", {"quality": 92, "subsampling": 0, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 85}),
    ],
)
def test_a_new_encoding_is_no_damage(intact, format_, options):
    for body, row, recipe, original in intact:
        with Image.open(io.BytesIO(body)) as image:
            again = encoded(image.convert("RGB"), format_, **options)
        by_hash = "changed" if recipe.fit == "crop" else "re-encoded"
        assert kinds_of(again, row, recipe, original) == ["re-encoded", by_hash]


def test_a_picture_saved_again_with_the_settings_of_rendering_needs_its_original(intact):
    seen = 0
    for body, row, recipe, original in intact:
        with Image.open(io.BytesIO(body)) as image:
            again = to_jpeg(image.convert("RGB"), recipe)
        if again != body:
            assert kinds_of(again, row, recipe, original) == ["re-encoded", "corrupt"]
            seen += 1
    assert seen


@pytest.mark.parametrize(
    "tagged",
    [
        lambda body: body[:2] + b"\xff\xfe\x00\x07hello" + body[2:],
        lambda body: body[:20] + b"\xff\xe1\x00\x0aExif\0\0ab" + body[20:],
        lambda body: body[:13] + b"\x01\x00\x48\x00\x48" + body[18:],
        lambda body: body[:2] + body[20:],
        lambda body: body + b"\n\n",
    ],
    ids=["comment", "EXIF", "72 dpi", "stripped", "bytes after the end"],
)
def test_a_file_with_other_metadata_has_the_same_pixels(intact, tagged):
    for body, row, recipe, original in intact:
        for path in (original, None):
            kind, detail = rendered_change(tagged(body), row, recipe, path)
            assert kind == "re-encoded"
            assert "its pixels are the rendered ones" in detail


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


def test_a_comment_that_the_original_had_hides_no_damage(tmp_path):
    body = encoded(picture(1, (96, 96)), comment=b"taken at dawn")
    bodies = [("shrew", body), *(("shrew", jpeg(number)) for number in range(2, 9))]
    gathered(tmp_path / "harvest", bodies)
    recipe = CurationRecipe(side_px=64)
    dataset = curated(tmp_path / "harvest", tmp_path / "dataset", recipe).dataset
    digest = hashlib.sha256(body).hexdigest()
    (row,) = [row for row in dataset.rows if row.digest == digest]
    made = dataset.path(row).read_bytes()
    original = tmp_path / "harvest/images" / digest[:2] / digest[2:]
    flipped = made[:-300] + bytes([made[-300] ^ 4]) + made[-299:]
    assert kinds_of(flipped, row, recipe, original) == ["corrupt", "corrupt"]
    tagged = made[:2] + b"\xff\xfe\x00\x07hello" + made[2:]
    assert kinds_of(tagged, row, recipe, original)[0] == "re-encoded"


def test_an_original_of_the_same_length_is_damaged_though_it_renders_the_same(copy):
    dataset = Dataset.open(copy / "dataset")
    row = dataset.images("train")[0]
    with Harvest.open(copy / "harvest") as harvest:
        path = harvest.path(row.digest)
        path.chmod(0o644)
        body = path.read_bytes()
        path.write_bytes(body[:14] + b"\xff" + body[15:])  # Of its density, no pixel's concern.
        assert [kind for kind, _ in found(dataset, harvest)] == ["corrupt"]


def test_the_message_names_the_worst_first_and_counts_the_others(copy):
    dataset = Dataset.open(copy / "dataset")
    *tagged, gone, rotten = dataset.images("train")[:7]
    for row in tagged:
        dataset.path(row).write_bytes(dataset.path(row).read_bytes() + b"\n")
    dataset.path(gone).unlink()
    dataset.path(rotten).write_bytes(b"rotten")
    with Harvest.open(copy / "harvest") as harvest:
        original = harvest.path(rotten.digest)
        original.chmod(0o644)
        original.write_bytes(b"rotten")
        differences = [
            one for each in verified(dataset, harvest=harvest) for one in each.differences
        ]
    with pytest.raises(LockMismatchError) as caught:
        require_none(differences, dataset.root)
    message = str(caught.value)
    places = [message.index(path) for path in (original.name, gone.file, rotten.file)]
    assert places == sorted(places)
    assert not any(row.file in message for row in tagged)
    assert "and 5 more, which --json lists (in all: 1 missing, 2 corrupt, 5 re-encoded)" in message
    assert len(caught.value.document["differences"]) == 8


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
