from __future__ import annotations

import math
from dataclasses import replace

import pytest

from curation.audit import audit
from curation.dataset import Row
from curation.tables import aligned, table


def rows(**counts: int) -> list[Row]:
    return [
        Row(
            digest=f"{species}{number}",
            species=species,
            kept=number > 0,
            split="train" if number else None,
            reason="" if number else "too small: 9 × 9 px",
            width=100 + number,
            height=50,
        )
        for species, count in counts.items()
        for number in range(count + 1)
    ]


def test_balance_is_counted():
    figures = audit(rows(mouse=30, shrew=10))
    assert figures.imbalance_ratio == 3
    assert figures.effective_classes == pytest.approx(
        math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))), abs=1e-4
    )
    assert figures.splits["train"] == {"mouse": 30, "shrew": 10}
    assert figures.shares()["total"] == {"mouse": 0.75, "shrew": 0.25}
    assert figures.dropped == {"too small": 2}
    assert figures.species["shrew"].width.maximum == 110


def test_equal_classes_count_as_many_as_they_are():
    assert audit(rows(a=7, b=7, c=7)).effective_classes == pytest.approx(3)


def test_a_species_without_an_image_is_still_there():
    figures = audit(rows(mouse=2, vole=0))
    assert figures.species["vole"].kept == 0
    assert "vole" not in figures.total
    assert "vole" in table(figures)


def test_a_split_that_lacks_a_species_is_not_told_as_balanced():
    lacking = [
        replace(row, split="val") if row.species == "mouse" and number < 5 else row
        for number, row in enumerate(rows(mouse=20, shrew=10))
    ]
    figures = audit(lacking)
    assert (figures.balance["val"].imbalance_ratio, figures.balance["val"].absent) == (1, 1)
    assert figures.balance["train"].absent == figures.balance["total"].absent == 0
    assert "val 1.0 : 1 without 1 of the species" in table(figures)


def test_nothing_at_all_has_no_ratio():
    assert audit([]).imbalance_ratio is None
    assert audit([]).document()["effective_classes"] is None


def test_tables_line_up():
    assert aligned([("a", "n"), ("bb", "10")], rules=(1,)) == "a    n\n──  ──\nbb  10"
