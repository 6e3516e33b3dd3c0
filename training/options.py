"""The options of a recipe on the command line; one that is not given is the preset's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource

from training import presets
from training.errors import UsageError
from training.models import OF_A_BACKBONE, OF_STEPS
from training.recipe import CHOICES, TrainRecipe

_WORDS = {
    "optimizer": "How weights are moved.",
    "schedule": "How the learning rate goes: as it is, or up for the warm-up and down again.",
    "precision": "Of the arithmetic; bfloat16 is for GPUs.",
    "monitor": "What chooses the best epoch on the validation pictures; none: the last stands.",
    "balance": "For rare species: weigh their pictures more, show them more often, or neither.",
    "flips": "Mirror pictures by lot, or each in every other epoch, or not at all.",
    "transfer": "Of a backbone: fit a head on it, then also free it, or train all at once.",
}

_NUMBERS: dict[str, tuple[type, str]] = {
    "epochs": (int, "At most: see --patience."),
    "batch_size": (int, "Pictures a step."),
    "learning_rate": (float, "The largest that the schedule comes to."),
    "warmup_epochs": (float, "Epochs in which the learning rate climbs."),
    "weight_decay": (float, "Share of the weights taken off each step, times the rate."),
    "label_smoothing": (float, "Share of a label that is spread over all species."),
    "clip_norm": (float, "Longest that all gradients together may be; 0: any length."),
    "ema": (float, "Keep a moving average of the weights with this decay a step; 0: none."),
    "patience": (int, "Epochs without a better one until training stops; 0: never."),
    "shift": (float, "Largest random shift, as a share of the side."),
    "colour": (float, "Largest random change of brightness, contrast and saturation."),
    "rand_augment": (int, "Operations of RandAugment on each picture."),
    "erasing": (float, "Share of pictures with a box painted over."),
    "mixup": (float, "Share of batches whose pictures are blended."),
    "cutmix": (float, "Share of batches whose pictures get a piece of another."),
    "thawed_share": (float, "Share of a backbone's layers that is freed, from the top."),
    "rate_decay": (float, "Rate of each fifth of a backbone, times that of the one above."),
    "seed": (int, "Of first weights, order, augmentation and dropout."),
}


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a recipe; it is called with those that were given."""
    options = [
        click.option(
            "--preset",
            type=click.Choice(list(presets.PRESETS)),
            default=presets.DEFAULT,
            show_default=True,
            help="Where the options that are not given come from: the study's way, or ours.",
        ),
        *(
            click.option(_flag(name), type=click.Choice(CHOICES[name]), help=words)
            for name, words in _WORDS.items()
        ),
        *(
            click.option(_flag(name), type=kind, help=words)
            for name, (kind, words) in _NUMBERS.items()
        ),
        click.option(
            "--enlarge",
            "enlarge_px",
            type=click.IntRange(min=0),
            help="Let the network scale its pictures to this side; 0: as they are.",
        ),
        click.option(
            "--resize", is_flag=True, help="Scale pictures in memory to the network's side."
        ),
        click.option("--no-augment", is_flag=True, help="Show pictures as they are."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def typed_for_a_backbone() -> list[str]:
    """The options of the command under way that only a backbone gives a meaning, as they were
    typed: what bestiary.toml has for all networks may go without use in some."""
    return _typed(OF_A_BACKBONE)


def require_steps() -> None:
    """Refuse options, as they were typed, that say how steps are taken where none is.

    Raises:
        UsageError: there are some.
    """
    if typed := _typed((*OF_STEPS, "no_augment")):
        raise UsageError(
            f"--transfer frozen fits a head at once, on pictures as they are: leave out"
            f" {', '.join(typed)}, or take --transfer two-phase"
        )


def _typed(names: Iterable[str]) -> list[str]:
    context = click.get_current_context()
    return [
        _flag(name)
        for name in names
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    ]


_PLAIN = {
    "flips": "none",
    "shift": 0.0,
    "colour": 0.0,
    "rand_augment": 0,
    "erasing": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
}


def values(given: dict[str, Any]) -> dict[str, Any]:
    """Of a command's options, the fields of a recipe that were given.

    The seed is always: it is nobody's taste.
    """
    fields = dict(_PLAIN) if given.get("no_augment") else {}
    if given.get("resize"):
        fields["image_fit"] = "resize"
    fields |= {
        name: given[name]
        for name in TrainRecipe.__dataclass_fields__
        if name != "preset" and given.get(name) is not None
    }
    if fields.get("enlarge_px") == 0:
        fields["enlarge_px"] = None
    return fields
