"""Charts hold what they are given, and say what they show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation import charts

SIDES = st.integers(1, 100_000)
SIZES = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=20).map(np.array),
    min_size=1,
    max_size=12,
)


def printable(text: str) -> str:
    """XML, unlike HTML, knows no control characters."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]", "", text)


@given(sizes=SIZES)
def test_every_picture_is_in_the_scatter_and_every_mark_on_paper(sizes):
    root = ElementTree.fromstring(printable(charts.scatter(sizes, side_px=224)))
    counts = [int(re.search(r": (\d+) near \d", title.text)[1]) for title in root.iter("title")]
    assert sum(counts) == sum(len(of_one) for of_one in sizes.values())
    groups = [mark for mark in root.iter("g") if mark.get("class", "").startswith("mark")]
    assert len(groups) == min(len(sizes), charts.SERIES)
    for mark in root.iter("path"):
        x, y = (float(part) for part in re.match(r"M(-?[\d.]+) (-?[\d.]+)", mark.get("d")).groups())
        assert -20 <= x <= charts.WIDTH + 20
        assert -20 <= y <= charts.HEIGHT + 20


@given(values=st.lists(SIDES, min_size=1).map(np.array))
def test_the_bars_of_a_histogram_hold_every_value(values):
    root = ElementTree.fromstring(charts.histogram(values, "width"))
    assert sum(int(title.text.split()[0]) for title in root.iter("title")) == len(values)
    assert root.get("role") == "img"
    assert str(len(values)) in root.get("aria-label")


def test_every_species_has_a_panel_and_all_share_an_axis():
    panels = charts.panels(
        {"shrew": np.array([(100, 80)]), "mouse": np.array([(2000, 1500), (900, 700)])}
    )
    assert list(panels) == ["shrew", "mouse"]
    ticks = [re.findall(r'<text x="([\d.]+)"', panel) for panel in panels.values()]
    assert ticks[0] == ticks[1] != []


@given(sizes=SIZES)
def test_no_number_under_an_axis_sticks_out(sizes):
    for panel in charts.panels(sizes).values():
        root = ElementTree.fromstring(printable(panel))
        right = float(root.get("viewBox").split()[2])
        for label in root.iter("text"):
            place, wide = float(label.get("x")), 7 * len(label.text)
            start = place - {"start": 0, "middle": wide / 2, "end": wide}[label.get("text-anchor")]
            assert start >= 0
            assert start + wide <= right


def test_series_differ_in_shape_and_not_in_colour_alone():
    shapes = {charts.shape(number, 0, 0, 5) for number in range(charts.SERIES)}
    assert len(shapes) == charts.SERIES


def test_nothing_makes_no_chart():
    assert charts.scatter({}, side_px=224) == charts.histogram(np.array([]), "width") == ""
    assert charts.panels({}) == {}
