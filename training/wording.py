"""Figures in words, the same on the terminal and in the report."""

from __future__ import annotations

import math

from training.comparison import SIGNIFICANCE, Comparison
from training.intervals import Figure
from training.measure import Baseline, Measures


def percent(share: float | None) -> str:
    """A share as a person reads it."""
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


def counted(count: int, noun: str) -> str:
    """A count of things, of which one is no plural."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


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


def p_in_words(p_value: float) -> str:
    """A p-value with as many digits as it bears."""
    if p_value < 0.001:
        return "p < 0.001"
    if p_value < SIGNIFICANCE and f"{p_value:.2g}" == f"{SIGNIFICANCE:.2g}":
        return f"p = {math.floor(p_value * 10_000) / 10_000}"  # Not rounded onto the line.
    return f"p = {p_value:.2g}"


def left_out_in_words(measures: Measures) -> str:
    """The species that do not count where a mean over species is taken; nothing if all do."""
    if not measures.left_out:
        return ""
    named, no_picture = ", ".join(measures.left_out), f"no {measures.split} picture"
    has = "has" if len(measures.left_out) == 1 else "have"
    return f"{named} {has} {no_picture}: means over species are of the others alone."


def verdict_in_words(measures: Measures) -> str:
    """The classifier beside each of its baselines."""
    return " ".join(baseline_in_words(baseline) for baseline in measures.baselines)


def baseline_in_words(baseline: Baseline) -> str:
    """A baseline's score, and whether the network beats it."""
    verdict = {
        "better": "the network is better than that",
        "worse": "the network is worse than that",
        "cannot tell": "these pictures cannot tell that the network is better",
    }[baseline.network.verdict]
    says = baseline.says[0].upper() + baseline.says[1:]
    return (
        f"{says} would be right for {percent(baseline.accuracy.value)}:"
        f" {verdict} ({p_in_words(baseline.network.p_value)})."
    )


def comparison_in_words(comparison: Comparison, first: str, second: str) -> str:
    """What can be said of two classifiers by the same pictures."""
    difference = comparison.difference
    told = {
        "better": f"{first} is better than {second}",
        "worse": f"{first} is worse than {second}",
        "cannot tell": f"These pictures cannot tell {first} from {second}",
    }[comparison.verdict]
    lines = [f"{told}: McNemar's exact test, {p_in_words(comparison.p_value)}."]
    lines.append(
        f"  Of {comparison.n} pictures {first} alone gets {comparison.only_first} right,"
        f" {second} alone {comparison.only_second}."
    )
    if difference.value is not None and difference.low is not None and difference.high is not None:
        lines.append(
            f"  Difference in accuracy {points(difference.value)} points"
            f" (95 % interval {points(difference.low)} to {points(difference.high)})."
        )
    if comparison.verdict == "cannot tell" and comparison.pictures_needed is not None:
        lines.append(
            "  To tell a difference of this size takes about"
            f" {_rounded(comparison.pictures_needed):,} test pictures."
        )
    return "\n".join(lines)


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def _rounded(count: int) -> int:
    """A rough count without false precision: two digits."""
    digits = max(0, len(str(count)) - 2)
    return round(count, -digits)
