"""The reproduction's table, for a person, a script, a README and a browser."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from training.reproduce import Line
from training.whole import write_whole

HEADS = ("row", "reported", "ours: last epoch, 95 %", "best validation epoch", "runs", "CPU s")

WHAT_IT_SAYS = (
    "Accuracy on pictures that were not trained on. The last epoch was chosen by nothing; the best"
    " validation epoch was chosen by the very pictures that it is measured on, and is what the"
    " study reported. Intervals: 95 %, over the runs and over the pictures, both together."
)


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
