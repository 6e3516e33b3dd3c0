"""How counts and options are worded for a person."""

from __future__ import annotations

import os
from collections.abc import Mapping


def counted(number: int, noun: str, *, plural: str = "") -> str:
    """A number with its noun, which takes an s where there is not exactly one."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def readable(path: str) -> str:
    """A path as text that can be stored and printed, also where its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def as_typed(message: str, options: Mapping[str, str]) -> str:
    """A message that begins with a parameter's name, begun with the option that users type.

    `options` has them by the names of their parameters; a unit at the end of a name, as in
    `pause_s`, is no part of an option.
    """
    name, space, rest = message.partition(" ")
    option = options.get(name) or options.get(name.removesuffix("_s"))
    return f"{option}{space}{rest}" if option else message
