from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.review import read_review
from training.errors import RunError
from training.predictions import Predictions
from training.suspects import can_judge, decisions, suspects, to_csv, usual_confidence, worst_first

SPECIES = ("hamster", "mouse", "shrew")


def _predictions(labels: list[int], rows: list[list[float]]) -> Predictions:
    return Predictions(
        digests=tuple(f"{place:064x}" for place in range(len(labels))),
        labels=np.array(labels, np.int32),
        probabilities=np.array(rows, np.float32),
    )


SURE = [0.9, 0.05, 0.05]


def test_swapped_labels_are_suspect_and_the_worst_comes_first() -> None:
    rows = [SURE, SURE, SURE[::-1], SURE[::-1], [0.02, 0.0, 0.98], [0.95, 0.0, 0.05]]
    found = suspects("test", _predictions([0, 0, 2, 2, 0, 2], rows), SPECIES)

    assert [(one.species, one.to) for one in found] == [("hamster", "shrew"), ("shrew", "hamster")]
    assert found[0].note == "test: the network says shrew 98% and hamster 2%"


def test_the_worst_of_the_test_pictures_come_before_lesser_ones_of_validation() -> None:
    rows = [SURE, SURE, SURE[::-1], SURE[::-1]]
    lesser = suspects("val", _predictions([0, 0, 2, 2, 0], [*rows, [0.1, 0.0, 0.9]]), SPECIES)
    worse = suspects("test", _predictions([0, 0, 2, 2, 0], [*rows, [0.02, 0.0, 0.98]]), SPECIES)

    assert worst_first([*lesser, *worse]) == [*worse, *lesser]


def test_a_mistake_that_the_network_is_not_sure_of_doubts_no_label() -> None:
    rows = [SURE, SURE, [0.4, 0.35, 0.25]]

    assert suspects("val", _predictions([0, 0, 1], rows), SPECIES) == []


def test_a_species_without_pictures_is_never_usual() -> None:
    usual = usual_confidence(np.array([0, 0]), np.array([[0.8, 0.2, 0], [0.6, 0.4, 0]]))

    assert usual.tolist() == [0.7, np.inf, np.inf]


def test_curation_reads_the_file_and_takes_what_a_person_decided(tmp_path: Path) -> None:
    rows = [SURE, SURE, SURE[::-1], SURE[::-1], [0.02, 0.0, 0.98]]
    text = to_csv(suspects("test", _predictions([0, 0, 2, 2, 0], rows), SPECIES))
    path = tmp_path / "suspects.csv"
    path.write_text(text)

    assert text.splitlines()[0] == "\ufeffdigest,species,decision,to,note"
    assert read_review(path) == (), "nothing was decided yet"
    path.write_text(text.replace("hamster,,shrew", "hamster,move,shrew"))
    (decision,) = read_review(path)
    assert (decision.decision, decision.species, decision.to) == ("move", "hamster", "shrew")


def test_decisions_stay_when_the_file_is_written_again(tmp_path: Path) -> None:
    rows = [SURE, SURE, SURE[::-1], SURE[::-1], [0.02, 0.0, 0.98], [0.95, 0.0, 0.05]]
    found = suspects("test", _predictions([0, 0, 2, 2, 0, 2], rows), SPECIES)
    path = tmp_path / "suspects.csv"
    path.write_text(to_csv(found, decisions(path)))
    decided = path.read_text().replace("hamster,,shrew", "hamster,move,shrew")
    path.write_text(decided)

    path.write_text(to_csv(found[::-1], decisions(path)))
    assert sorted(path.read_text().splitlines()) == sorted(decided.splitlines())

    path.write_text(to_csv([], decisions(path)))
    assert [one.decision for one in read_review(path)] == ["move"]


def test_what_a_person_shortened_and_wrote_twice_stays_so(tmp_path: Path) -> None:
    rows = [SURE, SURE, SURE[::-1], SURE[::-1], [0.02, 0.0, 0.98]]
    (one,) = suspects("test", _predictions([0, 0, 2, 2, 0], rows), SPECIES)
    path = tmp_path / "suspects.csv"
    start = one.digest[:12].upper()
    lines = [f"{start},,distinct,{number * 8},seen" for number in "12"]
    path.write_text("Digest,Species,Decision,To,Note\n" + "\n".join(lines) + "\n")

    path.write_text(to_csv([one], decisions(path)))

    assert path.read_text("utf-8-sig").splitlines()[1:] == lines


@pytest.mark.parametrize("body", [b"digest;decision\nab;drop\n", b"\xff\xfe\x00", b""])
def test_what_may_hold_decisions_and_cannot_be_read_is_not_written_over(
    tmp_path: Path, body: bytes
) -> None:
    path = tmp_path / "suspects.csv"
    path.write_bytes(body)

    with pytest.raises(RunError, match=r"suspects\.csv may hold decisions of yours"):
        decisions(path)


def test_a_network_that_knows_nothing_is_no_judge() -> None:
    labels = [0, 1, 2] * 10
    sure = [[0.9 if place == label else 0.05 for place in range(3)] for label in labels]

    assert can_judge([_predictions(labels, sure)])
    assert not can_judge([_predictions(labels, [SURE] * 30)])
    nothing = Predictions(
        digests=(), labels=np.empty(0, np.int32), probabilities=np.empty((0, 3), np.float32)
    )
    assert not can_judge([nothing])
