"""What changed between two versions is told: images, classes, splits, recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curation import lock
from curation.changes import Version, changes, in_words, versions
from curation.dataset import Dataset, Row, file_name, identity
from curation.errors import DatasetError
from curation.recipe import CurationRecipe
from tests.curation.making import curated, gathered, jpeg
from tests.curation.test_lock_commands import bestiary


def row(number: int, species: str = "shrew", split: str = "train", **values: object) -> Row:
    made = Row(digest=f"{number:064x}", species=species, split=split, kept=True, **values)
    return replace(made, file=file_name(made, split), file_sha256=f"{number + 1:064x}")


def version(rows: list[Row], recipe: CurationRecipe | None = None) -> Version:
    entry = {**identity(rows, recipe or CurationRecipe()), "libraries": {"pillow": "13.0.0"}}
    return Version(entry=entry, rows=tuple(rows))


ROWS = [row(n) for n in range(6)] + [row(n, split="test") for n in range(6, 9)]


def test_the_same_differs_in_nothing():
    found = changes(version(ROWS), version(list(ROWS)))
    assert not found
    assert list(in_words(found)) == []


def test_every_kind_of_change_of_an_image_is_told_apart():
    after = [
        *ROWS[1:4],  # 0 is removed.
        row(4, split="test"),  # Trained before.
        row(5, species="mouse"),
        replace(ROWS[6], file_sha256="f" * 64),
        replace(ROWS[7], fold=1),
        replace(ROWS[8], kept=False, split=None, file=None, reason="blurred"),
        row(9),
    ]
    images = changes(version(ROWS), version(after)).images
    assert images is not None
    assert images.added == (f"{9:064x}",)
    assert images.removed == (f"{0:064x}", f"{8:064x}")
    assert [(m.before, m.after) for m in images.splits] == [("train", "test")]
    assert [(m.before, m.after) for m in images.species] == [("shrew", "mouse")]
    assert [m.after for m in images.folds] == ["1"]
    assert images.rendered == (f"{6:064x}",)
    assert images.tainted == (f"{4:064x}",)


def test_recipe_classes_counts_and_libraries_are_compared_by_the_entries_alone():
    before = version(ROWS)
    after = version([*ROWS, row(20, species="vole")], CurationRecipe(side_px=64, seed=3))
    after = replace(after, entry={**after.entry, "libraries": {"pillow": "12.3.0"}}, rows=None)
    found = changes(before, after)
    assert found.values == {
        "libraries.pillow": ("13.0.0", "12.3.0"),
        "recipe.min_side_px": (56, 16),
        "recipe.seed": (0, 3),
        "recipe.side_px": (224, 64),
    }
    assert found.species_added == ("vole",)
    assert found.counts == {"train": {"vole": (0, 1)}}
    assert found.images is None
    lines = "\n".join(in_words(found))
    assert "recipe.side_px: 224 → 64" in lines
    assert "species: + vole" in lines
    assert "train: vole 0 → 1" in lines
    assert "compare the datasets' folders" in lines


def test_images_that_trained_and_now_test_are_warned_of():
    lines = list(in_words(changes(version(ROWS), version([row(0, split="test"), *ROWS[1:]]))))
    assert any("1 on another side (1 train → test)" in line for line in lines)
    assert "a model of then knows them" in lines[-1]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A dataset, and what it became when images were added and the recipe changed."""
    folder = tmp_path_factory.mktemp("two")
    bodies = [("shrew", jpeg(n)) for n in range(9)] + [("mouse", jpeg(n)) for n in range(20, 29)]
    gathered(folder / "harvest", bodies[:-1])
    curated(folder / "harvest", folder / "old", CurationRecipe(side_px=64))
    gathered(folder / "more", bodies)
    curated(folder / "more", folder / "new", CurationRecipe(side_px=64, keep_splits=True))
    return folder


def test_folders_manifests_locks_and_entries_can_be_named(two):
    manifest = str(two / "new/manifest.parquet")
    assert versions(manifest)["manifest"].rows == versions(str(two / "new"))["new"].rows
    assert sorted(versions(str(two / "datasets.lock"))) == ["new", "old"]
    entry = versions(f"{two / 'datasets.lock'}:old")["old"]
    assert entry.rows is None
    assert entry.entry == Dataset.open(two / "old").lock_entry
    assert not changes(versions(manifest)["manifest"], versions(str(two / "new"))["new"])


@pytest.mark.parametrize(
    ("name", "words"), [("gone", "name a dataset's folder"), ("datasets.lock:x", "only: new, old")]
)
def test_what_cannot_be_compared_is_told(two, name, words):
    with pytest.raises(DatasetError, match=words):
        versions(str(two / name))


@pytest.mark.parametrize("text", ["[shrew]", "{}"])
def test_nobody_is_advised_to_delete_what_was_named_by_mistake(tmp_path, text):
    (tmp_path / "species.toml").write_text(text)

    with pytest.raises(DatasetError, match=r"species.toml is no lock: name a datasets.lock"):
        versions(str(tmp_path / "species.toml"))


def test_the_command_compares_versions_and_locks_of_many(two, tmp_path):
    document = bestiary("diff", "old", "new", cwd=two)
    assert len(document["changed"]["new"]["images"]["added"]) == 1
    assert not document["identical"]
    for name in ("old", "extra"):
        entry = lock.read_entries(two / "datasets.lock")["old"]
        lock.write_entry(tmp_path / "datasets.lock", name, entry)
    other = str(tmp_path / "datasets.lock")
    document = bestiary("diff", "datasets.lock", other, "--exit-code", cwd=two, code=1)
    assert (document["added"], document["removed"]) == (["extra"], ["new"])
    assert document["changed"] == {}
    assert bestiary("diff", "old", "datasets.lock:old", "--exit-code", cwd=two)["identical"]
