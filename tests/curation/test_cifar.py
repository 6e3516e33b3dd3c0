"""CIFAR's archives are read without trusting their pickles."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from PIL import Image

from curation.cifar import LAYOUTS, read_cifar, write_folders, write_npz
from curation.errors import DatasetError, UsageError
from tests.curation.cifar_archives import archive, batch, cifar_10, cifar_100, pickled


def test_cifar_100_is_read_with_its_official_division(tmp_path):
    parts = read_cifar(cifar_100(tmp_path / "c.tar.gz"), LAYOUTS["cifar-100"])
    assert parts["train"].images.shape == (8, 32, 32, 3)
    assert parts["test"].images.shape == (4, 32, 32, 3)
    assert parts["train"].classes == ("apple", "hamster", "mouse", "shrew")
    assert list(parts["train"].labels) == [0, 1, 2, 3] * 2
    # Planes of red, green and blue, row by row, as the authors describe them.
    row = batch([0], key=b"fine_labels")[b"data"][0]
    first = parts["train"].images[0]
    assert [first[0, 0, 0], first[0, 1, 0], first[0, 0, 1], first[31, 31, 2]] == [
        *(row[0], row[1], row[1024], row[3071])
    ]


def test_cifar_10s_batches_are_one_training_part_in_order(tmp_path):
    parts = read_cifar(cifar_10(tmp_path / "c.tar.gz"), LAYOUTS["cifar-10"])
    assert len(parts["train"].names) == 10
    assert list(parts["test"].labels) == [1, 2, 3]


def test_chosen_classes_keep_their_codes(tmp_path):
    train = read_cifar(cifar_100(tmp_path / "c.tar.gz"), LAYOUTS["cifar-100"])["train"]
    some = train.of(["shrew", "mouse"])
    assert list(some.labels) == [2, 3, 2, 3]
    assert np.array_equal(some.images[0], train.images[2])
    with pytest.raises(UsageError, match=r"no class wolf, only: apple, hamster"):
        train.of(["wolf", "mouse"])


def test_folders_hold_the_very_pixels_and_names_that_come_twice_are_numbered(tmp_path):
    parts = read_cifar(cifar_10(tmp_path / "c.tar.gz"), LAYOUTS["cifar-10"])
    write_folders(parts, parts["train"].classes, tmp_path / "out")
    files = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.png"))
    assert len(files) == 13
    assert "train/shrew/some_mouse_s_000001-5.png" in files
    with Image.open(tmp_path / "out/train/apple/some_mouse_s_000000.png") as image:
        assert np.array_equal(np.asarray(image), parts["train"].images[0])


def test_npz_files_have_images_labels_names_and_classes(tmp_path):
    parts = read_cifar(cifar_100(tmp_path / "c.tar.gz"), LAYOUTS["cifar-100"])
    chosen = {name: part.of(["hamster", "shrew"]) for name, part in parts.items()}
    write_npz(chosen, ["hamster", "shrew"], tmp_path / "out")
    with np.load(tmp_path / "out/train.npz") as found:
        assert found["images"].shape == (4, 32, 32, 3)
        assert list(found["fine_labels"]) == [1, 3, 1, 3]
        assert list(found["class_fine_labels"]) == [1, 3]
        assert found["names"][0] == "hamster/some_mouse_s_000001.png"
    assert (tmp_path / "out/test.npz").is_file()


class Acting:
    def __reduce__(self):
        return os.mkdir, ("acted",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_act_does_not(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    members = {"cifar-100-python/meta": pickle.dumps(Acting(), protocol)}
    path = archive(tmp_path / "c.tar.gz", members)
    with pytest.raises(DatasetError, match=r"asks for \w+\.mkdir"):
        read_cifar(path, LAYOUTS["cifar-100"])
    assert not (tmp_path / "acted").exists()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"meta": b"no pickle"},
        {"meta": pickled([b"a list"])},
        {"meta": pickled({b"fine_label_names": [b"one"]}), "train": pickled({b"data": 3})},
        {
            "meta": pickled({b"fine_label_names": [b"one"]}),
            "train": pickled(batch([0, 7], key=b"fine_labels")),
            "test": pickled(batch([0], key=b"fine_labels")),
        },
        {
            "meta": pickled({b"fine_label_names": [b"one"]}),
            "train": pickled({**batch([0, 0], key=b"fine_labels"), b"fine_labels": [0]}),
            "test": pickled(batch([0], key=b"fine_labels")),
        },
    ],
)
def test_what_is_no_cifar_archive_is_an_error_in_words(tmp_path, members):
    whole = {f"cifar-100-python/{name}": body for name, body in members.items()}
    with pytest.raises(DatasetError, match="CIFAR"):
        read_cifar(archive(tmp_path / "c.tar.gz", whole), LAYOUTS["cifar-100"])


def test_a_file_that_is_no_archive_is_an_error_in_words(tmp_path):
    (tmp_path / "c.tar.gz").write_bytes(b"\x1f\x8b" + bytes(30))
    with pytest.raises(DatasetError, match="not a CIFAR archive"):
        read_cifar(tmp_path / "c.tar.gz", LAYOUTS["cifar-100"])
