"""Which faults are flagged, and which are taken for the nature of a dataset."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import flags, reasons
from curation.dataset import Row
from curation.errors import DatasetError, UsageError
from curation.flags import FLAGS, Pictured, Thresholds, flags_of
from curation.quality import Measures

GOOD = Measures(
    brightness=0.5,
    contrast=0.2,
    darkest=0.15,
    brightest=0.9,
    sharpness=0.5,
    entropy=7.3,
    colour=0.5,
    drawn=-0.9,
    text=0.02,
    seam=0.6,
)
PHOTO = Pictured(measures=GOOD, width=640, height=480)
RULES = Thresholds()


def raised(pictured=PHOTO, **measures):
    return flags_of(replace(pictured, measures=replace(GOOD, **measures)), RULES)


def row(number=0, flags="", **values):
    digest = f"{number:064x}"
    return Row(digest=digest, species="shrew", flags=flags, **{"kept": True, **values})


@pytest.mark.parametrize(
    ("measures", "flag"),
    [
        ({"contrast": 0.005}, "blank"),
        ({"brightest": 0.36}, "dark"),
        ({"darkest": 0.75}, "bright"),
        ({"sharpness": 0.22}, "blurred"),
        ({"entropy": 3.6}, "low-information"),
        ({"colour": 0.04}, "grey"),
        ({"drawn": -0.2}, "drawing"),
        ({"text": 0.23}, "text"),
        ({"seam": 0.95}, "collage"),
    ],
)
def test_each_measure_raises_its_flag_from_its_threshold_on(measures, flag):
    assert raised() == ()
    assert raised(**measures) == (flag,)


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ((640, 480), ()),
        ((1500, 500), ("odd-aspect",)),
        ((500, 1499), ()),
        ((275, 183), ("thumbnail",)),
        ((150, 100), ("thumbnail", "tiny")),
    ],
)
def test_sizes_are_flagged(size, found):
    assert raised(replace(PHOTO, width=size[0], height=size[1])) == found


def test_nothing_is_said_of_what_a_blank_picture_shows():
    assert raised(contrast=0.001, colour=0.0, sharpness=0.0, drawn=0.0) == ("blank",)


@pytest.mark.parametrize(
    ("addresses", "species", "is_placeholder"), [(1, 1, False), (3, 1, True), (1, 2, True)]
)
def test_one_poor_picture_at_many_addresses_is_a_placeholder(addresses, species, is_placeholder):
    often = replace(PHOTO, addresses=addresses, species=species)
    assert ("placeholder" in raised(often, drawn=0.1)) is is_placeholder
    assert "placeholder" not in raised(often)


def test_flags_are_sorted_and_each_is_a_reason():
    assert raised(text=0.9, contrast=0.3, drawn=0.5, brightest=0.1) == ("dark", "drawing", "text")
    known = {value for name, value in vars(reasons).items() if name.isupper()}
    assert set(FLAGS) <= known


@given(st.sampled_from(FLAGS), st.floats(-1, 9), st.floats(-1, 9))
def test_a_threshold_moves_its_own_flag_alone(flag, one, other):
    name = flag.replace("-", "_")
    with_one, with_other = (
        set(flags_of(PHOTO, Thresholds(**{name: value}))) for value in (one, other)
    )
    assert with_one ^ with_other <= {flag, *FLAGS[:1], "placeholder"} | (
        set() if flag != "blank" else {"blurred", "grey", "drawing", "text", "collage"}
    )


def test_a_threshold_that_is_no_number_is_refused_by_name():
    with pytest.raises(UsageError, match="odd-aspect is no number"):
        Thresholds(odd_aspect=float("nan"))
    with pytest.raises(UsageError, match="'blury' is no flag: choose among blank, dark"):
        flags.require_flags(["dark", "blury"])


def test_thresholds_are_read_back_from_a_record():
    record = {field.name: getattr(RULES, field.name) for field in fields(RULES)}
    assert Thresholds.from_record(record) == RULES
    for strange in ({}, None, {**record, "mood": 1}):
        with pytest.raises(DatasetError, match="another Bestiary"):
            Thresholds.from_record(strange)


def test_a_flag_on_most_pictures_is_a_trait_and_no_fault():
    rows = [row(n, "grey,dark" if n == 0 else "grey") for n in range(6)] + [
        row(n) for n in range(6, 10)
    ]
    assert flags.traits(rows) == ("grey",)
    assert flags.prevalence(rows) == {"grey": 0.6, "dark": 0.1}
    assert flags.flagged(rows) == {"dark": [rows[0]]}


def test_copies_and_broken_files_do_not_count():
    rows = [row(1, "dark"), row(2)] + [
        row(n, "dark", kept=False, reason="near-duplicate: of 0000") for n in range(3, 9)
    ]
    assert flags.traits(rows) == ()
    assert flags.flagged(rows) == {"dark": [rows[0]]}
