"""What the rows of the reproduction are trained on."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from training import models
from training.errors import PicturesError
from training.labelled import read_class_folders, read_npz
from training.pictures import load
from training.portions import Portion
from training.reproduce import FOLDS, Deal, Deals, NoMaterialError, Row, random_deal

SMALL_MAMMALS = Path("cifar") / "cifar100_small_mammals_train.npz"
CIFAR_10 = Path("cifar") / "cifar10_subset_500_100_png.zip"


def deals(*, data: Path, photos: Path | None = None, drawn: Path | None = None) -> Deals:
    """Where each row's pictures come from.

    Args:
        data: An .npz file, or a folder with the files named above.
        photos: A curated dataset.
        drawn: Another.
    """
    datasets: Mapping[str, Path | None] = {"photos": photos, "drawn": drawn}

    def deal(row: Row, seed: int) -> Deal:
        if row.material == "small mammals":
            return random_deal(read_npz(small_mammals(data)), seed)
        if row.material == "cifar-10":
            return _cifar_10(data)
        root = datasets[row.material]
        if root is None:
            raise NoMaterialError(f"name a curated dataset with --{row.material}")
        return _fold(root, row, seed)

    return deal


def small_mammals(data: Path) -> Path:
    """The file with the five classes of CIFAR-100.

    Raises:
        PicturesError: it is not there; the message says where it can be had.
    """
    path = data / SMALL_MAMMALS if data.is_dir() else data
    if not path.is_file():
        raise PicturesError(
            f"there is no file {path}: name one with --data; `bestiary data cifar100 --classes"
            " hamster,mouse,rabbit,shrew,squirrel --format npz` makes cifar-100/train.npz"
        )
    return path


@functools.cache
def _cifar_10(data: Path) -> Deal:
    """The subset's own training and test pictures."""
    path = (data if data.is_dir() else data.parent.parent) / CIFAR_10
    if not path.is_file():
        raise NoMaterialError(
            f"there is no {path}, with class folders of 32-px pictures in train/ and test/: name"
            " the folder that has it with --data"
        )
    train, test = (read_class_folders(path, side_px=32, part=part) for part in ("train", "test"))
    return Deal(train=train.pictures(), val=test.pictures(), classes=len(train.species), side_px=32)


def _fold(root: Path, row: Row, seed: int) -> Deal:
    """One fold of a curated dataset; look-alikes are together in it."""
    from curation.dataset import Dataset

    dataset = Dataset.open(root)
    side_px = models.find(row.model).side_px
    if dataset.recipe.side_px != side_px:
        raise NoMaterialError(f"{root} has not the side of {row.model}: curate --size {side_px}")
    dealt = Portion(fold=seed % FOLDS + 1, folds=FOLDS, seed=seed // FOLDS).of(dataset)
    train, test = (
        load(dealt, split, side_px=side_px, cache=root.parent / ".pictures")
        for split in ("train", "test")
    )
    return Deal(train=train, val=test, classes=len(dataset.species), side_px=side_px)
