"""Presets: the recipes that have a name. An option on the command line changes a single value.

`study` does what the founding study did, as far as it said so; `strong` is what we found to
work, and the default. Why a value is what it is stands in benchmarks/RESULTS.md.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from training.errors import UsageError
from training.models import ModelEntry
from training.recipe import TrainRecipe

DEFAULT = "strong"

Values = Mapping[str, Any]

_STUDY: Values = {
    "epochs": 100,
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "monitor": "accuracy",
    "patience": 20,
    "balance": "none",
    "flips": "none",
    "shift": 0.0,
    "transfer": "whole",
}
_FROM_SCRATCH: Values = {
    "epochs": 100,
    "batch_size": 64,
    "optimizer": "muon",
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "warmup_epochs": 5.0,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "ema": 0.995,
    "monitor": "none",
    "patience": 0,
    "flips": "alternate",
    "cutmix": 0.5,
}
_TRANSFER: Values = {
    "epochs": 12,
    "batch_size": 32,
    "optimizer": "adamw",
    "learning_rate": 3e-4,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "clip_norm": 1.0,
    "ema": 0.99,
    "monitor": "none",
    "patience": 0,
    "transfer": "two-phase",
    "enlarge_px": 160,
}

PRESETS: dict[str, dict[str, Values]] = {
    "study": {
        "": _STUDY,
        "cifar-cnn": {**_STUDY, "batch_size": 100, "patience": 50},
        "scratch-224": {**_STUDY, "batch_size": 120},
    },
    "strong": {
        "": _FROM_SCRATCH,
        # Each epoch costs twice as much, and after 50 it is further than after 100 by AdamW.
        "cifar-resnet": {**_FROM_SCRATCH, "epochs": 50},
        "backbone": _TRANSFER,
        # At three times that rate it is right for three in a hundred less.
        "mobilenet-075": {**_TRANSFER, "learning_rate": 1e-4},
        # Its head has a hidden layer, and there is nothing to fit that on.
        "resnet50": {**_TRANSFER, "transfer": "whole"},
        # Its eight last channels learn a little of each picture: what others need to be kept
        # from learning by heart keeps it from learning.
        "scratch-224": {
            "batch_size": 16,
            "shift": 0.05,
            "schedule": "cosine",
            "warmup_epochs": 2.0,
            "ema": 0.99,
            "monitor": "none",
            "patience": 0,
        },
    },
}
"""By preset and model; `backbone` stands for those that have one, and "" for the others."""


def recipe(name: str, entry: ModelEntry, **given: Any) -> TrainRecipe:
    """The recipe of a preset for a network, with the values that were given instead of its own.

    Raises:
        UsageError: there is no such preset, or a value cannot be meant.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}: choose one of {', '.join(PRESETS)}")
    own = PRESETS[name]
    kind = "backbone" if entry.pretrained is not None and "backbone" in own else ""
    values = {**own.get(entry.name, own[kind]), **given}
    if values.get("monitor") == "none" and "patience" not in given:
        values["patience"] = 0
    if "warmup_epochs" not in given:
        warmup = values.get("warmup_epochs", 0.0)
        values["warmup_epochs"] = min(warmup, values.get("epochs", 100) / 10)
    return TrainRecipe(preset=name, **values)


_GENTLE_RATE = 1e-4
"""Of a backbone on pictures as large as it was made for: three times that makes it forget."""


def fitted_to(chosen: TrainRecipe, *, side_px: int, given: Container[str]) -> TrainRecipe:
    """The recipe for pictures of a side: they are enlarged only to what is larger.

    What is not enlarged looks as the backbone knows it, so it learns at a lower rate then, unless
    one was given.

    Args:
        chosen: As `recipe` returned it.
        side_px: Of the pictures.
        given: The names of the values that were given in place of the preset's.
    """
    if chosen.enlarge_px is None or chosen.enlarge_px > side_px:
        return chosen
    rate = chosen.learning_rate
    if "learning_rate" not in given:
        rate = min(rate, _GENTLE_RATE)
    return replace(chosen, enlarge_px=None, learning_rate=rate)
