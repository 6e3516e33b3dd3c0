"""The commands, as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.curation.making import curated, gathered, jpeg


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
    leaks = document.pop("leaks")
    assert document == curated
    assert leaks["leaks"] == []
    assert leaks["pairs"] > 0
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
    assert difference["kind"] == "corrupt"
    assert victim.name in document["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("curate", "--harvest", "nowhere"), 1, "no harvest at nowhere"),
        (("curate", "--splits", "0.5,0.5"), 2, "three shares"),
        (("curate", "--splits", "most"), 2, "three shares"),
        (("curate", "--size", "1"), 2, "--size must lie in"),
        (("curate", "--min-likeness", "2"), 2, "--min-likeness must"),
        (("curate", "--background", "greenish"), 2, "no colour"),
        (("audit", "nowhere"), 1, "no dataset at nowhere"),
        (("verify", "nowhere"), 1, "no dataset at nowhere"),
    ],
)
def test_errors_say_what_to_do(tmp_path, arguments, code, words):
    assert words in bestiary(*arguments, cwd=tmp_path, code=code)["error"]


@pytest.mark.parametrize("body", [None, b"no parquet"])
def test_verify_exits_with_4_where_the_lock_knows_a_dataset_without_a_manifest(
    shrews_and_mice, tmp_path, body
):
    bestiary("curate", "--harvest", str(shrews_and_mice), "--size", "32", cwd=tmp_path)
    manifest = tmp_path / "dataset/manifest.parquet"
    manifest.unlink()
    if body is not None:
        manifest.write_bytes(body)

    document = bestiary("verify", cwd=tmp_path, code=4)

    assert [one["kind"] for one in document["differences"]] == ["manifest"]


def test_a_strict_audit_passes_only_what_it_could_compare(shrews_and_mice, tmp_path):
    root = curated(shrews_and_mice, tmp_path / "dataset").dataset.root
    assert "error" not in bestiary("audit", "--strict", cwd=tmp_path)
    next((root / "train/mouse").iterdir()).unlink()
    document = bestiary("audit", "--strict", cwd=tmp_path, code=1)
    assert "may leak, files that the manifest has and the folder has not: 1" in document["error"]
    assert len(document["leaks"]["absent"]) == 1
    assert "run `bestiary verify`" in document["error"]


def test_audit_shows_its_figures_where_the_report_cannot_be_written(shrews_and_mice, tmp_path):
    bestiary("curate", "--harvest", str(shrews_and_mice), "--size", "32", cwd=tmp_path)
    report = tmp_path / "dataset/report.html"
    report.unlink()
    report.mkdir()

    document = bestiary("audit", cwd=tmp_path)

    assert document["images"] == 19
    assert document["report"] is None
    assert "report.html" in document["warnings"][0]


def test_species_that_are_one_folder_elsewhere_are_refused(tmp_path):
    gathered(tmp_path / "harvest", [("Shrew", jpeg(1)), ("shrew", jpeg(2)), ("mouse", jpeg(3))])

    error = bestiary("curate", cwd=tmp_path, code=1)["error"]

    assert "'Shrew'" in error
    assert "'shrew'" in error
