"""What crosses the splits is found, however it got there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from curation.dataset import Dataset, rendered_files
from curation.leaks import LeakCheck, check, look_at_all
from curation.recipe import CurationRecipe
from tests.curation.making import curated, encoded, jpeg, nearing, picture, scene

SIZE = (240, 200)


def checked(root: Path, recipe: CurationRecipe | None = None, workers: int = 1) -> LeakCheck:
    files = sorted(rendered_files(root))
    return check(list(look_at_all(root, files, workers=workers)), recipe or CurationRecipe())


@pytest.fixture(scope="module")
def dataset(shrews_and_mice, tmp_path_factory) -> Dataset:
    return curated(shrews_and_mice, tmp_path_factory.mktemp("leaks") / "dataset").dataset


@pytest.fixture
def copy(dataset, tmp_path) -> Path:
    """The dataset, to be tampered with."""
    return Path(shutil.copytree(dataset.root, tmp_path / "copy"))


def test_a_curated_dataset_has_no_leak_and_every_pair_was_compared(dataset):
    found = checked(dataset.root, dataset.recipe)
    train, val, test = (len(dataset.images(split)) for split in ("train", "val", "test"))
    assert found.leaks == ()
    assert found.pairs == train * val + train * test + val * test
    assert found.pictures == train + val + test
    assert found.likeness is None or found.likeness < found.min_likeness
    assert str(found.min_likeness) in found.statement or "alike" in found.statement


def test_the_same_file_put_into_another_split_by_hand_is_a_leak(copy):
    original = next((copy / "train" / "shrew").iterdir())
    shutil.copy(original, copy / "test" / "mouse" / "planted.jpg")

    (leak,) = checked(copy).leaks

    assert leak.first == "test/mouse/planted.jpg"
    assert leak.second == f"train/shrew/{original.name}"
    assert leak.same_bytes
    assert leak.likeness == 1.0


@pytest.mark.parametrize("step", [7, 10])
def test_two_shots_of_a_scene_in_which_the_subject_took_a_step_are_no_leak(copy, step):
    for place, shot in (("train/shrew/one.jpg", scene(0)), ("test/shrew/other.jpg", scene(step))):
        shot.save(copy / place, quality=90)
    found = checked(copy)
    assert found.leaks == ()
    assert found.likeness is not None


CHANGES = {
    "recompressed": lambda image: image,
    "smaller": lambda image: image.resize((90, 75)),
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "transposed and mirrored": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "cropped": lambda image: image.crop((12, 10, 228, 190)),
    "framed": lambda image: ImageOps.expand(image, 24, "black"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_in_another_split_is_a_leak(change, tmp_path):
    original = picture(1, SIZE)
    bodies = {
        "train/shrew/a.jpg": encoded(original),
        "test/shrew/b.jpg": encoded(CHANGES[change](original), quality=60),
        **{f"train/shrew/{seed}.jpg": jpeg(seed, SIZE) for seed in range(10, 16)},
        **{f"test/shrew/{seed}.jpg": jpeg(seed, SIZE) for seed in range(20, 23)},
    }
    for file, body in bodies.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(body)

    (leak,) = checked(tmp_path).leaks

    assert (leak.first, leak.second) == ("test/shrew/b.jpg", "train/shrew/a.jpg")


def test_flat_pictures_leak_only_by_their_bytes(tmp_path):
    for split, colour in (("train", "white"), ("val", "white"), ("test", "red")):
        (tmp_path / split / "shrew").mkdir(parents=True)
        flat = encoded(Image.new("RGB", (64, 64), colour))
        (tmp_path / split / "shrew" / "a.jpg").write_bytes(flat)

    found = checked(tmp_path)

    assert [(leak.first, leak.second) for leak in found.leaks] == [
        ("val/shrew/a.jpg", "train/shrew/a.jpg")
    ]
    assert found.pairs == 3


def test_what_is_no_picture_is_told_of(copy):
    (copy / "val" / "mouse" / "broken.jpg").write_bytes(jpeg(1)[:200])
    (copy / "val" / "mouse" / "gone.jpg").symlink_to(copy / "nowhere")

    found = checked(copy)

    assert found.unreadable == ("val/mouse/broken.jpg", "val/mouse/gone.jpg")
    assert found.leaks == ()


def test_one_split_alone_has_nothing_to_compare(tmp_path):
    (tmp_path / "train" / "shrew").mkdir(parents=True)
    (tmp_path / "train" / "shrew" / "a.jpg").write_bytes(jpeg(1))
    assert "nothing to compare" in checked(tmp_path).statement


def test_the_number_of_workers_changes_nothing(copy):
    shutil.copy(next((copy / "train" / "shrew").iterdir()), copy / "val" / "shrew" / "x.jpg")
    assert checked(copy, workers=1) == checked(copy, workers=3)


def test_a_subject_before_another_backdrop_is_near_and_no_leak(tmp_path):
    for split, seed in (("train", 1), ("test", 2)):
        scene = picture(seed, SIZE)
        ImageDraw.Draw(scene).ellipse((70, 50, 170, 150), fill="white")
        (tmp_path / split / "shrew").mkdir(parents=True)
        (tmp_path / split / "shrew" / "a.jpg").write_bytes(encoded(scene))
    assert checked(tmp_path).leaks == ()


@pytest.mark.parametrize("backdrop", [1, 4, 7])
@pytest.mark.parametrize("splits", [("train", "test"), ("test", "train")])
def test_a_subject_that_came_nearer_is_near_and_no_leak(tmp_path, backdrop, splits):
    for split, shot in zip(splits, nearing(backdrop), strict=True):
        (tmp_path / split / "shrew").mkdir(parents=True)
        (tmp_path / split / "shrew" / "a.jpg").write_bytes(encoded(shot, quality=85))
    found = checked(tmp_path)
    assert found.leaks == ()
    assert [(near.first, near.second) for near in found.nearest] == [
        ("test/shrew/a.jpg", "train/shrew/a.jpg")
    ]
