"""Figures in words, the same on the terminal and in the report."""

from __future__ import annotations

import math

from training.measure import Figure, Measures


def percent(share: float | None) -> str:
    """A share as a person reads it."""
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


def in_words(figure: Figure) -> str:
    """A figure, what it was measured on, and how far to trust it."""
    if figure.value is None or figure.low is None or figure.high is None:
        return f"unknown (n = {figure.n})"
    return f"{percent(figure.value)} (n = {figure.n}: {interval_in_words(figure)})"


def interval_in_words(figure: Figure) -> str:
    """The 95 % interval of a figure, rounded outwards to whole percents."""
    if figure.low is None or figure.high is None:
        return "no interval"
    low, high = math.floor(figure.low * 100), math.ceil(figure.high * 100)
    return f"95 % interval {low}–{high} %"


def verdict_in_words(measures: Measures) -> str:
    """The classifier beside the one that always gives the same answer."""
    baseline = measures.baseline
    verdict = {
        "better": "the network is better than that",
        "not better": "the network is not better than that",
        "cannot tell": "too few pictures to say that the network is better",
    }[baseline.verdict]
    return (
        f"Always saying {baseline.species} would be right for"
        f" {percent(baseline.accuracy.value)}: {verdict}."
    )
