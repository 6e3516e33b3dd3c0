from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.dataset import Dataset
from training import pictures
from training.errors import ModelMismatchError, PicturesError
from training.models import find
from training.pictures import (
    balanced_weights,
    epoch_batches,
    load,
    require_every_species,
    side_of,
    steps_in_epoch,
    warning_of_small_pictures,
)
from training.recipe import TrainRecipe

COUNTS = {"hamster": (4, 2, 2), "mouse": (3, 1, 1)}

sizes = st.integers(1, 500)


@given(n=sizes, batch_size=st.integers(1, 64), seed=st.integers(0, 2**32 - 1), epoch=sizes)
def test_an_epoch_sees_every_picture_and_few_of_them_twice(
    n: int, batch_size: int, seed: int, epoch: int
) -> None:
    batches = epoch_batches(pictures=n, batch_size=batch_size, seed=seed, epoch=epoch)

    times = np.bincount(np.concatenate(batches), minlength=n)
    assert times.min() >= 1
    assert times.max() <= 2
    assert (times == 2).sum() < len(batches) == steps_in_epoch(n, batch_size)


@given(n=sizes, batch_size=st.integers(1, 64))
def test_all_batches_have_one_size_and_none_is_too_large(n: int, batch_size: int) -> None:
    lengths = {len(b) for b in epoch_batches(pictures=n, batch_size=batch_size, seed=0, epoch=0)}

    assert len(lengths) == 1
    assert lengths.pop() <= batch_size


@given(n=st.integers(2, 200), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 1000))
def test_the_order_depends_on_seed_and_epoch_alone(n: int, seed: int, epoch: int) -> None:
    first = epoch_batches(pictures=n, batch_size=8, seed=seed, epoch=epoch)
    again = epoch_batches(pictures=n, batch_size=8, seed=seed, epoch=epoch)

    assert all((one == other).all() for one, other in zip(first, again, strict=True))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {
        tuple(np.concatenate(epoch_batches(pictures=50, batch_size=8, seed=seed, epoch=epoch)))
        for seed in range(3)
        for epoch in range(3)
    }

    assert len(orders) == 9


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=200))
def test_balanced_weights_give_every_species_the_same_say(labels: list[int]) -> None:
    array = np.array(labels, np.int32)

    weights = balanced_weights(array, 5)

    says = [float(weights[array[array == label]].sum()) for label in sorted(set(labels))]
    assert says == pytest.approx([len(labels) / len(says)] * len(says), rel=1e-4)
    assert weights[array].mean() == pytest.approx(1, rel=1e-4)


def test_a_split_is_loaded_in_the_manifest_s_order_with_its_labels(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS)

    found = load(dataset, "train", side_px=32, cache=tmp_path)

    assert found.pixels.shape == (7, 32, 32, 3)
    assert [dataset.species[label] for label in found.labels] == [r.species for r in found.rows]
    with Image.open(dataset.path(found.rows[5])) as image:
        assert (found.pixels[5] == np.asarray(image.convert("RGB"))).all()


def test_an_unreadable_picture_is_named_and_the_others_keep_their_labels(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS)
    rows = dataset.images("train")
    dataset.path(rows[1]).write_bytes(b"<html>not found</html>")
    dataset.path(rows[4]).write_bytes(dataset.path(rows[4]).read_bytes()[:200])
    Image.new("RGB", (40, 32)).save(dataset.path(rows[6]), "JPEG")

    found = load(dataset, "train", side_px=32, cache=tmp_path)

    assert found.rows == (rows[0], rows[2], rows[3], rows[5])
    assert [skip.file for skip in found.skipped] == [str(dataset.path(rows[i])) for i in (1, 4, 6)]
    assert "40 × 32 px instead of 32 × 32" in found.skipped[2].reason
    with Image.open(dataset.path(rows[5])) as image:
        assert (found.pixels[3] == np.asarray(image.convert("RGB"))).all()


def test_a_split_too_large_for_memory_is_mapped_from_a_file_and_decoded_once(
    make_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(COUNTS)
    dataset.path(dataset.images("train")[0]).write_bytes(b"broken")
    in_memory = load(dataset, "train", side_px=32, cache=tmp_path / "cache")
    monkeypatch.setattr(pictures, "IN_MEMORY_BYTES", 0)

    mapped = load(dataset, "train", side_px=32, cache=tmp_path / "cache")
    for row in dataset.images("train"):
        dataset.path(row).unlink()
    again = load(dataset, "train", side_px=32, cache=tmp_path / "cache")

    assert isinstance(mapped.pixels, np.memmap)
    for found in (mapped, again):
        assert (found.pixels == in_memory.pixels).all()
        assert found.rows == in_memory.rows
        assert found.skipped == in_memory.skipped


def test_a_cache_in_which_a_byte_has_changed_is_made_anew(
    make_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(COUNTS)
    whole = load(dataset, "train", side_px=32, cache=tmp_path / "cache").pixels
    monkeypatch.setattr(pictures, "IN_MEMORY_BYTES", 0)
    load(dataset, "train", side_px=32, cache=tmp_path / "cache")
    (data,) = (tmp_path / "cache").glob("*.npy")
    body = bytearray(data.read_bytes())
    body[-1] ^= 1
    data.write_bytes(body)

    again = load(dataset, "train", side_px=32, cache=tmp_path / "cache")

    assert (again.pixels == whole).all()
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".npy"]


def test_pictures_are_scaled_in_memory_when_asked(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS)

    assert load(dataset, "val", side_px=48, cache=tmp_path).pixels.shape == (3, 48, 48, 3)


def test_a_network_of_another_side_says_both_ways_out(
    make_dataset: Callable[..., Dataset],
) -> None:
    dataset = make_dataset(COUNTS)

    entry = find("scratch-224")

    assert side_of(dataset, entry, TrainRecipe(image_fit="resize")) == 224
    assert side_of(dataset, entry, TrainRecipe(enlarge_px=224)) == 32, "the network scales them"
    with pytest.raises(
        ModelMismatchError, match=r"224 × 224 px.*32 × 32.*--size 224.*--resize.*--enlarge 224"
    ):
        side_of(dataset, entry, TrainRecipe())


def test_a_backbone_takes_pictures_of_any_side_and_warns_of_small_ones(
    make_dataset: Callable[..., Dataset],
) -> None:
    entry = find("mobilenet-v2")

    assert side_of(make_dataset(COUNTS), entry, TrainRecipe()) == 32
    assert "--enlarge 160" in (warning_of_small_pictures(entry, 32) or "")
    assert warning_of_small_pictures(entry, 128) is None
    assert warning_of_small_pictures(find("cifar-vgg"), 32) is None


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=40),
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
def test_species_that_take_turns_fill_as_many_places_each_but_for_one_round(
    labels: list[int], batch_size: int, epoch: int
) -> None:
    array = np.array(labels, np.int32)

    batches = epoch_batches(
        pictures=len(labels), batch_size=batch_size, seed=1, epoch=epoch, labels=array
    )

    turns = np.bincount(array[np.concatenate(batches)], minlength=4)[np.unique(array)]
    assert turns.max() <= -(-sum(turns) // len(turns))
    assert len({len(batch) for batch in batches}) == 1


def test_one_species_is_nothing_to_tell_apart() -> None:
    with pytest.raises(PicturesError, match="hamster alone"):
        require_every_species(np.zeros(3, np.int32), ("hamster",))


def test_a_species_without_training_pictures_is_named() -> None:
    with pytest.raises(PicturesError, match="no training pictures of shrew"):
        require_every_species(np.array([0, 0, 1], np.int32), ("hamster", "mouse", "shrew"))
