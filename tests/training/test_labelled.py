from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.cifar import SMALL_MAMMALS
from training.errors import ModelMismatchError, PicturesError
from training.labelled import dealt, read_class_folders, read_npz

CODES = [36, 50, 65, 74, 80]


def _write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def _images(count: int = 5) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    "labels",
    [
        CODES,
        [0, 1, 2, 3, 4],
        list(SMALL_MAMMALS),
        np.array(CODES, np.float64),
        np.array(CODES)[:, None],
    ],
)
def test_labels_are_understood_as_codes_places_or_names(tmp_path: Path, labels: Any) -> None:
    path = _write(tmp_path / "some.npz", images=_images(), fine_labels=labels)

    found = read_npz(path, species=SMALL_MAMMALS)

    assert found.labels.tolist() == [0, 1, 2, 3, 4]
    assert found.species == SMALL_MAMMALS


def test_the_order_is_the_model_s_whatever_the_file_s_is(tmp_path: Path) -> None:
    path = _write(tmp_path / "some.npz", images=_images(), fine_labels=CODES)

    found = read_npz(path, species=("squirrel", "shrew", "rabbit", "mouse", "hamster"))

    assert found.labels.tolist() == [4, 3, 2, 1, 0]


def test_a_file_s_own_legend_comes_first(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "some.npz",
        images=_images(2),
        fine_labels=[7, 9],
        classes=["wren", "robin"],
        class_fine_labels=[9, 7],
    )

    found = read_npz(path)

    assert [found.species[label] for label in found.labels] == ["robin", "wren"]


def test_a_legend_of_bytes_is_one(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "some.npz", images=_images(2), labels=[0, 1], classes=[b"wren", b"robin"]
    )

    assert read_npz(path, species=("robin", "wren")).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("legend", "why"),
    [
        ({"classes": ["wren"]}, "names no species for the label 1"),
        ({"classes": np.array("wren")}, "must be a list of names"),
        ({"classes": ["wren", "robin"], "class_fine_labels": [0]}, "one for each code"),
    ],
)
def test_a_legend_that_does_not_explain_every_label_is_told(
    tmp_path: Path, legend: dict[str, Any], why: str
) -> None:
    path = _write(tmp_path / "some.npz", images=_images(2), labels=[0, 1], **legend)

    with pytest.raises(PicturesError, match=why):
        read_npz(path)


def test_some_of_the_species_will_do(tmp_path: Path) -> None:
    path = _write(tmp_path / "some.npz", images=_images(2), labels=[74, 36])

    assert read_npz(path, species=SMALL_MAMMALS).labels.tolist() == [3, 0]


@pytest.mark.parametrize("labels", [[36, 34], ["hamster", "fox"], [0, 5]])
def test_labels_that_the_model_does_not_know_are_named(tmp_path: Path, labels: Any) -> None:
    path = _write(tmp_path / "some.npz", images=_images(2), fine_labels=labels)

    with pytest.raises(ModelMismatchError, match=r"labelled .*and the model knows hamster"):
        read_npz(path, species=SMALL_MAMMALS)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"a": [1]}, "holds a: it wants `images`"),
        ({"images": np.zeros((2, 4, 4)), "fine_labels": [1, 2]}, "float64 of shape"),
        ({"images": _images(2), "fine_labels": [1]}, "2 images and 1 labels"),
        ({"images": np.array([{}]), "fine_labels": [1]}, "no .npz file of arrays"),
    ],
)
def test_a_file_that_holds_something_else_says_what_is_wanted(
    tmp_path: Path, arrays: dict[str, Any], why: str
) -> None:
    path = _write(tmp_path / "some.npz", **arrays)

    with pytest.raises(PicturesError, match=why):
        read_npz(path)


def test_a_damaged_file_of_packed_arrays_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    np.savez_compressed(path, images=_images(400), labels=np.arange(400))
    body = bytearray(path.read_bytes())
    body[70:130] = b"\xff" * 60
    path.write_bytes(body)

    with pytest.raises(PicturesError, match=r"no \.npz file"):
        read_npz(path)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 half", b"<html>"])
def test_a_file_that_is_no_npz_is_told(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "some.npz").write_bytes(body)

    with pytest.raises(PicturesError, match=r"no \.npz file"):
        read_npz(tmp_path / "some.npz")


def test_class_folders_are_read_alike_from_a_folder_and_a_zip_file(tmp_path: Path) -> None:
    files = {
        "train/wren/a.png": _picture(0),
        "train/robin/b.png": _picture(200),
        "train/robin/broken.png": b"no picture",
        "test/wren/c.png": _picture(50),
    }
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
            path = tmp_path / "some" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)

    zipped, plain = (
        read_class_folders(tmp_path / name, side_px=8, part="train")
        for name in ("some.zip", "some")
    )

    assert zipped.species == plain.species == ("robin", "wren")
    assert (zipped.pixels == plain.pixels).all()
    assert zipped.pixels.shape == (2, 8, 8, 3)


def _picture(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (grey, grey, grey)).save(file, "png")
    return file.getvalue()


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_a_deal_keeps_as_many_of_each_class_apart_and_loses_none(
    labels: list[int], seed: int
) -> None:
    array = np.array(labels, np.int32)

    chosen, apart = dealt(array, apart=3, seed=seed)

    assert sorted([*chosen, *apart]) == list(range(len(labels)))
    for label in set(labels):
        assert (array[apart] == label).sum() == min(3, labels.count(label))


def test_the_study_s_pictures_are_500_of_each_species(shared: Path) -> None:
    found = read_npz(shared / "cifar" / "cifar100_small_mammals_train.npz")

    assert found.species == SMALL_MAMMALS
    assert np.bincount(found.labels).tolist() == [500] * 5
    assert found.side_px == 32


def test_names_may_be_bytes(tmp_path: Path) -> None:
    names = np.array([name.encode() for name in SMALL_MAMMALS])
    found = read_npz(_write(tmp_path / "a.npz", images=_images(), labels=names))
    assert found.species == tuple(sorted(SMALL_MAMMALS))


@pytest.mark.parametrize(
    "labels",
    [[36.7, 50, 65, 74, 80], [36, 50, 65, 74, np.nan], [True] * 5, [36, np.inf, 65, 74, 80]],
)
def test_labels_that_are_no_whole_numbers_are_refused(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(PicturesError, match="must be names or whole numbers"):
        read_npz(_write(tmp_path / "a.npz", images=_images(), labels=labels))


def test_an_array_alone_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", _images())
    with pytest.raises(PicturesError, match=r"is no \.npz file"):
        read_npz(tmp_path / "a.npy")
