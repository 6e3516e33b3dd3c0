"""What a person decides is read, applied, and recorded; a slip of the pen is told by line."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import reasons
from curation.curate import curate
from curation.dataset import Dataset
from curation.errors import UsageError
from curation.questions import open_questions, write_questions
from curation.recipe import CurationRecipe
from curation.review import COLUMNS, Decision, read_review, reviewed
from scraper.harvest import Candidate, Harvest, Record
from tests.curation.making import ALL_TRAIN, curated, encoded, jpeg, picture

HEADER = ",".join(COLUMNS)
A, B = "a" * 64, "ab" + "0" * 62


def record(number, digest, species="shrew"):
    candidate = Candidate(image_url=f"https://pictures.example/{number}")
    return Record(
        id=number,
        species=species,
        source="urls",
        query="",
        rank=number,
        candidate=candidate,
        state="kept",
        sha256=digest,
    )


RECORDS = (record(1, A), record(2, A, "mouse"), record(3, B))


def decision(digest, word, species="", **values):
    return Decision(digest=digest, species=species, decision=word, place="r.csv, line 2", **values)


def read(tmp_path, *lines, header=HEADER):
    path = tmp_path / "r.csv"
    path.write_bytes("\n".join([header, *lines]).encode())
    return read_review(path)


def test_decisions_are_read_as_a_spreadsheet_saves_them(tmp_path):
    expected = decision(A, "drop", "shrew", note="toy, not alive")
    assert read(tmp_path, f'{A},shrew,Drop,,"toy,  not alive"', ",,,,") == (expected,)
    text = (
        f"\ufeff{HEADER};\r\n".replace(",", ";")[:-3] + f"\r\n{A};shrew; drop ;;toy, not alive\r\n"
    )
    (tmp_path / "r.csv").write_bytes(text.encode())
    assert read_review(tmp_path / "r.csv") == (expected,)


def test_a_line_without_a_decision_decides_nothing(tmp_path):
    assert read(tmp_path, f"{A},shrew,,mouse,looks like a mouse", "") == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("aaaaaaa,shrew,keep,,", "line 2, column digest: 'aaaaaaa' is no digest"),
        ("wxyzwxyz,shrew,keep,,", "line 2, column digest"),
        (f"{A},shrew,kept,,", "line 2, column decision: 'kept' is none of keep, drop"),
        (f"{A},shrew,move,,", "line 2, column to: say to which species"),
        (f"{A},shrew,distinct,mouse,", "line 2, column to: 'mouse' is no digest"),
        (f"{A},shrew,keep", "line 2: 3 columns instead of 5"),
        (f'{A},shrew,"keep,,', "line 2: it is no CSV"),
    ],
)
def test_a_slip_is_told_by_line_and_column(tmp_path, line, told):
    with pytest.raises(UsageError, match=told):
        read(tmp_path, line)


def test_a_file_that_is_no_review_is_refused(tmp_path):
    with pytest.raises(UsageError, match="line 1: the header must be digest,species"):
        read(tmp_path, header="file,label")
    with pytest.raises(UsageError, match="No such file"):
        read_review(tmp_path / "none.csv")
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="save it as CSV UTF-8"):
        read_review(tmp_path / "r.csv")


def test_each_decision_does_what_it_says():
    result = reviewed(
        RECORDS,
        [
            decision(A, "keep", "shrew"),
            decision(A, "drop", "mouse", note="a drawing"),
            decision("ab000000", "move", to="vole"),
            decision(A, "distinct", to=B),
        ],
    )
    assert [one.species for one in result.records] == ["shrew", "mouse", "vole"]
    assert result.kept == {(A, "shrew")}
    assert result.dropped == {2: "reviewed: a drawing"}
    assert result.apart == {(A, B)}
    assert result.marks == {
        1: "distinct: from ab0000000000; keep",
        2: "distinct: from ab0000000000; drop",
        3: "distinct: from aaaaaaaaaaaa; move: from shrew",
    }
    assert result.warnings == ("the review moves images to vole, which was not gathered",)


def test_what_the_harvest_does_not_have_is_a_warning():
    result = reviewed(RECORDS, [decision("c" * 8, "drop"), decision(A, "keep", "vole")])
    assert result.records == RECORDS
    assert result.marks == {}
    assert [warning.partition(": ")[2] for warning in result.warnings] == [
        "no image of the harvest has the digest cccccccc",
        "aaaaaaaaaaaa was not gathered for vole",
    ]


@pytest.mark.parametrize(
    ("decisions", "told"),
    [
        ([decision("a" * 8, "keep"), decision(A, "drop")], "decided otherwise before"),
        ([decision(B, "move", to="vole"), decision(B, "move", to="rat")], "delete one of the two"),
        ([decision(A, "distinct", to=A)], "column to: it is the same image"),
    ],
)
def test_decisions_that_contradict_each_other_are_refused(decisions, told):
    with pytest.raises(UsageError, match=told):
        reviewed(RECORDS, decisions)


def test_a_beginning_that_fits_two_images_is_refused():
    twins = (record(1, "1" * 12 + "0" * 52), record(2, "1" * 12 + "f" * 52))
    with pytest.raises(UsageError, match="fits several images: give more digits"):
        reviewed(twins, [decision("1" * 12, "keep")])


def test_a_second_review_speaks_of_species_as_the_first_left_them():
    first = decision(B, "move", "shrew", to="mouse")
    result = reviewed(RECORDS, [first, first, decision(B, "keep", "mouse")])
    assert result.kept == {(B, "mouse")}
    assert not result.warnings


SEVERAL = [
    decision(A, "keep", "shrew"),
    decision(A, "drop", "mouse", note="x"),
    decision(B, "move", to="mouse"),
    decision(A, "distinct", to=B),
]


@given(st.permutations(SEVERAL))
def test_the_order_of_decisions_about_different_things_does_not_matter(decisions):
    result, usual = reviewed(RECORDS, decisions), reviewed(RECORDS, SEVERAL)
    assert (result.records, result.marks, result.kept) == (usual.records, usual.marks, usual.kept)


# --- in a dataset ----------------------------------------------------------------------


@pytest.fixture
def contended(make_harvest):
    """One picture for two species, of which the mouse's copy is larger."""
    smaller = encoded(picture(1).resize((80, 60)))
    fillers = [("shrew", jpeg(seed)) for seed in (7, 9)] + [("mouse", jpeg(8))]
    return make_harvest([("shrew", smaller), ("mouse", jpeg(1)), *fillers])


