"""One figure for how much an image deserves a look, and the reasons for it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from curation.dataset import Row
from curation.flags import FLAGS, traits
from curation.suspicion import WEIGHTS, suspects, with_suspicion

PLAIN = [Row(digest=f"{n:064x}", species="shrew", kept=True) for n in range(20)]


def suspected(rows: list[Row]) -> list[Row]:
    return list(with_suspicion(rows, traits(rows)))


def judged(**values):
    one, *_ = suspected([replace(PLAIN[0], **values), *PLAIN[1:]])
    return one.suspicion, one.suspicion_reasons


def test_every_flag_has_a_weight():
    assert set(WEIGHTS) == set(FLAGS)


def test_an_image_without_fault_is_not_suspicious():
    assert judged() == (0.0, "")


def test_reasons_come_worst_first_and_add_up():
    suspicion, why = judged(
        flags="drawing,grey", label_doubt=0.9, likely_species="mouse", outlier=0.5
    )
    assert why == "looks like mouse, drawing, unlike the others, grey"
    assert suspicion == round(1 - (1 - 0.81) * (1 - 0.7) * (1 - 0.25) * (1 - 0.1), 4)


def test_a_conflict_is_the_most_suspicious_of_all():
    claim = "conflict: also under mouse, vole"
    suspicion, why = judged(kept=False, reason=claim)
    assert suspicion == 0.95
    assert why == "conflict: also under mouse and vole"


def test_copies_broken_files_and_what_a_person_settled_are_not_judged():
    assert judged(kept=False, reason="near-duplicate: of 00", flags="dark")[0] is None
    assert judged(kept=False, reason="truncated")[0] is None
    assert judged(kept=False, reason="reviewed: toy", flags="drawing")[0] is None
    assert judged(review="distinct: from 00; keep", flags="drawing") == (0.0, "")
    assert judged(review="distinct: from 00", flags="drawing") == (0.7, "drawing")


def test_what_a_flag_dropped_is_still_judged():
    assert judged(kept=False, reason="drawing", flags="drawing") == (0.7, "drawing")


def test_a_trait_of_the_dataset_is_no_reason():
    rows = suspected([replace(one, flags="dark,tiny") for one in PLAIN[:11]] + PLAIN[11:])
    assert {row.suspicion for row in rows} == {0.0}


def test_the_worst_come_first_and_each_image_once():
    flagged = [replace(PLAIN[1], flags="dark"), replace(PLAIN[2], flags="drawing")]
    rows = suspected([PLAIN[0], *flagged, flagged[1], *PLAIN[3:]])
    assert [row.flags for row in suspects(rows, at_least=0)] == ["drawing", "dark"]
    assert [row.flags for row in suspects(rows, at_least=0.5)] == ["drawing"]


@given(
    flags=st.sets(st.sampled_from(FLAGS)),
    more=st.sampled_from(FLAGS),
    doubt=st.floats(0, 1),
    outlier=st.floats(0, 1),
)
def test_suspicion_stays_below_one_and_never_falls_with_another_reason(flags, more, doubt, outlier):
    values = {"label_doubt": doubt, "likely_species": "mouse", "outlier": outlier}
    fewer, _ = judged(flags=",".join(sorted(flags)), **values)
    greater, why = judged(flags=",".join(sorted(flags | {more})), **values)
    assert 0 <= fewer <= greater <= 1
    assert why
