"""The lock: one entry for one harvest and recipe, many entries in one file."""

from __future__ import annotations

import json
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curation import lock
from curation.dataset import MANIFEST, Dataset
from curation.errors import DatasetError
from curation.recipe import STUDY_SPLITS, CurationRecipe
from scraper.harvest import Candidate, Harvest
from tests.curation.making import curated, encoded, jpeg, picture

BODIES = [("shrew", jpeg(n)) for n in range(10)] + [("mouse", jpeg(n)) for n in range(20, 30)]
ODD = [("shrew", encoded(picture(3).resize((84, 63)))), ("mouse", b"broken"), ("mouse", jpeg(2))]


def harvest(root, order):
    """The same records and originals, noted in another order."""
    images = list(enumerate([*BODIES, *ODD]))
    random.Random(order).shuffle(images)
    with Harvest.create(root) as made:
        for rank, (species, body) in images:
            candidate = Candidate(image_url=f"https://pictures.example/{rank}")
            made.add([candidate], species=species, source="urls", query="", first_rank=rank)
            (record,) = made.records("pending")
            made.keep(record, body, content_type="", fetched_at=f"2026-01-0{1 + rank % 9}")
    return root


def test_any_order_of_files_and_any_number_of_workers_give_the_same_entry(tmp_path):
    recipe = CurationRecipe(side_px=64, folds=3)
    texts = set()
    for order, workers in enumerate([1, 2, 8]):
        root = tmp_path / str(order)
        curated(harvest(root / "harvest", order), root / "dataset", recipe, workers)
        texts.add((root / "datasets.lock").read_text())
    (text,) = texts
    assert json.dumps(json.loads(text), sort_keys=True, indent=2) + "\n" == text


def test_the_founding_studys_split_records_who_dealt(tmp_path):
    recipe = CurationRecipe(side_px=64, split_by="study", splits=STUDY_SPLITS)
    dataset = curated(harvest(tmp_path / "harvest", 0), tmp_path / "dataset", recipe).dataset
    assert "scikit-learn" in dataset.lock_entry["libraries"]
    assert dataset.verify() == ()


def test_entries_that_are_written_at_the_same_time_are_all_there(tmp_path):
    path = tmp_path / "datasets.lock"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: lock.write_entry(path, f"d{n}", {"seed": n}), range(40)))
    assert {name: entry["seed"] for name, entry in lock.read_entries(path).items()} == {
        f"d{number}": number for number in range(40)
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask to speak of")
@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_a_lock_is_as_open_as_the_umask_allows(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        lock.write_entry(tmp_path / "datasets.lock", "shrews", {"seed": 1})
    finally:
        os.umask(before)
    assert (tmp_path / "datasets.lock").stat().st_mode & 0o777 == mode


def test_a_manifest_of_another_version_is_told_so(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"digest": ["0"]}).replace_schema_metadata({"bestiary": '{"version": 1}'})
    pq.write_table(table, tmp_path / MANIFEST)
    with pytest.raises(DatasetError, match=r"of version 1.*run `bestiary curate` again"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("library", ["numpy", "pillow"])
def test_every_python_is_given_the_same_of_what_an_entry_names(library: str) -> None:
    requirements = Path(__file__).parents[2] / "requirements.lock"
    pins = re.findall(rf"^{library}==\S+(.*)$", requirements.read_text("utf-8"), re.MULTILINE)

    assert len(pins) == 1, f"{library} is pinned for some Pythons and otherwise for others"
    assert "python" not in pins[0]
