"""The commands, as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def bestiary(*arguments: str, cwd, code: int = 0) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "bestiary", "--json", *arguments],
        check=False,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def workplace(shrews_and_mice, tmp_path_factory):
    folder = tmp_path_factory.mktemp("workplace")
    harvest = str(shrews_and_mice)
    document = bestiary(
        *("curate", "--harvest", harvest, "--size", "64", "--fit", "crop"),
        *("--splits", "0.6,0.2,0.2", "--background", "#808080", "--workers", "2"),
        cwd=folder,
    )
    return folder, document


def test_curate_tells_what_it_did(workplace):
    folder, document = workplace
    assert document["images"] == sum(document["total"].values()) == 19
    assert document["warnings"] == []
    assert (folder / document["report"]).is_file()


def test_audit_gives_the_same_figures(workplace):
    folder, curated = workplace
    document = bestiary("audit", cwd=folder)
    assert document == {key: value for key, value in curated.items() if key != "warnings"}
    assert document["dropped_by_species"]["mouse"]["not an image"] == 1
    assert document["imbalance_ratio"] == pytest.approx(11 / 8, abs=1e-3)


def test_verify_finds_nothing_and_then_what_was_changed(workplace, shrews_and_mice):
    folder, _ = workplace
    assert bestiary("verify", "--harvest", str(shrews_and_mice), cwd=folder)["differences"] == []
    victim = next((folder / "dataset/train").rglob("*.jpg"))
    body = victim.read_bytes()
    victim.write_bytes(b"other")
    document = bestiary("verify", cwd=folder, code=4)
    victim.write_bytes(body)
    (difference,) = document["differences"]
    assert difference["kind"] == "changed"
    assert victim.name in document["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("curate", "--harvest", "nowhere"), 1, "no harvest at nowhere"),
        (("curate", "--splits", "0.5,0.5"), 2, "splits must be three shares"),
        (("curate", "--splits", "most"), 2, "three shares"),
        (("curate", "--size", "1"), 2, "side_px"),
        (("curate", "--background", "greenish"), 2, "no colour"),
        (("audit", "nowhere"), 1, "no dataset at nowhere"),
        (("verify", "nowhere"), 1, "no dataset at nowhere"),
    ],
)
def test_errors_say_what_to_do(tmp_path, arguments, code, words):
    assert words in bestiary(*arguments, cwd=tmp_path, code=code)["error"]
