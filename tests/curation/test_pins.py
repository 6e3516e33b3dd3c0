"""What is pinned, by Bestiary and by a project of the user's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation import lock
from curation.errors import LockMismatchError, UsageError
from curation.pins import OWN, PinnedDrawing, PinnedFile, pin_named, pins, require_drawn

ROOT = Path(__file__).parents[2]
FILE = {"kind": "file", "url": "https://x.example/a.zip", "bytes": 5, "sha256": "0" * 64}


def test_the_installed_lock_is_the_one_at_the_root_of_the_repository():
    assert OWN.read_bytes() == (ROOT / "datasets.lock").read_bytes()


def test_bestiary_pins_cifar_and_its_demo():
    known = pins()
    assert sorted(known) == ["cifar-10", "cifar-100", "demo"]
    cifar = pin_named("CIFAR100", known)
    assert isinstance(cifar, PinnedFile)
    assert (cifar.bytes, cifar.file_name) == (169_001_437, "cifar-100-python.tar.gz")
    assert isinstance(known["demo"], PinnedDrawing)
    with pytest.raises(UsageError, match="only: cifar-10, cifar-100, demo"):
        pin_named("cifar-1000", known)


def test_a_project_pins_files_beside_its_datasets(tmp_path):
    path = tmp_path / "datasets.lock"
    lock.write_entry(path, "dataset", {"seed": 1})
    lock.write_entry(path, "weights", FILE)
    assert pins(beside=path)["weights"].url == "https://x.example/a.zip"
    assert "dataset" not in pins(beside=path)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "riddle"},
        {"url": "file:///etc/passwd"},
        {"sha256": "abc"},
        {"md5": "xyz"},
        {"bytes": -1},
        {"bytes": "5"},
        {"sha256": None},
    ],
)
def test_a_pin_that_cannot_be_meant_is_told_with_its_name(tmp_path, change):
    path = tmp_path / "datasets.lock"
    entry = {key: value for key, value in {**FILE, **change}.items() if value is not None}
    path.write_text(json.dumps({"version": 1, "datasets": {"weights": entry}}))
    with pytest.raises(LockMismatchError, match="the entry weights of"):
        pins(beside=path)


def test_drawn_pictures_are_what_is_pinned_to_the_last_byte_and_name(tmp_path):
    (tmp_path / "shrew").mkdir()
    (tmp_path / "shrew/1.jpg").write_bytes(b"one")
    digest = lock.digest_of_lines(
        ["7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed shrew/1.jpg"]
    )
    drawing = PinnedDrawing(name="few", seed=3, per_species=1, files=1, files_sha256=digest)
    require_drawn(tmp_path, drawing)
    (tmp_path / "shrew/1.jpg").rename(tmp_path / "shrew/2.jpg")
    with pytest.raises(LockMismatchError, match="draw DIR --seed 3 --per-species 1"):
        require_drawn(tmp_path, drawing)
    with pytest.raises(UsageError, match="no folder at"):
        require_drawn(tmp_path / "gone", drawing)
