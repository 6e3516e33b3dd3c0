from __future__ import annotations

import numpy as np

from curation.dataset import Row
from training.slices import by_size, by_source


def _row(width: int | None, source: str = "google") -> Row:
    height = None if width is None else width + 10
    return Row(digest=str(width), species="mouse", width=width, height=height, source=source)


def test_accuracy_is_told_by_the_shorter_side_smallest_first() -> None:
    rows = [_row(600), _row(40), _row(63), _row(64), _row(2000), _row(None)]
    right = np.array([True, False, True, True, False, True])

    found = {one.name: (one.accuracy.value, one.accuracy.n) for one in by_size(rows, right)}

    assert list(found) == [
        "below 64 px",
        "64 to 127 px",
        "512 to 1023 px",
        "1024 px and more",
        "not known",
    ]
    assert found["below 64 px"] == (0.5, 2)
    assert found["1024 px and more"] == (0.0, 1)


def test_sources_come_by_their_number_and_rare_ones_together() -> None:
    rows = [_row(1, "urls")] * 3 + [_row(1, f"site {n:02}") for n in range(14)]
    right = np.ones(len(rows), bool)

    found = by_source(rows, right)

    assert (found[0].name, found[0].accuracy.n) == ("urls", 3)
    assert (found[-1].name, found[-1].accuracy.n) == ("others", 3)
    assert len(found) == 13
