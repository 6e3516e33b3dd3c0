"""Small datasets and finished runs for the tests of training."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

from curation import lock
from curation.dataset import Dataset, Row, file_name, identity, write_manifest
from curation.recipe import CurationRecipe
from training import commands, measure_commands, predict_commands, reproduce_commands

Counts = Mapping[str, tuple[int, int, int]]

COLOURS = {"hamster": (200, 150, 90), "mouse": (110, 110, 120), "shrew": (90, 60, 40)}


def picture(species: str, number: int, side_px: int) -> Image.Image:
    """A noisy square in the colours of its species: easy, but not trivial."""
    seed = int.from_bytes(hashlib.sha256(f"{species} {number}".encode()).digest()[:4])
    rng = np.random.default_rng(seed)
    colour = np.array(COLOURS.get(species, (30, 90, 200)))
    values = colour + rng.normal(0, 40, (side_px, side_px, 3)) + rng.normal(0, 20, 3)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def write_dataset(root: Path, counts: Counts, *, side_px: int = 32) -> Dataset:
    """A dataset such as curation writes; `counts` has train, val and test for each species."""
    recipe = CurationRecipe(side_px=side_px)
    rows = []
    for species, per_split in sorted(counts.items()):
        splits = [
            split
            for split, count in zip(("train", "val", "test"), per_split, strict=True)
            for _ in range(count)
        ]
        for number, split in enumerate(splits):
            digest = hashlib.sha256(f"{species} {number}".encode()).hexdigest()
            row = Row(digest=digest, species=species, split=split, kept=True)
            path = root / file_name(row, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(species, number, side_px).save(path, quality=92, subsampling=0)
            body = path.read_bytes()
            rows.append(
                Row(
                    digest=digest,
                    species=species,
                    split=split,
                    kept=True,
                    width=side_px,
                    height=side_px,
                    format="JPEG",
                    bytes=len(body),
                    file=file_name(row, split),
                    file_sha256=hashlib.sha256(body).hexdigest(),
                )
            )
    rows.sort(key=lambda row: (row.species, row.digest))
    root.mkdir(parents=True, exist_ok=True)
    write_manifest(root / "manifest.parquet", rows, recipe)
    lock.write_entry(lock.lock_path(root), root.name, identity(rows, recipe))
    return Dataset.open(root)


@click.group()
@click.pass_context
def shell(context: click.Context) -> None:
    """As much of `bestiary` as a stage's commands need."""
    context.meta["bestiary.quiet"] = False


for command in (
    *(commands.models, commands.train),
    *(measure_commands.evaluate, measure_commands.compare),
    *(predict_commands.predict, predict_commands.export),
    reproduce_commands.reproduce,
):
    shell.add_command(command)


def run_command(*arguments: object) -> tuple[dict[str, Any], str]:
    """What a command returns; its errors pass through."""
    result: tuple[dict[str, Any], str] = shell.main(
        [str(argument) for argument in arguments], standalone_mode=False
    )
    return result


_EXPORT_NEEDS = {
    "onnx": ("tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
    "saved-model": (),
}


def may_export(kind: str) -> bool:
    """Whether what a format takes is installed."""
    return all(importlib.util.find_spec(package) is not None for package in _EXPORT_NEEDS[kind])


def require_export(kind: str) -> None:
    """Skip the test where it is not."""
    if not may_export(kind):
        pytest.skip(f"{kind} takes {' and '.join(_EXPORT_NEEDS[kind])}")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished run, and the dataset that it was trained on."""

    dataset: Dataset
    root: Path
    document: dict[str, Any]
    text: str
