"""The whole road, as a user walks it: a real browser, real files, the real commands."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from scraper.standin.site import Site

SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")).resolve()

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("google-chrome")),
    reason="the road begins in a real Chrome or Chromium, and there is none on PATH",
)


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a script would."""
    command = [sys.executable, "-m", "bestiary", "--json", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )


def bestiary(*arguments: str, cwd: Path) -> dict[str, Any]:
    """Run a command that must succeed; return its JSON document."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def walk(site: Site, species: list[str], *, per_species: int, cwd: Path) -> None:
    """From names to a measured model, at a pace that loopback hosts can bear."""
    address = ["--base-url", site.base_url, "--allow-host", site.address_range, "--pause", "0"]
    bestiary("scrape", *species, "--per-species", str(per_species), *address, cwd=cwd)
    bestiary("curate", cwd=cwd)
    bestiary("train", "scratch-224", "--epochs", "2", cwd=cwd)


def learning(run: Path) -> list[dict[str, str]]:
    """The figures of each epoch, to the last digit, without what the clock said."""
    with (run / "history.csv").open(newline="") as file:
        return [{**row, "duration_s": ""} for row in csv.DictReader(file)]


def test_names_go_in_and_a_measured_model_comes_out(drawn_pictures, tmp_path):
    species = sorted(path.name for path in drawn_pictures.iterdir() if path.is_dir())
    with Site(drawn_pictures) as site:
        walk(site, species, per_species=14, cwd=tmp_path)

    audit = bestiary("audit", cwd=tmp_path)
    assert set(audit["splits"]["train"]) == set(species)
    assert audit["dropped"]
    assert bestiary("verify", cwd=tmp_path)["differences"] == []
    assert (tmp_path / "dataset/report.html").is_file()

    evaluated = bestiary("evaluate", cwd=tmp_path)
    metrics = json.loads((tmp_path / "runs/latest/metrics.json").read_text())
    assert evaluated["metrics"] == metrics
    assert metrics["lock_digest"] == audit["lock_digest"]
    assert metrics["splits"]["test"]["accuracy"]["n"] == sum(audit["splits"]["test"].values())
    assert (tmp_path / "runs/latest/report.html").is_file()

    bestiary("train", "scratch-224", "--epochs", "2", "--run", "runs/again", cwd=tmp_path)
    assert learning(tmp_path / "runs/again") == learning(tmp_path / "runs/scratch-224-1")

    photo = next((drawn_pictures / species[0]).glob("*.jpg"))
    (answer,) = bestiary("predict", "runs/latest", str(photo), cwd=tmp_path)["images"]
    assert answer["species"] in species


def test_a_changed_picture_is_found_and_not_trained_on(drawn_pictures, tmp_path):
    bestiary("scrape", "--source", "folder", "--from", str(drawn_pictures), cwd=tmp_path)
    bestiary("curate", cwd=tmp_path)
    victim = next((tmp_path / "dataset/train").rglob("*.jpg"))
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")

    for arguments in (["verify"], ["train", "scratch-224"]):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 4
        assert victim.name in done.stdout


@pytest.mark.skipif(
    not (SHARED / "data/photos").is_dir(),
    reason=f"no real photos at {SHARED / 'data/photos'}: set BESTIARY_SHARED",
)
def test_real_photos_walk_the_same_road(tmp_path):
    species = ["cat", "dog", "hamster", "lion", "wolf"]
    with Site(SHARED / "data/photos") as site:
        walk(site, species, per_species=30, cwd=tmp_path)

    rows = pyarrow.parquet.read_table(tmp_path / "dataset/manifest.parquet").to_pylist()
    assert len(rows) == 30 * len(species)
    assert all(row["kept"] or row["reason"] for row in rows)
    audit = bestiary("audit", cwd=tmp_path)
    assert all(audit["splits"]["test"][name] >= 2 for name in species)
