"""What a network found of a picture stays with it when the dataset is made anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import lock
from curation.curate import curate
from curation.dataset import MANIFEST, Dataset, Row, write_manifest
from curation.inherited import Inherited, inherited_from
from curation.recipe import CurationRecipe
from curation.review import Decision
from curation.suspects import Doubt, note_doubts
from curation.suspicion import who_looked
from scraper.harvest import Harvest
from tests.curation.making import EIGHT_OF_EACH, curated, gathered, jpeg

RECIPE = CurationRecipe(side_px=64)


@pytest.fixture
def suspected(harvest, tmp_path):
    """A dataset that a network has looked at, and that its lock is of."""
    dataset = curated(harvest, tmp_path / "dataset", RECIPE).dataset
    doubts = {(row.digest, row.species): doubt_of(row) for row in dataset.rows if row.kept}
    return note_doubts(dataset, doubts, network="seer (seer.h5)")


OTHER = {"mouse": "shrew", "shrew": "mouse"}


def doubt_of(row):
    """A doubt like no other picture's."""
    share = int(row.digest[:4], 16) / 0x10000
    return Doubt(outlier=share, label_doubt=1 - share, likely_species=OTHER[row.species])


def found(rows):
    return {
        (row.digest, row.species): (row.outlier, row.label_doubt, row.likely_species)
        for row in rows
        if row.kept
    }


def test_curating_again_keeps_what_a_network_found_and_says_which(harvest, suspected):
    again = curated(harvest, suspected.root, RECIPE)
    assert again.dataset.rows == suspected.rows
    assert {row.outlier is None for row in again.dataset.rows if row.kept} == {False}
    assert Dataset.open(suspected.root).network == "seer (seer.h5)"
    report = (suspected.root / "report.html").read_text("utf-8")
    assert "seer (seer.h5) has looked at 16 of these 16 pictures" in report
    assert not any("network" in warning for warning in again.warnings)


def test_the_lock_is_the_same_whether_or_not_a_network_has_looked(harvest, suspected, tmp_path):
    curated(harvest, suspected.root, RECIPE)
    fresh = curated(harvest, tmp_path / "elsewhere" / "dataset", RECIPE).dataset
    texts = [lock.lock_path(one.root).read_text("utf-8") for one in (suspected, fresh)]
    assert texts[0] == texts[1]
    assert suspected.verify() == ()


def test_what_is_new_was_not_looked_at_and_that_is_told(suspected, tmp_path):
    grown = gathered(tmp_path / "grown", [*EIGHT_OF_EACH, ("mouse", jpeg(40))])
    again = curated(grown, suspected.root, RECIPE)
    before, after = found(suspected.rows), found(again.dataset.rows)
    assert {key: after[key] for key in before} == before
    assert [after[key] for key in after.keys() - before.keys()] == [(None, None, None)]
    assert "has looked at 16 of these 17 pictures" in who_looked(again.dataset)
    (warning,) = (one for one in again.warnings if "network" in one)
    assert "at 1 of the 17 pictures" in warning


def test_pictures_of_other_bytes_were_not_looked_at(harvest, suspected):
    again = curated(harvest, suspected.root, CurationRecipe(side_px=48)).dataset
    assert {row.outlier for row in again.rows} == {None}
    assert again.network == ""
    assert who_looked(again).startswith("No network has looked")


def test_a_picture_that_shows_another_species_now_is_doubted_no_more(harvest, suspected):
    moved = next(row for row in suspected.rows if row.species == "mouse")
    decision = Decision(digest=moved.digest, decision="move", species="mouse", to="shrew")
    with Harvest.open(harvest) as opened:
        outcomes = curate(opened, suspected.root, recipe=RECIPE, workers=1, decisions=[decision])
        *_, done = outcomes
    before, after = found(suspected.rows), found(done.dataset.rows)
    assert after.pop((moved.digest, "shrew")) == (None, None, None)
    del before[moved.digest, "mouse"]
    assert after == before


def test_what_was_taken_for_a_species_that_is_gone_was_not_looked_at(suspected, tmp_path):
    mice = gathered(tmp_path / "mice", [body for body in EIGHT_OF_EACH if body[0] == "mouse"])
    again = curated(mice, suspected.root, RECIPE).dataset
    assert {row.likely_species for row in again.rows} == {None}
    assert {row.outlier for row in again.rows} == {None}


def test_dropped_rows_inherit_nothing(suspected):
    dropped = [
        replace(row, kept=False, file=None, file_sha256=None, outlier=None)
        for row in suspected.rows
    ]
    assert list(inherited_from(suspected.root).into(dropped, {"mouse", "shrew"})) == dropped


def test_a_manifest_that_is_not_there_or_unreadable_leaves_nothing(tmp_path):
    assert inherited_from(tmp_path).rows == ()
    (tmp_path / MANIFEST).write_bytes(b"no manifest")
    assert inherited_from(tmp_path).rows == ()


def test_only_what_is_needed_is_read_of_the_manifest_before(suspected):
    rows = inherited_from(suspected.root).rows
    assert len(rows) == 16
    assert {row.image_url for row in rows} == {""}


KEYS = st.lists(
    st.tuples(st.sampled_from(["bat", "mouse", "shrew"]), st.integers(0, 30)), unique=True
)


@given(before=KEYS, after=KEYS)
def test_every_picture_that_is_in_both_inherits_and_no_other(before, after):
    def row(species, number, outlier=None):
        digest = f"{number:064x}"
        return Row(digest=digest, species=species, kept=True, file_sha256=digest, outlier=outlier)

    known = Inherited(rows=[row(*key, outlier=0.5) for key in sorted(before)])
    rows = [row(*key) for key in sorted(after)]
    made = list(known.into(rows, {one.species for one in rows}))
    assert [(one.species, one.digest) for one in made] == [
        (one.species, one.digest) for one in rows
    ]
    for key, one in zip(sorted(after), made, strict=True):
        assert (one.outlier is not None) == (key in before)


def test_a_manifest_without_a_network_is_read(suspected):
    path = suspected.root / MANIFEST
    write_manifest(path, suspected.rows, suspected.recipe)
    assert Dataset.open(suspected.root).network == ""
    assert "A network that is not named has looked at 16" in who_looked(suspected.read(path))
