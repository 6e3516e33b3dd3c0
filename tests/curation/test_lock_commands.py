"""Verify, restore, diff and data, as a user types them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation import lock
from scraper.harvest import Harvest
from tests.curation.cifar_archives import cifar_100


def bestiary(*arguments: str, cwd: Path, code: int = 0) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "bestiary", "--json", *arguments],
        check=False,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def pinned(tmp_path):
    """A project whose lock pins an archive like CIFAR-100's, but tiny."""
    path = cifar_100(tmp_path / "tiny.tar.gz")
    entry = {
        "kind": "file",
        "url": "https://data.example/tiny.tar.gz",
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    lock.write_entry(tmp_path / "datasets.lock", "cifar-100", entry)
    return tmp_path


def test_data_goes_from_a_local_file_to_class_folders_to_a_harvest(pinned):
    document = bestiary(
        *("data", "cifar100", "--file", "tiny.tar.gz", "--classes", "shrew,mouse"), cwd=pinned
    )
    assert document["images"] == {"train": 4, "test": 2}
    assert sorted(p.name for p in (pinned / "cifar-100/train").iterdir()) == ["mouse", "shrew"]
    bestiary("scrape", "--source", "folder", "--from", "cifar-100/train", cwd=pinned)
    with Harvest.open(pinned / "harvest") as harvest:
        assert harvest.count("kept") == 4


def test_data_as_arrays_and_not_over_what_is_there(pinned):
    arguments = ("data", "cifar-100", "--file", "tiny.tar.gz", "--format", "npz")
    assert bestiary(*arguments, "--out", "arrays", cwd=pinned)["images"]["train"] == 8
    assert sorted(p.name for p in (pinned / "arrays").iterdir()) == ["test.npz", "train.npz"]
    error = bestiary(*arguments, "--out", "arrays", cwd=pinned, code=2)["error"]
    assert "name another folder with --out" in error


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("data", "cifar10", "--file", "tiny.tar.gz"), 4, "is not cifar-10 as it is pinned"),
        (("data", "unicorns"), 2, "only: cifar-10, cifar-100, demo"),
        (("data", "demo"), 2, "bestiary draw DIR --seed 0"),
        (("data", "cifar100", "--file", "gone"), 1, "cannot read gone"),
        (("data", "cifar100", "--file", "tiny.tar.gz", "--classes", "wolf"), 2, "no class wolf"),
        (("data", "--classes", "wolf"), 2, "--classes and --file belong to a NAME"),
    ],
)
def test_errors_say_what_to_do(pinned, arguments, code, words):
    assert words in bestiary(*arguments, cwd=pinned, code=code)["error"]


def test_what_is_pinned_is_listed(pinned):
    assert sorted(bestiary("data", cwd=pinned)["pinned"]) == ["cifar-10", "cifar-100", "demo"]