def reasons_of(rows):
    return {(row.species, row.rank): (row.reason, row.review) for row in rows if not row.kept}


def make(harvest, root, *decisions, **choices):
    recipe = CurationRecipe(side_px=64, splits=ALL_TRAIN.splits, **choices)
    with Harvest.open(harvest) as opened:
        *_, last = curate(opened, root, recipe=recipe, workers=1, decisions=decisions)
    return last


def digest_at(dataset: Dataset, rank: int) -> str:
    return next(row.digest for row in dataset.rows if row.rank == rank)


def test_a_conflict_goes_to_the_species_that_a_person_upholds(contended, tmp_path):
    before = make(contended, tmp_path / "d").dataset
    assert {reasons.word(why) for why, _ in reasons_of(before.rows).values()} == {"conflict"}
    assert before.lock_entry["review_sha256"] is None

    after = make(contended, tmp_path / "d", decision(digest_at(before, 0), "keep", "shrew")).dataset
    assert reasons_of(after.rows) == {("mouse", 1): ("reviewed: it shows shrew", "")}
    kept = next(row for row in after.rows if row.rank == 0)
    assert (kept.kept, kept.review, kept.suspicion) == (True, "keep", 0.0)
    assert after.lock_entry["review_sha256"]
    assert after.verify() == ()


def test_both_sides_upheld_is_still_a_conflict(contended, tmp_path):
    digests = [digest_at(make(contended, tmp_path / "d").dataset, rank) for rank in (0, 1)]
    decisions = [decision(digest, "keep") for digest in digests]
    after = make(contended, tmp_path / "d", *decisions).dataset
    assert {reasons.word(why) for why, _ in reasons_of(after.rows).values()} == {"conflict"}


def test_dropping_or_moving_one_side_ends_a_conflict_too(contended, tmp_path):
    mouse = digest_at(make(contended, tmp_path / "d").dataset, 1)
    dropped = make(contended, tmp_path / "d", decision(mouse, "drop", note="a toy")).dataset
    assert reasons_of(dropped.rows) == {("mouse", 1): ("reviewed: a toy", "drop")}
    moved = make(contended, tmp_path / "d", decision(mouse, "move", to="shrew")).dataset
    ((place, (why, _)),) = reasons_of(moved.rows).items()
    assert place == ("shrew", 0)
    assert why.startswith(f"near-duplicate: of {mouse[:12]}, ")


