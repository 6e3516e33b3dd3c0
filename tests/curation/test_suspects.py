"""Wrong labels and outliers are found in features, and look-alikes vouch for nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dataset import Dataset, Row
from curation.errors import DatasetError
from curation.suspects import doubts, note_doubts, out_of_fold
from curation.suspicion import suspects, who_looked
from tests.curation.making import curated

NAMES = ("mouse", "shrew", "vole")


def gathered(per_species=40, spread=0.6, seed=0):
    """Rows of three species, and features that cluster by what is shown."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 24)) * 2
    shown = np.repeat(np.arange(3), per_species)
    features = centres[shown] + rng.normal(size=(len(shown), 24)) * spread
    rows = [Row(digest=f"{n:064x}", species=NAMES[one], kept=True) for n, one in enumerate(shown)]
    return rows, features.astype(np.float32)


def relabelled(rows, places):
    wrong = {place: NAMES[(NAMES.index(rows[place].species) + 1) % 3] for place in places}
    return [
        Row(digest=row.digest, species=wrong.get(place, row.species), group=row.group, kept=True)
        for place, row in enumerate(rows)
    ]


def test_planted_wrong_labels_are_the_most_doubtful_and_known_for_what_they_show():
    rows, features = gathered()
    planted = [3, 50, 90, 110]
    found = doubts(relabelled(rows, planted), features)
    worst = sorted(range(len(rows)), key=lambda place: -(found[place].label_doubt or 0))
    assert set(worst[:4]) == set(planted)
    assert [found[place].likely_species for place in planted] == [
        rows[place].species for place in planted
    ]


def test_a_clean_set_raises_no_doubts():
    found = doubts(*gathered())
    assert {(one.label_doubt, one.likely_species) for one in found} == {(0.0, None)}


def test_a_stranger_is_an_outlier_and_the_many_are_none():
    rows, features = gathered()
    features[7] = -3 * features[7]
    found = doubts(rows, features)
    assert found[7].outlier > 0.3
    assert sum(one.outlier > 0 for one in found) < len(rows) / 10


def test_copies_of_a_stranger_do_not_hide_it():
    rows, features = gathered()
    copies = list(range(12))
    features[copies] = -3 * features[0]
    grouped = [
        Row(digest=row.digest, species=row.species, group="g" if n in copies else None, kept=True)
        for n, row in enumerate(rows)
    ]
    found = doubts(grouped, features)
    assert all(found[place].outlier > 0.3 for place in copies)


def test_a_wrong_label_is_not_learnt_from_its_look_alikes():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 30)).astype(np.float32)
    labels = np.repeat([0, 1], 30)
    groups = np.repeat(np.arange(30), 2)  # Every picture has a twin of its own label.
    features[1::2] = features[::2]
    chances = out_of_fold(features, labels, groups)
    right = (chances.argmax(axis=1) == labels).mean()
    assert right < 0.75
    assert chances.sum(axis=1) == pytest.approx(1)


def test_a_species_with_few_images_is_not_judged_and_judges_nobody():
    rows, features = gathered(per_species=20)
    few = [Row(digest=f"{n:064x}", species="bat", kept=True) for n in range(900, 903)]
    strange = np.full((3, 24), 9, np.float32)
    found = doubts([*rows, *few], np.concatenate([features, strange]))
    assert {one.label_doubt for one in found[-3:]} == {None}
    assert all(one.label_doubt is not None for one in found[:-3])
    alone = doubts(rows[:20], features[:20])
    assert {one.label_doubt for one in alone} == {None}


@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False))
def test_outliers_do_not_depend_on_the_order_of_images(random):
    rows, features = gathered(per_species=12)
    order = list(range(len(rows)))
    random.shuffle(order)
    usual = [one.outlier for one in doubts(rows, features)]
    shuffled = [one.outlier for one in doubts([rows[n] for n in order], features[order])]
    assert shuffled == pytest.approx([usual[n] for n in order], abs=1e-3)


def test_damaged_features_are_an_error():
    rows, features = gathered()
    features[0, 0] = np.nan
    with pytest.raises(DatasetError, match="weights are damaged"):
        doubts(rows, features)


def test_doubts_are_noted_in_the_manifest_and_leave_the_lock_alone(shrews_and_mice, tmp_path):
    dataset = curated(shrews_and_mice, tmp_path / "dataset").dataset
    assert who_looked(dataset).startswith("No network has looked at these pictures")
    kept = [row for row in dataset.rows if row.kept]
    features = np.random.default_rng(0).normal(size=(len(kept), 8)).astype(np.float32)
    for row, one in zip(kept, features, strict=True):
        one[0] = 9 if row.species == "mouse" else -9
    features[0, 0] *= -1
    found = {
        (row.digest, row.species): doubt
        for row, doubt in zip(kept, doubts(kept, features), strict=True)
    }
    noted = note_doubts(dataset, found, network="seer (seer.h5)")
    assert who_looked(noted) == (
        "seer (seer.h5) has looked at 19 of these 19 pictures for outliers and wrong labels."
    )
    assert who_looked(noted) in (noted.root / "report.html").read_text("utf-8")
    assert noted.verify() == ()
    assert noted.lock_digest == dataset.lock_digest
    worst = suspects([row for row in noted.rows if row.kept])[0]
    assert (worst.digest, worst.likely_species) == (kept[0].digest, "shrew")
    assert Dataset.open(dataset.root).rows == noted.rows
    assert all(row.outlier is None for row in noted.rows if not row.kept)
    assert not list(dataset.root.glob(".*.unready"))
