"""Opening, verifying and locking."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from curation import lock
from curation.dataset import MANIFEST, Dataset, write_manifest
from curation.errors import DatasetError, LockMismatchError
from curation.recipe import CurationRecipe
from tests.curation.making import curated


@pytest.fixture(scope="module")
def locked(shrews_and_mice, tmp_path_factory):
    root = tmp_path_factory.mktemp("locked") / "dataset"
    curated(shrews_and_mice, root)
    return root


@pytest.fixture
def dataset(locked, tmp_path):
    shutil.copytree(locked.parent, tmp_path / "copy")
    return Dataset.open(tmp_path / "copy/dataset")


def kinds(dataset):
    return [(one.kind, one.path) for one in dataset.verify()]


def test_an_untouched_dataset_is_as_locked(dataset):
    assert dataset.verify() == ()
    dataset.require_locked()
    assert dataset.species == ("mouse", "shrew")
    assert len(dataset.images("train")) > len(dataset.images("test")) > 0


def test_a_changed_a_missing_and_an_added_file_are_told_apart(dataset):
    changed, missing = dataset.images("train")[:2]
    dataset.path(changed).write_bytes(b"other")
    dataset.path(missing).unlink()
    (dataset.root / "val/mouse/extra.jpg").write_bytes(b"extra")
    assert sorted(kinds(dataset)) == [
        ("corrupt", changed.file),
        ("missing", missing.file),
        ("unlisted", "val/mouse/extra.jpg"),
    ]
    with pytest.raises(LockMismatchError, match=changed.digest) as caught:
        dataset.require_locked()
    assert caught.value.exit_code == 4
    assert len(caught.value.document["differences"]) == 3


def test_a_changed_manifest_is_found(dataset):
    write_manifest(dataset.root / MANIFEST, dataset.rows[:-1], dataset.recipe)
    assert ("manifest", MANIFEST) in kinds(Dataset.open(dataset.root))
    write_manifest(dataset.root / MANIFEST, dataset.rows, CurationRecipe(seed=9))
    assert ("manifest", MANIFEST) in kinds(Dataset.open(dataset.root))


def test_a_manifest_with_a_digest_that_is_none_cannot_be_read(dataset):
    rows = [replace(dataset.rows[0], digest="abc"), *dataset.rows[1:]]
    write_manifest(dataset.root / MANIFEST, rows, dataset.recipe)
    with pytest.raises(DatasetError, match="the manifest has 'abc' for a digest"):
        Dataset.open(dataset.root)


def test_a_lock_without_an_entry_or_unreadable_is_a_mismatch(dataset):
    path = lock.lock_path(dataset.root)
    path.write_text(json.dumps({"version": 1, "datasets": {}}))
    assert kinds(dataset) == [("lock", "datasets.lock")]
    path.write_text(json.dumps({"version": 1, "datasets": {"mice": {}, "demo": {"kind": "file"}}}))
    with pytest.raises(LockMismatchError, match=r"\(it has mice: an entry bears its folder's name"):
        _ = dataset.lock_digest
    path.write_text("<<<<<<< HEAD")
    assert kinds(dataset) == [("lock", "datasets.lock")]
    path.unlink()
    with pytest.raises(LockMismatchError, match="no entry for dataset"):
        _ = dataset.lock_digest


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_where_no_dataset_is_the_error_says_so(tmp_path, content):
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(DatasetError, match="bestiary curate"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("entry", ["x", [], 1, None])
def test_an_entry_that_is_none_is_told_like_any_unreadable_lock(dataset, entry):
    path = lock.lock_path(dataset.root)
    path.write_text(json.dumps({"version": 1, "datasets": {"dataset": entry}}))
    assert kinds(dataset) == [("lock", "datasets.lock")]


def test_a_lock_that_the_system_does_not_let_be_read_or_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "datasets.lock").mkdir()
    for path in (tmp_path / "datasets.lock", tmp_path / "file/datasets.lock"):
        with pytest.raises(DatasetError, match="cannot read"):
            lock.read_entry(path, "dataset")
        with pytest.raises(DatasetError, match=r"cannot (read|write)"):
            lock.write_entry(path, "dataset", {})


def test_other_entries_of_a_lock_survive(tmp_path):
    path = tmp_path / "datasets.lock"
    lock.write_entry(path, "cifar100", {"url": "https://data.example"})
    lock.write_entry(path, "dataset", {"seed": 1})
    lock.write_entry(path, "dataset", {"seed": 2})
    assert lock.read_entry(path, "cifar100") == {"url": "https://data.example"}
    assert lock.read_entry(path, "dataset") == {"seed": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["datasets.lock"]


def test_behind_a_link_a_dataset_has_the_lock_that_it_has(dataset, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "ds"
    link.symlink_to(dataset.root, target_is_directory=True)

    assert lock.lock_path(link) == lock.lock_path(dataset.root)
    assert Dataset.open(link).lock_digest == dataset.lock_digest
    assert kinds(Dataset.open(link)) == []


def test_a_lock_that_an_earlier_bestiary_wrote_beside_the_link_is_named(dataset, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "ds"
    link.symlink_to(dataset.root, target_is_directory=True)
    lock.lock_path(dataset.root).rename(link.parent / "datasets.lock")

    with pytest.raises(LockMismatchError, match=r"elsewhere/datasets\.lock, beside the link"):
        _ = Dataset.open(link).lock_digest
