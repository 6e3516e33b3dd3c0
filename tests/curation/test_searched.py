"""What a search for leaks found is told for as long as it holds, and is outdated afterwards."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from curation.dataset import LEAKS, Dataset
from curation.leaks import LeakCheck, Near
from curation.recipe import CurationRecipe
from curation.report import write_report
from curation.searched import is_outdated, keep_search, last_search, standing
from curation.suspects import note_doubts
from tests.curation.making import curated
from tests.curation.test_commands import bestiary
from tests.curation.test_leaks import checked

RECIPE = CurationRecipe(side_px=64)


@pytest.fixture
def searched(harvest, tmp_path):
    """A dataset whose splits were searched."""
    dataset = curated(harvest, tmp_path / "dataset", RECIPE).dataset
    check = checked(dataset.root, RECIPE)
    keep_search(dataset, check)
    write_report(dataset, name="dataset", lock_digest=dataset.lock_digest, leaks=check)
    return dataset


def report_of(dataset):
    return (dataset.root / "report.html").read_text("utf-8")


def warned_of_leaks(done):
    return [one for one in done.warnings if "leaks" in one]


def test_a_verdict_stays_when_the_same_dataset_is_made_again(harvest, searched):
    statement = last_search(searched.root).check.statement
    assert statement in report_of(searched)
    again = curated(harvest, searched.root, RECIPE)
    assert statement in report_of(again.dataset)
    assert not warned_of_leaks(again)


def test_a_verdict_stays_when_a_network_looks_or_a_page_is_written_without_a_search(searched):
    statement = last_search(searched.root).check.statement
    note_doubts(searched, {}, network="seer")
    assert statement in report_of(searched)
    write_report(searched, name="dataset", lock_digest=searched.lock_digest)
    assert statement in report_of(searched)


def test_a_verdict_on_another_version_is_outdated_until_that_one_is_back(harvest, searched):
    statement = last_search(searched.root).check.statement
    other = curated(harvest, searched.root, replace(RECIPE, seed=5))
    (warning,) = warned_of_leaks(other)
    assert "search again with `bestiary audit`" in warning
    assert is_outdated(searched.root, other.dataset.lock_digest)
    assert statement not in report_of(other.dataset)
    assert "Outdated: the last search was of another version" in report_of(other.dataset)
    back = curated(harvest, searched.root, RECIPE)
    assert not warned_of_leaks(back)
    assert statement in report_of(back.dataset)


def test_an_audit_ends_that(harvest, searched, tmp_path):
    other = replace(RECIPE, seed=5)
    curated(harvest, searched.root, other)
    found = bestiary("audit", cwd=tmp_path)["leaks"]
    again = curated(harvest, searched.root, other)
    assert not warned_of_leaks(again)
    assert found["statement"] in report_of(again.dataset)


def test_a_verdict_on_files_that_the_lock_does_not_know_holds_for_no_version(harvest, searched):
    original = next((searched.root / "train/shrew").iterdir())
    shutil.copy(original, next((searched.root / "test/mouse").iterdir()))
    keep_search(searched, checked(searched.root, RECIPE))
    assert len(last_search(searched.root).check.leaks) == 1
    mended = curated(harvest, searched.root, RECIPE)
    assert standing(searched.root, mended.dataset.lock_digest) is None
    assert warned_of_leaks(mended)


def test_where_nobody_has_searched_nothing_is_outdated(harvest, tmp_path):
    dataset = curated(harvest, tmp_path / "dataset", RECIPE)
    assert not warned_of_leaks(dataset)
    assert not is_outdated(dataset.dataset.root, "0" * 64)
    assert "Not searched yet" in report_of(dataset.dataset)


def test_a_check_is_read_as_it_was_written(searched):
    near = Near(first="test/mouse/a.jpg", second="train/mouse/b.jpg", likeness=1.0, same_bytes=True)
    check = LeakCheck(
        pictures=3,
        pairs=2,
        aligned=1,
        min_likeness=0.88,
        leaks=(near,),
        nearest=(replace(near, likeness=0.25, same_bytes=False),),
        unreadable=("val/mouse/c.jpg",),
        absent=("val/mouse/d.jpg",),
    )
    keep_search(searched, check)
    assert last_search(searched.root).check == check


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lock_digest": "", "check": {"leaks": 3}}'])
def test_a_damaged_record_is_none_at_all(searched, text):
    (searched.root / LEAKS).write_text(text)
    assert last_search(searched.root) is None
    assert "Not searched yet" in write_report(
        searched, name="dataset", lock_digest=searched.lock_digest
    ).read_text("utf-8")


def test_the_record_is_the_datasets_own_and_no_difference(searched):
    record = json.loads((searched.root / LEAKS).read_text())
    assert record["lock_digest"] == searched.lock_digest
    assert record["check"]["files_sha256"] == searched.lock_entry["files_sha256"]
    assert Dataset.open(searched.root).verify() == ()