def test_what_is_distinct_is_no_look_alike(contended, tmp_path):
    before = make(contended, tmp_path / "d").dataset
    apart = decision(digest_at(before, 0), "distinct", to=digest_at(before, 1))
    after = make(contended, tmp_path / "d", apart).dataset
    assert reasons_of(after.rows) == {}
    assert {row.group for row in after.rows} == {None}


def test_of_look_alikes_the_one_stays_that_a_person_keeps(make_harvest, tmp_path):
    smaller = encoded(picture(1).resize((80, 60)))
    harvest = make_harvest([("shrew", jpeg(1)), ("shrew", smaller), ("mouse", jpeg(5))])
    before = make(harvest, tmp_path / "d").dataset
    assert set(reasons_of(before.rows)) == {("shrew", 1)}
    after = make(harvest, tmp_path / "d", decision(digest_at(before, 1), "keep")).dataset
    ((place, (why, _)),) = reasons_of(after.rows).items()
    assert place == ("shrew", 0)
    assert why.startswith(f"near-duplicate: of {digest_at(before, 1)[:12]}, ")


def test_a_flag_drops_where_the_recipe_says_so_and_a_person_overrules_it(make_harvest, tmp_path):
    grey = encoded(picture(1).convert("L"))
    harvest = make_harvest(
        [("shrew", grey)] + [(name, jpeg(n)) for n, name in enumerate(["shrew", "mouse"] * 2, 2)]
    )
    flagged = make(harvest, tmp_path / "d").dataset
    found = next(row for row in flagged.rows if row.rank == 0)
    assert (found.kept, found.flags) == (True, "blurred,grey,thumbnail,tiny")
    dropped = make(harvest, tmp_path / "d", drop=("grey",)).dataset
    assert reasons_of(dropped.rows) == {("shrew", 0): ("grey", "")}
    kept = make(harvest, tmp_path / "d", decision(found.digest, "keep"), drop=("grey",)).dataset
    assert reasons_of(kept.rows) == {}


def test_a_dropped_flag_leaves_its_place_to_a_copy_without_it(make_harvest, tmp_path):
    large_and_grey = encoded(picture(1).resize((192, 144)).convert("L"))
    images = [("shrew", large_and_grey), ("shrew", jpeg(1)), ("mouse", jpeg(5))]
    harvest = make_harvest(images)
    dataset = make(harvest, tmp_path / "d", drop=("grey",)).dataset
    assert reasons_of(dataset.rows) == {("shrew", 0): ("grey", "")}


def test_the_same_review_gives_the_same_lock(contended, tmp_path):
    digest = digest_at(make(contended, tmp_path / "one/d").dataset, 0)
    locks = set()
    for name in ("one", "two"):
        make(contended, tmp_path / name / "d", decision(digest[:9], "keep", "shrew"))
        locks.add((tmp_path / name / "datasets.lock").read_bytes())
    assert len(locks) == 1


def test_open_questions_are_written_worst_first_and_read_back_as_no_decision(contended, tmp_path):
    dataset = make(contended, tmp_path / "d").dataset
    questions = open_questions(dataset.rows)
    assert [one.species for one in questions] == ["mouse", "shrew"]
    assert "shrew, or mouse? rank 1, hosts pictures.example" in questions[1].note
    path = tmp_path / "review.csv"
    write_questions(path, questions)
    with path.open(encoding="utf-8-sig") as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    assert read_review(path) == ()
    with pytest.raises(FileExistsError):
        write_questions(path, questions)
    assert [one.name for one in tmp_path.glob(".review*")] == []


def test_curating_without_a_review_says_nothing_of_one(shrews_and_mice, tmp_path):
    rows = curated(shrews_and_mice, tmp_path / "dataset").dataset.rows
    assert {row.review for row in rows} == {""}


@pytest.mark.parametrize("name", ["../../x", ".thumbnails", "a\nb/c", "x" * 300])
def test_an_image_is_moved_to_no_species_that_cannot_be_a_folder(name):
    move = Decision(digest=A, species="shrew", decision="move", to=name, place="r.csv, line 2")
    with pytest.raises(UsageError, match=r"r\.csv, line 2, column to: the species"):
        reviewed([record(1, A)], (move,))
