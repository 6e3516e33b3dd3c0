"""The reproduction's table, for a person, a script, a README and a browser."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

from training.intervals import wilson
from training.reproduce import FOLDED, FOLDS, Outcome, Row, Skipped
from training.whole import write_whole

HEADS = ("row", "reported", "ours: last epoch, 95 %", "best validation epoch", "runs", "CPU s")

WHAT_IT_SAYS = (
    "Accuracy on pictures that were not trained on. The last epoch was chosen by nothing; the best"
    " validation epoch was chosen by the very pictures that it is measured on, and is what the"
    " study reported. Intervals: 95 %, over the runs and over the pictures, both together."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the table: its outcomes together."""

    row: str
    reported: str
    last: float | None = None
    low: float | None = None
    high: float | None = None
    best: float | None = None
    """The mean of the best epochs: how the study reported."""
    seeds: tuple[float, ...] = ()
    n: int = 0
    """Pictures measured on: in all where runs are folds, which share none; else each time."""
    cpu_s: float | None = None
    """A run's, on average."""
    why_not: str = ""


def lines(rows: Sequence[Row], found: Sequence[Outcome | Skipped]) -> list[Line]:
    """The table, in the rows' order."""
    return [_line(row, [one for one in found if one.row == row.name]) for row in rows]


def _line(row: Row, found: Sequence[Outcome | Skipped]) -> Line:
    done = [one for one in found if isinstance(one, Outcome)]
    if not done:
        reasons = [one.reason for one in found if isinstance(one, Skipped)]
        return Line(row=row.name, reported=row.reported, why_not="; ".join(reasons))
    are_folds = row.material in FOLDED and all(one.seed < FOLDS for one in done)
    n = sum(one.n for one in done) if are_folds else done[0].n
    low, high = interval([one.last for one in done], n=n)
    return Line(
        row=row.name,
        reported=row.reported,
        last=mean(one.last for one in done),
        low=low,
        high=high,
        best=mean(one.best for one in done),
        seeds=tuple(one.last for one in done),
        n=n,
        cpu_s=mean(one.cpu_s for one in done),
    )


_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t for two-sided 95 %, for 1 to 9 degrees of freedom."""


def interval(accuracies: Sequence[float], *, n: int) -> tuple[float, float]:
    """The 95 % interval of a mean accuracy.

    Of one run, Wilson's on its pictures. Of several, what holds both Student's over the runs and
    Wilson's on `n` pictures: those of one run where runs share them, because then more runs alone
    tell little.
    """
    middle = mean(accuracies)
    on_pictures = wilson(round(middle * n), n)
    low, high = on_pictures.low or 0.0, on_pictures.high or 1.0
    if len(accuracies) > 1:
        factor = _T_95[min(len(accuracies) - 2, len(_T_95) - 1)]
        reach = factor * stdev(accuracies) / math.sqrt(len(accuracies))
        low, high = min(low, middle - reach), max(high, middle + reach)
    return max(0.0, low), min(1.0, high)


def write(out: Path, lines: Sequence[Line]) -> None:
    """Write `table.json`, `table.md` and `table.html` below `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("table.json", json.dumps([asdict(line) for line in lines], indent=2) + "\n"),
        ("table.md", to_markdown(lines)),
        ("table.html", to_html(lines)),
    ):
        write_whole(out / name, text)


def cells(line: Line) -> tuple[str, ...]:
    """A line as the words of its cells."""
    if line.last is None or line.low is None or line.high is None:
        return (
            line.row,
            line.reported,
            f"not run{line.why_not and f': {line.why_not}'}",
            "–",
            "–",
            "–",
        )
    return (
        line.row,
        line.reported,
        f"{_percent(line.last)} ({_percent(line.low)}–{_percent(line.high)}), n = {line.n}",
        _percent(line.best or 0.0),
        str(len(line.seeds)),
        f"{line.cpu_s or 0:.0f}",
    )


def to_text(lines: Sequence[Line]) -> str:
    """Columns for a terminal."""
    rows = [HEADS, *map(cells, lines)]
    widths = [min(48, max(len(row[place]) for row in rows)) for place in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def to_markdown(lines: Sequence[Line]) -> str:
    """A table for a README, and below it what its figures are."""
    rows = [HEADS, ("---",) * len(HEADS), *map(cells, lines)]
    table = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows)
    return f"{table}\n{WHAT_IT_SAYS}\n"


def to_html(lines: Sequence[Line]) -> str:
    """A page of its own, for light and dark screens of any width."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in HEADS)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells(line))}</tr>"
        for line in lines
    )
    return _PAGE.replace("WHAT", WHAT_IT_SAYS).replace("HEAD", head).replace("BODY", body)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The founding study, reproduced</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
div { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .45rem .7rem; border-bottom: 1px solid #8886;
  vertical-align: top }
td:first-child { min-width: 11rem }
td:nth-child(3) { min-width: 14rem; overflow-wrap: anywhere }
td:nth-child(n+4), th:nth-child(n+4) { text-align: right; white-space: nowrap }
</style></head><body>
<h1>The founding study, reproduced</h1>
<p>WHAT</p>
<div><table><thead><tr>HEAD</tr></thead><tbody>BODY</tbody></table></div>
</body></html>
"""
