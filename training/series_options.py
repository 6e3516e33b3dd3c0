"""The options with which `train` answers a question by several runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def series_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a series: seeds, folds, a learning curve."""
    options = [
        click.option(
            "--seeds",
            type=int,
            default=1,
            show_default=True,
            help="Train from so many seeds; tells mean, deviation and every run.",
        ),
        click.option("--folds", type=int, help="Cross-validate: test every picture once."),
        click.option(
            "--learning-curve",
            is_flag=True,
            help="Train on 25, 50, 75 and 100 % of the pictures; says where more would help.",
        ),
        click.option(
            "--no-baseline", is_flag=True, help="Do not fit the baseline without a network."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
