"""Flags and reviews, as a user types them."""

from __future__ import annotations

import csv

import click
import pytest
from PIL import Image, ImageDraw

from curation.commands import curate
from curation.dataset import Dataset
from curation.errors import UsageError
from curation.review import COLUMNS
from curation.review_commands import review
from tests.curation.making import encoded, gathered, jpeg, picture


@pytest.fixture(scope="module")
def harvest(tmp_path_factory):
    """A grey shrew, a conflict, and enough others."""
    smaller = encoded(picture(1).resize((80, 60)))
    images = [("shrew", smaller), ("mouse", jpeg(1)), ("shrew", encoded(picture(2).convert("L")))]
    images += [(name, jpeg(n)) for n, name in enumerate(["shrew", "mouse"] * 4, 10)]
    return gathered(tmp_path_factory.mktemp("judged") / "harvest", images)


def typed(command: click.Command, *arguments: object):
    return command.main([str(one) for one in arguments], standalone_mode=False)


def make(harvest, root, *arguments):
    options = ("--harvest", harvest, "--dataset", root, "--size", 64, "--workers", 1)
    document, text = typed(curate, *options, *arguments)
    return document, text, Dataset.open(root)


def test_flags_are_told_and_dropped_only_on_demand(harvest, tmp_path):
    document, text, _ = make(harvest, tmp_path / "d")
    assert document["images"] == 9
    assert "Flagged and kept: 1 grey" in text
    assert "100% are tiny: taken as a trait of the dataset" in text
    document, _, dataset = make(harvest, tmp_path / "d", "--drop", "grey,drawing")
    assert (document["images"], document["dropped"]["grey"]) == (8, 1)
    assert dataset.recipe.drop == ("drawing", "grey")


def test_another_threshold_is_part_of_the_recipe(harvest, tmp_path):
    usual = make(harvest, tmp_path / "d")[2].lock_digest
    _, _, dataset = make(harvest, tmp_path / "d", "--flag-at", "grey=-1", "--flag-at", "tiny=8")
    assert (dataset.recipe.thresholds.grey, dataset.recipe.thresholds.tiny) == (-1, 8)
    assert not any(flag in row.flags for row in dataset.rows for flag in ("grey", "tiny"))
    assert dataset.lock_digest != usual


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--drop", "blury", "'blury' is no flag: choose among blank, dark"),
        ("--flag-at", "blurred", "'blurred' is not a flag and a number such as blurred=0.3"),
        ("--flag-at", "mood=1", "'mood' is no flag"),
    ],
)
def test_a_slip_in_an_option_is_told(harvest, tmp_path, option, value, told):
    with pytest.raises(click.BadParameter, match=told):
        make(harvest, tmp_path / "d", option, value)


def test_a_review_is_written_decided_in_and_applied(harvest, tmp_path):
    _, _, before = make(harvest, tmp_path / "d")
    assert sum(row.kept for row in before.rows) == 9
    path = tmp_path / "review.csv"
    document, text = typed(review, tmp_path / "d", "--out", path)
    assert document == {"written": str(path), "questions": 2, "left_out": 0}
    assert f"bestiary curate --review {path}" in text

    lines = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    assert lines[0] == list(COLUMNS)
    for line in lines[1:]:
        line[2] = "keep" if line[1] == "shrew" else "drop"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)

    document, _, after = make(harvest, tmp_path / "d", "--review", path)
    assert document["images"] == 10
    assert document["warnings"] == []
    assert {row.rank: row.review for row in after.rows if row.review} == {0: "keep", 1: "drop"}
    assert typed(review, tmp_path / "d", "--out", tmp_path / "more.csv")[0]["questions"] == 0


def test_a_file_with_decisions_is_not_written_over(harvest, tmp_path):
    make(harvest, tmp_path / "d")
    (tmp_path / "review.csv").write_text("mine")
    with pytest.raises(UsageError, match="maybe with your decisions: choose another --out"):
        typed(review, tmp_path / "d", "--out", tmp_path / "review.csv")
    assert (tmp_path / "review.csv").read_text() == "mine"


def test_one_poor_picture_at_many_addresses_is_a_placeholder(tmp_path):
    sign = Image.new("RGB", (200, 160), "white")
    ImageDraw.Draw(sign).text((20, 70), "no image available", "grey", font_size=16)
    images = [("shrew", encoded(sign))] * 3 + [("shrew", jpeg(5)), ("mouse", jpeg(6))]
    harvest = gathered(tmp_path / "harvest", images)
    document, _, dataset = make(
        harvest, tmp_path / "d", "--drop", "placeholder", "--splits", "1,0,0"
    )
    assert document["dropped"] == {"placeholder": 3}
    assert all("placeholder" in row.flags for row in dataset.rows if row.reason)
