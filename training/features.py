"""Features: what a frozen network makes of every picture of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.dataset import Dataset, Row
from curation.recipe import SPLITS
from training import pictures, weights
from training.errors import WeightsError
from training.models import ModelEntry

BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Some pictures and their features, in step."""

    rows: tuple[Row, ...]
    features: NDArray[np.float32]
    """Shape (n, features)."""


def at_hand(cache: Path, entries: Iterable[ModelEntry]) -> tuple[ModelEntry, Path]:
    """The first of these networks whose pre-trained weights are in Keras' cache.

    Raises:
        WeightsError: there are none; nothing is downloaded.
    """
    wanted = [(entry, entry.pretrained) for entry in entries if entry.pretrained is not None]
    for entry, published in wanted:
        if (cache / published.file).is_file():
            return entry, cache / published.file
    raise WeightsError(
        f"{cache} has no pre-trained weights, such as {wanted[0][1].file}: name a file with"
        " --weights, and its network with --model"
    )


def extractor(entry: ModelEntry, path: Path, *, side_px: int) -> Any:
    """The backbone of a network with its weights, and an average over places on top.

    Raises:
        WeightsError: the file is not there, or holds the weights of another network.
    """
    import keras

    if not path.is_file():
        raise WeightsError(f"there is no file {path}: --weights takes a file of weights")
    network = entry.build(side_px=side_px, classes=2)
    weights.load(network, entry, path)
    seen = keras.layers.GlobalAveragePooling2D()(_node_after_backbone(network))
    return keras.Model(network.inputs, seen)


def _node_after_backbone(network: Any) -> Any:
    """What the layer `backbone` gives within the network."""
    names = [layer.name for layer in network.layers]
    return network.layers[names.index("backbone") + 1].input


def extracted(dataset: Dataset, network: Any, *, side_px: int, cache: Path) -> Iterator[Seen]:
    """The features of every kept picture, a batch at a time; what cannot be read is left out."""
    for split in SPLITS:
        found = pictures.load(dataset, split, side_px=side_px, cache=cache)
        for start in range(0, len(found), BATCH):
            part = slice(start, start + BATCH)
            features = np.asarray(network.predict_on_batch(found.pixels[part].astype(np.float32)))
            yield Seen(rows=found.rows[part], features=features.astype(np.float32))
