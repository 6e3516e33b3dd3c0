"""Tables for a terminal: the audit's figures as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from curation.audit import NOT_STATED, Audit, Balance, SpeciesAudit
from curation.comparison import Comparison, lines, verdict
from curation.recipe import SPLITS

_MOST_LINES = 6
_WIDEST = 36
"""Characters of a name; longer ones are cut in the middle."""


def table(figures: Audit) -> str:
    """The figures as tables."""
    parts = (
        _counts(figures),
        _balances(figures),
        losses(figures.dropped),
        *_origins(figures),
        _tallied("flag", figures.flags),
    )
    return "\n\n".join(part for part in parts if part)


def _counts(figures: Audit) -> str:
    header = ("species", *SPLITS, "kept", "share", "to target", "dropped", "median size")
    lines = [header]
    for name, one in figures.species.items():
        per_split = (str(figures.splits[split].get(name, 0)) for split in SPLITS)
        lost, missing = str(sum(one.dropped.values())), _more(one.missing)
        numbers = (str(one.kept), f"{one.share:.1%}", missing, lost, _size(one))
        lines.append((short(name), *per_split, *numbers))
    sums = (str(sum(figures.splits[split].values())) for split in SPLITS)
    lost, missing = str(sum(figures.dropped.values())), _more(sum(figures.missing.values()))
    lines.append(("all", *sums, str(figures.kept), "", missing, lost, _size(figures)))
    return aligned(lines, rules=(1, len(lines) - 1))


def _more(missing: int) -> str:
    return f"+{missing}" if missing else "–"


def _balances(figures: Audit) -> str:
    balance = figures.balance["total"]
    if balance.imbalance_ratio is None or balance.effective_classes is None:
        return ""
    return (
        f"Imbalance {balance.imbalance_ratio:.1f} : 1, effective number of classes"
        f" {balance.effective_classes:.2f} of {len(figures.total)}"
        f"{_by_split(figures.balance)}. The target is {figures.target} images of each species."
    )


def _by_split(balances: Mapping[str, Balance]) -> str:
    parts = [
        f"{split} {ratio:.1f} : 1{_without(balances[split].absent)}"
        for split in SPLITS
        if (ratio := balances[split].imbalance_ratio) is not None
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _without(absent: int) -> str:
    return f" without {absent} of the species" if absent else ""


def _size(one: SpeciesAudit | Audit) -> str:
    if one.width is None or one.height is None:
        return "–"
    return f"{one.width.median:.0f} × {one.height.median:.0f}"


def losses(dropped: Mapping[str, int]) -> str:
    """What was dropped, by reason."""
    return _tallied("dropped", dropped, most=len(dropped)) or "Nothing was dropped."


def _origins(figures: Audit) -> list[str]:
    origins = figures.origins
    return [
        _tallied("format", origins.formats),
        _tallied("source", origins.sources),
        _tallied("site", origins.hosts, others=origins.other_hosts),
        _tallied("licence", origins.licences),
    ]


def _tallied(
    title: str, found: Mapping[str, int], *, most: int = _MOST_LINES, others: int = 0
) -> str:
    if not set(found) - {NOT_STATED}:
        return ""
    shown = list(found.items())[:most]
    others += sum(found.values()) - sum(count for _, count in shown)
    lines = [(short(name), str(count)) for name, count in shown]
    lines += [("others", str(others))] if others else []
    return aligned([(title, "images"), *lines], rules=(1,))


def side_by_side(comparison: Comparison) -> str:
    """Two datasets, and what they share."""
    sides = (comparison.first, comparison.second)
    names = tuple(short(side.name) for side in sides)
    figures = [("", *names), *((name, *values) for name, values in lines(sides).items())]
    species = [("species", *names, "both")]
    species += [
        (short(name), *(str(count) for count in counts))
        for name, counts in comparison.species.items()
    ]
    recipe = [("recipe", *names)]
    recipe += [
        (name, *(short(str(value)) for value in values))
        for name, values in comparison.recipe.items()
    ]
    parts = [aligned(figures, rules=(1,)), aligned(species, rules=(1,))]
    parts += [aligned(recipe, rules=(1,))] if comparison.recipe else ["The recipes are the same."]
    parts += [_crossing("same image", comparison, comparison.shared)]
    parts += [_crossing("look-alikes", comparison, comparison.alike_by_splits)]
    if comparison.relabelled:
        parts.append(f"{len(comparison.relabelled)} images are another species in the other.")
    return "\n\n".join([*(part for part in parts if part), verdict(comparison)])


def _crossing(title: str, comparison: Comparison, found: Mapping[tuple[str, str], int]) -> str:
    if not sum(found.values()):
        return ""
    first = short(comparison.first.name)
    header = (title, *(f"{split} of {short(comparison.second.name)}" for split in SPLITS))
    rows = [
        (f"{one} of {first}", *(str(found.get((one, other), 0)) for other in SPLITS))
        for one in SPLITS
    ]
    return aligned([header, *rows], rules=(1,))


def short(name: str) -> str:
    """A name as a terminal can show it: on one line, and not too long."""
    plain = "".join(character if character.isprintable() else "·" for character in name)
    if len(plain) <= _WIDEST:
        return plain
    return f"{plain[: _WIDEST // 2]}…{plain[-(_WIDEST // 2 - 1) :]}"


def aligned(lines: Sequence[Sequence[str]], *, rules: Iterable[int] = ()) -> str:
    """Lay out a table: the first column to the left, the others to the right.

    A rule is drawn before each line whose number is among `rules`.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    drawn = []
    for number, cells in enumerate(lines):
        if number in rules:
            drawn.append("  ".join("─" * width for width in widths))
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        drawn.append("  ".join((first, *rest)).rstrip())
    return "\n".join(drawn)
